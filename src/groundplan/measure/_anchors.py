"""The anchors file: one [[measured]] table, as a factory file names it."""

from __future__ import annotations

import json
from datetime import date

from groundplan.spec import MeasuredSpeed

HEAD = "# Measured by you: a factory file names this file under `measured`. Written by `groundplan anchor`.\n"


def anchors_text(speed: MeasuredSpeed) -> str:
    """TOML text that `groundplan.spec.read_measured` reads back to the same row."""
    lines = [f"{key} = {_toml(value)}" for key, value in speed if value is not None]
    return "\n".join([HEAD, "[[measured]]", *lines, ""])


def _toml(value: object) -> str:
    if isinstance(value, date):
        return value.isoformat()
    # Texts, numbers and lists of texts are spelled alike in JSON and TOML.
    return json.dumps(list(value) if isinstance(value, tuple) else value, ensure_ascii=False)
