"""One load of a benchmark, whatever tool measured it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

from groundplan.measure._node import Node

MOST_FAILED_SHARE = 0.05
"""Beyond it the server was not doing the work that the rates are counted over."""


@dataclass(frozen=True, slots=True)
class Run:
    """Means over the requests that succeeded; rates of the whole server."""

    file: str
    """Name of the file."""
    where: str
    """Its path, and the place in it."""
    tool: str
    dated: date | None
    models: tuple[str, ...]
    """Names under which the tool asked for the model; may be empty."""
    prompt_tokens: float
    output_tokens: float
    tpot_ms: float
    """Mean time between output tokens of a request, the first left out."""
    output_tokens_per_s: float
    requests_count: int
    concurrency: float | None
    """Requests held in flight; None where arrivals set the load, or the file does not say."""

    @property
    def running(self) -> float:
        """Requests that were decoding on average: held in flight, else by Little's law from rate and time."""
        by_littles_law = self.output_tokens_per_s * self.tpot_ms / 1e3
        return self.concurrency or max(1.0, by_littles_law)


def failures_refused(node: Node, failed: float, succeeded: float) -> None:
    """ResultError where nothing succeeded or much failed."""
    if succeeded < 1:
        node.refuse("no request succeeded", "run the benchmark again")
    if failed > MOST_FAILED_SHARE * (failed + succeeded):
        share = failed / (failed + succeeded)
        node.refuse(f"{share:.0%} of the requests failed", "an anchor needs a run that the server answered")


def day_of(node: Node | None, read: Callable[[str], date]) -> date | None:
    """The day that a text states; None where there is none."""
    if node is None or node.value is None:
        return None
    try:
        return read(node.text())
    except ValueError:
        node.refuse(f"{node.value!r} is no date of this tool", "give the file as the tool wrote it")
