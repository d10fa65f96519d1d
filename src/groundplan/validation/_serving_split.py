"""What a disaggregated row says of its workers: how many prefill, how many decode, how each is cut."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from groundplan.perf import serving as perf
from groundplan.validation._table import TruthRow

STAGES = 2
MOST = 10_000
"""Workers, ranks or batch beyond which a note is not believed."""


@dataclass(frozen=True, slots=True)
class Workers:
    """Workers of one stage, how each is cut, and the batch that the row states for each."""

    count: int
    ranks: perf.Ranks
    batch: int


@dataclass(frozen=True, slots=True)
class Split:
    """Both stages."""

    prefill: Workers
    decode: Workers


def split_of(row: TruthRow) -> Split | None:
    """``prefill workers x tp x pp x dp=[1, 8, 1, 1], ..., batch=1; decode=[4, 8, 1, 1], ..., batch=16``."""
    found = re.findall(r"(?:prefill|decode)[\w ]*=\[(\d+), (\d+), (\d+), (\d+)\][^;]*?batch=(\d+)", row.text("notes"))
    if len(found) != STAGES:
        return None
    figures = [[int(figure) for figure in stage] for stage in found]
    if not all(1 <= figure <= MOST for stage in figures for figure in stage):
        return None
    return Split(*map(_workers, figures))


def _workers(figures: Sequence[int]) -> Workers:
    count, tensor, stages, data, batch = figures
    return Workers(count, perf.Ranks(tensor, data, stages), batch)
