"""What a judgement looks like, which permits count, and how old the law is."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from groundplan.catalog import rules_as_of
from groundplan.spec import HeldPermit

MAX_AGE_DAYS = 60


@dataclass(frozen=True, slots=True)
class Verdict:
    """Allowed or not. `rule` is the id of the rule that refuses or warns ("" where none speaks).

    `why` is one sentence with the path of the proof, fact by fact, parted by ``->``.
    """

    allowed: bool
    rule: str
    why: str


def holds(held_permits: Iterable[HeldPermit], lifting: Iterable[str], on: date) -> bool:
    """Whether one of the permits that lift a rule is held and valid on a day."""
    month = f"{on.year:04d}-{on.month:02d}"
    valid = {held.permit for held in held_permits if held.from_month <= month < held.until_month}
    return not valid.isdisjoint(lifting)


def lifted_by(permits: Iterable[str]) -> str:
    """The tail of a refusal: what would lift it."""
    names = " or ".join(permits)
    return f"; a permit {names} would lift it" if names else "; no permit lifts it"


def as_of() -> date:
    """The day up to which the shipped rules were looked up."""
    return rules_as_of()


def stale_warning(today: date) -> str | None:
    """A sentence to print where the rules are older than 60 days; None while they are fresh."""
    age_days = (today - as_of()).days
    if age_days <= MAX_AGE_DAYS:
        return None
    return (
        f"the rules of law are as of {as_of()}, {age_days} days old (more than {MAX_AGE_DAYS}): "
        "have counsel check what changed since; this is not legal advice"
    )
