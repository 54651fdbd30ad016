"""Camera paths and intrinsics as text: the Spatia case files and TUM trajectories. Any thread.

| file             | one line                                                                      |
|------------------|-------------------------------------------------------------------------------|
| `w2c.txt`        | camera_from_world, a 4x4 nested list of numbers, one line a frame             |
| `intrinsics.txt` | fx fy cx cy, divided by the picture's width and height; brackets allowed      |
| TUM              | time tx ty tz qx qy qz qw, the pose world_from_camera; `#` begins a comment   |

Numbers are written with all their digits. Rotations are read to the nearest exact one, for files carry rounded digits.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from spatia.errors import InputError
from spatia.geom.camera import Intrinsics
from spatia.geom.pose import (
    F64,
    check_poses,
    from_rotation_translation,
    inverse,
    quaternion_from_rotation,
    rotation_from_quaternion,
)

MAX_BYTES = 64 << 20
MAX_LINE = 4096
MAX_POSES = 100_000
QUATERNION_TOLERANCE = 1e-2  # TUM files carry four digits


def read_path(path: Path | str) -> F64:
    """world_from_camera [T, 4, 4] of a `w2c.txt` or a TUM file, told apart by the numbers in its first line.

    Raises `InputError` at ``file:line``.
    """
    for numbers, where in _rows(path):
        if len(numbers) == 16:
            return read_w2c(path)
        if len(numbers) == 8:
            return read_tum(path)[1]
        raise InputError(
            f"{len(numbers)} numbers", where=where, fix="w2c.txt has 16 a line (a 4x4 matrix), a TUM trajectory 8"
        )
    raise _empty(path)


def read_w2c(path: Path | str) -> F64:
    """world_from_camera [T, 4, 4] of a Spatia `w2c.txt`. Raises `InputError` at ``file:line``."""
    poses = []
    for numbers, where in _rows(path):
        if len(numbers) != 16:
            raise InputError(f"{len(numbers)} numbers instead of a 4x4 matrix", where=where, fix="write 16 a line")
        matrix = np.array(numbers).reshape(4, 4)
        try:
            check_poses(matrix, name="the matrix")
        except ValueError as error:
            raise InputError(str(error), where=where, fix=_matrix_fix(matrix)) from error
        poses.append(matrix)
    if not poses:
        raise _empty(path)
    camera_from_world = np.stack(poses)
    u, _, vt = np.linalg.svd(camera_from_world[:, :3, :3])
    return inverse(from_rotation_translation(u @ vt, camera_from_world[:, :3, 3]))


def write_w2c(path: Path | str, world_from_camera: F64) -> None:
    """A Spatia `w2c.txt` of poses [T, 4, 4]."""
    lines = [str(matrix.tolist()) for matrix in inverse(check_poses(world_from_camera))]
    Path(path).write_text("\n".join(lines) + "\n", encoding="utf-8")


def read_tum(path: Path | str) -> tuple[F64, F64]:
    """time_s [T], increasing, and world_from_camera [T, 4, 4] of a TUM file. Raises `InputError` at ``file:line``."""
    rows: list[list[float]] = []
    for numbers, where in _rows(path):
        if len(numbers) != 8:
            raise InputError(
                f"{len(numbers)} numbers instead of 8", where=where, fix="write `time tx ty tz qx qy qz qw` a line"
            )
        norm = float(np.linalg.norm(numbers[4:]))
        if abs(norm - 1) > QUATERNION_TOLERANCE:
            raise InputError(
                f"the quaternion has length {norm:.4g} instead of 1", where=where, fix="the last four are qx qy qz qw"
            )
        if rows and numbers[0] <= rows[-1][0]:
            raise InputError(f"time {numbers[0]} does not come after {rows[-1][0]}", where=where, fix="sort by time")
        rows.append(numbers)
    if not rows:
        raise _empty(path)
    table = np.array(rows)
    rotation = rotation_from_quaternion(table[:, [7, 4, 5, 6]])
    return table[:, 0], from_rotation_translation(rotation, table[:, 1:4])


def write_tum(path: Path | str, time_s: F64, world_from_camera: F64) -> None:
    """A TUM trajectory of poses [T, 4, 4] at times [T]."""
    poses = check_poses(world_from_camera)
    xyzw = quaternion_from_rotation(poses[:, :3, :3])[:, [1, 2, 3, 0]]
    table = np.concatenate([np.asarray(time_s, dtype=np.float64)[:, None], poses[:, :3, 3], xyzw], axis=1)
    lines = ["# time tx ty tz qx qy qz qw", *(" ".join(map(repr, row)) for row in table.tolist())]
    Path(path).write_text("\n".join(lines) + "\n", encoding="utf-8")


def read_intrinsics(path: Path | str, *, width_px: int, height_px: int) -> Intrinsics:
    """A Spatia `intrinsics.txt` on a raster of that size. Raises `InputError` at ``file:line``."""
    rows = list(_rows(path))
    numbers = [number for row, _ in rows for number in row]
    where = rows[0][1] if rows else str(path)
    if len(numbers) != 4:
        raise InputError(f"{len(numbers)} numbers instead of fx fy cx cy", where=where, fix="write four numbers")
    fx, fy, cx, cy = numbers
    if max(numbers) > 20:
        raise InputError(
            f"{max(numbers):g} looks like pixels",
            where=where,
            fix="divide fx, cx by the width and fy, cy by the height",
        )
    if min(fx, fy) <= 0:
        raise InputError(
            f"focal lengths must be positive; got {fx:g} {fy:g}", where=where, fix="the order is fx fy cx cy"
        )
    return Intrinsics(
        fx_px=fx * width_px,
        fy_px=fy * height_px,
        cx_px=cx * width_px,
        cy_px=cy * height_px,
        width_px=width_px,
        height_px=height_px,
    )


def write_intrinsics(path: Path | str, intrinsics: Intrinsics) -> None:
    """A Spatia `intrinsics.txt`: divided by width and height, in brackets."""
    k = intrinsics
    numbers = [k.fx_px / k.width_px, k.fy_px / k.height_px, k.cx_px / k.width_px, k.cy_px / k.height_px]
    Path(path).write_text(f"[{' '.join(map(repr, numbers))}]\n", encoding="utf-8")


def _rows(path: Path | str) -> Iterator[tuple[list[float], str]]:
    """The finite numbers and the ``file:line`` of each line that holds any; brackets and commas are spaces."""
    count = 0
    for line_number, line in enumerate(_lines(path), start=1):
        where = f"{path}:{line_number}"
        if len(line) > MAX_LINE:
            raise InputError(f"a line of {len(line):,} characters", where=where, fix="write one pose a line")
        words = line.partition("#")[0].translate(_SPACES).split()
        if not words:
            continue
        count += 1
        if count > MAX_POSES:
            raise InputError(f"more than {MAX_POSES:,} poses", where=where, fix="cut the path into several files")
        yield [_number(word, where) for word in words], where


_SPACES = str.maketrans("[](),", "     ")


def _lines(path: Path | str) -> list[str]:
    try:
        with Path(path).open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        raise InputError(f"cannot be read: {error}", where=str(path), fix="check the path") from error
    if len(raw) > MAX_BYTES:
        raise InputError(f"is larger than {MAX_BYTES >> 20} MiB", where=str(path), fix="cut it into several files")
    try:
        return raw.decode("utf-8-sig").split("\n")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise InputError("is not text", where=f"{path}:{line}", fix="save it as UTF-8") from error


def _number(word: str, where: str) -> float:
    try:
        number = float(word)
    except ValueError as error:
        raise InputError(f"{word[:40]!r} is not a number", where=where, fix="write plain decimal numbers") from error
    if not np.isfinite(number):
        raise InputError(f"numbers must be finite; found {word[:40]}", where=where, fix="leave that pose out")
    return number


def _matrix_fix(matrix: F64) -> str:
    if np.allclose(matrix[:, 3], [0, 0, 0, 1]) and np.abs(matrix[3, :3]).max() > 0:
        return "the matrix looks transposed: write the translation in the last column"
    if np.allclose(matrix[3], [0, 0, 0, 1]):
        return "the upper left 3x3 must be a rotation without scale or mirroring"
    return "write the row 0 0 0 1 last"


def _empty(path: Path | str) -> InputError:
    return InputError("holds no poses", where=str(path), fix="write one pose a line")
