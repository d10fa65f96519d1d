"""Speeds from outside in place of the shipped ones: which deployment a row speaks of, and what it changes.

A row is a user's own benchmark, or step times of another tool's tables; a benchmark goes first wherever it speaks.

The model is not replaced but corrected, `level` for all that reads, multiplies or sends and `fixed` for launches,
start-up times and host work, so that step times, capacity, power, kernel and staffing stay one consistent thing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import exp, log

from groundplan.catalog import Catalog, ModelCard
from groundplan.perf._constants import Constants, serving_file
from groundplan.perf._engine import Engine
from groundplan.perf._types import wrong
from groundplan.spec import MeasuredSpeed

KIN_WEIGHT = 0.5
"""Weight of the logarithm of an anchor of the same model, part and engine in another format, cut or tuning.

With an unseen publisher the configuration explains about half of the variance that is left (45 % with version, model
and part): a neighbour is moved by that half. `bench/anchor_weights.py` here: median error 10 % -> 9 % (dense)
and 13 % -> 11 % (mixtures) of times, 9 % -> 8 % and 16 % -> 9 % of rates.
"""
# Another part or engine is no neighbour: an anchor there made times worse (12 % -> 14 %, mixtures 17 % -> 25 %).
ANCHORED_FACTOR = 1.53
"""Nine in ten rows lie within this factor of the model anchored with one matched row, publishers weighted alike.

`bench/anchor_weights.py`: 1.48 (times) and 1.53 (rates) of dense models, 1.49 of mixtures; median error 7-10 %.
"""
TABLE_WEIGHT = 0.5
"""Weight of the logarithm of what another tool's tables say of a deployment.

Both err, for different reasons. `bench/table_weights.py`, time per token in closed loops, publisher left out, median
error at weight 0 | 0.5 | 1: dense models 11.5 | 11.8 | 13.8 %, mixtures 16.0 | 11.0 | 13.0 %.
"""
READ_SHARES = (
    "weight_read_share", "expert_read_share", "kv_read_share", "gemm_share", "attention_share",
    "latent_attention_share", "link_share", "slow_link_share",
)  # fmt: skip
FIXED_TIMES = (
    "alpha_scaleup_s", "alpha_pcie_s", "layer_s", "moe_layer_s", "state_layer_s", "sparse_layer_s", "host_s",
    "sequence_s",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Anchor:
    """What measurements say of one deployment."""

    level: float = 1.0
    fixed: float = 1.0
    interval_factor: float | None = None
    """90 % interval of the anchored speeds; None: that of the model, unanchored."""
    said: str = ""
    """For people; empty where nothing was measured."""


def anchor_of(engine: Engine, card: ModelCard, catalog: Catalog) -> Anchor:
    """The anchor of a deployment among the speeds of the catalogue: measured, else a neighbour's, else of tables."""
    name = catalog.find_model(card.id) if catalog.measured else None
    known = [row for row in catalog.measured if name is not None and row.model == name.id]
    mine = [row for row in known if row.tables is None]
    matched = [row for row in mine if _cell(row) == _cell_of(engine)]
    if matched:
        (row,) = matched
        said = f"measured by you, {', '.join(row.files)}"
        if engine.drafts is not None:  # how often drafts are right was not measured
            return Anchor(row.level_factor, row.fixed_factor, None, f"{said}, without drafts")
        return Anchor(row.level_factor, row.fixed_factor, max(ANCHORED_FACTOR, row.spread_factor), said)
    near = [row for row in mine if _place(row) == (engine.chip.id, engine.settings.engine)]
    if near:
        return _moved(near, KIN_WEIGHT)
    tables = [row for row in known if row.tables is not None and _cell(row) == _cell_of(engine)]
    return _of_tables(tables[0], engine) if tables else Anchor()


def _of_tables(row: MeasuredSpeed, engine: Engine) -> Anchor:
    """Part of what another tool's tables say, at an interval no narrower than that of the model by itself."""
    level, fixed = row.level_factor**TABLE_WEIGHT, row.fixed_factor**TABLE_WEIGHT
    usual = serving_file().interval("rate", engine.settings.engine, moe=engine.shape.moe_layers > 0)
    said = f"moved by {TABLE_WEIGHT:.0%} of what tables of {row.tool} say, {', '.join(row.files)}"
    return Anchor(level, fixed, max(usual, row.spread_factor), said)


def _moved(rows: Sequence[MeasuredSpeed], weight: float) -> Anchor:
    """A neighbour's share of the mean of rows, in logarithms."""
    level, fixed = (exp(weight * _mean_log(rows, name)) for name in ("level_factor", "fixed_factor"))
    files = ", ".join(dict.fromkeys(name for row in rows for name in row.files))
    return Anchor(level, fixed, None, f"moved by {weight:.0%} of your measurement of this model elsewhere, {files}")


def _place(row: MeasuredSpeed) -> tuple[str, str]:
    return row.accelerator, row.engine


def _mean_log(rows: Sequence[MeasuredSpeed], name: str) -> float:
    return sum(log(getattr(row, name)) for row in rows) / len(rows)


def _cell(row: MeasuredSpeed) -> tuple[object, ...]:
    return row.accelerator, row.engine, row.tuning, row.precision, row.tensor_ranks_count, 1


def _cell_of(engine: Engine) -> tuple[object, ...]:
    tuning = "default" if engine.settings.untuned else "tuned"
    cut = (engine.tensor_parallel, engine.stages * engine.groups)
    return engine.chip.id, engine.settings.engine, tuning, engine.precision, *cut


def with_anchor(engine: Engine, anchor: Anchor) -> Engine:
    """The same deployment at anchored step times."""
    if anchor.level == anchor.fixed == 1.0:
        return engine
    return replace(engine, constants=anchored(engine.constants, anchor.level, anchor.fixed))


def anchored(c: Constants, level: float, fixed: float) -> Constants:
    """Constants under which a step takes level x work + fixed x fixed times, exactly."""
    slower = {name: getattr(c, name) / level for name in READ_SHARES}
    return replace(c, **slower, **{name: getattr(c, name) * fixed for name in FIXED_TIMES})


def check_measured(rows: Sequence[MeasuredSpeed]) -> None:
    """PerfError where a row corrects the constants of another release, or two rows speak of one deployment."""
    now = serving_file().version
    seen: dict[tuple[object, ...], int] = {}
    for index, row in enumerate(rows):
        if (first := seen.setdefault((row.model, row.tables is None, *_cell(row)), index)) != index:
            what = f"{row.model} on {row.accelerator} is measured in row {first} already, as the same deployment"
            raise wrong(f"measured[{index}]", what, "give all its results to one `groundplan anchor`")
        if row.against != now:
            what = f"{', '.join(row.files)} was compared with {row.against}, this release has {now}"
            raise wrong(f"measured[{index}].against", what, "run `groundplan anchor` on the result again")
