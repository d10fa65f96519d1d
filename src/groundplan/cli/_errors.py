"""Faults become one line each and an exit code; nobody but a developer sees a traceback."""

from __future__ import annotations

import functools
import json
import os
import sys
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, TypeVar

import typer

if TYPE_CHECKING:
    from groundplan.errors import GroundplanError, Issue

Command = TypeVar("Command", bound=Callable[..., Any])
INTERRUPTED = 130
MOST_LINES = 200
DEBUG = "GROUNDPLAN_DEBUG"


def guarded(command: Command) -> Command:
    """A command whose every fault is said in one shape: issues to standard error, with ``--json`` also as JSON."""

    @functools.wraps(command)
    def run(*arguments: Any, **options: Any) -> Any:
        try:
            return command(*arguments, **options)
        except (typer.Exit, BrokenPipeError):
            raise
        except KeyboardInterrupt:
            print("interrupted", file=sys.stderr)
            raise typer.Exit(INTERRUPTED) from None
        except Exception as error:
            if os.environ.get(DEBUG) == "1":
                raise
            raise typer.Exit(_said(error, as_json=bool(options.get("as_json")))) from None

    return run  # type: ignore[return-value]


def _said(error: Exception, *, as_json: bool) -> int:
    """Say a fault; the exit code."""
    from groundplan.errors import GroundplanError

    if not isinstance(error, GroundplanError):
        return _internal(error, as_json=as_json)
    say_issues(error.issues)
    if as_json:
        print_json({"error": code_of(error), "issues": issue_rows(error.issues)})
    return error.exit_code


def _internal(error: Exception, *, as_json: bool) -> int:
    what = " ".join(f"{type(error).__name__}: {error}".split())
    print(f"internal error: {what} (this is a fault of groundplan; {DEBUG}=1 shows where)", file=sys.stderr)
    if as_json:
        print_json({"error": "internal", "issues": [{"code": "internal", "where": "", "what": what, "hint": ""}]})
    return 1


def code_of(error: GroundplanError) -> str:
    """The stable name of an error class: ``SpecError`` is ``spec``, ``LimitReached`` is ``limit-reached``."""
    from groundplan.errors import Infeasible

    kind = Infeasible if isinstance(error, Infeasible) else type(error)
    name = kind.__name__.removesuffix("Error")
    return "".join(f"-{char.lower()}" if char.isupper() else char for char in name).lstrip("-")


def say_issues(issues: Iterable[Issue]) -> None:
    """One line for each issue on standard error; a flood is cut, and the cut is said."""
    every = list(issues)
    for issue in every[:MOST_LINES]:
        print(" ".join(str(issue).split()), file=sys.stderr)
    if len(every) > MOST_LINES:
        print(f"and {len(every) - MOST_LINES:,} more (--json lists all of them)", file=sys.stderr)


def issue_rows(issues: Iterable[Issue]) -> list[dict[str, str]]:
    """Issues for JSON."""
    return [{"code": i.code, "where": i.where, "what": i.what, "hint": i.hint} for i in issues]


def print_json(content: Any) -> None:
    """JSON on standard output."""
    print(json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False))
