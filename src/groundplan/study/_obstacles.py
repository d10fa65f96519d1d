"""Everything that stands between a load and one way to serve it, and what would lift each of these things."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from groundplan.catalog import Catalog, Server, export_rules
from groundplan.policy import export_all, residency_all
from groundplan.problem import Change, Problem, first_day, link_between, rounded_up, rules_of, stocked
from groundplan.spec import (
    AnyWorkload,
    Factory,
    HeldPermit,
    LlmWorkload,
    LoadedSpec,
    PurchaseOffer,
    Rule,
    ServedWorkload,
    Site,
    TokenOffer,
    month_number,
)

LEAST_SPLIT = 0.1
LINK_SHARE = 0.7
"""Usual share of a link that a load may fill."""


@dataclass(frozen=True)
class Lift:
    """What takes one obstacle away."""

    kind: str
    text: str
    changes: tuple[Change, ...]
    amount: float | None = None
    unit: str = ""


@dataclass(frozen=True)
class Obstacle:
    """One rule that refuses one way. `lifts`: what would take it away, most useful first; empty: nothing here."""

    kind: str
    key: str
    """The same for ways that one rule refuses for one reason."""
    why: str
    lifts: Callable[[], list[Lift]]
    path: tuple[str | int, ...] = ()
    burden: float = 0.0
    """How far a level would have to be eased at least, as a logarithm; what is no matter of degree weighs nothing."""


@dataclass(frozen=True)
class Ask:
    """A load that nothing may serve."""

    loaded: LoadedSpec
    catalog: Catalog
    problem: Problem
    workload: AnyWorkload
    origin: str
    periods: tuple[int, ...]
    """In which it must be served and is not."""
    peak_per_s: float
    """Largest load; 0 for batch work."""

    @property
    def factory(self) -> Factory:
        return self.loaded.factory

    @property
    def index(self) -> int:
        """Position of the workload in the file."""
        return next(k for k, row in enumerate(self.factory.workloads) if row.id == self.workload.id)

    @property
    def key(self) -> str:
        return f"{self.workload.id}@{self.origin}"


def law(ask: Ask, site: Site) -> Iterator[Obstacle]:
    """Every residency rule that forbids the data at a site in the periods that matter."""
    classes = [row for row in ask.factory.data_classes if row.id in ask.workload.data_classes]
    rules = rules_of(ask.factory)
    seen: dict[str, str] = {}
    for t in ask.periods:
        day = first_day(ask.problem.calendar, t)
        for verdict in residency_all(classes, site, rules=rules, held_permits=ask.factory.held_permits, on=day):
            seen.setdefault(verdict.rule, verdict.why)
    for name, why in seen.items():
        rule = next(row for row in rules if row.id == name)
        yield Obstacle("residency", name, why, _lawful(ask, site, rule), _rule_path(ask, name))


def _rule_path(ask: Ask, rule: str) -> tuple[str | int, ...]:
    """Where the rule stands: in the file, or nowhere but in the data classes that it speaks of."""
    own = [k for k, row in enumerate(ask.factory.rules) if row.id == rule]
    return ("rules", own[0]) if own else ("workloads", ask.index, "data_classes")


def _lawful(ask: Ask, site: Site, rule: Rule) -> Callable[[], list[Lift]]:
    def lifts() -> list[Lift]:
        found = [_permit(ask, name) for name in rule.unless]
        own = [k for k, row in enumerate(ask.factory.rules) if row.id == rule.id]
        if own:
            change = Change(path=("rules", own[0]), field=f"rules[{rule.id}]", old=rule.id, new=None)
            found.append(Lift("residency", f"give up the {rule.severity} rule {rule.id}", (change,)))
        return [*found, _elsewhere(ask, site, rule)]

    return lifts


def _elsewhere(ask: Ask, site: Site, rule: Rule) -> Lift:
    """A site like this one whose facts the rule asks for."""
    law_of = {row.law_of for row in ask.factory.data_classes if row.id in ask.workload.data_classes}
    home = next((code for code in rule.forbid.outside if code in law_of), rule.forbid.outside[0])
    s = next(k for k, row in enumerate(ask.factory.sites) if row.id == site.id)
    changes = []
    for fact in rule.forbid.facts:
        name = "country" if fact == "country" else f"{fact}_country"
        if getattr(site, name) not in rule.forbid.outside:
            field = f"sites[{site.id}].{name}"
            changes.append(Change(path=("sites", s, name), field=field, old=getattr(site, name), new=home))
    facts = " and ".join(change.field.rsplit(".", 1)[-1].replace("_", " ") for change in changes)
    return Lift("residency", f"a site like {site.id} with {facts} {home} satisfies {rule.id}", tuple(changes))


def _permit(ask: Ask, name: str) -> Lift:
    calendar = ask.problem.calendar
    end = month_number(calendar.start) + calendar.horizon_months
    until = f"{end // 12}-{end % 12 + 1:02d}"
    held = HeldPermit(permit=name, from_month=calendar.start, until_month=until).model_dump(mode="json")
    change = Change(path=("held_permits", "+"), field="held_permits", old=None, new=held)
    return Lift("permit", f"hold the permit {name}", (change,))


def export(ask: Ask, site: Site, server: Server) -> Iterator[Obstacle]:
    """Every export rule that keeps new hardware from a site on the plan's first day."""
    if server.accelerator is None:
        return
    part, day = ask.catalog.accelerator(server.accelerator), first_day(ask.problem.calendar, 0)
    rules = {rule.id: rule for rule in export_rules()}
    for verdict in export_all(part, site=site, on=day, held_permits=ask.factory.held_permits):
        if not verdict.allowed:
            permits = rules[verdict.rule].permits
            s = next(k for k, row in enumerate(ask.factory.sites) if row.id == site.id)
            yield Obstacle(
                "export",
                verdict.rule,
                verdict.why,
                lambda permits=permits: [_export_lift(ask, name) for name in permits],
                ("sites", s, "country"),
            )


def _export_lift(ask: Ask, permit: str) -> Lift:
    lift = _permit(ask, permit)
    return Lift("export", lift.text, lift.changes)


def room(ask: Ask, site: Site, server: Server) -> Iterator[Obstacle]:
    """Racks that a server is too dense for, and hardware that comes too late or not at all."""
    height, nameplate = server.racks_share, server.max_power_kw
    if site.hosting is not None and height is not None and nameplate is not None:
        density = nameplate / max(1.0, height)
        if density > site.hosting.rack_limit_kw:
            why = f"{server.id} draws {density:.1f} kW a rack; {site.id} takes {site.hosting.rack_limit_kw:g}"
            yield Obstacle("rack-heat", f"{site.id}/{server.id}", why, lambda: [_denser(ask, site, density)])
    pools = [g for g, p in enumerate(ask.problem.pools) if (p.site.id, p.server.id) == (site.id, server.id)]
    first = ask.periods[0]
    if pools and (stocked(ask.problem, pools[0])[first] or ask.problem.pools[pools[0]].max_nodes == 0):
        return
    for k, offer in enumerate(ask.factory.purchases):
        if site.id in offer.sites and ask.catalog.server(offer.server).id == server.id:
            yield from _lead(ask, k, offer, first)


def _denser(ask: Ask, site: Site, density_kw: float) -> Lift:
    assert site.hosting is not None
    s = next(k for k, row in enumerate(ask.factory.sites) if row.id == site.id)
    new, field = rounded_up(density_kw), f"sites[{site.id}].hosting.rack_limit_kw"
    change = Change(path=("sites", s, "hosting", "rack_limit_kw"), field=field, old=site.hosting.rack_limit_kw, new=new)
    return Lift("rack-heat", f"racks for {new:g} kW at {site.id}", (change,), new, "kW")


def _lead(ask: Ask, k: int, offer: PurchaseOffer, first: int) -> Iterator[Obstacle]:
    """Nodes ordered on the first day that come after the need; available_from counts too."""
    calendar = ask.problem.calendar
    from_month = calendar.offset(offer.available_from) if offer.available_from else 0
    need = int(calendar.start_month[first])
    left = need - max(from_month, 0)
    if left >= offer.lead_months:
        return
    path = ("purchases", k, "lead_months")

    def lifts() -> list[Lift]:
        if left < 0:
            return []
        field = f"purchases[{offer.id}].lead_months"
        change = Change(path=path, field=field, old=offer.lead_months, new=left)
        return [Lift("lead", f"{offer.id} within {left} months", (change,), float(left), "months")]

    why = f"{offer.id} takes {offer.lead_months} months from {offer.available_from or calendar.start}"
    yield Obstacle("lead", offer.id, f"{why}: too late for {calendar.periods[first].id}", lifts, path)


def way(ask: Ask, site: Site) -> tuple[float | None, list[Obstacle]]:
    """Network milliseconds of the way, and what is wrong with it."""
    if ask.origin == site.id:
        return site.lan_rtt_p99_ms, []
    link = link_between(ask.factory, ask.origin, site.id)
    served = ask.workload if isinstance(ask.workload, ServedWorkload) else None
    if link is None:
        why = f"no link leads from {ask.origin} to {site.id}"
        return None, [Obstacle("no-link", ask.origin, why, lambda: [_new_link(ask, site)], ("links",))]
    if served is None:
        return 0.0, []
    upload, download = served.upload_kb_per_unit, served.download_kb_per_unit
    mbit = ask.peak_per_s * 8 * max(upload, download) / 1000
    ms = link.rtt_p99_ms + 8 * (upload + download) / link.bandwidth_mbit_per_s
    carried = link.max_load_share * link.bandwidth_mbit_per_s / mbit if mbit else 1.0
    if carried >= LEAST_SPLIT:
        return ms, []
    why = f"the link from {ask.origin} to {site.id} carries {carried:.0%} of the peak, less than {LEAST_SPLIT:.0%}"
    k = ask.factory.links.index(link)
    path, field = ("links", k, "bandwidth_mbit_per_s"), f"links[{ask.origin}>{site.id}].bandwidth_mbit_per_s"
    new = rounded_up(mbit / link.max_load_share)
    change = Change(path=path, field=field, old=link.bandwidth_mbit_per_s, new=new)
    lift = Lift("bandwidth", f"{new:,.10g} Mbit/s from {ask.origin} to {site.id}", (change,), new, "Mbit/s")
    return ms, [Obstacle("bandwidth", f"{ask.origin}>{site.id}", why, lambda: [lift], path)]


ASSUMED_RTT_MS = 20.0


def _new_link(ask: Ask, site: Site) -> Lift:
    """A link that carries the whole peak; its price is for the user to ask."""
    served = ask.workload if isinstance(ask.workload, ServedWorkload) else None
    kb = max(served.upload_kb_per_unit, served.download_kb_per_unit) if served else 0.0
    mbit = rounded_up(max(ask.peak_per_s * 8 * kb / 1000 / LINK_SHARE, 10.0))
    values = {
        "origin": ask.origin, "site": site.id, "rtt_p50_ms": ASSUMED_RTT_MS / 2, "rtt_p99_ms": ASSUMED_RTT_MS,
        "bandwidth_mbit_per_s": mbit, "max_load_share": LINK_SHARE, "price_usd_per_month": 0.0,
        "egress_usd_per_gb": 0.0,
    }  # fmt: skip
    change = Change(path=("links", "+"), field="links", old=None, new=values)
    text = f"a link from {ask.origin} to {site.id} of {mbit:,.10g} Mbit/s and {ASSUMED_RTT_MS:g} ms (ask its price)"
    return Lift("no-link", text, (change,), mbit, "Mbit/s")


def quoted(ask: Ask, offer: TokenOffer, way_ms: float | None) -> Iterator[Obstacle]:
    """Latencies that a token API quotes beyond the service level."""
    workload = ask.workload
    if way_ms is None or not isinstance(workload, LlmWorkload):
        return
    level = workload.service_level
    for name, least in (("ttft_ms", offer.ttft_ms + way_ms), ("tpot_ms", offer.tpot_ms)):
        old = getattr(level, name)
        if least > old:
            words = name.removesuffix("_ms").upper()
            why = f"quoted {words} {least:.1f} ms, network included, is above {old:g} ms"
            path = ("workloads", ask.index, "service_level", name)
            field = f"workloads[{workload.id}].service_level.{name}"
            change = Change(path=path, field=field, old=old, new=rounded_up(least))
            lift = Lift("latency", f"{words} of {rounded_up(least):g} ms", (change,), rounded_up(least), "ms")
            yield Obstacle("latency", workload.id, why, lambda lift=lift: [lift], path)
