"""What a run's bytes may depend on besides scene and seed: versions and devices. Kept beside the hashes."""

import importlib.metadata
import platform
import sys

from spatia.version import __version__

PACKAGES = ("numpy", "numba", "llvmlite", "moderngl", "av", "pillow", "pydantic", "torch")


def fingerprint(*, projector: str) -> dict[str, str]:
    """Names and versions, sorted."""
    found = {"spatia": __version__, "python": platform.python_version(), "platform": sys.platform}
    found |= {"machine": platform.machine(), "projector": projector}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return dict(sorted(found.items()))
