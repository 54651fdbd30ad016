"""Compare what spatia computes with golden numbers made by the authors' released code.

    python tools/check_golden.py DIR [--json]

Prints one line a tensor: its largest difference, the limit, and whether it holds. DIR may be any folder whose tensors
are named as in a known kind of case; sizes are taken from it. Exits with 1 when a tensor is off, with 2 when the
folder cannot be used.
"""

import argparse
import json
import math
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from spatia.errors import DeviceError, InputError, SpatiaError
from tools.golden.comparison import Checker, Comparison, GoldenCase, Skipped
from tools.golden.latent import LatentChecker
from tools.golden.retrieval import RetrievalChecker
from tools.golden.splat import SplatChecker

CHECKERS: tuple[Checker, ...] = (RetrievalChecker(), LatentChecker(), SplatChecker())


def checkers_of(case: GoldenCase) -> tuple[Checker, ...]:
    """All kinds; that of the networks only where there are weights, for it takes seconds to import."""
    if not (case.folder / "weights.safetensors").is_file():
        return CHECKERS
    try:
        from tools.golden.model import ModelChecker
    except ImportError as error:
        raise DeviceError(f"{error.name} is not installed", fix="pip install 'spatia-runtime[models]'") from error
    return (*CHECKERS, ModelChecker())


def check(case: GoldenCase) -> tuple[list[Comparison], list[Skipped], list[str]]:
    """All comparisons, what could not run here, and the names of the tensors that nothing looks at.

    Raises `InputError` for a folder of no known kind.
    """
    known = checkers_of(case)
    checkers = [checker for checker in known if checker.recognises(case)]
    if not checkers:
        kinds = "; or ".join(", ".join(sorted(checker.inputs)) for checker in known)
        raise InputError(
            f"no known kind of golden numbers: it holds {', '.join(sorted(case.tensors)) or 'no tensor'}",
            where=str(case.folder),
            fix=f"the tensors of a case are recognised by {kinds}, with their results beside them",
        )
    results = [result for checker in checkers for result in checker.check(case)]
    comparisons = [result for result in results if isinstance(result, Comparison)]
    looked_at = {each.name for each in comparisons}.union(*(checker.inputs for checker in checkers))
    skipped = [result for result in results if isinstance(result, Skipped)]
    return comparisons, skipped, sorted(case.tensors.keys() - looked_at)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, metavar="DIR")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of lines")
    options = parser.parse_args(arguments)
    try:
        comparisons, skipped, unchecked = check(GoldenCase.read(options.folder))
    except SpatiaError as error:
        print(error, file=sys.stderr)
        return 2
    ok = all(comparison.ok for comparison in comparisons)
    if options.json:
        rows = [{**asdict(c), "max_abs_error": _finite(c.max_abs_error), "ok": c.ok} for c in comparisons]
        print(json.dumps({"ok": ok, "tensors": rows, "skipped": [asdict(s) for s in skipped], "unchecked": unchecked}))
    else:
        print(*comparisons, *skipped, sep="\n")
        if unchecked:
            print(f"not checked: {', '.join(unchecked)}")
    return 0 if ok else 1


def _finite(value: float) -> float | None:
    """JSON knows no infinity: null stands for tensors that cannot be compared."""
    return value if math.isfinite(value) else None


if __name__ == "__main__":
    sys.exit(main())
