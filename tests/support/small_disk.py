"""A file system that is soon full. Only root may mount one; elsewhere the test is skipped."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def small_disk(at: Path) -> Iterator[Path]:
    """Half a megabyte, mounted at a new folder."""
    at.mkdir()
    if not _mounted("-t", "tmpfs", "-o", "size=512k", "tmpfs", at):
        pytest.skip("only root may mount a small disk")
    try:
        yield at
    finally:
        subprocess.run(["umount", "--lazy", at], check=True)


def make_room(disk: Path) -> None:
    assert _mounted("-o", "remount,size=64m", disk)


def _mounted(*words: str | Path) -> bool:
    return subprocess.run(["mount", *words], check=False, capture_output=True).returncode == 0
