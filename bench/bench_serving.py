"""Serving model: step times a second on one core, sizing one model on 32 accelerators, `groundplan estimate`.

Says what misses: five million step times a second of CPU time, 3 s for the sizing, 1 s for `estimate`; the last two
are whole processes, start-up included, and their elapsed time counts as well as their CPU time. `--size` is the sizing
alone, as that process runs it.
"""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from machine import machine

from groundplan.catalog import Catalog
from groundplan.perf import Refusal, StaffingCache, chat_workload, operating_points, staffing
from groundplan.perf import serving as perf

LIMIT_RATE, LIMIT_SIZING_S, LIMIT_ESTIMATE_S = 5e6, 3.0, 1.0
CHUNK, CHUNKS, RUNS = 4096, 64, 5
MODEL, SERVER, ACCELERATORS = "qwen3-32b", "hgx-h200-8", 32
LEVEL = {"prompt_tokens": 4000.0, "output_tokens": 500.0, "ttft_ms": 2000.0, "tpot_ms": 30.0}
PROGRAM = Path(sys.executable).with_name("groundplan")
ESTIMATE = ("estimate", MODEL, "--on", SERVER, "--precision", "fp8", "--prompt", "4000", "--output", "500")


def deployments(name: str) -> perf.Terms:
    """Terms of CHUNK deployments: tensor ranks 1 to 8, contexts of 1,000 to 32,000 tokens."""
    catalog = Catalog.default()
    arch, chip = catalog.model(name).transformer(), perf.Chip(catalog.accelerator("h200-sxm"), 8)
    made = [
        perf.terms(arch, context, perf.Served(chip, perf.formats_of(arch, "fp8"), perf.Ranks(tensor)), 1e6)
        for tensor in (1, 2, 4, 8)
        for context in (1e3, 4e3, 16e3, 32e3)
    ]
    return perf.Terms.stack((made * (CHUNK // len(made) + 1))[:CHUNK])


def rate(name: str) -> float:
    """Step times a second: every deployment at another batch and context."""
    terms, constants = deployments(name), perf.serving_file().constants()
    rng = np.random.default_rng(1)
    batch = rng.integers(1, 512, (CHUNKS, CHUNK)).astype(float)
    works = [perf.Work(row, row, row * rng.uniform(500, 30_000, CHUNK)) for row in batch]
    times = []
    for _ in range(RUNS):
        start = time.process_time()
        for work in works:
            perf.step_s(terms, constants, work)
        times.append(time.process_time() - start)
    return CHUNK * CHUNKS / min(times)


def size() -> None:
    """The layout that carries most requests a second on all accelerators while the level holds."""
    catalog = Catalog.default()
    workload = chat_workload(MODEL, allowed_precisions=("fp8",), **LEVEL)
    found = operating_points(workload, catalog.servers[SERVER], catalog)
    cache, best = StaffingCache(), ("none", 0.0)
    for point in found.points:
        replicas = ACCELERATORS // point.total_slots
        curve = staffing(workload, point, 0.0, float(replicas), cache)
        if isinstance(curve, Refusal):
            continue
        fits = [load for count, load in zip(curve.replicas, curve.max_load, strict=True) if count <= replicas]
        best = max(best, (point.id, max(fits, default=0.0) * point.capacity_per_s), key=lambda one: one[1])
    print(f"{best[0]}: {best[1]:.1f} requests/s on {ACCELERATORS} accelerators, of {len(found.points)} layouts")


def process_s(command: list[str]) -> tuple[float, float]:
    """Median seconds from start to end, and of CPU time, which other work on the machine hardly moves."""
    wall, cpu = [], []
    for _ in range(RUNS):
        start, spent = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        wall.append(time.perf_counter() - start)
        cpu.append(used.ru_utime + used.ru_stime - spent.ru_utime - spent.ru_stime)
    return statistics.median(wall), statistics.median(cpu)


def main() -> None:
    if sys.argv[1:] == ["--size"]:
        return size()
    print(machine())
    rates = {name: rate(name) for name in (MODEL, "deepseek-v3")}
    for name, found in rates.items():
        print(f"{name:12} {found / 1e6:6.2f} M step times/s, chunks of {CHUNK:,}")
    size()
    sizing = process_s([sys.executable, __file__, "--size"])
    asked = process_s([str(PROGRAM), *ESTIMATE])
    for name, (wall, cpu) in {f"sizing {MODEL} on {ACCELERATORS}": sizing, "groundplan estimate": asked}.items():
        print(f"{name}: {wall:.2f} s, {cpu:.2f} s of CPU time")
    met = {
        "step times": min(rates.values()) >= LIMIT_RATE,
        "sizing": max(sizing) <= LIMIT_SIZING_S,
        "estimate": max(asked) <= LIMIT_ESTIMATE_S,
    }
    print("; ".join(f"{name}: {'met' if ok else 'MISSED'}" for name, ok in met.items()))


if __name__ == "__main__":
    main()
