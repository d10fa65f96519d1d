"""``anchor --provider``: another tool's tables of step times against the model, of one deployment or a whole file."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from groundplan.catalog import Catalog
from groundplan.cli._anchor import Asked, checked_out, deployment_of
from groundplan.cli._errors import print_json
from groundplan.cli._estimate import OptionError
from groundplan.cli._folder import write_file
from groundplan.cli._tables import console, table
from groundplan.errors import Issue
from groundplan.measure import Baked, Provider, ProviderError, aiconfigurator, anchors_text, bake, bake_factory
from groundplan.spec import load

PROVIDERS: dict[str, Callable[[], Provider]] = {"aiconfigurator": aiconfigurator}


def anchor_tables(
    provider: str, files: Sequence[Path], asked: Asked | None, out: Path | None, *, force: bool, as_json: bool
) -> None:
    """Compare tables with the model; write an anchors file where one is named.

    `asked` names one deployment; a factory file in its place, all that a plan of it may choose.
    """
    checked_out(out, force=force)
    if (asked is None) != (len(files) == 1):
        hint = "give --model and --on, or one factory file"
        raise OptionError(Issue("option", "--provider", "asks about one deployment or one factory file", hint))
    tool = PROVIDERS[provider]()
    found, left = _one(asked, tool) if asked else _file(files[0], tool)
    if not found:
        raise ProviderError([Issue("step-tables", tool.name, why, "the shipped model answers for it") for why in left])
    if out is not None:
        write_file(out, anchors_text([one.speed for one in found]))
        print(f"wrote {out}; next: name it under `measured` in a factory file", file=sys.stderr)
    if as_json:
        print_json({"rows": [_content(one) for one in found], "left": list(left)})
    else:
        _show(tool, found, left)


def _one(asked: Asked, tool: Provider) -> tuple[tuple[Baked, ...], tuple[str, ...]]:
    return (bake(*deployment_of(asked), tool),), ()


def _file(path: Path, tool: Provider) -> tuple[tuple[Baked, ...], tuple[str, ...]]:
    loaded = load(path)
    return bake_factory(loaded.factory, Catalog.default().for_file(loaded), tool)


def _content(one: Baked) -> dict[str, Any]:
    return {"measured": one.speed.model_dump(mode="json"), "steps": one.gated.cells_count}


def _show(tool: Provider, found: Sequence[Baked], left: Sequence[str]) -> None:
    screen = console(to_stdout=True)
    heads = ["deployment", "> steps", "rejected", "> work", "> fixed", "> spread"]
    title = f"Step times from tables of {tool.name}, against the model of a tuned engine"
    screen.print(table(title, heads, list(map(_row, found))))
    for why in left:
        screen.print(f"left to the shipped model: {why}", style="dim")
    screen.print("These are another tool's tables, not measurements of yours: a benchmark of your own overrides them.")


def _row(one: Baked) -> list[str]:
    speed, found = one.speed, one.gated
    return [
        one.deployment.name,
        f"{len(found.kept)} of {found.cells_count}",
        found.rejected.words,
        f"x{speed.level_factor:.3f}",
        f"x{speed.fixed_factor:.3f}",
        f"x/{speed.spread_factor:.2f}",
    ]
