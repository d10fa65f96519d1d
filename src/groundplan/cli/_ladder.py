"""``fund``: what the budgets serve, and what the next million buys."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from groundplan.catalog import Catalog
from groundplan.cli._errors import print_json
from groundplan.cli._progress import progress
from groundplan.cli._tables import console, table, usd
from groundplan.spec import load

if TYPE_CHECKING:
    from rich.table import Table

    from groundplan.study import Ladder, Rung


def fund_file(file: Path, steps: int, step_usd: float, *, as_json: bool) -> None:
    """Climb the ladder of one file. Raises SpecError for a file without budgets, Infeasible, NoPlanFound."""
    from groundplan.study import fund

    loaded = load(file)
    with progress("working out speeds") as step:
        found = fund(loaded, Catalog.default().for_file(loaded), steps=steps, step_usd=step_usd, progress=step).ladder
    if as_json:
        print_json(found.model_dump(mode="json"))
        return
    screen = console(to_stdout=True)
    for one in tables(found):
        screen.print(one)
    for line in said(found):
        screen.print(line)


def tables(found: Ladder) -> Iterator[Table]:
    """What is served at each level of money, then what each costs."""
    from groundplan.study import percent

    rungs = [*found.rungs, found.ample]
    heads = ["priority", "workload", *(f"> {_level(rung)}" for rung in rungs)]
    rows = [
        [str(row.priority), row.workload, *(percent(rung.served[k].share) for rung in rungs)]
        for k, row in enumerate(found.ample.served)
    ]
    yield table("Served, share of volume", heads, rows)
    money = [["beyond the caps", *(usd(rung.beyond_usd) for rung in rungs)]]
    money += [
        [f"cash, plan year {year.year}", *(usd(rung.years[k].cash_usd) for rung in rungs)]
        for k, year in enumerate(found.ample.years)
    ]
    money.append(["present value of cost", *(usd(rung.objective_usd) for rung in rungs)])
    yield table("Money", ["", *(f"> {_level(rung)}" for rung in rungs)], money)


def _level(rung: Rung) -> str:
    if rung.added_usd is None:
        return "no caps"
    return f"+ {usd(rung.added_usd)}" if rung.added_usd else "as budgeted"


def said(found: Ladder) -> Iterator[str]:
    """Step by step, in sentences."""
    from groundplan.study import NOTHING

    for rung in found.rungs[1:]:
        yield f"The next {usd(found.step_usd)} buys: {rung.buys}."
    if found.ample.buys != NOTHING:
        yield f"Without the caps: {found.ample.buys}."
    yield found.end
    yield from (f"What limits it: {text}" for text in found.limits)
