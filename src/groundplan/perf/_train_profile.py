"""Constants of the training model: read from data/training.toml, joined with a part and a stack into terms."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from groundplan.catalog import Accelerator, Catalog
from groundplan.perf._train_shape import Column
from groundplan.perf._types import Refused, wrong

FILE = Path(__file__).parent / "data" / "training.toml"
Precision = Literal["bf16", "fp8", "mxfp8", "fp4"]
PRECISIONS: tuple[Precision, ...] = ("bf16", "fp8", "mxfp8", "fp4")
TILE = 128.0 * 256.0
"""Output elements of one thread block of a large product."""
SHARES = ("tp_exposed", "dp_exposed", "fsdp_exposed")


@dataclass(frozen=True, slots=True)
class Constant:
    """A figure of the model; `spread` 0 = never fitted."""

    name: str
    value: float
    prior: float
    low: float
    high: float
    spread: float
    source: str


@dataclass(frozen=True, slots=True)
class Stack:
    """An engine profile: what a training stack of one release does, whatever the model."""

    id: str
    since: str
    attention: str
    """Kernel generation: score (whole matrix), triton, flash2, cudnn."""
    sequence_parallel: bool
    host_s: float
    """Host time per layer and pass."""
    gradient_bytes: float
    """Bytes per parameter that data parallelism moves in a step."""
    elementwise: float = 1.0
    """Traffic of what is not fused, against stacks that fuse norms, gates and dropout."""
    eager: bool = False
    """Whether kernels are launched one by one, without a compiler that joins them."""
    selective_share: float = 0.0
    """Forward work that selective recompute does again, scores apart."""
    expert_families: tuple[str, ...] = ()
    """Families with a constant of their own for routing, exchange and host time of experts."""
    memory: str = ""
    """Line of the memory table, where it is not that of the stack whose shares it has."""
    shares_of: str = ""
    """Stack whose exposed shares it has."""


@dataclass(frozen=True, slots=True)
class Profile:
    """All constants by name, and the stacks by id."""

    version: str
    constants: Mapping[str, Constant]
    stacks: Mapping[str, Stack]
    parts: Mapping[str, Mapping[str, Any]]
    memory: Mapping[str, Mapping[str, float]]
    intervals: Mapping[str, float]
    """By kind of job: the measured time lies within value / f .. value x f in nine unseen cases of ten."""

    def interval_factor(self, kind: str, *, assumed: bool = False) -> float:
        """Factor of dense, moe or tuning jobs; wider where a default stands in for what was not said."""
        return self.intervals[kind] * (self.intervals["assumed"] if assumed else 1.0)

    def __getitem__(self, name: str) -> float:
        return self.constants[name].value

    def get(self, name: str, default: float) -> float:
        """A constant, or the default where the file has none of this name."""
        found = self.constants.get(name)
        return default if found is None else found.value

    def free(self) -> tuple[Constant, ...]:
        """Constants that a fit may move."""
        return tuple(one for one in self.constants.values() if one.spread > 0)

    def with_values(self, values: Mapping[str, float]) -> Profile:
        """The same profile with other values of some constants."""
        changed = {name: replace(self.constants[name], value=value) for name, value in values.items()}
        return replace(self, constants={**self.constants, **changed})

    def stack(self, name: str) -> Stack:
        """A stack by id; PerfError when unknown."""
        if (found := self.stacks.get(name)) is None:
            raise wrong("stack", f"no training stack {name!r}", f"stacks: {', '.join(self.stacks)}")
        return found


@lru_cache(maxsize=1)
def shipped_profile() -> Profile:
    """The profile of this release."""
    with FILE.open("rb") as file:
        return read_profile(tomllib.load(file))


def read_profile(data: Mapping[str, Any]) -> Profile:
    """Constants and stacks of a parsed file."""
    constants = {name: _constant(name, said) for name, said in data["constants"].items()}
    stacks: dict[str, Stack] = {}
    for said in data["stacks"]:
        constants |= _stack_constants(said)
        stacks[said["id"]] = _stack(said, stacks)
    return Profile(data["version"], constants, stacks, data.get("parts", {}), data["memory"], data["intervals"])


def _stack_constants(said: Mapping[str, Any]) -> dict[str, Constant]:
    found = {f"{share}.{said['id']}": said[share] for share in SHARES if share in said}
    found |= {f"expert.{said['id']}.{family}": value for family, value in said.get("expert_factor", {}).items()}
    return {name: _constant(name, value) for name, value in found.items()}


def _stack(said: Mapping[str, Any], known: Mapping[str, Stack]) -> Stack:
    plain = {key: value for key, value in said.items() if key not in (*SHARES, "expert_factor", "like")}
    families = tuple(said.get("expert_factor", ()))
    if "like" in said:
        return replace(known[said["like"]], **plain, expert_families=families)
    return Stack(**plain, expert_families=families, shares_of=said["id"])


def _constant(name: str, said: float | Mapping[str, Any]) -> Constant:
    if isinstance(said, int | float):
        return Constant(name, float(said), float(said), float(said), float(said), 0.0, "")
    value = float(said["value"])
    prior = float(said.get("prior", value))
    low, high = float(said.get("low", value)), float(said.get("high", value))
    return Constant(name, value, prior, low, high, float(said.get("spread", 0.0)), said.get("source", ""))


@dataclass(frozen=True, slots=True)
class TrainPart:
    """One accelerator at one site, in base units; rates dense, bandwidths per direction."""

    id: str
    family: str
    bf16_flop_per_s: float
    fp8_flop_per_s: float | None
    fp4_flop_per_s: float | None
    memory_bytes: float
    read_bytes_per_s: float
    power_w: float
    units: float
    """Streaming multiprocessors, compute units, cores: what tiles are dealt out to."""
    per_node: float
    scaleup_bytes_per_s: float
    scaleup_domain: float
    nic_bytes_per_s: float
    """Per accelerator; 0 = one node only."""

    def peak(self, precision: Precision) -> float:
        """Dense peak of the products of a precision; refused where the part has none."""
        rates = {"bf16": self.bf16_flop_per_s, "fp4": self.fp4_flop_per_s}
        if (rate := rates.get(precision, self.fp8_flop_per_s)) is None:
            raise Refused("format", f"{self.id} has no stated dense {precision} rate")
        return rate


@dataclass(frozen=True, slots=True)
class PartFacts:
    """What the catalogue does not say of a part: family, units, and the fabric of a usual cluster."""

    family: str
    units: float
    per_node: int
    nic_gb_per_s: float


def part_of(row: Accelerator, facts: PartFacts, power_w: float | None = None) -> TrainPart:
    """A catalogue row with the facts of its cluster; refused where a figure is blank that a step time needs."""
    blank = [name for name in ("dense_bf16_tflops", "mem_bw_gb_per_s", "memory_gb") if getattr(row, name) is None]
    limit = power_w if power_w is not None else row.tdp_w
    if blank or limit is None:
        raise Refused("missing-figure", f"{row.id} has no {', '.join([*blank, *(['tdp_w'] if limit is None else [])])}")
    link = row.scaleup_gb_per_s_per_direction or row.pcie_gb_per_s_per_direction or PCIE_GB_PER_S
    domain = row.scaleup_domain_gpus or facts.per_node
    return TrainPart(
        id=row.id, family=facts.family, bf16_flop_per_s=_rate(row.dense_bf16_tflops),
        fp8_flop_per_s=_rate(row.dense_fp8_tflops) or None, fp4_flop_per_s=_rate(row.dense_fp4_tflops) or None,
        memory_bytes=(row.memory_gb or 0.0) * 2**30, read_bytes_per_s=(row.mem_bw_gb_per_s or 0.0) * 1e9, power_w=limit,
        units=facts.units, per_node=float(facts.per_node), scaleup_bytes_per_s=link * 1e9,
        scaleup_domain=float(domain), nic_bytes_per_s=facts.nic_gb_per_s * 1e9,
    )  # fmt: skip


PCIE_GB_PER_S = 25.0
"""PCIe 4.0 x16 after protocol, where a row states no link."""


def _rate(tera: float | None) -> float:
    return (tera or 0.0) * 1e12


@dataclass(frozen=True, slots=True)
class Terms:
    """What a step time needs of part, precision, stack and constants: columns of shape () or (n,)."""

    gemm_rate: Column
    head_rate: Column
    attention_rate: Column
    attention_backward: Column
    whole_scores: Column
    """1 = the score matrix is written out (kernels before FlashAttention)."""
    score_passes: Column
    read_rate: Column
    elementwise: Column
    backward_elementwise: Column
    logit_bytes: Column
    tile_outputs: Column
    reduce_tokens: Column
    misaligned: Column
    gemm_bytes: Column
    scaleup_rate: Column
    nic_rate: Column
    domain: Column
    per_node: Column
    alpha_scaleup_s: Column
    alpha_nic_s: Column
    sequence_parallel: Column
    tp_exposed: Column
    dp_exposed: Column
    fsdp_exposed: Column
    stage_exposed: Column
    gradient_bytes: Column
    selective_share: Column
    host_s: Column
    host_moe_s: Column
    """Host time per expert block and pass, and for each expert that a rank holds."""
    host_expert_s: Column
    host_joined: Column
    expert_factor: Column
    grouped: Column
    expert_passes: Column
    expert_exposed_outside: Column
    exchange_bytes: Column
    """Bytes per element of what is sent to experts and back, mean of both ways."""
    optimiser_bytes: Column
    lora_overhead: Column
    scan_bytes: Column
    floor_s: Column
    congestion: Column
    jitter: Column


@dataclass(frozen=True, slots=True)
class Recipe:
    """Part, precision and stack of a run: what terms depend on."""

    part: TrainPart
    precision: Precision
    stack: str
    attention: str = ""
    """Kernel generation, where it is not that of the stack."""
    sequence_parallel: bool | None = None
    token_drop: bool = False


def power_share(part: TrainPart, profile: Profile) -> float:
    """Share of its clock that a part holds under large products: watts per peak bf16 TFLOP/s below a knee."""
    ratio = part.power_w / (part.bf16_flop_per_s / 1e12) / profile["power.knee_w_per_tflops"]
    return min(1.0, ratio) ** profile["power.exponent"]


def gemm_share(part: TrainPart, precision: Precision, profile: Profile) -> float:
    """Share of the peak of a precision that large products reach on a part."""
    names = (f"gemm.{part.family}.{precision}", f"gemm.{part.family}.fp8", "gemm.other.fp8")
    wanted = names if precision != "bf16" else (names[0], "gemm.other.bf16")
    share = next(profile[name] for name in wanted if name in profile.constants)
    ultra = profile["ultra_fp4"] if precision == "fp4" and part.id in ("gb300", "b300") else 1.0
    return share * ultra * profile.get(f"part.{part.id}", 1.0) * power_share(part, profile)


def _attention(recipe: Recipe, stack: Stack, profile: Profile) -> dict[str, float]:
    kernel, part = recipe.attention or stack.attention, recipe.part
    scale = part.bf16_flop_per_s * power_share(part, profile) * profile.get(f"part.{part.id}", 1.0)
    whole = kernel == "score"
    share = (
        profile.get(f"gemm.{part.family}.bf16", profile["gemm.other.bf16"])
        if whole else profile.get(f"attention.{kernel}.{part.family}", profile["attention.other"])
    )  # fmt: skip
    return {
        "attention_rate": share * scale,
        "attention_backward": 1.0 if whole else profile["attention.backward"],
        "whole_scores": float(whole),
        "score_passes": profile["attention.score_passes"],
    }


def _experts(recipe: Recipe, stack: Stack, profile: Profile) -> dict[str, float]:
    own = recipe.part.family in stack.expert_families
    factor = profile[f"expert.{stack.id}.{recipe.part.family}"] if own else 1.0
    drop = profile["host.token_drop_share"] if recipe.token_drop else 1.0
    return {
        "host_moe_s": profile["host.dropless_s"] * drop * factor,
        "host_expert_s": profile["host.expert_s"] * drop * factor,
        "expert_factor": factor,
        "grouped": profile["grouped"],
        "expert_passes": profile["expert_passes"] * (1.0 + profile["expert_cast"] * (recipe.precision != "bf16")),
        "expert_exposed_outside": profile["expert_exposed_outside"],
        "exchange_bytes": 2.0,
    }


def _links(part: TrainPart, profile: Profile) -> dict[str, float]:
    return {
        "scaleup_rate": part.scaleup_bytes_per_s * profile["link.scaleup"],
        "nic_rate": max(part.nic_bytes_per_s, 1.0) * profile["link.nic"],
        "domain": part.scaleup_domain,
        "per_node": part.per_node,
        "alpha_scaleup_s": profile["alpha.scaleup_s"],
        "alpha_nic_s": profile["alpha.nic_s"],
    }


def _traffic(stack: Stack, profile: Profile) -> float:
    return profile["elementwise"] * stack.elementwise * (profile["eager"] if stack.eager else 1.0)


SAME_NAME = (
    "backward_elementwise", "logit_bytes", "reduce_tokens", "misaligned", "gemm_bytes", "stage_exposed",
    "optimiser_bytes", "lora_overhead", "scan_bytes", "floor_s", "congestion", "jitter",
)  # fmt: skip


def terms_of(recipe: Recipe, profile: Profile) -> Terms:
    """Rates and shares of one recipe."""
    part, stack = recipe.part, profile.stack(recipe.stack)
    low = recipe.precision != "bf16"
    spread = recipe.sequence_parallel if recipe.sequence_parallel is not None else stack.sequence_parallel
    return Terms(
        gemm_rate=part.peak(recipe.precision) * gemm_share(part, recipe.precision, profile),
        head_rate=part.bf16_flop_per_s * gemm_share(part, "bf16", profile),
        read_rate=part.read_bytes_per_s,
        elementwise=_traffic(stack, profile) * (1.0 + profile["cast"] * low),
        tile_outputs=profile["wave"] * part.units * TILE,
        sequence_parallel=float(spread),
        gradient_bytes=stack.gradient_bytes,
        selective_share=stack.selective_share,
        host_s=stack.host_s,
        host_joined=profile["host.joined"],
        **{share: profile[f"{share}.{stack.shares_of}"] for share in SHARES},
        **{name: profile[name] for name in SAME_NAME},
        **_attention(recipe, stack, profile),
        **_experts(recipe, stack, profile),
        **_links(part, profile),
    )


def part_facts(profile: Profile, part_id: str) -> PartFacts | None:
    """Family and usual cluster of a catalogue part; None where the file has no line for it."""
    if (said := profile.parts.get(part_id)) is None:
        return None
    return PartFacts(said["family"], float(said["units"]), int(said["per_node"]), float(said["nic_gb_per_s"]))


def train_part(name: str, catalog: Catalog, power_w: float | None = None) -> TrainPart:
    """A catalogue accelerator in a usual cluster; Refused where a figure is missing that a step time needs."""
    row = catalog.accelerator(name)
    if (facts := part_facts(shipped_profile(), row.id)) is None:
        raise Refused("missing-figure", f"training on {row.id} is not calibrated: no line in data/training.toml")
    return part_of(row, facts, power_w)
