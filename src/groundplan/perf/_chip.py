"""An accelerator as perf reads it: rates in base units, and the link that ties a replica together."""

from __future__ import annotations

from dataclasses import dataclass

from groundplan.catalog import Accelerator, Catalog, Server
from groundplan.perf._profile import USABLE_MEMORY
from groundplan.perf._types import Refused

WEIGHT_ONLY = ("int4", "fp4")
"""Formats that engines unpack to bf16 where the chip has no unit for them (Marlin kernels of vLLM)."""
GIB = 2**30


@dataclass(frozen=True)
class Chip:
    """One accelerator of a server."""

    row: Accelerator
    per_node: int

    @property
    def id(self) -> str:
        """Catalogue id."""
        return self.row.id

    @property
    def read_bytes_per_s(self) -> float:
        """Data-sheet memory bandwidth."""
        if self.row.mem_bw_gb_per_s is None:
            raise Refused("missing-figure", f"{self.id} has no mem_bw_gb_per_s: add the figure")
        return self.row.mem_bw_gb_per_s * 1e9

    @property
    def memory_bytes(self) -> float:
        """Bytes that a driver reports; nominal sizes of memory are GiB."""
        if self.row.memory_gb is None:
            raise Refused("missing-figure", f"{self.id} has no memory_gb: add the figure")
        return self.row.memory_gb * GIB * _usable_share(self.row.memory_kind)

    def compute_format(self, precision: str) -> str:
        """Format in which weights of this format are multiplied; refuses what the chip has no unit for."""
        if _rate(self.row, precision) is not None:
            return precision
        if precision in WEIGHT_ONLY:
            return self.compute_format("bf16")
        rule = "missing-figure" if precision in ("bf16", "fp32") else "format"
        raise Refused(rule, f"{self.id} has no stated dense {precision} rate")

    def computes(self, precision: str) -> bool:
        """Whether the chip states a rate for products in this format."""
        return _rate(self.row, precision) is not None

    def flop_per_s(self, precision: str) -> float:
        """Dense data-sheet peak of a compute format."""
        rate = _rate(self.row, precision)
        if rate is None:
            raise Refused("missing-figure", f"{self.id} has no stated dense {precision} rate")
        return rate * 1e12

    def scaleup(self, ranks: int) -> bool:
        """Whether this many ranks sit in one scale-up domain."""
        domain = self.row.scaleup_domain_gpus or self.per_node
        return self.row.scaleup_gb_per_s_per_direction is not None and ranks <= domain

    def link_bytes_per_s(self, ranks: int) -> float:
        """Bandwidth per direction of the link between ranks of one node: scale-up, or PCIe beyond its domain."""
        speed = self.row.scaleup_gb_per_s_per_direction
        if not self.scaleup(ranks) or speed is None:
            speed = self.row.pcie_gb_per_s_per_direction
        if speed is None:
            raise Refused("missing-figure", f"{self.id} has no link bandwidth for {ranks} ranks: add the figure")
        return speed * 1e9


def _rate(row: Accelerator, precision: str) -> float | None:
    tail = "tops" if precision.startswith("int") else "tflops"
    return getattr(row, f"dense_{precision}_{tail}", None)


def _usable_share(kind: str | None) -> float:
    for prefix, share in USABLE_MEMORY.items():
        if kind is not None and kind.startswith(prefix):
            return share
    return min(USABLE_MEMORY.values())


def chip_of(server: Server, catalog: Catalog) -> Chip:
    """The accelerator of a server; a CPU server is refused by rule `kind`."""
    if server.accelerator is None:
        raise Refused("kind", f"{server.id} has no accelerator")
    return Chip(catalog.accelerator(server.accelerator), server.accelerators_count)
