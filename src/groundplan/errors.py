"""Everything that can be wrong with an input, said in one shape.

An `Issue` names where (``file:line``), what, and how to mend it. An error carries every issue found at
once, so that a user fixes a file in one pass. Exit codes are part of the interface:
0 done, 2 bad input, 3 infeasible (or a plan that breaks a rule), 4 limit reached with a feasible plan in hand,
5 limit reached without a plan.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Issue:
    """One fault: a stable code, the place as ``file:line`` (or a plan or catalogue path), the fault, the fix."""

    code: str
    where: str
    what: str
    hint: str = ""

    def __str__(self) -> str:
        tail = f" ({self.hint})" if self.hint else ""
        return f"{self.where}: {self.what}{tail}"


class GroundplanError(Exception):
    """Base of every error a user can cause; carries all issues and the exit code of the command line."""

    exit_code = 2

    def __init__(self, issues: Issue | Iterable[Issue]) -> None:
        self.issues: tuple[Issue, ...] = (issues,) if isinstance(issues, Issue) else tuple(issues)
        super().__init__("\n".join(str(issue) for issue in self.issues))


class SpecError(GroundplanError):
    """The factory file is wrong: unknown key, wrong unit, missing site, impossible date ..."""


class CatalogError(GroundplanError):
    """A name that the catalogue does not know, or a figure it lacks for the answer that was asked."""


class PlanFileError(GroundplanError):
    """A plan file that cannot be read, or whose hash does not match its content."""


class Infeasible(GroundplanError):
    """No plan exists under the stated rules; the issues name the conflict."""

    exit_code = 3
    problem: Any = None
    """The `groundplan.problem.Problem` that has no plan, for whoever explains it."""


class RuleBroken(GroundplanError):
    """`verify` found a plan that breaks a rule; each issue's code is the rule family."""

    exit_code = 3


class LimitReached(GroundplanError):
    """A limit (time, nodes) was reached with a feasible plan in hand, which is delivered with its gap."""

    exit_code = 4


class NoPlanFound(GroundplanError):
    """The search ended without a plan (time, nodes, memory), and whether there is one is not known."""

    exit_code = 5
