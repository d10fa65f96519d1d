"""What AIConfigurator's tables add to the model: errors of published times per token, moved by part of what they say.

`pip install groundplan[aiconfigurator,truth]`, then `python bench/table_weights.py TRUTH [DEPLOYMENTS]` takes the
deployments of closed-loop rows of the serving table that run on one group of tensor ranks, bakes the tables of each
as `groundplan anchor --provider` does, and prints median and mean error and the factor that holds nine in ten, by
weight of the logarithm: with constants that have not seen the publisher of the row, and with the shipped ones.
"""

from __future__ import annotations

import random
import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from groundplan.catalog import Catalog
from groundplan.errors import GroundplanError
from groundplan.measure import Baked, Provider, ProviderError, aiconfigurator, bake
from groundplan.measure._aiconfigurator import SYSTEMS
from groundplan.measure._fit import fitted
from groundplan.measure._tables import ENGINES, Cell
from groundplan.perf._measured import anchored
from groundplan.perf.serving import Constants, Deployment, Parts, serving_file, steps
from groundplan.validation import _calibrate_serving as fits
from groundplan.validation._serving_answers import Bench, answers
from groundplan.validation._serving_rows import _parts
from groundplan.validation._table import read_truth

WEIGHTS = (0.0, 0.25, 0.5, 0.75, 1.0)
SEED = 1
Key = tuple[str, str, str, int, str]
"""Model, accelerator, format, tensor ranks, engine."""
CATALOG = Catalog.default()


def key_of(row: fits.Measured) -> Key | None:
    """What ran, where tables may have it: a closed loop on a tuned engine, all on one group of tensor ranks."""
    case, terms = row.case, row.case.variants[0].terms
    if (case.protocol, case.quantity) != ("closed", "tpot") or case.untuned > 0 or len(case.variants) != 1:
        return None
    one_group = (terms.data, terms.stages) == (1, 1) and terms.tensor <= 8
    if not one_group or case.accelerator not in SYSTEMS or case.engine not in ENGINES:
        return None
    return case.model, case.accelerator, _parts(row.row, CATALOG).precision, int(terms.tensor), case.engine


def baked(key: Key, tool: Provider) -> Baked | None:
    """Tables of a deployment, on the first server of the catalogue that takes it; None where it has no row."""
    model, part, precision, ranks, engine = key
    for server in CATALOG.servers.rows:
        if server.accelerator == part and (server.accelerators_count or 0) >= ranks:
            try:
                return bake(Deployment(CATALOG.model(model), server, precision, ranks, engine, "tuned"), CATALOG, tool)
            except ProviderError:
                return None
            except GroundplanError:
                continue
    return None


def factors(found: Baked, constants: Constants) -> tuple[float, float]:
    """Level and fixed factor against these constants."""
    model = {tokens: steps(found.deployment, CATALOG, tokens) for tokens in {cell.tokens for cell in found.gated.kept}}
    model = {tokens: replace(one, engine=replace(one.engine, constants=constants)) for tokens, one in model.items()}

    def parts(cell: Cell) -> Parts:
        return model[cell.tokens].decode(cell.batch) if cell.step == "decode" else model[cell.tokens].prefill()

    return fitted([((cell.seconds, parts(cell)),) for cell in found.gated.kept])


def unseen(table: fits.Table, publishers: Sequence[str]) -> Mapping[str, Constants]:
    """Constants fitted without each publisher."""
    own, usable = np.array([row.row.publisher for row in table.rows]), fits._fittable(table)
    return {
        name: serving_file().constants(fits.values_of(fits.fitted(table.where(usable & (own != name)))))
        for name in publishers
    }


def line(name: str, errors: Sequence[Sequence[float]]) -> None:
    """Median, mean and tail of log errors by weight."""
    logs = np.array(errors)
    apart = np.abs(np.expm1(logs))
    said = [
        f"{weight:g}: {np.median(apart[:, i]):5.1%} {apart[:, i].mean():5.1%} "
        f"x{np.exp(np.quantile(np.abs(logs[:, i]), 0.9)):.2f}"
        for i, weight in enumerate(WEIGHTS)
    ]
    print(f"{name:28} {len(logs):4} rows | " + " | ".join(said))


def main() -> None:
    """Print a line for each kind of model and engine."""
    table, tool = fits.measured_table(read_truth(Path(sys.argv[1])), CATALOG), aiconfigurator()
    keys = sorted({key for row in table.rows if (key := key_of(row))})
    random.Random(SEED).shuffle(keys)
    made = {key: baked(key, tool) for key in keys[: int(sys.argv[2]) if len(sys.argv) > 2 else None]}
    covered = {key: one for key, one in made.items() if one is not None}
    print(f"{tool.name} has a row for {len(covered)} of {len(made)} deployments")
    found = [(row, covered[key]) for row in table.rows if (key := key_of(row)) in covered]
    without = unseen(table, sorted({row.row.publisher for row, _ in found}))
    groups: dict[tuple[str, str], list[list[float]]] = defaultdict(list)
    for row, tables in found:
        for how, constants in (("unseen", without[row.row.publisher]), ("shipped", serving_file().constants())):
            level, fixed = factors(tables, constants)
            asked = Bench.of([row.case])
            said = [answers(asked, anchored(constants, level**w, fixed**w))[0] / row.value for w in WEIGHTS]
            kind = "mixture" if row.case.moe else "dense"
            for group in (kind, f"{kind} {row.case.engine}"):
                groups[how, group].append(np.log(said).tolist())
    for (how, group), errors in sorted(groups.items()):
        line(f"{how} {group}", errors)


if __name__ == "__main__":
    main()
