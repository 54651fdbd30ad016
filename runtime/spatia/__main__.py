"""The command `spatia`. Turns every error of the user's into one message and exit status 2."""

import os
import sys


def main() -> None:
    # Spinning OpenMP threads turn kernels of 2 ms into 27 ms on a busy machine with few cores.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    from spatia.app.cli import app
    from spatia.errors import SpatiaError

    try:
        app()
    except SpatiaError as error:
        if "--debug" in sys.argv:
            raise
        sys.stderr.write(f"spatia: error {error.code}: {error}\n")
        sys.exit(2)


if __name__ == "__main__":
    main()
