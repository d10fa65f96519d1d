"""Results of `vllm bench serve --save-result` (before: benchmark_serving.py)."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path

from groundplan.measure._node import Node
from groundplan.measure._run import Run, day_of, failures_refused

TOOL = "vllm bench serve"
KEYS = ("request_throughput", "output_throughput", "total_input_tokens")


def is_vllm(node: Node) -> bool:
    """Whether an object has the shape of this tool."""
    return all(node.has(key) for key in KEYS)


def vllm_run(node: Node) -> Run:
    """One result object; one that speculates is refused, for the step model does not."""
    if node.has("spec_decode_acceptance_rate"):
        node["spec_decode_acceptance_rate"].refuse("the server speculated", "measure without speculative decoding")
    completed = node["completed"].count()
    failures_refused(node, failed.count() if (failed := node.find("failed")) else 0.0, completed)
    model = node.find("model_id")
    held = node.find("max_concurrency")
    return Run(
        where=node.where,
        file=Path(node.file).name,
        tool=TOOL,
        dated=day_of(node.find("date"), _day),
        models=(model.text(),) if model else (),
        prompt_tokens=node["total_input_tokens"].number() / completed,
        output_tokens=node["total_output_tokens"].number() / completed,
        tpot_ms=node["mean_tpot_ms"].number(),
        output_tokens_per_s=node["output_throughput"].number(),
        requests_count=int(completed),
        concurrency=held.number() if held and not _paced(node) else None,
    )


def _paced(node: Node) -> bool:
    """Whether arrivals set the load: a rate is stated, and is not `inf`."""
    rate = node.find("request_rate")
    return rate is not None and rate.value != "inf"


def _day(text: str) -> date:
    return datetime.strptime(text, "%Y%m%d-%H%M%S").date()
