"""``costs``: where the money of a plan falls, year by year, and what an hour, a token, a robot-hour, a frame costs."""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.table import Table

from groundplan.catalog import Catalog
from groundplan.cli._errors import print_json
from groundplan.cli._folder import check_file, write_file
from groundplan.cli._tables import console, table
from groundplan.cli._verify import factory_beside
from groundplan.finance import (
    FOCUS_COLUMNS,
    BreakEven,
    HourCost,
    UnitCosts,
    break_even,
    break_even_utilisation,
    cash_by_year,
    convention,
    cumulative_cash,
    focus_rows,
    report_rate,
    unit_costs,
)
from groundplan.plan import COST_LINES, LedgerRow, Plan, read_plan
from groundplan.spec import ExchangeRate, Factory
from groundplan.verify import check, ledger

THOUSAND = 1000


@dataclass(frozen=True, slots=True)
class Wish:
    """What was asked for beside the plan."""

    csv: Path | None = None
    convention: str | None = None
    against: Path | None = None
    rental_usd: float | None = None
    """Price of a rented GPU-hour to hold against."""


@dataclass(frozen=True, slots=True)
class Found:
    """Every figure of one plan."""

    plan: Plan
    factory: Factory
    ledger: tuple[LedgerRow, ...]
    costs: UnitCosts
    rate: ExchangeRate | None
    against: BreakEven | None
    needed: dict[str, float]
    """Break-even utilisation of own GPUs by site, against the price that was given."""


def costs_file(path: Path, spec: Path | None, wish: Wish, *, as_json: bool) -> None:
    """Show the costs of a plan that keeps every rule; RuleBroken (exit 3) for any other."""
    if wish.csv is not None:
        check_file(wish.csv)
    found = _found(path, spec, wish)
    if wish.csv is not None:
        write_file(wish.csv, focus_text(found))
    if as_json:
        print_json(_content(found))
        return
    screen = console(to_stdout=True)
    for one in _tables(found, wish):
        screen.print(one)


def _found(path: Path, spec: Path | None, wish: Wish) -> Found:
    plan_path = path / "plan.json" if path.is_dir() else path
    plan, loaded, catalog = read_plan(plan_path), factory_beside(plan_path, spec), Catalog.default()
    how = convention(wish.convention) if wish.convention else None
    other = read_plan(wish.against / "plan.json" if wish.against.is_dir() else wish.against) if wish.against else None
    for one in (plan, other) if other else (plan,):
        check(one, loaded, catalog)
    rows = ledger(plan, loaded, catalog)
    costs = unit_costs(plan, loaded.factory, catalog, rows, how)
    crossing = break_even(plan, other, costs.discount_rate, costs.convention) if other else None
    needed = {
        row.site: break_even_utilisation(row.usd_per_available, wish.rental_usd)
        for row in costs.hours
        if wish.rental_usd is not None and (row.unit, row.tenure) == ("GPU-hour", "own") and row.npv_usd >= 0
    }
    rate = report_rate(loaded.factory, catalog)
    return Found(plan, loaded.factory, rows, costs, rate, crossing, needed)


def focus_text(found: Found) -> str:
    """The ledger as CSV, one charge a line."""
    out = io.StringIO()
    writer = csv.DictWriter(out, FOCUS_COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(focus_rows(found.plan, found.factory, found.ledger, found.costs))
    return out.getvalue()


# --- for machines ---


def _content(found: Found) -> dict[str, Any]:
    costs, cash = found.costs, cash_by_year(found.plan)
    said: dict[str, Any] = {
        "convention": asdict(costs.convention),
        "discount_rate": costs.discount_rate,
        "npv_usd": costs.npv_usd,
        "cash": {
            "usd_by_year": dict(cash.by_year),
            "year1_usd": cash.year1,
            "peak_usd": cash.peak,
            "peak_year": cash.peak_year,
            "cumulative": [asdict(point) for point in cumulative_cash(found.plan)],
            "report_currency": found.rate.model_dump(mode="json") if found.rate else None,
        },
        "hours": [{**asdict(row), **_per_hour(row)} for row in costs.hours],
        "workloads": [asdict(row) for row in costs.workloads],
        "idle": [asdict(row) for row in costs.idle],
        "ledger": [row._asdict() for row in found.ledger],
    }
    if found.against is not None:
        said["break_even"] = {"month": found.against.month, "ahead_usd": found.against.ahead_usd}
    if found.needed:
        said["break_even_utilisation"] = {site or "all": share for site, share in found.needed.items()}
    return said


def _per_hour(row: HourCost) -> dict[str, float | None]:
    return {
        "usd_per_available": row.usd_per_available,
        "usd_per_allocated": row.usd_per_allocated,
        "usd_per_utilised": row.usd_per_utilised,
    }


# --- for people ---


def _tables(found: Found, wish: Wish) -> Iterator[Table | str]:
    costs, how = found.costs, found.costs.convention
    yield _by_site(found.ledger)
    yield _cash(found)
    yield _hours(costs)
    yield _workloads(costs)
    rows = [[row.site, f"{round(row.npv_usd):,}", f"{row.share:.0%}"] for row in costs.idle]
    yield table("Idle, present value in USD", ["site", "> held by nobody", "> of what the site costs"], rows)
    if wish.rental_usd is not None:
        share = [[site or "all", f"{value:.0%}"] for site, value in found.needed.items()]
        title = f"Own GPUs against USD {wish.rental_usd:g} per rented GPU-hour"
        yield table(title, ["site", "> cheaper from this utilisation on"], share)
    if found.against is not None:
        yield _crossing(found.against)
    yield (
        f"Convention {how.name}: {how.hours_per_month:g} h a month, {how.hours_per_year:g} h a year; "
        f"discounted at {costs.discount_rate:.2%} a year."
    )


def _by_site(rows: tuple[LedgerRow, ...]) -> Table:
    usd: dict[tuple[str, str], float] = defaultdict(float)
    for row in rows:
        usd[row.line, row.place] += row.usd
    sites = sorted({row.place for row in rows})
    lines = [
        [line.replace("_", " "), *(_thousands(usd[line, site]) for site in sites),
         _thousands(sum(usd[line, site] for site in sites))]
        for line in COST_LINES
    ]  # fmt: skip
    heads = ["line", *(f"> {site}" for site in sites), "> all"]
    return table("Cost by line and place, undiscounted, 1,000 USD", heads, lines)


def _thousands(usd: float) -> str:
    return "0" if usd == 0 else f"{usd / THOUSAND:,.1f}".replace("-", "−")


def _cash(found: Found) -> Table:
    rate, usd = found.rate, cash_by_year(found.plan)
    total, rows = 0.0, list[list[str]]()
    for year, paid in usd.by_year.items():
        total += paid
        local = [f"{paid * rate.local_per_usd / 1e6:,.1f}"] if rate else []
        rows.append([str(year), _thousands(paid), _thousands(total), *local])
    title = "Cash by plan year, 1,000 USD"
    heads = ["year", "> paid", "> so far"]
    if rate is not None:
        heads.append(f"> million {rate.currency}")
        title += f"; {rate.local_per_usd:,g} {rate.currency} for one, {rate.dated}"
    return table(title, heads, rows)


def _hours(costs: UnitCosts) -> Table:
    rows = [
        [row.site or "all", row.unit, row.tenure, _usd(row.usd_per_available), _usd(row.usd_per_allocated),
         _usd(row.usd_per_utilised), f"{row.utilised_share:.0%}"]
        for row in costs.hours
        if row.tenure != "all" or not row.site
    ]  # fmt: skip
    heads = ["site", "hour", "nodes", "> available", "> allocated", "> utilised", "> utilisation"]
    return table("Levelised USD per hour of hardware, idle included", heads, rows)


def _workloads(costs: UnitCosts) -> Table:
    rows = [
        [row.workload, unit.unit, _usd(unit.usd), _usd(unit.usd_with_idle)]
        for row in costs.workloads
        for unit in row.units
    ]
    return table("Levelised USD per unit at the service level", ["workload", "unit", "> held", "> with idle"], rows)


def _usd(value: float | None) -> str:
    """Four digits, whatever the size."""
    return "" if value is None else f"{value:,.0f}" if abs(value) >= THOUSAND else f"{value:.4g}"


def _crossing(found: BreakEven) -> str:
    ahead = f"USD {abs(found.ahead_usd):,.0f}"
    if found.month is None:
        return f"Inside the horizon its cash does not fall below the other's for good: {ahead} behind at the end."
    when = f"from month {found.month:.1f} on" if found.month else "from the start"
    return f"Its cash is no more than the other's {when}: {ahead} ahead at the end."
