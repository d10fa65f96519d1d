"""An action, and what all makers of actions share: dates, words, stock and needs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Any, Literal

from groundplan.report._facts import Facts
from groundplan.report._room import Pool, Room, Shortage
from groundplan.report._words import SPACE, count, sentence_list
from groundplan.spec import Hosting

Kind = Literal[
    "order", "power-block", "open-site", "space-contract", "commitment", "notice", "quota", "link", "token-api",
    "hire", "move", "install", "retire", "end-of-life", "permit",
]  # fmt: skip
NO_NOTICE = "no notice period stated"
WAIT_DAYS = 90


@dataclass(frozen=True, slots=True)
class Action:
    """One thing to do. Dates are days; amounts are undiscounted over the whole plan, and negative where money comes in.

    `planned` is the first day of the period in which the plan does it, `last_safe` the latest day that still works,
    `ready` the day from which the plan uses it. `lead_months` is None where the file states none.
    """

    id: str
    kind: Kind
    what: str
    site: str
    item: str
    quantity: float
    unit: str
    planned: date
    last_safe: date
    ready: date
    lead_months: int | None
    amount_usd: float
    amount_local: float
    currency: str
    due_now_usd: float
    """Deposit of an order; the whole where nothing is paid later."""
    cost_line: str
    consequence: str
    notice: str
    depends_on: tuple[str, ...]

    @property
    def float_days(self) -> int:
        """Days between plan and last safe date; 0 is critical."""
        return (self.last_safe - self.planned).days

    @property
    def can_wait(self) -> bool:
        """Whether it can be put off for a quarter."""
        return self.float_days >= WAIT_DAYS


class Desk:
    """The plan with what the actions share: dates, words, costs by line."""

    def __init__(self, facts: Facts) -> None:
        self.facts, self.plan, self.room = facts, facts.plan, Room(facts)

    def start(self, period: str) -> int:
        """First month of a period, from the start of the plan."""
        return self.room.starts[self.facts.index[period]]

    def day(self, month: int) -> date:
        """First day of a month of the plan."""
        year, number = self.facts.calendar(month)
        return date(year, number, 1)

    def label(self, index: int) -> str:
        return self.facts.label(self.plan.periods[index].id).replace(" ", SPACE)

    def action(self, *, amount_usd: float, **values: Any) -> Action:
        """An action with what is the same for most."""
        money = self.facts.money
        rest: dict[str, Any] = {
            "due_now_usd": amount_usd,
            "notice": "",
            "depends_on": (),
            "lead_months": None,
            **values,
        }
        return Action(amount_usd=amount_usd, amount_local=amount_usd * money.per_usd, currency=money.currency, **rest)

    def runs(self, pool: Pool, index: int) -> str:
        """Titles of what runs on a pool in a period."""
        return few(self.facts.workloads[name].title for name in self.room.workloads(pool, index))

    def lacking(self, pool: Pool, short: Shortage | None) -> str:
        """What happens when the nodes are not there."""
        if short is None:
            return "Nothing in the plan lacks room without it."
        missing = f"{short.nodes} of {count(short.needed, 'node')}"
        where = self.facts.places[pool[0]]
        return f"{self.runs(pool, short.index)} at {where}: {missing} missing from {self.label(short.index)}."

    def hosting(self, site: str) -> Hosting:
        """What a site offers to hardware of one's own; the plan has some there."""
        hosting = self.facts.sites[site].hosting
        if hosting is None:
            raise ValueError(f"{site} hosts no hardware of yours, yet the plan uses it")
        return hosting

    @cached_property
    def openings(self) -> Mapping[str, str]:
        """Period in which each site opens; sites with existing nodes are open already."""
        owned = {item.site for item in self.facts.factory.existing}
        return {site: period for site, period in self.plan.opened.items() if site not in owned}


def few(names: Iterable[str], most: int = 3) -> str:
    """``a, b and 2 more``."""
    words = list(dict.fromkeys(names))
    rest = len(words) - most
    return sentence_list([*words[:most], f"{rest} more"] if rest > 0 else words) if words else "nothing"
