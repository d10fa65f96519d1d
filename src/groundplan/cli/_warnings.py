"""What a user should know beside the answer: sentences to standard error, and a list in JSON."""

from __future__ import annotations

import sys
from datetime import date

from groundplan.policy import stale_warning


def warnings(today: date | None = None) -> list[str]:
    """Every warning of the day; nothing of it stands in a plan or a report, which stay the same tomorrow."""
    said = stale_warning(today or date.today())
    return [said] if said else []


def say_warnings(found: list[str]) -> None:
    """One line each."""
    for warning in found:
        print(f"warning: {warning}", file=sys.stderr)
