"""Write docs/accuracy.md: `make accuracy`. Needs the tables of measured rows, which are not part of the package.

    python tools/accuracy_page.py --shared FOLDER [--out docs/accuracy.md] [--save FILE | --scores FILE] [--date DAY]

`--save` keeps the scores, which take about ten minutes; `--scores` draws the page anew from them, with `--only KIND`
(and `--shared`) scoring that kind again. What no command here
measures (goals, causes of misses, figures of other programs, speeds) is read from tools/accuracy.toml.
"""

from __future__ import annotations

import argparse
import csv
import math
import re
import tempfile
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

from accuracy_rows import (
    ACCELERATOR,
    ANCHOR,
    FROZEN,
    MODEL,
    PUBLISHER,
    WAYS,
    Judged,
    Line,
    Sheet,
    constants_print,
    line,
)
from accuracy_rows import read_sheets as read_scores
from accuracy_rows import write_sheets as write_scores

ROOT = Path(__file__).resolve().parents[1]
STATED = Path(__file__).with_name("accuracy.toml")
KINDS = ("serving", "training", "power", "control", "vision")
TITLES = {
    "serving": "Serving language models",
    "training": "Training and fine-tuning",
    "power": "Power of accelerators",
    "control": "Robot policies",
    "vision": "Image models",
}
SAID = {
    FROZEN: "shipped, in sample",
    PUBLISHER: "publisher left out",
    MODEL: "model left out",
    ACCELERATOR: "accelerator left out",
    ANCHOR: "publisher left out, one anchor",
}
HARDEST, REASONS = 10, 12
MEAN_OF_ANCHORS = frozenset({"serving", "control"})
"""Kinds whose anchored error is a mean over anchors: it has no sign, and no interval."""
Row = Sequence[str]


# --- cells -----------------------------------------------------------------------------------------------------------


def table(heads: Row, rows: Iterable[Row]) -> Iterator[str]:
    """A Markdown table; a head that begins with `>` is aligned to the right."""
    yield "| " + " | ".join(head.removeprefix("> ") for head in heads) + " |"
    yield "|" + "|".join("---:" if head.startswith("> ") else "---" for head in heads) + "|"
    for row in rows:
        yield "| " + " | ".join(cell.replace("|", "/") for cell in row) + " |"


def percent(share: float, *, sign: bool = False) -> str:
    """12.3 %; large ones without the decimal."""
    digits = 0 if abs(share) >= 1.0 else 1
    return f"{100.0 * share:{'+' if sign else ''}.{digits}f} %"


def number(value: float) -> str:
    """Three digits, thousands apart."""
    if value >= 1000.0:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def covered(found: Line) -> str:
    """Coverage, with its bootstrap interval where there is more than one publisher to draw."""
    shown = f"{100.0 * found.coverage:.0f} %"
    if found.publishers > 1:
        shown += f" [{100.0 * found.coverage_low:.0f}–{100.0 * found.coverage_high:.0f}]"
    return shown


def statistics(found: Line, *, signed: bool = True) -> list[str]:
    """The cells of a group of rows."""
    e = found.errors
    return [
        f"{e.n:,}", str(found.publishers), percent(e.median_ape), percent(e.mape), percent(e.mape_source_balanced),
        percent(e.p90_ape), percent(e.bias, sign=True) if signed else "–", covered(found) if signed else "–",
        f"×{e.median_interval_width:.2f}" if signed else "–",
    ]  # fmt: skip


STATISTICS = ("> n", "> publishers", "> median APE", "> MAPE", "> MAPE by source", "> p90 APE", "> bias", "> covered",
              "> width")  # fmt: skip


# --- the parts of the page -------------------------------------------------------------------------------------------


def groups_of(sheet: Sheet) -> list[str]:
    """Groups in order of their size."""
    sizes = Counter(one.group for one in sheet.judged if one.way in WAYS)
    return [name for name, _ in sorted(sizes.items(), key=lambda item: (-item[1], item[0]))]


def unseen_way(sheet: Sheet) -> str:
    """How rows are scored that the fit has not seen: power has one publisher, so models are left out."""
    return MODEL if sheet.kind == "power" else PUBLISHER


def scores(sheet: Sheet) -> Iterator[str]:
    """The table of a kind."""
    rows = []
    for group in groups_of(sheet):
        for way in WAYS:
            found = [one for one in sheet.of(way) if one.group == group]
            if found:
                signed = way != ANCHOR or sheet.kind not in MEAN_OF_ANCHORS
                rows.append([group, SAID[way], *statistics(line(found), signed=signed)])
    yield from table(("rows", "scored", *STATISTICS), rows)


def short(sheets: Mapping[str, Sheet], stated: Mapping[str, Any]) -> Iterator[str]:
    """The first table: one line a question."""
    rows = []
    for one in stated["short"]:
        sheet = sheets[one["kind"]]
        unseen = line(sheet.of(unseen_way(sheet), *one["groups"]))
        seen = line(sheet.of(FROZEN, *one["groups"]))
        near = sheet.of(ANCHOR, *one["groups"])
        anchor = percent(line(near).errors.median_ape) if near else "–"
        e = unseen.errors
        rows.append([
            one["what"], f"{e.n:,}", percent(seen.errors.median_ape), percent(e.median_ape), percent(e.p90_ape), anchor,
            covered(unseen),
        ])  # fmt: skip
    heads = ("what", "> n", "> in sample, median", "> unseen, median", "> unseen, p90", "> one anchor, median",
             "> 90 % interval holds")  # fmt: skip
    yield from table(heads, rows)


def figure(goal: Mapping[str, Any], found: Line) -> float:
    """The figure that a goal names."""
    special = {
        "coverage": found.coverage,
        "abs_bias": abs(found.errors.bias),
        "worst_mape": max(found.errors.mape, found.errors.mape_source_balanced),
    }
    name = goal["figure"]
    return special[name] if name in special else float(getattr(found.errors, name))


def goal_value(goal: Mapping[str, Any], sheets: Mapping[str, Sheet], way: str) -> float:
    """What was reached; NaN where this way has no rows."""
    sheet = sheets[goal["kind"]]
    if goal["figure"] == "llm_share":
        counted = sheet.notes["llm"]
        return counted["scored"] / (counted["scored"] + sum(counted["not_scored"].values()))
    rows = [one for one in sheet.of(way, *goal.get("groups", ())) if _fits(one, goal)]
    if not rows:
        return math.nan
    if goal["figure"] == "false_fits":
        return float(sum(falsely_fits(one, goal["margin"]) for one in rows))
    return figure(goal, line(rows))


MEMORY_SIZES_GB = tuple(2.0**30 / 1e9 * gib for gib in (8, 12, 16, 20, 24, 32, 40, 48, 64, 80, 94, 96, 128, 141, 180,
                                                       192, 256, 288))  # fmt: skip
"""Memory of accelerators that are sold, in decimal GB."""


def falsely_fits(one: Judged, margin: float) -> bool:
    """Whether some accelerator's memory holds the predicted peak with its margin, but not the measured one."""
    return any(margin * one.predicted <= size < one.measured for size in MEMORY_SIZES_GB)


def _fits(one: Judged, goal: Mapping[str, Any]) -> bool:
    tag, metric, model = goal.get("tag"), goal.get("metric"), goal.get("kind_of_model", "")
    return (tag is None or tag in one.tags) and (metric is None or one.metric == metric) and one.group.endswith(model)


def met(goal: Mapping[str, Any], value: float) -> bool:
    """Whether a figure lies within the goal."""
    return goal.get("least", -math.inf) <= value <= goal.get("limit", math.inf)


def shown(goal: Mapping[str, Any], value: float) -> str:
    """The figure of a goal; a plain count or a share."""
    if math.isnan(value):
        return "–"
    return f"{value:.0f}" if goal["figure"] == "false_fits" else percent(value)


def wanted(goal: Mapping[str, Any]) -> str:
    """The limits of a goal."""
    if "least" in goal and "limit" in goal:
        return f"{100 * goal['least']:.0f}–{100 * goal['limit']:.0f} %"
    if "least" in goal:
        return f"≥ {100 * goal['least']:.0f} %"
    return "0" if goal["figure"] == "false_fits" else f"≤ {100 * goal['limit']:.0f} %"


def judged_way(goal: Mapping[str, Any], sheets: Mapping[str, Sheet]) -> str:
    """The way that decides: rows unseen by the fit, unless the goal names another."""
    return goal.get("way", unseen_way(sheets[goal["kind"]]))


def goals(sheets: Mapping[str, Sheet], stated: Mapping[str, Any]) -> Iterator[str]:
    """Goals beside results, then the cause of each miss."""
    rows, misses = [], []
    for goal in stated["goal"]:
        way = judged_way(goal, sheets)
        value, seen = goal_value(goal, sheets, way), goal_value(goal, sheets, FROZEN)
        verdict = "met" if met(goal, value) else "**missed**"
        rows.append([goal["what"], wanted(goal), shown(goal, seen), shown(goal, value), verdict])
        if not met(goal, value):
            if "cause" not in goal:
                raise SystemExit(f"goal {goal['what']!r} is missed ({shown(goal, value)}) and has no cause in {STATED}")
            misses.append(f"- **{goal['what']}** ({shown(goal, value)}, goal {wanted(goal)}). {goal['cause']}")
    yield from table(("goal", "> wanted", "> in sample", "> result", "verdict"), rows)
    yield ""
    yield f"{len(rows) - len(misses)} of {len(rows)} goals are met. Why the others are missed:"
    yield ""
    yield from misses


def seventy_b(sheet: Sheet) -> Iterator[str]:
    """The memory cliff of a 70B model on one accelerator."""
    found = {way: _by_number(_seventy(sheet.of(way, "offline throughput, dense"))) for way in (FROZEN, PUBLISHER)}
    rows = []
    for key, one in sorted(found[FROZEN].items(), key=lambda item: item[1].measured):
        unseen = found[PUBLISHER][key]
        verdict = "met" if abs(unseen.error) <= 0.15 else "**missed**"
        rows.append([
            one.label.split(",")[1].strip(), number(one.measured), number(one.predicted), percent(one.error, sign=True),
            number(unseen.predicted), percent(unseen.error, sign=True), verdict,
        ])  # fmt: skip
    heads = ("accelerator", "> measured tokens/s", "> shipped", "> error", "> publisher left out", "> error", "≤ 15 %")
    yield from table(heads, rows)


def _seventy(rows: Iterable[Judged]) -> list[Judged]:
    return [
        one for one in rows
        if one.source_id == "TRT-v0.17" and "Llama 3.1 70B" in one.label and "1000/1000" in one.label
        and re.search(r", 1 x (GH200|H100|H200)", one.label) and "fp8" in one.label
    ]  # fmt: skip


def _by_number(rows: Iterable[Judged]) -> dict[int, Judged]:
    return {one.number: one for one in rows}


def skipped(sheet: Sheet) -> Iterator[str]:
    """Rows without a prediction."""
    yield (
        f"{sheet.scored:,} of {sheet.rows:,} rows of {sheet.table} have a prediction. The others are about something "
        "else, or do not say what the model needs:"
    )
    yield ""
    reasons = list(sheet.skipped.items())
    rows = [[f"{count:,}", reason] for reason, count in reasons[:REASONS]]
    if rest := reasons[REASONS:]:
        others = sum(count for _, count in rest)
        rows.append([f"{others:,}", f"{len(rest)} further reasons (`validate --json` lists all)"])
    yield from table(("> rows", "reason"), rows)


def llm_share(sheet: Sheet) -> Iterator[str]:
    """The share of language-model rows that could be scored and are."""
    counted = sheet.notes["llm"]
    rest, gone = sum(counted["not_scored"].values()), sum(counted["no_measurement"].values())
    share = counted["scored"] / (counted["scored"] + rest)
    yield (
        f"Of the language-model rows whose inputs are present ({counted['scored'] + rest:,}; without {gone:,} that "
        f"were derived from others or break the bandwidth of their part), {percent(share)} are scored. Not scored: "
        + "; ".join(f"{reason} ({count:,})" for reason, count in counted["not_scored"].items())
        + "."
    )


def hardest_tables(sheet: Sheet, stated: Mapping[str, Any]) -> Iterator[str]:
    """Of serving one table for first tokens and one for all else, since the first would fill both."""
    rows = sheet.of(unseen_way(sheet))
    parts = {"": rows}
    if sheet.kind == "serving":
        first = [one for one in rows if one.metric == "ttft_ms"]
        rest = [one for one in rows if one.metric != "ttft_ms"]
        parts = {": rates and times per token": rest, ": first tokens": first}
    for name, part in parts.items():
        yield f"### {TITLES[sheet.kind]}{name}"
        yield ""
        yield from hardest(sheet.kind, part, stated)
        yield ""


def hardest(kind: str, unseen: Iterable[Judged], stated: Mapping[str, Any]) -> Iterator[str]:
    """The ten largest log errors of rows not seen, one a source, model and accelerator, with the reason."""
    rows = sorted(unseen, key=lambda one: (-abs(math.log1p(one.error)), one.number))
    found: dict[tuple[str, ...], Judged] = {}
    for one in rows:
        found.setdefault((one.source_id, *one.label.split(", ")[:2]), one)
    shown_rows = [
        [one.label, one.source_id, f"{one.group.split(',')[0]} ({one.metric})", number(one.measured),
         number(one.predicted), percent(one.error, sign=True), reason(kind, one, stated)]
        for one in list(found.values())[:HARDEST]
    ]  # fmt: skip
    heads = ("what ran", "source", "figure", "> measured", "> predicted", "> error", "why")
    yield from table(heads, shown_rows)


def reason(kind: str, one: Judged, stated: Mapping[str, Any]) -> str:
    """The first reason whose pattern the row matches."""
    text = f"{one.source_id} | {one.group} | {one.metric} | {one.label} | {'high' if one.error > 0 else 'low'}"
    for entry in stated["why"]:
        if entry["kind"] == kind and re.search(entry["pattern"], text):
            return entry["why"]
    return "not explained"


# --- peers -----------------------------------------------------------------------------------------------------------


def replays(found: Sequence[Mapping[str, Any]], stated: Mapping[str, Any]) -> Iterator[str]:
    """LLMServingSim's measured runs: its own simulation and ours."""
    rows = []
    for one in found:
        peer = stated["llmservingsim"][one["name"]]
        for name in ("TTFT mean", "TTFT p50", "TTFT p99", "TPOT mean", "TPOT p99", "E2E mean", "E2E p99"):
            measured = one["measured"][name]
            cells = [one["name"].replace("_", ", "), name, number(measured)]
            for said in (peer[name], one["predicted"][name], one["anchored"][name]):
                cells += [number(said), percent(said / measured - 1.0, sign=True)]
            rows.append(cells)
    heads = ("run", "figure", "> measured ms", "> LLMServingSim", "> error", "> groundplan", "> error",
             "> with one anchor", "> error")  # fmt: skip
    yield from table(heads, rows)


def baselines(sheets: Mapping[str, Sheet]) -> Iterator[str]:
    """One-constant models on the same rows as ours."""
    rows = []
    for kind, ways in (("serving", ("roofline", "one constant")), ("training", ("one constant",))):
        sheet = sheets[kind]
        for group in groups_of(sheet):
            ours = {one.number: one for one in sheet.of(PUBLISHER) if one.group == group}
            if kind == "serving" and len(ours) < FEW:
                continue
            for way in ways:
                theirs = {one.number: one for one in sheet.of(way) if one.group == group}
                both = sorted(set(ours) & set(theirs))
                if both:
                    pair = [theirs[i] for i in both], [ours[i] for i in both]
                    rows.append(_beside(f"{kind}: {group}", BASELINES[kind, way], *pair))
    yield from table(BESIDE, rows)


FEW = 200
"""Groups of serving rows below this are left out of the table of baselines."""
BASELINES = {
    ("serving", "roofline"): "plain roofline",
    ("serving", "one constant"): "roofline × one constant",
    ("training", "one constant"): "one MFU per family and precision",
}
BESIDE = ("rows", "peer", "> n", "> peer median", "> peer MAPE", "> peer p90", "> our median", "> our MAPE",
          "> our p90")  # fmt: skip


def _beside(name: str, peer: str, theirs: Sequence[Judged], ours: Sequence[Judged]) -> list[str]:
    cells = [name, peer, f"{len(ours):,}"]
    for part in (theirs, ours):
        e = line(part).errors
        cells += [percent(e.median_ape), percent(e.mape), percent(e.p90_ape)]
    return cells


def configurator(sheet: Sheet, answers: Path) -> Iterator[str]:
    """AIConfigurator on the rows that both answer."""
    with answers.open(newline="", encoding="utf-8") as file:
        said = {int(row["number"]): float(row["predicted"]) for row in csv.DictReader(file)}
    rows = []
    for metric in ("tpot_ms", "ttft_ms"):
        for moe in ("dense", "MoE"):
            asked = [one for one in sheet.of(PUBLISHER) if one.metric == metric and one.number in said]
            ours = [one for one in asked if one.group.endswith(moe)]
            both = [one for one in ours if math.isfinite(said[one.number])]
            theirs = [_as(one, said[one.number]) for one in both]
            if both:
                name = f"{metric}, {moe} (it answers {len(both)} of {len(ours)})"
                rows.append(_beside(name, "AIConfigurator 0.12", theirs, both))
    yield from table(BESIDE, rows)


def _as(one: Judged, value: float) -> Judged:
    return Judged(**{**{name: getattr(one, name) for name in Judged.__slots__}, "predicted": value})


def same_tables(sheets: Mapping[str, Sheet], stated: Mapping[str, Any]) -> Iterator[str]:
    """Figures of programs that were run on a table which is also ours, or nearly so."""
    rows = []
    for one in stated["same_table"]:
        ours = [row for row in sheets["training"].of(PUBLISHER) if row.source_id == one["source"]]
        theirs = [percent(one[name]) if name in one else "–" for name in ("median", "mape", "p90")]
        e = line(ours).errors
        found = [percent(e.median_ape), percent(e.mape), percent(e.p90_ape)]
        rows.append([one["what"], one["peer"], f"{len(ours):,}", *theirs, *found])
    yield from table(BESIDE, rows)


def roofline_of_policies(sheet: Sheet, stated: Mapping[str, Any]) -> Iterator[str]:
    """VLA-Perf's figures of pi0 beside measured calls on the same parts, and ours."""
    rows = []
    for one in sorted(sheet.of(PUBLISHER), key=lambda one: (one.label, one.number)):
        model, part = one.label.split(", ")[:2]
        if model == "pi0" and part in stated["vla_perf"]:
            peer = stated["vla_perf"][part]
            rows.append([
                one.label, number(one.measured), number(peer), percent(peer / one.measured - 1.0, sign=True),
                number(one.predicted), percent(one.error, sign=True),
            ])  # fmt: skip
    yield from table(("what ran", "> measured ms", "> VLA-Perf", "> error", "> groundplan", "> error"), rows)


def other_rows(stated: Mapping[str, Any]) -> Iterator[str]:
    """Figures that peers, or others about them, have published."""
    rows = [[one["peer"], one["what"], one["error"], one["rows"], one["where"]] for one in stated["peer"]]
    yield from table(("peer", "what", "error", "on which rows", "where from"), rows)


def speeds(stated: Mapping[str, Any]) -> Iterator[str]:
    """What bench/ measured."""
    speed = stated["speed"]
    yield f"Measured {speed['day']} on {speed['machine']}."
    yield ""
    rows = [[one["what"], one["goal"], one["found"], one["peer"], one["command"]] for one in speed["row"]]
    yield from table(("what", "goal", "found", "a peer", "command"), rows)


# --- the page --------------------------------------------------------------------------------------------------------


def measured_how(sheets: Mapping[str, Sheet], day: str, stated: Mapping[str, Any]) -> Iterator[str]:
    """Versions, commands, words."""
    versions = []
    for kind in KINDS:
        sheet = sheets[kind]
        names = [TITLES[kind], f"`{sheet.version}`", f"`{sheet.notes['constants']}`"]
        versions.append([*names, str(sheet.free), str(sheet.publishers), f"{sheet.fitted_rows:,}"])
    yield f"Scored on {day}."
    yield ""
    heads = ("models", "version", "constants", "> free parameters", "> publishers in the fit", "> rows in the fit")
    yield from table(heads, versions)
    yield ""
    yield from stated["text"]["how"].strip().splitlines()


def page(
    sheets: Mapping[str, Sheet], extra: Mapping[str, Any], answers: Path, day: str, stated: Mapping[str, Any]
) -> str:
    """The whole text."""
    text = {name: words.strip().splitlines() for name, words in stated["text"].items()}
    lines = ["# How accurate is it?", "", *text["head"], "", *short(sheets, stated), "", *text["short"], ""]
    lines += ["## Goals and results", "", *text["goals"], "", *goals(sheets, stated), ""]
    lines += [*text["seventy"], "", *seventy_b(sheets["serving"]), ""]
    lines += ["## How it was measured", "", *measured_how(sheets, day, stated), ""]
    for kind in KINDS:
        lines += [f"## {TITLES[kind]}", "", *text[kind], "", *scores(sheets[kind]), "", *skipped(sheets[kind]), ""]
        lines += [*llm_share(sheets[kind]), ""] if kind == "serving" else []
    lines += ["## Beside others, on the same rows", "", *text["replay"], "", *replays(extra["replays"], stated), ""]
    lines += [*text["baselines"], "", *baselines(sheets), "", *text["calculon"], "", *same_tables(sheets, stated), ""]
    lines += [*text["vla_perf"], "", *roofline_of_policies(sheets["control"], stated), ""]
    if answers.is_file():
        lines += [*text["configurator"], "", *configurator(sheets["serving"], answers), ""]
    lines += ["## Beside others, on other rows", "", *text["others"], "", *other_rows(stated), ""]
    lines += ["## The hardest rows", "", *text["hardest"], ""]
    for kind in KINDS:
        lines += [*hardest_tables(sheets[kind], stated)]
    return "\n".join([*lines, "## Speed", "", *speeds(stated)]) + "\n"


def scored(shared: Path, only: Sequence[str]) -> tuple[list[Sheet], dict[str, Any]]:
    """Everything that takes time."""
    from accuracy_peers import replays as replayed
    from accuracy_scores import BUILDERS

    from groundplan.catalog import Catalog

    catalog = Catalog.default()
    sheets = [_printed(BUILDERS[kind](shared / "truth", catalog)) for kind in only]
    return sheets, {"replays": replayed(shared, catalog)}


def _printed(sheet: Sheet) -> Sheet:
    return replace(sheet, notes={**sheet.notes, "constants": constants_print(sheet.kind)})


def gathered(given: argparse.Namespace) -> tuple[dict[str, Sheet], dict[str, Any]]:
    """Scores of the file, those that are scored anew in their place; kept where asked for."""
    kept, extra = read_scores(given.scores) if given.scores else ({}, {})
    only = given.only or ([] if given.scores else KINDS)
    if only:
        made, extra = scored(given.shared, only)
        kept |= {sheet.kind: sheet for sheet in made}
    with tempfile.TemporaryDirectory() as folder:
        path = given.save or Path(folder) / "scores.json"
        write_scores([kept[kind] for kind in KINDS], extra, path)
        return read_scores(path)


def main(arguments: Sequence[str] | None = None) -> None:
    """Score, or read scores, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", type=Path, help="folder with truth/ and traces/")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "accuracy.md")
    parser.add_argument("--save", type=Path, help="keep the scores here")
    parser.add_argument("--scores", type=Path, help="scores that --save kept")
    parser.add_argument("--only", action="append", choices=KINDS, help="with --scores: score this kind anew")
    parser.add_argument("--date", default=date.today().isoformat())
    given = parser.parse_args(arguments)
    if given.scores is None and given.only:
        parser.error("--only needs --scores for the other kinds")
    if (given.scores is None or given.only) and (given.shared is None or not (given.shared / "truth").is_dir()):
        parser.error("--shared must be a folder with truth/ and traces/")
    stated = tomllib.loads(STATED.read_text(encoding="utf-8"))
    sheets, extra = gathered(given)
    answers = Path(__file__).with_name("accuracy_aiconfigurator.csv")
    given.out.write_text(page(sheets, extra, answers, given.date, stated), encoding="utf-8")
    print(f"wrote {given.out}")


if __name__ == "__main__":
    main()
