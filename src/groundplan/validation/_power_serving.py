"""Measured power in serving tables, where throughput, latency and power of a run stand in rows of their own."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from groundplan.catalog import Catalog
from groundplan.perf.power import denoisers
from groundplan.validation._outcome import Skipped, missing_input, not_in_catalogue
from groundplan.validation._power_rows import METRIC
from groundplan.validation._table import TruthRow

RUN = (
    "source_id",
    "source",
    "model",
    "accelerator",
    "n_accelerators",
    "tp",
    "pp",
    "ep",
    "concurrency_or_batch",
    "notes",
)
"""Cells that rows of one run share."""
POWER = "gpu_power_w_sum"
ENERGY = {
    "energy_j_per_output_token": "output_tok_s_total",
    "energy_per_image_joules": "batch_latency_ms",
    "energy_per_video_joules": "batch_latency_ms",
}
"""Energy metrics, and the measured figure that turns watts into them."""
Run = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Told:
    """The run of a row as a power table states it, and what the metric is of the watts of the run."""

    row: TruthRow
    per_watt: float


def runs(rows: Sequence[TruthRow]) -> Mapping[Run, Mapping[str, float]]:
    """Figures by run; of latencies the median."""
    found: dict[Run, dict[str, float]] = defaultdict(dict)
    for row in rows:
        value = row.figure("value")
        if value is not None and row.text("percentile") in ("", "p50"):
            found[_run(row)][row.metric] = value
    return found


def _run(row: TruthRow) -> Run:
    return tuple(row.text(column) for column in RUN)


def told(row: TruthRow, known: Mapping[Run, Mapping[str, float]], catalog: Catalog) -> Told | Skipped | None:
    """The row as a power table would state it; None where it is no row of power in a serving table."""
    if row.metric not in (POWER, *ENERGY):
        return None
    run, batch = known.get(_run(row), {}), row.figure("concurrency_or_batch")
    if not batch:
        return missing_input("concurrency_or_batch")
    image = "batch_latency_ms" in run
    stated = _image(row, run, batch) if image else _tokens(row, run, batch, catalog)
    if isinstance(stated, Skipped):
        return stated
    task = re.search(r"task=([\w-]+)", row.text("notes"))
    engine = "diffusion" if image else "vLLM"
    cells = {
        "metric": METRIC,
        "workload": f"{engine} {task.group(1) if task else 'unnamed'} {row.text('model')}",
        "hardware": row.text("accelerator"),
        "n_gpus": row.text("n_accelerators"),
        "setting": ";".join(f"{name}={value}" for name, value in stated.items()),
        "value": row.text("value"),
    }
    return Told(TruthRow(row.number, cells), _per_watt(row.metric, run, batch))


def _image(row: TruthRow, run: Mapping[str, float], batch: float) -> dict[str, object] | Skipped:
    denoiser = denoisers().get(row.text("model").casefold())
    if denoiser is None:
        return not_in_catalogue(f"denoiser {row.text('model')}")
    return {"batch": batch, "steps": denoiser.steps, "latency_s": run["batch_latency_ms"] / 1e3}


def _tokens(row: TruthRow, run: Mapping[str, float], batch: float, catalog: Catalog) -> dict[str, object] | Skipped:
    if "output_tok_s_total" not in run or "tpot_ms" not in run:
        return missing_input("measured throughput and TPOT of the same run")
    if (found := catalog.find_model(row.text("model"))) is None:
        return not_in_catalogue(f"model {row.text('model')}")
    card = catalog.model(found.id)
    if card.params_total_b is None:
        return missing_input(f"params_total_b of {card.id}")
    active = card.params_active_b or card.params_total_b
    figures = {"avg_batch": batch, "tok_s": run["output_tok_s_total"], "itl_med_ms": run["tpot_ms"]}
    sizes = {"active_b": active, "total_b": card.params_total_b, "out_len": row.figure("osl") or 0.0}
    return {**figures, **sizes, "prec": row.text("precision").split("/")[0]}


def _per_watt(metric: str, run: Mapping[str, float], batch: float) -> float:
    if metric == "energy_j_per_output_token":
        return 1.0 / run["output_tok_s_total"]
    return run["batch_latency_ms"] / 1e3 / batch if metric in ENERGY else 1.0
