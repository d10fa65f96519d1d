"""Before solving: could the model earn money by trading instead of serving?

A linear program finds any free money there is. Three things are checked for every offer:

- early: buying before it is needed costs less, carrying included, than buying when it is needed;
- resale: an old node sells for more than a new one of the same kind costs;
- residual: what is credited at the end of the horizon exceeds the price of a new node on that day. The node
  still costs its buyer something, so this is a bias towards late purchases, not free money: warn, go on.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from groundplan.finance._check import need
from groundplan.finance._time import annuity_share_left, discount_factor

TOLERANCE = 1e-9  # of the price: a tie is no free money


@dataclass(frozen=True, slots=True)
class OfferTerms:
    """What the check needs of a purchase offer. Prices are per node, on the plan's first day."""

    offer: str
    price_usd: float
    price_change_per_year_rate: float
    life_months: float
    lead_months: float = 0.0
    carrying_usd_per_month: float = 0.0
    """Cost of holding an idle node: maintenance, software, space, idle energy."""
    resale_usd: float = 0.0
    """Of an existing node of the same server, where there is one."""
    resale_decline_per_year_rate: float = 0.0

    def price_at_usd(self, month: float) -> float:
        """Price on a day: ``price x (1 + change)^(month / 12)``."""
        return self.price_usd * (1 + self.price_change_per_year_rate) ** (month / 12)

    def resale_at_usd(self, month: float) -> float:
        """Resale on a day: ``resale x (1 - decline)^(month / 12)``."""
        return self.resale_usd * (1 - self.resale_decline_per_year_rate) ** (month / 12)


@dataclass(frozen=True, slots=True)
class MoneyPump:
    """What trading gains: with this offer, between these months, per node, in dollars of the first day."""

    offer: str
    from_month: float
    to_month: float
    kind: Literal["early", "residual", "resale"]
    gain_usd: float

    @property
    def is_free_money(self) -> bool:
        """True: a program may live on it, so refuse to solve. False: a bias to warn of."""
        return self.kind != "residual"


def money_pump(
    offers: Iterable[OfferTerms], *, order_months: Sequence[float], horizon_months: float, rate: float
) -> tuple[MoneyPump, ...]:
    """Every (offer, u, v) that earns money without serving; empty when the program cannot be pumped.

    `order_months` are the months, since the start of the plan and rising, in which one can order.

    With ``d(m) = (1 + rate)^-(m / 12)``:
    early, u < v: ``d(u) price(u) + d((u + v) / 2) carrying x (v - u) < d(v) price(v)``;
    residual, v = end: ``price(u) x annuity share left at the age end - u - lead > price(end)``;
    resale, u = v: ``resale(u) > price(u)``. Raises SpecError for values that no offer can have.
    """
    need("money_pump.rate", rate, low=0)
    need("money_pump.horizon_months", horizon_months, above=0)
    months = [need("money_pump.order_months", month, low=0) for month in order_months]
    found: list[MoneyPump] = []
    for terms in offers:
        _check(terms)
        pumps = (
            *_early(terms, months, rate),
            *_residual(terms, months, horizon_months, rate),
            *_resale(terms, months, rate),
        )
        found += [pump for pump in pumps if pump.gain_usd > TOLERANCE * terms.price_usd]
    return tuple(found)


def _check(terms: OfferTerms) -> None:
    place = f"offer {terms.offer}"
    need(f"{place}.price_usd", terms.price_usd, above=0)
    need(f"{place}.price_change_per_year_rate", terms.price_change_per_year_rate, above=-1)
    need(f"{place}.life_months", terms.life_months, above=0)
    need(f"{place}.lead_months", terms.lead_months, low=0)
    need(f"{place}.carrying_usd_per_month", terms.carrying_usd_per_month, low=0)
    need(f"{place}.resale_usd", terms.resale_usd, low=0)
    need(f"{place}.resale_decline_per_year_rate", 1 - terms.resale_decline_per_year_rate, low=0)


def _early(terms: OfferTerms, months: Sequence[float], rate: float) -> Iterator[MoneyPump]:
    worth = [discount_factor(rate, month) * terms.price_at_usd(month) for month in months]
    for first, start in enumerate(months):
        for later in range(first + 1, len(months)):
            held_usd = _carrying(terms, start, months[later], rate)
            gain_usd = worth[later] - worth[first] - held_usd
            yield MoneyPump(terms.offer, start, months[later], "early", gain_usd)


def _carrying(terms: OfferTerms, start: float, end: float, rate: float) -> float:
    """Carrying cost between two months, discounted at the middle of the span."""
    return terms.carrying_usd_per_month * (end - start) * discount_factor(rate, (start + end) / 2)


def _residual(terms: OfferTerms, months: Sequence[float], end: float, rate: float) -> Iterator[MoneyPump]:
    for month in months:
        age = end - month - terms.lead_months
        if age >= 0:
            credit_usd = terms.price_at_usd(month) * annuity_share_left(rate, terms.life_months, age)
            gain_usd = discount_factor(rate, end) * (credit_usd - terms.price_at_usd(end))
            yield MoneyPump(terms.offer, month, end, "residual", gain_usd)


def _resale(terms: OfferTerms, months: Sequence[float], rate: float) -> Iterator[MoneyPump]:
    for month in months:
        gain_usd = discount_factor(rate, month) * (terms.resale_at_usd(month) - terms.price_at_usd(month))
        yield MoneyPump(terms.offer, month, month, "resale", gain_usd)
