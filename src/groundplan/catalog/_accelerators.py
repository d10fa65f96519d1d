"""Accelerators: one chip package as software sees it, dense rates, per direction, per GPU."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date
from typing import Literal, Self

from pydantic import model_validator

from groundplan.catalog._base import BITS, Count, CountryCode, NamedRow, Positive, Precision, missing_figure

MemoryKind = Literal["hbm2", "hbm2e", "hbm3", "hbm3e", "gddr6", "gddr6x", "gddr7", "lpddr5", "lpddr5x", "lpddr4x"]
# Technology windows: (GB/s per GB) low, high; whole-package GB/s ceiling (8 stacks of HBM; 512-bit GDDR).
MEMORY_WINDOWS: Mapping[str, tuple[float, float, float]] = {
    "hbm2": (20, 58, 2100), "hbm2e": (20, 45, 3700), "hbm3": (24, 46, 6600), "hbm3e": (20, 48, 9900),
    "gddr6": (9, 58, 1300), "gddr6x": (20, 80, 1550), "gddr7": (14, 62, 2050),
    "lpddr4x": (1, 14, 300), "lpddr5": (1, 14, 850), "lpddr5x": (1, 14, 620),
}  # fmt: skip
# Dense 16-bit FLOP per byte of memory traffic; beyond these the row is half a chip or a sparse figure.
FLOP_PER_BYTE: Mapping[str, tuple[float, float]] = {"hbm": (25, 480), "gddr": (60, 480), "lpddr": (20, 1000)}
RATIO_WINDOWS: tuple[tuple[str, str, float, float], ...] = (
    ("fp8", "bf16", 0.9, 4.5), ("fp4", "fp8", 0.9, 4.5), ("bf16", "fp32", 0.9, 130.0),
    ("int8", "bf16", 0.01, 4.5),
)  # fmt: skip
RETICLE_PACKAGE_MM2 = 1700.0
# Dense 16-bit TFLOP/s per watt of the limit: 0.27 TPU v3 .. 2.5 B100; 0.15 RTX 3060 on graphics memory.
TFLOPS_PER_WATT: Mapping[bool, tuple[float, float]] = {True: (0.25, 3.5), False: (0.14, 3.5)}
IDLE_SHARE = (0.02, 0.4)


class Accelerator(NamedRow):
    """One accelerator. Rates are dense (no sparsity) and per package.

    Memory is the vendor's nominal figure, which counts GiB (2**30 bytes), as the parts report them: 80 GB of an H100
    are 85 to 86e9 bytes. What a driver keeps for itself is not taken off.
    """

    vendor: str
    vendor_country: CountryCode
    market: Literal["datacenter", "workstation", "consumer", "edge"]
    memory_kind: MemoryKind | None = None
    dense_fp32_tflops: Positive | None = None
    dense_bf16_tflops: Positive | None = None
    dense_fp8_tflops: Positive | None = None
    dense_fp4_tflops: Positive | None = None
    dense_int8_tops: Positive | None = None
    memory_gb: Positive | None = None
    mem_bw_gb_per_s: Positive | None = None
    scaleup_gb_per_s_per_direction: Positive | None = None
    """NVLink, Infinity Fabric, HCCS ... per GPU and direction; blank = PCIe only, or not known."""
    scaleup_domain_gpus: Count | None = None
    pcie_gb_per_s_per_direction: Positive | None = None
    tdp_w: Positive | None = None
    idle_w: Positive | None = None
    applicable_die_mm2: Positive | None = None
    """Area of the logic dies in the sense of ECCN 3A090; blank where no document states it."""
    released: date | None = None

    def dense_tops(self, precision: Precision) -> float:
        """Dense tera-operations/s of a format; CatalogError when the row leaves it blank."""
        value = getattr(self, _field(precision), None)
        if value is None:
            fix = f"this part has no stated dense {precision} rate: choose another format or add the figure"
            raise missing_figure(self.id, _field(precision), fix)
        return value

    def total_processing_performance(self) -> float:
        """TPP of ECCN 3A090 (15 CFR 774 supplement 1): max over formats of dense TOPS x bit length.

        Only tensor formats count: a row that states none raises CatalogError, since its FP32 product would
        understate the part and a missing figure must never read as exempt.
        """
        products = [tops * BITS[precision] for precision, tops in self._rates() if precision != "fp32"]
        if not products:
            raise missing_figure(self.id, "any tensor rate", "add dense_bf16_tflops or another format")
        return max(products)

    def performance_density(self) -> float:
        """TPP per mm2 of applicable die; CatalogError when the die area is blank (blank is not exempt)."""
        if self.applicable_die_mm2 is None:
            raise missing_figure(self.id, "applicable_die_mm2", "ask the vendor for the applicable die area")
        return self.total_processing_performance() / self.applicable_die_mm2

    def _rates(self) -> Iterator[tuple[str, float]]:
        for precision in BITS:
            if (value := getattr(self, _field(precision), None)) is not None:
                yield precision, value

    @model_validator(mode="after")
    def _physics(self) -> Self:
        faults = [*_ratio_faults(dict(self._rates())), *_memory_faults(self), *_package_faults(self)]
        if faults:
            raise ValueError(f"{self.id}: impossible row: " + "; ".join(faults))
        return self


def _field(precision: str) -> str:
    return f"dense_{precision}_tops" if precision.startswith("int") else f"dense_{precision}_tflops"


def _ratio_faults(rates: Mapping[str, float]) -> Iterator[str]:
    for upper, lower, low, high in RATIO_WINDOWS:
        if upper in rates and lower in rates and not low <= rates[upper] / rates[lower] <= high:
            ratio = rates[upper] / rates[lower]
            yield f"{upper}/{lower} = {ratio:.2f} outside {low}..{high} (sparse figure?)"


def _memory_faults(row: Accelerator) -> Iterator[str]:
    if row.memory_kind is None or row.mem_bw_gb_per_s is None:
        return
    low, high, ceiling = MEMORY_WINDOWS[row.memory_kind]
    if row.mem_bw_gb_per_s > ceiling:
        yield f"{row.mem_bw_gb_per_s:g} GB/s is beyond a {row.memory_kind} package ({ceiling:g})"
    if row.memory_gb is not None and not low <= row.mem_bw_gb_per_s / row.memory_gb <= high:
        per_gb = row.mem_bw_gb_per_s / row.memory_gb
        yield f"{per_gb:.1f} GB/s per GB outside {low}..{high} of {row.memory_kind}"
    if row.dense_bf16_tflops is not None:
        low, high = FLOP_PER_BYTE[row.memory_kind.rstrip("234567ex")]
        intensity = row.dense_bf16_tflops * 1e3 / row.mem_bw_gb_per_s
        if not low <= intensity <= high:
            yield f"{intensity:.0f} FLOP per byte outside {low}..{high} (half a chip, or a sparse figure?)"


def _package_faults(row: Accelerator) -> Iterator[str]:
    if row.tdp_w is not None and row.dense_bf16_tflops is not None:
        window = TFLOPS_PER_WATT["hbm" in (row.memory_kind or "")]
        yield from _outside("TFLOP/s per W", row.dense_bf16_tflops / row.tdp_w, window)
    if row.tdp_w is not None and row.idle_w is not None:
        yield from _outside("idle_w / tdp_w", row.idle_w / row.tdp_w, IDLE_SHARE)
    if row.applicable_die_mm2 is not None and row.applicable_die_mm2 > RETICLE_PACKAGE_MM2:
        yield f"die {row.applicable_die_mm2:g} mm2 exceeds two reticles ({RETICLE_PACKAGE_MM2:g})"
    if (row.scaleup_domain_gpus or 1) > 1 and row.scaleup_gb_per_s_per_direction is None:
        yield "a scale-up domain without a scale-up bandwidth"


def _outside(what: str, value: float, window: tuple[float, float]) -> Iterator[str]:
    low, high = window
    if not low <= value <= high:
        yield f"{what} = {value:.2f} outside {low}..{high}"
