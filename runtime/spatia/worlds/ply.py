"""PLY point clouds: a bounded reader and a writer.

Reads ascii and both binary orders; positions with colours, or 3D Gaussians taken as points. A file is a stranger's:
the header is at most 64 KiB, counts must fit the bytes that are there before anything is allocated, and whatever is
wrong raises `InputError` naming the line or the byte. Faces and other elements after the vertices are not read.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from spatia.errors import InputError
from spatia.records.arrays import F64
from spatia.records.cloud import Points

MAX_HEADER_BYTES = 64 * 1024
MAX_PROPERTIES = 64
MAX_LINE_BYTES = 64 * 1024
MAX_LIST_ROWS = 200_000  # rows with lists have to be walked one by one
DEFAULT_MAX_POINTS = 50_000_000
ASCII_ROWS_AT_ONCE = 65_536
GREY = 200.0

SPHERICAL_HARMONIC_0 = 0.28209479177387814  # colour of a 3D Gaussian: 0.5 + this * f_dc (Kerbl et al. 2023)

NUMBER_TYPES = {
    "char": "i1",
    "uchar": "u1",
    "short": "i2",
    "ushort": "u2",
    "int": "i4",
    "uint": "u4",
    "float": "f4",
    "double": "f8",
    "int8": "i1",
    "uint8": "u1",
    "int16": "i2",
    "uint16": "u2",
    "int32": "i4",
    "uint32": "u4",
    "float32": "f4",
    "float64": "f8",
}
BYTE_ORDERS = {"ascii": "=", "binary_little_endian": "<", "binary_big_endian": ">"}
USED = ("x", "y", "z", "red", "green", "blue", "f_dc_0", "f_dc_1", "f_dc_2", "opacity", "weight", "clip", "label")


@dataclass(frozen=True, slots=True, kw_only=True)
class PlyCloud:
    """What a file held, and what of it could not be used."""

    points: Points
    dropped_non_finite: int
    dropped_transparent: int


@dataclass(frozen=True, slots=True)
class _Property:
    name: str
    kind: str  # numpy type code without byte order
    count_kind: str = ""  # of a list's length; empty for a single number


@dataclass(frozen=True, slots=True)
class _Element:
    name: str
    count: int
    properties: tuple[_Property, ...]

    @property
    def has_lists(self) -> bool:
        return any(p.count_kind for p in self.properties)


def read_ply(path: Path | str, *, max_points: int = DEFAULT_MAX_POINTS, min_opacity: float = 0.1) -> PlyCloud:
    """The vertices of a PLY file as points, without those that are not finite or whose Gaussian is nearly transparent.

    Colours may be integers, floats in 0..1 or 0..255, or spherical harmonics; without any, points are grey.
    Raises `InputError` for a file that is missing, malformed, too large, or without x, y and z.
    """
    path = Path(path)
    try:
        if not path.is_file():
            raise InputError("there is no such file", where=str(path), fix="check the path of the PLY cloud")
        with path.open("rb") as file:
            order, elements = _read_header(file, path)
            return _points_of(_read_vertices(file, path, order, elements, max_points), path, min_opacity)
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", where=str(path)) from error


def write_ply(path: Path | str, points: Points, *, with_memory_fields: bool = False) -> None:
    """Binary little endian: x y z red green blue, and weight, clip, label when asked. Raises `InputError`."""
    fields = [("x", "<f4"), ("y", "<f4"), ("z", "<f4"), ("red", "u1"), ("green", "u1"), ("blue", "u1")]
    if with_memory_fields:
        fields += [("weight", "<f4"), ("clip", "<i4"), ("label", "<i4")]
    rows = np.empty(len(points), dtype=fields)
    for axis, name in enumerate("xyz"):
        rows[name] = points.positions_in_world[:, axis]
    colors = np.clip(np.floor(points.colors + 0.5), 0, 255)
    for channel, name in enumerate(("red", "green", "blue")):
        rows[name] = colors[:, channel]
    if with_memory_fields:
        rows["weight"], rows["clip"], rows["label"] = points.weights, points.clips, points.labels
    names = {"f4": "float", "u1": "uchar", "i4": "int"}
    header = ["ply", "format binary_little_endian 1.0", f"element vertex {len(points)}"]
    header += [f"property {names[kind.lstrip('<')]} {name}" for name, kind in fields]
    try:
        with Path(path).open("wb") as file:
            file.write(("\n".join([*header, "end_header"]) + "\n").encode("ascii"))
            file.write(rows.tobytes())
    except OSError as error:
        raise InputError(f"cannot be written: {error.strerror}", where=str(path), fix="name another file") from error


def _read_header(file: BinaryIO, path: Path) -> tuple[str, list[_Element]]:
    """Byte order and elements; leaves the file at the first byte of the body."""
    order = ""
    elements: list[_Element] = []
    for number in range(1, MAX_HEADER_BYTES):
        where = f"{path}:{number}"
        raw = file.readline(MAX_LINE_BYTES)
        if file.tell() > MAX_HEADER_BYTES or not raw.endswith(b"\n"):
            raise InputError(f"the header does not end within {MAX_HEADER_BYTES} bytes", where=where)
        words = raw.decode("latin-1").split()
        if number == 1:
            if words != ["ply"]:
                raise InputError(f"not a PLY file: it starts with {raw[:16]!r}", where=where, fix="start it with 'ply'")
        elif not words or words[0] in ("comment", "obj_info"):
            continue
        elif words[0] == "format" and len(words) == 3 and words[1] in BYTE_ORDERS:
            order = BYTE_ORDERS[words[1]] if words[1] != "ascii" else "ascii"
        elif words[0] == "element" and len(words) == 3 and words[2].isascii() and words[2].isdigit():
            if len(words[2]) > 18:
                raise InputError(f"{words[2][:24]}... elements cannot be in any file", where=where)
            elements.append(_Element(words[1], int(words[2]), ()))
        elif words[0] == "property" and elements:
            last = elements[-1]
            elements[-1] = _Element(last.name, last.count, (*last.properties, _property(words, where)))
            if sum(len(element.properties) for element in elements) > MAX_PROPERTIES:
                raise InputError(f"more than {MAX_PROPERTIES} properties", where=where)
        elif words == ["end_header"]:
            if not order:
                raise InputError("the header names no format", where=where, fix="add 'format binary_little_endian 1.0'")
            return order, elements
        else:
            raise InputError(f"cannot understand {raw[:60].strip()!r} in the header", where=where)
    raise InputError("the header does not end", where=str(path))


def _property(words: list[str], where: str) -> _Property:
    if len(words) == 3 and words[1] in NUMBER_TYPES:
        return _Property(words[2], NUMBER_TYPES[words[1]])
    if len(words) == 5 and words[1] == "list" and words[2] in NUMBER_TYPES and words[3] in NUMBER_TYPES:
        count_kind = NUMBER_TYPES[words[2]]
        if count_kind.startswith("f"):
            raise InputError("a list's length must be an integer type", where=where)
        return _Property(words[4], NUMBER_TYPES[words[3]], count_kind)
    raise InputError(f"cannot understand the property {' '.join(words)[:60]!r}", where=where)


def _read_vertices(
    file: BinaryIO, path: Path, order: str, elements: list[_Element], max_points: int
) -> dict[str, npt.NDArray[Any]]:
    """The used properties of the vertex element by name, each [N]."""
    names = [element.name for element in elements]
    if "vertex" not in names:
        raise InputError(f"no 'vertex' element; it has {names or 'none'}", where=str(path))
    at = names.index("vertex")
    vertex = elements[at]
    held = [p.name for p in vertex.properties if not p.count_kind]
    missing = [axis for axis in "xyz" if axis not in held]
    if missing:
        raise InputError(
            f"the vertices have no {', '.join(missing)}; they have {', '.join(held)}",
            where=str(path),
            fix="give each vertex the properties x, y and z",
        )
    if len(set(held)) != len(held):
        raise InputError("a vertex property is named twice", where=str(path))
    if vertex.count > max_points:
        raise InputError(
            f"{vertex.count} points, and at most {max_points} are allowed",
            where=str(path),
            fix="thin the cloud out, or raise max_points",
        )
    reader = _Ascii(file, path) if order == "ascii" else _Binary(file, path, order)
    for element in elements[:at]:
        reader.read(element)
    return reader.read(vertex)


class _Body:
    """The part of a file after its header."""

    def __init__(self, file: BinaryIO, path: Path) -> None:
        self._file = file
        self._path = path
        self._size = os.fstat(file.fileno()).st_size

    def _check_room(self, element: _Element, least_bytes: int) -> None:
        left = self._size - self._file.tell()
        if least_bytes > left:
            raise InputError(
                f"the header promises {element.count} of '{element.name}', {least_bytes} bytes at least, "
                f"and {left} are left at byte {self._file.tell()}",
                where=str(self._path),
                fix="the file is cut short or its header is wrong: write it anew",
            )
        if element.has_lists and element.count > MAX_LIST_ROWS:
            raise InputError(f"more than {MAX_LIST_ROWS} rows of '{element.name}' with lists", where=str(self._path))


class _Binary(_Body):
    def __init__(self, file: BinaryIO, path: Path, order: str) -> None:
        super().__init__(file, path)
        self._order = order

    def read(self, element: _Element) -> dict[str, npt.NDArray[Any]]:
        kinds = {p: np.dtype(self._order + (p.count_kind or p.kind)) for p in element.properties}
        self._check_room(element, element.count * sum(kind.itemsize for kind in kinds.values()))
        used = [p for p in element.properties if p.name in USED and not p.count_kind]
        if not element.has_lists:
            offsets = np.cumsum([0, *(kind.itemsize for kind in kinds.values())]).tolist()
            row = np.dtype(
                {
                    "names": [p.name for p in used],
                    "formats": [kinds[p] for p in used],
                    "offsets": [offsets[element.properties.index(p)] for p in used],
                    "itemsize": max(1, offsets[-1]),
                }
            )
            if not offsets[-1]:
                return {}
            rows = np.frombuffer(self._take(element.count * offsets[-1]), dtype=row)
            return {p.name: rows[p.name] for p in used}
        columns: dict[str, list[Any]] = {p.name: [] for p in used}
        for _ in range(element.count):
            for p in element.properties:
                value = np.frombuffer(self._take(kinds[p].itemsize), dtype=kinds[p])[0]
                if p.count_kind:
                    self._skip(int(value) * np.dtype(p.kind).itemsize)
                elif p.name in columns:
                    columns[p.name].append(value)
        return {p.name: np.array(columns[p.name], dtype=p.kind) for p in used}

    def _take(self, count: int) -> bytes:
        at = self._file.tell()
        data = self._file.read(count)
        if len(data) < count:
            raise InputError(
                f"the file ends at byte {self._size}, {count} bytes were wanted at {at}", where=str(self._path)
            )
        return data

    def _skip(self, count: int) -> None:
        at = self._file.tell()
        if count < 0 or at + count > self._size:
            raise InputError(f"a list at byte {at} reaches past the end of the file", where=str(self._path))
        self._file.seek(count, os.SEEK_CUR)


class _Ascii(_Body):
    def read(self, element: _Element) -> dict[str, npt.NDArray[Any]]:
        # A number and what parts it from the next take two bytes; the last line may lack its end.
        self._check_room(element, 2 * element.count * len(element.properties) - 1)
        used = {p.name: k for k, p in enumerate(element.properties) if p.name in USED and not p.count_kind}
        parts = [block[:, list(used.values())] for block in self._blocks(element)]
        rows = np.concatenate(parts) if parts else np.zeros((0, len(used)))
        return {name: rows[:, k] for k, name in enumerate(used)}

    def _blocks(self, element: _Element) -> Iterator[F64]:
        """The element's rows [n, properties] in pieces; lists leave a 0."""
        width = len(element.properties)
        for first in range(0, element.count, ASCII_ROWS_AT_ONCE):
            at = self._file.tell()
            rows = [self._row(element) for _ in range(min(ASCII_ROWS_AT_ONCE, element.count - first))]
            if any(len(row) != width for row in rows):
                short = next(k for k, row in enumerate(rows) if len(row) != width)
                raise InputError(
                    f"row {first + short} of '{element.name}' has {len(rows[short])} numbers, {width} were wanted",
                    where=f"{self._path}, after byte {at}",
                )
            try:
                yield np.array(rows, dtype=np.float64).reshape(-1, width)
            except ValueError as error:
                raise InputError(
                    f"a row from {first} on of '{element.name}' is no list of numbers: {error}",
                    where=f"{self._path}, after byte {at}",
                ) from error

    def _row(self, element: _Element) -> list[bytes]:
        at = self._file.tell()
        line = self._file.readline(MAX_LINE_BYTES)
        if not line or len(line) == MAX_LINE_BYTES:
            raise InputError(
                f"{'the file ends' if not line else 'a line is too long'} at byte {at}", where=str(self._path)
            )
        words = line.split()
        if not element.has_lists:
            return words
        row: list[bytes] = []
        for p in element.properties:
            row.extend(words[:1] if not p.count_kind else [b"0"])
            if p.count_kind:
                if not (words and words[0].isdigit() and int(words[0][:9]) < len(words)):
                    raise InputError(f"a list at byte {at} is longer than its line", where=str(self._path))
                words = words[int(words[0]) :]
            words = words[1:]
        return row


def _points_of(columns: dict[str, npt.NDArray[Any]], path: Path, min_opacity: float) -> PlyCloud:
    with np.errstate(over="ignore", invalid="ignore"):
        positions = np.stack([columns[axis].astype(np.float32) for axis in "xyz"], axis=-1)
        colors = _colors_of(columns, len(positions))
        weights = columns["weight"].astype(np.float32) if "weight" in columns else np.ones(len(positions), np.float32)
        finite = (
            np.isfinite(positions).all(axis=1) & np.isfinite(colors).all(axis=1) & np.isfinite(weights) & (weights > 0)
        )
        solid = np.ones(len(positions), dtype=np.bool_)
        if "f_dc_0" in columns and "opacity" in columns:
            opacity = columns["opacity"].astype(np.float64)
            finite &= np.isfinite(opacity)
            solid = 1.0 / (1.0 + np.exp(-np.clip(opacity, -60.0, 60.0))) >= min_opacity
    keep = finite & solid
    whole = {name: _whole_numbers(columns[name], name, path) for name in ("clip", "label") if name in columns}
    return PlyCloud(
        points=Points.of(
            positions[keep],
            np.clip(colors[keep], 0.0, 255.0),
            weights=weights[keep],
            **{f"{name}s": values[keep] for name, values in whole.items()},
        ),
        dropped_non_finite=int((~finite).sum()),
        dropped_transparent=int((finite & ~solid).sum()),
    )


def _colors_of(columns: dict[str, npt.NDArray[Any]], count: int) -> npt.NDArray[np.float32]:
    """[N, 3] in 0..255."""
    if all(name in columns for name in ("red", "green", "blue")):
        kind = columns["red"].dtype
        rgb = np.stack([columns[name].astype(np.float32) for name in ("red", "green", "blue")], axis=-1)
        if kind.kind == "f" and (np.nan_to_num(rgb) <= 1.0).all():
            return rgb * np.float32(255.0)
        return rgb / np.float32(257.0) if kind.kind == "u" and kind.itemsize == 2 else rgb
    if all(name in columns for name in ("f_dc_0", "f_dc_1", "f_dc_2")):
        raw = np.stack([columns[f"f_dc_{channel}"].astype(np.float32) for channel in range(3)], axis=-1)
        return np.asarray(255.0 * np.clip(0.5 + SPHERICAL_HARMONIC_0 * raw, 0.0, 1.0), dtype=np.float32)
    return np.full((count, 3), GREY, dtype=np.float32)


def _whole_numbers(values: npt.NDArray[Any], name: str, path: Path) -> npt.NDArray[np.int32]:
    limits = np.iinfo(np.int32)
    wide = values.astype(np.float64)
    if not (np.isfinite(wide) & (wide >= limits.min) & (wide <= limits.max)).all():
        raise InputError(f"'{name}' must hold whole numbers of 32 bits", where=str(path))
    return wide.astype(np.int32)
