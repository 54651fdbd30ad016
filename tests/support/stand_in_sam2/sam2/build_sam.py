from typing import Any
from zipfile import is_zipfile

from sam2.sam2_video_predictor import SAM2VideoPredictor


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
