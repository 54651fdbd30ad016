"""What a run's bytes may depend on besides scene and seed: versions and devices. Kept beside the hashes."""

import importlib.metadata
import platform
import sys

from spatia.projection.choose import gl_info, open_projector
from spatia.version import __version__

PACKAGES = ("numpy", "numba", "llvmlite", "moderngl", "av", "pillow", "pydantic", "torch")


def fingerprint(*, projector: str) -> dict[str, str]:
    """Names and versions, sorted. `projector` is the scene's choice; what it comes to on this machine is noted."""
    opened = open_projector(projector)
    opened.close()
    found = {"spatia": __version__, "python": platform.python_version(), "platform": sys.platform}
    found |= {"machine": platform.machine(), "projector": opened.name}
    found["gl_renderer"] = gl_info().renderer if opened.name == "opengl" else "not used"
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return dict(sorted(found.items()))
