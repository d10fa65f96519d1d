"""From what pydantic says to what a user can act on: the place, the key, the value, the fix."""

from __future__ import annotations

import types
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from groundplan.errors import Issue
from groundplan.spec._document import Document, Path, Value
from groundplan.spec._factory import Factory
from groundplan.spec._texts import field_texts
from groundplan.units import UNITS, unit_of

# Units that the file format never uses, but people do.
FOREIGN_UNITS: tuple[str, ...] = (
    "mw", "gw", "mwh", "kva", "gbit_per_s", "gbps", "mbps", "tbit_per_s", "kb_per_s", "mb_per_s", "pb", "mhz", "khz",
    "eur", "krw", "vnd", "cny", "twd", "krw_per_kwh", "usd_per_mwh", "krw_per_month", "percent", "pct", "qps", "rps",
    "days", "day", "weeks", "minutes", "min", "sec", "seconds", "ns",
)  # fmt: skip
# What a pattern means, in words.
FORMATS: Mapping[str, str] = {
    r"^[a-z0-9][a-z0-9._-]*$": "ids are lower-case letters, digits, dots, dashes and underscores",
    r"^[A-Z]{2}$": "write the country as ISO 3166-1 alpha-2, such as KR",
    r"^[A-Z]{3}$": "write the currency as ISO 4217, such as USD",
    r"^20\d\d-\d\d$": "write year-month, such as 2027-01",
}
TYPES: Mapping[str, str] = {
    "string_type": "a text", "float_type": "a number", "int_type": "a whole number", "bool_type": "true or false",
    "tuple_type": "a list", "list_type": "a list", "dict_type": "a mapping", "model_type": "a mapping",
    "model_attributes_type": "a mapping", "date_type": "a day such as 2026-12-31", "int_from_float": "a whole number",
    "dict_attributes_type": "a mapping",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault at a path of the data, before it has a line."""

    path: Path
    code: str
    what: str
    hint: str = ""

    def issue(self, document: Document) -> Issue:
        """The fault with its file and line."""
        return Issue(self.code, str(document.place(self.path)), self.what, self.hint)


def shown(data: Mapping[str, Value], path: Path) -> str:
    """A path as people write it, items by id: ``sites[changwon].hosting.usable_kw``."""
    text, here = "", data
    for step in path:
        here = _below(here, step)
        if isinstance(step, str):
            text += f".{step}" if text else step
        else:
            name = here.get("id") if isinstance(here, dict) else None
            text += f"[{name if isinstance(name, str) else step}]"
    return text or "the file"


def value_text(value: object) -> str:
    """A value, short enough for one line."""
    text = repr(value) if isinstance(value, str) else _WORDS.get(type(value), str(value).lower())
    return text if len(text) <= 60 else text[:57] + "..."


_WORDS: Mapping[type, str] = {dict: "a mapping", list: "a list", type(None): "nothing"}


def repeated(at: Path, names: Iterable[str]) -> Iterator[Fault]:
    """A fault for each name that stands more than once in a list."""
    for name, count in Counter(names).items():
        if count > 1:
            yield Fault(at, "duplicate-name", f"{at[-1]} names {name} twice", "name it once")


def faults_of(errors: list[ErrorDetails], data: Mapping[str, Value]) -> Iterator[Fault]:
    """One fault for each of pydantic's, less the missing keys that a misspelled one explains."""
    explained: set[Path] = set()
    missing: list[Fault] = []
    for error in errors:
        path = _data_path(error["loc"], data)
        if error["type"] == "extra_forbidden":
            fault, meant = _unknown_key(path, data)
            explained.update({(*path[:-1], meant)} if meant else ())
            yield fault
        elif error["type"] == "missing":
            missing.append(_missing(path, data))
        elif not (error["type"] == "too_short" and _at(data, path)):  # its items are at fault, and said so
            yield _wrong(error, path, data)
    yield from (fault for fault in missing if fault.path not in explained)


def _data_path(loc: tuple[str | int, ...], data: Mapping[str, Value]) -> Path:
    """A path of the data: without pydantic's notes on union branches and mapping keys."""
    if loc[:1] == ("workloads",) and len(loc) > 2:
        loc = (*loc[:2], *loc[3:])
    return tuple(step for step in loc if step != "[key]")


def _unknown_key(path: Path, data: Mapping[str, Value]) -> tuple[Fault, str | None]:
    key, parent = str(path[-1]), path[:-1]
    names = list(_fields(parent, data))
    taken = _at(data, parent)
    meant, hint = _meant(key, names, taken if isinstance(taken, dict) else {})
    what = f"unknown key {shown(data, path)} = {value_text(_at(data, path))}"
    return Fault(path, "unknown-key", what, hint), meant


def _meant(key: str, names: list[str], taken: Mapping[str, Value]) -> tuple[str | None, str]:
    free = [name for name in names if name not in taken]
    for name in free:
        unit = unit_of(name)
        if unit and _stem(key) == name[: -len(unit)].rstrip("_"):
            return name, f"did you mean {name}? The value is {unit_text(name)}"
    if near := get_close_matches(key, free, n=1, cutoff=0.6):
        return near[0], f"did you mean {near[0]}?"
    tail = _stem(key) or key
    related = [name for name in names if tail in name.split("_") or unit_of(name) == key.rsplit("_", 1)[-1]]
    return None, f"known here: {', '.join(sorted(related or names))}"


def _stem(key: str) -> str:
    """A key without its unit; `usable_mw` and `usable` are both `usable`."""
    for unit in sorted((*UNITS, *FOREIGN_UNITS), key=len, reverse=True):
        if key.endswith("_" + unit):
            return key[: -len(unit) - 1]
    return key


def unit_text(name: str) -> str:
    """The unit that a name ends in, in words: ``in kW``; empty where it names none."""
    unit = unit_of(name)
    return f"in {_UNIT_WORDS.get(unit, unit.replace('_per_', ' per ').replace('_', ' '))}" if unit else ""


_UNIT_WORDS: Mapping[str, str] = {
    "kw": "kW", "kwh": "kWh", "ms": "milliseconds", "s": "seconds", "h": "hours", "hz": "Hz", "gb": "GB", "tb": "TB",
    "usd": "US dollars", "mbit_per_s": "Mbit/s", "usd_per_kwh": "US dollars per kWh", "kb_per_unit": "kB per unit",
    "kg_per_kwh": "kg per kWh", "usd_per_gb": "US dollars per GB", "usd_per_mtok": "US dollars per million tokens",
    "per_s": "1/s",
}  # fmt: skip


def _missing(path: Path, data: Mapping[str, Value]) -> Fault:
    hint = _description(path, data)
    return Fault(path, "missing-key", f"missing key {shown(data, path)}", hint or "add it")


def _wrong(error: ErrorDetails, path: Path, data: Mapping[str, Value]) -> Fault:
    kind, context, value = error["type"], error.get("ctx", {}), _at(data, path)
    if kind.startswith("union_tag"):
        return _wrong_kind(path, data)
    subject = f"{shown(data, path)} = {value_text(value)}"
    if isinstance(value, dict) and kind == "value_error":
        subject = shown(data, path)
    if kind in TYPES:
        return Fault(path, "wrong-type", f"{subject}: expected {TYPES[kind]}", _type_hint(path, data, value))
    if kind == "string_pattern_mismatch":
        hint = FORMATS.get(str(context.get("pattern")), f"it must match {context.get('pattern')}")
        return Fault(path, "wrong-format", f"{subject} is not written as it must be", hint)
    if kind == "literal_error":
        return _not_among(path, subject, value, data)
    if kind == "finite_number":
        return Fault(path, "not-finite", f"{subject} is no finite number", "give the figure, or leave the key out")
    if kind == "too_short":
        hint = " ".join(filter(None, ("give at least one;", _description(path, data)))).rstrip("; ")
        return Fault(path, "empty-list", f"{shown(data, path)} is empty", hint)
    if kind == "value_error":
        return Fault(path, "inconsistent", f"{subject}: {context.get('error', error['msg'])}", "")
    return Fault(path, _code(kind), f"{subject}: {_sentence(error)}", _description(path, data))


def _code(kind: str) -> str:
    if kind.startswith(("greater_than", "less_than")):
        return "out-of-range"
    return "wrong-format" if kind.startswith("date") else "wrong-value"


def _sentence(error: ErrorDetails) -> str:
    if error["type"].startswith("date"):
        return "not a day of the calendar: write year-month-day, such as 2026-12-31"
    text = error["msg"].replace("Input should", "must").replace("Value should", "must").replace("String should", "must")
    text = text.replace("Tuple should", "must").replace("List should", "must")
    return text[:1].lower() + text[1:]


def _type_hint(path: Path, data: Mapping[str, Value], value: Value) -> str:
    if isinstance(value, str) and value.replace("_", "").replace(".", "", 1).lstrip("+-").isdigit():
        return "remove the quotes"
    return _description(path, data)


def _wrong_kind(path: Path, data: Mapping[str, Value]) -> Fault:
    kinds = sorted(_kinds())
    item = _at(data, path)
    if not isinstance(item, dict) or "kind" not in item:
        return Fault(path, "missing-key", f"missing key {shown(data, (*path, 'kind'))}", f"one of {', '.join(kinds)}")
    at = (*path, "kind")
    return _among(at, f"{shown(data, at)} = {value_text(item['kind'])}", item["kind"], kinds)


def _not_among(path: Path, subject: str, value: Value, data: Mapping[str, Value]) -> Fault:
    return _among(path, subject, value, [str(choice) for choice in _choices(_annotation(path, data))])


def _among(path: Path, subject: str, value: Value, choices: list[str]) -> Fault:
    near = get_close_matches(str(value), choices, n=1, cutoff=0.6)
    hint = f"did you mean {near[0]}?" if near else f"one of {', '.join(choices)}"
    return Fault(path, "wrong-value", f"{subject} is not a choice here", hint)


# --- walking data and types side by side ------------------------------------------------------------------


def _below(value: object, step: str | int) -> Any:
    if isinstance(value, dict):
        return value.get(step)
    if isinstance(value, list) and isinstance(step, int) and step < len(value):
        return value[step]
    return None


def _at(data: Mapping[str, Value], path: Path) -> Value:
    here: Any = data
    for step in path:
        here = _below(here, step)
    return here


def _kinds() -> dict[str, type[BaseModel]]:
    """Workload types by kind."""
    models = [part for part in _parts(Factory.model_fields["workloads"].annotation) if "kind" in part.model_fields]
    return {get_args(model.model_fields["kind"].annotation)[0]: model for model in models}


def _parts(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _parts(part)


def _annotation(path: Path, data: Mapping[str, Value]) -> Any:
    """The declared type at a path; None where there is none."""
    annotation: Any = Factory
    here: Any = data
    for step in path:
        here, annotation = _below(here, step), _child(annotation, step, here)
    return annotation


def _child(annotation: Any, step: str | int, value: object) -> Any:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        found = annotation.model_fields.get(str(step))
        return found.annotation if found else None
    parts = get_args(annotation)
    if get_origin(annotation) in (Union, types.UnionType, Annotated):
        return next((found for part in parts if (found := _child(part, step, value)) is not None), None)
    if get_origin(annotation) is tuple:
        return _element(parts[0 if parts[-1] is Ellipsis else min(int(step), len(parts) - 1)], value)
    return parts[1] if get_origin(annotation) is dict else None


def _element(annotation: Any, value: object) -> Any:
    """The type of a list item; of the workloads, the one of the item's kind."""
    models = list(_parts(annotation))
    kinds = _kinds() if len(models) > 1 else {}
    if kinds and isinstance(value, dict):
        return kinds.get(str(value.get("kind")))
    return annotation


def _fields(path: Path, data: Mapping[str, Value]) -> Mapping[str, Any]:
    models = list(_parts(_annotation(path, data)))
    return models[0].model_fields if models else {}


def _description(path: Path, data: Mapping[str, Value]) -> str:
    text = _text(path, data) if path else ""
    return text.split("\n")[0].rstrip(".") or (unit_text(str(path[-1])) if path else "")


def _text(path: Path, data: Mapping[str, Value]) -> str:
    """What stands under the field, or comes with its type."""
    models, name = list(_parts(_annotation(path[:-1], data))), str(path[-1])
    if not models or name not in models[0].model_fields:
        return ""
    return models[0].model_fields[name].description or field_texts(models[0]).get(name, "")


def _choices(annotation: Any) -> Iterator[object]:
    if get_origin(annotation) is Literal:
        yield from get_args(annotation)
    else:
        for part in get_args(annotation):
            yield from _choices(part)
