"""How far a site is from where demand arises."""

from __future__ import annotations

from groundplan.spec import Factory, Link, ServedWorkload, Site


def link_between(factory: Factory, origin: str, site: str) -> Link | None:
    """The link of the file, or None."""
    return next((link for link in factory.links if (link.origin, link.site) == (origin, site)), None)


def network_ms(factory: Factory, workload: ServedWorkload, origin: str, site: Site) -> float | None:
    """Round trip p99 plus payload time; None where no way leads from the origin to the site."""
    if origin == site.id:
        return site.lan_rtt_p99_ms
    link = link_between(factory, origin, site.id)
    if link is None:
        return None
    payload_kb = workload.upload_kb_per_unit + workload.download_kb_per_unit
    return link.rtt_p99_ms + 8 * payload_kb / link.bandwidth_mbit_per_s


def share_carried(
    factory: Factory, workload: ServedWorkload, origin: str, site: Site, peak_units_per_s: float
) -> float:
    """Share of a commodity's peak that the way from its origin can carry, by the worse direction; 1 inside a site."""
    link = link_between(factory, origin, site.id)
    if origin == site.id or link is None:
        return 1.0
    kb = max(workload.upload_kb_per_unit, workload.download_kb_per_unit)
    mbit_per_s = peak_units_per_s * 8 * kb / 1000
    return min(1.0, link.max_load_share * link.bandwidth_mbit_per_s / mbit_per_s) if mbit_per_s else 1.0
