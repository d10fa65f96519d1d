"""Own, rent or buy tokens: one language model, one load, one service level, no factory file."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date

from groundplan.catalog import Catalog, Country, ModelCard, Tariff, TransformerArch, own_costs, token_offers
from groundplan.errors import CatalogError, Infeasible, Issue, SpecError
from groundplan.finance import convention
from groundplan.perf import chat_workload
from groundplan.spec import LlmWorkload
from groundplan.study._price_bench import Bench, SpeedCache
from groundplan.study._price_break import BreakEven, break_even_load_factor, break_even_loads, break_even_use_hours
from groundplan.study._price_rows import conventions_of, own_rows, rent_rows, token_rows, verdict
from groundplan.study._price_types import PriceAnswer, PriceQuestion
from groundplan.study._price_ways import Ground, Option, Terms, Tokens, mean_energy_usd_per_kwh, tokens_option

MOST_LOAD_PER_S = 1e5
"""More than any public service reports for one model."""
WHOLE_MONTH_HOURS = 720.0
CALENDAR_HOURS = 730.0
LIMITS: tuple[tuple[str, float, float], ...] = (
    ("load_per_s", 1e-6, MOST_LOAD_PER_S),
    ("prompt_tokens", 1, 1e7),
    ("output_tokens", 1, 1e7),
    ("ttft_ms", 1, 1e9),
    ("tpot_ms", 0.1, 1e9),
    ("percentile", 0.5, 0.999),
    ("network_ms", 0, 1e6),
    ("load_factor", 0.001, 1),
    ("hours_per_year", 1, 8784),
    ("rate", 0, 1),
    ("life_years", 0.5, 30),
    ("staff_usd_per_month", 0, 1e9),
)


def price(question: PriceQuestion, catalog: Catalog, *, on: date, cache: SpeedCache | None = None) -> PriceAnswer:
    """Price a model three ways.

    Staffing comes from the operating points and curves of a plan; tariff and token prices are those of a day. A cache
    may be handed in again for the same model, lengths, levels and catalogue.
    SpecError or CatalogError for what is wrong with the question; Infeasible where no server serves the model.
    """
    terms = terms_of(question)
    card, region = _language_model(catalog, question.model), catalog.country(question.region)
    ground = ground_of(question, catalog, region, on)
    bench = Bench(_workload(question), catalog, terms, question.network_ms, cache or SpeedCache())
    own: list[Option] = [] if ground is None else bench.owned(ground)
    rents = bench.rented()
    here = [o for o in rents if o.offer is not None and o.offer.country == region.code]
    if ground is None and not any(offer.country == region.code for offer in catalog.cloud_offers):
        raise SpecError(_bare_region(catalog, region, on))
    best = [bench.cheapest(options) for options in (own, here, rents)]
    if not any(best):
        raise Infeasible(bench.nearest())
    offers = token_offers(card, on=on)
    tokens = sorted((tokens_option(o, terms) for o in offers), key=lambda t: (t.usd_per_load, t.offer.provider))
    broken = tuple(_break_even(bench, own, {f"rent in {region.name}": here, "rent anywhere": rents}, tokens))
    owned = own_rows(bench.known(own), region.code, terms)
    local, sold = rent_rows(bench.known(here), terms), token_rows(tokens, terms)
    every = [*owned, *rent_rows(bench.known(rents), terms), *sold]
    scopes = ((f"in {region.name}", [*owned, *local]), ("anywhere", every))
    verdicts = (verdict(scope, rows, best[0], terms) for scope, rows in scopes)
    return PriceAnswer(
        question=question,
        terms=terms,
        region=region,
        on=on,
        tariff=ground.tariff if ground else None,
        energy_usd_per_kwh=ground.energy_usd_per_kwh if ground else None,
        mtok_per_month=terms.mtok_per_month(terms.load_per_s)[0],
        rows=tuple(sorted(every, key=lambda row: (row.usd_per_month, row.way, row.name, row.region, row.what))),
        verdicts=tuple(found for found in verdicts if found is not None),
        break_even=broken,
        refusals=tuple(_refusals(bench, catalog, ground, region, here, tokens)),
        conventions=tuple(conventions_of(question, terms, ground, own_costs().overheads)),
    )


def terms_of(question: PriceQuestion) -> Terms:
    """The question's figures, checked; SpecError with every fault."""
    issues = [fault for name, low, high in LIMITS if (fault := _out_of(question, name, low, high))]
    if issues:
        raise SpecError(issues)
    how = convention(question.convention)
    hours = how.hours_per_month if question.hours_per_year is None else question.hours_per_year / 12
    return Terms(
        load_per_s=question.load_per_s,
        load_factor=question.load_factor,
        hours_per_month=hours,
        held_hours_per_month=hours if hours >= WHOLE_MONTH_HOURS else CALENDAR_HOURS,
        prompt_tokens=question.prompt_tokens,
        output_tokens=question.output_tokens,
        rate=question.rate,
        life_years=question.life_years,
        staff_usd_per_month=question.staff_usd_per_month,
    )


def _out_of(question: PriceQuestion, name: str, low: float, high: float) -> Issue | None:
    value = getattr(question, name)
    if value is None or (math.isfinite(value) and low <= value <= high):
        return None
    return Issue("price-value", name, f"{value!r} is no usable value", f"it must be from {low:g} to {high:,g}")


def _language_model(catalog: Catalog, name: str) -> ModelCard:
    card = catalog.model(name)
    if isinstance(card.arch, TransformerArch):
        return card
    what = f"{card.id} is a {card.arch.type} model; only language models are priced without a file"
    raise CatalogError(
        Issue("kind", f"catalog:{card.id}", what, "put it into a factory file and run `groundplan plan`")
    )


def _workload(question: PriceQuestion) -> LlmWorkload:
    return chat_workload(
        question.model,
        prompt_tokens=question.prompt_tokens,
        output_tokens=question.output_tokens,
        ttft_ms=question.ttft_ms,
        tpot_ms=question.tpot_ms,
        percentile=question.percentile,
        allowed_precisions=question.allowed_precisions,
    )


def ground_of(question: PriceQuestion, catalog: Catalog, region: Country, on: date) -> Ground | None:
    """Where own servers stand; None where the catalogue has no tariff of the region in force."""
    if question.tariff is not None:
        tariff: Tariff | None = catalog.tariff(question.tariff)
        if tariff is not None and not tariff.in_force(on):
            until = f" to {tariff.effective_to}" if tariff.effective_to else " on"
            what = f"{tariff.id} is in force from {tariff.effective_from}{until}, not on {on}"
            raise SpecError(Issue("price-tariff", "tariff", what, "name another tariff, or another day"))
    else:
        usual = (name for row in own_costs().connections if row.country == region.code for name in row.tariffs)
        tariff = next((found for name in usual if (found := catalog.tariff(name)).in_force(on)), None)
    return None if tariff is None else Ground(tariff, mean_energy_usd_per_kwh(tariff), own_costs())


def _bare_region(catalog: Catalog, region: Country, on: date) -> Issue:
    offered = sorted({offer.country for offer in catalog.cloud_offers if offer.country})
    tariffs = sorted({row.country for row in own_costs().connections})
    what = f"{region.name} has neither a cloud offer nor an electricity tariff in the catalogue on {on}"
    return Issue("price-region", "region", what, f"offers: {', '.join(offered)}; tariffs: {', '.join(tariffs)}")


def _break_even(
    bench: Bench, owned: Sequence[Option], rents: dict[str, list[Option]], tokens: Sequence[Tokens]
) -> Iterator[BreakEven]:
    mine, own, load = bench.envelope(owned), bench.cheapest(owned), bench.terms.load_per_s
    if own is None:
        return
    for rival, options in rents.items():
        best = bench.cheapest(options)
        if best is not None:
            found = break_even_loads(mine, bench.envelope(options), load)
            yield replace(found, rival=rival, hours_per_month=break_even_use_hours(own, best, bench.terms))
    if tokens:
        share = break_even_load_factor(own, tokens[0], bench.terms)
        rival = f"tokens of {tokens[0].offer.provider_name}"
        yield replace(break_even_loads(mine, tokens[:1], load), rival=rival, load_factor=share)


def _refusals(
    bench: Bench,
    catalog: Catalog,
    ground: Ground | None,
    region: Country,
    here: Sequence[Option],
    tokens: Sequence[Tokens],
) -> Iterator[tuple[str, str]]:
    """(what, why) of everything that has no row."""
    if ground is None:
        yield "own", f"no tariff of {region.name} in force is in the catalogue; name one with --tariff"
    if not here:
        yield f"rent in {region.name}", "no offer of the catalogue on that ground serves the model"
    if not tokens:
        yield "tokens", "no provider of the price list sells the model under a known name"
    yield from bench.refusals()
    yield from bench.unpriced()
