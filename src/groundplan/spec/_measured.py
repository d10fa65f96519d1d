"""Speeds from outside: how far the shipped model is off for one deployment, with where that comes from."""

from __future__ import annotations

import tomllib
from datetime import date
from pathlib import Path as FilePath
from typing import Annotated, Any, Literal, NoReturn

from pydantic import Field, ValidationError

from groundplan.errors import Issue, SpecError
from groundplan.spec._base import Count, PositiveCount, Strict
from groundplan.spec._document import MAX_BYTES

MeasuredEngine = Literal["vllm", "sglang", "trtllm", "local"]
Factor = Annotated[float, Field(ge=0.1, le=10)]
HINT = "write it with `groundplan anchor`"


class TableCells(Strict):
    """What gates took out of another tool's tables of step times, each step by the first gate that it failed."""

    below_floor_count: Count
    """Steps faster than the data sheet allows."""
    unlike_others_count: Count
    """Steps that no other engine's tables come within a factor of two of."""
    not_monotone_count: Count
    """Steps slower than others that do at least as much."""
    compared: bool
    """Whether tables of another engine were there to compare with."""

    @property
    def words(self) -> str:
        """For people."""
        others = f"{self.unlike_others_count} unlike other engines" if self.compared else "no other engine to compare"
        return f"{self.below_floor_count} below the roofline, {others}, {self.not_monotone_count} not monotone"


class MeasuredSpeed(Strict):
    """One deployment of a language model, measured against the serving model of a release.

    A file lists paths of anchors files (``groundplan anchor`` writes them), relative to it; their rows are taken into
    the file when it is read, so that a plan and its ``factory.json`` need the paths no more.
    """

    model: Annotated[str, Field(min_length=1)]
    """Catalogue id, Hugging Face id, or the id of a model of the file."""
    accelerator: Annotated[str, Field(min_length=1)]
    """Catalogue id or alias."""
    engine: MeasuredEngine
    precision: Literal["fp32", "bf16", "fp8", "int8", "int4", "fp4"]
    tuning: Literal["default", "tuned"] = "default"
    """As workloads state it; the factors correct the model of this tuning."""
    tensor_ranks_count: PositiveCount
    """Accelerators of the replica; one stage, on one node."""
    level_factor: Factor
    """Measured over predicted time of what reads, multiplies or sends; above 1 is slower than predicted."""
    fixed_factor: Factor
    """The same of launches, start-up times and host work; equal to level_factor where one load was measured."""
    points_count: PositiveCount
    """Loads that were measured; steps of the tables that count."""
    spread_factor: Annotated[float, Field(ge=1, le=10)]
    """What is left between the measured points and the corrected model: nine in ten lie within this factor."""
    against: Annotated[str, Field(min_length=1)]
    """Version of the serving model that the factors correct."""
    tool: Annotated[str, Field(min_length=1)]
    """Load generator that wrote the results, or the tool whose tables they are."""
    files: Annotated[tuple[Annotated[str, Field(min_length=1)], ...], Field(min_length=1)]
    """Names of the result files, or of the tables."""
    dated: date | None = None
    """Day of the latest run; blank where no result states it."""
    tables: TableCells | None = None
    """Given where the row is no measurement of yours but comes from another tool's tables; yours overrides it."""


def read_measured(path: str | FilePath, where: str = "") -> tuple[MeasuredSpeed, ...]:
    """The rows of an anchors file; SpecError with every fault when it is missing, unreadable or of another shape."""
    file = FilePath(path)
    where = where or str(path)
    rows = _rows(file, where)
    found: list[MeasuredSpeed] = []
    issues: list[Issue] = []
    for index, row in enumerate(rows):
        try:
            found.append(MeasuredSpeed.model_validate(_tuples(row), strict=True))
        except ValidationError as error:
            issues += [_issue(where, file, index, fault["loc"], fault["msg"]) for fault in error.errors()]
    if issues:
        raise SpecError(issues)
    return tuple(found)


def _rows(file: FilePath, where: str) -> list[Any]:
    try:
        with file.open("rb") as stream:
            raw = stream.read(MAX_BYTES + 1)
        if len(raw) > MAX_BYTES:
            _refuse("too-large", where, f"{file} has more than {MAX_BYTES:,} bytes", HINT)
        content = tomllib.loads(raw.decode("utf-8-sig"))
    except FileNotFoundError:
        _refuse("missing-file", where, f"no such file: {file}", f"{HINT}; a path is relative to the factory file")
    except OSError as error:
        _refuse("unreadable", where, f"{file} cannot be read: {error.strerror or error}", "give a readable file")
    except (ValueError, RecursionError) as error:
        _refuse("not-toml", where, f"{file} is no TOML: {error}", HINT)
    rows = content.get("measured")
    if set(content) != {"measured"} or not isinstance(rows, list) or not rows:
        _refuse("anchors-file", where, f"{file} holds no list of [[measured]] tables, and nothing else", HINT)
    return rows


def _tuples(row: Any) -> Any:
    """TOML has lists where the type is a tuple."""
    return {key: tuple(v) if isinstance(v, list) else v for key, v in row.items()} if isinstance(row, dict) else row


def _issue(where: str, file: FilePath, index: int, loc: tuple[int | str, ...], message: str) -> Issue:
    key = ".".join(str(step) for step in ("measured", index, *loc))
    return Issue("anchors-file", where, f"{file}: {key}: {message}", HINT)


def _refuse(code: str, where: str, what: str, hint: str) -> NoReturn:
    raise SpecError(Issue(code, where, what, hint))
