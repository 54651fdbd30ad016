"""A hub in memory, with the two calls that `spatia.checkpoints.fetch` makes of the real one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

REVISION = "5" * 40


@dataclass
class File:
    rfilename: str
    size: int | None


@dataclass
class Info:
    sha: str | None
    tags: Sequence[str] | None
    siblings: Sequence[File] | None


@dataclass
class FakeHub:
    """`contents` by repository and file; `failure` is raised by the call that `fails_at` names."""

    contents: Mapping[str, Mapping[str, bytes]]
    tags: Sequence[str] = ()
    failure: BaseException | None = None
    fails_at: str = "model_info"
    asked: list[str] = field(default_factory=list)

    def model_info(self, repo_id: str, *, files_metadata: bool, timeout: float) -> Info:
        assert files_metadata
        assert 0 < timeout <= 60
        self._fail("model_info")
        return Info(REVISION, self.tags, [File(name, len(data)) for name, data in self.contents[repo_id].items()])

    def hf_hub_download(
        self, repo_id: str, filename: str, *, revision: str, local_dir: Path, etag_timeout: float, tqdm_class: type[Any]
    ) -> str:
        assert revision == REVISION
        assert 0 < etag_timeout <= 60
        self._fail(filename)
        self.asked.append(filename)
        path = local_dir / filename
        data = self.contents[repo_id][filename]
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
            bar = tqdm_class(total=len(data), desc=filename, unit="B", unit_scale=True)
            half = len(data) // 2
            bar.update(half)
            bar.update(len(data) - half)
            bar.close()
        return str(path)

    def _fail(self, call: str) -> None:
        if self.failure is not None and self.fails_at == call:
            raise self.failure


SPATIA_FILES = {
    "README.md": b"# Spatia",
    "assets/teaser.mp4": b"large",
    "lora_weights_10000.safetensors": bytes(30),
    "step-8500.safetensors": bytes(100),
}
MAPANYTHING_FILES = {"config.json": b"{}", "model.safetensors": bytes(10)}
BASE_FILES = {
    "diffusion_pytorch_model.safetensors": bytes(50),
    "models_t5_umt5-xxl-enc-bf16.pth": bytes(20),
    "Wan2.2_VAE.pth": bytes(5),
    "google/umt5-xxl/spiece.model": b"x",
}
EVERYTHING = {
    "Jinjing713/Spatia": SPATIA_FILES,
    "Wan-AI/Wan2.2-TI2V-5B": BASE_FILES,
    "facebook/map-anything": MAPANYTHING_FILES,
}
