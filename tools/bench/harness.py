"""What every benchmark shares: alternated runs, medians, one line about the machine, targets that pass or fail.

A benchmark is a program that can be started from anywhere::

    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
    from tools.bench import harness

    options = harness.arguments(__doc__).parse_args()
    report = harness.Report("insert")
    timings = harness.measure({"ours": ours, "peer": peer}, rounds=3 if options.quick else 15)
    report.table("1e5 points into 5e6", timings)
    report.target("peer / ours", timings["peer"].median_ms / timings["ours"].median_ms, at_least=4.0)
    sys.exit(report.finish(options.json))

Import it before numba, torch or Open3D: spinning OpenMP threads would make every other case on a busy machine slow,
and how they wait is read once, when the first of those libraries starts.
"""

import argparse
import importlib.metadata
import json
import os
import platform
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from spatia.clock import WallClock

os.environ.setdefault("OMP_WAIT_POLICY", "passive")

VERSIONED = ("numpy", "numba", "torch", "open3d", "scipy", "moderngl")


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Milliseconds of one case over all its rounds: wall time, and the median of CPU time over all threads."""

    median_ms: float
    p25_ms: float
    min_ms: float
    p99_ms: float
    cpu_ms: float
    rounds: int

    @classmethod
    def of(cls, wall_ms: list[float], cpu_ms: list[float]) -> "Timing":
        median, p25, p99 = np.percentile(wall_ms, [50, 25, 99])
        return cls(
            median_ms=float(median),
            p25_ms=float(p25),
            min_ms=min(wall_ms),
            p99_ms=float(p99),
            cpu_ms=float(np.median(cpu_ms)),
            rounds=len(wall_ms),
        )


def measure(
    cases: Mapping[str, Callable[[], object]],
    *,
    rounds: int,
    prepare: Mapping[str, Callable[[], object]] | None = None,
    at_most_rounds: Mapping[str, int] | None = None,
    warm_up: bool = True,
) -> dict[str, Timing]:
    """Time each case once a round, in turn, so that whatever else the machine does falls on all alike.

    `prepare` holds work to do before each run of a case and outside its time; `at_most_rounds` caps slow peers. With
    `warm_up` each case runs once untimed first, for JIT compilers and caches.
    """
    clock = WallClock()
    prepare = prepare or {}
    caps = {name: min(rounds, (at_most_rounds or {}).get(name, rounds)) for name in cases}
    wall_ms: dict[str, list[float]] = {name: [] for name in cases}
    cpu_ms: dict[str, list[float]] = {name: [] for name in cases}
    for turn in range(-1 if warm_up else 0, rounds):
        for name, run in cases.items():
            if turn >= caps[name]:
                continue
            if name in prepare:
                prepare[name]()
            start_s, start_cpu_s = clock.now_s(), time.process_time()
            run()
            end_s, end_cpu_s = clock.now_s(), time.process_time()
            if turn >= 0:
                wall_ms[name].append((end_s - start_s) * 1e3)
                cpu_ms[name].append((end_cpu_s - start_cpu_s) * 1e3)
    return {name: Timing.of(wall_ms[name], cpu_ms[name]) for name in cases}


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One promise and whether this run kept it."""

    what: str
    measured: float
    limit: float
    at_least: bool  # False: at most

    @property
    def kept(self) -> bool:
        return self.measured >= self.limit if self.at_least else self.measured <= self.limit

    def __str__(self) -> str:
        sign = ">=" if self.at_least else "<="
        return f"{'pass' if self.kept else 'FAIL'}  {self.what}: {self.measured:.4g} ({sign} {self.limit:g})"


class Report:
    """Prints tables and targets as they come, and keeps them for a JSON file."""

    def __init__(self, title: str) -> None:
        self.title = title
        self.environment = environment()
        self.tables: dict[str, dict[str, Timing]] = {}
        self.targets: list[Target] = []
        print(f"{title}: {self.environment}")

    def table(self, title: str, timings: Mapping[str, Timing]) -> None:
        """One row a case; the last column is the ratio of its median to the first row's."""
        self.tables[title] = dict(timings)
        print_table(title, timings)

    def target(
        self, what: str, measured: float, *, at_least: float | None = None, at_most: float | None = None
    ) -> None:
        limits = [limit for limit in (at_least, at_most) if limit is not None]
        if len(limits) != 1:
            raise ValueError("give either at_least or at_most")
        target = Target(what=what, measured=float(measured), limit=limits[0], at_least=at_least is not None)
        self.targets.append(target)
        print(target)

    def finish(self, json_path: Path | None = None) -> int:
        """Write the JSON file if asked to. Returns the exit status: 1 when a target was missed."""
        if json_path is not None:
            content = {
                "title": self.title,
                "environment": self.environment,
                "tables": {title: {n: asdict(t) for n, t in rows.items()} for title, rows in self.tables.items()},
                "targets": [{**asdict(target), "kept": target.kept} for target in self.targets],
            }
            json_path.write_text(json.dumps(content, indent=2) + "\n")
        return 0 if all(target.kept for target in self.targets) else 1


def print_table(title: str, timings: Mapping[str, Timing]) -> None:
    first = next(iter(timings.values()))
    width = max(len(name) for name in timings)
    print(f"\n{title}, ms")
    print(f"  {'':{width}}  {'median':>9} {'p25':>9} {'min':>9} {'p99':>9} {'cpu':>9} {'rounds':>6} {'ratio':>8}")
    for name, t in timings.items():
        cells = " ".join(f"{ms:9.3f}" for ms in (t.median_ms, t.p25_ms, t.min_ms, t.p99_ms, t.cpu_ms))
        print(f"  {name:{width}}  {cells} {t.rounds:6d} {t.median_ms / first.median_ms:8.2f}")


def environment() -> str:
    """Versions, cores and load: what a reader needs before believing a number."""
    found = {dist.name: dist.version for dist in importlib.metadata.distributions() if dist.name in VERSIONED}
    versions = " ".join(f"{name} {found[name]}" for name in VERSIONED if name in found)
    load = " ".join(f"{value:.1f}" for value in os.getloadavg())
    return f"Python {platform.python_version()} {versions}; {os.cpu_count()} cores ({cpu_name()}), load {load}"


def cpu_name() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def arguments(description: str | None) -> argparse.ArgumentParser:
    """The options every benchmark has; add your own before parsing."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="smaller sizes and fewer rounds, for a check in a minute")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write every figure to this file")
    return parser
