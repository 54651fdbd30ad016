"""`MapAnything` without a network: it sees the ball before a wall of support/scenes.py, or misbehaves as it is told.

How it behaves stands where others name weights: ``standin`` and then any of ``,scale=1.3``, ``,turn=0.1`` (its opinion
of every pose but the first), ``,then=MODE`` with a mode of `MODES`.
"""

import math
import os
import signal
import threading
from typing import Any

import torch

MODES = ("answer", "nan", "raise", "memory", "die", "stop", "wait", "crop")
ALLOWED_VIEW_KEYS = {
    "img", "data_norm_type", "depth_z", "ray_directions", "intrinsics", "camera_poses", "is_metric_scale",
    "true_shape", "idx", "instance",
}  # fmt: skip
MEAN = torch.tensor([0.485, 0.456, 0.406])
DEVIATION = torch.tensor([0.229, 0.224, 0.225])
WHITE = 0.97  # what is as bright as that is ambiguous, as a sky
CONFIDENCE_LOGIT = 1.0
FOREVER_S = 3600.0

View = dict[str, Any]
Prediction = dict[str, torch.Tensor]


class MapAnything(torch.nn.Module):
    def __init__(self, *, scale: float, turn_rad: float, mode: str) -> None:
        super().__init__()
        self.scale, self.turn_rad, self.mode = scale, turn_rad, mode

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path: str) -> "MapAnything":
        name, *options = str(pretrained_model_name_or_path).split(",")
        if name != "standin":
            raise OSError(f"{name} is not a local folder and is not a valid model identifier")
        chosen = dict(option.split("=") for option in options)
        mode = chosen.get("then", "answer")
        if mode not in MODES:
            raise ValueError(f"no mode {mode!r}")
        print("Loading pretrained dinov2_vitg14 from torch hub")  # noqa: T201 - as the original does
        return cls(scale=float(chosen.get("scale", 1)), turn_rad=float(chosen.get("turn", 0)), mode=mode)

    @torch.inference_mode()
    def infer(
        self,
        views: list[View],
        memory_efficient_inference: bool = True,
        minibatch_size: int | None = None,
        use_amp: bool = True,
        amp_dtype: str = "bf16",
        apply_mask: bool = True,
        mask_edges: bool = True,
        edge_normal_threshold: float = 5.0,
        edge_depth_threshold: float = 0.03,
        apply_confidence_mask: bool = False,
        confidence_percentile: float = 10,
        ignore_calibration_inputs: bool = False,
        ignore_depth_inputs: bool = False,
        ignore_pose_inputs: bool = False,
        ignore_depth_scale_inputs: bool = False,
        ignore_pose_scale_inputs: bool = False,
        use_multiview_confidence: bool = False,
        multiview_conf_depth_abs_thresh: float = 0.02,
        multiview_conf_depth_rel_thresh: float = 0.02,
    ) -> list[Prediction]:
        validate(views)
        self._misbehave()
        first = views[0]["camera_poses"]
        predictions = [self._predict(view, first) for view in views]
        if self.mode == "nan":
            for prediction in predictions:
                prediction["depth_z"][:, 10, 10] = math.nan
                prediction["mask"][:, 10, 10] = True
        if self.mode == "crop":
            predictions = [{**p, "depth_z": p["depth_z"][:, :, :-14]} for p in predictions]
        return predictions

    def _misbehave(self) -> None:
        if self.mode == "raise":
            raise RuntimeError("the stand-in was told to fail")
        if self.mode == "memory":
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 3.00 GiB")
        if self.mode == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        if self.mode == "stop":
            os.kill(os.getpid(), signal.SIGSTOP)
        if self.mode == "wait":
            threading.Event().wait(FOREVER_S)

    def _predict(self, view: View, first: torch.Tensor) -> Prediction:
        _, _, height, width = view["img"].shape
        lens, pose = view["intrinsics"], view["camera_poses"]
        rays = rays_of(lens, height, width)  # z = 1
        depth = see(rays, pose[0])[None, ..., None]  # [1, H, W, 1]
        depth_z = depth * self.scale
        rgb = view["img"][0].permute(1, 2, 0) * DEVIATION + MEAN
        non_ambiguous = ((rgb.min(dim=-1).values < WHITE) & depth[0, ..., 0].isfinite())[None]
        mask = (non_ambiguous & ~edges(depth_z[..., 0]))[..., None]
        in_first = torch.linalg.inv(first) @ pose
        if not torch.equal(first, pose):
            in_first = in_first @ turned(self.turn_rad)
        in_first = torch.cat([in_first[:, :3, :3], in_first[:, :3, 3:] * self.scale], dim=-1)
        pts3d_cam = depth_z * rays
        pts3d = pts3d_cam @ in_first[0, :, :3].T + in_first[0, :, 3]
        length = rays.norm(dim=-1, keepdim=True)
        logits = torch.where(non_ambiguous, 4.0, -4.0)
        return {
            "img_no_norm": rgb[None],
            "pts3d": pts3d * mask,
            "pts3d_cam": pts3d_cam * mask,
            "ray_directions": (rays / length)[None],
            "intrinsics": lens.clone(),
            "depth_along_ray": depth_z * length * mask,
            "depth_z": depth_z * mask,
            "cam_trans": in_first[:, :, 3],
            "cam_quats": torch.tensor([[0.0, 0.0, 0.0, 1.0]]),
            "camera_poses": torch.cat([in_first, torch.tensor([[[0.0, 0.0, 0.0, 1.0]]])], dim=1),
            "metric_scaling_factor": torch.tensor([[self.scale]]),
            "mask": mask,
            "non_ambiguous_mask": non_ambiguous,
            "non_ambiguous_mask_logits": logits,
            "conf": torch.full((1, height, width), 1 + math.exp(CONFIDENCE_LOGIT)),
        }


def validate(views: list[View]) -> None:
    if not views:
        raise ValueError("At least one view must be provided")
    for i, view in enumerate(views):
        if invalid := set(view) - ALLOWED_VIEW_KEYS:
            raise ValueError(f"View {i} contains invalid keys: {invalid}")
        if missing := {"img", "data_norm_type"} - set(view):
            raise ValueError(f"View {i} missing required keys: {missing}")
        if view["data_norm_type"] != ["dinov2"]:
            raise ValueError(f"View {i}: {view['data_norm_type']}")
        batch, channels, height, width = view["img"].shape
        if (batch, channels, height % 14, width % 14) != (1, 3, 0, 0):
            raise ValueError(f"View {i}: img is {tuple(view['img'].shape)}")
        if view["intrinsics"].shape != (1, 3, 3) or view["camera_poses"].shape != (1, 4, 4):
            raise ValueError(f"View {i}: intrinsics or camera_poses of another shape")
        if view["is_metric_scale"].shape != (1,):
            raise ValueError(f"View {i}: is_metric_scale of another shape")


def rays_of(lens: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """[H, W, 3] with z = 1; the centres of pixels are whole numbers here."""
    y, x = torch.meshgrid(torch.arange(height).float(), torch.arange(width).float(), indexing="ij")
    fx, fy, cx, cy = lens[0, 0, 0], lens[0, 1, 1], lens[0, 0, 2], lens[0, 1, 2]
    return torch.stack([(x - cx) / fx, (y - cy) / fy, torch.ones_like(x)], dim=-1)


def see(rays: torch.Tensor, world_from_camera: torch.Tensor) -> torch.Tensor:
    """[H, W] depth of a ball of 0.5 m at (0, 0, 2.5) before a wall at z = 4, infinite where there is neither."""
    turned_rays, eye = rays @ world_from_camera[:3, :3].T, world_from_camera[:3, 3]
    wall = (4 - eye[2]) / turned_rays[..., 2]
    offset = eye - torch.tensor([0.0, 0.0, 2.5])
    a, b, c = (turned_rays**2).sum(-1), turned_rays @ offset, offset @ offset - 0.25
    root = b * b - a * c
    ball = torch.where(root > 0, (-b - root.clamp(min=0).sqrt()) / a, torch.inf)
    nearest = torch.minimum(torch.where(wall > 0, wall, torch.inf), torch.where(ball > 0, ball, torch.inf))
    return nearest


def edges(depth: torch.Tensor) -> torch.Tensor:
    """[1, H, W] True where depth jumps by a tenth to a neighbour."""
    found = torch.zeros_like(depth, dtype=torch.bool)
    for axis in (1, 2):
        before, after = depth.narrow(axis, 0, depth.shape[axis] - 1), depth.narrow(axis, 1, depth.shape[axis] - 1)
        jump = (before - after).abs() > 0.1 * torch.minimum(before, after)
        found.narrow(axis, 0, depth.shape[axis] - 1).logical_or_(jump)
        found.narrow(axis, 1, depth.shape[axis] - 1).logical_or_(jump)
    return found


def turned(angle_rad: float) -> torch.Tensor:
    """[1, 4, 4] about the up axis."""
    cosine, sine = math.cos(angle_rad), math.sin(angle_rad)
    return torch.tensor([[[cosine, 0, sine, 0], [0, 1, 0, 0], [-sine, 0, cosine, 0], [0, 0, 0, 1]]])
