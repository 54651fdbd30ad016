"""The weights that are known by name: where they lie, under which licence, which of their files are needed.

Facts without any package of the networks, so that `spatia models list` works on every machine. Any thread.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase

from spatia.errors import unknown_name

INSTALL_MODELS = "pip install 'spatia-runtime[models]'"  # the packages that networks need

# Taken where the repository has them: configurations, and what the licences ask to be kept with the weights.
EXTRAS = ("*.json", "README.md", "LICENSE*")
_SHARD = re.compile(r"(?P<stem>.*)-(?P<number>\d{5})-of-(?P<count>\d{5})(?P<ending>\.\w+)")
MAX_SHARDS = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Licence:
    id: str  # of SPDX
    meaning: str
    url: str
    restricts: bool = False  # asks for more than keeping its notice


APACHE = Licence(
    id="Apache-2.0",
    meaning="free for every use; keep the notices",
    url="https://www.apache.org/licenses/LICENSE-2.0",
)
SHARE_ALIKE = Licence(
    id="CC-BY-SA-4.0",
    meaning="share alike: name the authors, and publish what you change or build from it under the same licence",
    url="https://creativecommons.org/licenses/by-sa/4.0/",
    restricts=True,
)
NON_COMMERCIAL = Licence(
    id="CC-BY-NC-4.0",
    meaning="non-commercial: research and private use alone, and name the authors",
    url="https://creativecommons.org/licenses/by-nc/4.0/",
    restricts=True,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """`name` is also that of its folder. Each of the patterns `files` must match some file; ``*`` spans folders."""

    name: str
    purpose: str
    repository: str  # on huggingface.co
    licence: Licence
    size: str  # roughly; the repository says it exactly before a download
    files: tuple[str, ...]
    note: str = ""

    @property
    def url(self) -> str:
        return f"https://huggingface.co/{self.repository}"

    def wanted(self, names: Iterable[str]) -> list[str]:
        """Those of a repository's or folder's files that belong to the model, sorted."""
        patterns = (*self.files, *EXTRAS)
        return sorted(name for name in names if any(fnmatchcase(name, pattern) for pattern in patterns))

    def lacking(self, names: Iterable[str]) -> list[str]:
        """Needed patterns that no name matches, and shards whose siblings announce them."""
        present = set(names)
        unmatched = [
            pattern for pattern in self.files if not any(fnmatchcase(name, pattern) for name in sorted(present))
        ]
        announced = {sibling for name in present for sibling in shards(name)}
        return unmatched + sorted(announced - present)


def shards(name: str) -> list[str]:
    """All of the set that ``x-00001-of-00003.safetensors`` is one of; none for a file that is whole."""
    shard = _SHARD.fullmatch(name)
    if shard is None or int(shard["count"]) > MAX_SHARDS:
        return []
    return [f"{shard['stem']}-{n:05}-of-{shard['count']}{shard['ending']}" for n in range(1, int(shard["count"]) + 1)]


BASE = "wan2.2-ti2v-5b"
BASE_DIFFUSERS = "wan2.2-ti2v-5b-diffusers"
SPATIA = "spatia"
CONTROL_FILE = "*step-8500.safetensors"
LORA_FILE = "*lora_weights_10000.safetensors"
UNPUBLISHED = "Mirage: no weights are published; your own vace.safetensors and lora.safetensors load beside a base"

MODELS: tuple[Model, ...] = (
    Model(
        name=BASE,
        purpose="the generating base, authors' layout",
        repository="Wan-AI/Wan2.2-TI2V-5B",
        licence=APACHE,
        size="34 GB",
        files=(
            "diffusion_pytorch_model*.safetensors",
            "models_t5_umt5-xxl-enc-bf16.*",  # a pickle, or what `spatia models convert` made of it
            "Wan2.2_VAE.*",
            "google/umt5-xxl/*",
        ),
    ),
    Model(
        name=BASE_DIFFUSERS,
        purpose="the generating base, diffusers' layout",
        repository="Wan-AI/Wan2.2-TI2V-5B-Diffusers",
        licence=APACHE,
        size="34 GB",
        files=(
            "transformer/config.json",
            "transformer/diffusion_pytorch_model*.safetensors",
            "vae/config.json",
            "vae/diffusion_pytorch_model*.safetensors",
            "text_encoder/config.json",
            "text_encoder/model*.safetensors",
            "tokenizer/*",
        ),
    ),
    Model(
        name=SPATIA,
        purpose="makes the base follow the memory",
        repository="Jinjing713/Spatia",
        licence=SHARE_ALIKE,
        size="3 to 6 GB",
        files=(CONTROL_FILE, LORA_FILE),
        note=f"needs a base: {BASE} or {BASE_DIFFUSERS}",
    ),
    Model(
        name="mapanything",
        purpose="geometry from pictures",
        repository="facebook/map-anything",
        licence=NON_COMMERCIAL,
        size="2 to 5 GB",
        files=("config.json", "model.safetensors"),
        note="mapanything-apache is its twin under Apache-2.0, which allows commercial use",
    ),
    Model(
        name="mapanything-apache",
        purpose="the same, trained on other data",
        repository="facebook/map-anything-apache",
        licence=APACHE,
        size="2 to 5 GB",
        files=("config.json", "model.safetensors"),
    ),
    Model(
        name="sam2",
        purpose="finds what moves",
        repository="facebook/sam2.1-hiera-large",
        licence=APACHE,
        size="0.9 GB",
        files=("config.json", "model.safetensors"),
    ),
)


def known(name: str) -> Model:
    """Raises `SceneError` with the nearest name for one that is not known."""
    for model in MODELS:
        if model.name == name:
            return model
    raise unknown_name("model", name, [model.name for model in MODELS])
