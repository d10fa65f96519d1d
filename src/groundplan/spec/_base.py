"""The ground that every spec type stands on: frozen, unknown keys forbidden, no NaN, units in names."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from groundplan.spec._texts import add_texts


class Strict(BaseModel):
    """Immutable, closed, and documented by the text under each field (which the JSON Schema carries).

    Validators are built when first used: a command uses few of the types that it imports.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, defer_build=True, json_schema_extra=add_texts
    )


def _real_month(text: str) -> str:
    if not 1 <= int(text[5:]) <= 12:
        raise ValueError(f"{text} is no month: write year-month with the month from 01 to 12, such as 2027-01")
    return text


Id = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]*$", max_length=64)]
CountryCode = Annotated[str, Field(pattern=r"^[A-Z]{2}$", description="ISO 3166-1 alpha-2, such as KR")]
Month = Annotated[
    str, Field(pattern=r"^20\d\d-\d\d$", description="year-month, such as 2027-01"), AfterValidator(_real_month)
]
Positive = Annotated[float, Field(gt=0)]
NonNegative = Annotated[float, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=0)]
PositiveCount = Annotated[int, Field(ge=1)]


def month_number(month: str) -> int:
    """Months since year 0, so that differences are spans: 2027-02 is one more than 2027-01."""
    return int(month[:4]) * 12 + int(month[5:]) - 1
