"""``why``: the rule that refuses, or what it would cost."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from groundplan.catalog import Catalog
from groundplan.cli._errors import print_json
from groundplan.cli._progress import progress
from groundplan.cli._tables import console, table, usd
from groundplan.spec import load
from groundplan.study import Base, Why, why


def why_not(file: Path, workload: str, site: str, hardware: str, *, as_json: bool) -> None:
    """Answer for one workload at one site. Raises SpecError for unknown names, Infeasible where there is no plan."""
    loaded = load(file)
    with progress("working out speeds") as step:
        base, problem = Base.of(loaded, Catalog.default().for_file(loaded), step)
    with progress("planning") as step:
        found = why(base, problem, None, workload, site, hardware, step)
    if as_json:
        print_json(found.model_dump(mode="json"))
        return
    screen = console(to_stdout=True)
    for line in said(found):
        screen.print(line)
    if found.proofs:
        rows = [[proof.origin, proof.server, proof.rule, proof.why] for proof in found.proofs]
        screen.print(table("Refused", ["from", "hardware", "rule", "proof"], rows))
    for reason in found.reasons:
        print(reason, file=sys.stderr)


def said(found: Why) -> Iterator[str]:
    """The answer in one or two sentences."""
    place = f"{found.workload} at {found.site}" + (f" on {found.hardware}" if found.hardware else "")
    if found.answer == "refused":
        yield f"{place}: refused."
    elif found.answer == "impossible":
        yield f"{place}: no rule refuses it, but no plan has a tenth of it there:"
    elif found.answer == "no-plan":
        yield f"{place}: no plan was found in time."
    elif found.extra_usd is None:
        yield f"{place}: the plan has {found.share:.0%} of it there, and cannot do without:"
    else:
        yield from _interval(found, place)


def _interval(found: Why, place: str) -> Iterator[str]:
    low, high = found.extra_usd or (0.0, 0.0)
    span = f"between {usd(low)} and {usd(high)}"
    there = f"the plan has {found.share:.0%} of it there; going without"
    what = there if found.there_already else "forcing a tenth of it there"
    if found.answer == "no-provable-difference":
        yield f"{place}: no provable difference."
        yield f"{what[0].upper()}{what[1:]} changes the cost by {span}: within the gap of the two solves."
    else:
        yield f"{place}: {what} costs {span} more in present value."
