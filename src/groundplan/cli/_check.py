"""``check``: every fault of a file, the sizes of its problem, and what was refused."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from groundplan.catalog import Catalog
from groundplan.cli._errors import print_json
from groundplan.cli._explain import explained
from groundplan.cli._progress import progress
from groundplan.cli._tables import console, table
from groundplan.cli._warnings import say_warnings, warnings
from groundplan.spec import Factory, LoadedSpec, load


def check_file(file: Path, *, as_json: bool, quick: bool) -> None:
    """Raise what is wrong with the file; otherwise say what is in it."""
    loaded = load(file)
    catalog = Catalog.default().for_file(loaded)
    found: dict[str, Any] = {"status": "ok", "spec_hash": loaded.spec_hash, "sizes": _sizes(loaded.factory)}
    if not quick:
        with explained(loaded, catalog, as_json=as_json):
            found |= _built(loaded, catalog)
    found["warnings"] = warnings()
    say_warnings(found["warnings"])
    if as_json:
        print_json(found)
        return
    screen = console(to_stdout=True)
    screen.print(f"{loaded.factory.title}: no fault found")
    screen.print(table("What the file holds", ["", ">"], [[k, f"{v:,}"] for k, v in found["sizes"].items()]))
    if not quick and not found["refusals"]:
        screen.print("No way to run anything was refused.")
    elif not quick:
        rows = [[rule, f"{entry['count']:,}", entry["example"]] for rule, entry in found["refusals"].items()]
        screen.print(table("Refused before planning", ["rule", "> cells", "for instance"], rows))
    if moves := found.get("refused_moves"):
        rows = [[row["existing"], row["to"], row["rule"], row["why"]] for row in moves]
        screen.print(table("Moves of existing nodes refused", ["nodes", "to", "rule", "why"], rows))


def _sizes(factory: Factory) -> dict[str, int]:
    tables = "zones", "sites", "links", "workloads", "purchases", "rentals", "token_offers", "existing"
    return {name.replace("_", " "): len(getattr(factory, name)) for name in tables}


def _built(loaded: LoadedSpec, catalog: Catalog) -> dict[str, Any]:
    from groundplan.problem import build

    with progress("working out speeds") as step:
        problem = build(loaded, catalog, step)
    sizes = {
        "periods": problem.periods,
        "loads": len(problem.commodities),
        "jobs": len(problem.jobs),
        "pools": len(problem.pools),
        "ways to serve": len(problem.cells),
        "ways to run jobs": len(problem.batch_cells),
        "ways to buy tokens": len(problem.token_cells),
    }
    counts = Counter(row.rule for row in problem.refusals)
    first = {row.rule: row.why for row in reversed(problem.refusals)}
    refusals = {rule: {"count": count, "example": first[rule]} for rule, count in counts.most_common()}
    moves = [row.model_dump() for row in problem.refused_moves]
    return {"sizes": _sizes(loaded.factory) | sizes, "refusals": refusals, "refused_moves": moves}
