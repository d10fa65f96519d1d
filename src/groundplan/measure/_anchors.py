"""The anchors file: [[measured]] tables, as a factory file names it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import date

from groundplan.spec import MeasuredSpeed

FOOT = "a factory file names this file under `measured`. Written by `groundplan anchor`.\n"


def anchors_text(speeds: Sequence[MeasuredSpeed]) -> str:
    """TOML text that `groundplan.spec.read_measured` reads back to the same rows; all measured, or all of tables."""
    origin = "Measured by you" if speeds[0].tables is None else "From another tool's tables, not measured by you"
    return "\n".join([f"# {origin}: {FOOT}", *(line for speed in speeds for line in _row(speed))])


def _row(speed: MeasuredSpeed) -> Iterator[str]:
    yield "[[measured]]"
    yield from (f"{key} = {_toml(value)}" for key, value in speed.model_dump(exclude_none=True).items())
    yield ""


def _toml(value: object) -> str:
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{key} = {_toml(inner)}" for key, inner in value.items()) + " }"
    # Texts, numbers, truth and lists of texts are spelled alike in JSON and TOML.
    return json.dumps(list(value) if isinstance(value, tuple) else value, ensure_ascii=False)
