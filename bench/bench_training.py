"""Training model on one core: configurations a second, and the best mapping of 405B on 16,384 H100.

Fails below 100,000 configurations a second, or above one second.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from machine import machine

from groundplan.catalog import Catalog
from groundplan.perf import TrainJob, best_mapping, train_cluster
from groundplan.perf._train_profile import Recipe, shipped_profile, terms_of
from groundplan.perf._train_search import CHUNK, candidates
from groundplan.perf._train_shape import gathered, shape_of
from groundplan.perf._train_step import step_time

LIMIT_RATE, LIMIT_S = 100_000.0, 1.0
CATALOG = Catalog.default()


def timed(call: Callable[[], Any]) -> float:
    """Least seconds of three."""
    times = []
    for _ in range(3):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return min(times)


def rate(name: str) -> float:
    shape = shape_of(CATALOG.model(name).transformer())
    cluster = train_cluster("h100-sxm", 16384, CATALOG)
    every = candidates(shape, cluster, TrainJob(8192, 2048, "fp8"))
    terms = terms_of(Recipe(cluster.part, "fp8", "megatron-core"), shipped_profile())
    picked = np.resize(np.arange(len(np.asarray(every.tp))), 10 * CHUNK)
    chunks = [gathered(every, picked[i : i + CHUNK]) for i in range(0, len(picked), CHUNK)]
    return len(picked) / timed(lambda: [step_time(shape, chunk, terms) for chunk in chunks])


def main() -> None:
    print(machine())
    rates = {name: rate(name) for name in ("llama-3.1-405b", "deepseek-v3")}
    for name, found in rates.items():
        print(f"{name:16} {found:10,.0f} configurations/s")
    cluster = train_cluster("h100-sxm", 16384, CATALOG)
    card, job = CATALOG.model("llama-3.1-405b"), TrainJob(8192, 2048, "bf16")
    seconds = timed(lambda: best_mapping(card, cluster, job))
    found = best_mapping(card, cluster, job)
    print(f"best mapping of {found.candidates:,} ({found.fitting:,} fit): {1e3 * seconds:.1f} ms\n{found}")
    if min(rates.values()) < LIMIT_RATE or seconds > LIMIT_S:
        sys.exit("too slow")


if __name__ == "__main__":
    main()
