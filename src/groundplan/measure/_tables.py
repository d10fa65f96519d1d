"""Step times of another tool's tables: a grid of one deployment, and the gates that a cell must pass to count."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import log
from statistics import median
from typing import Literal, Protocol

from groundplan.catalog import Catalog
from groundplan.errors import GroundplanError
from groundplan.perf.serving import Deployment, Parts, Steps, steps
from groundplan.spec import TableCells

ENGINES = ("vllm", "sglang", "trtllm")
BATCHES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
CONTEXTS = (512, 1024, 2048, 4096, 8192, 16384, 32768)
"""Tokens of context of each sequence of a decode step."""
PROMPTS = (128, 512, 2048, 8192)
SLACK = 0.05
"""A step that does more may be this much faster: neighbouring measurements scatter."""
MOST_RATIO = 2.0
"""Engines run the same kernels or close kin: where none of the others is within this factor, a table is wrong."""


Step = Literal["decode", "prefill"]


class ProviderError(GroundplanError):
    """Tables of another tool that are not there, do not cover a deployment, or do not pass the gates."""


class NotCovered(Exception):
    """Why tables have no answer; a reason for people."""


class StepTables(Protocol):
    """Step times of one deployment under one engine; NotCovered at a point without data."""

    @property
    def name(self) -> str:
        """Which tables, for people."""

    def decode_s(self, batch: int, context_tokens: int) -> float:
        """Seconds of a step that decodes so many sequences."""

    def prefill_s(self, prompt_tokens: int) -> float:
        """Seconds of the prefill of one prompt."""


class Provider(Protocol):
    """A tool with tables."""

    @property
    def name(self) -> str:
        """Tool and version."""

    def tables(self, deployment: Deployment, engine: str) -> StepTables:
        """Tables of a deployment under an engine; NotCovered where there are none."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One step: what tables say of it, under other engines too, and what the model says."""

    step: Step
    batch: int
    tokens: int
    """Context of each sequence, or of the prompt."""
    seconds: float
    parts: Parts
    others_s: tuple[float, ...] = ()

    @property
    def ratio(self) -> float:
        """Tables over the unanchored model."""
        return self.seconds / self.parts.at(1.0, 1.0)

    def does_no_more(self, other: Cell) -> bool:
        """Whether the other step is of the same kind and at least as large in every way."""
        return self.step == other.step and self.batch <= other.batch and self.tokens <= other.tokens


@dataclass(frozen=True, slots=True)
class Gated:
    """Cells that passed, and how many each gate rejected."""

    kept: tuple[Cell, ...]
    cells_count: int
    rejected: TableCells


def grid(deployment: Deployment, catalog: Catalog, tables: Sequence[StepTables]) -> tuple[Cell, ...]:
    """Every cell that the deployment can run and the first tables have; the others are those of other engines."""
    longest = deployment.card.context_tokens or max(CONTEXTS)
    model = {tokens: steps(deployment, catalog, tokens) for tokens in {*CONTEXTS, *PROMPTS} if tokens <= longest}
    decode: list[tuple[Step, int, int]] = [("decode", batch, tokens) for tokens in CONTEXTS for batch in BATCHES]
    prefill: list[tuple[Step, int, int]] = [("prefill", 1, tokens) for tokens in PROMPTS]
    asked = [point for point in decode + prefill if point[2] in model and model[point[2]].holds(point[1])]
    made = (_cell(model[point[2]], point, [_seconds(one, *point) for one in tables]) for point in asked)
    return tuple(cell for cell in made if cell is not None)


def _cell(model: Steps, point: tuple[Step, int, int], seconds: Sequence[float | None]) -> Cell | None:
    """None where the engine's own tables have no data."""
    step, batch, _ = point
    own, *others = seconds
    if own is None:
        return None
    parts = model.decode(batch) if step == "decode" else model.prefill()
    return Cell(*point, own, parts, tuple(other for other in others if other is not None))


def _seconds(tables: StepTables, step: Step, batch: int, tokens: int) -> float | None:
    try:
        return tables.decode_s(batch, tokens) if step == "decode" else tables.prefill_s(tokens)
    except NotCovered:
        return None


def gated(cells: Sequence[Cell]) -> Gated:
    """The gates one after another: data-sheet floor, other engines, monotone in batch and context."""
    real = [cell for cell in cells if cell.seconds >= cell.parts.floor_s]
    alike = [cell for cell in real if like_others(cell)]
    kept = monotone(alike)
    rejected = TableCells(
        below_floor_count=len(cells) - len(real),
        unlike_others_count=len(real) - len(alike),
        not_monotone_count=len(alike) - len(kept),
        compared=any(cell.others_s for cell in cells),
    )
    return Gated(tuple(kept), len(cells), rejected)


def like_others(cell: Cell) -> bool:
    """Whether some other engine is within the factor; true where none has data."""
    ratios = [cell.seconds / other for other in cell.others_s]
    return not ratios or any(1.0 / MOST_RATIO < ratio < MOST_RATIO for ratio in ratios)


def monotone(cells: Sequence[Cell]) -> list[Cell]:
    """Cells of which none does no more than another and takes longer.

    Of cells that contradict each other the one with most contradictions goes first, of equal ones the one further from
    the middle ratio to the model.
    """
    kept = list(cells)
    middle = median([log(cell.ratio) for cell in kept]) if kept else 0.0
    while True:
        against = [sum(_contradict(cell, other) for other in kept) for cell in kept]
        if not any(against):
            return kept
        worst = max(range(len(kept)), key=lambda i: (against[i], abs(log(kept[i].ratio) - middle)))
        del kept[worst]


def _contradict(one: Cell, other: Cell) -> bool:
    return _inverted(one, other) or _inverted(other, one)


def _inverted(less: Cell, more: Cell) -> bool:
    return less.does_no_more(more) and less.seconds > (1.0 + SLACK) * more.seconds
