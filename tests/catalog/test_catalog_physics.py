"""Impossible rows are refused; the shipped ones agree with the export table."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from groundplan.catalog import BITS, Accelerator, Catalog, Server
from groundplan.errors import CatalogError
from groundplan.spec import Source

SHARED = Path(__file__).resolve().parents[3] / "shared"
SAID = Source(who="test", kind="assumed")
CATALOG = Catalog.default()
B200 = {
    "id": "b200-test", "name": "B200", "vendor": "NVIDIA", "vendor_country": "US", "market": "datacenter",
    "memory_kind": "hbm3e", "dense_bf16_tflops": 2250, "dense_fp8_tflops": 4500, "dense_fp4_tflops": 9000,
    "memory_gb": 180, "mem_bw_gb_per_s": 7700, "tdp_w": 1000, "idle_w": 110, "source": SAID,
}  # fmt: skip


def test_the_base_row_of_these_tests_is_accepted():
    assert Accelerator(**B200).total_processing_performance() == 36000


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"memory_gb": 90, "mem_bw_gb_per_s": 4100}, "FLOP per byte"),  # the half chip of one public database
        ({"mem_bw_gb_per_s": 10300}, "GB/s"),  # MI300X as the same database prints it
        ({"dense_fp8_tflops": 18000}, "fp8/bf16"),  # sparse beside dense
        ({"dense_fp8_tflops": 1100}, "fp8/bf16"),
        ({"dense_fp4_tflops": 36000}, "fp4/fp8"),
        ({"dense_int8_tops": 18000}, "int8/bf16"),
        ({"memory_gb": 18}, "GB/s per GB"),
        ({"memory_gb": 1800}, "GB/s per GB"),
        ({"idle_w": 1000}, "idle"),
        ({"idle_w": 11}, "idle"),
        ({"tdp_w": 100}, "per W"),
        ({"tdp_w": 10000}, "per W"),
        ({"applicable_die_mm2": 1701}, "die"),
        ({"scaleup_domain_gpus": 8}, "scale-up"),
        ({"tdp_w": -1}, "greater than 0"),
        ({"memory_gb": float("nan")}, "finite"),
        ({"mem_bw_tb_per_s": 7.7}, "Extra inputs"),
        ({"vendor_country": "USA"}, "pattern"),
    ],
)
def test_impossible_rows_are_refused(change: dict, fault: str):
    with pytest.raises(ValidationError, match=fault):
        Accelerator(**{**B200, **change})


@given(scale=st.floats(min_value=0.3, max_value=3.0))
def test_bandwidth_alone_cannot_drift_far(scale: float):
    """Whoever scales the bandwidth by a factor beyond the technology's window is refused."""
    row = {**B200, "mem_bw_gb_per_s": 7700 * scale}
    per_gb, intensity = 7700 * scale / 180, 2250e3 / (7700 * scale)
    if 20 <= per_gb <= 48 and 25 <= intensity <= 480 and 7700 * scale <= 9900:
        assert Accelerator(**row).mem_bw_gb_per_s == pytest.approx(7700 * scale)
    else:
        with pytest.raises(ValidationError):
            Accelerator(**row)


def test_a_slipped_decimal_is_nearly_always_refused():
    """Each figure of each row times 10 and a tenth: the windows catch at least nine slips in ten."""
    fields = (
        "dense_bf16_tflops",
        "dense_fp8_tflops",
        "dense_fp4_tflops",
        "memory_gb",
        "mem_bw_gb_per_s",
        "tdp_w",
        "idle_w",
    )
    slips = refused = 0
    for row in CATALOG.accelerators.rows:
        values = {**row.model_dump(exclude={"figure_sources"}), "source": row.source}
        for field, factor in ((field, factor) for field in fields for factor in (10, 0.1) if values[field] is not None):
            slips += 1
            try:
                Accelerator(**{**values, field: values[field] * factor})
            except ValidationError:
                refused += 1
    assert slips > 400
    assert refused >= 0.9 * slips


@pytest.mark.parametrize("row", CATALOG.accelerators.rows, ids=lambda row: row.id)
def test_tpp_is_the_largest_product_of_dense_rate_and_bits(row: Accelerator):
    rates = {
        "bf16": row.dense_bf16_tflops, "fp8": row.dense_fp8_tflops, "fp4": row.dense_fp4_tflops,
        "int8": row.dense_int8_tops,
    }  # fmt: skip
    stated = [value * BITS[name] for name, value in rates.items() if value is not None]
    if stated:
        assert row.total_processing_performance() == max(stated)
    else:
        with pytest.raises(CatalogError, match="tensor rate"):
            row.total_processing_performance()


def test_tpp_and_density_equal_the_export_table():
    table = SHARED / "truth" / "export.csv"
    if not table.exists():
        pytest.skip("shared tables are absent")
    compared = 0
    for line in csv.DictReader(table.open()):
        row = CATALOG.accelerators.find(line["chip"])
        if row is None:
            continue
        compared += 1
        assert row.total_processing_performance() == pytest.approx(float(line["TPP"]), rel=0.01), row.id
        if line["die_mm2"] and row.applicable_die_mm2 is not None:
            assert row.performance_density() == pytest.approx(float(line["performance_density"]), rel=0.01), row.id
    assert compared >= 14


def test_blank_figures_name_themselves_and_never_read_as_zero():
    with pytest.raises(CatalogError, match="dense_fp8_tflops"):
        CATALOG.accelerator("a100-80-sxm").dense_tops("fp8")
    with pytest.raises(CatalogError, match="dense_int4_tops"):
        CATALOG.accelerator("h100-sxm").dense_tops("int4")
    with pytest.raises(CatalogError, match="applicable_die_mm2"):
        CATALOG.accelerator("jetson-thor").performance_density()


def test_blackwell_ultra_keeps_its_int8_cut():
    """INT8 was cut to about 1/28 on B300: a plan that assumes newest = fastest would be wrong."""
    ratio = CATALOG.accelerator("b200").dense_tops("int8") / CATALOG.accelerator("b300").dense_tops("int8")
    assert 25 < ratio < 32


@pytest.mark.parametrize("row", CATALOG.servers.rows, ids=lambda row: row.id)
def test_servers_hold_their_accelerators(row: Server):
    if row.accelerator is None:
        assert row.accelerators_count == 0
        return
    tdp_kw = (CATALOG.accelerator(row.accelerator).tdp_w or 0) / 1e3
    if row.max_power_kw is not None:
        assert row.max_power_kw >= 0.9 * row.accelerators_count * tdp_kw
    if row.host_power_kw is not None and row.max_power_kw is not None:
        assert row.host_power_kw < row.max_power_kw


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"price_usd_low": 2, "price_usd_high": 1}, "exceeds"),
        ({"price_usd_high": None}, "together"),
        ({"price_scope": None}, "price_scope"),
        ({"lead_months_low": 3}, "together"),
        ({"accelerators_count": 0}, "together"),
        ({"idle_power_kw": 11}, "idle_power_kw"),
        ({"annual_failure_rate": -0.1}, "greater than or equal"),
    ],
)
def test_impossible_servers_are_refused(change: dict, fault: str):
    base = {
        "id": "s", "name": "s", "accelerator": "h100-sxm", "accelerators_count": 8, "max_power_kw": 10.2,
        "price_usd_low": 1, "price_usd_high": 2, "price_scope": "node", "price_dated": "2026-01-01", "source": SAID,
    }  # fmt: skip
    assert Server(**base).price_usd_high == 2
    with pytest.raises(ValidationError, match=fault):
        Server(**{**base, **change})


def test_a_server_below_its_accelerators_power_is_refused_at_load():
    texts = CATALOG.texts | {
        "servers": '[[servers]]\nid = "s"\nname = "s"\naccelerator = "h100-sxm"\naccelerators_count = 8\n'
        'max_power_kw = 5.0\nsource = "epoch"\n'
    }
    with pytest.raises(CatalogError, match=r"max_power_kw 5 is below its accelerators' 5\.0"):
        Catalog(texts).server("s")
