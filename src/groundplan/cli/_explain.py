"""An infeasible file, explained: the conflict in a few lines, then what would end it; exit code 3."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import typer

from groundplan.cli._errors import print_json
from groundplan.cli._progress import progress

if TYPE_CHECKING:
    from groundplan.catalog import Catalog
    from groundplan.problem import Conflict, Diagnosis, Problem, Relaxation
    from groundplan.spec import LoadedSpec

WIDTH = 110


@contextmanager
def explained(loaded: LoadedSpec, catalog: Catalog, *, as_json: bool) -> Iterator[None]:
    """Turn Infeasible into an explanation and exit code 3; pass it on where no conflict was found in time."""
    from groundplan.errors import Infeasible

    try:
        yield
    except Infeasible as error:
        if error.problem is None or not _explain(loaded, catalog, error.problem, as_json=as_json):
            raise
        raise typer.Exit(error.exit_code) from None


def _explain(loaded: LoadedSpec, catalog: Catalog, problem: Problem, *, as_json: bool) -> bool:
    from groundplan.study import diagnose

    with progress("looking for the conflict") as step:
        found = diagnose(loaded, catalog, problem, step)
    if found is None:
        return False
    for line in lines(found, loaded):
        print(line, file=sys.stderr)
    if as_json:
        print_json(content(found, loaded))
    return True


def lines(found: Diagnosis, loaded: LoadedSpec) -> Iterator[str]:
    """A readable block."""
    yield "No plan meets every rule of the file."
    for conflict in found.conflicts:
        yield from _wrapped("conflict: ", conflict.text)
        yield from _wrapped("  see ", ", ".join(dict.fromkeys(loaded.where(limit.path) for limit in conflict.limits)))
    enough = [row for row in found.relaxations if row.enough]
    if enough:
        yield "This makes it feasible:" if len(enough) == 1 else "Any one of these makes it feasible:"
        for row in enough:
            yield from _wrapped("  - ", _said(row, loaded))
    if found.together:
        yield "Or these together:" if enough else "These together make it feasible:"
        for row in found.together:
            yield from _wrapped("  - ", _said(row, loaded))
    for row in found.relaxations:
        if not row.enough and row.least:
            yield from _wrapped("  (not enough) ", row.text)
    unknown = [row.id for row in found.relaxations if not row.enough and not row.least]
    if unknown:
        yield from _wrapped("  (not known in the time allowed) ", ", ".join(unknown))
    if any(limit.kind in ("capex", "cash") for conflict in found.conflicts for limit in conflict.limits):
        yield f"What these budgets can serve, and what more would: groundplan fund {loaded.path}"


def _said(row: Relaxation, loaded: LoadedSpec) -> str:
    places = dict.fromkeys(loaded.where(change.path) for change in row.changes)
    when = f"; first needed in {row.period}" if row.period and row.kind != "start" else ""
    return f"{row.text}{when} ({', '.join(places)})"


def _wrapped(head: str, text: str) -> list[str]:
    return textwrap.wrap(
        text, WIDTH, initial_indent=head, subsequent_indent=" " * len(head), break_long_words=False,
        break_on_hyphens=False,
    )  # fmt: skip


def content(found: Diagnosis, loaded: LoadedSpec) -> dict[str, Any]:
    """For machines; keys are part of the interface."""
    return {
        "status": "infeasible",
        "conflict": [_conflict(row, loaded) for row in found.conflicts],
        "relaxations": [_relaxation(row, loaded) for row in found.relaxations],
        "together": [_relaxation(row, loaded) for row in found.together],
        "ways": [row.model_dump(mode="json") for row in found.ways],
    }


def _conflict(row: Conflict, loaded: LoadedSpec) -> dict[str, Any]:
    values = row.model_dump(mode="json")
    for limit, written in zip(row.limits, values["limits"], strict=True):
        written["where"] = loaded.where(limit.path)
    return values


def _relaxation(row: Relaxation, loaded: LoadedSpec) -> dict[str, Any]:
    values = row.model_dump(mode="json")
    for change, written in zip(row.changes, values["changes"], strict=True):
        written["where"] = loaded.where(change.path)
    return values
