"""What one measured row says of its neighbours: errors of closed-loop and offline rows, moved by part of another's.

`python bench/anchor_weights.py TRUTH` takes each scored row of the serving table, draws others of its publisher that
are near in one way, moves its prediction by a weight of the log error of each, and prints what is left: median error
and the factor that holds nine in ten, publishers weighted alike. The constants have seen these publishers (in sample).
"""

from __future__ import annotations

import random
import sys
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import exp, expm1, log
from pathlib import Path

from groundplan.catalog import Catalog
from groundplan.validation import Scored, TruthRow, validate

WEIGHTS = (0.0, 0.25, 0.5, 0.75, 1.0)
DRAWS, MOST_ROWS, SEED = 4, 500, 1
CUT = ("precision", "tp", "n_accelerators")
RELEASE = ("source_id", "framework_version")


@dataclass(frozen=True, slots=True)
class Row:
    """A measured row, and the logarithm of measured over predicted time."""

    truth: TruthRow
    quantity: str
    mixture: bool
    error: float

    def same(self, other: Row, *names: str) -> bool:
        """Whether two rows agree in these columns."""
        return all(self.truth.text(name) == other.truth.text(name) for name in names)


NEAR: dict[str, Callable[[Row, Row], bool]] = {
    "the same deployment": lambda a, b: a.same(b, "model", "accelerator", "framework", *CUT, *RELEASE),
    "model, part, engine": lambda a, b: a.same(b, "model", "accelerator", "framework") and not a.same(b, *CUT),
    "model, another part": lambda a, b: a.same(b, "model") and not a.same(b, "accelerator"),
    "model and part, another engine": lambda a, b: a.same(b, "model", "accelerator") and not a.same(b, "framework"),
    "another model, part and engine": lambda a, b: a.same(b, "accelerator", "framework") and not a.same(b, "model"),
}


def rows(path: Path) -> list[Row]:
    """Rows of time per token and of output rate that the model answers."""
    catalog = Catalog.default()
    found = []
    for truth, outcome in validate("serving", path, catalog).rows:
        quantity = {"tpot_ms": "time", "output_tok_s_total": "rate", "output_tok_s_per_gpu": "rate"}.get(truth.metric)
        if quantity is None or not isinstance(outcome, Scored):
            continue
        ratio = log(outcome.measured / outcome.predicted.value)
        name = catalog.find_model(truth.text("model"))
        mixture = name is not None and catalog.model(name.id).transformer().experts > 0
        found.append(Row(truth, quantity, mixture, ratio if quantity == "time" else -ratio))
    return found


def left(chosen: Sequence[Row], near: Callable[[Row, Row], bool], draw: random.Random) -> dict[float, dict[str, list]]:
    """What is left of the errors, by weight and publisher."""
    by_publisher: dict[str, list[Row]] = defaultdict(list)
    for row in chosen:
        by_publisher[row.truth.publisher].append(row)
    found: dict[float, dict[str, list]] = {weight: defaultdict(list) for weight in WEIGHTS}
    for publisher, mine in by_publisher.items():
        for row in mine if len(mine) <= MOST_ROWS else draw.sample(mine, MOST_ROWS):
            others = [other for other in mine if other is not row and near(row, other)]
            for anchor in draw.choices(others, k=DRAWS) if others else ():
                for weight in WEIGHTS:
                    found[weight][publisher].append(row.error - weight * anchor.error)
    return found


def quantile(errors: dict[str, list[float]], share: float) -> float:
    """Of absolute errors, each publisher with the same weight."""
    weighted = sorted((abs(error), 1.0 / len(mine)) for mine in errors.values() for error in mine)
    reach, most = 0.0, share * sum(weight for _, weight in weighted)
    for error, weight in weighted:
        reach += weight
        if reach >= most:
            return error
    return weighted[-1][0]


def main() -> None:
    """Print a line for each kind of row and of nearness."""
    every = rows(Path(sys.argv[1]))
    print(f"{len(every):,} rows; weights {WEIGHTS}; median error, factor of nine in ten")
    for quantity in ("time", "rate"):
        for mixture in (False, True):
            chosen = [row for row in every if (row.quantity, row.mixture) == (quantity, mixture)]
            for name, near in NEAR.items():
                errors = left(chosen, near, random.Random(SEED))
                if publishers := len(errors[0.0]):
                    medians = " ".join(f"{expm1(quantile(errors[w], 0.5)):5.1%}" for w in WEIGHTS)
                    tails = " ".join(f"{exp(quantile(errors[w], 0.9)):.2f}" for w in WEIGHTS)
                    kind = "moe" if mixture else "dense"
                    print(f"{quantity} {kind:5} {name:31} publishers {publishers} | {medians} | {tails}")


if __name__ == "__main__":
    main()
