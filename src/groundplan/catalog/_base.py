"""Rows, their sources, and names that resolve however a user spells them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from difflib import get_close_matches
from functools import cache, cached_property
from typing import Annotated, Generic, Literal, Self, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from groundplan.errors import CatalogError, Issue
from groundplan.spec import Source

Precision = Literal["fp32", "bf16", "fp8", "fp4", "int8", "int4"]
BITS: Mapping[str, int] = {"fp32": 32, "bf16": 16, "fp8": 8, "fp4": 4, "int8": 8, "int4": 4}

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1)]
CountryCode = Annotated[str, Field(pattern=r"^[A-Z]{2}$")]


class Frozen(BaseModel):
    """A value: cannot change, and refuses keys that it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


def _pairs(value: object) -> object:
    return tuple(sorted(value.items())) if isinstance(value, Mapping) else value


class Row(Frozen):
    """One row of a table. `source` speaks for every figure that `figure_sources` does not name."""

    id: str = Field(pattern=r"^[a-z0-9][a-z0-9.\-]*$")
    source: Source
    figure_sources: Annotated[tuple[tuple[str, Source], ...], BeforeValidator(_pairs)] = ()
    """Overrides by dotted path of the figure (``tdp_w``, ``energy.3``), longest prefix wins."""

    @model_validator(mode="after")
    def _overrides_name_figures(self) -> Self:
        paths = [path + "." for path in figure_paths(self)] if self.figure_sources else []
        strange = [key for key, _ in self.figure_sources if not any(path.startswith(key + ".") for path in paths)]
        if strange:
            raise ValueError(f"{self.id}: figure_sources name no stated figure: {', '.join(strange)}")
        return self


class NamedRow(Row):
    """A row that people call by more than one name."""

    name: str = Field(min_length=1)
    aliases: tuple[str, ...] = ()


def figure_source(row: Row, field: str) -> Source:
    """The source of one figure, by dotted path; a path that names no figure of the row is a CatalogError."""
    if not any(f"{path}.".startswith(f"{field}.") for path in figure_paths(row)):
        raise missing_figure(row.id, field, "no such figure in this row")
    overrides = dict(row.figure_sources)
    parts = field.split(".")
    prefixes = (".".join(parts[:end]) for end in range(len(parts), 0, -1))
    return next((overrides[prefix] for prefix in prefixes if prefix in overrides), row.source)


def figure_paths(row: BaseModel, prefix: str = "") -> Iterator[str]:
    """Dotted path of every stated figure; blanks, defaults and provenance are left out.

    A list of bare numbers (months of a season, hours of a block) is one figure.
    """
    for name in sorted(row.model_fields_set - {"source", "figure_sources"}):
        yield from _leaves(getattr(row, name), prefix + name)


def _leaves(value: object, path: str) -> Iterator[str]:
    if isinstance(value, BaseModel):
        yield from figure_paths(value, path + ".")
    elif isinstance(value, tuple) and any(isinstance(item, BaseModel) for item in value):
        for index, item in enumerate(value):
            yield from _leaves(item, f"{path}.{index}")
    elif _is_figure(value):
        yield path


def _is_figure(value: object) -> bool:
    if isinstance(value, tuple):
        return any(_is_figure(item) for item in value)
    return isinstance(value, int | float) and not isinstance(value, bool)


def missing_figure(row_id: str, field: str, fix: str) -> CatalogError:
    """The error for a blank that an answer needs."""
    return CatalogError(Issue("catalog-blank", f"catalog:{row_id}", f"no figure for {field}", fix))


MAKERS = ("nvidia", "amd", "intel", "huawei", "geforce", "instinct", "tesla")


def squash(name: str) -> str:
    """A name without case, punctuation, blanks, marks like (R) and leading maker's words: what two spellings share.

    Whatever separates two digits stays, as a point: OPT-1.3B is not OPT-13B, nor Llama-2-70B a Llama-270B.
    """
    plain = re.sub(r"\((?:r|tm|c)\)", "", name.casefold())
    pointed = re.sub(r"(?<=\d)[^a-z0-9]+(?=\d)", ".", plain)
    short = "".join(char for char in pointed if char.isalnum() or char == ".")
    short = re.sub(r"(?<!\d)\.|\.(?!\d)", "", short)
    while maker := next((maker for maker in MAKERS if short.startswith(maker) and short != maker), None):
        short = short.removeprefix(maker)
    return short


R = TypeVar("R", bound=Row)
# What follows a slash is a name of its own from this length on: the "R1" of "DeepSeek-V3/R1" is not.
SHORTEST_TAIL = 4


class Table(Generic[R]):
    """Rows by id and by every alias, read when first asked for; one that is asked for by its very id is read alone.

    Two rows that share a spelling are refused when all are read.
    """

    def __init__(self, what: str, read: Callable[[], Iterable[R]], read_alone: Callable[[str], R | None]) -> None:
        self.what = what
        self._read, self._read_alone = read, cache(read_alone)

    @cached_property
    def rows(self) -> tuple[R, ...]:
        """All of them, in file order."""
        return tuple(self._read())

    @cached_property
    def _by_name(self) -> dict[str, R]:
        found: dict[str, R] = {}
        for row in self.rows:
            for spelling in _spellings(row):
                self._add(found, spelling, row)
        return found

    def _add(self, found: dict[str, R], spelling: str, row: R) -> None:
        other = found.setdefault(squash(spelling), row)
        if other is not row:
            what = f"{self.what} name {spelling!r} stands for both {other.id} and {row.id}"
            fix = "drop one of the aliases"
            raise CatalogError(Issue("catalog-ambiguous", f"catalog:{row.id}", what, fix))

    def find(self, name: str) -> R | None:
        """The row of this spelling, with or without a Hugging Face owner in front; None when unknown."""
        if "rows" not in self.__dict__ and (alone := self._read_alone(name)) is not None:
            return alone
        found = self._by_name.get(squash(name))
        return found or self._by_name.get(squash(name.rsplit("/", 1)[-1]))

    def __getitem__(self, name: str) -> R:
        if (row := self.find(name)) is None:
            raise self.unknown(name)
        return row

    def unknown(self, name: str) -> CatalogError:
        """The error for a name that no row bears, with the nearest ids."""
        near = get_close_matches(squash(name.rsplit("/", 1)[-1]), list(self._by_name), n=6, cutoff=0.5)
        ids = list(dict.fromkeys(self._by_name[key].id for key in near))[:3]
        hint = f"did you mean {' or '.join(ids)}?" if ids else f"the catalogue has {len(self.rows)} of them"
        what = f"unknown {self.what} {name!r}"
        return CatalogError(Issue("catalog-unknown", f"catalog:{self.what}", what, hint))


def _spellings(row: Row) -> Iterator[str]:
    yield row.id
    if isinstance(row, NamedRow):
        yield row.name
        for alias in row.aliases:
            yield alias
            tail = alias.rsplit("/", 1)[-1]
            if len(squash(tail)) >= SHORTEST_TAIL:
                yield tail
