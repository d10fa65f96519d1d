"""Sites and chips for the policy tests."""

from __future__ import annotations

from datetime import date

from groundplan.catalog import Accelerator
from groundplan.spec import DataClass, HeldPermit, Site, Source

NOW = date(2026, 11, 1)
# chip, vendor, its country, dense TOPS, bits, die mm2, io GB/s both directions, DRAM GB/s, data centre, and the
# class by 2023 and status in China from 2025-04-09: transcribed from public classifications
# (s-w-kelly/chip-export-controls @d813a66 and data sheets; figures of Ascend, L40S, Jetson from memory).
CHIPS = {
    "a100": ("NVIDIA", "US", 312, 16, 826, 600, 2039, True, "3A090.a.1"),
    "h100": ("NVIDIA", "US", 989.5, 16, 814, 900, 3350, True, "3A090.a.1"),
    "h800": ("NVIDIA", "US", 989.5, 16, 814, 400, 3350, True, "3A090.a.1"),
    "h20": ("NVIDIA", "US", 148, 16, 814, 900, 4000, True, "not 3A090"),
    "h200": ("NVIDIA", "US", 989.5, 16, 814, 900, 4800, True, "3A090.a.1"),
    "l40s": ("NVIDIA", "US", 366.5, 16, 608.5, 64, 864, True, "3A090.a.1"),
    "l4": ("NVIDIA", "US", 242, 8, 294, 64, 300, True, "3A090.a.2"),
    "rtx-4090": ("NVIDIA", "US", 660.6, 8, 608.5, 64, 1008, False, "3A090-note-2"),
    "b200": ("NVIDIA", "US", 9000, 4, 1628, 1800, 8000, True, "3A090.a.1"),
    "jetson-thor": ("NVIDIA", "US", 1035, 4, None, 32, 273, False, "not 3A090"),
    "jetson-orin": ("NVIDIA", "US", 137.5, 8, None, 16, 205, False, "not 3A090"),
    "mi300x": ("AMD", "US", 2614.9, 8, 1017, 896, 5300, True, "3A090.a.1"),
    "mi210": ("AMD", "US", 181, 16, 790, 300, 1600, True, "3A090.b.1"),
    "mi250x": ("AMD", "US", 383, 16, 1580, 800, 3200, True, "3A090.a.1"),
    "ascend-910b": ("Huawei", "CN", 640, 8, 665, 392, 1600, True, "3A090.a.1"),
}
CONTROLLED_2022 = {"a100", "h100", "h200", "b200", "mi300x", "mi250x"}
FIELDS = {4: "dense_fp4_tflops", 8: "dense_int8_tops", 16: "dense_bf16_tflops"}


def chip(name: str, **changes: object) -> Accelerator:
    """Build a row of CHIPS; `changes` override or, with None, blank fields. Its class is chip_class."""
    vendor, country, tops, bits, die_mm2, io, dram, datacenter, _ = CHIPS[name]
    return bare_chip(
        name,
        **{
            "vendor": vendor,
            "vendor_country": country,
            "market": "datacenter" if datacenter else "consumer",
            FIELDS[bits]: tops,
            "applicable_die_mm2": die_mm2,
            "mem_bw_gb_per_s": dram,
            "scaleup_gb_per_s_per_direction": io / 2 if io > 100 else None,
            "pcie_gb_per_s_per_direction": io / 2 if io <= 100 else 0.001,
            **changes,
        },
    )


def chip_class(name: str) -> str:
    return CHIPS[name][-1]


def bare_chip(name: str, **fields: object) -> Accelerator:
    source = Source(who="test", kind="assumed")
    base = {"vendor": "NVIDIA", "vendor_country": "US", "market": "datacenter"}
    return Accelerator.model_validate({"id": name, "name": name, "source": source, **base, **fields})


def site(country: str, name: str = "s", **facts: str) -> Site:
    """Build a site whose five facts are one country, unless stated otherwise."""
    holders = ("owner_country", "operator_country", "parent_country", "key_holder_country")
    return Site.model_validate(
        {
            "id": name, "title": name, "tier": "site-dc", "country": country, **dict.fromkeys(holders, country),
            "utc_offset_h": 0, "lan_rtt_p50_ms": 0.1, "lan_rtt_p99_ms": 0.2, "pue": 1.3,
            "grid_carbon_kg_per_kwh": 0.4, **facts,
        }
    )  # fmt: skip


def data(law: str, *labels: str, name: str = "d") -> DataClass:
    return DataClass(id=name, title=name, labels=labels, law_of=law)


def permit(name: str, from_month: str = "2020-01", until_month: str = "2040-01") -> HeldPermit:
    return HeldPermit(permit=name, from_month=from_month, until_month=until_month)
