"""What SAM 2 is told, as plain data: whose weights, where, and what to track. Any thread; no torch."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from spatia.errors import InputError
from spatia.records.arrays import Bool, frozen

Implementation = Literal["transformers", "meta"]
Point = tuple[float, float]  # x to the right and y down, in pixels of the frame

DEFAULT_REPOSITORY = "facebook/sam2.1-hiera-large"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Hint:
    """One object as it is shown on one frame: by points and a box, or by a mask alone."""

    object_id: int = 1  # hints on other frames with the same id show the same object
    frame: int = 0  # number among the frames that are seen first: those of the photo or, without one, of the first clip
    inside: tuple[Point, ...] = ()  # points on the object
    outside: tuple[Point, ...] = ()  # points beside it
    box: tuple[float, float, float, float] | None = None  # left, top, right, bottom
    mask: Bool | None = None  # [H, W] True on the object

    def __post_init__(self) -> None:
        """Raises `InputError` for a hint that shows nothing, or shows it twice."""
        if self.frame < 0:
            raise self.refusal("frames are counted from 0", fix="give the number of a frame that is seen first")
        if self.mask is not None:
            object.__setattr__(self, "mask", frozen(self.mask, "mask", np.bool_, (None, None)))
            if self.inside or self.outside or self.box:
                raise self.refusal("it has a mask and points or a box too", fix="a mask says it all: leave them out")
            if not self.mask.any():
                raise self.refusal("its mask is empty", fix="paint the object white, or leave the hint out")
        elif not self.inside and self.box is None:
            raise self.refusal("it shows no object", fix="give a point inside of it, a box around it, or a mask")
        elif self.box is not None and not (self.box[0] < self.box[2] and self.box[1] < self.box[3]):
            raise self.refusal(f"the box {list(self.box)} is empty", fix="give its left, top, right and bottom")

    def check_fits(self, *, frame_count: int, width_px: int, height_px: int) -> None:
        """Raises `InputError` for a hint that is not on the frames."""
        if self.frame >= frame_count:
            raise self.refusal(
                f"there is no frame {self.frame} among the {frame_count} that are seen first",
                fix=f"give a frame from 0 to {frame_count - 1}",
            )
        if self.mask is not None and self.mask.shape != (height_px, width_px):
            raise self.refusal(
                f"the mask is {self.mask.shape[1]}x{self.mask.shape[0]}, the frames are {width_px}x{height_px}",
                fix="give a mask of the frames' size",
            )
        corners = () if self.box is None else (self.box[:2], self.box[2:])
        for x, y in (*self.inside, *self.outside, *corners):
            if not (0 <= x <= width_px and 0 <= y <= height_px):
                raise self.refusal(
                    f"the point ({x:g}, {y:g}) is not on the frames, which are {width_px}x{height_px}",
                    fix="give x from the left and y from the top, in pixels of the frames",
                )

    def refusal(self, problem: str, *, fix: str) -> InputError:
        return InputError(problem, where=f"hint for object {self.object_id} on frame {self.frame}", fix=fix)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sam2Settings:
    """`weights` is a folder or the name of a repository whose files have been fetched.

    None takes what `spatia models fetch sam2` got or, for Meta's package, `DEFAULT_REPOSITORY`.
    """

    weights: str | None = None
    device: str = "auto"  # "auto", "cpu", "cuda", "cuda:1", ...
    implementation: Implementation = "transformers"
    hints: tuple[Hint, ...] = ()
    margin_px: int = 4  # by which masks are grown: what is left at a mover's edge would stay in the memory
    max_objects: int = 5  # tracked apart, beside those of the hints; each takes its time

    def __post_init__(self) -> None:
        """Raises `InputError` for two hints where one is wanted."""
        shown: list[tuple[int, int]] = []
        for hint in self.hints:
            if (hint.object_id, hint.frame) in shown:
                raise hint.refusal("there are two of them", fix="give all points of an object on a frame in one hint")
            shown.append((hint.object_id, hint.frame))
        if self.margin_px < 0 or self.max_objects < 1:
            raise ValueError(f"margin_px {self.margin_px} must be >= 0 and max_objects {self.max_objects} >= 1")
