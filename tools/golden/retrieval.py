"""Checks folders like memory_a: visible points of each view and the release's matches between views."""

from collections.abc import Callable, Iterator, Mapping

from spatia.errors import InputError
from spatia.memory.shared_points import match_independent, match_one_to_one, shared_point_counts, visible_points
from spatia.memory.voxel_set import I64
from tools.golden.comparison import Comparison, GoldenCase, Skipped, compared

MATCHERS: Mapping[str, Callable[[I64], I64]] = {
    "match_hungarian": match_one_to_one,
    "match_independent": match_independent,
}


class RetrievalChecker:
    """Everything must be exact."""

    inputs = frozenset({"cloud_xyz", "history_w2c", "target_w2c", "intrinsics_fxfycxcy"})

    def recognises(self, case: GoldenCase) -> bool:
        outputs = {"visible_history", "visible_target", *MATCHERS}
        return self.inputs <= case.tensors.keys() and not outputs.isdisjoint(case.tensors)

    def check(self, case: GoldenCase) -> Iterator[Comparison | Skipped]:
        height_px, width_px = _image_size(case)
        intrinsics = case.intrinsics(height_px=height_px, width_px=width_px)
        cloud = case.floats("cloud_xyz", None, 3)
        views = {name: case.floats(f"{name}_w2c", None, 4, 4) for name in ("history", "target")}
        visible = {name: visible_points(cloud, poses, intrinsics) for name, poses in views.items()}
        for name, mask in visible.items():
            if f"visible_{name}" in case.tensors:
                yield compared(f"visible_{name}", mask, case.tensors[f"visible_{name}"], limit=0)
        counts = shared_point_counts(visible["target"], visible["history"])
        for name, match in MATCHERS.items():
            if name in case.tensors:
                yield compared(name, match(counts), case.tensors[name], limit=0)


def _image_size(case: GoldenCase) -> tuple[int, int]:
    """Height and width in pixels."""
    match case.config.get("image_size"):
        case [int(height_px), int(width_px)]:
            return height_px, width_px
        case None:
            raise InputError("config.json does not say image_size", where=str(case.folder), fix="add [height, width]")
        case other:
            raise InputError(f"image_size must be [height, width]; got {other!r}", where=str(case.folder))
