"""Exports of AIPerf and of GenAI-Perf before it: JSON with the settings of the run, or CSV without them."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping
from datetime import date, datetime
from io import StringIO
from pathlib import Path

from groundplan.measure._node import Node
from groundplan.measure._run import Run, day_of, failures_refused

UNITS: Mapping[str, tuple[str, ...]] = {
    "inter_token_latency": ("ms",),
    "output_token_throughput": ("tokens/sec", "tokens/s"),
    "input_sequence_length": ("tokens",),
    "output_sequence_length": ("tokens",),
    "request_count": ("", "count", "requests"),
}
HELD = (
    ("perf_analyzer", "stimulus", "concurrency"),
    ("loadgen", "concurrency"),
    ("concurrency",),
)
"""Where versions state the requests held in flight."""
PACED = (("perf_analyzer", "stimulus", "request_rate"), ("loadgen", "request_rate"), ("request_rate",))
NAME = re.compile(r"^(?P<name>[^()]+?)(?:\s*\((?P<unit>[^()]*)\))?$")


def is_aiperf(node: Node) -> bool:
    """Whether an object has the shape of these tools."""
    return node.has("inter_token_latency") and node.has("output_token_throughput")


def aiperf_run(node: Node) -> Run:
    """The run of one JSON export."""
    if (stopped := node.find("was_cancelled")) and stopped.value:
        stopped.refuse("the run was cancelled", "run the benchmark to its end")
    version = node.find("aiperf_version")
    return _run(
        node,
        f"AIPerf {version.text()}" if version else "AIPerf or GenAI-Perf",
        day_of(node.find("start_time"), lambda text: datetime.fromisoformat(text).date()),
        _held(node.find("input_config")),
        _models(node.find("input_config")),
    )


def _run(node: Node, tool: str, dated: date | None, held: float | None, models: tuple[str, ...]) -> Run:
    done = _average(node, "request_count")
    failures_refused(node, errors["avg"].count() if (errors := node.find("error_request_count")) else 0.0, done)
    return Run(
        where=node.where,
        file=Path(node.file).name,
        tool=tool,
        dated=dated,
        models=models,
        prompt_tokens=_average(node, "input_sequence_length"),
        output_tokens=_average(node, "output_sequence_length"),
        tpot_ms=_average(node, "inter_token_latency"),
        output_tokens_per_s=_average(node, "output_token_throughput"),
        requests_count=int(done),
        concurrency=held,
    )


def _average(node: Node, name: str) -> float:
    metric = node[name]
    unit = metric["unit"].text() if metric.has("unit") else ""
    if unit not in UNITS[name]:
        metric.refuse(f"its unit is {unit!r}", f"expected {' or '.join(filter(None, UNITS[name]))}")
    return metric["avg"].number()


def _held(config: Node | None) -> float | None:
    """Requests held in flight; None where a rate of arrivals sets the load, or nothing is stated."""
    if config is None:
        return None
    phases = config.find("phases")
    for phase in phases.items() if phases else ():
        if any(named and named.value == "profiling" for named in (phase.find("kind"), phase.find("name"))):
            return phase["concurrency"].number() if phase["type"].value == "concurrency" else None
    if any(config.find(*way) for way in PACED):
        return None
    return next((held.number() for way in HELD if (held := config.find(*way))), None)


def _models(config: Node | None) -> tuple[str, ...]:
    if config is None:
        return ()
    if named := config.find("models", "items"):
        return tuple(item["name"].text() for item in named.items())
    listed = config.find("endpoint", "model_names") or config.find("model_names")
    return tuple(item.text() for item in listed.items()) if listed else ()


def csv_run(text: str, file: str) -> Run:
    """The run of one CSV export: blocks of rows below a head that begins with Metric."""
    found: dict[str, dict[str, object]] = {}
    for cells in csv.reader(StringIO(text)):
        if len(cells) < 2 or cells[0] == "Metric":
            continue
        if (match := NAME.match(cells[0].strip())) and (name := _tag(match["name"])) in UNITS:
            found[name] = {"avg": _number(cells[1]), "unit": match["unit"] or ""}
    node = Node(found, file)
    if not is_aiperf(node):
        node.refuse("is no export of AIPerf or GenAI-Perf", "give profile_export_aiperf.csv of a run that streams")
    return _run(node, "AIPerf or GenAI-Perf", None, None, ())


def _tag(name: str) -> str:
    return name.strip().casefold().replace(" ", "_")


def _number(text: str) -> object:
    """A number with commas between thousands; else the text, which is refused where it is needed."""
    try:
        return float(text.replace(",", ""))
    except ValueError:
        return text
