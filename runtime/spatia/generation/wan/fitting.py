"""How a clip is fitted into the memory of a GPU, before any weight is read. On the generator's thread."""

from collections.abc import Callable, Sequence

import torch

from spatia.checkpoints.load import read_lora
from spatia.checkpoints.wanted import autoencoder_part, empty_transformer, text_encoder_part
from spatia.errors import DeviceError
from spatia.generation.wan.files import FoundFiles
from spatia.generation.wan.networks import Work
from spatia.generation.wan.settings import WanSettings
from spatia.networks import preflight
from spatia.networks.autoencoder import SIZE_STEP_PX
from spatia.networks.config import TransformerConfig
from spatia.networks.lora import add_lora, use_lora
from spatia.networks.memory_plan import Estimate, Plan, Rung, plan

SMALLER_SCALES = (0.75, 0.5)

FreeBytes = Callable[[torch.device], int | None]


def free_bytes_of(device: torch.device) -> int | None:
    """What this process may take of a GPU's memory, its own share included; None where that is not limited so."""
    if device.type != "cuda":
        return None
    free, _ = torch.cuda.mem_get_info(device)
    return int(free) + torch.cuda.memory_reserved(device)


class Fitter:
    """Plans how one base model's clips fit. Each plan is at least as frugal as the one before."""

    def __init__(
        self, files: FoundFiles, config: TransformerConfig, settings: WanSettings, *, dtype: torch.dtype
    ) -> None:
        """`config` is the transformer's, with its control branch."""
        self._files = files
        self._config = config
        self._settings = settings
        self._dtype = dtype
        self._most_bytes: int | None = None  # no plan may expect more, after one did not hold
        self.plans: dict[Work, Plan] = {}
        self._kept: dict[tuple[Work, float], Estimate] = {}

    def fit(self, work: Work, *, free_bytes: int) -> Plan:
        """Raises `DeviceError` where the work does not fit, whatever is done."""
        if work not in self.plans:
            self.plans[work] = self._planned(work, free_bytes=min(free_bytes, self._most_bytes or free_bytes))
        return self.plans[work]

    def failed(self, work: Work) -> None:
        """The plan for `work` needed more than it expected: the next one must expect less."""
        self._most_bytes = self.plans[work].peak_bytes - 1
        self.plans.clear()

    def forget(self) -> None:
        """Plan afresh, as if nothing had failed."""
        self._most_bytes = None
        self.plans.clear()

    def _planned(self, work: Work, *, free_bytes: int) -> Plan:
        allowed = [Rung(name) for name in self._settings.fit]
        try:
            # Smaller sizes are the last resort, and to estimate them takes seconds.
            ladder = [rung for rung in allowed if rung is not Rung.SMALLER]
            return plan(self._estimates(work, [1.0]), free_bytes=free_bytes, allowed=ladder)
        except DeviceError:
            if Rung.SMALLER not in allowed:
                raise
        return plan(self._estimates(work, [1.0, *SMALLER_SCALES]), free_bytes=free_bytes, allowed=allowed)

    def _estimates(self, work: Work, scales: Sequence[float]) -> list[Estimate]:
        found = []
        for scale in scales:
            if (work, scale) not in self._kept:
                width_px, height_px = (
                    max(1, round(scale * side / SIZE_STEP_PX)) * SIZE_STEP_PX for side in work.size_px
                )
                self._kept[work, scale] = self._estimate(work, width_px, height_px)
            found.append(self._kept[work, scale])
        return found

    def _estimate(self, work: Work, width_px: int, height_px: int) -> Estimate:
        base = self._files.base
        transformer = preflight.in_dtype(empty_transformer(self._config), self._dtype)
        for name, path in self._files.loras.items():
            factors = read_lora(path, config=base.config)
            add_lora(transformer, {key: factor.to("meta") for key, factor in factors.items()}, name=name)
            use_lora(transformer, name)
        return preflight.estimate(
            transformer=transformer,
            vae=preflight.in_dtype(autoencoder_part(base).module, self._dtype),
            text=preflight.in_dtype(text_encoder_part(base).module, self._dtype),
            options=self._settings.speed,
            clips=[preflight.Clip(frames=work.frames, references=work.layout.references)],
            width_px=width_px,
            height_px=height_px,
            prompts=1 if self._settings.sampling.guidance == 1.0 else 2,
            in_one_batch=self._settings.one_batch,
        )
