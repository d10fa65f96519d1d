"""The vocabulary of units: a unit is the tail of a name, never a comment.

`unit_of("price_usd_per_kwh")` is ``"usd_per_kwh"``; a numeric field with neither a unit nor a
dimensionless tail is a fault that the tests find.
"""

from __future__ import annotations

UNITS: tuple[str, ...] = (
    "usd_per_kw_month",
    "local_per_kw_month",
    "usd_per_gpu_year",
    "usd_per_node_hour",
    "usd_per_tb_month",
    "usd_per_mtok",
    "usd_per_kwh",
    "local_per_kwh",
    "usd_per_gb",
    "usd_per_year",
    "usd_per_month",
    "usd_per_unit",
    "usd_per_tb",
    "usd_per_fte",
    "per_usd",
    "usd",
    "kg_per_kwh",
    "tonnes",
    "gb_per_s_per_direction",
    "gb_per_s",
    "mbit_per_s",
    "gpu_seconds",
    "gflops",
    "tflops",
    "tops",
    "per_s",
    "per_year",
    "per_month",
    "kwh",
    "kw",
    "watt",
    "w",
    "gb",
    "tb",
    "mb",
    "kb",
    "ms",
    "us",
    "ps",
    "s",
    "hz",
    "mm2",
    "months",
    "years",
    "year",
    "quarters",
    "hours",
    "hour",
    "h",
    "km",
    "tokens",
    "pixels",
)
DIMENSIONLESS: tuple[str, ...] = (
    "share",
    "rate",
    "ratio",
    "factor",
    "count",
    "cv",
    "percentile",
    "steps",
    "pue",
    "id",
    "units",
    "nodes",
    "per_node",
    "per_fte",
    "per_part",
    "priority",
    "lots",
    "replicas",
    "gpus",
    "cores",
    "fte",
)


def unit_of(name: str) -> str | None:
    """The unit that a field name ends in, longest match first; None when it names none."""
    for unit in sorted(UNITS, key=len, reverse=True):
        if name == unit or name.endswith("_" + unit):
            return unit
    return None
