"""Tiny networks of transformers' real classes, saved in the real format and opened by the real code."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from spatia.errors import DeviceError, EstimationError, InputError
from spatia.estimation.align import AlignedEstimator
from spatia.estimation.depth_models.files import METRIC_WEIGHTS, DepthModelSettings, find_files
from spatia.estimation.depth_models.pictures import Preparation, between_corners
from spatia.records.cloud import Points, snapshot_of_points
from spatia.records.geometry import Sighting
from support.projectors import ForgetfulProjector
from support.scenes import BallBeforeWall, frames_of, lens, sideways

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from spatia.estimation.depth_models.estimator import DepthModelEstimator, edges  # noqa: E402 - needs torch

SCENE = BallBeforeWall()
EMPTY = snapshot_of_points(Points.of(np.zeros((0, 3)), [0, 0, 0]))
CLOUD = snapshot_of_points(Points.of(np.zeros((1, 3)), [0, 0, 0]))
FRAMES = frames_of(SCENE, sideways(2), with_depth=False)
DPT = {
    "image_processor_type": "DPTImageProcessor",
    "size": {"height": 42, "width": 42},
    "keep_aspect_ratio": True,
    "ensure_multiple_of": 14,
    "resample": 3,
    "image_mean": [0.485, 0.456, 0.406],
    "image_std": [0.229, 0.224, 0.225],
}
ZOE = DPT | {
    "image_processor_type": "ZoeDepthImageProcessor",
    "size": {"height": 64, "width": 96},
    "ensure_multiple_of": 32,
    "resample": 2,
}


def save(folder: Path, network: Any, preparation: dict[str, Any]) -> Path:
    transformers.utils.logging.disable_progress_bar()
    network.save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text(json.dumps(preparation))
    return folder


def depth_anything(folder: Path, *, kind: str) -> Path:
    torch.manual_seed(0)
    backbone = transformers.Dinov2Config(
        hidden_size=16,
        num_hidden_layers=4,
        num_attention_heads=2,
        mlp_ratio=2,
        image_size=42,
        patch_size=14,
        out_indices=[1, 2, 3, 4],
        reshape_hidden_states=False,
    )
    config = transformers.DepthAnythingConfig(
        backbone_config=backbone,
        reassemble_hidden_size=16,
        neck_hidden_sizes=[8, 8, 8, 8],
        fusion_hidden_size=8,
        head_hidden_size=8,
        depth_estimation_type=kind,
        max_depth=20 if kind == "metric" else 1,
    )
    network = transformers.DepthAnythingForDepthEstimation(config)
    with torch.no_grad():
        network.head.conv3.bias.fill_(-1.0 if kind == "metric" else 1.0)
        for layer in (network.head.conv1, network.head.conv2, network.head.conv3):
            layer.weight.mul_(20)  # random weights are timid: every pixel would get the same depth
    return save(folder, network, DPT)


def zoedepth(folder: Path) -> Path:
    torch.manual_seed(0)
    backbone = transformers.BeitConfig(
        hidden_size=16,
        num_hidden_layers=4,
        num_attention_heads=2,
        intermediate_size=16,
        image_size=32,
        patch_size=16,
        use_relative_position_bias=True,
        reshape_hidden_states=False,
        out_features=["stage1", "stage2", "stage3", "stage4"],
    )
    config = transformers.ZoeDepthConfig(
        backbone_config=backbone,
        neck_hidden_sizes=[8, 8, 8, 8],
        fusion_hidden_size=8,
        bottleneck_features=8,
        num_relative_features=8,
        bin_embedding_dim=8,
        num_attractors=[4, 2, 2, 1],
        bin_configurations=[{"n_bins": 8, "min_depth": 0.001, "max_depth": 10.0}],
    )
    return save(folder, transformers.ZoeDepthForDepthEstimation(config), ZOE)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("networks")
    return {
        "metric": depth_anything(root / "metric", kind="metric"),
        "relative": depth_anything(root / "relative", kind="relative"),
        "zoedepth": zoedepth(root / "zoedepth"),
    }


def opened(folder: Path) -> DepthModelEstimator:
    return DepthModelEstimator(DepthModelSettings(weights=str(folder), device="cpu"))


@pytest.mark.parametrize("name", ["metric", "zoedepth"])
def test_a_metric_network_gives_a_photo_its_first_depth(folders: dict[str, Path], name: str) -> None:
    estimator = opened(folders[name])
    assert estimator.unknown == "frame scale"
    told: list[tuple[int, int]] = []
    first, again = (
        estimator.estimate(Sighting.of(FRAMES), cloud=EMPTY, report=lambda done, total: told.append((done, total)))
        for _ in range(2)
    )
    assert first.depth_m.shape == (2, 48, 64)
    known = first.depth_m > 0
    assert known.mean() > 0.3
    assert first.depth_m.max() < 20
    assert (first.confidence[known] == 0.5).all()
    assert (first.confidence[~known] == 0).all()
    np.testing.assert_array_equal(first.depth_m, again.depth_m)
    assert told[:3] == [(0, 2), (1, 2), (2, 2)]
    estimator.close()


def test_the_networks_own_answer_comes_back_on_the_frames_raster(folders: dict[str, Path]) -> None:
    """A picture of the network's size is given its depth pixel by pixel."""
    frames = frames_of(SCENE, sideways(1, intrinsics=lens(width_px=56, height_px=42)), with_depth=False)
    estimator = opened(folders["metric"])
    geometry = estimator.estimate(Sighting.of(frames), cloud=EMPTY)
    network = transformers.AutoModelForDepthEstimation.from_pretrained(folders["metric"])
    processor = transformers.DPTImageProcessorPil.from_pretrained(folders["metric"])
    with torch.inference_mode():
        answer = network(**processor(images=frames.rgb[0], return_tensors="pt")).predicted_depth[0].numpy()
    known = geometry.depth_m[0] > 0
    assert known.mean() > 0.3
    np.testing.assert_allclose(geometry.depth_m[0][known], answer[known], rtol=1e-4)


def test_a_relative_network_wants_a_memory(folders: dict[str, Path]) -> None:
    estimator = opened(folders["relative"])
    assert estimator.unknown == "frame affine"
    with pytest.raises(EstimationError, match=r"how far, and the memory is empty\n  fix: .*" + METRIC_WEIGHTS):
        estimator.estimate(Sighting.of(FRAMES), cloud=EMPTY)
    geometry = estimator.estimate(Sighting.of(FRAMES), cloud=CLOUD)
    assert (geometry.depth_m > 0).mean() > 0.3


@pytest.mark.parametrize("name", ["metric", "relative"])
def test_behind_an_aligned_estimator_depth_gets_the_memorys_scale(folders: dict[str, Path], name: str) -> None:
    """The scene is mostly one wall, and to that end a random network's nearly even depth will do."""
    inner = opened(folders[name])
    projector = ForgetfulProjector(SCENE, np.zeros((48, 64), dtype=np.bool_))
    geometry = AlignedEstimator(inner, projector, unknown=inner.unknown).estimate(Sighting.of(FRAMES), cloud=CLOUD)
    assert np.median(geometry.depth_m[geometry.depth_m > 0]) == pytest.approx(4, rel=0.05)
    assert "agree within 10%" in geometry.notes[0]


def test_weights_that_are_not_finite_are_an_error(folders: dict[str, Path], tmp_path: Path) -> None:
    network = transformers.AutoModelForDepthEstimation.from_pretrained(folders["metric"])
    with torch.no_grad():
        network.head.conv3.bias.fill_(float("nan"))
    with pytest.raises(EstimationError, match="not finite"):
        opened(save(tmp_path, network, DPT)).estimate(Sighting.of(FRAMES), cloud=EMPTY)


def test_along_a_depth_edge_nothing_is_known() -> None:
    inverse = torch.full((20, 40), 0.25)
    inverse[:, 20:] = 0.5
    assert edges(inverse).any(dim=0).tolist() == [15 <= x < 25 for x in range(40)]
    assert edges(inverse.T).any(dim=1).tolist() == [15 <= x < 25 for x in range(40)]
    smeared = inverse.clone()
    smeared[:, 17:23] = torch.linspace(0.25, 0.5, 6)
    assert edges(smeared)[:, 17:23].all()
    slanted = torch.linspace(0.1, 1.0, 40).expand(20, 40).contiguous()
    assert not edges(slanted).any()


@pytest.mark.parametrize("size", [(48, 64), (90, 160), (64, 48), (480, 640), (21, 100)])
@pytest.mark.parametrize("style", ["dpt", "zoedepth"])
def test_pictures_are_prepared_as_transformers_does(size: tuple[int, int], style: str) -> None:
    rgb = np.random.default_rng(2).integers(0, 256, (*size, 3), dtype=np.uint8)
    config = DPT if style == "dpt" else ZOE
    names = {"dpt": "DPTImageProcessorPil", "zoedepth": "ZoeDepthImageProcessorPil"}
    options = {key: value for key, value in config.items() if key != "image_processor_type"}
    theirs = getattr(transformers, names[style])(**options)(images=rgb, return_tensors="np")["pixel_values"][0]
    ours = Preparation.of(config).prepared(rgb)
    assert ours.dtype == np.float32
    np.testing.assert_allclose(ours, theirs, atol=1e-3)  # of a range of 5


def test_between_corners_keeps_them() -> None:
    picture = np.arange(12, dtype=np.float32).reshape(3, 4, 1)
    np.testing.assert_allclose(between_corners(picture, 5, 7)[[0, 0, -1, -1], [0, -1, 0, -1], 0], [0, 3, 8, 11])


def changed(folders: dict[str, Path], folder: Path, file: str, **change: Any) -> Path:
    for path in folders["metric"].iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    (folder / file).write_text(json.dumps(json.loads((folder / file).read_text()) | change))
    return folder


@pytest.mark.parametrize(
    ("file", "change", "problem"),
    [
        ("config.json", {"model_type": "dpt"}, "model_type is 'dpt'; depth_anything and zoedepth are known"),
        ("config.json", {"max_depth": "far"}, "max_depth is 'far'"),
        ("preprocessor_config.json", {"size": 518}, "how pictures are prepared"),
        ("preprocessor_config.json", {"ensure_multiple_of": float("inf")}, "how pictures are prepared"),
        ("preprocessor_config.json", {"image_processor_type": "Other"}, "neither DPT nor ZoeDepth"),
        ("preprocessor_config.json", {"do_normalize": False}, "do_normalize is off"),
        ("preprocessor_config.json", {"ensure_multiple_of": 0}, "out of bounds"),
    ],
)
def test_a_network_of_another_kind_is_named(
    folders: dict[str, Path], tmp_path: Path, file: str, change: dict[str, Any], problem: str
) -> None:
    with pytest.raises(InputError, match=problem):
        find_files(DepthModelSettings(weights=str(changed(folders, tmp_path, file, **change))))


def test_a_file_that_is_nested_without_end_is_an_input_error(folders: dict[str, Path], tmp_path: Path) -> None:
    folder = changed(folders, tmp_path, "config.json")
    (folder / "config.json").write_text("[" * 100_000)
    with pytest.raises(InputError, match="cannot be read"):
        find_files(DepthModelSettings(weights=str(folder)))


@pytest.mark.parametrize("file", ["config.json", "preprocessor_config.json", "model.safetensors"])
def test_missing_files_are_named_with_the_command_that_gets_them(
    folders: dict[str, Path], tmp_path: Path, file: str
) -> None:
    changed(folders, tmp_path, "config.json")
    (tmp_path / file).unlink()
    with pytest.raises(
        InputError, match=rf"lacks {file}\n  fix: `hf download {METRIC_WEIGHTS} --local-dir {tmp_path}`"
    ):
        find_files(DepthModelSettings(weights=str(tmp_path)))


def test_a_repository_that_was_not_fetched_is_named_with_the_command() -> None:
    with pytest.raises(InputError, match=r"fix: `hf download nobody/nothing-hf config\.json prepro"):
        find_files(DepthModelSettings(weights="nobody/nothing-hf"))
    with pytest.raises(InputError, match="there is no such folder"):
        find_files(DepthModelSettings(weights="/no/such/folder"))


def test_damaged_weights_are_an_input_error(folders: dict[str, Path], tmp_path: Path) -> None:
    changed(folders, tmp_path, "config.json")
    tensors = tmp_path / "model.safetensors"
    tensors.write_bytes(tensors.read_bytes()[:5000])
    with pytest.raises(InputError, match="cannot be loaded"):
        opened(tmp_path)


def test_weights_of_another_size_are_an_input_error(folders: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(InputError):
        opened(changed(folders, tmp_path, "config.json", fusion_hidden_size=16))


def test_a_device_that_is_not_here_is_named(folders: dict[str, Path]) -> None:
    with pytest.raises(DeviceError, match="CUDA devices"):
        DepthModelEstimator(DepthModelSettings(weights=str(folders["metric"]), device="cuda:99"))
