"""What a measured serving row says: deployment, requests, and which figure was measured; or why it cannot be read."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from groundplan.catalog import BITS, Catalog, ModelCard, TransformerArch
from groundplan.errors import CatalogError
from groundplan.perf import serving as perf
from groundplan.spec import Speculation
from groundplan.validation._outcome import Skipped, missing_input, not_in_catalogue, not_modelled
from groundplan.validation._serving_sources import serving_sources
from groundplan.validation._serving_split import Split, split_of
from groundplan.validation._table import TruthRow

Protocol = Literal["offline", "closed", "batch", "static", "single", "open", "split"]
Quantity = Literal["output_rate", "input_rate", "user_rate", "tpot", "itl", "ttft", "e2e"]
QUANTITIES: Mapping[str, tuple[Quantity, float]] = {
    "output_tok_s_total": ("output_rate", 1.0),
    "output_tok_s_per_gpu": ("output_rate", 1.0),
    "input_tok_s_total": ("input_rate", 1.0),
    "input_tok_s_per_gpu": ("input_rate", 1.0),
    "output_tok_s_per_user": ("user_rate", 1.0),
    "tpot_ms": ("tpot", 1e3),
    "ttft_ms": ("ttft", 1e3),
    "e2e_latency_ms": ("e2e", 1e3),
    "latency_ms": ("e2e", 1e3),
    "e2e_ms": ("e2e", 1e3),
    "itl_ms": ("tpot", 1e3),
}
"""Metric -> what is predicted, and the factor from seconds or rates to its unit."""
MOST_TENSOR = 8
"""Beyond it tensor ranks must divide the heads: other counts are fleets of several engines under one label."""
LAG_YEARS = 0.25
"""Where only a date of publication is stated, the software is older than it."""
STEP_TOKENS = 8192.0
"""Tokens of a step at most, where nobody says."""
MOST_DRAFT_TOKENS = 16
MIXED_SHORTEST = 0.8
"""InferenceX draws lengths uniformly between 0.8 and 1 of the nominal ones."""


@dataclass(frozen=True, slots=True)
class Variant:
    """One way to run it: counted work of a replica, and replicas side by side."""

    terms: perf.Terms
    replicas: float
    drafts: perf.Drafts | None = None
    """Speculative decoding."""
    prefill: Variant | None = None
    """Disaggregated: a worker that prefills, and how many of them; the others decode."""


@dataclass(frozen=True, slots=True)
class Case:
    """A measured row that the model can answer."""

    protocol: Protocol
    quantity: Quantity
    factor: float
    """From a rate of the whole deployment, or seconds, to the unit of the row."""
    variants: tuple[Variant, ...]
    """Where the row does not say how the model was cut: all ways that fit; the fastest is meant."""
    prompt: float
    output: float
    concurrency: float
    requests: float
    percentile: float | None
    moe: bool
    engine: str
    model: str
    accelerator: str
    untuned: float
    rate_per_s: float | None = None
    """Arrivals of an open loop."""
    spread: float = 0.0
    """Lengths of a closed loop lie uniformly between (1 - spread) and 1 of the longest."""
    varied: bool = False
    """Lengths of an open loop are those of a data set, not all alike."""
    waves: float = 3.0
    """Requests of a closed loop over its concurrency."""
    wait_steps: float = 0.0
    """Decode steps for which a prompt waits on average before the engine takes it up, by its set-up."""
    sequences: int | None = None
    """`max_num_seqs` of the engine, where stated."""
    step_tokens: int | None = None
    """`max_num_batched_tokens`, where stated."""
    limits_s: tuple[float, float] | None = None
    """p99 of TTFT and TPOT that the load was raised to (MLPerf Server): the rate is ours that meets them."""


@dataclass(frozen=True, slots=True)
class Parts:
    """Names of a row, resolved."""

    card: ModelCard
    precision: str
    accelerator: str


def read_case(row: TruthRow, catalog: Catalog) -> Case | Skipped:
    """The question that the row answers, or why there is none."""
    if row.metric not in QUANTITIES:
        return not_modelled(f"metric {row.metric or 'not named'}")
    if (gate := _gate(row)) is not None:
        return gate
    parts = _parts(row, catalog)
    if isinstance(parts, Skipped):
        return parts
    protocol = protocol_of(row)
    if isinstance(protocol, Skipped):
        return protocol
    asked = _asked(row, parts, protocol)
    if isinstance(asked, Skipped):
        return asked
    try:
        variants = tuple(_variants(row, parts, asked, catalog))
    except perf.Refused as error:
        return not_modelled(str(error)) if error.refusal.rule == "kind" else missing_input(str(error))
    except CatalogError as error:
        return missing_input(str(error))
    if not variants:
        return not_modelled("no layout that fits in memory and divides the heads")
    return _case(row, parts, protocol, asked, variants)


def _case(row: TruthRow, parts: Parts, protocol: Protocol, asked: Lengths, variants: tuple[Variant, ...]) -> Case:
    quantity, factor = QUANTITIES[row.metric]
    if row.metric.endswith("per_gpu"):
        factor /= gpus(row) or 1.0
    if quantity == "tpot" and protocol == "batch":
        quantity = "itl"
    return Case(
        protocol=protocol,
        quantity=quantity,
        factor=factor,
        variants=variants,
        prompt=asked.prompt,
        output=asked.output,
        concurrency=asked.concurrency,
        requests=asked.requests,
        percentile=percentile_of(row),
        moe=parts.card.transformer().experts > 0,
        engine=engine_of(row),
        model=parts.card.id,
        accelerator=parts.accelerator,
        untuned=untuned(row),
        rate_per_s=row.figure("request_rate"),
        spread=1.0 - MIXED_SHORTEST if "range ratio 0.8" in row.text("notes") else 0.0,
        varied=varied(row),
        waves=waves(row, asked.concurrency),
        wait_steps=_wait_steps(row, parts, asked, variants),
        sequences=_whole(_noted(row, "max_num_seqs")),
        step_tokens=_whole(_noted(row, "max_num_batched_tokens")),
        limits_s=limits_of(row),
    )


def speculation_of(row: TruthRow) -> Speculation | None:
    """``MTP-3, acceptance 0.8`` in the notes; the chance of acceptance is assumed where it is not stated."""
    notes = row.text("notes").lower()
    found, said = re.search(r"\b(mtp|ngram)[- =](\d+)", notes), re.search(r"acceptance[ =](\d*\.?\d+)(%?)", notes)
    share = serving_sources().acceptance_share
    if said:
        share = float(said.group(1)) / (100.0 if said.group(2) else 1.0)
    if found is None or not 1 <= int(found.group(2)) <= MOST_DRAFT_TOKENS or not 0.0 < share < 1.0:
        return None
    return Speculation(draft=found.group(1), draft_tokens=int(found.group(2)), acceptance_share=share)


def _wait_steps(row: TruthRow, parts: Parts, asked: Lengths, variants: tuple[Variant, ...]) -> float:
    groups = all(float(variant.terms.data) > 1.0 for variant in variants)
    deployment = row.publisher, engine_of(row), parts.accelerator, parts.card.id
    return serving_sources().wait_steps(*deployment, asked.concurrency, data_groups=groups)


def varied(row: TruthRow) -> bool:
    """Whether lengths are means of a data set: a benchmark with equal requests states whole numbers of tokens."""
    stated = row.figure("isl"), row.figure("osl")
    return any(value is None or value != round(value) for value in stated)


def limits_of(row: TruthRow) -> tuple[float, float] | None:
    """``limit TTFT 2000 ms, TPOT 200 ms`` in the notes, in seconds."""
    found = re.search(r"limit TTFT (\d+) ms, TPOT (\d+) ms", row.text("notes"))
    return (float(found.group(1)) / 1e3, float(found.group(2)) / 1e3) if found else None


def _whole(value: float | None) -> int | None:
    return int(value) if value else None


def _gate(row: TruthRow) -> Skipped | None:
    notes, flag = row.text("notes").lower(), row.text("flag")
    if flag.startswith("DERIVED"):
        return not_modelled("derived from other rows, not measured")
    if flag.startswith("BELOW_WEIGHT_BOUND"):
        return not_modelled("faster than its weights can be read")
    if "hosted api" in row.text("accelerator").lower():
        return missing_input("accelerator of a hosted service")
    if "disaggregated" in notes and split_of(row) is None:
        return missing_input("workers of a disaggregated service")
    stated = re.search(r"\bmtp[- =]?\d", notes) or ("speculative decoding" in notes and "not stated" not in notes)
    if stated and speculation_of(row) is None:
        return missing_input("draft and draft tokens of speculative decoding")
    return None


def _parts(row: TruthRow, catalog: Catalog) -> Parts | Skipped:
    found = catalog.find_model(row.text("model"))
    if found is None:
        return not_in_catalogue(f"model {row.text('model')}")
    card = catalog.model(found.id)
    if card.arch.type != "transformer":
        return not_modelled(f"{card.kind} model")
    part = catalog.find_accelerator(accelerator_name(row.text("accelerator")))
    if part is None:
        return not_in_catalogue(f"accelerator {row.text('accelerator')}")
    precision = weight_format(row.text("precision")) or found.precision or _unstated(row, card, part, catalog)
    return Parts(card, precision, part) if precision else missing_input("precision")


def _unstated(row: TruthRow, card: ModelCard, part: str, catalog: Catalog) -> str:
    """MLPerf's closed division is run in the lowest format of the part; a quantised checkpoint in its own."""
    chip = catalog.accelerator(part)
    if "closed" in row.text("notes"):
        return "fp4" if chip.dense_fp4_tflops else "fp8" if chip.dense_fp8_tflops else card.native_precision
    return card.native_precision if BITS[card.native_precision] < BITS["bf16"] else ""


def accelerator_name(text: str) -> str:
    """Without what follows in words: (DGX), power-capped, -CTS."""
    return re.sub(r"\s*(\(.*?\)|power-capped|-CTS)\s*$", "", text).strip()


def weight_format(text: str) -> str | None:
    """Format of the weights in ``fp8/fp8``, ``nvfp4 MoE``, ``Q4_K_M``, ``bfloat16``; None where blank or unknown."""
    first = re.split(r"[/ ,]", text.lower().strip())[0]
    known = {
        "bf16": "bf16", "bfloat16": "bf16", "fp16": "bf16", "f16": "bf16", "float16": "bf16", "fp8": "fp8",
        "mxfp8": "fp8", "fp4": "fp4", "nvfp4": "fp4", "mxfp4": "fp4", "int8": "int8", "q8_0": "int8", "int4": "int4",
        "w4a16": "int4", "q4_k_m": "int4", "q4f16_1": "int4", "awq": "int4", "fp32": "fp32",
    }  # fmt: skip
    return known.get(first)


def kv_format(row: TruthRow, engine: str) -> str:
    """Format of the cache: stated after the slash, else fp8 for TensorRT-LLM on fp8 or fp4 weights, else bf16."""
    text = row.text("precision").lower()
    said = text.split("/", 1)[1].strip() if "/" in text else ""
    if said:
        return "fp8" if said.startswith("fp8") else "bf16"
    low = weight_format(text) in ("fp8", "fp4", None)
    return "fp8" if engine == "trtllm" and low else "bf16"


def engine_of(row: TruthRow) -> str:
    """Engine family: trtllm, vllm, sglang, or local (llama.cpp, MLC, Ollama)."""
    name = row.text("framework").lower()
    if "vllm" in name:
        return "vllm"
    if "sglang" in name:
        return "sglang"
    if name.startswith(("trt", "tensorrt", "nim")):
        return "trtllm"
    return "local" if any(word in name for word in ("llama.cpp", "mlc", "ollama", "exllama")) else "vllm"


def gpus(row: TruthRow) -> float | None:
    """Accelerators of the deployment as they are; InferenceX multiplies expert and attention groups into one count."""
    stated = row.figure("n_accelerators")
    experts, moe_tensor = row.figure("ep") or 0.0, _noted(row, "moe_tp")
    if stated and experts > 1 and moe_tensor == experts and stated >= experts * experts:
        return experts
    return stated or row.figure("tp")


def _noted(row: TruthRow, name: str) -> float | None:
    found = re.search(rf"{name}=(\d+(?:\.\d+)?)", row.text("notes"))
    return float(found.group(1)) if found else None


def protocol_of(row: TruthRow) -> Protocol | Skipped:
    """How the load was made."""
    notes = row.text("notes")
    if split_of(row) is not None:
        return "split"
    if row.text("request_rate").lower() == "inf" or "Offline" in notes:
        return "offline"
    if "SingleStream" in notes:
        return "closed"
    if row.figure("request_rate") or "/Server;" in notes or "/Interactive;" in notes:
        return "open"
    if "static batch" in notes or "Splitwise" in row.text("framework"):
        return "static"
    if row.figure("concurrency_or_batch") is None:
        return missing_input("load (concurrency, batch or request rate)")
    if "max_num_seqs=" in notes and "task=" in notes:
        return "batch"
    if "single stream" in notes or engine_of(row) == "local" or row.figure("isl") is None:
        return "single"
    return "closed"


def waves(row: TruthRow, concurrency: float) -> float:
    """Requests of a run over its concurrency, or the usual where the row states none."""
    stated = requests_of(row)
    if stated and math.isfinite(concurrency):
        return max(stated / concurrency, 1.0)
    return serving_sources().waves_of(row.publisher)


def requests_of(row: TruthRow) -> float | None:
    """Requests of a run: column `requests`, or ``150 requests``, ``300 ShareGPT-derived requests`` in the notes."""
    found = re.search(r"\b(\d+) (?:[\w-]+ )?requests", row.text("notes"))
    return row.figure("requests") or (float(found.group(1)) if found else None)


def percentile_of(row: TruthRow) -> float | None:
    """p90 -> 0.9; mean, median and unstated ones -> None (p50 stays 0.5)."""
    found = re.fullmatch(r"p(\d+(?:\.\d+)?)", row.text("percentile").lower())
    return float(found.group(1)) / 100.0 if found else None


@dataclass(frozen=True, slots=True)
class Lengths:
    """Mean tokens and load."""

    prompt: float
    output: float
    concurrency: float
    requests: float


def _asked(row: TruthRow, parts: Parts, protocol: Protocol) -> Lengths | Skipped:
    prompt, output = row.figure("isl"), row.figure("osl")
    load = 1.0 if "SingleStream" in row.text("notes") else row.figure("concurrency_or_batch") or _split_load(row)
    if "range ratio 0.8" in row.text("notes") and prompt and output:
        mean = (1.0 + MIXED_SHORTEST) / 2.0
        prompt, output = prompt * mean, output * mean
    task = re.search(r"task=([\w-]+)", row.text("notes"))
    if task and task.group(1) in serving_sources().task_lengths:
        usual = serving_sources().task_lengths[task.group(1)]
        prompt, output = prompt or usual[0], output or usual[1]
    if (prompt is None or output is None) and "closed/" in row.text("notes"):
        usual = serving_sources().mlperf_lengths.get(parts.card.id, (None, None))
        prompt, output = prompt or usual[0], output or usual[1]
    if protocol == "single":
        prompt, output = prompt or 64.0, output or 256.0
    if protocol == "static" and row.metric == "ttft_ms":
        output = output or 1.0
    if prompt is None or output is None:
        return missing_input("prompt and output tokens")
    return Lengths(prompt, output, load or math.inf, requests_of(row) or _requests(prompt, output, protocol))


def _split_load(row: TruthRow) -> float | None:
    """Requests that the decode workers of a disaggregated service run at once."""
    split = split_of(row)
    return float(split.decode.batch * split.decode.count) if split else None


def _requests(prompt: float, output: float, protocol: Protocol) -> float:
    """Requests of an offline run, as TensorRT-LLM's pages state them; a load that goes on has no number."""
    if protocol != "offline":
        return math.inf
    if prompt + output <= 300.0:
        return 30000.0
    return 1000.0 if prompt >= 10000.0 else 1500.0 if prompt >= 5000.0 else 3000.0


def software_year(row: TruthRow, engine: str) -> float:
    """Year of the engine's release: the row's own date of measurement first, else its version."""
    date = row.text("date")
    if re.match(r"20\d\d-\d\d", date) and "commit" not in date:
        return float(date[:4]) + (float(date[5:7]) - 0.5) / 12.0 - (0.0 if row.text("framework_version") else LAG_YEARS)
    found = perf.release_year(engine, row.text("framework_version") or row.text("framework"))
    if found is not None:
        return found
    if re.match(r"20\d\d-\d\d", date):
        return float(date[:4]) + (float(date[5:7]) - 0.5) / 12.0
    return 2025.5


def untuned(row: TruthRow) -> float:
    """0 = tuned for the test, 1 = an engine's defaults, 0.5 = nobody says; a column `tuning` decides where present.

    -1 = MLPerf's closed division on the part vendor's own engine: a race in which every setting is searched.
    """
    said = row.text("tuning").lower()
    if "closed/" in row.text("notes") and engine_of(row) == "trtllm":
        return -1.0
    if said in ("tuned", "default"):
        return float(said == "default")
    return serving_sources().untuned(row.publisher)


def _variants(row: TruthRow, parts: Parts, asked: Lengths, catalog: Catalog) -> Iterator[Variant]:
    engine, arch = engine_of(row), parts.card.transformer()
    row_part = catalog.accelerator(parts.accelerator)
    split = split_of(row)
    count = int(gpus(row) or 0) if split is None else split.decode.ranks.total
    if count < 1:
        raise perf.Refused("missing-figure", "number of accelerators")
    chip = perf.Chip(row_part, count)
    file = perf.serving_file()
    served = perf.Served(
        chip,
        perf.formats_of(arch, parts.precision, kv_format(row, engine)),
        perf.Ranks(),
        engine=file.engine_names.index(perf.generation(engine, software_year(row, engine))),
        software_year=software_year(row, engine),
        untuned=untuned(row),
    )
    rule = "share-of-free" if engine == "trtllm" else "share-of-all"
    context = asked.prompt + asked.output / 2.0
    step_tokens, asked_draft = _noted(row, "max_num_batched_tokens") or STEP_TOKENS, speculation_of(row)
    if split is not None:
        yield from _split_variants(split, arch, served, asked, rule)
        return
    for ranks, replicas in _cuts(row, parts, count, engine):
        if arch.heads % ranks.tensor and ranks.tensor > MOST_TENSOR:
            continue
        cut = replace(served, ranks=ranks)
        found = perf.room(arch, asked.prompt + asked.output, cut, rule, step_tokens)
        if found.fits or engine == "local":
            drafts = perf.drafts_of(asked_draft, parts.card, context, cut, catalog) if asked_draft else None
            yield Variant(perf.terms(arch, context, cut, found.tokens), replicas, drafts)


def _split_variants(
    split: Split, arch: TransformerArch, served: perf.Served, asked: Lengths, rule: perf.MemoryRule
) -> Iterator[Variant]:
    """The decode worker, which knows the worker that prefills for it; nothing where one of them does not fit."""
    context = asked.prompt + asked.output / 2.0
    made: list[Variant] = []
    for stage in (split.prefill, split.decode):
        cut = replace(served, chip=perf.Chip(served.chip.row, stage.ranks.total), ranks=stage.ranks)
        room = perf.room(arch, asked.prompt + asked.output, cut, rule, STEP_TOKENS)
        made += [Variant(perf.terms(arch, context, cut, room.tokens), float(stage.count))] if room.fits else []
    if len(made) == len(("prefill", "decode")):
        yield replace(made[1], prefill=made[0])


def _cuts(row: TruthRow, parts: Parts, count: int, engine: str) -> Iterator[tuple[perf.Ranks, float]]:
    """Stated layout; else every power of two of tensor ranks that divides the accelerators, replicas beside."""
    if engine == "local":
        yield perf.Ranks(tensor=int(row.figure("tp") or 1) if "mlc" in row.text("framework").lower() else 1), 1.0
        return
    stages, tensor = int(row.figure("pp") or 1), int(row.figure("tp") or 0)
    per_stage = max(count // stages, 1)
    data = int(_noted(row, "attention_dp") or _noted(row, "dp") or 1)
    data = per_stage if "attention dp" in row.text("notes").lower() else data
    if data > 1:
        groups = min(data, per_stage)
        yield perf.Ranks(max(per_stage // groups, 1), groups, stages), 1.0
        return
    if tensor:
        whole = row.figure("ep") or tensor > per_stage  # expert ranks are the tensor ranks of attention
        ranks = per_stage if whole else tensor
        yield perf.Ranks(ranks, 1, stages), per_stage / ranks
        return
    fitting = [2**i for i in range(per_stage.bit_length()) if per_stage % 2**i == 0 and 2**i <= MOST_TENSOR]
    yield from ((perf.Ranks(ranks, 1, stages), per_stage / ranks) for ranks in fitting)
    if parts.card.transformer().mla:  # its cache does not shard over tensor ranks: attention runs in data groups
        yield from ((perf.Ranks(1, ranks, stages), per_stage / ranks) for ranks in fitting if ranks > 1)
