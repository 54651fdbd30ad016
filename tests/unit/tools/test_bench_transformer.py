import json
from pathlib import Path

import pytest
import torch

from tools.bench.transformer import main


@pytest.fixture(autouse=True)
def _quiet_again() -> object:
    """The program silences diffusers; other tests may count on its warnings."""
    from diffusers.utils import logging

    before = logging.get_verbosity()
    yield
    logging.set_verbosity(before)


def test_the_toy_goes_the_whole_road_and_writes_its_figures(tmp_path: Path) -> None:
    path = tmp_path / "toy.json"
    main(["--toy", "--steps", "2", "--json", str(path)])
    content = json.loads(path.read_text())
    results = {result["backend"]: result for result in content["results"]}
    assert results["native"]["difference"] == 0
    assert results["native"]["seconds"] > 0
    assert results["native"]["tflop_per_s"] == pytest.approx(content["tflop"] / results["native"]["seconds"])
    assert results["native"]["of_matrix_rate"] == pytest.approx(
        results["native"]["tflop_per_s"] / content["matrix_tflop_per_s"]
    )
    assert results["_native_npu"]["unusable"]
    assert content["estimated_peak_gib"] > 0
    assert content["steps"] == 2


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_full_size_without_a_gpu_is_refused_with_the_toy_as_the_way_out() -> None:
    with pytest.raises(SystemExit, match="--toy"):
        main([])
