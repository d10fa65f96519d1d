"""Who is left out, who weighs how much, and how wide an interval must be for sources never seen."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]
COVERAGE = 0.9
MOST_COVERAGE = 0.95
"""With fewer than about 20 sources the exact level nears 1, the width of the worst row: it is taken no higher."""


def leave_one_out(labels: Sequence[str]) -> Iterator[tuple[str, Mask]]:
    """Each label in alphabetical order, with the rows that bear it."""
    column = np.array(labels)
    for label in sorted(set(labels)):
        yield label, column == label


def held_out(labels: Sequence[str], log_errors: Callable[[Mask], Floats]) -> Floats:
    """Log errors [len(labels)]: of the rows of each label, by `log_errors(left_out)`, which fits without them."""
    found = np.zeros(len(labels))
    for _, left_out in leave_one_out(labels):
        found[left_out] = log_errors(left_out)
    return found


def balanced_weights(labels: Sequence[str], power: float = 0.5) -> Floats:
    """Votes per row, mean 1: a source of n rows weighs n^(1 - power). 0 = every row alike, 1 = every source alike."""
    _, index, counts = np.unique(np.array(labels), return_inverse=True, return_counts=True)
    votes = counts[index].astype(float) ** -power
    return votes / votes.mean()


def cluster_votes(labels: Sequence[Hashable], shared: float) -> Floats:
    """Votes per row where rows of one label share a part of their error: n of them count as n / (1 + (n - 1) shared).

    `shared` is the part of the variance that lies between labels (random effects); 0 = every row is a vote of its own.
    """
    place = {label: i for i, label in enumerate(dict.fromkeys(labels))}
    index = np.array([place[label] for label in labels], dtype=np.intp)
    counts = np.bincount(index)[index].astype(np.float64)
    return 1.0 / (1.0 + (counts - 1.0) * shared)


def conformal_factor(log_errors: Floats, labels: Sequence[str], coverage: float = COVERAGE) -> float:
    """Factor f such that [value / f, value x f] holds `coverage` of a source taken at random: every source one vote.

    `log_errors` are those of rows that the fit has not seen. With k sources the level is raised to
    coverage x (1 + 1/k), at most MOST_COVERAGE: the next source is one more draw (split conformal).
    """
    size, order = np.abs(log_errors), np.argsort(np.abs(log_errors))
    votes = balanced_weights(labels, power=1.0)[order]
    level = min(max(MOST_COVERAGE, coverage), coverage * (1.0 + 1.0 / len(set(labels))))
    reached = np.cumsum(votes) / votes.sum()
    place = min(int(np.searchsorted(reached, level - 1e-12)), len(size) - 1)
    return float(np.exp(size[order][place]))
