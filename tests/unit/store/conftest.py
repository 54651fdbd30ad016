import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def ram_folder() -> Iterator[Path]:
    """A folder on a file system in RAM where there is one: these tests flush thousands of times."""
    ram = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=ram if ram.is_dir() else None) as folder:
        yield Path(folder)


@pytest.fixture
def ram_path(ram_folder: Path) -> Path:
    return Path(tempfile.mkdtemp(dir=ram_folder))
