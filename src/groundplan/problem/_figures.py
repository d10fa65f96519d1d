"""Figures of servers and days of law that pools and moves both read."""

from __future__ import annotations

from datetime import date

from groundplan.catalog import Server
from groundplan.errors import CatalogError, Issue
from groundplan.problem._calendar import Calendar
from groundplan.spec import Site, month_number


def need(server: Server, figure: str) -> float:
    """A figure of a server; CatalogError when it is blank."""
    value = getattr(server, figure)
    if value is None:
        what = f"{figure} is blank in the catalogue"
        raise CatalogError(
            Issue("catalog-blank", f"server {server.id}", what, f"add {figure} to use this server in a plan")
        )
    return float(value)


def first_day(calendar: Calendar, period: int) -> date:
    """The day on which law is read for a period."""
    number = month_number(calendar.start) + int(calendar.start_month[period])
    return date(number // 12, number % 12 + 1, 1)


def rack_refusal(server: Server, site: Site) -> tuple[str, str] | None:
    """Rule and reason where a rack of the server is hotter than a site of your own takes."""
    if site.hosting is None:
        return None
    density = need(server, "max_power_kw") / max(1.0, need(server, "racks_share"))
    if density <= site.hosting.rack_limit_kw:
        return None
    return "rack-heat", f"{server.id} draws {density:.1f} kW a rack; {site.id} takes {site.hosting.rack_limit_kw:g}"
