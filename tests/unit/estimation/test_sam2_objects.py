import numpy as np
import pytest

from spatia.estimation.sam2.objects import components, followed, reference_components
from spatia.records.arrays import Bool


def mask_of(*rows: str) -> Bool:
    return np.array([[pixel == "#" for pixel in row] for row in rows])


@pytest.mark.parametrize("share", [0.0, 0.3, 0.5, 0.7, 1.0])
@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (13, 1), (20, 31)])
def test_components_are_those_of_the_plain_search(shape: tuple[int, int], share: float) -> None:
    mask = np.random.default_rng(int(10 * share)).random(shape) < share
    parts, count = components(mask)
    wanted, wanted_count = reference_components(mask)
    assert count == wanted_count
    np.testing.assert_array_equal(parts, wanted)


def test_parts_hang_together_by_corners_and_around_bays() -> None:
    parts, count = components(mask_of("#.#..", "#.#.#", ".#..#", "#....", "....#"))
    assert count == 3
    assert parts[0, 0] == parts[0, 2] == parts[3, 0] == 1
    assert (parts[1, 4], parts[4, 4]) == (2, 3)


def test_an_object_is_followed_by_overlap_and_the_largest_comes_first() -> None:
    masks = np.stack(
        [
            mask_of("#......", ".......", "....##.", "....##."),
            mask_of(".......", ".......", ".....##", ".....##"),
            mask_of("##.....", "#......", ".....##", "......."),
        ]
    )
    objects = followed(masks, most=5)
    np.testing.assert_array_equal(objects > 0, masks)
    assert (objects[:, 2:][masks[:, 2:]] == 1).all()
    assert (objects[:, :2][masks[:, :2]] == 2).all()


def test_an_object_that_falls_apart_stays_one() -> None:
    masks = np.stack([mask_of("#####"), mask_of("##.##")])
    assert followed(masks, most=5).max() == 1


def test_small_objects_beyond_the_bound_share_the_last_number() -> None:
    masks = mask_of("###.##.#.#")[None]
    np.testing.assert_array_equal(followed(masks, most=2), [[[1, 1, 1, 0, 2, 2, 0, 2, 0, 2]]])


def test_no_masks_have_no_objects() -> None:
    assert followed(np.zeros((0, 4, 5), dtype=np.bool_), most=2).shape == (0, 4, 5)
    assert not followed(np.zeros((2, 4, 5), dtype=np.bool_), most=2).any()
