"""A result file of any tool that is known, by its shape."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

from groundplan.errors import Issue
from groundplan.measure._aiperf import aiperf_run, csv_run, is_aiperf
from groundplan.measure._guidellm import guidellm_runs, is_guidellm
from groundplan.measure._node import Node, ResultError
from groundplan.measure._run import Run
from groundplan.measure._vllm import is_vllm, vllm_run

MAX_BYTES = 500_000_000
KNOWN = "JSON of GuideLLM, AIPerf, GenAI-Perf or vllm bench serve, or CSV of AIPerf and GenAI-Perf"


def read_results(path: str | Path) -> tuple[Run, ...]:
    """Every run of a file; ResultError with file, key and fix where it cannot be read."""
    file = Path(path)
    text = _text(file)
    if file.suffix.casefold() == ".csv":
        return (csv_run(text, str(file)),)
    return tuple(run for value in _values(text, str(file)) for run in _runs(Node(value, str(file))))


def _text(file: Path) -> str:
    try:
        if file.stat().st_size > MAX_BYTES:
            _refuse(str(file), f"has more than {MAX_BYTES:,} bytes", "leave details of single requests out")
        return file.read_text("utf-8-sig")
    except FileNotFoundError:
        _refuse(str(file), "no such file", "check the path")
    except (OSError, ValueError) as error:
        _refuse(str(file), f"cannot be read: {error}", f"give {KNOWN}")


def _values(text: str, name: str) -> Iterator[Any]:
    """One JSON value, or one a line, as tools write that append."""
    try:
        whole = json.loads(text)
    except RecursionError:
        _refuse(name, "nests too deep", f"give {KNOWN}")
    except ValueError:
        yield from (_value(line, name, number) for number, line in enumerate(text.splitlines(), 1) if line.strip())
        if not text.strip():
            _refuse(name, "is empty", f"give {KNOWN}")
    else:
        yield from whole if isinstance(whole, list) and whole else [whole]


def _value(line: str, name: str, number: int) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError) as error:
        _refuse(f"{name}:{number}", f"is no JSON: {error}", f"give {KNOWN}")


def _runs(node: Node) -> Iterator[Run]:
    if is_guidellm(node):
        yield from guidellm_runs(node)
    elif is_aiperf(node):
        yield aiperf_run(node)
    elif is_vllm(node):
        yield vllm_run(node)
    else:
        keys = ", ".join(list(node.value)[:8]) if isinstance(node.value, dict) else type(node.value).__name__
        node.refuse(f"is the result of no known tool (it holds {keys})", f"give {KNOWN}")


def _refuse(where: str, what: str, hint: str) -> NoReturn:
    raise ResultError(Issue("benchmark-result", where, what, hint))
