"""Rules of law as dated data: residency and control rules, and export control of accelerators.

Residency rules use the one rule record of the factory file (`groundplan.spec.Rule`), so law, contracts and
house rules are judged alike. That record can only say "these verbs are forbidden where a site fact lies
outside these countries, unless a permit is held". Law that needs more is left out, not bent:

- obligations that forbid no place (EU AI Act, Korean AI Basic Act, Data Act access and switching duties);
- EU Data Act article 32 and the EU cloud sovereignty levels (measures and scores of a provider);
- the EU-US Data Privacy Framework (adequate only for certified importers: use `scc-tia`);
- exemptions by purpose (Vietnamese Data Law: emergency, contract, staff; nine of the Chinese car-data guide);
- yearly counts of persons (China): stated by the label of the volume tier instead;
- remote look-ups from abroad of data that stays in the country: state who operates the site;
- what a model inherits from its training data (EDPB 28/2024): label the workload's data class;
- lists of entities, the US bulk-data rule, the suspended AI Diffusion rule, Taiwanese chip export permits.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from datetime import date
from functools import cache
from importlib.resources import files
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import BaseModel, Field, ValidationError, model_validator

from groundplan.catalog._base import CountryCode, Frozen, Positive
from groundplan.errors import CatalogError, Issue
from groundplan.spec import Rule

M = TypeVar("M", bound=BaseModel)
RuleId = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]*$", max_length=64)]
Outcome = Literal["licence", "presumption-of-denial", "notify", "warn"]


class Dated(Frozen):
    """In force on [from_date, until_date); a blank end is open."""

    from_date: date
    until_date: date | None = None

    def in_force(self, on: date) -> bool:
        """Whether the record applies on a day."""
        return self.from_date <= on and (self.until_date is None or on < self.until_date)


class FreeLabel(Frozen):
    """A label that no rule of the catalogue restricts, said on purpose: unknown labels are refused."""

    label: RuleId
    laws: tuple[CountryCode, ...] = ()
    """Countries under whose law it is free; blank: any."""
    note: str = Field(min_length=1)


class ChipTest(Frozen):
    """Limits on an accelerator; all stated ones must hold. Bounds: `min_` is inclusive, `below_` exclusive.

    TPP = max over formats of dense TOPS x bit length; density = TPP / applicable die area (ECCN 3A090,
    technical note 2). DRAM and I/O bandwidths are totals of the package, both directions.
    """

    datacenter: bool | None = None
    """Designed or marketed for data centres."""
    vendors: tuple[str, ...] = ()
    vendor_countries: tuple[CountryCode, ...] = ()
    except_vendor_countries: tuple[CountryCode, ...] = ()
    min_tpp_tops: Positive | None = None
    below_tpp_tops: Positive | None = None
    min_density_tops_per_mm2: Positive | None = None
    below_density_tops_per_mm2: Positive | None = None
    min_dram_gb_per_s: Positive | None = None
    below_dram_gb_per_s: Positive | None = None
    min_io_gb_per_s: Positive | None = None
    min_dram_and_io_gb_per_s: Positive | None = None


class ExportParagraph(Dated):
    """One paragraph of a control list entry, as a test on the chip alone."""

    id: str = Field(min_length=1)
    """Such as ``3A090.a.1``."""
    when: ChipTest
    cite: str = Field(min_length=1)
    note: str = Field(min_length=1)


class ExportRule(Dated):
    """What a destination, or the seat of who receives the chip, makes of it.

    It applies where the country is in none of the `except_destinations` and either `anywhere` is set, the
    country is in one of the `destinations`, or the owner, operator or ultimate parent sits in one of the
    `parents` (headquarters rule); and where the chip passes `when` and, if any are named, falls under one of
    the `paragraphs`. Rules do not depend on their order. Each of `permits` lifts it; ``warn`` forbids nothing.
    """

    id: RuleId
    paragraphs: tuple[str, ...] = ()
    when: ChipTest = ChipTest()
    anywhere: bool = False
    destinations: tuple[str, ...] = ()
    """Names of country groups."""
    except_destinations: tuple[str, ...] = ()
    parents: tuple[str, ...] = ()
    outcome: Outcome
    permits: tuple[RuleId, ...] = ()
    cite: str = Field(min_length=1)
    note: str = Field(min_length=1)


class GroupMember(Frozen):
    """A country's stay in a group, on [from_date, until_date); blank ends are open."""

    code: CountryCode
    from_date: date | None = None
    until_date: date | None = None

    def in_force(self, on: date) -> bool:
        """Whether the country is listed on a day."""
        return (self.from_date is None or self.from_date <= on) and (self.until_date is None or on < self.until_date)


class CountryGroup(Frozen):
    """A country group of 15 CFR 740 supplement 1, or one that a rule defines."""

    members: tuple[CountryCode, ...] = ()
    """Listed on every day that this catalogue speaks of."""
    dated_members: tuple[GroupMember, ...] = ()
    assumed: tuple[CountryCode, ...] = ()
    """Members that no source at hand confirms."""
    cite: str = Field(min_length=1)
    note: str = ""

    @model_validator(mode="after")
    def _assumed_are_members(self) -> Self:
        if strange := set(self.assumed) - {*self.members, *(member.code for member in self.dated_members)}:
            raise ValueError(f"assumed names no member: {', '.join(sorted(strange))}")
        return self


@cache
def rules() -> tuple[Rule, ...]:
    """Every residency and control rule of the catalogue, all vintages, in file order; severity ``law``."""
    data = _read("rules")
    groups: Mapping[str, list[str]] = data["groups"]
    return tuple(_record("rules", Rule, _with_groups(raw, groups)) for raw in data["rules"])


@cache
def free_labels() -> tuple[FreeLabel, ...]:
    """Labels that are known and restricted by no rule of the catalogue."""
    return tuple(_record("rules", FreeLabel, raw) for raw in _read("rules")["free"])


@cache
def rules_as_of() -> date:
    """The day up to which the law was looked up: the older of the two files' own dates."""
    return min(_read("rules")["as_of"], _read("export")["as_of"])


@cache
def export_paragraphs() -> tuple[ExportParagraph, ...]:
    """The control list paragraphs, all vintages, in file order."""
    return tuple(_record("export", ExportParagraph, raw) for raw in _read("export")["paragraphs"])


@cache
def export_rules() -> tuple[ExportRule, ...]:
    """The export rules, all vintages, in file order; groups and paragraphs they name exist."""
    found = tuple(_record("export", ExportRule, raw) for raw in _read("export")["rules"])
    paragraphs = {paragraph.id for paragraph in export_paragraphs()}
    for rule in found:
        for name in (*rule.destinations, *rule.except_destinations, *rule.parents):
            _known("country group", name, _groups(), rule.id)
        for name in rule.paragraphs:
            _known("paragraph", name, paragraphs, rule.id)
    return found


@cache
def country_group(name: str, on: date) -> frozenset[str]:
    """ISO codes of a country group on a day; CatalogError for a group that the data does not have."""
    _known("country group", name, _groups(), "country_group")
    group = _groups()[name]
    return frozenset(group.members) | {member.code for member in group.dated_members if member.in_force(on)}


def assumed_members(name: str) -> frozenset[str]:
    """ISO codes of the members of a country group that no source at hand confirms."""
    _known("country group", name, _groups(), "assumed_members")
    return frozenset(_groups()[name].assumed)


@cache
def _groups() -> Mapping[str, CountryGroup]:
    return {name: _record("export", CountryGroup, raw, name) for name, raw in _read("export")["groups"].items()}


@cache
def _read(name: str) -> dict[str, Any]:
    text = (files("groundplan.catalog") / "data" / f"{name}.toml").read_text("utf-8")
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise CatalogError(Issue("catalog-file", f"{name}.toml", str(error), "mend the file")) from error


def _with_groups(raw: Mapping[str, Any], groups: Mapping[str, list[str]]) -> dict[str, Any]:
    """A rule with the countries of `forbid.outside_groups` written out in `forbid.outside`."""
    forbid = dict(raw["forbid"])
    named = forbid.pop("outside_groups", [])
    for name in named:
        _known("country group", name, groups, raw["id"])
    countries = [*forbid.get("outside", []), *(code for name in named for code in groups[name])]
    return {**raw, "forbid": {**forbid, "outside": list(dict.fromkeys(countries))}}


def _record(file: str, kind: type[M], raw: Mapping[str, Any], name: str | None = None) -> M:
    try:
        return kind.model_validate(raw)
    except ValidationError as error:
        where = f"{file}.toml:{name or raw.get('id') or raw.get('label')}"
        issues = [
            Issue("catalog-row", f"{where}.{'.'.join(map(str, fault['loc']))}", fault["msg"], "correct the row")
            for fault in error.errors()
        ]
        raise CatalogError(issues) from error


def _known(what: str, name: str, names: Any, where: str) -> None:
    if name not in names:
        hint = f"known: {', '.join(sorted(names))}"
        raise CatalogError(Issue("catalog-unknown", where, f"unknown {what} {name!r}", hint))
