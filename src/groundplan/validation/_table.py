"""Tables of measured rows, as text: what a file says, cell by cell."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from groundplan.errors import GroundplanError, Issue

BLANK = frozenset({"", "nan", "none", "null", "-"})


class TruthError(GroundplanError):
    """A table of measured rows that cannot be read, or that lacks a column."""


@dataclass(frozen=True, slots=True)
class TruthRow:
    """One measured row: its place in the table (first row = 1) and its cells; a blank cell is empty text."""

    number: int
    cells: Mapping[str, str]

    def text(self, column: str) -> str:
        """The cell without surrounding blanks; empty where it is blank or the table has no such column."""
        return self.cells.get(column, "")

    def figure(self, column: str) -> float | None:
        """The cell as a finite number; None where it is blank or no plain number."""
        try:
            value = float(self.text(column).removeprefix("~"))
        except ValueError:
            return None
        return value if math.isfinite(value) else None

    @property
    def source_id(self) -> str:
        """Who measured."""
        return self.text("source_id") or "unnamed"

    @property
    def publisher(self) -> str:
        """One origin of several sources (versions of a page, copies of a dump); else the source itself."""
        return self.text("publisher") or self.source_id

    @property
    def metric(self) -> str:
        """What was measured."""
        return self.text("metric")


def read_truth(path: Path, sources: Sequence[str] = ()) -> tuple[TruthRow, ...]:
    """Rows of a .csv or .parquet table, only those of `sources` where some are named.

    Raises TruthError: no such file, not a table, no `source_id` column, or a source that no row has.
    """
    if not path.is_file():
        raise TruthError(Issue("truth-file", str(path), "no such file", "name a .csv or .parquet table"))
    columns, rows = (_parquet if path.suffix == ".parquet" else _csv)(path)
    if "source_id" not in columns:
        fix = "the columns of measured tables are in docs/guides/how-accurate.md"
        raise TruthError(Issue("truth-file", str(path), "no column source_id", fix))
    found = tuple(TruthRow(number, row) for number, row in enumerate(rows, 1))
    return _of_sources(path, found, sources) if sources else found


def _of_sources(path: Path, rows: tuple[TruthRow, ...], sources: Sequence[str]) -> tuple[TruthRow, ...]:
    known = {row.source_id for row in rows}
    if unknown := [source for source in sources if source not in known]:
        raise TruthError(
            Issue("source", str(path), f"no row of {', '.join(unknown)}", f"sources here: {', '.join(sorted(known))}")
        )
    return tuple(row for row in rows if row.source_id in set(sources))


def _csv(path: Path) -> tuple[Sequence[str], list[dict[str, str]]]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            rows = [{name: clean(cell) for name, cell in row.items() if name} for row in reader]
            return reader.fieldnames or (), rows
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise TruthError(Issue("truth-file", str(path), f"cannot be read: {error}")) from None


def _parquet(path: Path) -> tuple[Sequence[str], list[dict[str, str]]]:
    try:
        from pyarrow import ArrowException
        from pyarrow.parquet import read_table
    except ImportError:
        fix = "install groundplan[truth], or save the table as .csv"
        raise TruthError(Issue("truth-file", str(path), "reading .parquet needs pyarrow", fix)) from None
    try:
        table: Any = read_table(path)
    except (OSError, ArrowException) as error:
        raise TruthError(Issue("truth-file", str(path), f"cannot be read: {error}")) from None
    names: list[str] = table.column_names
    rows = [{name: clean(cell) for name, cell in row.items()} for row in table.to_pylist()]
    return names, rows


def clean(cell: object) -> str:
    """A cell as text; what stands for "nothing" (blank, nan, none) is empty."""
    text = "" if cell is None else str(cell).strip()
    return "" if text.lower() in BLANK else text
