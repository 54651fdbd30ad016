import resource
import struct
from pathlib import Path

import numpy as np
import pytest

from spatia.clock import WallClock
from spatia.errors import InputError
from spatia.records.cloud import Points
from spatia.worlds.ply import read_ply, write_ply
from support.mutate import mutants

HEAD = "ply\nformat {order} 1.0\ncomment by hand\nelement vertex {count}\n"
XYZ = "property float x\nproperty float y\nproperty float z\n"
RGB = "property uchar red\nproperty uchar green\nproperty uchar blue\n"


def ascii_ply() -> bytes:
    header = (
        HEAD.format(order="ascii", count=3) + XYZ + RGB + "element face 1\nproperty list uchar int vertex_indices\n"
    )
    return (header + "end_header\n0 0 1 255 0 0\n1 0 1.5 0 255 0\n0 1 2e0 0 0 255\n3 0 1 2\n").encode()


def binary_ply(order: str = "<") -> bytes:
    name = {"<": "binary_little_endian", ">": "binary_big_endian"}[order]
    header = HEAD.format(order=name, count=3) + XYZ + "property double time\n" + RGB + "end_header\n"
    rows = [struct.pack(order + "fffdBBB", k, 2 * k, 3 * k, 9.5, 10 * k, 20 * k, 30 * k) for k in range(3)]
    return header.encode() + b"".join(rows)


def gaussian_ply() -> bytes:
    names = ("x", "y", "z", "f_dc_0", "f_dc_1", "f_dc_2", "opacity", "scale_0", "rot_0")
    header = HEAD.format(order="binary_little_endian", count=3)
    header += "".join(f"property float {name}\n" for name in names) + "end_header\n"
    rows = [
        struct.pack("<9f", 1, 2, 3, 0.0, 1.0, -9.0, 4.0, 0, 1),
        struct.pack("<9f", 4, 5, 6, 0.0, 0.0, 0.0, -6.0, 0, 1),
        struct.pack("<9f", 7, float("nan"), 9, 0.0, 0.0, 0.0, 4.0, 0, 1),
    ]
    return header.encode() + b"".join(rows)


def listed_ply() -> bytes:
    """Lists before and among the vertices."""
    header = "ply\nformat binary_little_endian 1.0\nelement first 2\nproperty list uchar short many\nelement vertex 2\n"
    header += XYZ + "property list uchar float extra\nend_header\n"
    body = struct.pack("<Bhh", 2, 5, 6) + struct.pack("<B", 0)
    body += struct.pack("<fffBf", 1, 2, 3, 1, 9.0) + struct.pack("<fffB", 4, 5, 6, 0)
    return header.encode() + body


def saved(tmp_path: Path, data: bytes) -> Path:
    path = tmp_path / "cloud.ply"
    path.write_bytes(data)
    return path


def test_an_ascii_file_is_read_and_its_faces_are_not(tmp_path: Path) -> None:
    cloud = read_ply(saved(tmp_path, ascii_ply()))
    np.testing.assert_array_equal(cloud.points.positions_in_world, [[0, 0, 1], [1, 0, 1.5], [0, 1, 2]])
    np.testing.assert_array_equal(cloud.points.colors, np.diag([255, 255, 255]))


@pytest.mark.parametrize("order", ["<", ">"])
def test_both_byte_orders_are_read_past_unused_properties(tmp_path: Path, order: str) -> None:
    cloud = read_ply(saved(tmp_path, binary_ply(order)))
    np.testing.assert_array_equal(cloud.points.positions_in_world, [[0, 0, 0], [1, 2, 3], [2, 4, 6]])
    np.testing.assert_array_equal(cloud.points.colors, [[0, 0, 0], [10, 20, 30], [20, 40, 60]])


def test_gaussians_become_points_without_the_transparent_and_the_broken(tmp_path: Path) -> None:
    cloud = read_ply(saved(tmp_path, gaussian_ply()))
    np.testing.assert_array_equal(cloud.points.positions_in_world, [[1, 2, 3]])
    np.testing.assert_allclose(cloud.points.colors, [[127.5, 255 * (0.5 + 0.28209479), 0]], rtol=1e-6)
    assert (cloud.dropped_transparent, cloud.dropped_non_finite) == (1, 1)


def test_lists_are_stepped_over(tmp_path: Path) -> None:
    cloud = read_ply(saved(tmp_path, listed_ply()))
    np.testing.assert_array_equal(cloud.points.positions_in_world, [[1, 2, 3], [4, 5, 6]])
    np.testing.assert_array_equal(cloud.points.colors, np.full((2, 3), 200))


def test_what_is_written_comes_back(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    points = Points.of(
        rng.normal(size=(50, 3)),
        rng.integers(0, 256, (50, 3)),
        weights=rng.uniform(0.5, 9, 50),
        clips=rng.integers(-2, 5, 50),
        labels=rng.integers(0, 99, 50),
    )
    write_ply(tmp_path / "a.ply", points, with_memory_fields=True)
    again = read_ply(tmp_path / "a.ply").points
    for name in ("positions_in_world", "colors", "weights", "clips", "labels"):
        np.testing.assert_array_equal(getattr(again, name), getattr(points, name))
    write_ply(tmp_path / "b.ply", points)
    np.testing.assert_array_equal(read_ply(tmp_path / "b.ply").points.weights, np.ones(50))


def test_float_colours_up_to_one_are_spread_over_the_range(tmp_path: Path) -> None:
    colors = "".join(f"property float {name}\n" for name in ("red", "green", "blue"))
    data = HEAD.format(order="ascii", count=1) + XYZ + colors + "end_header\n1 2 3 1 0.5 0\n"
    np.testing.assert_array_equal(read_ply(saved(tmp_path, data.encode())).points.colors, [[255, 127.5, 0]])


def test_an_empty_cloud_can_be_written_and_read(tmp_path: Path) -> None:
    write_ply(tmp_path / "none.ply", Points.of(np.zeros((0, 3)), np.zeros((0, 3))))
    assert len(read_ply(tmp_path / "none.ply").points) == 0


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "does not end"),
        (b"plyx\n", "not a PLY file"),
        (ascii_ply().replace(b"ascii", b"utf-8"), "cannot understand"),
        (ascii_ply().replace(b"format ascii 1.0\n", b""), "names no format"),
        (ascii_ply().replace(b"vertex 3", b"vertex 999999999999"), "at most 50000000"),
        (ascii_ply().replace(b"vertex 3", b"vertex 5000000"), "promises 5000000"),
        (ascii_ply().replace(b"vertex 3", b"vertex " + b"9" * 500), "cannot be in any file"),
        (ascii_ply().replace(b"float z", b"float w"), "have no z"),
        (ascii_ply().replace(b"element vertex", b"element point"), "no 'vertex' element"),
        (ascii_ply().replace(b"float y", b"float x"), "have no y"),
        (ascii_ply().replace(b"1.5", b"abc"), "no list of numbers"),
        (ascii_ply().replace(b" 1.5", b""), "has 5 numbers, 6 were wanted"),
        (binary_ply()[:-10], "left at byte"),
        (binary_ply().replace(b"double time", b"list float int t"), "must be an integer type"),
        (b"ply\n" + b"comment x\n" * 9000, "does not end within"),
        (b"ply\nformat ascii 1.0\nelement vertex 1\n" + b"property int a\n" * 65, "more than 64 properties"),
    ],
)
def test_a_damaged_file_is_refused_with_its_name_and_the_reason(tmp_path: Path, data: bytes, says: str) -> None:
    with pytest.raises(InputError, match=says) as caught:
        read_ply(saved(tmp_path, data))
    assert "cloud.ply" in str(caught.value)


def test_more_points_than_allowed_are_refused_before_they_are_read(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="3 points, and at most 2"):
        read_ply(saved(tmp_path, binary_ply()), max_points=2)


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "nothing.ply", tmp_path):
        with pytest.raises(InputError, match="no such file"):
            read_ply(path)


def test_two_thousand_damaged_files_raise_input_errors_alone_quickly_and_in_little_memory(tmp_path: Path) -> None:
    corpus = [ascii_ply(), binary_ply("<"), binary_ply(">"), gaussian_ply(), listed_ply()]
    before_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    clock, slowest_s, refused = WallClock(), 0.0, 0
    path = tmp_path / "damaged.ply"
    for data in mutants(corpus, 2000, seed=11):
        path.write_bytes(data)
        start_s = clock.now_s()
        try:
            read_ply(path)
        except InputError:
            refused += 1
        slowest_s = max(slowest_s, clock.now_s() - start_s)
    assert 500 < refused < 2000
    assert slowest_s < 1.0
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kib < 256 * 1024
