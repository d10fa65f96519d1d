"""Errors of speeds that a plan shares: one engine, one accelerator wrong, and every pool on it is wrong together.

The logarithm of true over predicted speed is the sum of an accelerator's part, an engine's part and the pool's own.
Shares of the variance are those of residuals of publishers that a fit had not seen (docs/accuracy.md): about a
quarter lies with who measured and a third with source and version (an engine as deployed), half with the single
configuration. Draws are Philox, keyed by name, so that the same pools give the same answer anywhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from zlib import crc32

import numpy as np

from groundplan.kernel import StepTime, stream
from groundplan.perf._shape import Floats
from groundplan.perf._types import EngineService, OperatingPoint, QueueService, Service, SplitService, wrong

ACCELERATOR_SHARE, ENGINE_SHARE, OWN_SHARE = 0.15, 0.30, 0.55
NINETY = 1.6449
"""Standard deviations on either side of a 90 % interval."""
DRAWS = 8192
SEED = 20261130
DEPTHS = np.linspace(0.0, 4.0, 201)
"""Standard deviations by which a group of pools may be planned slower."""


@dataclass(frozen=True, slots=True)
class Pool:
    """What can be wrong about one pool: its part, its engine, itself, and by how much (standard deviation of log)."""

    accelerator: str
    engine: str
    name: str
    deviation: float


def deviation(error_low_factor: float, error_high_factor: float) -> float:
    """Standard deviation of the log of a speed whose 90 % interval this is, about its middle."""
    if not 0.0 < error_low_factor <= error_high_factor:
        raise wrong("interval", f"{error_low_factor} .. {error_high_factor}", "two factors above 0, in order")
    return float(np.log(error_high_factor / error_low_factor)) / 2.0 / NINETY


def _part(kind: str, name: str) -> Floats:
    """Standard normal draws of one thing, the same for every pool that shares it."""
    return stream(SEED, crc32(f"{kind} {name}".encode())).standard_normal(DRAWS)


def draws(pool: Pool) -> Floats:
    """Draws [DRAWS] of the log of true over predicted speed."""
    shared = np.sqrt(ACCELERATOR_SHARE) * _part("accelerator", pool.accelerator)
    shared = shared + np.sqrt(ENGINE_SHARE) * _part("engine", pool.engine)
    return pool.deviation * (shared + np.sqrt(OWN_SHARE) * _part("pool", pool.name))


def joint_probability(pools: Sequence[Pool], least_speeds: Sequence[float]) -> float:
    """Share of draws in which every pool is at least as fast as it must be: true over predicted >= least_speeds[i]."""
    held = np.ones(DRAWS, dtype=bool)
    for pool, least in zip(pools, least_speeds, strict=True):
        held &= draws(pool) >= np.log(max(least, 1e-12))
    return float(held.mean())


@dataclass(frozen=True, slots=True, eq=False)
class Burden:
    """What it costs to plan a group of pools slower, all of them by as many standard deviations.

    cost: [DEPTHS], any unit that is one for all groups, never falling; infinite where no level could be met any more.
    """

    pools: tuple[Pool, ...]
    cost: Floats


def allotted_deviations(burdens: Sequence[Burden], probability: float) -> tuple[float, ...] | None:
    """Standard deviations for each group, so that all pools hold with this joint probability at about the least cost.

    Safety goes where it is cheap. None: no allotment of finite cost reaches the probability.
    """
    if not burdens:
        return ()
    worst = np.stack([_worst(burden.pools) for burden in burdens])
    # Logarithms of what holds add up where groups are independent; their price is one for all.
    held = (worst[:, :, None] <= DEPTHS).mean(axis=1)
    loss = -np.log(np.maximum(held, 0.5 / DRAWS))
    costs = np.stack([burden.cost for burden in burdens])

    def at(price: float) -> Floats:
        return DEPTHS[np.argmin(costs + price * loss, axis=1)]

    def enough(depths: Floats) -> bool:
        return bool((worst <= depths[:, None]).all(axis=0).mean() >= probability)

    scale = float(costs[:, 0].sum()) or 1.0
    low, high = scale * 1e-9, scale * 1e9
    if not enough(at(high)):
        return None
    while high / low > 1.01:
        middle = float(np.sqrt(low * high))
        low, high = (low, middle) if enough(at(middle)) else (middle, high)
    depths = at(high)
    for dearest in np.argsort(-costs[:, 0]):
        # Depths jump with the price: what that is too much is taken back.
        depths[dearest] = next(depth for depth in DEPTHS if enough(_but(depths, dearest, depth)))
    return tuple(depths.tolist())


def _but(depths: Floats, index: int, depth: float) -> Floats:
    changed = depths.copy()
    changed[index] = depth
    return changed


def _worst(pools: Sequence[Pool]) -> Floats:
    """Draws [DRAWS] of the standard deviations by which the worst pool falls short; 0 where none does."""
    worst = np.zeros(DRAWS)
    for pool in pools:
        worst = np.maximum(worst, -draws(replace(pool, deviation=1.0)))
    return worst


def shared_deviations(pools: Sequence[Pool], probability: float) -> float:
    """Standard deviations by which all pools are planned slower, so that all hold with this joint probability."""
    return float(np.quantile(_worst(pools), probability)) if pools else 0.0


def slowed(point: OperatingPoint, deviations: float) -> OperatingPoint:
    """The point planned so many standard deviations slower than expected; its interval then is about that speed."""
    spread = deviation(point.error_low_factor, point.error_high_factor)
    factor = float(np.exp(deviations * spread))
    if factor == 1.0:
        return point
    return replace(
        point,
        capacity_per_s=point.capacity_per_s / factor,
        latency_ms={name: value * factor for name, value in point.latency_ms.items()},
        error_low_factor=point.error_low_factor * factor,
        error_high_factor=point.error_high_factor * factor,
        why=f"{point.why}; planned at {1.0 / factor:.0%} of expected speed",
        service=_slowed(point.service, factor),
    )


def _slowed(service: Service | None, factor: float) -> Service | None:
    match service:
        case EngineService():
            return replace(service, step=_slower(service.step, factor))
        case SplitService():
            return replace(
                service,
                prefill=replace(service.prefill, step=_slower(service.prefill.step, factor)),
                decode=replace(service.decode, step=_slower(service.decode.step, factor)),
                transfer_ps_per_token=int(np.ceil(service.transfer_ps_per_token * factor)),
            )
        case QueueService():
            return QueueService(tuple(int(np.ceil(ps * factor)) for ps in service.batch_ps))
        case None:
            return None


def _slower(step: StepTime, factor: float) -> StepTime:
    base, slope, prefill = (
        np.ceil(table * factor).astype(np.int64)
        for table in (step.decode_base_ps, step.context_slope_ps, step.prefill_base_ps)
    )
    # Rounded down, so that no piece ends above where the next begins.
    rise = np.floor(step.prefill_slope_ps * factor).astype(np.int64)
    return StepTime(base, slope, step.prefill_breaks, prefill, rise, int(np.ceil(step.pair_fs * factor)))
