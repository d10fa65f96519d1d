"""What owning a server costs where nobody has quoted yet: prices built from parts, overheads, connections."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from importlib.resources import files
from typing import Any, Literal

from pydantic import BaseModel, ValidationError

from groundplan.catalog._base import CountryCode, Frozen, NotNegative, Positive, Share, figure_source
from groundplan.catalog._servers import Server
from groundplan.errors import CatalogError, Issue
from groundplan.spec import Source


class Overheads(Frozen):
    """What is paid beside the price of a server; the names are those of a factory file."""

    network_share: Share
    storage_usd_per_node: NotNegative
    spares_share: Share
    maintenance_per_year_rate: NotNegative
    software_usd_per_gpu_year: NotNegative
    source: Source


class Housing(Frozen):
    """Where a server stands: cooling, space, and how far a peak of minutes exceeds that of the hour."""

    pue: Positive
    intra_bucket_peak_factor: Positive
    space_usd_per_kw_month: NotNegative
    source: Source


class Connection(Frozen):
    """The tariffs of a country that a plant or a hall usually has; the first in force on the day counts."""

    country: CountryCode
    tariffs: tuple[str, ...]
    source: Source


class BuiltPrice(Frozen):
    """A server priced from its accelerators and a host."""

    server: str
    part_usd_low: Positive
    part_usd_high: Positive
    host_usd_low: Positive
    host_usd_high: Positive
    dated: date
    source: Source
    part_source: Source


class OwnCosts(Frozen):
    """The whole file."""

    as_of: date
    overheads: Overheads
    housing: Housing
    connections: tuple[Connection, ...]
    built: tuple[BuiltPrice, ...]
    token_names: dict[str, str]
    """Names of providers for models of the catalogue, beside the catalogue's own names."""


@dataclass(frozen=True, slots=True)
class ServerPrice:
    """Price of one server, US dollars, before tax."""

    usd_low: float
    usd_high: float
    scope: Literal["node", "rack", "rack+network"]
    dated: date
    sources: tuple[Source, ...]

    @property
    def usd(self) -> float:
        """The middle of the range."""
        return (self.usd_low + self.usd_high) / 2

    @property
    def assumed(self) -> bool:
        """Whether any part of the price is assumed."""
        return any(source.kind == "assumed" for source in self.sources)


def server_price(server: Server) -> ServerPrice | None:
    """The price of the catalogue, else one built from parts; None where neither is known."""
    if server.price_usd_low is None or server.price_usd_high is None:
        return _built(server)
    assert server.price_scope is not None
    assert server.price_dated is not None
    said = dict.fromkeys(figure_source(server, name) for name in ("price_usd_low", "price_usd_high"))
    return ServerPrice(server.price_usd_low, server.price_usd_high, server.price_scope, server.price_dated, tuple(said))


def _built(server: Server) -> ServerPrice | None:
    row = next((row for row in own_costs().built if row.server == server.id), None)
    if row is None:
        return None
    count = server.accelerators_count
    low, high = count * row.part_usd_low + row.host_usd_low, count * row.part_usd_high + row.host_usd_high
    return ServerPrice(low, high, "node", row.dated, (row.part_source, row.source))


@cache
def own_costs() -> OwnCosts:
    """The file of own costs; CatalogError where it is damaged or names a source that it lacks."""
    text = (files("groundplan.catalog") / "data" / "own.toml").read_text("utf-8")
    try:
        raw = tomllib.loads(text)
        sources = {name: Source(**value) for name, value in raw.pop("sources").items()}
        return OwnCosts.model_validate(_with_sources(raw, sources))
    except (tomllib.TOMLDecodeError, ValidationError, KeyError) as error:
        raise CatalogError(Issue("catalog-file", "own.toml", str(error), "mend the file")) from error


def _with_sources(value: Any, sources: Mapping[str, BaseModel]) -> Any:
    """The same value with each ``source`` and ``part_source`` looked up."""
    if isinstance(value, list):
        return [_with_sources(item, sources) for item in value]
    if isinstance(value, dict):
        named = ("source", "part_source")
        return {key: sources[item] if key in named else _with_sources(item, sources) for key, item in value.items()}
    return value
