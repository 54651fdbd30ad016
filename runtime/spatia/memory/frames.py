"""The archive of all frames of a walk: pictures, cameras, keyframe depth, and what each frame saw.

Append-only, on one thread at a time; its records are immutable, for any thread. Frames are numbered 0, 1, 2, ... in
the order of the walk. The pictures stay in memory as uint8: a frame of 1248 x 704 takes 2.6 MB, a keyframe's depth
3.5 MB, its visible voxels some 50 KB with their index. `FrameArchive.nbytes` says how much it is, and `max_bytes`
bounds it.
"""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from spatia.errors import MemoryFullError
from spatia.geom.camera import Cameras, Intrinsics
from spatia.memory.frame_index import FrameIndex
from spatia.memory.voxel_set import VoxelSet
from spatia.records.arrays import F32, F64, I32, Bool, frozen
from spatia.records.frames import Frames

DEFAULT_MAX_BYTES = 8 << 30


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ArchivedClip:
    """T consecutive frames as they entered the archive: all that has to be saved to get them back."""

    clip: int  # number of the clip, as in the cloud's rows
    frames: Frames  # T, without depth
    visible: tuple[VoxelSet, ...]  # T; empty for a frame that is never to be retrieved
    keyframes: I32  # [K] positions within the clip, increasing, of the frames whose depth is known
    keyframe_depth_m: F32  # [K, H, W] along +z, 0 where unknown
    keyframe_moving: Bool | None = None  # [K, H, W] what was left out of the memory as moving; none where nothing was

    def __post_init__(self) -> None:
        t, height, width = self.frames.rgb.shape[:3]
        object.__setattr__(self, "keyframes", frozen(self.keyframes, "keyframes", np.int32, (None,)))
        depth_shape = (len(self.keyframes), height, width)
        object.__setattr__(
            self, "keyframe_depth_m", frozen(self.keyframe_depth_m, "keyframe_depth_m", np.float32, depth_shape)
        )
        if self.keyframe_moving is not None:
            moving = frozen(self.keyframe_moving, "keyframe_moving", np.bool_, depth_shape)
            object.__setattr__(self, "keyframe_moving", moving if moving.any() else None)
        if self.frames.depth_m is not None:
            raise ValueError("frames must come without depth_m; give depth by keyframe_depth_m")
        if t == 0 or len(self.visible) != t:
            raise ValueError(
                f"visible must hold one voxel set for each of the {t} frames, and at least one; got {len(self.visible)}"
            )
        keyframes = self.keyframes.tolist()
        if keyframes != sorted(set(keyframes) & set(range(t))):
            raise ValueError(f"keyframes must be increasing positions in 0..{t - 1}; got {keyframes}")

    def __len__(self) -> int:
        return len(self.frames)

    @property
    def nbytes(self) -> int:
        voxels = sum(seen.blocks.nbytes + seen.masks.nbytes for seen in self.visible)
        moving = 0 if self.keyframe_moving is None else self.keyframe_moving.nbytes
        return self.frames.rgb.nbytes + self.keyframe_depth_m.nbytes + moving + voxels

    def to_arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Everything but the intrinsics and the voxel size, which the whole archive shares, as named arrays."""
        return {
            "clip": np.array(self.clip, dtype=np.int32),
            "rgb": self.frames.rgb,
            "world_from_camera": self.frames.cameras.world_from_camera,
            "time_s": self.frames.time_s,
            "block_counts": np.array([len(seen.blocks) for seen in self.visible], dtype=np.int32),
            "blocks": np.concatenate([seen.blocks for seen in self.visible]),
            "masks": np.concatenate([seen.masks for seen in self.visible]),
            "keyframes": self.keyframes,
            "keyframe_depth_m": self.keyframe_depth_m,
            **({} if self.keyframe_moving is None else {"keyframe_moving": np.packbits(self.keyframe_moving, axis=-1)}),
        }

    @classmethod
    def of_arrays(
        cls, arrays: Mapping[str, npt.NDArray[Any]], *, intrinsics: Intrinsics, voxel_m: float
    ) -> "ArchivedClip":
        """The inverse of `to_arrays`. Raises `ValueError` for arrays that do not fit together."""
        ends = np.cumsum(arrays["block_counts"], dtype=np.int64)
        blocks, masks = (np.split(arrays[name], ends) for name in ("blocks", "masks"))
        if len(blocks.pop()) + len(masks.pop()):
            raise ValueError(f"block_counts must add up to {len(arrays['blocks'])} blocks; got {ends[-1]}")
        return cls(
            clip=int(arrays["clip"]),
            frames=Frames(
                rgb=arrays["rgb"],
                cameras=Cameras(world_from_camera=arrays["world_from_camera"], intrinsics=intrinsics),
                time_s=arrays["time_s"],
            ),
            visible=tuple(
                VoxelSet(voxel_m=voxel_m, blocks=some, masks=theirs) for some, theirs in zip(blocks, masks, strict=True)
            ),
            keyframes=arrays["keyframes"],
            keyframe_depth_m=arrays["keyframe_depth_m"],
            keyframe_moving=_unpacked(arrays.get("keyframe_moving"), intrinsics.width_px),
        )


class FrameArchive:
    """Every frame of one walk, all on one raster."""

    def __init__(self, intrinsics: Intrinsics, *, voxel_m: float = 0.05, max_bytes: int = DEFAULT_MAX_BYTES) -> None:
        self.intrinsics = intrinsics
        self.voxel_m = voxel_m
        self.max_bytes = max_bytes
        self.index = FrameIndex(voxel_m=voxel_m)
        self._clips: list[ArchivedClip] = []
        self._ends: list[int] = []  # number of the first frame after each clip
        self._clip_bytes = 0

    def __len__(self) -> int:
        """The number of frames."""
        return self._ends[-1] if self._ends else 0

    @property
    def nbytes(self) -> int:
        return self._clip_bytes + self.index.nbytes

    @property
    def clips(self) -> tuple[ArchivedClip, ...]:
        """All that was added, in order: adding them again to a new archive restores this one."""
        return tuple(self._clips)

    def add(self, clip: ArchivedClip) -> range:
        """Append the frames of a clip; returns their numbers.

        Raises `ValueError` for another raster or voxel size, and `MemoryFullError`, before anything has changed, when
        the archive would exceed `max_bytes`.
        """
        if clip.frames.cameras.intrinsics != self.intrinsics:
            raise ValueError(f"intrinsics must be {self.intrinsics}; got {clip.frames.cameras.intrinsics}")
        sizes = {seen.voxel_m for seen in clip.visible} - {self.voxel_m}
        if sizes:
            raise ValueError(f"visible voxels must measure {self.voxel_m} m; got {min(sizes)} m")
        if self.nbytes + clip.nbytes > self.max_bytes:
            raise MemoryFullError(
                f"{len(clip)} more frames need {clip.nbytes / 1e6:.1f} MB beside the {self.nbytes / 1e6:.1f} MB of the "
                f"{len(self)} frames archived; the bound is {self.max_bytes / 1e6:.1f} MB",
                where="the archive of frames",
                fix="allow more memory for frames, make the frames smaller, or end the walk here",
            )
        start = len(self)
        for seen in clip.visible:
            self.index.add(seen)
        self._clips.append(clip)
        self._ends.append(start + len(clip))
        self._clip_bytes += clip.nbytes
        return range(start, len(self))

    def frames(self, numbers: Sequence[int]) -> Frames:
        """Copies of the frames with these numbers, in this order. Depth is there if any of them has it, 0 elsewhere.

        Raises `ValueError` for a number that is not archived.
        """
        found = [self._find(number) for number in numbers]
        height, width = self.intrinsics.height_px, self.intrinsics.width_px
        depths = [_depth_of(clip, at) for clip, at in found]
        depth_m: F32 | None = None
        if any(depth is not None for depth in depths):
            depth_m = np.zeros((len(found), height, width), dtype=np.float32)
            for row, depth in zip(depth_m, depths, strict=True):
                if depth is not None:
                    row[:] = depth
        rgb = np.empty((len(found), height, width, 3), dtype=np.uint8)
        poses: F64 = np.empty((len(found), 4, 4))
        time_s: F32 = np.empty(len(found), dtype=np.float32)
        for i, (clip, at) in enumerate(found):
            rgb[i] = clip.frames.rgb[at]
            poses[i] = clip.frames.cameras.world_from_camera[at]
            time_s[i] = clip.frames.time_s[at]
        cameras = Cameras(world_from_camera=poses, intrinsics=self.intrinsics)
        return Frames(rgb=rgb, cameras=cameras, time_s=time_s, depth_m=depth_m)

    def moving(self, numbers: Sequence[int]) -> Bool:
        """[n, H, W] what was found moving in these frames; nothing in those that are no keyframes."""
        found = np.zeros((len(numbers), self.intrinsics.height_px, self.intrinsics.width_px), dtype=np.bool_)
        for row, number in zip(found, numbers, strict=True):
            clip, at = self._find(number)
            if clip.keyframe_moving is not None and at in clip.keyframes:
                row[:] = clip.keyframe_moving[np.searchsorted(clip.keyframes, at)]
        return found

    def last(self, n: int) -> Frames:
        """The last `n` frames, or all where there are fewer."""
        return self.frames(range(max(0, len(self) - n), len(self)))

    def cameras(self, numbers: Sequence[int]) -> Cameras:
        """The cameras of these frames, without copying a picture."""
        poses = [clip.frames.cameras.world_from_camera[at] for clip, at in map(self._find, numbers)]
        return Cameras(world_from_camera=np.array(poses).reshape(-1, 4, 4), intrinsics=self.intrinsics)

    def candidates(self, *, stride: int = 1, exclude_last: int = 0) -> range:
        """Numbers of every `stride`-th frame from the first, leaving out the last `exclude_last` of the walk."""
        return range(0, max(0, len(self) - exclude_last), stride)

    def _find(self, number: int) -> tuple[ArchivedClip, int]:
        if not 0 <= number < len(self):
            raise ValueError(f"no frame {number} among the {len(self)} archived")
        which = bisect_right(self._ends, number)
        clip = self._clips[which]
        return clip, number - (self._ends[which] - len(clip))


def _unpacked(bits: npt.NDArray[np.uint8] | None, width_px: int) -> Bool | None:
    if bits is None:
        return None
    whole = frozen(bits, "keyframe_moving", np.uint8, (None, None, -(-width_px // 8)))
    return np.unpackbits(whole, axis=-1, count=width_px).astype(np.bool_)


def _depth_of(clip: ArchivedClip, at: int) -> F32 | None:
    """[H, W] or None where the frame is no keyframe."""
    where = np.flatnonzero(clip.keyframes == at)
    return clip.keyframe_depth_m[where[0]] if len(where) else None
