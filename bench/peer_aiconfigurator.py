"""AIConfigurator on the closed-loop rows of a table of measured serving rows, for docs/accuracy.md.

Runs in an environment of its own (`pip install aiconfigurator==0.12.0`), since nothing here depends on it:

    python bench/peer_aiconfigurator.py serving.parquet answers.csv [configurations]

Takes configurations whose model and format it knows, spread evenly over (accelerator, engine, model), asks
`cli_estimate` (aggregated serving, newest tables of the engine), and writes per row what it says, or why nothing.
"""

from __future__ import annotations

import csv
import logging
import re
import sys
import time
from collections import defaultdict
from pathlib import Path

SYSTEMS = {
    "H100-SXM-80GB": "h100_sxm", "H200-SXM-141GB": "h200_sxm", "B200-SXM": "b200_sxm", "GB200(NVL72)": "gb200",
    "B300-SXM": "b300_sxm", "GB300(NVL72)": "gb300",
}  # fmt: skip
MODELS = {
    ("llama-3.1-70b", "fp8"): "nvidia/Llama-3.1-70B-Instruct-FP8",
    ("llama-3.1-70b", "bf16"): "meta-llama/Meta-Llama-3.1-70B",
    ("llama-3.1-8b", "bf16"): "meta-llama/Meta-Llama-3.1-8B",
    ("llama-3.1-8b", "fp8"): "nvidia/Llama-3.1-8B-Instruct-FP8",
    ("gpt-oss-120b", "fp4"): "openai/gpt-oss-120b",
    ("gpt-oss-120b", "mxfp4"): "openai/gpt-oss-120b",
    ("deepseek-r1", "fp8"): "deepseek-ai/DeepSeek-R1",
    ("deepseek-v3", "fp8"): "deepseek-ai/DeepSeek-V3",
    ("deepseek-r1", "fp4"): "nvidia/DeepSeek-V3.1-NVFP4",
    ("minimax-m2.5", "fp8"): "MiniMaxAI/MiniMax-M2.5",
    ("minimax-m2.5", "fp4"): "nvidia/MiniMax-M2.5-NVFP4",
    ("qwen3-32b", "fp8"): "Qwen/Qwen3-32B-FP8",
    ("qwen3-32b", "bf16"): "Qwen/Qwen3-32B",
    ("qwen3-235b-a22b", "fp8"): "Qwen/Qwen3-235B-A22B-FP8",
    ("qwen3.5-397b-a17b", "fp4"): "nvidia/Qwen3.5-397B-A17B-NVFP4",
    ("kimi-k2.5", "int4"): "moonshotai/Kimi-K2.5",
    ("glm-5", "fp8"): "zai-org/GLM-5-FP8",
}
SETUP = ("source_id", "model", "accelerator", "precision", "framework", "framework_version", "n_accelerators", "tp",
         "pp", "ep", "isl", "osl", "concurrency_or_batch", "notes")  # fmt: skip


def read(path: str) -> list[dict]:
    from pyarrow.parquet import read_table

    rows = read_table(path).to_pylist()
    for number, row in enumerate(rows, 1):
        row["number"] = number
    return [row for row in rows if row["metric"] in ("tpot_ms", "ttft_ms") and _asked(row)]


def _asked(row: dict) -> bool:
    loop = row["source_id"] in ("InferenceX-silicon", "AIC-inhouse-silicon")
    known = row["accelerator"] in SYSTEMS and bool(row["tp"]) and model_of(row) is not None
    return loop and known and "disaggregated" not in (row["notes"] or "")


def configurations(rows: list[dict], most: int) -> list[list[dict]]:
    """One list of rows (TPOT, TTFT, repeats) a configuration, round robin over system, engine and model."""
    groups: dict[tuple, list[dict]] = defaultdict(list)
    for row in rows:
        groups[tuple(row[name] for name in SETUP)].append(row)
    strata: dict[tuple, list[list[dict]]] = defaultdict(list)
    for part in groups.values():
        strata[part[0]["accelerator"], part[0]["framework"], part[0]["model"]].append(part)
    found: list[list[dict]] = []
    share = max(1, most // len(strata))
    for _, parts in sorted(strata.items()):
        found += parts[:: max(1, len(parts) // share)][:share]
    return found


def model_of(row: dict) -> str | None:
    name = row["model"].rsplit("/", 1)[-1].lower().removesuffix("-fp8").removesuffix("-nvfp4").removesuffix("-instruct")
    first = re.split(r"[/ ,]", (row["precision"] or "").lower())[0]
    return MODELS.get((name, "fp4" if first == "nvfp4" else first))


def noted(row: dict, name: str) -> int | None:
    found = re.search(rf"{name}=(\d+)", row["notes"] or "")
    return int(found[1]) if found else None


def ask(row: dict) -> tuple[float, float]:
    """TTFT and TPOT in ms."""
    from aiconfigurator.cli.api import cli_estimate

    scale = 0.9 if "range ratio 0.8" in (row["notes"] or "") else 1.0
    said = cli_estimate(
        model_of(row), SYSTEMS[row["accelerator"]], backend_name=row["framework"], mode="agg",
        isl=round(float(row["isl"]) * scale), osl=round(float(row["osl"]) * scale),
        batch_size=noted(row, "per-rank batch") or round(float(row["concurrency_or_batch"])),
        tp_size=int(float(row["tp"])), pp_size=int(float(row["pp"] or 1)),
        attention_dp_size=noted(row, "attention_dp") or 1, moe_tp_size=noted(row, "moe_tp"),
        moe_ep_size=int(float(row["ep"] or 1)),
    )  # fmt: skip
    return float(said.ttft), float(said.tpot)


def main() -> None:
    logging.disable(logging.CRITICAL)
    path, out, *most = sys.argv[1:]
    chosen = configurations(read(path), int(most[0]) if most else 300)
    start = time.perf_counter()
    with Path(out).open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["number", "metric", "predicted", "why"])
        for part in chosen:
            try:
                ttft, tpot = ask(part[0])
                why = ""
            except (Exception, SystemExit) as error:
                ttft = tpot = float("nan")
                why = " ".join(f"{type(error).__name__}: {error}".split())[:120]
            for row in part:
                writer.writerow([row["number"], row["metric"], tpot if row["metric"] == "tpot_ms" else ttft, why])
            file.flush()
    print(f"{len(chosen)} configurations in {time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()
