"""Export control: the class of an accelerator by its figures, and what destination and ownership make of it.

A blank figure never reads as exempt: where it could decide, the answer is "refused" with what to add.
Source of the tests: ECCN 3A090 and its technical note 2 (15 CFR 774 supplement 1); the data are the catalogue's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date

from groundplan.catalog import (
    Accelerator,
    ChipTest,
    ExportRule,
    assumed_members,
    country_group,
    export_paragraphs,
    export_rules,
)
from groundplan.errors import CatalogError
from groundplan.policy._residency import country_of
from groundplan.policy._verdict import Verdict, holds, lifted_by
from groundplan.spec import HeldPermit, Site

NOT_LISTED = "not 3A090"
UNDETERMINED = "undetermined"
# Both directions of PCIe 6 x16: no card without a scale-up link moves more.
PCIE_CEILING_GB_PER_S = 256.0
HOLDERS = ("owner", "operator", "parent")
NEEDS = {
    "licence": "needs a licence",
    "presumption-of-denial": "needs a licence that is presumed denied",
    "notify": "needs a notification",
    "warn": "warns",
}


@dataclass(frozen=True, slots=True)
class ExportClass:
    """Class of a chip on a day. `paragraph` is a paragraph id, ``not 3A090`` or ``undetermined``.

    `tpp` is dense TOPS x bit length; `performance_density` is TPP per mm2 of applicable die; None where the
    catalogue leaves blank what they need.
    """

    tpp: float | None
    performance_density: float | None
    paragraph: str
    why: str


@dataclass(frozen=True, slots=True)
class _Finding:
    """Outcome of a test: True, False, or None where the blank figures in `missing` decide."""

    holds: bool | None
    missing: tuple[str, ...] = ()


def export_class(accelerator: Accelerator, on: date) -> ExportClass:
    """Classify a chip by the paragraphs in force on a day, the first that it falls under."""
    figures = _figures_of(accelerator)
    findings = {p.id: _judge(p.when, accelerator) for p in export_paragraphs() if p.in_force(on)}
    hit = next((name for name, finding in findings.items() if finding.holds), None)
    missing = sorted({field for finding in findings.values() for field in finding.missing})
    said = f"{accelerator.id} ({_said(accelerator)}) on {on}"
    if hit is not None:
        why = f"{said} falls under {hit}"
    elif missing:
        why = f"{said} cannot be classed: the catalogue row lacks {' and '.join(missing)}"
    else:
        why = f"{said} falls under no paragraph"
    paragraph = hit or (UNDETERMINED if missing else NOT_LISTED)
    return ExportClass(figures["tpp"], figures["density"], paragraph, why)


def export(
    accelerator: Accelerator | None, *, site: Site, on: date, held_permits: Iterable[HeldPermit] = ()
) -> Verdict:
    """Judge bringing a chip to a site: by country, and by the seats of owner, operator and parent.

    The first refusal in the order of the rules, else the first warning (allowed, with its rule), else allowed.
    None stands for a server without accelerators, which no rule here restricts.
    """
    found = export_all(accelerator, site=site, on=on, held_permits=held_permits)
    free = Verdict(True, "", f"no export rule in force on {on} speaks of it at site {site.id}")
    refused = (verdict for verdict in found if not verdict.allowed)
    return next(refused, found[0] if found else free)


def export_all(
    accelerator: Accelerator | None, *, site: Site, on: date, held_permits: Iterable[HeldPermit] = ()
) -> tuple[Verdict, ...]:
    """Every refusal and warning, in the order of the rules; rules lifted by a held permit are left out."""
    held_permits = tuple(held_permits)
    if accelerator is None:
        return ()
    verdicts = (
        _apply(rule, accelerator, site, on)
        for rule in export_rules()
        if rule.in_force(on) and not holds(held_permits, rule.permits, on)
    )
    return tuple(verdict for verdict in verdicts if verdict is not None)


def _apply(rule: ExportRule, chip: Accelerator, site: Site, on: date) -> Verdict | None:
    place = _reaches(rule, site, on)
    if place is None:
        return None
    finding, paragraph = _falls_under(rule, chip, on)
    if finding.holds is False:
        return None
    under = f" -> {paragraph}" if paragraph else ""
    if finding.holds is None:
        fix = f"the catalogue row lacks {' and '.join(finding.missing)}, which could decide: add it"
        why = f"{chip.id} ({_said(chip)}) -> {rule.id} cannot be excluded for {place}: {fix}"
    else:
        why = f"{chip.id} ({_said(chip)}){under} -> {rule.id} {NEEDS[rule.outcome]} for {place}: {rule.note}"
    warns = rule.outcome == "warn"
    return Verdict(warns, rule.id, why if warns else why + lifted_by(rule.permits))


def _reaches(rule: ExportRule, site: Site, on: date) -> str | None:
    """By which fact of the site the rule reaches it; None where it does not."""
    if any(site.country in country_group(name, on) for name in rule.except_destinations):
        return None
    if rule.anywhere:
        return f"use anywhere, so at site {site.id}"
    for name in rule.destinations:
        if site.country in country_group(name, on):
            return f"group {name}{_assumed(name, site.country)} -> site {site.id} is in {site.country}"
    for name in rule.parents:
        for holder in HOLDERS:
            if (country := country_of(site, holder)) in country_group(name, on):
                said = f"group {name}{_assumed(name, country)}"
                return f"companies of {said} -> {holder} of site {site.id} is {country}"
    return None


def _assumed(group: str, country: str) -> str:
    return f" (that {country} is in it is assumed)" if country in assumed_members(group) else ""


def _falls_under(rule: ExportRule, chip: Accelerator, on: date) -> tuple[_Finding, str]:
    """The rule's own test and any one of its paragraphs; with the paragraph that decides."""
    own = _judge(rule.when, chip)
    if own.holds is False or not rule.paragraphs:
        return own, ""
    best, name = _Finding(False), ""
    for paragraph in export_paragraphs():
        if paragraph.id in rule.paragraphs and paragraph.in_force(on):
            finding = _judge(paragraph.when, chip)
            if finding.holds:
                return own, paragraph.id
            if finding.holds is None:
                best, name = finding, paragraph.id
    return best, name


def _judge(test: ChipTest, chip: Accelerator) -> _Finding:
    """All stated limits must hold; one that fails settles it, blanks elsewhere or not."""
    if not all(_names_hold(test, chip)):
        return _Finding(False)
    figures = _figures_of(chip)
    missing = []
    for figure, low, below in _limits(test):
        value = figures[figure]
        if low is None and below is None:
            continue
        if value is None:
            missing.append(BLANKS[figure](chip))
        elif (low is not None and value < low) or (below is not None and value >= below):
            return _Finding(False)
    return _Finding(None, tuple(missing)) if missing else _Finding(True)


def _names_hold(test: ChipTest, chip: Accelerator) -> Iterator[bool]:
    yield test.datacenter is None or test.datacenter == (chip.market == "datacenter")
    yield not test.vendors or chip.vendor in test.vendors
    yield not test.vendor_countries or chip.vendor_country in test.vendor_countries
    yield chip.vendor_country not in test.except_vendor_countries


def _limits(test: ChipTest) -> Iterator[tuple[str, float | None, float | None]]:
    yield "tpp", test.min_tpp_tops, test.below_tpp_tops
    yield "density", test.min_density_tops_per_mm2, test.below_density_tops_per_mm2
    yield "dram", test.min_dram_gb_per_s, test.below_dram_gb_per_s
    yield "io", test.min_io_gb_per_s, None
    yield "dram_and_io", test.min_dram_and_io_gb_per_s, None


def _figures_of(chip: Accelerator) -> dict[str, float | None]:
    io, dram = _io_gb_per_s(chip), chip.mem_bw_gb_per_s
    return {
        "tpp": _or_none(chip.total_processing_performance),
        "density": _or_none(chip.performance_density),
        "dram": dram,
        "io": io,
        "dram_and_io": None if io is None or dram is None else dram + io,
    }


def _or_none(figure: Callable[[], float]) -> float | None:
    try:
        return figure()
    except CatalogError:
        return None


def _io_gb_per_s(chip: Accelerator) -> float | None:
    """All I/O but memory, both directions. A blank scale-up link reads as none (so the catalogue defines it)
    unless PCIe is blank too on a data-centre part; a blank PCIe link reads as the fastest there is.
    """
    if chip.market == "datacenter" and chip.scaleup_gb_per_s_per_direction is None:
        return None if chip.pcie_gb_per_s_per_direction is None else 2 * chip.pcie_gb_per_s_per_direction
    pcie = chip.pcie_gb_per_s_per_direction
    both = PCIE_CEILING_GB_PER_S if pcie is None else 2 * pcie
    return 2 * (chip.scaleup_gb_per_s_per_direction or 0.0) + both


def _density_blank(chip: Accelerator) -> str:
    return "applicable_die_mm2" if chip.applicable_die_mm2 is None else "a dense tensor rate"


BLANKS: dict[str, Callable[[Accelerator], str]] = {
    "tpp": lambda _: "a dense tensor rate",
    "density": _density_blank,
    "dram": lambda _: "mem_bw_gb_per_s",
    "io": lambda _: "pcie_gb_per_s_per_direction",
    "dram_and_io": lambda chip: "mem_bw_gb_per_s" if chip.mem_bw_gb_per_s is None else "pcie_gb_per_s_per_direction",
}


def _said(chip: Accelerator) -> str:
    figures = _figures_of(chip)
    tpp = "TPP blank" if figures["tpp"] is None else f"TPP {figures['tpp']:.0f}"
    density = "density blank" if figures["density"] is None else f"density {figures['density']:.2f}"
    market = "data-centre part" if chip.market == "datacenter" else "no data-centre part"
    return f"{tpp}, {density}, {market}"
