"""Break-even of owning against an alternative, under a named convention of what a month is."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from types import MappingProxyType

from groundplan.errors import Issue, SpecError
from groundplan.finance._check import need


@dataclass(frozen=True, slots=True)
class Convention:
    """How long a month and a year are in a study; published break-evens differ mostly by this."""

    name: str
    hours_per_month: float
    hours_per_year: float
    source: str


CONVENTIONS: Mapping[str, Convention] = MappingProxyType(
    {
        one.name: one
        for one in (
            Convention("groundplan", 730.0, 8760.0, "docs/conventions.md"),
            Convention("lenovo-2025", 720.0, 8760.0, "Lenovo Press LP2225 (2025): months of 30 days"),
            Convention("lenovo-2026", 730.0, 8760.0, "Lenovo Press LP2368 (2026)"),
            Convention("pan-2025", 176.0, 2112.0, "Pan et al., arXiv 2509.18101: 22 days of 8 hours a month"),
            Convention("epoch-2024", 730.5, 8766.0, "Epoch AI, arXiv 2405.21015: years of 365.25 days"),
        )
    }
)


def convention(name: str) -> Convention:
    """A preset by name; SpecError with the near ones when unknown."""
    if name in CONVENTIONS:
        return CONVENTIONS[name]
    near = get_close_matches(name, CONVENTIONS, n=2, cutoff=0.3) or sorted(CONVENTIONS)
    what = f"unknown convention {name!r}"
    raise SpecError(Issue("finance-convention", "convention", what, f"did you mean {' or '.join(near)}?"))


def break_even_hours(capex_usd: float, alternative_usd_per_hour: float, own_usd_per_hour: float) -> float:
    """Hours of use after which owning has cost less: ``capex / (alternative - own)``.

    Undiscounted. Infinite where the alternative is no dearer than running one's own.
    """
    need("break_even_hours.capex_usd", capex_usd, low=0)
    need("break_even_hours.alternative_usd_per_hour", alternative_usd_per_hour, low=0)
    saving = alternative_usd_per_hour - need("break_even_hours.own_usd_per_hour", own_usd_per_hour, low=0)
    return capex_usd / saving if saving > 0 else math.inf


def break_even_months(hours: float, how: Convention, utilisation_share: float = 1.0) -> float:
    """Months until so many hours are used: ``hours / (hours_per_month x utilisation)``; inf stays inf."""
    need("break_even_months.utilisation_share", utilisation_share, above=0)
    if utilisation_share > 1:
        what = f"a utilisation of {utilisation_share:g}"
        raise SpecError(Issue("finance-value", "break_even_months", what, "it is a share, at most 1"))
    if hours != math.inf:
        need("break_even_months.hours", hours, low=0)
    return hours / (how.hours_per_month * utilisation_share)


def discounted_break_even_months(capex_usd: float, saving_usd_per_month: float, rate: float) -> float:
    """Months until discounted savings repay the capex: least n with ``saving x (1 - v^n) x v/(1 - v) >= capex``.

    Savings fall due at the end of each month, ``v = (1 + rate)^(-1/12)``; the answer is not rounded to whole
    months. rate = 0: capex / saving. Infinite where the savings never repay it.
    """
    need("discounted_break_even_months.capex_usd", capex_usd, low=0)
    need("discounted_break_even_months.saving_usd_per_month", saving_usd_per_month)
    month_log = math.log1p(need("discounted_break_even_months.rate", rate, low=0)) / 12
    if saving_usd_per_month <= 0:
        return math.inf if capex_usd > 0 else 0.0
    unpaid = capex_usd / saving_usd_per_month * math.expm1(month_log)
    if unpaid >= 1:
        return math.inf
    return -math.log1p(-unpaid) / month_log if unpaid > 0 else capex_usd / saving_usd_per_month


def break_even_utilisation(
    own_usd_per_available_hour: float, rental_usd_per_hour: float, busy_usd_per_hour: float = 0.0
) -> float:
    """Utilised share of the hours from which owning costs no more than renting by the hour of use.

    ``own / share + busy = rental``, so ``share = own / (rental - busy)``. `own` is paid for every hour that hardware
    is there, `busy` for an hour of work on top (power, say). Above 1: not even when always busy; infinite where the
    rental is no dearer than the hour of work alone. All three in US dollars per accelerator-hour, or per node-hour.
    """
    need("break_even_utilisation.own_usd_per_available_hour", own_usd_per_available_hour, low=0)
    saving = need("break_even_utilisation.rental_usd_per_hour", rental_usd_per_hour, low=0)
    saving -= need("break_even_utilisation.busy_usd_per_hour", busy_usd_per_hour, low=0)
    return own_usd_per_available_hour / saving if saving > 0 else math.inf
