"""Which files of repositories Hugging Face's cache has on this disk. Nothing is downloaded. Any thread."""

import re
from pathlib import Path

_REPOSITORY = re.compile(r"\w[\w.-]*/\w[\w.-]*")  # others huggingface_hub refuses


def is_repository(name: str) -> bool:
    """Whether it could be the name of one."""
    return _REPOSITORY.fullmatch(name) is not None


def cached_file(repository: str, file: str) -> Path | None:
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(repository, file)
    return Path(found) if isinstance(found, str) else None
