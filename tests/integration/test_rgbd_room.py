"""A real RGB-D room, from its folder through the memory to what held-out frames see."""

import sys
from pathlib import Path

import pytest

from spatia.worlds.rgbd_folder import open_rgbd_folder
from tools import evaluate_rgbd

ROOM = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "rgbd_room"

pytestmark = pytest.mark.skipif(not ROOM.is_dir(), reason="needs ../shared/data/rgbd_room, a real RGB-D sequence")


def test_the_room_is_read() -> None:
    folder = open_rgbd_folder(ROOM)
    frame = folder.read(0)
    assert len(folder) == 125
    assert folder.depth_intrinsics.fx_px == 585.0
    assert 0.5 < frame.depth_m[frame.depth_m > 0].mean() < 4.0
    assert frame.registered.mean() > 0.8


@pytest.mark.slow
def test_the_memory_predicts_frames_that_it_has_not_seen(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "argv", ["evaluate_rgbd.py", str(ROOM), "--out", str(tmp_path)])
    status = evaluate_rgbd.main()
    printed = capsys.readouterr().out
    assert status == 0, printed
    assert len(list(tmp_path.glob("held-out-*.png"))) == 11


@pytest.mark.slow
def test_plane_sweep_finds_the_room_from_colours_and_poses_alone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """On half of the sequence, against the same targets as the whole."""
    pytest.importorskip("torch")
    for number in range(160, 672, 8):
        for path in ROOM.glob(f"frame-{number:06d}.*"):
            (tmp_path / path.name).symlink_to(path)
    (tmp_path / "camera-intrinsics.txt").symlink_to(ROOM / "camera-intrinsics.txt")
    monkeypatch.setattr(sys, "argv", ["evaluate_rgbd.py", str(tmp_path), "--depth", "plane-sweep"])
    status = evaluate_rgbd.main()
    printed = capsys.readouterr().out
    assert "64 frames, 0 lost; 32 fused" in printed
    assert status == 0, printed
