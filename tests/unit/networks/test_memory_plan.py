from dataclasses import replace

import pytest

from spatia.errors import DeviceError
from spatia.networks.memory_plan import GIB, RESERVE_BYTES, Estimate, Part, Rung, plan, rungs_of
from spatia.networks.options import SpeedOptions


def part(name: str, weights_gib: float, activations_gib: float, **lighter: Part) -> Part:
    return Part(
        name=name,
        weights_bytes=int(weights_gib * GIB),
        activations_bytes=int(activations_gib * GIB),
        lighter={Rung(rung): part for rung, part in lighter.items()},
    )


TEXT = part("text encoder", 10, 1)
FP8_OFFLOADED = part("transformer", 0.5, 3)
ESTIMATE = Estimate(
    width_px=1248,
    height_px=704,
    parts=(
        part(
            "transformer",
            12,
            3,
            fp8=part("transformer", 6, 3, offload=FP8_OFFLOADED),
            offload=part("transformer", 1, 3, fp8=FP8_OFFLOADED),
        ),
        part("autoencoder", 1, 9, tile_autoencoder=part("autoencoder", 1, 4)),
        replace(TEXT, lighter={Rung.FREE_TEXT_ENCODER: part("text encoder", 0, 0)}),
    ),
)
SMALLER = Estimate(width_px=832, height_px=480, parts=(part("transformer", 12, 1), part("autoencoder", 1, 3)))


def test_the_peak_is_all_weights_and_the_part_that_works_hardest() -> None:
    assert ESTIMATE.peak_bytes() == (12 + 1 + 10 + 9) * GIB + RESERVE_BYTES


def test_a_rung_makes_its_part_lighter() -> None:
    assert ESTIMATE.peak_bytes([Rung.FREE_TEXT_ENCODER]) == (12 + 1 + 9) * GIB + RESERVE_BYTES
    most = [Rung.FREE_TEXT_ENCODER, Rung.TILE_AUTOENCODER, Rung.OFFLOAD]
    assert ESTIMATE.peak_bytes(most) == (1 + 1 + 4) * GIB + RESERVE_BYTES


def test_nothing_is_done_where_all_fits() -> None:
    chosen = plan([ESTIMATE, SMALLER], free_bytes=40 * GIB)
    assert chosen.rungs == ()
    assert chosen.sentence == "needs 33.0 GiB, 40.0 GiB free"


@pytest.mark.parametrize(
    ("free_gib", "rungs"),
    [
        (32, (Rung.FREE_TEXT_ENCODER,)),
        (18, (Rung.FREE_TEXT_ENCODER, Rung.TILE_AUTOENCODER)),
        # Tiles are given up again where the harsher rung alone suffices.
        (17, (Rung.FREE_TEXT_ENCODER, Rung.OFFLOAD)),
    ],
)
def test_a_harsher_rung_is_taken_only_where_the_gentler_ones_do_not_suffice(
    free_gib: int, rungs: tuple[Rung, ...]
) -> None:
    chosen = plan([ESTIMATE, SMALLER], free_bytes=free_gib * GIB)
    assert chosen.rungs == rungs
    assert chosen.peak_bytes == ESTIMATE.peak_bytes(rungs) <= free_gib * GIB


def test_the_order_of_the_rungs_is_the_users() -> None:
    chosen = plan([ESTIMATE], free_bytes=17 * GIB, allowed=[Rung.FP8, Rung.FREE_TEXT_ENCODER, Rung.OFFLOAD])
    assert chosen.rungs == (Rung.FP8, Rung.FREE_TEXT_ENCODER)


def test_the_sentence_says_what_is_needed_free_and_done() -> None:
    assert plan([ESTIMATE], free_bytes=18 * GIB).sentence == (
        "needs 33.0 GiB, 18.0 GiB free: text encoder on the CPU and freed after encoding, autoencoder in tiles; "
        "expected peak 18.0 GiB"
    )


def test_a_smaller_size_is_the_last_resort_and_only_where_allowed() -> None:
    small = replace(SMALLER, parts=(part("transformer", 4, 1),))
    chosen = plan([ESTIMATE, small], free_bytes=6 * GIB)
    assert (chosen.width_px, chosen.height_px, chosen.rungs) == (832, 480, (Rung.SMALLER,))
    assert "832 x 480 instead of the size asked for" in chosen.sentence
    with pytest.raises(DeviceError, match=r"33\.0 GiB of GPU memory, at least 33\.0 GiB .* 8\.0 GiB is free"):
        plan([ESTIMATE, small], free_bytes=8 * GIB, allowed=[])


def test_too_little_memory_is_refused_with_what_else_could_be_allowed() -> None:
    with pytest.raises(DeviceError) as refused:
        plan([ESTIMATE], free_bytes=4 * GIB, allowed=[Rung.FREE_TEXT_ENCODER, Rung.OFFLOAD])
    assert "free 8.0 GiB on the GPU" in refused.value.fix
    assert "or allow tile_autoencoder, fp8, smaller" in refused.value.fix


def test_a_plan_turns_its_rungs_into_options_and_keeps_those_that_were_wanted() -> None:
    chosen = plan([ESTIMATE], free_bytes=17 * GIB)
    assert chosen.options(SpeedOptions(compile=True, fp8=True)) == SpeedOptions(compile=True, fp8=True, offload=True)


def test_options_stand_on_rungs_from_the_start() -> None:
    assert rungs_of(SpeedOptions(fp8=True, tiling=True)) == (Rung.TILE_AUTOENCODER, Rung.FP8)


def test_a_table_has_a_line_for_each_part_and_the_peak() -> None:
    lines = ESTIMATE.table([Rung.FREE_TEXT_ENCODER]).splitlines()
    assert lines[0].split() == ["1248", "x", "704", "weights", "activations"]
    assert lines[2].split() == ["autoencoder", "1.0", "GiB", "9.0", "GiB"]
    assert lines[-1].split() == ["peak", "23.0", "GiB"]
