"""Law along the whole path, judged slowly: every cell that is used, in every period in which it is used."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date
from math import inf

from groundplan.catalog import (
    Accelerator,
    ChipTest,
    ExportRule,
    country_group,
    export_paragraphs,
    export_rules,
    rules,
)
from groundplan.errors import CatalogError
from groundplan.spec import DataClass, Rule, Site
from groundplan.verify._book import Book
from groundplan.verify._world import Span, World

Interval = tuple[float, float]
UNKNOWN: Interval = (0.0, inf)
FASTEST_PCIE_GB_PER_S = 128.0
"""PCIe 6 x16, each direction: what a blank link could be at most."""


def law(world: World, book: Book) -> None:
    """Residency and control of data on every used cell; export control of what is bought, rented and moved."""
    for workload, site, span, where in sorted(set(_used(world)), key=lambda use: (use[3], use[2].index)):
        for reason in _refusals(world, workload, world.sites[site], world.first_day(span)):
            book.require(False, where, f"{workload} at {site} in {span.id}: {reason}")
    for server, site, span, where in _brought(world):
        for reason in export_refusals(world, server, world.sites[site], world.first_day(span)):
            book.require(False, where, f"{server} to {site} in {span.id}: {reason}")


def _used(world: World) -> Iterator[tuple[str, str, Span, str]]:
    """(workload, site, period, place in the plan) of everything that touches data."""
    plan, span = world.plan, world.span
    for row in plan.loads:
        yield row.workload, row.site, span[row.period], f"loads: {row.workload}@{row.origin}"
    for failover in plan.failovers:
        where = f"failovers: {failover.workload}@{failover.origin}"
        yield failover.workload, failover.site, span[failover.period], where
    for token in plan.tokens:
        where = f"tokens: {token.workload}@{token.origin}"
        yield token.workload, world.token_offers[token.offer].site, span[token.period], where
    for gang in plan.batch:
        yield gang.workload, gang.site, span[gang.period], f"batch: {gang.workload}@{gang.origin}"
    for replica in plan.replicas:
        where = f"replicas: {replica.workload}@{replica.origin}"
        yield replica.workload, replica.site, span[replica.period], where


def _refusals(world: World, workload: str, site: Site, on: date) -> Iterator[str]:
    """To run on data is to store, process and access it, so any verb that is forbidden counts."""
    classes = {item.id: item for item in world.factory.data_classes}
    for name in world.workloads[workload].data_classes:
        for rule in applied_rules(world):
            if _in_force(rule, on) and _speaks_of(rule, classes[name]) and not _permitted(world, rule.unless, on):
                for fact in rule.forbid.facts:
                    country = getattr(site, "country" if fact == "country" else f"{fact}_country")
                    if country not in rule.forbid.outside:
                        yield f"{rule.id} forbids {name} where {fact} is {country} ({rule.note})"


def applied_rules(world: World) -> list[Rule]:
    """The catalogue's rules that the file applies (blank: all), and the file's own."""
    chosen = world.factory.law
    return [*(rule for rule in rules() if chosen is None or rule.id in chosen), *world.factory.rules]


def _in_force(rule: Rule, on: date) -> bool:
    return rule.from_date <= on and (rule.until_date is None or on < rule.until_date)


def _speaks_of(rule: Rule, data: DataClass) -> bool:
    return rule.when.law_of in (None, data.law_of) and bool(set(rule.when.labels) & set(data.labels))


def _permitted(world: World, permits: Iterable[str], on: date) -> bool:
    month = f"{on:%Y-%m}"
    return any(
        held.permit in permits and held.from_month <= month < held.until_month for held in world.factory.held_permits
    )


# --- export ---


def _brought(world: World) -> Iterator[tuple[str, str, Span, str]]:
    """(server, site, period of order, start or departure, place in the plan) of new and of re-exported hardware."""
    for index, row in enumerate(world.plan.orders):
        yield row.server, row.site, world.span[row.period], f"orders[{index}]"
    for index, moved in enumerate(world.plan.moves):
        item = world.existing[moved.existing]
        if _seats(world.sites[item.site]) != _seats(world.sites[moved.to]):
            yield item.server, moved.to, world.span[moved.period], f"moves[{index}]"
    for name in ("rents", "bursts"):
        for index, rent in enumerate(getattr(world.plan, name)):
            site, server = world.pool_of(world.rentals[rent.offer])
            yield server, site, world.span[rent.period], f"{name}[{index}]"


def _seats(site: Site) -> tuple[str, ...]:
    """Where a site lies, and where those sit who own, run and hold it: hardware that stays within is not exported."""
    return site.country, site.owner_country, site.operator_country, site.parent_country


def export_refusals(world: World, server: str, site: Site, on: date) -> Iterator[str]:
    """Rules that keep a server from a site on a day, or that a blank figure cannot exclude."""
    accelerator = world.server(server).accelerator
    if accelerator is None:
        return
    chip = world.catalog.accelerator(accelerator)
    for rule in export_rules():
        lifted = rule.outcome == "warn" or _permitted(world, rule.permits, on)
        if rule.in_force(on) and not lifted and _reaches(rule, site, on) and _covers(rule, chip, on):
            yield f"{rule.id} ({rule.outcome}) covers or cannot exclude {chip.id} ({rule.note})"


def _reaches(rule: ExportRule, site: Site, on: date) -> bool:
    def listed(country: str, groups: Iterable[str]) -> bool:
        return any(country in country_group(group, on) for group in groups)

    if listed(site.country, rule.except_destinations):
        return False
    holders = (site.owner_country, site.operator_country, site.parent_country)
    return (
        rule.anywhere
        or listed(site.country, rule.destinations)
        or any(listed(country, rule.parents) for country in holders)
    )


def _covers(rule: ExportRule, chip: Accelerator, on: date) -> bool:
    tests = [item.when for item in export_paragraphs() if item.id in rule.paragraphs and item.in_force(on)]
    return _may_pass(rule.when, chip) and (not rule.paragraphs or any(_may_pass(test, chip) for test in tests))


def _may_pass(test: ChipTest, chip: Accelerator) -> bool:
    """Whether the chip meets all limits, or might: a blank figure lies anywhere."""
    io, dram = _io(chip), _known(chip.mem_bw_gb_per_s)
    tpp, density = _figure(chip, "total_processing_performance"), _figure(chip, "performance_density")
    bounds = (
        (tpp, test.min_tpp_tops, test.below_tpp_tops),
        (density, test.min_density_tops_per_mm2, test.below_density_tops_per_mm2),
        (dram, test.min_dram_gb_per_s, test.below_dram_gb_per_s),
        (io, test.min_io_gb_per_s, None),
        ((io[0] + dram[0], io[1] + dram[1]), test.min_dram_and_io_gb_per_s, None),
    )
    return _named(test, chip) and all(
        (least is None or high >= least) and (below is None or low < below) for (low, high), least, below in bounds
    )


def _named(test: ChipTest, chip: Accelerator) -> bool:
    return (
        test.datacenter in (None, chip.market == "datacenter")
        and (not test.vendors or chip.vendor in test.vendors)
        and (not test.vendor_countries or chip.vendor_country in test.vendor_countries)
        and chip.vendor_country not in test.except_vendor_countries
    )


def _known(value: float | None) -> Interval:
    return UNKNOWN if value is None else (value, value)


def _figure(chip: Accelerator, name: str) -> Interval:
    try:
        return _known(getattr(chip, name)())
    except CatalogError:
        return UNKNOWN


def _io(chip: Accelerator) -> Interval:
    """Both directions of the scale-up links and of PCIe; a blank scale-up link is none where PCIe is stated."""
    scaleup, pcie = chip.scaleup_gb_per_s_per_direction, chip.pcie_gb_per_s_per_direction
    if pcie is not None:
        return _known(2 * ((scaleup or 0.0) + pcie))
    if scaleup is None and chip.market == "datacenter":
        return UNKNOWN
    return 2 * (scaleup or 0.0), 2 * ((scaleup or 0.0) + FASTEST_PCIE_GB_PER_S)
