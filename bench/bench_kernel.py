"""Speed of the kernel on one core: requests/s and steps/s of an engine and of pools, seconds of a staffing curve."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from groundplan.kernel import (
    EngineLimits,
    LlmPool,
    QueuePool,
    StepTime,
    lognormal_lengths,
    poisson_arrivals_ps,
    simulate_pool,
    simulate_queue,
    staffing_curve,
)

MS = 10**9
BATCH = 256
STEP = StepTime(
    np.r_[0, 12 * MS + np.arange(BATCH) * 20_000_000], np.r_[0, [12_000] * BATCH], [1], [12 * MS], [40_000_000], 800_000
)
LIMITS = EngineLimits(max_batch=BATCH, token_budget=2048, kv_blocks=20_000)


def timed(call: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds of the second call: the first one compiles, or loads what is compiled."""
    call()
    start = time.perf_counter()
    result = call()
    return time.perf_counter() - start, result


def pool(replicas: int, rate_per_s: float, count: int) -> None:
    arrivals = poisson_arrivals_ps(count, rate_per_s * replicas, seed=1)
    prompts = lognormal_lengths(count, 1000, 1.0, seed=1, longest=16_000)
    outputs = lognormal_lengths(count, 250, 0.9, seed=1, part=1, longest=16_000)
    wall, run = timed(lambda: simulate_pool(arrivals, prompts, outputs, STEP, LIMITS, replicas=replicas))
    tokens = run.decode_tokens + count
    batch = run.batch_ps / run.finish_ps.max() / replicas
    print(
        f"{replicas:6d} replicas at {rate_per_s:4.1f}/s each, mean batch {batch:5.1f}: {count / wall:9,.0f} requests/s "
        f"{run.steps / wall:12,.0f} steps/s {tokens / wall:13,.0f} output tokens/s"
    )


def main() -> None:
    for rate in (2.0, 8.0, 12.0):
        pool(1, rate, 50_000)
    for replicas in (8, 64, 16_000):
        pool(replicas, 8.0, max(50_000, 20 * replicas))
    arrivals = poisson_arrivals_ps(10**6, 900, seed=1)
    wall, _ = timed(lambda: simulate_queue(arrivals, np.full(10**6, 8 * MS), 8))
    print(f"queue with 8 servers: {1e6 / wall:,.0f} requests/s")
    llm = LlmPool(
        step=STEP, limits=LIMITS, prompt_mean_tokens=1000, prompt_cv=1.0, output_mean_tokens=250, output_cv=0.9,
        ttft_ms=600, tpot_ms=40, network_ms=20, longest_tokens=16_000,
    )  # fmt: skip
    table = np.r_[0, 8 + 2 * np.arange(1, 17)] * MS
    robots = QueuePool(service_ps_by_batch=table, latency_ms=60, max_batch=16, period_ms=500, jitter_ms=5)
    vision = QueuePool(service_ps_by_batch=[0, 10 * MS], latency_ms=80, service_cv=1.2)
    for name, simulate in (("language model", llm), ("robots", robots), ("vision", vision)):
        wall, curve = timed(lambda simulate=simulate: staffing_curve(simulate))
        print(f"staffing curve, {name}: {wall:.2f} s\n{curve.describe()}")


if __name__ == "__main__":
    main()
