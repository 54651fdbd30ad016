"""SAM 2 through Meta's own package `sam2`, for those who have it. Runs on the estimation worker's thread.

Called as its README has it; the package reads a video as a folder of pictures, and its checkpoints are pickles, which
it opens with torch's restricted reader.
"""

import importlib
import re
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from spatia.errors import InputError
from spatia.estimation.sam2.settings import Hint
from spatia.networks.device import device_of
from spatia.records.arrays import U8, Bool
from spatia.records.geometry import Report

SIZES = {"tiny": "t", "small": "s", "base_plus": "b+", "large": "l"}
CHECKPOINT = re.compile(rf"(?P<version>sam2|sam2\.1)_hiera_(?P<size>{'|'.join(SIZES)})\.pt")


class MetaTracker:
    """See `Tracker`."""

    def __init__(self, predictor: Any, device: torch.device) -> None:
        """`predictor` is a `SAM2VideoPredictor`."""
        self._predictor = predictor
        self._device = device

    @classmethod
    def open(cls, checkpoint: Path, *, device: str) -> "MetaTracker":
        """Raises `InputError` for a file that is none of Meta's checkpoints, `DeviceError` for a missing device."""
        named = CHECKPOINT.fullmatch(checkpoint.name)
        if named is None:
            raise InputError(
                "the name does not tell which network it is for",
                where=str(checkpoint),
                fix=f"name it as Meta does, such as sam2.1_hiera_large.pt; sizes: {', '.join(SIZES)}",
            )
        config = f"configs/{named['version']}/{named['version']}_hiera_{SIZES[named['size']]}.yaml"
        where = device_of(device, where="estimation.segmenter.device")
        try:
            build = importlib.import_module("sam2.build_sam").build_sam2_video_predictor
            predictor = build(config, str(checkpoint), device=str(where))
        except Exception as error:  # a damaged checkpoint fails in whatever its bytes happen to mean
            reason = str(error).partition("\n")[0]
            raise InputError(
                f"Meta's sam2 cannot open it: {reason or type(error).__name__}",
                where=str(checkpoint),
                fix="fetch it again, or use `implementation: transformers`",
            ) from error
        return cls(predictor, where)

    def track(self, video: U8, hints: Sequence[Hint], *, report: Report) -> Bool:
        moving = np.zeros(video.shape[:3], dtype=np.bool_)
        start = min(hint.frame for hint in hints)
        total = len(video) - start + (start + 1 if start else 0)
        with (
            tempfile.TemporaryDirectory(prefix="spatia-sam2-") as folder,
            torch.inference_mode(),
            torch.autocast(self._device.type, torch.bfloat16, enabled=self._device.type == "cuda"),
        ):
            for number, rgb in enumerate(video):
                Image.fromarray(rgb).save(Path(folder) / f"{number:05d}.jpg", quality=100, subsampling=0)
            report(0, total)
            state = self._predictor.init_state(video_path=folder, offload_video_to_cpu=True)
            for hint in hints:
                self._show(state, hint)
            done = 0
            for reverse in (False, True):
                for frame, ids, logits in self._predictor.propagate_in_video(
                    state, start_frame_idx=start, reverse=reverse
                ):
                    given = {hint.object_id: hint.mask for hint in hints if hint.frame == frame}
                    for number, object_id in enumerate(ids):
                        mask = given.get(object_id)
                        moving[frame] |= (logits[number, 0] > 0).cpu().numpy() if mask is None else mask
                    done += 1
                    report(done, total)
        return moving

    def _show(self, state: Any, hint: Hint) -> None:
        if hint.mask is not None:
            self._predictor.add_new_mask(state, hint.frame, hint.object_id, hint.mask)
            return
        points = np.array([*hint.inside, *hint.outside], dtype=np.float32).reshape(-1, 2)
        labels = np.array([1] * len(hint.inside) + [0] * len(hint.outside), dtype=np.int32)
        self._predictor.add_new_points_or_box(
            state, hint.frame, hint.object_id, points=points, labels=labels, box=hint.box
        )
