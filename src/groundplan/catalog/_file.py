"""What a file brings to the catalogue: models, measured speeds; and where it contradicts what the tables know."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import date
from typing import TYPE_CHECKING

from groundplan.catalog._base import Table
from groundplan.catalog._drafts import draft_fault
from groundplan.catalog._models import ModelCard, TransformerArch
from groundplan.catalog._places import FxRate
from groundplan.catalog._tariffs import Tariff
from groundplan.errors import CatalogError, Issue
from groundplan.spec import ExchangeRate, LlmWorkload, LoadedSpec, OwnModel

if TYPE_CHECKING:
    from groundplan.catalog._catalog import Catalog

MOST_RATE_FACTOR = 2.0
"""No currency of the tables moved further in a decade; a rate that is upside down is off by far more."""


def own_card(model: OwnModel, shipped: Table[ModelCard]) -> ModelCard:
    """The card of a configuration; CatalogError for an id of the catalogue or an unknown configuration."""
    from groundplan.catalog._hf import model_from_hf_config  # few files bring a model

    if (known := shipped.find(model.id)) is not None:
        what = f"model {model.id} is in the catalogue already, as {known.id}"
        raise CatalogError(Issue("catalog-ambiguous", f"models[{model.id}]", what, "give it an id of its own"))
    return model_from_hf_config(model.config, name=model.id)


def model_issues(loaded: LoadedSpec, shipped: Table[ModelCard]) -> Iterator[Issue]:
    """What is wrong with the models of a file, each with its line."""
    for index, model in enumerate(loaded.factory.models):
        try:
            own_card(model, shipped)
        except CatalogError as error:
            where = loaded.where(("models", index))
            yield from (Issue(i.code, where, f"model {model.id}: {i.what}", i.hint) for i in error.issues)


def measured_issues(
    loaded: LoadedSpec, model_of: Callable[[str], tuple[str, object] | None], part_of: Callable[[str], str | None]
) -> Iterator[Issue]:
    """Measured speeds of unknown names, or of a model that no workload of the file asks for, each with its line."""
    asked = {name[0] for w in loaded.factory.workloads if isinstance(w, LlmWorkload) and (name := model_of(w.model))}
    for index, row in enumerate(loaded.factory.measured):
        where, name = loaded.where(("measured", index)), model_of(row.model)
        if name is None:
            what = f"measured speed of {row.model}: the catalogue has no such model"
            yield Issue("catalog-unknown", where, what, "give its id, or name its config.json in a workload")
        elif name[0] not in asked:
            what = f"measured speed of {row.model}: no language workload of the file asks for it"
            yield Issue("unused", where, what, "drop it, or name the model in a workload")
        if part_of(row.accelerator) is None:
            what = f"measured speed on {row.accelerator}: the catalogue has no such accelerator"
            yield Issue("catalog-unknown", where, what, "give a catalogue id or alias, such as h100-sxm5-80gb")


def draft_issues(loaded: LoadedSpec, catalog: Catalog) -> Iterator[Issue]:
    """Drafts that propose no tokens for the model of their workload, each with its line."""
    for index, workload in enumerate(loaded.factory.workloads):
        if not isinstance(workload, LlmWorkload) or workload.speculation is None:
            continue
        where = loaded.where(("workloads", index, "speculation", "draft"))
        card = catalog.model(workload.model)
        if isinstance(card.arch, TransformerArch) and (fault := draft_fault(workload.speculation.draft, card, catalog)):
            yield Issue("draft", where, f"workload {workload.id}: {fault[0]}", fault[1])


def rate_issues(loaded: LoadedSpec, fx_rates: Iterable[FxRate], tariffs: Iterable[Tariff]) -> Iterator[Issue]:
    """Exchange rates more than a factor of two off the dated one of the tables (else of a tariff in that currency)."""
    known = {row.currency: (row.fx_local_per_usd, row.effective_from, f"tariff {row.id}") for row in tariffs}
    known |= {row.currency: (row.fx_local_per_usd, row.dated, "the catalogue") for row in fx_rates}
    for index, rate in enumerate(loaded.factory.money.exchange_rates):
        if rate.currency in known:
            where = loaded.where(("money", "exchange_rates", index, "local_per_usd"))
            yield from _rate_issue(rate, *known[rate.currency], where)


def _rate_issue(rate: ExchangeRate, there: float, dated: date, who: str, where: str) -> Iterator[Issue]:
    here, name = rate.local_per_usd, rate.currency
    if there / MOST_RATE_FACTOR <= here <= there * MOST_RATE_FACTOR:
        return
    what = f"exchange rate {here:g} {name} per US dollar is far from the {there:g} of {who} ({dated})"
    upside_down = there / MOST_RATE_FACTOR <= 1 / here <= there * MOST_RATE_FACTOR
    hint = f"write {name} for one US dollar" + (f": {1 / here:.6g}, not its inverse" if upside_down else "")
    yield Issue("exchange-rate", where, what, hint)
