"""Prices of rentals and token APIs as a plan pays them, each with its source."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from datetime import date

from groundplan.catalog import token_price
from groundplan.plan import PEAK
from groundplan.report._facts import Facts
from groundplan.report._room import Room
from groundplan.spec import LlmWorkload, RentalOffer, Source, TokenOffer

SECONDS = 3600


def rental_price(facts: Facts, offer: RentalOffer) -> tuple[float, Source]:
    """US dollars per node and hour: the file's own price, or that of the catalogue offer it names."""
    if offer.price_usd_per_node_hour is not None and offer.source is not None:
        return offer.price_usd_per_node_hour, offer.source
    listed, gpus = facts.catalog.offers[offer.cloud_offer or ""], facts.server(offer.server).accelerators_count
    return (listed.price_usd_per_gpu_hour * gpus if gpus else listed.price_usd_per_hour), listed.source


def token_prices(facts: Facts, offer: TokenOffer) -> tuple[float, float, Source]:
    """US dollars per million input and output tokens; a listed price is read on the plan's first day."""
    if offer.input_usd_per_mtok is not None and offer.output_usd_per_mtok is not None:
        return offer.input_usd_per_mtok, offer.output_usd_per_mtok, offer.source
    year, month = facts.calendar(0)
    listed = token_price(offer.provider or "", offer.provider_model or "", on=date(year, month, 1))
    return listed.input_usd_per_mtok, listed.output_usd_per_mtok, listed.source


def tokens_sold(facts: Facts, room: Room) -> Mapping[tuple[str, str], tuple[float, float]]:
    """Millions of input and output tokens by offer and workload, over the whole plan."""
    requests: dict[tuple[str, str], float] = defaultdict(float)
    for row in facts.plan.tokens:
        if row.bucket != PEAK:
            hours = room.hours(facts.index[row.period], row.bucket)
            requests[row.offer, row.workload] += row.units_per_s * SECONDS * hours
    found: dict[tuple[str, str], tuple[float, float]] = {}
    for (offer, name), number in requests.items():
        workload = facts.workloads[name]
        if isinstance(workload, LlmWorkload):
            found[offer, name] = (
                workload.prompt.mean_tokens * number / 1e6,
                workload.output.mean_tokens * number / 1e6,
            )
    return found
