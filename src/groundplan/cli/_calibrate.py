"""``calibrate``: fit the few constants of a kind of model on measured rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.table import Table

from groundplan.catalog import Catalog
from groundplan.cli._errors import print_json
from groundplan.cli._tables import console, table
from groundplan.validation import Calibration, Column, Fitted, calibrate


def calibrate_file(kind: str, truth: Path, leave_out: Sequence[str], report: str | None, *, as_json: bool) -> None:
    """Fit one kind on a table and show the constants, and the scores that were asked for."""
    found = calibrate(kind, truth, Catalog.default(), leave_out, report)
    if as_json:
        print_json(found.as_json())
        return
    screen = console(to_stdout=True)
    for one in _tables(found):
        screen.print(one)


def _tables(found: Calibration) -> Iterator[Table | str]:
    counted = f"{len(found.constants)} free constants, {len(found.publishers)} publishers, {found.rows:,} rows."
    yield f"{found.kind}: {counted}\n"
    heads = ["constant", "> prior", "> fitted", "> ± (90 %)", "said by"]
    yield table("Constants", heads, [_constant(one) for one in found.constants])
    if found.columns:
        heads = ["rows", "scored", "> n", "> median APE", "> MAPE", "> by source", "> p90 APE", "> bias", "> covered"]
        yield table("Errors", heads, [_column(one) for one in found.columns])
    if found.interval_factors:
        rows = [[name, f"x/{factor:.2f}"] for name, factor in found.interval_factors]
        yield table("Interval of nine unseen cases in ten", ["rows", "> factor"], rows)


def _constant(one: Fitted) -> list[str]:
    spread = f"{1.645 * one.deviation:.0%}"
    return [one.name, f"{one.prior:.4g}", f"{one.value:.4g}", spread, "rows" if one.informed else "prior"]


def _column(one: Column) -> list[str]:
    found = one.errors
    shares = (found.median_ape, found.mape, found.mape_source_balanced, found.p90_ape)
    tail = [f"{found.bias:+.1%}", f"{found.coverage_90_source_balanced:.0%}"]
    return [one.rows, one.scored, f"{found.n:,}", *(f"{share:.1%}" for share in shares), *tail]
