"""SAM 2 through transformers' `Sam2VideoModel`. Runs on the estimation worker's thread.

transformers' own processors need torchvision, which is why pictures and hints are brought onto the network's raster
here. Its session confuses objects whose hints are on different frames (one without a hint on a frame where another has
one is segmented there from nothing), which is why each object has a session of its own; they go through the video side
by side and share the features of each frame.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate
from transformers import Sam2VideoInferenceSession, Sam2VideoModel
from transformers.models.sam2_video.modeling_sam2_video import Sam2VideoInferenceCache

from spatia.checkpoints.pretrained import load_pretrained
from spatia.errors import InputError
from spatia.estimation.sam2.settings import Hint
from spatia.networks.device import device_of
from spatia.records.arrays import U8, Bool
from spatia.records.geometry import Report

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet, in the order of red, green and blue
OUTSIDE, INSIDE, UPPER_LEFT, LOWER_RIGHT = range(4)  # how the network labels points


@dataclass(frozen=True, slots=True, kw_only=True)
class _Followed:
    session: Any  # Sam2VideoInferenceSession of this object alone
    hints: dict[int, Hint]  # by frame


class TransformersTracker:
    """See `Tracker`."""

    def __init__(self, network: Any, device: torch.device) -> None:
        """`network` is a `Sam2VideoModel` in float32 on `device`."""
        self._network = network
        self._device = device

    @classmethod
    def open(cls, folder: Path, *, device: str) -> "TransformersTracker":
        """Raises `InputError` for weights that are damaged or another network's, `DeviceError` for a missing device."""
        where = device_of(device, where="estimation.segmenter.device")
        network, lacking = load_pretrained(Sam2VideoModel, folder, what="SAM 2's weights", fix="fetch them again")
        if lacking:
            raise InputError(
                f"no weights of SAM 2 for video: {len(lacking)} tensors are missing, such as {lacking[0]}",
                where=str(folder),
                fix="name a folder or repository such as facebook/sam2.1-hiera-large",
            )
        return cls(network.to(where), where)

    def track(self, video: U8, hints: Sequence[Hint], *, report: Report) -> Bool:
        first = {hint.object_id: hint.frame for hint in sorted(hints, key=lambda hint: -hint.frame)}
        start, last = min(first.values()), max(first.values())
        forward, backward = range(start, len(video)), range(last - 1, -1, -1)
        steps = [(frame, False) for frame in forward] + [(frame, True) for frame in backward]
        report(0, len(steps))
        objects = self._shown(video, hints)
        moving = np.zeros(video.shape[:3], dtype=np.bool_)
        for done, (frame, reverse) in enumerate(steps, start=1):
            for number, followed in objects.items():
                if reverse == (frame < first[number]):
                    moving[frame] |= self._mask(followed, frame, video.shape[1:3], reverse=reverse)
            report(done, len(steps))
        return moving

    def _shown(self, video: U8, hints: Sequence[Hint]) -> dict[int, _Followed]:
        """The objects by number, each with a session that has seen its hints."""
        pixels = torch.cat([self._pixels(rgb) for rgb in video])
        features = Sam2VideoInferenceCache(inference_device=self._device, inference_state_device=self._device)
        objects: dict[int, _Followed] = {}
        for hint in sorted(hints, key=lambda hint: (hint.frame, hint.object_id)):
            if hint.object_id not in objects:
                session = Sam2VideoInferenceSession(
                    video=pixels,
                    video_height=video.shape[1],
                    video_width=video.shape[2],
                    inference_device=self._device,
                    inference_state_device=self._device,
                    dtype=torch.float32,
                )
                session.cache = features
                objects[hint.object_id] = _Followed(session=session, hints={})
            followed = objects[hint.object_id]
            followed.hints[hint.frame] = hint
            index = followed.session.obj_id_to_idx(hint.object_id)
            if hint.mask is not None:
                followed.session.add_mask_inputs(index, hint.frame, self._mask_prompt(hint.mask))
            else:
                followed.session.add_point_inputs(index, hint.frame, self._point_prompt(hint, video.shape[1:3]))
            followed.session.obj_with_new_inputs = [hint.object_id]
            self._step(followed, hint.frame, reverse=False)
        return objects

    def _mask(self, followed: _Followed, frame: int, size: tuple[int, ...], *, reverse: bool) -> Bool:
        """[H, W]"""
        logits = self._step(followed, frame, reverse=reverse)
        hint = followed.hints.get(frame)
        if hint is not None and hint.mask is not None:
            return hint.mask
        whole = interpolate(logits, size=size, mode="bilinear", align_corners=False)
        return np.asarray((whole[0, 0] > 0).cpu().numpy(), dtype=np.bool_)

    def _step(self, followed: _Followed, frame: int, *, reverse: bool) -> Tensor:
        """Logits [1, 1, h, w] on the raster of the network's masks."""
        logits: Tensor = self._network(followed.session, frame_idx=frame, reverse=reverse).pred_masks
        for outputs in followed.session.output_dict_per_obj[0].values():
            outputs.get(frame, {}).pop("high_res_masks", None)  # 4 MB a frame and object, and of no more use
        return logits

    def _pixels(self, rgb: U8) -> Tensor:
        """[1, 3, S, S] of [H, W, 3], on the CPU."""
        side = self._network.image_size
        picture = torch.from_numpy(rgb.copy()).permute(2, 0, 1)[None].float() / 255
        picture = interpolate(picture, size=(side, side), mode="bilinear", align_corners=False, antialias=True)
        return (picture - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(STD).view(3, 1, 1)

    def _mask_prompt(self, mask: Bool) -> Tensor:
        """[1, 1, S, S]"""
        side = self._network.image_size
        whole = torch.from_numpy(mask.astype(np.float32))[None, None]
        scaled = interpolate(whole, size=(side, side), mode="bilinear", align_corners=False, antialias=True)
        return (scaled >= 0.5).float()

    def _point_prompt(self, hint: Hint, size: tuple[int, ...]) -> dict[str, Tensor]:
        """Points [1, 1, n, 2] on the network's raster and their labels [1, 1, n]; a box goes first."""
        height_px, width_px = size
        labelled = [(*point, INSIDE) for point in hint.inside] + [(*point, OUTSIDE) for point in hint.outside]
        if hint.box is not None:
            labelled = [(*hint.box[:2], UPPER_LEFT), (*hint.box[2:], LOWER_RIGHT), *labelled]
        points = torch.tensor([point[:2] for point in labelled], dtype=torch.float32)
        scale = torch.tensor([self._network.image_size / width_px, self._network.image_size / height_px])
        labels = torch.tensor([point[2] for point in labelled], dtype=torch.int32)
        return {"point_coords": (points * scale)[None, None], "point_labels": labels[None, None]}
