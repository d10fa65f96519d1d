"""The fastest layout of a training job on a cluster: every sensible mapping at once, those that fit, the quickest."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from itertools import product

import numpy as np

from groundplan.catalog import Catalog, ModelCard
from groundplan.perf._train_memory import MemoryRecipe, memory_recipe, training_memory
from groundplan.perf._train_profile import (
    Precision,
    Profile,
    Recipe,
    TrainPart,
    shipped_profile,
    terms_of,
    train_part,
)
from groundplan.perf._train_shape import Floats, TrainShape, gathered, shape_of
from groundplan.perf._train_step import Layout, step_time
from groundplan.perf._types import PerfError, Refused, wrong

CHUNK = 4096
"""Configurations a pass: columns of this length stay in the cache."""
MICRO_BATCHES = (1, 2, 4, 8)
CHUNKS_OF_STAGE = (1, 2, 3, 4, 5, 6, 8)
MOST_STAGES = 64
LEAST_TOKENS_PER_CONTEXT_RANK = 4096
USABLE = 0.985
"""Bytes that the driver reports over nominal GiB."""


Figure = Callable[[Layout], Floats]


@dataclass(frozen=True, slots=True)
class TrainCluster:
    """Accelerators of one kind: their part with its links, and how many."""

    part: TrainPart
    ranks: int


@dataclass(frozen=True, slots=True)
class TrainJob:
    """What is trained: sequences of this length, so many a step."""

    sequence_tokens: int
    global_batch: int
    precision: Precision = "bf16"
    stack: str = "megatron-core"
    adapters: bool = False


@dataclass(frozen=True, slots=True)
class BestMapping:
    """The fastest layout that fits, in plain numbers."""

    layout: Layout
    step_s: float
    tokens_per_s: float
    memory_gb: float
    candidates: int
    fitting: int


def train_cluster(name: str, ranks: int, catalog: Catalog, power_w: float | None = None) -> TrainCluster:
    """So many of a catalogue accelerator in a usual cluster, under its own power limit or another.

    Raises PerfError where a figure is missing that a step time needs, CatalogError for an unknown name.
    """
    try:
        return TrainCluster(train_part(name, catalog, power_w), ranks)
    except Refused as refused:
        raise wrong("accelerator", refused.refusal.why, "name another, or add the figure to the catalogue") from None


def best_mapping(
    model: ModelCard | TrainShape, cluster: TrainCluster, job: TrainJob, profile: Profile | None = None
) -> BestMapping:
    """Search tensor, pipeline, interleaved, data, context and expert parallelism, micro-batch, recompute, sharding.

    Raises PerfError when nothing fits the memory, or the part has no rate for the precision.
    """
    profile = profile or shipped_profile()
    shape = model if isinstance(model, TrainShape) else shape_of(model.transformer())
    _check(cluster, job)
    try:
        terms = terms_of(Recipe(cluster.part, job.precision, job.stack), profile)
    except Refused as refused:
        raise wrong("precision", refused.refusal.why, "choose a precision that the part multiplies") from None
    every = candidates(shape, cluster, job)
    recipe = memory_recipe(profile.stack(job.stack), profile)
    recipe = replace(recipe, input_bytes=2.0 if job.precision == "bf16" else 1.0)
    used = memory_bytes(shape, every, recipe)
    fits = used * profile.intervals["fits"] <= cluster.part.memory_bytes * USABLE
    if not fits.any():
        raise _too_big(cluster, float(used.min()), profile)
    chosen = gathered(every, np.flatnonzero(fits))
    seconds = _in_chunks(chosen, lambda part: step_time(shape, part, terms).total)
    best = int(np.argmin(seconds))
    layout = one_of(chosen, best)
    tokens = float(job.global_batch) * job.sequence_tokens
    peak = float(used[np.flatnonzero(fits)[best]]) / 1e9
    return BestMapping(layout, float(seconds[best]), tokens / float(seconds[best]), peak, len(fits), int(fits.sum()))


def _check(cluster: TrainCluster, job: TrainJob) -> None:
    for name, value in (
        ("ranks", cluster.ranks),
        ("sequence_tokens", job.sequence_tokens),
        ("global_batch", job.global_batch),
    ):
        if value < 1:
            raise wrong(name, f"is {value}", "give a whole number above 0")


def _too_big(cluster: TrainCluster, least: float, profile: Profile) -> PerfError:
    have, need = cluster.part.memory_bytes * USABLE / 1e9, least * profile.intervals["fits"] / 1e9
    what = (
        f"the leanest layout needs {need:,.0f} GB on each of {cluster.ranks} {cluster.part.id}, which have {have:,.0f}"
    )
    return wrong("memory", what, "more accelerators, or adapters instead of all weights")


def memory_bytes(shape: TrainShape, layouts: Layout, recipe: MemoryRecipe) -> Floats:
    """Peak bytes of each layout."""
    return _in_chunks(layouts, lambda part: training_memory(shape, part, recipe).total)


def _in_chunks(layouts: Layout, figure: Figure) -> Floats:
    count = len(np.asarray(layouts.tp))
    parts = [np.arange(start, min(start + CHUNK, count)) for start in range(0, count, CHUNK)]
    return np.concatenate([figure(gathered(layouts, part)) for part in parts])


def one_of(layouts: Layout, index: int) -> Layout:
    """One layout as plain numbers."""
    picked = {f.name: getattr(layouts, f.name) for f in fields(Layout)}
    return Layout(**{name: float(np.asarray(v)[index] if np.ndim(v) else v) for name, v in picked.items()})


def candidates(shape: TrainShape, cluster: TrainCluster, job: TrainJob) -> Layout:
    """Every mapping that divides ranks, heads, experts and batch, as columns."""
    rows = [row for cut in _cuts(shape, cluster, job) for row in _fillings(shape, cluster.ranks, job, cut)]
    if not rows:
        raise wrong(
            "global_batch", f"{job.global_batch} sequences cannot be dealt out to {cluster.ranks} accelerators",
            "a batch that some number of replicas divides",
        )  # fmt: skip
    columns = np.array(rows, dtype=float).T
    named = dict(zip(COLUMNS, columns, strict=True))
    return Layout(
        sequence_tokens=float(job.sequence_tokens),
        global_batch=float(job.global_batch),
        adapters=float(job.adapters),
        **named,
    )


COLUMNS = ("tp", "pp", "cp", "dp", "ep", "vpp", "micro_batch", "recompute", "sharded")
Cut = tuple[int, int, int, int]


def _cuts(shape: TrainShape, cluster: TrainCluster, job: TrainJob) -> Iterator[Cut]:
    """Tensor, pipeline, context, data: products that make up the ranks."""
    ranks, domain = cluster.ranks, int(cluster.part.scaleup_domain)
    tensor = [t for t in _powers(min(domain, 16, int(shape.heads))) if float(shape.heads) % t == 0]
    context = _powers(max(1, job.sequence_tokens // LEAST_TOKENS_PER_CONTEXT_RANK))
    for tp, cp in product(tensor, context):
        if ranks % (tp * cp):
            continue
        for pp in _divisors(ranks // (tp * cp)):
            dp = ranks // (tp * cp * pp)
            if pp <= min(MOST_STAGES, float(shape.layers)) and job.global_batch % dp == 0:
                yield tp, pp, cp, dp


def _fillings(shape: TrainShape, ranks: int, job: TrainJob, cut: Cut) -> Iterator[tuple[int, ...]]:
    """Expert parallelism, interleaving, micro-batch, recompute and sharding of one cut."""
    tp, pp, cp, dp = cut
    local = job.global_batch // dp
    micro = [m for m in MICRO_BATCHES if local % m == 0]
    for mb, ep in product(micro, _experts_cut(shape, tp * dp * cp)):
        for vpp, again in product(_chunks(shape, pp, local // mb), (0, 1, 2)):
            yield tp, pp, cp, dp, ep, vpp, mb, again, 0
            if pp == 1 and dp > 1:
                yield tp, pp, cp, dp, ep, vpp, mb, again, 1


def _chunks(shape: TrainShape, pp: int, micro_batches: int) -> Sequence[int]:
    if pp == 1 or micro_batches % pp:
        return (1,)
    each = math.ceil(float(shape.layers) / pp)
    return [v for v in CHUNKS_OF_STAGE if v == 1 or (each % v == 0 and v <= each)]


def _experts_cut(shape: TrainShape, group: int) -> Sequence[int]:
    experts = int(shape.experts)
    if not experts:
        return (1,)
    return [e for e in _powers(min(experts, group)) if experts % e == 0 and group % e == 0]


def _powers(most: int) -> Sequence[int]:
    return [2**i for i in range(max(most, 1).bit_length()) if 2**i <= max(most, 1)]


def _divisors(number: int) -> Sequence[int]:
    small = [d for d in range(1, math.isqrt(number) + 1) if number % d == 0]
    return sorted({*small, *(number // d for d in small)})
