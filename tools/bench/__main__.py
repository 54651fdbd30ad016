"""`python -m tools.bench [--quick]`: every benchmark, each in a process of its own. Exits 1 when a target is missed."""

import subprocess
import sys
from pathlib import Path

PROGRAMS = (
    "insert",
    "retrieval",
    "projection",
    "splat",
    "latent",
    "plane_sweep",
    "pose_recovery",
    "session",
    "render",
    "walk",
)


def main() -> None:
    folder = Path(__file__).parent
    missed = [
        name
        for name in PROGRAMS
        if subprocess.run([sys.executable, str(folder / f"{name}.py"), *sys.argv[1:]], check=False).returncode
    ]
    if missed:
        sys.exit(f"targets missed in: {', '.join(missed)}")


if __name__ == "__main__":
    main()
