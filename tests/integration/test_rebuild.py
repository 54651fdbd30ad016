"""The memory made anew after every clip, as the Spatia release does, beside the memory that grows."""

import numpy as np
import numpy.typing as npt

from spatia.app.session import Session
from spatia.geom import path
from spatia.records.cloud import EDIT_CLIP, CloudSnapshot
from spatia.records.edits import AddPrimitive
from support.scenes_small import small_room


def walked(*overrides: str) -> CloudSnapshot:
    with Session.open(small_room(*overrides)) as session:
        center = tuple(float(v) for v in session.start[:3, 3] + 2.0 * session.start[:3, 2])
        session.edit(AddPrimitive(shape="sphere", center_m=center, size_m=(0.2, 0.2, 0.2), color=(255, 0, 255)))  # type: ignore[arg-type]
        session.walk(path.truck(session.start, 0.3, frames=13))
        return session.snapshot()


def voxels(cloud: CloudSnapshot) -> set[tuple[int, ...]]:
    positions: npt.NDArray[np.float32] = cloud.points().positions_in_world
    return {tuple(cell) for cell in np.floor(positions / 0.1).astype(int).tolist()}


def test_a_rebuilt_world_is_where_the_grown_one_is() -> None:
    grown, rebuilt = walked(), walked("estimation.rebuild=all")
    both = voxels(grown) & voxels(rebuilt)
    assert len(both) > 0.97 * max(len(voxels(grown)), len(voxels(rebuilt)))


def test_what_was_put_in_by_hand_outlives_a_rebuild() -> None:
    grown, rebuilt = (cloud.points().clips for cloud in (walked(), walked("estimation.rebuild=all")))
    assert (rebuilt == EDIT_CLIP).sum() == (grown == EDIT_CLIP).sum() > 0


def test_a_rebuild_forgets_what_its_clips_were_the_first_to_see_and_sees_it_again() -> None:
    rebuilt = walked("estimation.rebuild=all")
    grown = walked()
    assert rebuilt.row_count <= 1.05 * grown.row_count  # voxels that come back take their old rows
    assert sorted(set(rebuilt.points().clips.tolist())) == sorted(set(grown.points().clips.tolist()))
