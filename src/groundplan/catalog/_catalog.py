"""The catalogue: TOML package data, parsed table by table when first asked for."""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from collections.abc import Mapping, Sequence
from copy import copy
from functools import cache, cached_property
from hashlib import sha256
from importlib.resources import files
from types import MappingProxyType
from typing import Any, NamedTuple, TypeVar

from pydantic import ValidationError

from groundplan.catalog._accelerators import Accelerator
from groundplan.catalog._base import BITS, Precision, Row, Table, figure_paths, figure_source, squash
from groundplan.catalog._file import draft_issues, measured_issues, model_issues, own_card, rate_issues
from groundplan.catalog._models import ModelCard
from groundplan.catalog._places import CloudOffer, Country, FxRate
from groundplan.catalog._servers import Server
from groundplan.catalog._tariffs import Tariff
from groundplan.errors import CatalogError, Issue
from groundplan.spec import LoadedSpec, MeasuredSpeed, OwnModel, Source

R = TypeVar("R", bound=Row)

# Endings of checkpoint names that say the format of the weights (checked on the squashed name).
FORMAT_ENDINGS: Mapping[str, Precision] = {
    "nvfp4": "fp4", "mxfp4": "fp4", "mxfp4preview": "fp4", "fp4": "fp4", "fp8dynamic": "fp8", "fp8block": "fp8",
    "fp8kv": "fp8", "fp8staticpertensor": "fp8", "mxfp8": "fp8", "fp8": "fp8", "bf16": "bf16", "fp16": "bf16",
    "w8a8": "int8", "8bit": "int8", "q8.0": "int8", "int8": "int8", "awqint4": "int4", "gptqint4": "int4",
    "awq": "int4", "gptq": "int4", "w4a16": "int4", "q4.0": "int4", "q4.1": "int4", "q4km": "int4", "4bit": "int4",
    "int4": "int4",
}  # fmt: skip
# Endings that change neither shape nor format.
ROLE_ENDINGS: tuple[str, ...] = ("instruct", "chat", "hf", "it")
# Endings that change what is sold, but not the shape.
VARIANT_ENDINGS: tuple[str, ...] = (*ROLE_ENDINGS, "chathf", "base", "thinking")
COUNT_IN_FRONT = re.compile(r"^\s*\d+\s*[x\u00d7]\s*(?=\D)")
ACCELERATOR_POWER_SLACK = 0.9


class ModelName(NamedTuple):
    """What a name says: which card, and in which format if its ending tells."""

    id: str
    precision: Precision | None


class Catalog:
    """All tables. Immutable: `Catalog.default()` may be shared; `Catalog(data)` reads other TOML texts."""

    def __init__(self, texts: Mapping[str, str], own_models: Sequence[ModelCard] = ()) -> None:
        self.texts: Mapping[str, str] = MappingProxyType(dict(texts))
        self.own_models: tuple[ModelCard, ...] = tuple(own_models)
        """Models of one factory file, beside those of the tables; a plan holds them by the hash of its file."""
        self.measured: tuple[MeasuredSpeed, ...] = ()
        """Speeds that the user measured, with ids of this catalogue."""

    @staticmethod
    @cache
    def default() -> Catalog:
        """The catalogue that ships with the package."""
        folder = files("groundplan.catalog") / "data"
        return Catalog({name: (folder / f"{name}.toml").read_text("utf-8") for name in ("sources", *TABLES)})

    @cached_property
    def content_hash(self) -> str:
        """Fingerprint of every table and rule: a plan names the catalogue it was made with."""
        folder = files("groundplan.catalog") / "data"
        law = {name: (folder / f"{name}.toml").read_text("utf-8") for name in ("rules", "export")}
        digest = sha256()
        for name, text in sorted({**self.texts, **law}.items()):
            digest.update(f"{name}\0{text}\0".encode())
        return digest.hexdigest()

    @cached_property
    def sources(self) -> Mapping[str, Source]:
        """Sources by id."""
        return {key: Source(**value) for key, value in self._parse("sources")["sources"].items()}

    @cached_property
    def accelerators(self) -> Table[Accelerator]:
        return self._read("accelerator", "accelerators", Accelerator)

    @cached_property
    def servers(self) -> Table[Server]:
        return self._read("server", "servers", Server)

    @cached_property
    def models(self) -> Table[ModelCard]:
        return self._read("model", "models", ModelCard, self.own_models)

    def with_models(self, models: Sequence[OwnModel]) -> Catalog:
        """This catalogue with the models of one factory file instead of any other's; `content_hash` stays."""
        if not models and not self.own_models:
            return self
        shipped = Catalog(self.texts)
        made = Catalog(self.texts, [own_card(model, shipped.models) for model in models])
        made.measured = self.measured
        return made

    def with_measured(self, rows: Sequence[MeasuredSpeed]) -> Catalog:
        """This catalogue with these measured speeds instead of any other's; CatalogError for an unknown name."""
        made = copy(self)
        made.measured = tuple(map(self._known, rows))
        return made

    def _known(self, row: MeasuredSpeed) -> MeasuredSpeed:
        if (name := self.find_model(row.model)) is None:
            raise self.models.unknown(row.model)
        return row.model_copy(update={"model": name.id, "accelerator": self.accelerator(row.accelerator).id})

    def for_file(self, loaded: LoadedSpec) -> Catalog:
        """The catalogue with what a file brings; CatalogError with file and line where it contradicts the tables."""
        shipped = Catalog(self.texts)
        fx_rates = shipped.fx_rates.rows if "fx" in self.texts and loaded.factory.money.exchange_rates else ()
        if issues := [*rate_issues(loaded, fx_rates, self.tariffs.rows), *model_issues(loaded, shipped.models)]:
            raise CatalogError(issues)
        made = self.with_models(loaded.factory.models)
        known = measured_issues(loaded, made.find_model, made.find_accelerator)
        if issues := [*known, *draft_issues(loaded, made)]:
            raise CatalogError(issues)
        rows = loaded.factory.measured
        return made.with_measured(rows) if rows or made.measured else made

    @cached_property
    def tariffs(self) -> Table[Tariff]:
        return self._read("tariff", "tariffs", Tariff)

    @cached_property
    def countries(self) -> Table[Country]:
        return self._read("country", "countries", Country)

    @cached_property
    def fx_rates(self) -> Table[FxRate]:
        return self._read("currency", "fx", FxRate)

    @cached_property
    def offers(self) -> Table[CloudOffer]:
        return self._read("cloud offer", "offers", CloudOffer)

    @property
    def cloud_offers(self) -> tuple[CloudOffer, ...]:
        """All rental offers, in file order."""
        return self.offers.rows

    def accelerator(self, name: str) -> Accelerator:
        """By id, nvidia-smi name, data-sheet name ...; CatalogError with near names when unknown."""
        return self.accelerators[name]

    def server(self, name: str) -> Server:
        """By id or alias; CatalogError with near names when unknown."""
        return self.servers[name]

    def tariff(self, name: str) -> Tariff:
        """By id or alias; CatalogError with near names when unknown."""
        return self.tariffs[name]

    def country(self, code: str) -> Country:
        """By ISO alpha-2 code or English name; CatalogError when unknown."""
        return self.countries[code]

    def fx_rate(self, currency: str) -> FxRate:
        """By ISO 4217 code; CatalogError when unknown."""
        return self.fx_rates[currency]

    def model(self, name: str) -> ModelCard:
        """By id or Hugging Face id. A format ending (``-FP8``, ``-AWQ``) gives the card in that format."""
        if (found := self._spelled(name)) is None:
            raise self.models.unknown(name)
        card, ending = found
        precision = FORMAT_ENDINGS[ending] if ending else card.native_precision
        return card if card.native_precision == precision else _in_format(card, ending, precision)

    def find_model(self, name: str) -> ModelName | None:
        """Card and format of a name as checkpoints, benchmarks and tools spell it; None for a name nobody bears.

        Never the nearest name: what no id, alias or format ending explains stays unknown.
        """
        if (found := self._spelled(name)) is None:
            return None
        card, ending = found
        return ModelName(card.id, FORMAT_ENDINGS[ending] if ending else None)

    def find_accelerator(self, name: str) -> str | None:
        """Id of an accelerator by any spelling, with or without a count in front (``8x``); None when unknown."""
        row = self.accelerators.find(name) or self.accelerators.find(COUNT_IN_FRONT.sub("", name))
        return row.id if row else None

    def _spelled(self, name: str) -> tuple[ModelCard, str] | None:
        """The card of a name and the format ending that was cut off to find it ("" = none)."""
        if (card := self._card(name)) is not None:
            return card, ""
        short = squash(name.rsplit("/", 1)[-1])
        for ending in FORMAT_ENDINGS:
            if short.endswith(ending) and (card := self._card(short.removesuffix(ending).rstrip("."))) is not None:
                return card, ending
        return None

    def _card(self, name: str) -> ModelCard | None:
        short = squash(name.rsplit("/", 1)[-1])
        roles = (role for role in VARIANT_ENDINGS if short.endswith(role))
        spellings = (name, *(short.removesuffix(role).rstrip(".") for role in roles))
        return next((card for spelling in spellings if (card := self.models.find(spelling))), None)

    def figure_source(self, row: Row, field: str) -> Source:
        """The source of one figure of a row, by dotted path."""
        return figure_source(row, field)

    def figure_counts(self, *tables: str) -> dict[str, int]:
        """Stated figures by kind of source (measured, vendor, assumed), over all tables or the named ones."""
        counts = Counter({"measured": 0, "vendor": 0, "assumed": 0})
        for name in tables or TABLES:
            for row in self._table(name).rows:
                counts.update(figure_source(row, path).kind for path in figure_paths(row))
        return dict(counts)

    def _table(self, name: str) -> Table[Any]:
        return getattr(self, {"fx": "fx_rates"}.get(name, name))

    def _read(self, what: str, name: str, kind: type[R], more: Sequence[R] = ()) -> Table[R]:
        return Table(what, lambda: (*self._rows(name, kind), *more), lambda row: self._row_alone(name, kind, row))

    def _parse(self, name: str) -> dict[str, Any]:
        try:
            return tomllib.loads(self.texts[name])
        except (KeyError, tomllib.TOMLDecodeError) as error:
            raise CatalogError(Issue("catalog-file", f"{name}.toml", str(error), "mend the file")) from error

    def _rows(self, name: str, kind: type[R]) -> list[R]:
        issues: list[Issue] = []
        rows: list[R] = []
        for index, raw in enumerate(self._parse(name).get(name, [])):
            try:
                rows.append(self._row(name, kind, raw, f"row {index + 1}"))
            except CatalogError as error:
                issues += error.issues
        if issues:
            raise CatalogError(issues)
        return rows

    def _row_alone(self, name: str, kind: type[R], row_id: str) -> R | None:
        """The row of this very id, where exactly one block of the file starts with it; no other is read."""
        head = rf"^\[\[{name}\]\]$"
        block = re.compile(rf'{head}\nid = "{re.escape(row_id)}"$.*?(?={head}|\Z)', re.MULTILINE | re.DOTALL)
        blocks = block.findall(self.texts.get(name, ""))
        if len(blocks) != 1:
            return None
        try:
            return self._row(name, kind, tomllib.loads(blocks[0])[name][0])
        except tomllib.TOMLDecodeError:
            return None  # reading the whole file says where

    def _row(self, name: str, kind: type[R], raw: Mapping[str, Any], place: str = "") -> R:
        where = f"{name}.toml:{raw.get('id', place)}"
        try:
            row = kind.model_validate(self._with_sources(raw, where))
        except ValidationError as error:
            raise CatalogError([_issue(where, fault["loc"], fault["msg"]) for fault in error.errors()]) from error
        if isinstance(row, Server):
            self._check_server(row)
        return row

    def _with_sources(self, raw: Mapping[str, Any], where: str) -> dict[str, Any]:
        overrides = {field: self._source(ref, where) for field, ref in raw.get("figure_sources", {}).items()}
        return {**raw, "source": self._source(raw.get("source", ""), where), "figure_sources": overrides}

    def _source(self, ref: str, where: str) -> Source:
        if ref not in self.sources:
            fix = "add it to sources.toml"
            raise CatalogError(Issue("catalog-source", where, f"unknown source {ref!r}", fix))
        return self.sources[ref]

    def _check_server(self, row: Server) -> None:
        if row.accelerator is None or row.max_power_kw is None:
            return
        tdp_w = self.accelerator(row.accelerator).tdp_w
        floor_kw = row.accelerators_count * (tdp_w or 0.0) / 1e3 * ACCELERATOR_POWER_SLACK
        if row.max_power_kw < floor_kw:
            what = f"max_power_kw {row.max_power_kw:g} is below its accelerators' {floor_kw:.1f}"
            raise CatalogError(Issue("catalog-physics", f"servers.toml:{row.id}", what, "correct the row"))


TABLES: tuple[str, ...] = ("accelerators", "servers", "models", "tariffs", "countries", "fx", "offers")


def _in_format(card: ModelCard, ending: str, precision: Precision) -> ModelCard:
    assert precision in BITS
    return card.model_copy(update={"id": f"{card.id}-{ending}", "native_precision": precision})


def _issue(where: str, loc: tuple[int | str, ...], message: str) -> Issue:
    path = ".".join(str(part) for part in loc)
    return Issue("catalog-row", f"{where}.{path}" if path else where, message, "correct the row")


def figure_counts() -> dict[str, int]:
    """Figures of the shipped catalogue by kind of source."""
    return Catalog.default().figure_counts()
