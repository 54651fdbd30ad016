import os
from collections.abc import Iterator
from typing import Any
from zipfile import is_zipfile

import numpy as np
import torch
from PIL import Image
from torch import Tensor

State = dict[str, Any]


class SAM2VideoPredictor:
    def __init__(self, *, config_file: str, device: str) -> None:
        self.config_file = config_file
        self.device = torch.device(device)
        self.states: list[State] = []

    def init_state(
        self,
        video_path: str,
        offload_video_to_cpu: bool = False,
        offload_state_to_cpu: bool = False,
        async_loading_frames: bool = False,
    ) -> State:
        names = [name for name in os.listdir(video_path) if os.path.splitext(name)[-1] in (".jpg", ".jpeg")]
        names.sort(key=lambda name: int(os.path.splitext(name)[0]))
        images = [np.asarray(Image.open(os.path.join(video_path, name)).convert("RGB")) for name in names]
        height, width = images[0].shape[:2]
        state = {"images": images, "size": (height, width), "obj_ids": [], "shown": {}, "tracked": []}
        self.states.append(state)
        return state

    def add_new_points_or_box(
        self,
        inference_state: State,
        frame_idx: int,
        obj_id: int,
        points: Any = None,
        labels: Any = None,
        clear_old_points: bool = True,
        normalize_coords: bool = True,
        box: Any = None,
    ) -> tuple[int, list[int], Tensor]:
        if (points is not None) != (labels is not None):
            raise ValueError("points and labels must be provided together")
        if points is None and box is None:
            raise ValueError("at least one of points or box must be provided as input")
        at = torch.zeros(0, 2) if points is None else torch.tensor(points, dtype=torch.float32)
        sign = torch.zeros(0) if labels is None else torch.tensor(labels, dtype=torch.int32)
        if at.ndim != 2 or at.shape[1] != 2 or sign.shape != at.shape[:1]:
            raise ValueError("points [n, 2] and labels [n] are wanted")
        logits = torch.full(inference_state["size"], -10.0)
        if box is not None:
            left, top, right, bottom = (int(side) for side in torch.tensor(box, dtype=torch.float32).reshape(4))
            logits[top:bottom, left:right] = 10.0
        for (x, y), label in zip(at.int().tolist(), sign.tolist(), strict=True):
            logits[y, x] = 10.0 if label else -10.0
        return self._shown(inference_state, frame_idx, obj_id, logits)

    def add_new_mask(
        self, inference_state: State, frame_idx: int, obj_id: int, mask: Any
    ) -> tuple[int, list[int], Tensor]:
        if not isinstance(mask, Tensor):
            mask = torch.tensor(mask, dtype=torch.bool)
        if mask.dim() != 2:
            raise AssertionError
        return self._shown(inference_state, frame_idx, obj_id, torch.where(mask, 10.0, -10.0))

    def _shown(self, state: State, frame: int, object_id: int, logits: Tensor) -> tuple[int, list[int], Tensor]:
        if object_id not in state["obj_ids"]:
            state["obj_ids"].append(object_id)
        state["shown"].setdefault(object_id, {})[frame] = logits
        return frame, state["obj_ids"], logits[None, None]

    def propagate_in_video(
        self,
        inference_state: State,
        start_frame_idx: int | None = None,
        max_frame_num_to_track: int | None = None,
        reverse: bool = False,
    ) -> Iterator[tuple[int, list[int], Tensor]]:
        count = len(inference_state["images"])
        first = min(frame for shown in inference_state["shown"].values() for frame in shown)
        start = first if start_frame_idx is None else start_frame_idx
        order = range(start, count) if not reverse else range(start, -1, -1) if start > 0 else []
        for frame in order:
            inference_state["tracked"].append(frame)
            last = [next(iter(shown.values())) for shown in inference_state["shown"].values()]
            yield frame, inference_state["obj_ids"], torch.stack(last)[:, None]


def build_sam2_video_predictor(
    config_file: str,
    ckpt_path: str | None = None,
    device: str = "cuda",
    mode: str = "eval",
    hydra_overrides_extra: list[str] = [],  # noqa: B006 - as in the package
    apply_postprocessing: bool = True,
    vos_optimized: bool = False,
    **kwargs: Any,
) -> SAM2VideoPredictor:
    if ckpt_path is not None and not is_zipfile(ckpt_path):  # as what torch saves is
        raise RuntimeError
    return SAM2VideoPredictor(config_file=config_file, device=device)
