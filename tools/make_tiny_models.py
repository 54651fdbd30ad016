"""Writes toy-size models with random weights in the real layouts, to try everything that needs weights without them.

Run: python tools/make_tiny_models.py DIR [--layout original|diffusers|both] [--seed N]
Then: SPATIA_MODELS=DIR spatia models list. What these models generate is noise.
"""

import argparse
from pathlib import Path

from spatia.checkpoints.tiny import LAYOUTS, write_tiny_models


def main() -> None:
    parser = argparse.ArgumentParser(description="Write toy-size models with random weights in the real layouts.")
    parser.add_argument("folder", type=Path, metavar="DIR")
    parser.add_argument("--layout", choices=[*LAYOUTS, "both"], default="both")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    for layout in LAYOUTS:
        if arguments.layout in (layout, "both"):
            write_tiny_models(arguments.folder, layout=layout, seed=arguments.seed)
    for path in sorted(arguments.folder.rglob("*")):
        if path.is_file():
            print(f"{path.stat().st_size:>9,} B  {path.relative_to(arguments.folder)}")


if __name__ == "__main__":
    main()
