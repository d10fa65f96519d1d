"""``validate``: how far the shipped models are from measured rows."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.table import Table

from groundplan.catalog import Catalog
from groundplan.cli._errors import print_json
from groundplan.cli._folder import check_file, write_file
from groundplan.cli._tables import console, table
from groundplan.validation import Errors, Scored, Skipped, TruthRow, Validation, validate

ROW_COLUMNS = ("row", "source_id", "publisher", "metric", "measured", "predicted", "low", "high", "error", "reason")
MOST_REASONS = 20


def validate_file(kind: str, truth: Path, sources: Sequence[str], rows_out: Path | None, *, as_json: bool) -> None:
    """Score one kind of model on a table and show the errors."""
    if rows_out is not None:
        check_file(rows_out)
    found = validate(kind, truth, Catalog.default(), sources)
    if rows_out is not None:
        write_file(rows_out, rows_text(found))
    if as_json:
        print_json(found.as_json())
        return
    screen = console(to_stdout=True)
    for one in _tables(found):
        screen.print(one)


def rows_text(found: Validation) -> str:
    """CSV of every row of the table: what was measured, what is predicted, or why not."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(ROW_COLUMNS)
    writer.writerows(_cells(row, outcome) for row, outcome in found.rows)
    return text.getvalue()


def _cells(row: TruthRow, outcome: Scored | Skipped) -> list[str]:
    head = [str(row.number), row.source_id, row.publisher, row.metric]
    if isinstance(outcome, Skipped):
        return [*head, row.text("value"), "", "", "", "", outcome.reason]
    said = outcome.predicted
    figures = (outcome.measured, said.value, said.low, said.high, outcome.error)
    return [*head, *(f"{figure:.6g}" for figure in figures), ""]


def _tables(found: Validation) -> Iterator[Table | str]:
    yield f"{found.kind}, model {found.model_version}: {len(found.scored):,} of {len(found.rows):,} rows scored.\n"
    yield _errors("By metric", [(name, "", errors) for name, errors in found.metrics().items()])
    yield _errors("By source", [(metric, source, errors) for (source, metric), errors in found.groups().items()])
    if found.skipped:
        yield _reasons(found)


def _errors(title: str, rows: Sequence[tuple[str, str, Errors]]) -> Table:
    heads = ["metric", "source", "> rows", "> median APE", "> MAPE", "> p90 APE", "> bias", "> covered", "> interval"]
    return table(title, heads, [[metric, source, *_figures(found)] for metric, source, found in rows])


def _figures(found: Errors) -> list[str]:
    shares = (found.median_ape, found.mape, found.p90_ape)
    tail = [f"{found.bias:+.1%}", f"{found.coverage_90:.0%}", f"x{found.median_interval_width:.2f}"]
    return [f"{found.n:,}", *(f"{share:.1%}" for share in shares), *tail]


def _reasons(found: Validation) -> Table:
    counted = list(found.skipped.items())
    rows = [[f"{count:,}", reason] for reason, count in counted[:MOST_REASONS]]
    if rest := counted[MOST_REASONS:]:
        rows.append([f"{sum(count for _, count in rest):,}", f"{len(rest)} further reasons (--json lists all)"])
    return table("Rows not scored", ["> rows", "reason"], rows)
