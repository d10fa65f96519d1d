"""``estimate``: one model on one server."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from groundplan.catalog import Catalog, ModelCard, Server
from groundplan.cli._errors import print_json
from groundplan.cli._kinds import KINDS, Kind, Options, memory_text, robot_defaults
from groundplan.cli._tables import console, table
from groundplan.errors import CatalogError, GroundplanError, Infeasible, Issue
from groundplan.perf import Estimate, EstimateRow, Refusal, estimate, operating_points, reachable_hz
from groundplan.spec import AnyWorkload, ControlWorkload, LatencyServiceLevel, read_measured, read_model


class OptionError(GroundplanError):
    """An option that says nothing about this kind of model."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A question that makes sense: kind, card, server, workload."""

    kind: Kind
    card: ModelCard
    server: Server
    catalog: Catalog
    workload: AnyWorkload
    network_ms: float


def estimate_model(
    model: str, hardware: str, options: Mapping[str, Any], *, measured: Sequence[Path] = (), as_json: bool
) -> None:
    """Say each way to run the model; Infeasible where the server has none, with the reasons."""
    given = {key: value for key, value in options.items() if value is not None}
    asked = _asked(model, hardware, given, measured)
    found = estimate(asked.workload, asked.server, asked.catalog, asked.network_ms)
    if not found.rows:
        where = f"{asked.card.id} on {asked.server.id}"
        raise Infeasible([Issue(r.rule, where, r.why, _way_out(asked, r)) for r in found.refusals])
    if as_json:
        print_json(_content(asked, found))
    else:
        _show(asked, found)


def _asked(model: str, hardware: str, given: Options, measured: Sequence[Path]) -> Asked:
    catalog, name = Catalog.default(), model
    if model.endswith(".json"):
        own = read_model(model)
        catalog, name = catalog.with_models([own]), own.id
    server, card = server_of(catalog, hardware), catalog.model(name)
    catalog = _with_measured(catalog, card, measured)
    kind = KINDS["finetune" if "finetune" in given else card.arch.type]
    if strange := sorted(set(given) - set(kind.defaults)):
        known = ", ".join(_flag(key) for key in kind.defaults)
        what = f"says nothing about a {kind.name}, which {card.id} is" if "finetune" not in given else "is not for it"
        hint = f"options here: {known}" if known else "no option applies"
        raise OptionError([Issue("option", _flag(key), what, hint) for key in strange])
    if alone := [key for key in ("draft_tokens", "acceptance") if key in given and "draft" not in given]:
        raise OptionError([Issue("option", _flag(key), "says nothing without --draft", "add --draft") for key in alone])
    options = {**kind.defaults, **(robot_defaults(card, given) if kind is KINDS["vla"] else {}), **given}
    network_ms = options.pop("network_ms", 0.0)
    return Asked(kind, card, server, catalog, kind.workload(name, options), network_ms)


def _with_measured(catalog: Catalog, card: ModelCard, files: Sequence[Path]) -> Catalog:
    """The catalogue with the rows of anchors files; OptionError for a file that says nothing about the model."""
    made = catalog.with_measured([row for file in files for row in read_measured(file)])
    mine = catalog.find_model(card.id)
    for file in files:
        rows = catalog.with_measured(read_measured(file)).measured
        if mine is None or all(row.model != mine.id for row in rows):
            hint = f"it is about {', '.join(row.model for row in rows)}"
            raise OptionError(Issue("option", "--measured", f"{file} says nothing about {card.id}", hint))
    return made


def _flag(key: str) -> str:
    short = {"allowed_precisions": "precision", "replan_every_steps": "replan_every"}
    return "--" + short.get(key, key).replace("_", "-")


def server_of(catalog: Catalog, name: str) -> Server:
    """By its name, or by its accelerator where one server of the catalogue has that."""
    if (server := catalog.servers.find(name)) is not None:
        return server
    if (chip := catalog.accelerators.find(name)) is None:
        raise catalog.servers.unknown(name)
    having = [row for row in catalog.servers.rows if row.accelerator == chip.id]
    if len(having) != 1:
        hint = f"give one of {', '.join(row.id for row in having)}" if having else "the catalogue has no server with it"
        raise CatalogError(Issue("catalog-unknown", "catalog:server", f"{name} is an accelerator", hint))
    return having[0]


def _way_out(asked: Asked, refusal: Refusal) -> str:
    """For a policy that is too slow: the control rate that this chunk allows here."""
    workload = asked.workload
    if not isinstance(workload, ControlWorkload) or refusal.rule not in ("latency", "chunk"):
        return ""
    patient = LatencyServiceLevel(latency_ms=1e9)
    slow = workload.model_copy(update={"control_hz": 1e-6, "service_level": patient})
    points = operating_points(slow, asked.server, asked.catalog).points
    if not points:
        return ""
    alone_ms = min(point.latency_ms["latency"] for point in points) + asked.network_ms
    hz = reachable_hz(workload, alone_ms)
    return f"a call takes {alone_ms:.1f} ms, network included; this chunk then reaches {hz:.1f} Hz"


def _content(asked: Asked, found: Estimate) -> dict[str, Any]:
    rows = [
        {
            **row.point.row().model_dump(mode="json", exclude={"workload"}),
            "peak_kw": row.point.peak_kw,
            **_rates(asked.kind, row),
            **{figure.key: figure.value(asked.workload, row) for figure in asked.kind.figures},
        }
        for row in found.rows
    ]
    refusals = [{"rule": r.rule, "why": r.why} for r in found.refusals]
    head = {"model": asked.card.id, "server": asked.server.id, "kind": asked.workload.kind}
    return {**head, "level": asked.kind.level(asked.workload), "points": rows, "refusals": refusals}


def _rates(kind: Kind, row: EstimateRow) -> dict[str, float | None]:
    unit = kind.rate.replace("/", "_per_").replace("-", "_")
    if not kind.served:
        return {unit: row.saturated_rate, f"low_{unit}": row.low_rate, f"high_{unit}": row.high_rate}
    return {f"level_{unit}": row.level_rate, f"level_low_{unit}": row.low_rate, f"level_high_{unit}": row.high_rate}


def _show(asked: Asked, found: Estimate) -> None:
    kind, screen = asked.kind, console(to_stdout=True)
    heads = ["format", "> slots", f"> {kind.rate}", *(["> saturated"] if kind.served else [])]
    heads += [f"> {figure.head}" for figure in kind.figures] + ["> GB", "> mean kW"]
    title = f"{asked.card.id} on {asked.server.id}, one replica; {kind.level(asked.workload)}"
    screen.print(table(title, heads, [_row(asked, row) for row in found.rows]))
    for row in found.rows:
        measured = f"; {row.point.measured}" if row.point.measured else ""
        screen.print(f"{row.point.precision} on {row.point.total_slots}: {row.point.why}{measured}")
    screen.print(f"{kind.note} Speeds rest on few constants fitted to published runs; 90 % interval in brackets.")
    for refusal in found.refusals:
        screen.print(f"refused ({refusal.rule}): {refusal.why}", style="dim")


def _row(asked: Asked, row: EstimateRow) -> list[str]:
    point, kind = row.point, asked.kind
    shown = row.saturated_rate if row.level_rate is None else row.level_rate
    rates = [f"{shown:.3g} ({row.low_rate:.3g}–{row.high_rate:.3g})"]
    rates += [f"{row.saturated_rate:.3g}"] if kind.served else []
    figures = [format(figure.value(asked.workload, row), figure.form) for figure in kind.figures]
    slots = f"{point.slots_per_replica}" + (f" x {point.nodes_per_replica}" if point.nodes_per_replica > 1 else "")
    return [point.precision, slots, *rates, *figures, memory_text(row), f"{point.dynamic_kw:.2f}"]
