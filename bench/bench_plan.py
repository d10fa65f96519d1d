"""A plan of the example: seconds of each stage, peak memory, gap. Fails above 60 s, 2 GB or a gap of 1 %."""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable
from typing import TypeVar

from machine import machine

from groundplan.catalog import Catalog
from groundplan.optimize import solve
from groundplan.optimize._model import program
from groundplan.optimize._solve import to_arrays
from groundplan.problem import build
from groundplan.report import render
from groundplan.spec import examples_path, load
from groundplan.verify import verify

LIMIT_S, LIMIT_GB, LIMIT_GAP = 60.0, 2.0, 0.01
T = TypeVar("T")
times_s: dict[str, float] = {}


def timed(stage: str, call: Callable[[], T]) -> T:
    start = time.perf_counter()
    result = call()
    times_s[stage] = time.perf_counter() - start
    print(f"{stage:28} {times_s[stage]:8.2f} s", flush=True)
    return result


def peak_gb() -> float:
    """Largest resident size of this process and, beside it, of the solver's; macOS counts bytes, Linux KiB."""
    unit = 1.0 if sys.platform == "darwin" else 1024.0
    whose = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return sum(resource.getrusage(who).ru_maxrss for who in whose) * unit / 1e9


def main() -> None:
    print(machine())
    loaded = timed("load", lambda: load(examples_path() / "appliance-maker"))
    catalog = Catalog.default()
    problem = timed("build (speeds, staffing)", lambda: build(loaded, catalog))
    arrays = timed("program (written again below)", lambda: to_arrays(program(problem)))
    print(f"  {len(arrays.cost):,} columns, {int(arrays.integer.sum()):,} integer, {len(arrays.row_lower):,} rows")
    plan = timed("solve, round, tidy", lambda: solve(problem))
    report = timed("verify", lambda: verify(plan, loaded, catalog))
    timed("report", lambda: render(plan, loaded, catalog, report))
    total, gap = sum(times_s.values()), plan.result.gap
    print(f"total {total:.1f} s; peak memory {peak_gb():.2f} GB; gap {gap:.2%}, {plan.result.status}")
    faults = [finding.what for finding in report.findings]
    faults += [f"above {LIMIT_S:.0f} s"] if total > LIMIT_S else []
    faults += [f"above {LIMIT_GB:.0f} GB"] if peak_gb() > LIMIT_GB else []
    faults += [f"gap above {LIMIT_GAP:.0%}"] if gap > LIMIT_GAP else []
    if faults:
        sys.exit("; ".join(faults))


if __name__ == "__main__":
    main()
