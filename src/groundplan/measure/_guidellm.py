"""Reports of `guidellm benchmark`: JSON, one benchmark for each load."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

from groundplan.measure._node import Node
from groundplan.measure._run import Run, failures_refused

TOOL = "GuideLLM"


def is_guidellm(node: Node) -> bool:
    """Whether an object has the shape of this tool."""
    return node.has("benchmarks")


def guidellm_runs(node: Node) -> Iterator[Run]:
    """A run for each benchmark of a report."""
    version = node.find("metadata", "guidellm_version")
    tool = f"{TOOL} {version.text()}" if version else TOOL
    yield from (_run(item, tool) for item in node["benchmarks"].items())


def _run(node: Node, tool: str) -> Run:
    metrics = node["metrics"]
    totals = metrics["request_totals"]
    done = totals["successful"].count()
    failures_refused(node, totals["errored"].count(), done)
    model = node.find("config", "backend", "model")
    return Run(
        where=node.where,
        file=Path(node.file).name,
        tool=tool,
        dated=_day(node),
        models=(model.text(),) if model else (),
        prompt_tokens=_mean(metrics, "prompt_token_count"),
        output_tokens=_mean(metrics, "output_token_count"),
        tpot_ms=_mean(metrics, "inter_token_latency_ms"),
        # of all requests: those that the end of the run cut off had the server's time too
        output_tokens_per_s=metrics.at("output_tokens_per_second", "total", "mean").number(),
        requests_count=int(done),
        concurrency=_held(node["config"]["strategy"]),
    )


def _mean(metrics: Node, name: str) -> float:
    return metrics.at(name, "successful", "mean").number()


def _held(strategy: Node) -> float | None:
    """Requests held in flight by strategies that hold some."""
    kind = strategy["type_"].text()
    if kind == "synchronous":
        return 1.0
    return strategy["streams"].number() if kind == "concurrent" else None


def _day(node: Node) -> date | None:
    start = node.find("scheduler_metrics", "start_time")
    if start is None:
        return None
    try:
        return datetime.fromtimestamp(start.number(), tz=UTC).date()
    except (ValueError, OverflowError, OSError):
        start.refuse(f"{start.value!r} is no time in seconds", "give the file as the tool wrote it")
