"""Every leaf of the file format, where a document states it, and other values that it could hold."""

from __future__ import annotations

import re
from collections.abc import Iterator
from copy import deepcopy
from datetime import date, timedelta
from typing import Any

Step = str | int
Path = tuple[Step, ...]
NAMES: dict[str, tuple[str, ...]] = {
    "model": ("qwen3-32b", "pi0.5", "efficientad-m", "cosmos-predict2-14b", "minilm-l6"),
    "server": ("hgx-h200-8", "l4-4"),
    "tariff": ("us-industrial-average",),
    "cloud_offer": ("nebius-gpu-l40s-a-1gpu-8vcpu-eu-north1-on-demand",),
    "provider": ("together",),
    "provider_model": ("llama-3.3-70b-versatile",),
    "law": ("kr-pipa-transfer",),
}
"""What a text that names something in the catalogue could name instead."""


def leaves(schema: dict[str, Any]) -> tuple[str, ...]:
    """Patterns such as ``sites.*.hosting.staff.min_fte``; a kind stands behind its union: ``workloads.*<llm>.id``."""
    return tuple(dict.fromkeys(_leaves(schema, schema, "")))


def _leaves(schema: dict[str, Any], node: dict[str, Any], at: str) -> Iterator[str]:
    for name, entry in node["properties"].items():
        here = f"{at}.{name}" if at else name
        for suffix, below in _objects(schema, entry, here):
            yield from _leaves(schema, below, suffix) if below else [suffix]


def _objects(schema: dict[str, Any], entry: dict[str, Any], at: str) -> Iterator[tuple[str, dict[str, Any] | None]]:
    """Where an entry leads to: objects with keys of their own, or a leaf (None)."""
    if "discriminator" in entry:
        for kind, reference in entry["discriminator"]["mapping"].items():
            yield f"{at}<{kind}>", _resolved(schema, {"$ref": reference})
        return
    options = [_resolved(schema, option) for option in entry.get("anyOf", [entry])]
    real = next(option for option in options if option.get("type") != "null")
    if real.get("type") == "array" and "items" in real:
        below = list(_objects(schema, real["items"], f"{at}.*"))
        yield from below if any(node for _, node in below) else [(at, None)]
    else:
        yield at, real if "properties" in real else None


def _resolved(schema: dict[str, Any], entry: dict[str, Any]) -> dict[str, Any]:
    if "$ref" not in entry:
        return entry
    return schema["$defs"][entry["$ref"].rsplit("/", 1)[-1]]


def stated(document: Any, pattern: str) -> Iterator[Path]:
    """Paths of the document that a pattern names."""
    yield from _stated(document, pattern.split("."), ())


def _stated(here: Any, steps: list[str], path: Path) -> Iterator[Path]:
    if not steps:
        yield path
    elif steps[0].startswith("*"):
        kind = steps[0][2:-1]
        for index, item in enumerate(here):
            if not kind or item["kind"] == kind:
                yield from _stated(item, steps[1:], (*path, index))
    elif isinstance(here, dict) and steps[0] in here:
        yield from _stated(here[steps[0]], steps[1:], (*path, steps[0]))


def value_at(document: Any, path: Path) -> Any:
    for step in path:
        document = document[step]
    return document


def changed(document: Any, path: Path, value: Any) -> Any:
    """A copy of the document with one value replaced."""
    copy = deepcopy(document)
    value_at(copy, path[:-1])[path[-1]] = value
    return copy


def others(schema: dict[str, Any], pattern: str, value: Any) -> Iterator[Any]:
    """Values of the right type that the leaf does not hold; only a constant is given a value that is not legal."""
    name = pattern.rsplit(".", 1)[-1]
    entry = _entry(schema, pattern)
    if "const" in entry:
        yield 2 if isinstance(value, int) else "other"
    elif "enum" in entry:
        yield from (option for option in entry["enum"] if option != value)
    elif name in NAMES:
        yield from ([other] if isinstance(value, list) else other for other in NAMES[name])
    else:
        yield from (other for other in _others(value, entry) if _legal(other, entry))


def _others(value: Any, entry: dict[str, Any]) -> Iterator[Any]:
    match value:
        case bool():
            yield not value
        case int() if entry.get("type") == "integer":
            yield from (value + 1, value - 1, 1, 0, 2 * value, 100 * value)
        case int() | float():
            yield from (0.99 * value, 1.3 * value + 0.01, 0.01 * value, 100 * value + 1)
        case date():
            yield (value + timedelta(days=40)).isoformat()
        case str():
            yield from _other_texts(value)
        case dict():
            yield from ({**value, key: 0.6 * share} for key, share in value.items() if isinstance(share, int | float))
        case list():
            yield from _other_lists(value, entry)


def _other_texts(text: str) -> Iterator[str]:
    if re.fullmatch(r"20\d\d-\d\d", text):
        yield from (f"{int(text[:4]) + years}{text[4:]}" for years in (1, -1, -4))
        yield f"{text[:5]}{int(text[5:]) % 12 + 1:02d}"
    elif re.fullmatch(r"20\d\d-\d\d-\d\d", text):
        yield (date.fromisoformat(text) + timedelta(days=40)).isoformat()
    elif re.fullmatch(r"[A-Z]{2}", text):
        yield from (country for country in ("CN", "DE", "KR") if country != text)
    elif re.fullmatch(r"[A-Z]{3}", text):
        yield from ("USD", "VND")
    else:
        yield f"{text}-2"


def _other_lists(items: list[Any], entry: dict[str, Any]) -> Iterator[list[Any]]:
    options = entry.get("items", {}).get("enum", [])
    yield from ([*items, option] for option in options if option not in items)
    if len(items) > 1:
        yield items[:-1]
    if items and isinstance(items[0], list):
        yield [[items[0][0], items[0][1] - 1], *items[1:]]
    elif items and not options:
        yield from ([first, *items[1:]] for first in _others(items[0], entry.get("items", {})))


def _legal(value: Any, entry: dict[str, Any]) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return True
    return entry.get("minimum", value) <= value <= entry.get("maximum", value) and entry.get(
        "exclusiveMinimum", value - 1
    ) < value < entry.get("exclusiveMaximum", value + 1)


def _entry(schema: dict[str, Any], pattern: str) -> dict[str, Any]:
    """The schema of a leaf, without its null."""
    node: dict[str, Any] = schema
    for step in pattern.split("."):
        name, _, kind = step.partition("<")
        if name == "*":
            node = _not_null(schema, node["items"])
            if kind:
                node = _resolved(schema, {"$ref": node["discriminator"]["mapping"][kind[:-1]]})
        else:
            node = _not_null(schema, node["properties"][name])
    return node


def _not_null(schema: dict[str, Any], entry: dict[str, Any]) -> dict[str, Any]:
    options = [_resolved(schema, option) for option in entry.get("anyOf", [entry])]
    return next(option for option in options if option.get("type") != "null")
