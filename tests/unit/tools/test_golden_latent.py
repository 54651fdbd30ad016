"""The checker of the latent memory, on a case of a size that is not shipped, worked out point by point."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from spatia.geom.pose import look_at
from tools.check_golden import main

GOLDEN = Path(__file__).resolve().parents[3].parent / "shared" / "golden" / "memory_a"
SHRINK, HEIGHT, WIDTH, CHANNELS = 4, 5, 7, 6
K = np.array([[31, 0, 13.5], [0, 30, 9.25], [0, 0, 1]])
K_LATENT = K / [[SHRINK], [SHRINK], [1]]

Tensors = dict[str, Any]


def places(depth: Any, pose: Any) -> Any:
    """[h w, 3] by the mean of the four middle pixels of each cell."""
    found = []
    for y in range(HEIGHT):
        for x in range(WIDTH):
            z = depth[SHRINK * y + 1 : SHRINK * y + 3, SHRINK * x + 1 : SHRINK * x + 3].mean()
            found.append(pose[:3, :3] @ (z * (np.linalg.inv(K_LATENT) @ [x, y, 1])) + pose[:3, 3])
    return np.array(found)


def readout(positions: Any, latents: Any, poses: Any) -> tuple[Any, Any, int]:
    """Cell by cell, and how many cells have several points."""
    seen = np.zeros((len(poses), CHANNELS, HEIGHT, WIDTH))
    visible = np.zeros((len(poses), HEIGHT, WIDTH), np.bool_)
    contested = 0
    for t, pose in enumerate(poses):
        nearest: dict[tuple[int, int], list[tuple[float, int]]] = {}
        for i, position in enumerate(positions):
            x, y, z = K_LATENT @ pose[:3, :3].T @ (position - pose[:3, 3])
            cell = round(y / z), round(x / z)
            if z > 0 and 0 <= cell[0] < HEIGHT and 0 <= cell[1] < WIDTH:
                nearest.setdefault(cell, []).append((z, i))
        for cell, points in nearest.items():
            seen[t, :, *cell] = latents[min(points)[1]]
            visible[t, *cell] = True
            contested += len(points) > 1
    return seen, visible, contested


def case() -> Tensors:
    rng = np.random.default_rng(4)
    poses = np.stack([look_at((0.3 * i - 0.3, 0.1 * i, 0), (0, 0, 3)) for i in range(3)])
    targets = np.stack([look_at((0.25 * i - 0.2, 0.05, 0.3), (0, 0.1, 3)) for i in range(2)])
    depth0 = rng.uniform(1, 3, (HEIGHT * SHRINK, WIDTH * SHRINK)).astype(np.float32)
    depth1 = rng.uniform(1, 3, (2, HEIGHT * SHRINK, WIDTH * SHRINK)).astype(np.float32)
    exclude = np.zeros(depth0.shape, np.float32)
    exclude[SHRINK : 2 * SHRINK, :SHRINK] = 1
    latent0 = rng.normal(size=(CHANNELS, 1, HEIGHT, WIDTH)).astype(np.float32)
    latent1 = rng.normal(size=(2, CHANNELS, HEIGHT, WIDTH)).astype(np.float32)
    valid = np.arange(HEIGHT * WIDTH) != WIDTH
    first = places(depth0, poses[0])
    after = np.concatenate([first, places(depth1[0], poses[1]), places(depth1[1], poses[2])])
    first_latents = latent0[:, 0].reshape(CHANNELS, -1).T
    latents = np.concatenate([first_latents, np.moveaxis(latent1, 1, -1).reshape(-1, CHANNELS)])
    before_seen, before_visible, _ = readout(first[valid], first_latents[valid], targets)
    kept = np.concatenate([valid, np.ones(2 * HEIGHT * WIDTH, np.bool_)])
    after_seen, after_visible, contested = readout(after[kept], latents[kept], targets)
    assert contested > 5
    return {
        "K": K.astype(np.float32),
        "c2w0": poses[0].astype(np.float32),
        "c2w1": poses[1:].astype(np.float32),
        "depth0": depth0,
        "depth1": depth1,
        "exclude_mask0": exclude,
        "latent0": latent0,
        "latent1": latent1,
        "target_c2w": targets.astype(np.float32),
        "K_latent": K_LATENT.astype(np.float32),
        "points_world0": first.astype(np.float32),
        "valid0": valid,
        "points_world_after": after.astype(np.float32),
        "readout_before": before_seen.astype(np.float32),
        "visible_before": before_visible,
        "readout_after": after_seen.astype(np.float32),
        "visible_after": after_visible,
    }


def write(folder: Path, tensors: Tensors) -> Path:
    save_file({name: np.ascontiguousarray(tensor) for name, tensor in tensors.items()}, folder / "tensors.safetensors")
    return folder


def test_a_case_of_another_size_is_checked_whole(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(write(tmp_path, case())), "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["unchecked"] == []
    assert {row["name"] for row in result["tensors"]} == {
        "K_latent", "points_world0", "valid0", "points_world_after",
        "readout_before", "visible_before", "readout_after", "visible_after",
    }  # fmt: skip


def test_a_farther_point_of_the_same_cell_is_accepted_and_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tensors = case()
    golden = tensors["readout_after"]
    kept = tensors["valid0"].tolist() + [True] * (2 * HEIGHT * WIDTH)
    latents = np.moveaxis(tensors["latent1"], 1, -1).reshape(-1, CHANNELS)
    behind = readout(
        tensors["points_world_after"][kept][-len(latents) :], latents, tensors["target_c2w"].astype(np.float64)
    )[0]
    golden[0][:, behind[0].any(axis=0)] = behind[0][:, behind[0].any(axis=0)]
    assert main([str(write(tmp_path, tensors))]) == 0
    told = [line for line in capsys.readouterr().out.splitlines() if line.startswith("ok    readout_after")]
    assert len(told) == 2 and all("cells hold a farther point" in line and " 0 cells" not in line for line in told)


@pytest.mark.parametrize(
    "name", ["points_world0", "valid0", "points_world_after", "readout_before", "visible_after", "readout_after"]
)
def test_a_tensor_that_is_off_is_found(tmp_path: Path, name: str) -> None:
    tensors = case()
    flat = tensors[name].reshape(-1)
    at = int(np.flatnonzero(flat)[3])
    flat[at] = not flat[at] if flat.dtype == np.bool_ else flat[at] + 0.01
    assert main([str(write(tmp_path, tensors))]) == 1


@pytest.mark.skipif(not GOLDEN.exists(), reason="../shared/golden is not here")
def test_the_shipped_case_holds() -> None:
    assert main([str(GOLDEN)]) == 0
