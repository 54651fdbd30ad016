import argparse
from typing import Any

import pytest
from transformers import UMT5Config, UMT5EncoderModel

from spatia.networks.config import TransformerConfig
from spatia.networks.footprint import META
from spatia.networks.preflight import Clip
from spatia.networks.transformer import WanControlTransformer
from tools.bench.flops import PRESETS, Networks, Preset, print_round, round_of, size_px, wan_autoencoder


def small_networks() -> Networks:
    config = TransformerConfig(heads=2, head_size=24, ffn_size=96, layers=4, text_size=32, control_layers=(0, 2))
    with META:
        return Networks(
            transformer=WanControlTransformer.of(config),
            without_control=WanControlTransformer.of(config.with_control(())),
            vae=wan_autoencoder(width=4, decoder_width=6),
            text=UMT5EncoderModel(UMT5Config(vocab_size=8, d_model=32, d_kv=8, d_ff=32, num_heads=4, num_layers=1)),
        )


def test_a_round_is_the_sum_of_its_parts_and_the_control_branch_comes_on_top(capsys: Any) -> None:
    preset = Preset(first=Clip(frames=9), later=Clip(frames=5, references=2), steps=3)
    works = {
        work.name: work
        for work in round_of(small_networks(), preset.later, preset, width_px=64, height_px=64, later=True)
    }
    assert {name: work.runs for name, work in works.items()} == {
        "prompts": 2,
        "encode projections, masks": 2,
        "encode references": 2,
        "encode history": 1,
        "transformer, main blocks": 6,
        "transformer, control": 6,
        "decode": 1,
    }
    assert 0 < works["transformer, control"].flops < works["transformer, main blocks"].flops
    assert works["transformer, main blocks"].flops == 6 * works["transformer, main blocks"].each.flops
    print_round("a round", list(works.values()))
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1].split()[0] == "all"
    assert len(lines) == 2 + len(works) + 1


def test_a_first_round_has_an_image_and_no_references() -> None:
    preset = Preset(first=Clip(frames=1), later=Clip(frames=5, references=2), steps=1)
    names = [
        work.name for work in round_of(small_networks(), preset.first, preset, width_px=32, height_px=32, later=False)
    ]
    assert "encode image" in names
    assert not {"encode references", "encode history"} & set(names)


def test_the_presets_are_the_releases_and_the_papers() -> None:
    assert PRESETS["release"].first.frames == 121
    assert PRESETS["paper"].first.frames == 81
    assert {preset.later for preset in PRESETS.values()} == {Clip(frames=81, references=7)}


@pytest.mark.parametrize("text", ["1248", "1248x700", "0x32", "axb", "32x32x32"])
def test_a_size_must_be_two_multiples_of_32(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="multiples of 32"):
        size_px(text)


def test_a_size_is_read_as_width_and_height() -> None:
    assert size_px("1248x704") == (1248, 704)
