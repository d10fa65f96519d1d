"""Scored rows as plain records, their file form, and the statistics that docs/accuracy.md shows."""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from groundplan.validation import Errors, Predicted, Scored, TruthRow, errors

DRAWS, SEED = 2000, 11
"""Bootstrap resamples of publishers, and the seed that makes them the same each time."""
FROZEN, PUBLISHER, ACCELERATOR, ANCHOR = "frozen", "publisher out", "accelerator out", "one anchor"
MODEL = "model out"
WAYS = (FROZEN, PUBLISHER, MODEL, ACCELERATOR, ANCHOR)


@dataclass(frozen=True, slots=True)
class Judged:
    """One configuration, what was measured, and what a model said of it under one way of scoring."""

    way: str
    group: str
    source_id: str
    publisher: str
    metric: str
    label: str
    """What ran, for people."""
    measured: float
    predicted: float
    factor: float
    """The 90 % interval is predicted / factor .. predicted x factor."""
    low_factor: float = 0.0
    """Where the interval is lopsided: its lower end over the prediction; 0 = 1 / factor."""
    repeats: int = 1
    number: int = 0
    tags: tuple[str, ...] = ()

    @property
    def error(self) -> float:
        """Signed relative error."""
        return self.predicted / self.measured - 1.0

    @property
    def covered(self) -> bool:
        """Whether the interval holds the measured value."""
        low = self.predicted * (self.low_factor or 1.0 / self.factor)
        return low <= self.measured <= self.predicted * self.factor

    def scored(self) -> Scored:
        """For `groundplan.validation.errors`."""
        cells = {"source_id": self.source_id, "publisher": self.publisher, "metric": self.metric}
        low = self.predicted * (self.low_factor or 1.0 / self.factor)
        said = Predicted(self.predicted, low, self.predicted * self.factor)
        return Scored(TruthRow(self.number, cells), self.measured, said)


@dataclass(frozen=True, slots=True)
class Sheet:
    """All scores of one kind."""

    kind: str
    version: str
    table: str
    free: int
    publishers: int
    fitted_rows: int
    rows: int
    scored: int
    skipped: Mapping[str, int]
    judged: tuple[Judged, ...]
    notes: Mapping[str, Any] = field(default_factory=dict)

    def of(self, way: str, *groups: str) -> list[Judged]:
        """Rows of a way whose group begins with one of the names."""
        chosen = [one for one in self.judged if one.way == way]
        return [one for one in chosen if not groups or one.group.startswith(groups)]


@dataclass(frozen=True, slots=True)
class Line:
    """Statistics of a group of rows; fractions."""

    errors: Errors
    publishers: int
    coverage: float
    """Mean over publishers of the share of their rows inside the interval."""
    coverage_low: float
    coverage_high: float
    """5th and 95th percentile of it, publishers drawn anew."""
    mape_publishers: float


def line(rows: Sequence[Judged]) -> Line:
    """Statistics of at least one row."""
    shares = by_publisher(rows, lambda part: float(np.mean([one.covered for one in part])))
    sizes = by_publisher(rows, lambda part: float(np.mean([abs(one.error) for one in part])))
    draws = np.random.default_rng(SEED).choice(shares, (DRAWS, len(shares))).mean(axis=1)
    low, high = (float(value) for value in np.quantile(draws, (0.05, 0.95)))
    found = errors([one.scored() for one in rows])
    return Line(found, len(shares), float(np.mean(shares)), low, high, float(np.mean(sizes)))


def by_publisher(rows: Iterable[Judged], figure: Callable[[list[Judged]], float]) -> list[float]:
    """A figure of each publisher's rows, in order of the publishers' names."""
    groups: dict[str, list[Judged]] = defaultdict(list)
    for one in rows:
        groups[one.publisher].append(one)
    return [figure(part) for _, part in sorted(groups.items())]


def constants_print(kind: str) -> str:
    """Fingerprint of the shipped constants of a kind: of their values, not of the comments beside them."""
    text = (files("groundplan.perf") / "data" / f"{kind}.toml").read_text(encoding="utf-8")
    return hashlib.sha256(json.dumps(tomllib.loads(text), sort_keys=True).encode()).hexdigest()[:8]


def write_sheets(sheets: Sequence[Sheet], extra: Mapping[str, Any], path: Path) -> None:
    """All scores as JSON."""
    body = {"sheets": [asdict(one) for one in sheets], **extra}
    path.write_text(json.dumps(body), encoding="utf-8")


def read_sheets(path: Path) -> tuple[dict[str, Sheet], dict[str, Any]]:
    """Sheets by kind, and what else the file holds."""
    body = json.loads(path.read_text(encoding="utf-8"))
    sheets = {one["kind"]: _sheet(one) for one in body.pop("sheets")}
    return sheets, body


def _sheet(raw: dict[str, Any]) -> Sheet:
    judged = tuple(Judged(**{**one, "tags": tuple(one["tags"])}) for one in raw.pop("judged"))
    return Sheet(**raw, judged=judged)
