"""``estimate``: one model on one server."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from groundplan.catalog import Catalog, TransformerArch
from groundplan.cli._errors import print_json
from groundplan.cli._tables import console, table
from groundplan.errors import CatalogError, Infeasible, Issue
from groundplan.perf import Estimate, EstimateRow, chat_workload, estimate
from groundplan.spec import Precision


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked; lengths are lognormal with a coefficient of variation of 1, arrivals Poisson."""

    model: str
    hardware: str
    prompt_tokens: float
    output_tokens: float
    ttft_ms: float
    tpot_ms: float
    percentile: float
    network_ms: float
    allowed_precisions: tuple[Precision, ...]


def estimate_model(question: Question, *, as_json: bool) -> None:
    """Say each way to run the model; Infeasible where the server has none, with the reasons."""
    catalog = Catalog.default()
    server = catalog.server(question.hardware)
    _require_language_model(catalog, question.model)
    workload = chat_workload(
        question.model,
        prompt_tokens=question.prompt_tokens,
        output_tokens=question.output_tokens,
        ttft_ms=question.ttft_ms,
        tpot_ms=question.tpot_ms,
        percentile=question.percentile,
        allowed_precisions=question.allowed_precisions,
    )
    found = estimate(workload, server, catalog, question.network_ms)
    if not found.rows:
        raise Infeasible([Issue(r.rule, f"{question.model} on {server.id}", r.why) for r in found.refusals])
    if as_json:
        print_json({"model": question.model, "server": server.id, **_content(found)})
    else:
        _show(question, server.id, found)


def _require_language_model(catalog: Catalog, name: str) -> None:
    card = catalog.model(name)
    if not isinstance(card.arch, TransformerArch):
        what = f"{card.id} is no language model"
        raise CatalogError(
            Issue("kind", f"catalog:{card.id}", what, "put it into a factory file and run `groundplan check`")
        )


def _content(found: Estimate) -> dict[str, Any]:
    rows = [
        {
            **row.point.row().model_dump(mode="json", exclude={"workload"}),
            "peak_kw": row.point.peak_kw,
            "level_requests_per_s": row.level_rate,
            "level_low_requests_per_s": row.low_rate,
            "level_high_requests_per_s": row.high_rate,
        }
        for row in found.rows
    ]
    return {"points": rows, "refusals": [{"rule": r.rule, "why": r.why} for r in found.refusals]}


def _show(question: Question, server: str, found: Estimate) -> None:
    screen = console(to_stdout=True)
    level = f"TTFT {question.ttft_ms:g} ms and TPOT {question.tpot_ms:g} ms for {question.percentile:.1%} of requests"
    heads = ["format", "> slots", "> requests/s", "> saturated", "> TTFT ms", "> TPOT ms", "> GB", "> mean kW"]
    screen.print(table(f"{question.model} on {server}, one replica; {level}", heads, [_row(row) for row in found.rows]))
    for row in found.rows:
        screen.print(f"{row.point.precision} on {row.point.total_slots}: {row.point.why}")
    screen.print(
        "TTFT and TPOT without queueing. The speed model is a roofline, not yet calibrated; 90 % interval in brackets."
    )
    for refusal in found.refusals:
        screen.print(f"refused ({refusal.rule}): {refusal.why}", style="dim")


def _row(row: EstimateRow) -> list[str]:
    point = row.point
    rate = "" if row.level_rate is None else f"{row.level_rate:.3g} ({row.low_rate:.3g}–{row.high_rate:.3g})"
    times = [f"{point.latency_ms.get(name, 0):,.0f}" for name in ("ttft", "tpot")]
    memory = f"{point.memory_gb['total']:.0f} of {point.memory_gb['available']:.0f}"
    slots = f"{point.slots_per_replica}" + (f" x {point.nodes_per_replica}" if point.nodes_per_replica > 1 else "")
    return [point.precision, slots, rate, f"{row.saturated_rate:.3g}", *times, memory, f"{point.dynamic_kw:.2f}"]
