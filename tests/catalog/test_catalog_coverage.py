"""Names of the measured tables: every one resolves, or is listed here with why it does not."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import pytest

from groundplan.catalog import Catalog

CATALOG = Catalog.default()
# Names that stand for no one model or part, or for one that the catalogue cannot describe yet.
NO_MODEL = re.compile(
    r"isaac_ros_|image_proc_|stereo_image_proc_|apriltag_ros_"  # nodes and graphs of robot software
    r"|Isaac Lab |MuJoCo |Zenoh |asyncua "  # simulators and protocols
    r"|IsolationForest|HalfSpaceTrees|HistGradient|PP-OCR|SmolLM2-135M Q4_1 "  # small jobs on CPU cores
    r"|VSS |VLA \(billion|GigaBrain"  # pipelines of several models; shapes not public
    r"|first table of the page|SmolLM2$"  # the row does not say which
    r"|GPT-[0-9.]+B$"  # Megatron and BLOOM trial shapes, stated in the row itself
    r"|Gopher-|RDT-1B|LAPA-|UniVLA-|GR00T-N1-2B|DINOv2 ViT-"  # parts of the shape not found
    r"|dlrm-|3d-unet|SAM2 |Grounding DINO"  # recommendation, volumes, prompted segmentation
    r"|stable[-_]diffusion|PixArt|HunyuanDiT|FLUX|SANA|Wan2|CogVideo|HunyuanVideo"  # generators
)
NO_PART = re.compile(r"CPU|core|loopback|not named|see page|N/A|hosted API|A100-40GB/80GB|fleet|Frontier|Rubin")


def _unresolved(names: Iterable[str], find: object, allowed: re.Pattern) -> dict[str, int]:
    assert callable(find)
    found = Counter(name for name in names if find(name) is None)
    return {name: rows for name, rows in found.items() if not allowed.search(name)}


@pytest.mark.parametrize(
    ("table", "model", "accelerator"),
    [("training.csv", "model", "accelerator"), ("latency.csv", "model", "hardware"), ("energy.csv", "", "hardware")],
)
def test_names_of_csv_tables_resolve(shared: Path, table: str, model: str, accelerator: str):
    with (shared / "truth" / table).open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) > 100
    assert _unresolved((row[accelerator] for row in rows), CATALOG.find_accelerator, NO_PART) == {}
    if model:
        assert _unresolved((row[model] for row in rows), CATALOG.find_model, NO_MODEL) == {}


def test_models_of_measured_power_resolve(shared: Path):
    with (shared / "truth" / "energy.csv").open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["metric"] == "avg_power_total"]
    models = [row["workload"].split()[-1] for row in rows]
    assert _unresolved(models, CATALOG.find_model, NO_MODEL) == {}


def test_names_of_the_serving_table_resolve(shared: Path):
    parquet = pytest.importorskip("pyarrow.parquet")
    columns = parquet.read_table(shared / "truth" / "serving.parquet", columns=["model", "accelerator", "metric"])
    rows = columns.to_pylist()
    assert _unresolved((row["model"] for row in rows), CATALOG.find_model, NO_MODEL) == {}
    assert _unresolved((row["accelerator"] for row in rows), CATALOG.find_accelerator, NO_PART) == {}
    tokens = [row for row in rows if "tok" in row["metric"] or row["metric"] in ("tpot_ms", "ttft_ms")]
    known = sum(
        CATALOG.find_model(row["model"]) is not None and CATALOG.find_accelerator(row["accelerator"]) is not None
        for row in tokens
    )
    assert known >= 0.95 * len(tokens)
