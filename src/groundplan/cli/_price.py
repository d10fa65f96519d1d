"""``price``: one model, owned, rented or bought as tokens."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import date
from typing import Any

from groundplan.catalog import Catalog
from groundplan.cli._errors import print_json
from groundplan.cli._tables import console, table, usd
from groundplan.errors import Issue, SpecError
from groundplan.spec import Source, read_model
from groundplan.study import BreakEven, PriceAnswer, PriceQuestion, PriceRow, PriceVerdict, price

SHOWN = 4
"""Rows of each way on the screen; ``--all`` and ``--json`` give every one."""
SAME = 1e-3
"""Two loads this near, as a share, are told as one."""
WAYS = ("own", "rent", "tokens")
HEADS = ("way", "of", "price", "> nodes", "> use", "> a month", "> 90 % band", "> /Mtok", "> out", "source")
PRICE_LIST = "genai-prices"
"""Its notes only repeat provider and model."""
LEVELS = {"ttft": "ttft_ms", "tpot": "tpot_ms", "percentile": "percentile"}


def price_model(
    model: str, options: Mapping[str, Any], *, service_level: str | None, on: str | None, every: bool, as_json: bool
) -> None:
    """Price a model three ways, and say what the answer rests on."""
    catalog, name = Catalog.default(), model
    if model.endswith(".json"):
        own = read_model(model)
        catalog, name = catalog.with_models([own]), own.id
    stated = {key: value for key, value in options.items() if value is not None}
    given: dict[str, Any] = {**stated, **_levels(service_level, stated)}
    question = PriceQuestion(name, **given)
    answer = price(question, catalog, on=_day(on))
    if as_json:
        print_json(_content(answer))
    else:
        _show(answer, SHOWN if not every else len(answer.rows))


def _levels(text: str | None, stated: Mapping[str, Any]) -> dict[str, float]:
    """``ttft=2000,tpot=60`` as options; SpecError for what is no level, no number, or stated twice."""
    found: dict[str, float] = {}
    for part in text.split(",") if text is not None else ():
        key, _, value = (piece.strip() for piece in part.partition("="))
        option = LEVELS.get(key.removesuffix("_ms").removesuffix("-ms"))
        if option is None or not _number(value):
            what = f"{part.strip()!r} is no level"
            raise SpecError(
                Issue("price-level", "service_level", what, "write it as ttft=2000,tpot=60,percentile=0.95")
            )
        if option in stated or option in found:
            raise SpecError(Issue("price-level", "service_level", f"{key} is stated twice", "state it once"))
        found[option] = float(value)
    return found


def _number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def _day(text: str | None) -> date:
    if text is None:
        return date.today()
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise SpecError(Issue("price-day", "day", f"{text!r} is no day", "write it as 2026-11-15")) from None


def _content(answer: PriceAnswer) -> dict[str, Any]:
    """The answer as JSON: infinities as null, sources in full."""
    return {
        "question": asdict(answer.question),
        "on": answer.on.isoformat(),
        "tariff": answer.tariff.id if answer.tariff else None,
        "energy_usd_per_kwh": answer.energy_usd_per_kwh,
        "mtok_per_month": answer.mtok_per_month,
        "rows": [_row_content(row) for row in answer.rows],
        "verdicts": [
            {
                **{key: value for key, value in asdict(found).items() if key not in ("winner", "other")},
                "winner": _row_content(found.winner),
                "other": _row_content(found.other) if found.other else None,
                "text": " ".join(_verdict_text(found)),
            }
            for found in answer.verdicts
        ],
        "break_even": [_finite(asdict(found)) | {"text": _break_text(found)} for found in answer.break_even],
        "refusals": [{"what": what, "why": why} for what, why in answer.refusals],
        "conventions": list(answer.conventions),
    }


def _row_content(row: PriceRow) -> dict[str, Any]:
    plain = {key: value for key, value in asdict(row).items() if key != "sources"}
    dated = row.price_dated.isoformat() if row.price_dated else None
    sources = [source.model_dump(mode="json") for source in row.sources]
    return plain | {"price_dated": dated, "lines_usd": dict(row.lines_usd), "sources": sources}


def _finite(values: Mapping[str, Any]) -> dict[str, Any]:
    return {key: None if value == math.inf else value for key, value in values.items()}


def _show(answer: PriceAnswer, shown: int) -> None:
    screen, asked = console(to_stdout=True), answer.question
    screen.print(
        f"{asked.model}: {asked.load_per_s:g} requests/s at the peak of {asked.prompt_tokens:g} tokens in and "
        f"{asked.output_tokens:g} out, {answer.mtok_per_month:,.0f} million tokens a month; TTFT {asked.ttft_ms:g} ms "
        f"and TPOT {asked.tpot_ms:g} ms for {asked.percentile:.1%}; prices of {answer.on}"
    )
    screen.print(table("Three ways, USD a month", ["way", "> from", "by", "> to", "by"], list(_bands(answer))))
    for found in answer.verdicts:
        screen.print(" ".join(_verdict_text(found)))
    for crossing in answer.break_even:
        screen.print(_break_text(crossing))
    kept = sorted((row for way in WAYS for row in answer.of(way)[:shown]), key=lambda row: row.usd_per_month)
    notes = list(dict.fromkeys(_source_text(source) for row in kept for source in row.sources))
    screen.print()
    screen.print(table("Cheapest of each way, USD", HEADS, [_cells(row, notes) for row in kept]))
    for sentence in _remarks(answer, shown):
        screen.print(sentence, style="dim")
    for index, note in enumerate(notes, 1):
        screen.print(f"[{index}] {note}", style="dim")


def _remarks(answer: PriceAnswer, shown: int) -> Iterator[str]:
    yield (
        "use: peak load over what the nodes could do in saturation; /Mtok: per million tokens, out: all of it on those "
        "that are put out; ≥: not among the cheapest, so its staffing was not simulated."
    )
    left = {way: len(answer.of(way)) - shown for way in WAYS if len(answer.of(way)) > shown}
    if left:
        yield f"Dearer, not shown: {', '.join(f'{count} of {way}' for way, count in left.items())} (--all shows them)."
    yield from (f"- {sentence}" for sentence in answer.conventions)
    unfit = [what for what, _ in answer.refusals if " " not in what and what not in WAYS]
    if unfit:
        yield f"Not able to serve it at this level: {', '.join(unfit)} (--json says why)."
    others: dict[str, list[str]] = {}
    for what, why in answer.refusals:
        if what not in unfit:
            others.setdefault(why, []).append(what)
    yield from (f"No row for {', '.join(names)}: {why}." for why, names in others.items())


def _cells(row: PriceRow, notes: Sequence[str]) -> list[str]:
    low, high = f"{row.low_usd_per_month:,.0f}", f"{row.high_usd_per_month:,.0f}"
    return [
        row.way,
        _named(row) + (f" {row.country}" if row.way == "rent" else ""),
        row.price if row.way != "rent" else f"{row.what} {row.price}, {row.term}",
        "" if row.nodes is None else f"{row.nodes:,}",
        "" if row.peak_use is None else f"{row.peak_use:.0%}",
        f"{'' if row.exact else '≥ '}{row.usd_per_month:,.0f}",
        "" if low == high else f"{low}–{high}",
        f"{row.usd_per_mtok:.3g}",
        f"{row.usd_per_output_mtok:.3g}",
        " ".join(f"[{notes.index(_source_text(source)) + 1}]" for source in row.sources),
    ]


def _bands(answer: PriceAnswer) -> Iterator[list[str]]:
    here = tuple(row for row in answer.of("rent") if row.country == answer.region.code)
    groups = {
        f"own in {answer.region.name}": answer.of("own"),
        f"rent in {answer.region.name}": here,
        "rent anywhere": answer.of("rent"),
        "tokens": answer.of("tokens"),
    }
    for name, rows in groups.items():
        if rows:
            low, high = min(rows, key=lambda r: r.low_usd_per_month), max(rows, key=lambda r: r.high_usd_per_month)
            yield [name, f"{low.low_usd_per_month:,.0f}", _named(low), f"{high.high_usd_per_month:,.0f}", _named(high)]


def _named(row: PriceRow) -> str:
    return row.name if row.way != "rent" else f"{row.name} ({row.region})"


def _verdict_text(found: PriceVerdict) -> Iterator[str]:
    """The cheapest way of a scope; a threshold instead of a verdict where it rests on assumed figures."""
    winner, other, scope = found.winner, found.other, f"{found.scope[0].upper()}{found.scope[1:]}"
    cost = f"{usd(winner.usd_per_month)} a month"
    if winner.way != "own":
        yield f"{scope}, the cheapest is {_verb(winner)} at {cost}."
    elif found.own_wins_below_usd is None:
        yield f"{scope} there is only {_verb(winner)} at {cost}."
    else:
        kind = "an assumed" if winner.price_assumed else "a published"
        yield f"{scope}, {_below(found.own_wins_below_usd)}: {_verb(winner)} costs {cost}"
        yield f"at {kind} price of USD {winner.price} and with assumed overheads."
    if other is not None:
        yield f"The best other way is {_verb(other)} at {usd(other.usd_per_month)}."
        if not found.clear:
            yield "The bands of the ways overlap: no clear verdict."
    if winner.way != "own" and found.own_wins_below_usd is not None:
        yield f"{_below(found.own_wins_below_usd).capitalize()}.".replace("usd", "USD")
    if found.rival_wins_below_usd is not None:
        yield f"Its price is assumed: it wins below USD {found.rival_wins_below_usd:,.2f} an hour."


def _below(prices: tuple[float, float, float]) -> str:
    middle, low, high = prices
    if high <= 0:
        return "owning would not win even with servers for nothing"
    band = f" ({usd(max(low, 0))} to {usd(high)} by model error)" if round(low) != round(high) else ""
    return f"owning wins below {usd(max(middle, 0))} a server{band}"


def _verb(row: PriceRow) -> str:
    if row.way == "own":
        return f"owning {row.nodes} x {row.name}"
    return f"rent from {_named(row)}" if row.way == "rent" else f"tokens of {row.name}"


def _break_text(found: BreakEven) -> str:
    text = f"Break-even with {found.rival}: owning is cheaper {_where_cheaper(found)}"
    if found.load_factor is not None:
        text += f"; at this peak {_share(found.load_factor)}"
    if found.hours_per_month is not None:
        text += f"; at this load {_hours(found.hours_per_month)}"
    return text + "."


def _where_cheaper(found: BreakEven) -> str:
    low, high = (_load(load) for load in found.range_per_s)
    first, always = found.first_win_per_s, found.always_win_per_s
    if first is None:
        return f"at no load from {low} to {high} requests/s"
    if always is None:
        return f"at some loads from {_load(first)} requests/s, and not at all of them up to {high}"
    if always <= found.range_per_s[0]:
        return f"at every load from {low} to {high} requests/s"
    if always - first <= SAME * first:
        return f"from {_load(first)} requests/s on, to {high}"
    return f"at some loads from {_load(first)}, at every load from {_load(always)} to {high} requests/s"


def _load(requests_per_s: float) -> str:
    return f"{requests_per_s:,.0f}" if requests_per_s >= 100 else f"{requests_per_s:.3g}"


def _share(load_factor: float) -> str:
    return f"from a mean load of {load_factor:.0%} of it" if load_factor <= 1 else "at no mean load"


def _hours(hours: float) -> str:
    return f"from {hours:,.0f} hours a month" if hours <= 744 else "not even around the clock"


def _source_text(source: Source) -> str:
    dated = f", {source.dated}" if source.dated else ""
    note = f"; {source.note}" if source.note and not source.who.startswith(PRICE_LIST) else ""
    return f"{source.kind}{dated}, confidence {source.confidence}: {source.who}{note}"
