"""The limits of a factory file in its own terms, each with the columns by which it may give."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from math import ceil, floor

import numpy as np

from groundplan.optimize._elastic import Give, Rows
from groundplan.optimize._frame import Frame
from groundplan.optimize._variables import demand_share
from groundplan.problem import Change, Limit, first_arrival, rounded_down, rounded_up
from groundplan.spec import Batch, OnceDemand, Served

MILLION = 1e6
Shapes = Mapping[str, Rows]


@dataclass(frozen=True)
class Group:
    """One limit; `words` holds ``{amount}``, `changes` the edits that an amount (in `unit`) stands for."""

    limit: Limit
    gives: tuple[Give, ...]
    unit: str
    words: str
    changes: Callable[[float], tuple[Change, ...]]
    per_column: float = 1.0
    """Units of one of the column."""
    demand: int | None = None
    """Position in `Frame.commodity`, or behind them in `Frame.job`; None for what is no demand."""

    @property
    def whole(self) -> bool:
        return all(give.whole for give in self.gives)

    def said(self, amount: float) -> str:
        """An amount in words."""
        text = f"{amount:.1%}" if self.unit == "share" else f"{amount:,.10g}"
        words = "do without it" if self.demand is not None and amount == 1.0 else self.words.format(amount=text)
        return f"{words}: {'; '.join(map(str, self.changes(amount)))}"

    def rounded(self, used: float) -> float:
        """The amount that a column's value stands for, up to the next that reads well."""
        value = used * self.per_column
        if self.whole:
            return float(ceil(value - 1e-6))
        if self.unit == "share":
            return min(1.0, ceil(value * 1000 - 1e-4) / 1000)
        return rounded_up(value * (1 + 1e-6))


def groups(f: Frame, rows: Shapes) -> tuple[Group, ...]:
    """Every limit that may give, those that best explain a conflict first."""
    families = (
        _demands, _work, _site_figures, _deliveries, _leads, _rentals, _tokens, _links, _budgets, _floors, _failover,
        _survival,
    )  # fmt: skip
    return tuple(group for family in families for group in family(f, rows))


def late(f: Frame, rows: Shapes) -> Iterator[tuple[Give, ...]]:
    """For each commodity, then each job: columns that let go of its demand period by period."""
    share = demand_share(f)
    for i in range(len(f.commodity)):
        yield tuple(_shed(f, rows, share, i, [t]) for t in range(len(f.period)))
    for j in range(len(f.job)):
        windows = f.problem.jobs[j].windows
        ends = [window.periods[-1] if window.periods else -1 for window in windows]
        yield tuple(_undone(f, rows, j, [w for w, end in enumerate(ends) if end == t]) for t in range(len(f.period)))


def _shed(f: Frame, rows: Shapes, share: np.ndarray, i: int, periods: list[int], most: float = 1.0) -> Give:
    """A share of a commodity's load in some periods that nobody asks for."""
    asked = np.zeros(share.shape)
    asked[i, periods] = share[i, periods]
    return Give(most, 3.0, False, (("demand", asked), ("site_loss", _lost(f, asked[:, :, -1], [i]))))


def _lost(f: Frame, peak: np.ndarray, only: list[int]) -> np.ndarray:
    """[loss, period] what the loss of a site would ask for, of some commodities."""
    values = np.zeros((len(f.loss), len(f.period)))
    for k, (i, _) in enumerate(f.losses):
        if i in only:
            values[k] = f.problem.commodities[i].workload.failover_share * peak[i]
    return values


def _demands(f: Frame, rows: Shapes) -> Iterator[Group]:
    share = demand_share(f)
    for i, commodity in enumerate(f.problem.commodities):
        workload = commodity.workload
        if not workload.required:
            continue
        k, d = _demand_place(f, workload.id, commodity.origin)
        path = ("workloads", k, "demand", d)
        title = f"{workload.id} from {commodity.origin}"
        yield Group(
            Limit(kind="demand", id=commodity.key, title=title, path=path),
            (_shed(f, rows, share, i, list(range(len(f.period)))),),
            "share",
            f"serve {{amount}} less of {title}",
            _less(f, k, d),
            demand=i,
        )


def _demand_place(f: Frame, workload: str, origin: str) -> tuple[int, int]:
    """Positions of a workload and of its demand in the file."""
    rows = f.problem.factory.workloads
    k = next(k for k, row in enumerate(rows) if row.id == workload)
    return k, next(d for d, demand in enumerate(rows[k].demand) if demand.origin == origin)


def _less(f: Frame, k: int, d: int) -> Callable[[float], tuple[Change, ...]]:
    """Edits that take a share off a demand; all of it: the demand goes, and with its last one the workload."""
    workload = f.problem.factory.workloads[k]
    demand = workload.demand[d]
    names = ("requests_per_s", "robots_count", "cameras_count", "channels_count", "work_units_per_month")
    once = isinstance(demand, OnceDemand)
    name = "train_tokens" if once else next(name for name in names if hasattr(demand, name))
    old = getattr(workload if once else demand, name)
    place = f"workloads[{workload.id}]" + ("" if once else f".demand[{demand.origin}]")
    path = ("workloads", k, name) if once else ("workloads", k, "demand", d, name)

    def changes(amount: float) -> tuple[Change, ...]:
        left = old * (1 - amount)
        new = floor(left + 1e-9) if isinstance(old, int) else rounded_down(left) if left > 1e-9 * old else 0.0
        if new > 0:
            return (Change(path=path, field=f"{place}.{name}", old=old, new=new),)
        alone = len(workload.demand) == 1
        gone = path[:2] if alone else ("workloads", k, "demand", d)
        return (Change(path=gone, field=f"workloads[{workload.id}]" if alone else place, old=old, new=None),)

    return changes


def _work(f: Frame, rows: Shapes) -> Iterator[Group]:
    for j, job in enumerate(f.problem.jobs):
        assert isinstance(job.workload, Batch)
        k, d = _demand_place(f, job.workload.id, job.origin)
        title = f"{job.workload.id} from {job.origin}"
        yield Group(
            Limit(kind="work", id=job.key, title=title, path=("workloads", k, "demand", d)),
            (_undone(f, rows, j, list(range(len(job.windows)))),),
            "share",
            f"do {{amount}} less of {title}",
            _less(f, k, d),
            demand=len(f.commodity) + j,
        )


def _undone(f: Frame, rows: Shapes, j: int, windows: list[int]) -> Give:
    """A share of a job's work in some windows that nobody asks for."""
    names = rows["batch_work"].axes[0].labels
    wanted = {f"{f.job[j]}#{w}" for w in windows}
    left = np.array([float(name in wanted) for name in names])
    parts = [("batch_work", left)]
    place = rows["gang_units"]
    if f.job[j] in place.axes[0].labels:
        # Fewer runs of fine-tuning take fewer gangs too: what a window asks for and what it allows shrink alike.
        values = np.zeros(place.shape)
        for w in windows:
            window = f.problem.jobs[j].windows[w]
            hours = f.hours.values[list(window.periods)][:, :-1]
            values[place.axes[0].labels.index(f.job[j]), list(window.periods)] = ceil(window.work_units - 1e-9) * hours
        parts.append(("gang_units", values))
    return Give(1.0, 3.0, False, tuple(parts))


FIGURES = (
    ("power", "usable_kw", "kW", "kW more usable power"),
    ("air", "air_heat_kw", "kW", "kW more heat to air"),
    ("liquid", "liquid_heat_kw", "kW", "kW more heat to liquid"),
    ("racks", "rack_slots_count", "rack slots", "more rack slots"),
)


def _site_figures(f: Frame, rows: Shapes) -> Iterator[Group]:
    order = [site.id for site in f.problem.factory.sites]
    for name, figure, unit, words in FIGURES:
        for s, site in enumerate(f.site.labels):
            k = order.index(site)
            path = ("sites", k, "hosting", figure)
            old = getattr(f.problem.factory.sites[k].hosting, figure)
            values = np.zeros(rows[name].shape)
            values[s] = -1.0
            give = Give(np.inf, 1 / max(old, 1.0), name == "racks", ((name, values),))
            title = f"{figure} of {site} ({old:,.10g})"
            field = f"sites[{site}].hosting.{figure}"
            yield Group(
                Limit(kind=name, id=site, title=title, path=path),
                (give,),
                unit,
                f"{{amount}} {words} at {site}",
                _more(path, field, old),
            )


def _more(path: tuple[str | int, ...], field: str, old: float) -> Callable[[float], tuple[Change, ...]]:
    """One figure, raised by the amount."""

    def changes(amount: float) -> tuple[Change, ...]:
        new = old + int(amount) if isinstance(old, int) else float(f"{old + amount:.12g}")
        return (Change(path=path, field=field, old=old, new=new),)

    return changes


def _deliveries(f: Frame, rows: Shapes) -> Iterator[Group]:
    offers = f.problem.factory.purchases
    for name in rows["deliveries"].axes[0].labels:
        k = next(k for k, offer in enumerate(offers) if offer.id == name)
        values = np.zeros(rows["deliveries"].shape)
        values[rows["deliveries"].axes[0].labels.index(name)] = -1.0
        most = max(row.cumulative_nodes for row in offers[k].deliveries)
        path = ("purchases", k, "deliveries")

        def changes(amount: float, k: int = k) -> tuple[Change, ...]:
            return tuple(
                Change(
                    path=("purchases", k, "deliveries", r, "cumulative_nodes"),
                    field=f"purchases[{offers[k].id}].deliveries[{row.month}].cumulative_nodes",
                    old=row.cumulative_nodes,
                    new=row.cumulative_nodes + int(amount),
                )
                for r, row in enumerate(offers[k].deliveries)
            )

        yield Group(
            Limit(kind="delivery", id=name, title=f"deliveries of {name} ({most:,} nodes at most)", path=path),
            (Give(np.inf, 1 / max(most, 1), True, (("deliveries", values),)),),
            "nodes",
            f"{{amount}} more nodes of {name} in every delivery",
            changes,
        )


def _leads(f: Frame, rows: Shapes) -> Iterator[Group]:
    """Nodes that stand before an order could bring them. Which lead time that takes is found by trying."""
    pools = f.problem.pools
    for k, offer in enumerate(f.problem.factory.purchases):
        mine = [g for g, p in enumerate(pools) if p.purchase and p.purchase.id == offer.id and p.orderable.any()]
        early = [(g, t) for g in mine for t in range(first_arrival(f.problem, g))]
        if not early:
            continue
        path = ("purchases", k, "lead_months")
        yield Group(
            Limit(kind="lead", id=offer.id, title=f"lead time of {offer.id} ({offer.lead_months} months)", path=path),
            tuple(_early(f, rows, g, t, len(early)) for g, t in early),
            "months",
            f"{offer.id} within {{amount}} months",
            lambda amount, path=path, offer=offer: (
                Change(path=path, field=f"purchases[{offer.id}].lead_months", old=offer.lead_months, new=int(amount)),
            ),
        )


def _early(f: Frame, rows: Shapes, g: int, t: int, count: int) -> Give:
    values = np.zeros(rows["stock"].shape)
    values[g, t] = -1.0
    most = max(f.problem.pools[g].max_nodes, 1)
    return Give(float(most), 1 / (most * count), False, (("stock", values),))


def _rentals(f: Frame, rows: Shapes) -> Iterator[Group]:
    offers = f.problem.factory.rentals
    for r, rental in enumerate(f.rentals):
        name, quota = rental.offer.id, rental.offer.quota_nodes
        path = ("rentals", next(k for k, offer in enumerate(offers) if offer.id == name), "quota_nodes")
        yield Group(
            Limit(kind="rental", id=name, title=f"quota of {name} ({quota:,} nodes)", path=path),
            (Give(np.inf, 1 / max(quota, 1), True, tuple(_quota_parts(f, rows, r))),),
            "nodes",
            f"{{amount}} more nodes in the quota of {name}",
            _more(path, f"rentals[{name}].quota_nodes", quota),
        )


def _quota_parts(f: Frame, rows: Shapes, r: int) -> Iterator[tuple[str, np.ndarray]]:
    for name in ("rental_quota", "burst_quota"):
        values = np.zeros(rows[name].shape)
        values[r] = -1.0
        yield name, values
    if f.rentals[r].term_months is None:
        place = rows["gang_fits"]
        pool_of = {cell.key: cell.pool for cell in f.problem.batch_cells}
        values = np.zeros(place.shape)
        values[[pool_of[key] == f.rental_pools[r] for key in place.axes[0].labels]] = -1.0
        yield "gang_fits", values


def _tokens(f: Frame, rows: Shapes) -> Iterator[Group]:
    offers = f.problem.factory.token_offers
    place = rows["token_quota"]
    for e, name in enumerate(place.axes[0].labels):
        k = next(k for k, offer in enumerate(offers) if offer.id == name)
        quota, path = offers[k].quota_requests_per_s, ("token_offers", k, "quota_requests_per_s")
        values = np.zeros(place.shape)
        values[e] = -1.0
        yield Group(
            Limit(kind="tokens", id=name, title=f"quota of {name} ({quota:,.10g} requests/s)", path=path),
            (Give(np.inf, 1 / quota, False, (("token_quota", values),)),),
            "requests/s",
            f"{{amount}} more requests/s in the quota of {name}",
            _more(path, f"token_offers[{name}].quota_requests_per_s", quota),
        )


def _links(f: Frame, rows: Shapes) -> Iterator[Group]:
    every = f.problem.factory.links
    for label, link in zip(f.link.labels, f.problem.links, strict=True):
        k = next(k for k, row in enumerate(every) if (row.origin, row.site) == (link.origin, link.site))
        old, path = link.bandwidth_mbit_per_s, ("links", k, "bandwidth_mbit_per_s")
        parts = []
        for name, place in rows.items():
            if name.startswith("bandwidth_") and label in place.axes[0].labels:
                values = np.zeros(place.shape)
                values[place.axes[0].labels.index(label)] = -link.max_load_share
                parts.append((name, values))
        yield Group(
            Limit(kind="bandwidth", id=label, title=f"bandwidth of {label} ({old:,.10g} Mbit/s)", path=path),
            (Give(np.inf, 1 / old, False, tuple(parts)),),
            "Mbit/s",
            f"{{amount}} Mbit/s more on the link {label}",
            _more(path, f"links[{label}].bandwidth_mbit_per_s", old),
        )


def _budgets(f: Frame, rows: Shapes) -> Iterator[Group]:
    caps = f.problem.factory.budgets
    kinds = (
        ("cash", "cash_usd_by_year", "USD", "USD {amount} more cash", MILLION),
        ("capex", "capex_usd_by_year", "USD", "USD {amount} more capex", MILLION),
        ("carbon", "carbon_tonnes_by_year", "t CO2", "{amount} t CO2 more", 1.0),
    )
    for name, field, unit, words, scale in kinds:
        for y, cap in enumerate(getattr(caps, field)):
            if name not in rows or y >= len(rows[name].axes[0]):
                continue
            values = np.zeros(rows[name].shape)
            values[y] = -1.0
            path, title = ("budgets", field, y), f"{name} of plan year {y + 1} ({cap:,.10g} {unit})"
            yield Group(
                Limit(kind=name, id=f"year {y + 1}", title=title, path=path),
                (Give(np.inf, scale / max(cap, scale), False, ((name, values),)),),
                unit,
                f"{words} in plan year {y + 1}",
                _more(path, f"budgets.{field}[year {y + 1}]", float(cap)),
                scale,
            )


def _floors(f: Frame, rows: Shapes) -> Iterator[Group]:
    share = demand_share(f)
    number = 0
    for k, floor_row in enumerate(f.problem.factory.on_premise_floors):
        parts = []
        for workload in floor_row.workloads:
            peaks = np.array([row.peak_load * (row.workload.id == workload) for row in f.problem.commodities])
            weight = peaks / max(float(peaks.sum()), 1e-12)
            parts.append((f"on_premise[{number}:{workload}]", (weight[:, None, None] * share).sum(axis=0)))
            number += 1
        names, path = " and ".join(floor_row.workloads), ("on_premise_floors", k, "min_share")
        yield Group(
            Limit(kind="floor", id=names, title=f"on-premise floor of {names} ({floor_row.min_share:.0%})", path=path),
            (Give(floor_row.min_share, 1.0, False, tuple(parts)),),
            "share",
            f"{{amount}} less of {names} on ground you control",
            _fewer(path, f"on_premise_floors[{names}].min_share", floor_row.min_share),
        )


def _fewer(path: tuple[str | int, ...], field: str, old: float) -> Callable[[float], tuple[Change, ...]]:
    """One share, lowered by the amount."""
    return lambda amount: (Change(path=path, field=field, old=old, new=max(0.0, round(old - amount, 9))),)


def _failover(f: Frame, rows: Shapes) -> Iterator[Group]:
    peak = demand_share(f)[:, :, -1]
    for k, workload in enumerate(f.problem.factory.workloads):
        mine = [i for i, row in enumerate(f.problem.commodities) if row.workload.id == workload.id]
        if not isinstance(workload, Served) or workload.survives != "site":
            continue
        part = workload.failover_share
        title = f"failover of {workload.id} after the loss of a site ({part:.0%})"
        path = ("workloads", k, "failover_share")
        yield Group(
            Limit(kind="failover", id=workload.id, title=title, path=path),
            (Give(part, 1.0, False, (("site_loss", _lost(f, peak, mine) / part),)),),
            "share",
            f"carry {{amount}} less of the peak of {workload.id} after the loss of a site",
            _fewer(path, f"workloads[{workload.id}].failover_share", part),
        )


def _survival(f: Frame, rows: Shapes) -> Iterator[Group]:
    peak = demand_share(f)[:, :, -1]
    for k, workload in enumerate(f.problem.factory.workloads):
        mine = [i for i, row in enumerate(f.problem.commodities) if row.workload.id == workload.id]
        if not isinstance(workload, Served) or workload.survives == "none":
            continue
        cells = {c.key: c.least_replicas for c in f.problem.cells if c.commodity in mine}
        least = np.array([cells.get(key, 1) - 1.0 for key in rows["least_replicas"].axes[0].labels])
        spare = np.array([-float(key in cells) for key in rows["spares"].axes[0].labels])
        parts = (("least_replicas", least[:, None]), ("spares", spare[:, None]), ("site_loss", _lost(f, peak, mine)))
        path = ("workloads", k, "survives")
        yield Group(
            Limit(kind="survival", id=workload.id, title=f"{workload.id} survives the loss of a {workload.survives}",
                  path=path),
            (Give(1.0, 1.0, True, parts),),
            "",
            f"no spares for {workload.id}",
            _careless(k, workload),
        )  # fmt: skip


def _careless(k: int, workload: Served) -> Callable[[float], tuple[Change, ...]]:
    """`survives: none`, and without a failover share, which would mean nothing then."""
    name = f"workloads[{workload.id}]"
    found = [Change(path=("workloads", k, "survives"), field=f"{name}.survives", old=workload.survives, new="none")]
    if "failover_share" in workload.model_fields_set:
        path = ("workloads", k, "failover_share")
        found.append(Change(path=path, field=f"{name}.failover_share", old=workload.failover_share, new=None))
    return lambda _: tuple(found)
