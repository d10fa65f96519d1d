"""Where a figure comes from."""

from __future__ import annotations

from datetime import date
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from groundplan.spec._texts import add_texts

SourceKind = Literal["measured", "vendor", "assumed"]


class Source(BaseModel):
    """Provenance of one figure: who says so, when, and how far to trust it."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True, json_schema_extra=add_texts)

    who: str = Field(min_length=1)
    """Document, data sheet, repository or person."""
    dated: date | None = None
    """Day of the statement; blank where the document carries none."""
    kind: SourceKind
    """measured: somebody ran it; vendor: published by who sells or runs it (data sheet, price list, tariff,
    configuration file); assumed: from memory, inferred, derived or synthetic."""
    confidence: Literal["high", "medium", "low"] = "medium"
    note: str = ""
    """What to know before relying on the figure."""
