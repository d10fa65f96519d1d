"""Score every kind of model on the tables of measured rows: frozen, and by fits that have not seen the row's origin.

Private modules of `groundplan.validation` are used here on purpose: `groundplan calibrate` prints their statistics, and
the page needs the rows behind them.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from accuracy_rows import ACCELERATOR, ANCHOR, FROZEN, MODEL, PUBLISHER, Judged, Sheet

from groundplan.catalog import Catalog
from groundplan.perf import serving as perf
from groundplan.perf.frames import frame_file
from groundplan.perf.training import Profile, shipped_profile
from groundplan.validation import Scored, Skipped, TruthRow, Validation, read_truth, validate
from groundplan.validation import _calibrate_control as control
from groundplan.validation import _calibrate_power as power
from groundplan.validation import _calibrate_serving as serving
from groundplan.validation import _calibrate_training as training
from groundplan.validation import _calibrate_vision as vision
from groundplan.validation._control_rows import read_control_row
from groundplan.validation._power_rows import read_power_row
from groundplan.validation._serving import class_of, predicted
from groundplan.validation._serving_rows import QUANTITIES, Case, read_case
from groundplan.validation._splits import conformal_factor, leave_one_out
from groundplan.validation._train_memory import MEMORY
from groundplan.validation._train_rows import Run
from groundplan.validation._training import Batch, read_runs, value_of
from groundplan.validation._vision_rows import read_vision_row

Table = tuple[TruthRow, ...]
Constants = Mapping[str, float]
Widths = Mapping[tuple[str, str], float]
"""By publisher and class of rows."""


def row_label(row: TruthRow) -> str:
    """What ran, from whatever columns the table has."""
    part = row.text("accelerator") or row.text("hardware")
    count = row.text("n_accelerators").removesuffix(".0")
    words = [
        row.text("model").rsplit("/", 1)[-1],
        f"{count} x {part}" if count else part,
        row.text("precision") or row.text("stack_precision"),
        " ".join((row.text("framework"), row.text("framework_version"))).strip(),
    ]
    return ", ".join(word.replace("|", "/") for word in words if word)


# --- serving ---------------------------------------------------------------------------------------------------------

NAMES: Mapping[tuple[str, str], str] = {
    ("offline", "output_rate"): "offline throughput",
    ("closed", "tpot"): "TPOT, closed loop",
    ("closed", "ttft"): "TTFT, closed loop",
    ("split", "tpot"): "TPOT, disaggregated",
    ("split", "ttft"): "TTFT, disaggregated",
    ("open", "tpot"): "TPOT, open loop",
    ("open", "ttft"): "TTFT, open loop",
    ("open", "output_rate"): "throughput, open loop",
    ("batch", "output_rate"): "throughput at a batch",
    ("batch", "itl"): "time between tokens at a batch",
    ("static", "output_rate"): "throughput, static batch",
    ("static", "ttft"): "prefill, static batch",
    ("static", "tpot"): "decode step, static batch",
    ("single", "output_rate"): "one stream and local runtimes",
    ("single", "input_rate"): "prompt rate of local runtimes",
}
OTHER = "other times of requests"
MEDIAN = 0.5


def serving_group(case: Case) -> str:
    """Name of the figure, then dense or MoE."""
    name = NAMES.get((case.protocol, case.quantity), OTHER)
    if case.quantity == "itl" and (case.percentile or MEDIAN) > MEDIAN:
        name = f"tails of the {name}"
    return f"{name}, {'MoE' if case.moe else 'dense'}"


def serving_label(row: TruthRow, case: Case) -> str:
    """What ran, and under which load."""
    load = f"{case.prompt:.0f}/{case.output:.0f} tokens"
    if np.isfinite(case.concurrency):
        load += f", {case.concurrency:.0f} at once"
    elif case.rate_per_s:
        load += f", {case.rate_per_s:g} requests/s"
    return f"{row_label(row)}, {load}"


def configurations(rows: Table, catalog: Catalog) -> list[tuple[serving.Measured, int]]:
    """Answerable configurations with the number of rows that repeat each; their value is the geometric mean."""
    groups: dict[tuple[str, ...], list[serving.Measured]] = defaultdict(list)
    for row in rows:
        case, value = read_case(row, catalog), row.figure("value")
        if isinstance(case, Case) and value and value > 0.0:
            groups[tuple(row.text(column) for column in serving.SAME)].append(serving.Measured(row, case, value))
    logs = {key: float(np.mean(np.log([one.value for one in part]))) for key, part in groups.items()}
    return [(replace(part[0], value=float(np.exp(logs[key]))), len(part)) for key, part in groups.items()]


def stated_load(one: serving.Measured) -> bool:
    """Whether the row itself says lengths and load, so that nothing of them is assumed."""
    row = one.row
    load = row.figure("concurrency_or_batch") or row.figure("request_rate")
    return bool(row.figure("isl") and row.figure("osl") and load)


def judge_serving(
    way: str, found: Sequence[tuple[serving.Measured, int]], values: np.ndarray, tags: Sequence[tuple[str, ...]] = ()
) -> Iterator[Judged]:
    """Records of configurations that have an answer."""
    factors = perf.serving_file().intervals
    for place, ((one, repeats), value) in enumerate(zip(found, values, strict=True)):
        if not np.isfinite(value) or value <= 0.0:
            continue
        stated = ("stated",) if stated_load(one) else ()
        yield Judged(
            way, serving_group(one.case), one.row.source_id, one.row.publisher, one.row.metric,
            serving_label(one.row, one.case), one.value, float(value), factors[class_of(one.case)], 0.0, repeats,
            one.row.number, (*stated, *(tags[place] if tags else ())),
        )  # fmt: skip


def serving_values_without(table: serving.Table, mask: np.ndarray) -> dict[str, float]:
    """Constants fitted on the rows outside the mask."""
    return serving.values_of(serving.fitted(table.where(mask)))


def serving_unseen(
    found: Sequence[tuple[serving.Measured, int]], label: Callable[[serving.Measured], str]
) -> tuple[np.ndarray, dict[str, dict[str, float]]]:
    """Predictions of every configuration by constants fitted without those of its label; and those constants."""
    table = serving.Table(tuple(one for one, _ in found if one.readable))
    usable = serving._fittable(table)
    own = np.array([label(one) for one in table.rows])
    names = np.array([label(one) for one, _ in found])
    values, sets = np.full(len(found), np.nan), {}
    file = perf.serving_file()
    for name in sorted(set(names.tolist())):
        seen_all = not (own == name).any()
        sets[name] = sets[""] if seen_all and "" in sets else serving_values_without(table, usable & (own != name))
        if seen_all:
            sets[""] = sets[name]
        mask = names == name
        cases = [one.case for (one, _), mine in zip(found, mask, strict=True) if mine]
        values[mask] = predicted(cases, file.constants(sets[name]))
    return values, sets


def serving_groups(found: Sequence[tuple[serving.Measured, int]]) -> list[str]:
    """Rows that one measured row anchors: one figure of one deployment."""
    columns = ("source_id", "model", "accelerator", "precision", "framework", "framework_version", "n_accelerators",
               "tp", "pp", "ep", "metric", "percentile")  # fmt: skip
    return ["|".join(one.row.text(name) for name in columns) for one, _ in found]


def anchored_values(values: np.ndarray, measured: np.ndarray, groups: Sequence[str]) -> np.ndarray:
    """Values whose error is the mean absolute one over anchors: each other row of the group sets the level in turn."""
    logs = np.log(values / measured)
    known = np.isfinite(logs)
    found = np.full(len(values), np.nan)
    places = np.flatnonzero(known)
    alone, has = control.anchored(logs[known], [groups[i] for i in places])
    found[places[has]] = measured[places[has]] * np.exp(alone[has])
    return found


def serving_sheet(folder: Path, catalog: Catalog) -> Sheet:
    """All ways of the serving model."""
    path = folder / "serving.parquet"
    rows = read_truth(path)
    found = configurations(rows, catalog)
    file = perf.serving_file()
    cases = [one.case for one, _ in found]
    frozen = predicted(cases, file.constants())
    unseen, sets = serving_unseen(found, lambda one: one.row.publisher)
    parts, _ = serving_unseen(found, lambda one: one.case.accelerator)
    measured = np.array([one.value for one, _ in found])
    anchored = anchored_values(unseen, measured, serving_groups(found))
    judged = [
        *judge_serving(FROZEN, found, frozen),
        *judge_serving(PUBLISHER, found, unseen),
        *judge_serving(ACCELERATOR, found, parts),
        *judge_serving(ANCHOR, found, anchored),
        *_rooflines(found),
    ]
    silent = {one.row.number for (one, _), value in zip(found, frozen, strict=True) if np.isnan(value)}
    skipped, scored = _serving_reasons(rows, catalog, silent)
    table = serving.Table(tuple(one for one, _ in found if one.readable))
    fit_rows = int(serving._fittable(table).sum())
    publishers = len({one.row.publisher for one in table.rows})
    return Sheet(
        "serving", file.version, path.name, len(serving.free_constants()), publishers, fit_rows, len(rows), scored,
        skipped, tuple(judged), {"constants_without": sets, "llm": _llm_share(rows, catalog)},
    )  # fmt: skip


def _rooflines(found: Sequence[tuple[serving.Measured, int]]) -> Iterator[Judged]:
    """The peer that anybody can write: bytes over bandwidth, FLOP over peak, nothing else; then with one constant."""
    values = predicted([one.case for one, _ in found], roofline_constants())
    yield from judge_serving("roofline", found, values)
    measured = np.array([one.value for one, _ in found])
    rate = np.array([one.row.metric.startswith(("output_tok", "input_tok")) for one, _ in found])
    slower = np.where(rate, values / measured, measured / values)
    publishers = np.array([one.row.publisher for one, _ in found])
    scaled = values.copy()
    for name in sorted(set(publishers.tolist())):
        others = (publishers != name) & np.isfinite(slower)
        share = float(np.median(slower[others]))
        mine = publishers == name
        scaled[mine] = np.where(rate[mine], values[mine] / share, values[mine] * share)
    yield from judge_serving("one constant", found, scaled)


def roofline_constants() -> perf.Constants:
    """Data-sheet rates, the longer of reading and computing per operator, no fixed time, no start-up of collectives."""
    shipped = perf.serving_file().constants()
    ones, zeros = np.ones_like(shipped.gemm_share), np.zeros_like(shipped.host_s)
    return replace(
        shipped, weight_read_share=1.0, expert_read_share=1.0, kv_read_share=1.0, gemm_share=ones,
        grouped_gemm_factor=1.0, attention_share=1.0, latent_attention_share=1.0, alpha_scaleup_s=0.0, alpha_pcie_s=0.0,
        alpha_growth=0.0, link_share=1.0, slow_link_share=1.0, power_exponent=0.0, imbalance_factor=1.0, layer_s=0.0,
        moe_layer_s=0.0, state_layer_s=0.0, sparse_layer_s=0.0, age_rate=0.0, pipeline_exponent=0.0,
        untuned_layer_factor=1.0, untuned_host_factor=1.0, launch_factor=1.0, moe_prefill_factor=1.0, drain=0.0,
        stall_share=1.0, host_s=zeros, sequence_s=zeros, layer_factor=np.ones_like(zeros), front_s=zeros,
        exposed_share=0.0, activation_passes=0.0,
    )  # fmt: skip


NO_LLM = ("vision model", "policy model", "stable-diffusion", "dlrm", "3d-unet", "isaac_ros", "image_proc", "apriltag")


def _reasons(rows: Table, catalog: Catalog) -> Iterator[tuple[TruthRow, str | None]]:
    for row in rows:
        read = read_case(row, catalog)
        yield row, read.reason if isinstance(read, Skipped) else None


def _serving_reasons(rows: Table, catalog: Catalog, unanswered: set[int]) -> tuple[dict[str, int], int]:
    counted: Counter[str] = Counter()
    for row, reason in _reasons(rows, catalog):
        if reason is None and row.number in unanswered:
            reason = "not modelled: prompt rate or a load beyond the kernel"
        if reason is None and not (row.figure("value") or 0.0) > 0.0:
            reason = "missing input: value is no positive number"
        counted[reason or ""] += 1
    scored = counted.pop("", 0)
    return dict(counted.most_common()), scored


def _llm_share(rows: Table, catalog: Catalog) -> dict[str, Any]:
    """LLM rows of an answered metric whose inputs are present: how many are scored, and why not the rest."""
    counted: Counter[str] = Counter()
    for row, reason in _reasons(rows, catalog):
        if row.metric not in QUANTITIES or (reason and any(word in reason for word in NO_LLM)):
            continue
        if reason and reason.startswith("missing input"):
            continue
        counted[reason or ""] += 1
    scored = counted.pop("", 0)
    no_measurement = {k: n for k, n in counted.items() if "derived from" in k or "faster than its weights" in k}
    rest = {k: n for k, n in counted.most_common() if k not in no_measurement}
    return {"scored": scored, "not_scored": rest, "no_measurement": no_measurement}


# --- training --------------------------------------------------------------------------------------------------------

TRAIN_GROUPS = {"dense": "dense", "moe": "MoE", "tuning": "LoRA and SFT"}
LAST_NODE = 8.0


def training_group(run: Run) -> str:
    """As the goals name them."""
    if run.row.metric == "time_to_train_min":
        return "time to train of LoRA runs"
    if run.kind != "dense":
        return TRAIN_GROUPS[run.kind]
    if run.row.metric == "tflops_per_gpu":
        return "dense, published TFLOP/s"
    return "dense multi-node" if float(run.layout.ranks) > LAST_NODE else "dense, one node"


def training_label(run: Run) -> str:
    """What ran, and its mapping."""
    lay, row = run.layout, run.row
    cut = f"TP{lay.tp:.0f} PP{lay.pp:.0f} CP{lay.cp:.0f} EP{lay.ep:.0f}, micro-batch {float(lay.micro_batch):g}"
    return f"{row_label(row)}, {cut}, {float(lay.sequence_tokens):.0f} tokens"


def unseen_widths(
    logs: np.ndarray, classes: Sequence[str], sources: Sequence[str], publishers: Sequence[str]
) -> Widths:
    """Interval factor of each publisher and class from the rows of the other publishers, where there are any."""
    kind, source = np.array(classes), np.array(sources)
    found: dict[tuple[str, str], float] = {}
    for name, own in leave_one_out(publishers):
        for one in set(kind[own].tolist()):
            others = (kind == one) & ~own & np.isfinite(logs)
            if others.any():
                found[name, one] = conformal_factor(logs[others], source[others].tolist())
    return found


def judge_runs(
    way: str, runs: Sequence[Run], seconds: Sequence[float], profile: Profile, widths: Widths | None = None
) -> Iterator[Judged]:
    """Records from step times; `widths` in place of those of the release."""
    for run, step_s in zip(runs, seconds, strict=True):
        value, measured = value_of(run, float(step_s)), run.row.figure("value")
        if isinstance(value, Skipped) or not measured or measured <= 0.0:
            continue
        name = "whole_run" if run.row.metric == "time_to_train_min" else run.kind
        own = (widths or {}).get((run.row.publisher, name), profile.intervals[name])
        factor = own * (profile.intervals["assumed"] if run.assumed else 1.0)
        tags = (run.kind, str(run.recipe.part.id), str(run.recipe.precision))
        yield Judged(
            way, training_group(run), run.row.source_id, run.row.publisher, run.row.metric, training_label(run),
            measured, value, factor, 0.0, 1, run.row.number, tags,
        )  # fmt: skip


def training_unseen(
    runs: Sequence[Run], fitted: Sequence[Run], profile: Profile, label: Callable[[Run], str]
) -> np.ndarray:
    """Step times of every run by constants fitted without its label."""
    seconds = np.full(len(runs), np.nan)
    names = [label(run) for run in runs]
    for name, mask in leave_one_out(names):
        seen = [run for run in fitted if label(run) != name]
        values = training.values_of(training.fit_runs(seen, profile))
        mine = [run for run, own in zip(runs, mask, strict=True) if own]
        seconds[mask] = Batch(mine).seconds(profile.with_values(values))
    return seconds


def constant_rate(runs: Sequence[Run]) -> np.ndarray:
    """Step times at one model FLOP rate per family and precision, the median of the other publishers' rows."""
    from groundplan.perf._train_shape import forward_flop

    flop = np.array([float(forward_flop(r.shape, r.layout.sequence_tokens)) * r.tokens for r in runs])
    flop *= np.array([2.0 if r.kind == "tuning" and "lora" in r.row.text("kind") else 3.0 for r in runs])
    ranks = np.array([float(r.layout.ranks) for r in runs])
    measured = training.measured_seconds(runs)
    rate = flop / ranks / measured
    publishers = np.array([r.row.publisher for r in runs])
    keys = (
        np.array([f"{r.recipe.part.family} {r.recipe.precision}" for r in runs]),
        np.array([str(r.recipe.part.family) for r in runs]),
        np.array(["" for _ in runs]),
    )
    peak = np.array([float(r.recipe.part.bf16_flop_per_s) for r in runs])
    found = np.full(len(runs), np.nan)
    for place in range(len(runs)):
        for key in keys:
            others = (publishers != publishers[place]) & (key == key[place])
            if others.any():
                share = float(np.median(rate[others] / peak[others]))
                found[place] = flop[place] / ranks[place] / (share * peak[place])
                break
    return found


def training_sheet(folder: Path, catalog: Catalog) -> Sheet:
    """All ways of the training model; peaks of memory are scored frozen only, since no fit sees them."""
    path, profile = folder / "training.csv", shipped_profile()
    rows = read_truth(path)
    fitted = training.fitted_runs(rows, catalog, profile)
    runs = [one for one in read_runs(rows, catalog, profile) if not isinstance(one, Skipped)]
    runs = [run for run in runs if (run.row.figure("value") or 0.0) > 0.0]
    unseen = training_unseen(runs, fitted, profile, lambda run: run.row.publisher)
    parts = training_unseen(runs, fitted, profile, lambda run: run.recipe.part.id)
    steps = [i for i, run in enumerate(runs) if run.row.metric != "time_to_train_min"]
    own = [runs[i] for i in steps]
    measured = training.measured_seconds(own)
    moved = training.anchored(training.Errors(tuple(own), np.log(unseen[steps] / measured)))
    anchored = training.measured_seconds(moved.runs) * np.exp(moved.logs)
    checked = validate("training", path, catalog)
    widths = unseen_widths(
        np.log(unseen[steps] / measured), [run.kind for run in own], [run.row.source_id for run in own],
        [run.row.publisher for run in own],
    )  # fmt: skip
    judged = [
        *judge_runs(FROZEN, runs, Batch(runs).seconds(profile), profile),
        *judge_runs(PUBLISHER, runs, unseen, profile, widths),
        *judge_runs(ACCELERATOR, runs, parts, profile),
        *judge_runs(ANCHOR, moved.runs, anchored, profile),
        *judge_runs("one constant", own, constant_rate(own), profile),
        *_memory(checked),
    ]
    return Sheet(
        "training", profile.version, path.name, len(profile.free()), len({run.row.publisher for run in fitted}),
        len(fitted), len(checked.rows), len(checked.scored), checked.skipped, tuple(judged),
    )  # fmt: skip


def _memory(checked: Validation) -> Iterator[Judged]:
    for one in checked.scored:
        if one.row.metric == MEMORY:
            yield from judge_scored(FROZEN, "peak memory", one)


def judge_scored(way: str, group: str, one: Scored) -> Iterator[Judged]:
    """A record from a scored row."""
    said, row = one.predicted, one.row
    yield Judged(
        way, group, row.source_id, row.publisher, row.metric, row_label(row), one.measured, said.value,
        said.high / said.value, said.low / said.value, 1, row.number,
    )  # fmt: skip


# --- power, policies, images -----------------------------------------------------------------------------------------


def power_sheet(folder: Path, catalog: Catalog) -> Sheet:
    """Draw at the operating point that the row states; one publisher, so models and accelerators are left out."""
    path = folder / "energy.csv"
    rows = read_truth(path)
    checked = validate("power", path, catalog)
    read = [one for row in rows if not isinstance(one := read_power_row(row, catalog), Skipped) and one.watts > 0]
    family = {one.row.number: f"{one.family}, {one.part.id}" for one in read}
    judged: list[Judged] = []
    for one in checked.scored:
        judged += judge_scored(FROZEN, family[one.row.number], one)
    factors = {one.row.number: one.predicted.high / one.predicted.value for one in checked.scored}
    for name, table in power.tables(read).items():
        judged += _power_unseen(name, table, factors)
    free = sum(len(table.free) for table in power.tables(read).values())
    return Sheet(
        "power", checked.model_version, path.name, free, len({one.row.publisher for one in read}), len(read),
        len(checked.rows), len(checked.scored), checked.skipped, tuple(judged),
    )  # fmt: skip


def _power_unseen(name: str, table: power.PowerTable, factors: Mapping[int, float]) -> Iterator[Judged]:
    said, labels = power._split(name, table)
    logs = power.held_out_log_errors(table, labels)
    for one, log in zip(table.rows, logs, strict=True):
        if not name.startswith(f"{one.family}."):
            continue
        watts, row = one.watts * one.count, one.row
        yield Judged(
            ACCELERATOR if said == "accelerator left out" else MODEL, f"{one.family}, {one.part.id}", row.source_id,
            row.publisher, row.metric, f"{one.model.rsplit('/', 1)[-1]}, {one.count} x {one.part.id}", watts,
            watts * float(np.exp(log)), factors.get(row.number, 1.0), 0.0, 1, row.number,
        )  # fmt: skip


def control_sheet(folder: Path, catalog: Catalog) -> Sheet:
    """Calls of robot policies."""
    path = folder / "latency.csv"
    checked = validate("control", path, catalog)
    read = [one for row in read_truth(path) if not isinstance(one := read_control_row(row, catalog), Skipped)]
    table = control.control_table(read)
    values = np.array([one.value for one in control.fitted(table)])
    by_publisher = control.held_out_log_errors(table, [row.row.publisher for row in read])
    by_part = control.held_out_log_errors(table, [row.part.id for row in read])
    publishers, classes = [row.row.publisher for row in read], [control.stack_class(row.stack) for row in read]
    unseen, has = control.anchored_by_shares(by_publisher, control.levels_of(read), publishers)
    widths = unseen_widths(by_publisher, classes, publishers, publishers)
    factors = {one.row.number: one.predicted.high / one.predicted.value for one in checked.scored}
    unseen_factors = {row.row.number: widths[row.row.publisher, one] for row, one in zip(read, classes, strict=True)}
    kept = {one.row.number for one in checked.scored}
    judged: list[Judged] = []
    for one in checked.scored:
        row = next(row for row in read if row.row.number == one.row.number)
        judged += judge_scored(FROZEN, _stack_group(row.stack), one)
    for way, logs, mask, widths_of in (
        (PUBLISHER, by_publisher, None, unseen_factors), (ACCELERATOR, by_part, None, factors),
        (ANCHOR, unseen, has, factors),
    ):  # fmt: skip
        judged += _judge_calls(way, table, logs, mask, widths_of)
    return Sheet(
        "control", checked.model_version, path.name, len(values), len({row.row.publisher for row in read}), len(read),
        len(checked.rows), len(kept), checked.skipped, tuple(judged),
    )  # fmt: skip


def _stack_group(stack: str) -> str:
    return f"policy calls, {control.stack_class(stack)} kernels"


def _judge_calls(
    way: str, table: control.ControlTable, logs: np.ndarray, mask: np.ndarray | None, factors: Mapping[int, float]
) -> Iterator[Judged]:
    for place, (one, log) in enumerate(zip(table.rows, logs, strict=True)):
        if mask is not None and not mask[place]:
            continue
        measured = float(table.measured_s[place]) * 1e3
        label = f"{row_label(one.row)}, {one.row.text('config')}"
        yield Judged(
            way, _stack_group(one.stack), one.row.source_id, one.row.publisher, one.row.metric, label, measured,
            measured * float(np.exp(log)), factors.get(one.row.number, 2.0), 0.0, 1, one.row.number,
        )  # fmt: skip


def vision_sheet(folder: Path, catalog: Catalog) -> Sheet:
    """Calls and saturated rates of image models; rows of both tables that hold any, fitted together."""
    paths = [folder / "serving.parquet", folder / "latency.csv"]
    checked = [validate("vision", path, catalog) for path in paths]
    rows = [row for path in paths for row in read_truth(path)]
    read = [one for row in rows if not isinstance(one := read_vision_row(row, catalog), Skipped)]
    table = vision.vision_table(read)
    judged: list[Judged] = []
    factor = frame_file().factors
    frozen = [scored for one in checked for scored in one.scored]
    for one in frozen:
        row = read_vision_row(one.row, catalog)
        assert not isinstance(row, Skipped)
        judged += judge_scored(FROZEN, _image_group(row.saturated), one)
    for way, labels in ((PUBLISHER, [r.row.publisher for r in read]), (ACCELERATOR, table.parts.tolist())):
        logs = np.zeros(len(read))
        for _, out in leave_one_out(labels):
            logs[out] = vision.log_errors(table.where(out), vision.fitted(table.where(~out)))
        judged += _judge_frames(way, table, logs, factor)
    skipped: Counter[str] = Counter()
    for one in checked:
        skipped.update(one.skipped)
    free = len(vision.free_constants()) + len(set(table.parts.tolist()))
    return Sheet(
        "vision", checked[0].model_version, " and ".join(path.name for path in paths), free,
        len({row.row.publisher for row in read}), len(read), sum(len(one.rows) for one in checked), len(frozen),
        dict(skipped.most_common()), tuple(judged),
    )  # fmt: skip


def _image_group(saturated: bool) -> str:
    return "frames/s of a saturated accelerator" if saturated else "calls of image models"


def _judge_frames(
    way: str, table: vision.VisionTable, logs: np.ndarray, factor: Mapping[str, float]
) -> Iterator[Judged]:
    for one, log in zip(table.rows, logs.tolist(), strict=True):
        measured = one.row.figure("value") or 0.0
        value = measured * float(np.exp(log if one.row.metric == "latency_ms" else -log))
        yield Judged(
            way, _image_group(one.saturated), one.row.source_id, one.row.publisher, one.row.metric,
            f"{row_label(one.row)}, {one.engine}, batch {one.batch}", measured, value,
            factor["rate" if one.saturated else "call"], 0.0, 1, one.row.number,
        )  # fmt: skip


BUILDERS: Mapping[str, Callable[[Path, Catalog], Sheet]] = {
    "serving": serving_sheet,
    "training": training_sheet,
    "power": power_sheet,
    "control": control_sheet,
    "vision": vision_sheet,
}
