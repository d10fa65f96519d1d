"""Replay of the request traces of LLMServingSim, arrival by arrival, on the kernel with the step times of the model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from groundplan.catalog import Catalog
from groundplan.kernel import EngineLimits, StepTime, simulate_engine
from groundplan.perf import serving as perf
from groundplan.validation import TruthRow, read_truth
from groundplan.validation._serving_rows import Case, read_case

SOURCE = "LLMServingSim-vLLM"
TRACES = "llmservingsim_vllm_measured"
PS = 1e12
BLOCK_TOKENS = 16
ROUNDS = 6
"""Of the search for the factor of an anchor."""
MEASURED_BLOCKS: Mapping[str, int] = {"RTX4090": 2588}
"""GPU blocks as the engine's log states them."""
FIGURES = ("mean", "p50", "p90", "p99")


@dataclass(frozen=True, slots=True)
class Replay:
    """One run: figures of the measured requests and of ours, in milliseconds."""

    name: str
    measured: Mapping[str, float]
    predicted: Mapping[str, float]
    anchored: Mapping[str, float]
    """Ours with all step times times one factor, so that the mean time per token is the measured one."""
    factor: float
    measured_rate: float
    predicted_rate: float


def replays(shared: Path, catalog: Catalog) -> list[dict[str, Any]]:
    """All visible runs, with the cache room that the engine stated (where it did) and with ours."""
    rows = [row for row in read_truth(shared / "truth" / "serving.parquet") if row.source_id == SOURCE]
    found = []
    for path in sorted((shared / "traces" / TRACES).glob("*_requests.parquet")):
        name = path.name.removesuffix("_requests.parquet")
        case = _case(name, rows, catalog)
        found.append(_as_dict(replay(name, _requests(path), case)))
    return found


def _as_dict(one: Replay) -> dict[str, Any]:
    return {name: getattr(one, name) for name in Replay.__slots__}


def _case(name: str, rows: list[TruthRow], catalog: Catalog) -> Case:
    part, model = name.split("_", 1)
    for row in rows:
        if f"/{part}/{model}/" in row.text("source") and isinstance(case := read_case(row, catalog), Case):
            return case
    raise LookupError(f"no row of {SOURCE} belongs to the trace {name}")


def _requests(path: Path) -> Mapping[str, np.ndarray]:
    """Columns of the trace in order of arrival; seconds on the engine's clock."""
    from pyarrow.parquet import read_table

    table = read_table(path)
    columns = {name: np.asarray(table.column(name)) for name in table.column_names if name != "request_id"}
    order = np.argsort(columns["queued_ts"], kind="stable")
    return {name: column[order] for name, column in columns.items()}


def replay(name: str, sent: Mapping[str, np.ndarray], case: Case) -> Replay:
    """The same requests at the same moments."""
    ttft = sent["first_token_ts"] - sent["queued_ts"]
    whole = sent["last_token_ts"] - sent["queued_ts"]
    gaps = np.maximum(sent["output_toks"] - 1, 1)
    measured = figures({"TTFT": ttft, "TPOT": (whole - ttft) / gaps, "E2E": whole})
    predicted, makespan_s = simulate(name, sent, case, 1.0)
    factor, anchored = 1.0, predicted
    for _ in range(ROUNDS):
        factor *= measured["TPOT mean"] / anchored["TPOT mean"]
        anchored, _ = simulate(name, sent, case, factor)
    tokens = float(sent["output_toks"].sum())
    span_s = float(sent["last_token_ts"].max() - sent["queued_ts"].min())
    return Replay(name, measured, predicted, anchored, factor, tokens / span_s, tokens / makespan_s)


def figures(seconds: Mapping[str, np.ndarray]) -> dict[str, float]:
    """Mean and quantiles in milliseconds, as `TTFT mean`."""
    found = {}
    for what, values in seconds.items():
        quantiles = np.quantile(values, (0.5, 0.9, 0.99))
        for name, value in zip(FIGURES, (values.mean(), *quantiles), strict=True):
            found[f"{what} {name}"] = float(value) * 1e3
    return found


def simulate(
    name: str, sent: Mapping[str, np.ndarray], case: Case, factor: float
) -> tuple[dict[str, float], float]:
    """Figures of the run, and seconds until its last token."""
    variant, constants = case.variants[0], perf.serving_file().constants()
    groups = int(variant.terms.data)
    batch, budget = (case.sequences or 256) * groups, (case.step_tokens or 2048) * groups
    context = float(np.mean(sent["input_toks"] + sent["output_toks"] / 2.0))
    step = scaled(perf.step_time(variant.terms, constants, context, batch, budget), factor)
    blocks = MEASURED_BLOCKS.get(name.split("_", 1)[0], int(variant.terms.kv_tokens) // BLOCK_TOKENS)
    arrivals = np.rint((sent["queued_ts"] - sent["queued_ts"].min()) * PS).astype(np.int64)
    limits = EngineLimits(batch, budget, blocks, BLOCK_TOKENS)
    prompts, outputs = sent["input_toks"].astype(np.int64), sent["output_toks"].astype(np.int64)
    run = simulate_engine(arrivals, prompts, outputs, step, limits)
    front_s = float(constants.front_s[int(variant.terms.engine)])
    first, whole = run.ttft_ps / PS + front_s, (run.finish_ps - run.arrivals_ps) / PS + front_s
    return figures({"TTFT": first, "TPOT": run.tpot_ps / PS, "E2E": whole}), float(run.finish_ps.max() / PS)


def scaled(step: StepTime, factor: float) -> StepTime:
    """Every time of a step times one factor."""
    tables = (step.decode_base_ps, step.context_slope_ps, step.prefill_base_ps, step.prefill_slope_ps)
    base, slope, prefill, rise = (np.rint(one * factor).astype(np.int64) for one in tables)
    return StepTime(base, slope, step.prefill_breaks, prefill, rise, round(step.pair_fs * factor))
