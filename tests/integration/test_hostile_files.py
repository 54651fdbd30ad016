"""Ten thousand damaged files, and some made to hurt: typed errors only, each under a second, in half a gigabyte."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]
COUNT = 5000
SECONDS_A_FILE, PEAK_MB = 1.0, 512


@pytest.mark.parametrize("kind", ["scenes", "clouds", "scene-bombs", "cloud-bombs"])
def test_hostile_files_are_read_or_refused_within_bounds(kind: str, tmp_path: Path) -> None:
    """The process holds the files themselves as well, and what Python and numpy take before the first is counted."""
    ended = subprocess.run(
        [sys.executable, "-W", "error", "-m", "support.hostile_reader", kind, str(COUNT), "2026", str(tmp_path)],
        check=True,
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": str(TESTS)},
    )
    told = json.loads(ended.stdout)
    assert told["strangers"] == [], "whatever is wrong raises a SpatiaError"
    assert told["nameless"] == [], "each names place, problem and fix"
    assert told["worst_s"] < SECONDS_A_FILE, told
    assert told["peak_mb"] < PEAK_MB, told
    if not kind.endswith("bombs"):
        assert told["accepted"] >= COUNT // 20, "the damage is too coarse to reach what lies behind the header"
