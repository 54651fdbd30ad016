import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from scipy.optimize import linear_sum_assignment

from spatia.geom.camera import Cameras, Intrinsics
from spatia.geom.pose import inverse, look_at
from spatia.projection.numpy_reference import NumpyProjector
from spatia.records.cloud import Points, snapshot_of_points
from spatia.records.projection import ReleaseSplat
from tools.check_golden import main

GOLDEN = Path(__file__).resolve().parents[3].parent / "shared" / "golden"
needs_golden = pytest.mark.skipif(not GOLDEN.exists(), reason="../shared/golden is not here")

Tensors = dict[str, Any]


def write(folder: Path, tensors: Tensors, **config: object) -> Path:
    save_file({name: np.ascontiguousarray(tensor) for name, tensor in tensors.items()}, folder / "tensors.safetensors")
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def poses(count: int) -> Cameras:
    world_from_camera = np.stack([look_at((0.3 * i - 0.4, 0.1 * i, 0), (0, 0, 3)) for i in range(count)])
    intrinsics = Intrinsics(fx_px=40, fy_px=44, cx_px=25, cy_px=15, width_px=52, height_px=28)
    return Cameras(world_from_camera=world_from_camera, intrinsics=intrinsics)


def cloud(seed: int, count: int) -> tuple[Any, Any]:
    rng = np.random.default_rng(seed)
    return rng.uniform((-2, -1, 2), (2, 1, 4), (count, 3)).astype(np.float32), rng.random((count, 3), np.float32)


def splat_case() -> Tensors:
    """Three views of 300 points with a radius that no shipped case has."""
    cameras, (xyz, rgb) = poses(3), cloud(1, 300)
    look = ReleaseSplat(radius_ndc=0.05)
    seen = NumpyProjector().project(snapshot_of_points(Points.of(xyz, rgb * 255)), cameras, look=look)
    return {
        "xyz": xyz,
        "rgb": rgb,
        "w2c": cameras.camera_from_world.astype(np.float32),
        "intrinsics_fxfycxcy": np.array([40, 44, 25, 15], np.float32),
        "image_radius_0p05": (seen.rgb / 255).astype(np.float32),
        "score_radius_0p05": seen.coverage,
        "front_index_radius_0p05": seen.index.astype(np.int64),
        "front_depth_radius_0p05": seen.depth_m,
    }


def retrieval_case() -> Tensors:
    """Two targets, five candidates; visibility by a loop over points, matches by scipy."""
    (xyz, _), history, target = cloud(2, 400), poses(5).camera_from_world, poses(2).camera_from_world

    def visible(views: Any) -> Any:
        masks = np.zeros((len(views), len(xyz)), np.bool_)
        for mask, camera_from_world in zip(masks, views, strict=True):
            nearest: dict[tuple[int, int], int] = {}
            x, y, z = camera_from_world[:3, :3] @ xyz.T.astype(np.float64) + camera_from_world[:3, 3:]
            for i in range(len(xyz)):
                pixel = int(40 * x[i] / z[i] + 25), int(44 * y[i] / z[i] + 15)
                inside = 0 <= pixel[0] < 52 and 0 <= pixel[1] < 28
                if inside and (pixel not in nearest or z[i] < z[nearest[pixel]]):
                    nearest[pixel] = i
            mask[list(nearest.values())] = True
        return masks

    in_history, in_target = visible(history), visible(target)
    counts = in_target.astype(int) @ in_history.T.astype(int)
    return {
        "cloud_xyz": xyz,
        "history_w2c": history.astype(np.float32),
        "target_w2c": target.astype(np.float32),
        "intrinsics_fxfycxcy": np.array([40, 44, 25, 15], np.float32),
        "visible_history": in_history,
        "visible_target": in_target,
        "match_hungarian": linear_sum_assignment(-counts)[1].astype(np.int64),
        "match_independent": counts.argmax(axis=1),
    }


def rows(capsys: pytest.CaptureFixture[str], folder: Path) -> tuple[int, dict[str, Any]]:
    status = main([str(folder), "--json"])
    return status, json.loads(capsys.readouterr().out)


@needs_golden
@pytest.mark.parametrize("name", ["memory_a", "splat_a", "model_a"])
def test_the_shipped_cases_hold(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    status, found = rows(capsys, GOLDEN / name)
    assert status == 0 and found["ok"]
    assert all(row["max_abs_error"] <= row["limit"] for row in found["tensors"])


@needs_golden
def test_the_retrieval_part_holds_without_the_rest_of_its_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tensors = load_file(GOLDEN / "memory_a" / "tensors.safetensors")
    del tensors["depth0"], tensors["match_independent"]
    status, found = rows(capsys, write(tmp_path, tensors, image_size=[96, 160]))
    assert status == 0
    assert [row["name"] for row in found["tensors"]] == ["visible_history", "visible_target", "match_hungarian"]


def test_splats_of_another_size_count_and_radius_are_checked_by_every_projector(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, found = rows(capsys, write(tmp_path, splat_case()))
    assert status == 0
    assert {row["name"] for row in found["tensors"]} == {n for n in splat_case() if n.endswith("_radius_0p05")}
    assert {"numpy", "numba"} <= {row["by"] for row in found["tensors"]}


def test_a_retrieval_case_of_another_size_holds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write(tmp_path, {**retrieval_case(), "unrelated": np.zeros(3)}, image_size=[28, 52])
    assert main([str(folder)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:2] for line in lines[:-1]] == [
        ["ok", name] for name in ("visible_history", "visible_target", "match_hungarian", "match_independent")
    ]
    assert lines[-1] == "not checked: unrelated"


@pytest.mark.parametrize("wrong", ["visible_history", "match_hungarian"])
def test_one_wrong_entry_fails_its_tensor_alone(wrong: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tensors = retrieval_case()
    tensors[wrong].flat[0] = (
        1 - tensors[wrong].flat[0] if tensors[wrong].dtype != np.bool_ else not tensors[wrong].flat[0]
    )
    status, found = rows(capsys, write(tmp_path, tensors, image_size=[28, 52]))
    assert status == 1
    assert [row["name"] for row in found["tensors"] if not row["ok"]] == [wrong]


def test_a_wrong_nearest_point_and_a_wrong_colour_are_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tensors = splat_case()
    at = tuple(np.argwhere(tensors["score_radius_0p05"] > 0.9)[0])
    tensors["front_index_radius_0p05"][at] = -1
    tensors["image_radius_0p05"][at] += 2 / 255
    status, found = rows(capsys, write(tmp_path, tensors))
    bad = {row["name"] for row in found["tensors"] if not row["ok"]}
    assert status == 1
    assert bad == {"front_index_radius_0p05", "image_radius_0p05"}


def test_a_tensor_of_another_shape_fails_with_both_shapes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tensors = retrieval_case()
    tensors["match_hungarian"] = tensors["match_hungarian"][:1]
    status, found = rows(capsys, write(tmp_path, tensors, image_size=[28, 52]))
    (bad,) = [row for row in found["tensors"] if not row["ok"]]
    assert (status, bad["max_abs_error"], bad["note"]) == (1, None, "shape (2,), golden (1,)")


def test_a_point_on_the_rim_of_its_disc_may_be_there_or_not(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One point whose disc's edge runs through a pixel's centre, to within a ten-thousandth of a pixel."""
    cameras = Cameras(
        world_from_camera=np.eye(4)[None],
        intrinsics=Intrinsics(fx_px=10, fy_px=10, cx_px=9.5, cy_px=9.5, width_px=20, height_px=20),
    )
    stretch, radius_px = 20 / 19, 0.1 * 10
    u_px = 10.5 + radius_px - 5e-5
    xyz = np.array([[(u_px - 10) / (10 * stretch), 0.5 / (10 * stretch), 1.0]], np.float32)
    look = ReleaseSplat(radius_ndc=0.1)
    seen = NumpyProjector().project(snapshot_of_points(Points.of(xyz, np.full((1, 3), 255.0))), cameras, look=look)
    index, depth_m = seen.index.astype(np.int64), seen.depth_m.copy()
    assert index[0, 10, 10] == 0
    index[0, 10, 10], depth_m[0, 10, 10] = -1, 0.0
    tensors = {
        "xyz": xyz,
        "rgb": np.ones((1, 3), np.float32),
        "w2c": inverse(cameras.world_from_camera).astype(np.float32),
        "intrinsics_fxfycxcy": np.array([10, 10, 9.5, 9.5], np.float32),
        "front_index": index,
        "front_depth": depth_m,
    }
    status, found = rows(capsys, write(tmp_path, tensors, radius_ndc=0.1))
    assert status == 0
    assert all("not counting 1 that float32" in row["note"] for row in found["tensors"] if row["name"] == "front_index")


@pytest.mark.parametrize(
    ("tensors", "config", "says"),
    [
        ({"weights": np.zeros(3)}, {}, "no known kind"),
        (retrieval_case(), {}, "image_size"),
        (retrieval_case(), {"image_size": [0, 52]}, "height_px"),
        (retrieval_case(), {"image_size": "big"}, "image_size must be"),
        ({**retrieval_case(), "cloud_xyz": np.zeros((4, 2))}, {"image_size": [28, 52]}, "cloud_xyz must have shape"),
        ({**splat_case(), "w2c": np.zeros((3, 4, 4), np.float32)}, {}, "w2c"),
        ({**splat_case(), "score": np.zeros((3, 5))}, {}, "one height and width"),
        (splat_case(), {"points_per_pixel": None}, "no look has"),
        ({**splat_case(), "xyz": np.full((300, 3), np.nan, np.float32)}, {}, "xyz must be finite"),
    ],
)
def test_a_folder_that_cannot_be_used_exits_with_2(
    tensors: Tensors, config: dict[str, Any], says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(write(tmp_path, tensors, **config))]) == 2
    assert says in capsys.readouterr().err


def test_a_missing_or_broken_file_exits_with_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path / "nowhere")]) == 2
    assert "no tensors.safetensors" in capsys.readouterr().err
    (tmp_path / "tensors.safetensors").write_bytes(b"not this")
    assert main([str(tmp_path)]) == 2
    assert "not a safetensors file" in capsys.readouterr().err
    write(tmp_path, retrieval_case())
    (tmp_path / "config.json").write_text("{")
    assert main([str(tmp_path)]) == 2
    assert "not JSON" in capsys.readouterr().err


@needs_golden
@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda folder: (folder / "lora.safetensors").unlink(), "no lora.safetensors here"),
        (lambda folder: (folder / "config.json").write_text("{}"), "config.json"),
        (lambda folder: (folder / "config.json").write_text(config_with(folder, dim=48)), "do not fit config.json"),
        (lambda folder: (folder / "weights.safetensors").write_bytes(b"x" * 100), "no whole safetensors file"),
    ],
)
def test_a_damaged_case_of_the_networks_is_told(
    spoil: Callable[[Path], object], says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "model_a"
    folder.mkdir()
    for file in (GOLDEN / "model_a").iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    spoil(folder)
    assert main([str(folder)]) == 2
    assert says in capsys.readouterr().err


def config_with(folder: Path, **changes: int) -> str:
    return json.dumps(json.loads((folder / "config.json").read_text()) | changes)


@needs_golden
def test_wrong_weights_are_found_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "model_a"
    folder.mkdir()
    for file in (GOLDEN / "model_a").iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    weights = load_file(folder / "weights.safetensors")
    weights["vace.vace_blocks.0.after_proj.weight"] = weights["vace.vace_blocks.0.after_proj.weight"] * 1.1
    save_file(weights, folder / "weights.safetensors")
    status, found = rows(capsys, folder)
    off = {row["name"] for row in found["tensors"] if not row["ok"]}
    assert status == 1
    assert "out_first_round" in off and "out_no_control" not in off
