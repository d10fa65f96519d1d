"""Electric power of a busy replica: what it draws above the idle node, mean and peak."""

from __future__ import annotations

from dataclasses import dataclass

from groundplan.catalog import Accelerator, Catalog, Server
from groundplan.perf._types import Refused
from groundplan.perf._watts import ImageUse, TokenUse, idle_and_span_w, image_watts, token_watts

MOST_RANKS = 8
"""The fit saw replicas of 1 to 8 accelerators; larger ones are taken as 8."""


@dataclass(frozen=True)
class Draw:
    """Extra IT kW of one busy replica, all its nodes together: mean while busy, and the most it can be."""

    mean_kw: float
    peak_kw: float


def _figure(value: float | None, name: str, owner: str) -> float:
    if value is None:
        raise Refused("missing-figure", f"{owner} has no {name}: add the figure")
    return value


def accelerator_kw(row: Accelerator, read_use: float, flop_use: float, ranks: int = 1) -> float:
    """Extra kW of one accelerator over idle at these uses of bandwidth and bf16 peak; never above TDP."""
    return _busy_kw(row, TokenUse(read_use, flop_use, ranks=min(ranks, MOST_RANKS)))


def _busy_kw(row: Accelerator, use: TokenUse | ImageUse) -> float:
    drawn = image_watts(row, use) if isinstance(use, ImageUse) else token_watts(row, use)
    return (drawn.watts - idle_and_span_w(row)[0]) / 1e3


def _host_span_kw(server: Server, row: Accelerator) -> float:
    """Host draw at load over its idle draw, whole node; a blank host figure is the rest of the maximum."""
    rated = server.accelerators_count * _figure(row.tdp_w, "tdp_w", row.id) / 1e3
    idle = server.accelerators_count * _figure(row.idle_w, "idle_w", row.id) / 1e3
    load_kw = server.host_power_kw
    if load_kw is None:
        load_kw = _figure(server.max_power_kw, "max_power_kw", server.id) - rated
    host_idle = _figure(server.idle_power_kw, "idle_power_kw", server.id) - idle
    return max(0.0, load_kw - max(0.0, host_idle))


def replica_draw(
    server: Server, catalog: Catalog, slots: int, read_use: float, flop_use: float, prefill_share: float = 0.0
) -> Draw:
    """Draw of a replica on `slots` accelerators (over all nodes) at these uses (see TokenUse) while it is busy.

    Never above its share of max_power_kw - idle_power_kw. Missing figures are refused by name.
    """
    use = TokenUse(read_use, flop_use, prefill_share, min(slots, MOST_RANKS))
    return busy_draw(server, catalog, slots, use)


def busy_draw(server: Server, catalog: Catalog, slots: int, use: TokenUse | ImageUse) -> Draw:
    """The same for any use."""
    row = catalog.accelerator(_named(server))
    share = slots / server.accelerators_count
    span = _figure(server.max_power_kw, "max_power_kw", server.id)
    span -= _figure(server.idle_power_kw, "idle_power_kw", server.id)
    host_kw = _host_span_kw(server, row) * share
    mean = slots * _busy_kw(row, use) + host_kw
    return Draw(min(mean, span * share), span * share)


def cores_draw(server: Server, cores: float) -> Draw:
    """Draw of busy CPU cores: their share of the node's span between idle and maximum (linear in use)."""
    span = _figure(server.max_power_kw, "max_power_kw", server.id)
    span -= _figure(server.idle_power_kw, "idle_power_kw", server.id)
    kw = span * cores / _figure(server.cpu_cores, "cpu_cores", server.id)
    return Draw(kw, kw)


def _named(server: Server) -> str:
    if server.accelerator is None:
        raise Refused("kind", f"{server.id} has no accelerator")
    return server.accelerator
