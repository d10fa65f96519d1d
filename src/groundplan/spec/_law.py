"""Data classes and the one rule record that data law, contracts and house rules share."""

from __future__ import annotations

from datetime import date
from typing import Literal

from pydantic import Field

from groundplan.spec._base import CountryCode, Id, Month, Strict

Verb = Literal["store", "process", "access"]
SiteFact = Literal["country", "owner", "operator", "parent", "key_holder"]


class DataClass(Strict):
    """What a workload's data is in the eyes of the law."""

    id: Id
    title: str
    labels: tuple[str, ...] = Field(min_length=1)
    """Rule vocabulary: nct (national core technology), personal, important, production, public ..."""
    law_of: CountryCode
    """Country whose law attaches to the data."""


class RuleWhen(Strict):
    """The data that a rule speaks of: any data class that carries one of the labels (and that law)."""

    labels: tuple[str, ...] = Field(min_length=1)
    law_of: CountryCode | None = None
    """Blank: whatever the law."""


class RuleForbid(Strict):
    """Forbidden: these verbs wherever one of these site facts names a country outside the list."""

    verbs: tuple[Verb, ...] = Field(min_length=1)
    outside: tuple[CountryCode, ...] = Field(min_length=1)
    facts: tuple[SiteFact, ...] = Field(min_length=1)


class Rule(Strict):
    """One residency or control rule, in force on [from_date, until_date)."""

    id: Id
    when: RuleWhen
    forbid: RuleForbid
    unless: tuple[Id, ...] = ()
    """Permits that lift the rule."""
    from_date: date
    until_date: date | None = None
    cite: str = Field(min_length=1)
    note: str = Field(min_length=1)
    """One sentence that a CTO can read."""
    severity: Literal["law", "contract", "house"] = "law"


class HeldPermit(Strict):
    """A permit that is already in hand, valid on [from_month, until_month)."""

    permit: Id
    from_month: Month
    until_month: Month
