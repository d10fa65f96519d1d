"""What the model says of one deployment under a load generator that keeps so many requests running."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from groundplan.catalog import Catalog, ModelCard, Server
from groundplan.perf._chip import Chip, chip_of
from groundplan.perf._constants import Constants
from groundplan.perf._engine import Engine
from groundplan.perf._llm import BUDGETS, Layout, _engine, layouts, memory
from groundplan.perf._measured import FIXED_TIMES, READ_SHARES, anchored
from groundplan.perf._questions import chat_workload
from groundplan.perf._shape import Floats
from groundplan.perf._steady import Asked, output_rate, tpot_s
from groundplan.perf._types import Refused, wrong
from groundplan.spec import Lengths, LlmWorkload, MeasuredEngine

LOOSE_MS = 1e6
"""A service level that refuses nothing: what was measured did run."""

IDEAL_FACTORS = ("imbalance_factor", "grouped_gemm_factor")
NO_LOSSES = ("exposed_share", "activation_passes", "stall_share", "power_exponent")


@dataclass(frozen=True, slots=True)
class Deployment:
    """One replica on one node, as its user runs it."""

    card: ModelCard
    server: Server
    precision: str
    tensor_ranks: int
    engine: MeasuredEngine
    tuning: Literal["default", "tuned"] = "default"

    @property
    def name(self) -> str:
        """For people."""
        how = f"{self.engine} ({self.tuning}), {self.precision}, {self.tensor_ranks} ranks"
        return f"{self.card.id} on {self.server.id}, {how}"


@dataclass(frozen=True, slots=True)
class Parts:
    """Seconds a token, in the parts that an anchor scales apart, and the least that physics allows."""

    work_s: float
    fixed_s: float
    floor_s: float
    """At data-sheet rates, everything overlapped, no fixed time."""

    def at(self, level: float, fixed: float) -> float:
        """Seconds under an anchor."""
        return level * self.work_s + fixed * self.fixed_s


@dataclass(frozen=True, slots=True)
class ClosedLoop:
    """Predictions at one load: requests that run at once, seconds between tokens of one, seconds a token of all."""

    batch: float
    tpot: Parts
    token: Parts


def closed_loop(
    deployment: Deployment, catalog: Catalog, prompt_tokens: float, output_tokens: float, concurrency: float
) -> ClosedLoop:
    """Predictions for a load; PerfError for a cut that does not exist, or a request that does not fit."""
    workload = _workload(deployment, prompt_tokens, output_tokens)
    engine = _replica(deployment, catalog, workload)
    most = _most_running(engine, deployment, prompt_tokens + output_tokens)
    batch = max(1.0, min(concurrency, most / (prompt_tokens + output_tokens / 2.0), engine.head_rows))
    asked, running = Asked(np.array([prompt_tokens]), np.array([output_tokens])), np.array([batch])

    def tpot(c: Constants) -> Floats:
        return tpot_s(engine.terms, c, asked, running)

    def token(c: Constants) -> Floats:
        return 1.0 / output_rate(engine.terms, c, asked, running)

    return ClosedLoop(batch, _parts(tpot, engine.constants), _parts(token, engine.constants))


def _workload(deployment: Deployment, prompt_tokens: float, output_tokens: float) -> LlmWorkload:
    made = chat_workload(
        deployment.card.id, prompt_tokens=prompt_tokens, output_tokens=output_tokens, ttft_ms=LOOSE_MS, tpot_ms=LOOSE_MS
    )
    prompt, output = (Lengths(mean_tokens=mean, cv=0.0) for mean in (prompt_tokens, output_tokens))
    how = {"engine": deployment.engine, "tuning": deployment.tuning}
    return made.model_copy(update={"prompt": prompt, "output": output, **how})


def _replica(deployment: Deployment, catalog: Catalog, workload: LlmWorkload) -> Engine:
    """The engine that planning would make of the deployment, unanchored."""
    try:
        chip = chip_of(deployment.server, catalog)
        chip.compute_format(deployment.precision)
        return _engine(
            workload, deployment.server, catalog, deployment.card, deployment.precision, _cut(deployment, chip)
        )
    except Refused as refused:
        raise wrong(deployment.name, refused.refusal.why, "name the deployment that was measured") from None


def _cut(deployment: Deployment, chip: Chip) -> Layout:
    cuts = {cut.tensor_parallel: cut for cut in layouts(deployment.card, chip, nodes=1)}
    if deployment.tensor_ranks not in cuts:
        known = ", ".join(str(ranks) for ranks in cuts)
        raise wrong("--tp", f"{deployment.tensor_ranks} ranks are no cut of {deployment.name}", f"give one of {known}")
    return cuts[deployment.tensor_ranks]


def _most_running(engine: Engine, deployment: Deployment, longest: float) -> int:
    """Tokens of context that the replica holds."""
    held = memory(engine, engine.head_rows, BUDGETS[0]).kv_tokens
    if held < longest:
        what = f"{held:,} tokens of context fit beside the weights, a request has {longest:,.0f}"
        raise wrong(deployment.name, what, "check --on, --tp and --precision")
    return held


def _parts(seconds: Callable[[Constants], Floats], c: Constants) -> Parts:
    """Step times are linear in both factors, so two evaluations tell the parts."""
    work, whole = (float(seconds(anchored(c, 1.0, fixed))[0]) for fixed in (0.0, 1.0))
    return Parts(work, whole - work, float(seconds(_ideal(c))[0]))


def _ideal(c: Constants) -> Constants:
    changed: dict[str, Any] = {name: getattr(c, name) * 0.0 + 1.0 for name in (*READ_SHARES, *IDEAL_FACTORS)}
    changed |= {name: getattr(c, name) * 0.0 for name in (*FIXED_TIMES, *NO_LOSSES)}
    return replace(c, **changed)
