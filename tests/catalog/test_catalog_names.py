"""Names: aliases, spellings of tools, unknown and ambiguous names, loading faults."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundplan.catalog import Catalog, ModelCard
from groundplan.catalog._base import squash
from groundplan.catalog._catalog import FORMAT_ENDINGS
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
        _ = _with_fx(*bad).fx_rates.rows
    assert [issue.where for issue in caught.value.issues] == ["fx.toml:a.currency", "fx.toml:b.fx_local_per_usd"]


@pytest.mark.parametrize("table", ["accelerators", "servers", "models", "tariffs", "countries", "offers"])
def test_a_row_read_alone_is_the_row_of_the_table(table: str):
    for row in getattr(CATALOG, table).rows:
        fresh = getattr(Catalog(CATALOG.texts), table)
        assert fresh.find(row.id) == row
        assert "rows" not in vars(fresh), "the other rows stay unread"


def test_a_row_is_not_read_alone_where_its_block_is_not_one():
    row = ROW.format(id="e", currency="EUR", rate=1, source="epoch")
    with pytest.raises(CatalogError, match="stands for both e and e"):
        _with_fx(row, row).fx_rate("e")
    broken = ROW.format(id="e", currency='EUR" "', rate=1, source="epoch")
    with pytest.raises(CatalogError, match=r"fx\.toml"):
        _with_fx(broken).fx_rate("e")
    later = row.replace('id = "e"\n', "").replace("[[fx]]\n", '[[fx]]\n# the id comes later\n') + 'id = "e"\n'
    assert _with_fx(later).fx_rate("e").currency == "EUR"


def test_ambiguous_names_and_unknown_sources_are_load_errors():
    twice = [ROW.format(id=name, currency="EUR", rate=1, source="epoch") for name in ("e-u", "eu")]
    with pytest.raises(CatalogError, match="stands for both e-u and eu"):
        _with_fx(*twice).fx_rate("EUR")
    with pytest.raises(CatalogError, match="unknown source 'nobody'"):
        _with_fx(ROW.format(id="e", currency="EUR", rate=1, source="nobody")).fx_rate("e")
    with pytest.raises(CatalogError, match=r"fx\.toml"):
        _with_fx("[[fx]\n").fx_rate("e")


def test_the_default_catalogue_is_loaded_once_and_rows_cannot_change():
    assert Catalog.default() is CATALOG
    row = CATALOG.accelerator("h100-sxm")
    with pytest.raises(Exception, match="frozen"):
        row.memory_gb = 160
    assert hash(row) == hash(row.model_copy())


@pytest.mark.parametrize(
    ("spelling", "found"),
    [
        ("meta-llama/Llama-3.1-70B-Instruct-FP8", ("llama-3.1-70b", "fp8")),
        ("nvidia/Llama-3.3-70B-Instruct-FP8", ("llama-3.3-70b", "fp8")), ("llama3.3-70b", ("llama-3.3-70b", None)),
        ("llama3_1-8b-edge", ("llama-3.1-8b", None)), ("DeepSeek-V3/R1", ("deepseek-v3", None)),
        ("nvidia/DeepSeek-R1-0528-NVFP4", ("deepseek-r1", "fp4")), ("openai/gpt-oss-120b", ("gpt-oss-120b", None)),
        ("Llama-3.1-8B-Q4_K_M", ("llama-3.1-8b", "int4")), ("mlx-community/Qwen3-8B-4bit", ("qwen3-8b", "int4")),
        ("nvidia/NVIDIA-Nemotron-Nano-12B-v2-VL-BF16", ("nemotron-nano-12b-v2-vl", "bf16")),
        ("facebook/opt-1.3b", ("opt-1.3b", None)), ("facebook/opt-13b", ("opt-13b", None)),
        ("Llama-2-7b", ("llama-2-7b", None)), ("Llama-27b", None), ("Llama-2-700b", None), ("llama", None),
        ("R1", None), ("V3", None), ("", None), ("-", None), ("fp8", None), ("Qwen/Qwen3-33B", None),
    ],
)  # fmt: skip
def test_names_of_measured_tables_give_card_and_format_or_nothing(spelling: str, found: tuple | None):
    assert CATALOG.find_model(spelling) == found


@pytest.mark.parametrize(
    ("spelling", "row_id"),
    [
        ("H100-SXM5-80GB", "h100-sxm"), ("NVIDIA H100 80GB HBM3", "h100-sxm"), ("gb200", "gb200"),
        ("b200_nvl8", "b200"), ("Intel(R) Arc(TM) Pro B60", "arc-pro-b60"),
        ("8x RTX PRO 6000", "rtx-pro-6000"), ("4 x L40", "l40"), ("H100-SXM5-88GB", None),
        ("A100-40GB/80GB", None), ("L4000", None), ("", None), ("8x", None), ("N/A", None), ("Rubin", None),
    ],
)  # fmt: skip
def test_names_of_parts_give_an_id_or_nothing(spelling: str, row_id: str | None):
    assert CATALOG.find_accelerator(spelling) == row_id


@given(st.sampled_from(CATALOG.models.rows), st.text("0123456789", min_size=1, max_size=3))
def test_digits_after_a_name_never_give_the_same_card(card: ModelCard, digits: str):
    """A longer number is another size or version; a name that nobody bears is unknown, not near."""
    found = CATALOG.find_model(card.id + digits)
    assert found is None or found.id != card.id


@given(st.sampled_from(CATALOG.models.rows), st.sampled_from(sorted(FORMAT_ENDINGS)))
def test_a_format_ending_is_told_apart_from_the_model(card: ModelCard, ending: str):
    assert CATALOG.find_model(f"owner/{card.id}-{ending}") == (card.id, FORMAT_ENDINGS[ending])


@pytest.mark.parametrize("rows", [CATALOG.models.rows, CATALOG.accelerators.rows], ids=["models", "accelerators"])
def test_no_spelling_stands_for_two_rows(rows: tuple):
    bearers: dict[str, set[str]] = {}
    for row in rows:
        for spelling in (row.id, row.name, *row.aliases):
            bearers.setdefault(squash(spelling), set()).add(row.id)
    assert {spelling: ids for spelling, ids in bearers.items() if len(ids) > 1} == {}
