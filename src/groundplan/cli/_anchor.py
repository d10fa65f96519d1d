"""``anchor``: a user's own benchmark against the model, and the anchors file that a factory file names."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from groundplan.catalog import Catalog
from groundplan.cli._errors import print_json
from groundplan.cli._estimate import OptionError, server_of
from groundplan.cli._folder import OutputError, check_file, write_file
from groundplan.cli._tables import console, table
from groundplan.errors import Issue
from groundplan.measure import Anchored, Compared, anchor, anchors_text, read_results
from groundplan.perf.serving import Deployment
from groundplan.spec import read_model


@dataclass(frozen=True, slots=True)
class Asked:
    """What was measured, as the command line says it."""

    model: str
    hardware: str
    tensor_ranks: int
    precision: str | None
    engine: Any
    tuning: Any


def asked_of(model: str | None, hardware: str | None, *rest: Any) -> Asked | None:
    """What the options name; None where they name nothing, OptionError where they name half."""
    if model is None and hardware is None:
        return None
    if model is None or hardware is None:
        missing = "--model" if model is None else "--on"
        raise OptionError(Issue("option", missing, "is not given", "name both the model and what it ran on"))
    return Asked(model, hardware, *rest)


def anchor_files(files: Sequence[Path], asked: Asked | None, out: Path | None, *, force: bool, as_json: bool) -> None:
    """Compare result files of one deployment with the model; write the anchors file where one is named."""
    checked_out(out, force=force)
    if asked is None or not files:
        hint = "give result files, --model and --on"
        raise OptionError(Issue("option", "anchor", "needs the results of a deployment, and what ran on what", hint))
    runs = [run for file in files for run in read_results(file)]
    deployment, catalog = deployment_of(asked)
    found = anchor(deployment, catalog, runs)
    if out is not None:
        write_file(out, anchors_text([found.speed]))
        print(f"wrote {out}; next: name it under `measured` in a factory file", file=sys.stderr)
    if as_json:
        print_json(_content(found))
    else:
        _show(found, deployment)


def checked_out(out: Path | None, *, force: bool) -> None:
    """OutputError for an anchors file that cannot be written, or is there already."""
    if out is None:
        return
    check_file(out)
    if out.exists() and not force:
        hint = "--force replaces it; `measured` of a factory file may name several"
        raise OutputError(Issue("exists", str(out), "is there already", hint))


def deployment_of(asked: Asked) -> tuple[Deployment, Catalog]:
    """The deployment, and the catalogue with its model; the project's errors for names that are unknown."""
    catalog, name = Catalog.default(), asked.model
    if name.endswith(".json"):
        own = read_model(name)
        catalog, name = catalog.with_models([own]), own.id
    card = catalog.model(name)
    precision = asked.precision or card.native_precision
    server = server_of(catalog, asked.hardware)
    return Deployment(card, server, precision, asked.tensor_ranks, asked.engine, asked.tuning), catalog


def _content(found: Anchored) -> dict[str, Any]:
    rows = [
        {
            "where": one.run.where,
            "running": one.loop.batch,
            "tpot_ms": one.run.tpot_ms,
            "predicted_tpot_ms": 1e3 * one.loop.tpot.at(1.0, 1.0),
            "tpot_ratio": one.tpot_ratio,
            "output_tokens_per_s": one.run.output_tokens_per_s,
            "rate_ratio": one.rate_ratio,
        }
        for one in found.compared
    ]
    return {"measured": found.speed.model_dump(mode="json"), "points": rows}


def _show(found: Anchored, deployment: Deployment) -> None:
    screen, speed = console(to_stdout=True), found.speed
    heads = ["result", "> prompt", "> output", "> running", "> TPOT ms", "> predicted", "> ratio"]
    heads += ["> tokens/s", "> ratio"]
    screen.print(table(f"Measured against predicted: {deployment.name}", heads, list(map(_row, found.compared))))
    for line in _words(found):
        screen.print(line)
    screen.print(f"Compared with {speed.against}.")


def _row(one: Compared) -> list[str]:
    run, rate = one.run, one.rate_ratio
    figures = (run.prompt_tokens, run.output_tokens, one.loop.batch)
    return [
        run.where,
        *(f"{figure:,.0f}" for figure in figures),
        f"{run.tpot_ms:.2f}",
        f"{1e3 * one.loop.tpot.at(1.0, 1.0):.2f}",
        f"{one.tpot_ratio:.2f}",
        f"{run.output_tokens_per_s:,.0f}",
        "" if rate is None else f"{rate:.2f}",
    ]


def _words(found: Anchored) -> Iterator[str]:
    speed = found.speed
    yield f"time of reads, products and links x{speed.level_factor:.3f}; fixed times x{speed.fixed_factor:.3f}"
    points = f"{speed.points_count} point" + ("s" if speed.points_count > 1 else "")
    yield f"{points}; what is left between them and the corrected model: x/{speed.spread_factor:.2f}"
    if max(speed.level_factor, 1.0 / speed.level_factor) > found.usual_factor:
        usual = f"nine in ten deployments lie within x/{found.usual_factor:g} of the model"
        yield f"Far off, for {usual}: check --on, --tp, --precision and --engine."
    if speed.points_count == 1:
        yield "One load cannot tell level from fixed time: both have its ratio. Measure a light and a heavy load."
