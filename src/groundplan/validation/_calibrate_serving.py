"""Fit the serving constants on measured rows, and score them on publishers, or accelerators, that the fit left out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from groundplan.catalog import Catalog
from groundplan.perf import serving as perf
from groundplan.validation._calibration import Calibration, Column
from groundplan.validation._fit import Fitted, Floats, Free, fit
from groundplan.validation._outcome import Scored
from groundplan.validation._score import errors, interval
from groundplan.validation._serving import class_of, predicted
from groundplan.validation._serving_answers import ANSWERS, Bench, answers
from groundplan.validation._serving_replay import first_token
from groundplan.validation._serving_rows import Case, read_case
from groundplan.validation._serving_sources import serving_sources
from groundplan.validation._splits import Mask, balanced_weights, conformal_factor, held_out
from groundplan.validation._table import TruthRow

NOISE = 0.25
"""Of one row, log: what no constant explains (kernel coverage, schedulers), seen between publishers."""
WORTH = 1500.0
"""Rows of one sweep repeat each other: all rows together count as this many independent ones."""
MOST = 120
"""Rows of one publisher, figure, engine and class that a fit reads, evenly spaced."""
NOT_FREE = frozenset({"gemm_int8_share", "trtllm-2023.front_s", "vllm-2023.front_s", "local.front_s"})
"""No row tells them."""
FIRST = ("moe_prefill_factor", "front_s")
"""Fitted to times to first token, which are replayed with all the others given."""
FIRST_NOISE = 0.5
"""Of one TTFT, log: its protocol is half known."""
MOST_REPLAYED = 60
"""Rows of one publisher, engine and class whose TTFT a fit reads."""
SAME = (
    "source_id", "model", "accelerator", "precision", "framework", "framework_version", "n_accelerators", "tp", "pp",
    "ep", "isl", "osl", "concurrency_or_batch", "request_rate", "metric", "percentile", "notes",
)  # fmt: skip
"""Columns that tell one configuration from another; rows alike in all of them are one measurement, repeated."""
RANGE = 5.0
"""Engine times stay within prior / 5 .. prior x 5."""


@dataclass(frozen=True, slots=True)
class Measured:
    """One configuration: its row, what is asked, and the geometric mean of its repeats."""

    row: TruthRow
    case: Case
    value: float

    @property
    def first(self) -> bool:
        """Whether it is a time to the first token in a closed loop."""
        return (self.case.protocol, self.case.quantity) == ("closed", "ttft")

    @property
    def readable(self) -> bool:
        """Whether a fit can read it: by a closed form, or a replay."""
        return self.first or f"{self.case.protocol} {self.case.quantity}" in ANSWERS


@dataclass(frozen=True)
class Table:
    """Configurations as one bench."""

    rows: tuple[Measured, ...]

    @cached_property
    def bench(self) -> Bench:
        """Laid out once."""
        return Bench.of([one.case for one in self.rows])

    @property
    def first(self) -> Mask:
        """Rows of a time to the first token that is replayed; the others have a closed form."""
        return np.array([one.first for one in self.rows], dtype=bool)

    @cached_property
    def measured(self) -> Floats:
        """Values [len(rows)]."""
        return np.array([one.value for one in self.rows])

    def log_errors(self, values: Mapping[str, float]) -> Floats:
        """Log of predicted over measured, of rows with a closed form."""
        return np.log(answers(self.bench, perf.serving_file().constants(values)) / self.measured)

    def all_log_errors(self, values: Mapping[str, float]) -> Floats:
        """The same of any rows; NaN where a load cannot be replayed."""
        return np.log(predicted([one.case for one in self.rows], perf.serving_file().constants(values)) / self.measured)

    def where(self, mask: Mask) -> Table:
        """The rows of a mask."""
        return Table(tuple(one for one, kept in zip(self.rows, mask, strict=True) if kept))


def calibrate_serving(rows: Sequence[TruthRow], catalog: Catalog, report: str | None) -> Calibration:
    """Constants, and where asked for, errors with each publisher (or accelerator) left out of the fit."""
    table = measured_table(rows, catalog)
    constants = fitted(table.where(_fittable(table)))
    publishers = tuple(sorted({one.row.publisher for one in table.rows}))
    made = Calibration("serving", len(table.rows), publishers, constants)
    if report is None:
        return made
    label = _accelerator if report == "leave-one-accelerator-out" else _publisher
    logs = held_out_log_errors(table, label)
    seen = table.all_log_errors(values_of(constants))
    columns = [*_columns(table, seen, "in sample"), *_columns(table, logs, report)]
    return replace(made, columns=tuple(columns), interval_factors=tuple(_factors(table, logs)))


def measured_table(rows: Sequence[TruthRow], catalog: Catalog) -> Table:
    """Rows that a fit can read, repeats joined."""
    groups: dict[tuple[str, ...], list[Measured]] = defaultdict(list)
    for row in rows:
        case, value = read_case(row, catalog), row.figure("value")
        if isinstance(case, Case) and value and (one := Measured(row, case, value)).readable:
            groups[tuple(row.text(column) for column in SAME)].append(one)
    joined = (replace(g[0], value=float(np.exp(np.mean(np.log([one.value for one in g]))))) for g in groups.values())
    return Table(tuple(joined))


def _fittable(table: Table) -> Mask:
    """Without tails, prompt rates of local runtimes, and sweeps whose gaps shrink as the batch grows."""
    odd = _disordered(table.rows)
    kept = [
        one.row.number not in odd
        and not class_of(one.case).startswith("tail")
        and one.case.quantity != "input_rate"
        and not _noisy_host(one)
        for one in table.rows
    ]
    return np.array(kept)


def _noisy_host(one: Measured) -> bool:
    return (one.row.publisher, one.case.accelerator) in serving_sources().noisy_hosts


def _disordered(rows: Sequence[Measured]) -> set[int]:
    """Rows of a batch sweep that are over 15 % slower than the same run at a larger batch: the host was busy."""
    sweeps: dict[tuple[str, ...], list[Measured]] = defaultdict(list)
    for one in rows:
        if one.case.quantity == "itl" and one.case.percentile == 0.5:
            columns = ("source_id", "model", "accelerator", "n_accelerators", "precision")
            sweeps[(*(one.row.text(name) for name in columns), _task(one.row))].append(one)
    return {
        one.row.number
        for sweep in sweeps.values()
        for one in sweep
        if any(o.case.concurrency > one.case.concurrency and one.value > 1.15 * o.value for o in sweep)
    }


def _task(row: TruthRow) -> str:
    return row.text("notes").split(";")[0]


def free_constants() -> tuple[Free, ...]:
    """What a fit may move."""
    file = perf.serving_file()
    shared = [
        Free(name, float(r["prior"]), float(r["sd"]), float(r["low"]), float(r["high"]))
        for name, r in file.shared.items()
        if name not in NOT_FREE
    ]
    own = [
        Free(f"{engine}.{name}", r["prior"], r["sd"], r["prior"] / RANGE, r["prior"] * RANGE)
        for engine, constants in file.engines.items()
        for name, r in constants.items()
        if f"{engine}.{name}" not in NOT_FREE
    ]
    return (*shared, *own)


def fitted(table: Table) -> tuple[Fitted, ...]:
    """Constants of a table: those of steps from closed forms, then those of first tokens from replays with them."""
    steps = _fitted_steps(table.where(~table.first))
    return (*steps, *_fitted_firsts(table.where(table.first), values_of(steps)))


def _fitted_steps(table: Table) -> tuple[Fitted, ...]:
    few = table.where(_thinned(table.rows, MOST))
    free = [one for one in free_constants() if not one.name.endswith(FIRST)]
    names = [one.name for one in free]
    start = perf.serving_file().values()

    def log_ratios(values: Floats) -> Floats:
        return few.log_errors(start | dict(zip(names, values.tolist(), strict=True)))

    return fit(free, log_ratios, _votes(few.rows), NOISE)


def _fitted_firsts(table: Table, values: Mapping[str, float]) -> tuple[Fitted, ...]:
    """The load is replayed once: what is fitted here comes on top of it."""
    few = table.where(_thinned(table.rows, MOST_REPLAYED))
    file = perf.serving_file()
    given = file.constants(values)
    parts = [(one, part) for one in few.rows if (part := first_token(one.case, given)) is not None]
    free = [one for one in free_constants() if one.name.endswith(FIRST)]
    names = [one.name for one in free]

    def log_ratios(found: Floats) -> Floats:
        c = file.constants({**values, **dict(zip(names, found.tolist(), strict=True))})
        return np.log([part.seconds(c) * one.case.factor / one.value for one, part in parts])

    return fit(free, log_ratios, _votes([one for one, _ in parts]), FIRST_NOISE)


def _votes(rows: Sequence[Measured]) -> Floats:
    """A publisher's many rows of one figure weigh as the square root of their number."""
    labels = [f"{one.row.publisher} {one.case.quantity} {one.case.moe}" for one in rows]
    return balanced_weights(labels) * min(1.0, WORTH / len(labels)) if labels else np.zeros(0)


def _thinned(rows: Sequence[Measured], most: int) -> Mask:
    groups: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for place, one in enumerate(rows):
        groups[one.row.publisher, one.case.quantity, str(one.case.moe), one.case.engine].append(place)
    kept = np.zeros(len(rows), dtype=bool)
    for places in groups.values():
        kept[places[:: max(1, len(places) // most)]] = True
    return kept


def values_of(constants: Sequence[Fitted]) -> dict[str, float]:
    """All constants: fitted ones, and those of the file that are not free."""
    return perf.serving_file().values() | {one.name: one.value for one in constants}


def held_out_log_errors(table: Table, label: Callable[[Measured], str]) -> Floats:
    """Log errors of every row by constants fitted without the rows that share its label."""
    usable = _fittable(table)

    def unseen(left_out: Mask) -> Floats:
        return table.where(left_out).all_log_errors(values_of(fitted(table.where(usable & ~left_out))))

    return held_out([label(one) for one in table.rows], unseen)


def _publisher(one: Measured) -> str:
    return one.row.publisher


def _accelerator(one: Measured) -> str:
    return one.case.accelerator


def _columns(table: Table, logs: Floats, said: str) -> Iterator[Column]:
    classes = np.array([f"{one.case.protocol} {class_of(one.case)}" for one in table.rows])
    for name in sorted(set(classes)):
        own = (classes == name) & np.isfinite(logs)
        rows = [one for one, mine in zip(table.rows, own, strict=True) if mine]
        yield Column(name, said, errors(list(_scored(rows, logs[own]))))


def _scored(rows: Sequence[Measured], logs: Floats) -> Iterator[Scored]:
    factors = perf.serving_file().intervals
    for one, log in zip(rows, logs, strict=True):
        factor = factors[class_of(one.case)]
        yield Scored(one.row, one.value, interval(one.value * float(np.exp(log)), 1.0 / factor, factor))


def _factors(table: Table, logs: Floats) -> Iterator[tuple[str, float]]:
    classes = np.array([class_of(one.case) for one in table.rows])
    labels = np.array([one.row.publisher for one in table.rows])
    for name in sorted(set(classes)):
        own = (classes == name) & np.isfinite(logs)
        yield name, conformal_factor(logs[own], list(labels[own]))
