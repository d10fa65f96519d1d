"""Electric power of a busy replica: what it draws above the idle node, mean and peak."""

from __future__ import annotations

import math
from dataclasses import dataclass

from groundplan.catalog import Accelerator, Catalog, Server
from groundplan.perf._types import Refused

ACTIVE_SHARE, READ_SHARE, FLOP_SHARE = 0.23, 0.44, 1.18
"""Accelerator draw over idle, as shares of TDP - idle: any running kernel, use of memory bandwidth, and the square root
of the use of dense peak FLOP. Least squares on 264 rows of ML.ENERGY v3 (arXiv 2601.22076; vLLM, chat and GPQA, twelve
models) with read bytes and FLOP of this package: mean error in sample 9 % on H100 and 14 % on B200, where TDP is off
by 41 % and 53 %."""


@dataclass(frozen=True)
class Draw:
    """Extra IT kW of one busy replica, all its nodes together: mean while busy, and the most it can be."""

    mean_kw: float
    peak_kw: float


def _figure(value: float | None, name: str, owner: str) -> float:
    if value is None:
        raise Refused("missing-figure", f"{owner} has no {name}: add the figure")
    return value


def accelerator_kw(row: Accelerator, read_use: float, flop_use: float) -> float:
    """Extra kW of one accelerator over idle at these uses of data-sheet bandwidth and FLOP, capped at TDP."""
    span_kw = (_figure(row.tdp_w, "tdp_w", row.id) - _figure(row.idle_w, "idle_w", row.id)) / 1e3
    return span_kw * min(1.0, ACTIVE_SHARE + READ_SHARE * read_use + FLOP_SHARE * math.sqrt(flop_use))


def _host_span_kw(server: Server, row: Accelerator) -> float:
    """Host draw at load over its idle draw, whole node; a blank host figure is the rest of the maximum."""
    rated = server.accelerators_count * _figure(row.tdp_w, "tdp_w", row.id) / 1e3
    idle = server.accelerators_count * _figure(row.idle_w, "idle_w", row.id) / 1e3
    load_kw = server.host_power_kw
    if load_kw is None:
        load_kw = _figure(server.max_power_kw, "max_power_kw", server.id) - rated
    host_idle = _figure(server.idle_power_kw, "idle_power_kw", server.id) - idle
    return max(0.0, load_kw - max(0.0, host_idle))


def replica_draw(server: Server, catalog: Catalog, slots: int, read_use: float, flop_use: float) -> Draw:
    """Draw of a replica on `slots` accelerators (over all nodes) at these mean uses while it is busy.

    Never above its share of max_power_kw - idle_power_kw. Missing figures are refused by name.
    """
    row = catalog.accelerator(_named(server))
    share = slots / server.accelerators_count
    span = _figure(server.max_power_kw, "max_power_kw", server.id)
    span -= _figure(server.idle_power_kw, "idle_power_kw", server.id)
    host_kw = _host_span_kw(server, row) * share
    mean = slots * accelerator_kw(row, read_use, flop_use) + host_kw
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
