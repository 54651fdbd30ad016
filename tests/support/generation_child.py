"""The child program of the process worker's tests: builds the obedient generator, or fails to."""

import sys
import threading
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from spatia.generation.child import Spec, serve_standard_streams
from spatia.records.generation import Generator
from support.generators import ObedientGenerator, failing_build


def build(spec: Spec) -> Generator:
    if spec["build"] == "fail":
        return failing_build()
    return ObedientGenerator(release=threading.Event())


if __name__ == "__main__":
    serve_standard_streams(build)
