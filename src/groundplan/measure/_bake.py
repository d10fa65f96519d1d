"""Another tool's step times of a deployment, gated and fitted: a row that corrects the model as a benchmark does."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from groundplan.catalog import Catalog
from groundplan.errors import Issue
from groundplan.measure._fit import DIGITS, MOST_FACTOR, MOST_SPREAD, corrected, fitted, spread
from groundplan.measure._tables import ENGINES, Gated, NotCovered, Provider, ProviderError, StepTables, gated, grid
from groundplan.perf import PerfError
from groundplan.perf.serving import Deployment, deployments
from groundplan.spec import Factory, LlmWorkload, MeasuredSpeed

LEAST_CELLS = 12
LEAST_SHARE = 0.5
"""Where gates reject more, what is left is not to be trusted either."""
UNTUNED = "tables are of engines that are set up for model and part, and it states no `tuning: tuned`"
MODEL_ANSWERS = "without a row the shipped model answers for it"


@dataclass(frozen=True, slots=True)
class Baked:
    """What tables say of a deployment."""

    deployment: Deployment
    speed: MeasuredSpeed
    gated: Gated


def bake(deployment: Deployment, catalog: Catalog, provider: Provider) -> Baked:
    """The row of a deployment; ProviderError where tables do not cover it, or too little of them passes the gates.

    Tables are of engines that are set up well, so that they are compared with the tuned model.
    """
    tuned = replace(deployment, tuning="tuned")
    try:
        tables = provider.tables(tuned, tuned.engine)
        found = gated(grid(tuned, catalog, [tables, *_others(tuned, provider)]))
    except NotCovered as error:
        raise _refused(provider, tuned, str(error), MODEL_ANSWERS) from None
    _enough(found, provider, tuned)
    times = [((cell.seconds, cell.parts),) for cell in found.kept]
    level, fixed = (round(factor, DIGITS) for factor in fitted(times))
    left = spread(times, level, fixed)
    if any(not 1.0 / MOST_FACTOR <= factor <= MOST_FACTOR for factor in (level, fixed)) or left > MOST_SPREAD:
        what = f"work x{level:.2g}, fixed times x{fixed:.2g}, left over x/{left:.2g}: too far from the model"
        raise _refused(provider, tuned, what, MODEL_ANSWERS)
    speed = MeasuredSpeed(
        **corrected(tuned, catalog, level, fixed, left),
        points_count=len(found.kept),
        tool=provider.name,
        files=(tables.name,),
        tables=found.rejected,
    )
    return Baked(tuned, speed, found)


def _others(deployment: Deployment, provider: Provider) -> Sequence[StepTables]:
    """Tables of the same deployment under the other engines, where there are any."""
    found = []
    for engine in ENGINES:
        if engine != deployment.engine:
            try:
                found.append(provider.tables(deployment, engine))
            except NotCovered:
                continue
    return found


def _enough(found: Gated, provider: Provider, deployment: Deployment) -> None:
    kept, asked = len(found.kept), found.cells_count
    if not asked:
        raise _refused(provider, deployment, "no step both fits in memory and has data", "check --on and --tp")
    if kept < max(LEAST_CELLS, LEAST_SHARE * asked):
        why = f"{kept} of {asked} steps pass the gates ({found.rejected.words})"
        raise _refused(provider, deployment, why, f"{MODEL_ANSWERS}, or ask for another engine")


def _refused(provider: Provider, deployment: Deployment, what: str, hint: str) -> ProviderError:
    return ProviderError(Issue("step-tables", provider.name, f"{deployment.name}: {what}", hint))


def bake_factory(factory: Factory, catalog: Catalog, provider: Provider) -> tuple[tuple[Baked, ...], tuple[str, ...]]:
    """Rows of every deployment that a plan of the file may choose on one node, and of the others why they have none."""
    found: list[Baked] = []
    left = [f"{workload.id}: {UNTUNED}" for workload in _language(factory) if workload.tuning != "tuned"]
    for deployment in {one.name: one for one in candidates(factory, catalog)}.values():
        try:
            found.append(bake(deployment, catalog, provider))
        except (ProviderError, PerfError) as error:
            left.append(error.issues[0].what)
    return tuple(found), tuple(left)


def candidates(factory: Factory, catalog: Catalog) -> Iterator[Deployment]:
    """Each language model on a tuned engine, in each format and cut, on each server offered or there; may repeat."""
    offers = (*factory.purchases, *factory.rentals, *factory.existing)
    servers = {catalog.server(offer.server).id: None for offer in offers}
    for workload in _language(factory):
        if workload.tuning == "tuned":
            for name in servers:
                yield from deployments(workload, catalog.server(name), catalog)


def _language(factory: Factory) -> Iterator[LlmWorkload]:
    return (workload for workload in factory.workloads if isinstance(workload, LlmWorkload))
