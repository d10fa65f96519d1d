"""Names: aliases, spellings of tools, unknown and ambiguous names, loading faults."""

from __future__ import annotations

import pytest

from groundplan.catalog import Catalog
from groundplan.errors import CatalogError

CATALOG = Catalog.default()


@pytest.mark.parametrize(
    ("spelling", "row_id"),
    [
        ("NVIDIA H100 80GB HBM3", "h100-sxm"), ("H100-80GB-SXM", "h100-sxm"), ("nvidia h100-sxm-80gb", "h100-sxm"),
        ("NVIDIA H200", "h200-sxm"), ("NVIDIA H100 NVL", "h100-nvl"), ("NVIDIA A100-SXM4-40GB", "a100-40-sxm"),
        ("NVIDIA A100-SXM4-80GB", "a100-80-sxm"), ("NVIDIA GeForce RTX 4090", "rtx-4090"), ("NVIDIA L40S", "l40s"),
        ("NVIDIA RTX PRO 6000 Blackwell Server Edition", "rtx-pro-6000"), ("GB200(NVL72)", "gb200"),
        ("NVIDIA RTX PRO 6000 Blackwell Workstation Edition", "rtx-pro-6000-ws"), ("NVIDIA B200", "b200"),
        ("AMD Instinct MI300X", "mi300x"), ("Ascend 910B", "ascend-910b"), ("rtx-pro-6000", "rtx-pro-6000"),
        ("Jetson AGX Thor", "jetson-thor"), ("H20-SXM", "h20"), ("NVIDIA GH200 480GB", "gh200-96"),
    ],
)  # fmt: skip
def test_accelerators_resolve(spelling: str, row_id: str):
    assert CATALOG.accelerator(spelling).id == row_id


@pytest.mark.parametrize(
    ("spelling", "row_id", "precision"),
    [
        ("meta-llama/Llama-3.1-70B-Instruct", "llama-3.1-70b", "bf16"),
        ("Llama 3.1 70B", "llama-3.1-70b", "bf16"),
        ("LLAMA3.1_405B", "llama-3.1-405b", "bf16"),
        ("nvidia/Llama-3.1-8B-Instruct-FP8", "llama-3.1-8b-fp8", "fp8"),
        ("Qwen/Qwen3-235B-A22B-FP8", "qwen3-235b-a22b-fp8", "fp8"),
        ("nvidia/Qwen3-32B-NVFP4", "qwen3-32b-nvfp4", "fp4"),
        ("Qwen/Qwen3-32B-AWQ", "qwen3-32b-awq", "int4"),
        ("deepseek-ai/DeepSeek-R1-0528", "deepseek-r1", "fp8"),
        ("openai/gpt-oss-120b", "gpt-oss-120b", "fp4"),
        ("LGAI-EXAONE/EXAONE-4.0-32B", "exaone-4.0-32b", "bf16"),
        ("pi0", "pi0", "bf16"),
        ("sentence-transformers/all-MiniLM-L6-v2", "minilm-l6", "fp32"),
    ],
)
def test_models_resolve_and_carry_the_format_of_their_name(spelling: str, row_id: str, precision: str):
    card = CATALOG.model(spelling)
    assert (card.id, card.native_precision) == (row_id, precision)
    assert CATALOG.model(card.id) == card


@pytest.mark.parametrize("table", ["accelerators", "servers", "models", "tariffs", "countries", "fx_rates"])
def test_every_id_and_alias_leads_home(table: str):
    rows = getattr(CATALOG, table)
    for row in rows.rows:
        assert rows[row.id] is row
        for alias in getattr(row, "aliases", ()):
            assert rows[alias] is row
            assert rows[alias.upper().replace("-", "_")] is row


def test_unknown_names_suggest_near_ones():
    with pytest.raises(CatalogError, match=r"unknown accelerator 'h100-smx' \(did you mean h100-sxm"):
        CATALOG.accelerator("h100-smx")
    with pytest.raises(CatalogError, match="did you mean exaone"):
        CATALOG.model("LGAI-EXAONE/EXAONE-4.0-33B")
    for lookup in (CATALOG.server, CATALOG.tariff, CATALOG.country, CATALOG.fx_rate):
        with pytest.raises(CatalogError, match="unknown"):
            lookup("no such thing")


def test_names_that_differ_in_hardware_stay_apart():
    assert CATALOG.accelerator("H100 PCIe 80GB").id != CATALOG.accelerator("H100 SXM").id
    assert CATALOG.accelerator("A100-40GB").memory_gb != CATALOG.accelerator("A100-80GB").memory_gb
    assert CATALOG.model("Llama-3-8B").context_tokens != CATALOG.model("Llama-3.1-8B").context_tokens


ROW = """
[[fx]]
id = "{id}"
currency = "{currency}"
fx_local_per_usd = {rate}
dated = 2026-01-01
source = "{source}"
"""


def _with_fx(*rows: str) -> Catalog:
    return Catalog(CATALOG.texts | {"fx": "\n".join(rows)})


def test_all_faults_of_a_table_are_reported_at_once():
    bad = [ROW.format(id=i, currency=c, rate=r, source="epoch") for i, c, r in (("a", "won", 1), ("b", "EUR", -1))]
    with pytest.raises(CatalogError) as caught:
        _ = _with_fx(*bad).fx_rates
    assert [issue.where for issue in caught.value.issues] == ["fx.toml:a.currency", "fx.toml:b.fx_local_per_usd"]


def test_ambiguous_names_and_unknown_sources_are_load_errors():
    twice = [ROW.format(id=name, currency="EUR", rate=1, source="epoch") for name in ("e-u", "eu")]
    with pytest.raises(CatalogError, match="stands for both e-u and eu"):
        _ = _with_fx(*twice).fx_rates
    with pytest.raises(CatalogError, match="unknown source 'nobody'"):
        _ = _with_fx(ROW.format(id="e", currency="EUR", rate=1, source="nobody")).fx_rates
    with pytest.raises(CatalogError, match=r"fx\.toml"):
        _ = _with_fx("[[fx]\n").fx_rates


def test_the_default_catalogue_is_loaded_once_and_rows_cannot_change():
    assert Catalog.default() is CATALOG
    row = CATALOG.accelerator("h100-sxm")
    with pytest.raises(Exception, match="frozen"):
        row.memory_gb = 160
    assert hash(row) == hash(row.model_copy())
