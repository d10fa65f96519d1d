"""Machine code of the loops: made once, loaded without numba, made anew where what is kept is not whole."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from groundplan.kernel import _machine, simulate_queue
from groundplan.kernel._machine import Loop

SIMULATE = """
import sys
from groundplan.kernel import *
engine = StepTime([0, 5], [0, 0], [1], [5], [1]), EngineLimits(max_batch=1, token_budget=8, kv_blocks=4)
simulate_queue([0, 1], [5, 5], 1), simulate_batch_queue([0, 1], [0, 5], 1, 1)
simulate_engine([0, 1], [3, 3], [2, 2], *engine), simulate_closed([3, 3], [2, 2], *engine, concurrency=1)
sys.exit('numba' in sys.modules or 'scipy' in sys.modules)
"""
ARRIVALS, SERVICE = np.array([0, 1, 9], np.int64), np.array([5, 5, 5], np.int64)


def queue() -> Loop:
    return Loop("_queues_jit", "run_queue", 5)


def starts(loop: Loop) -> list[int]:
    start = np.empty(3, np.int64)
    loop(ARRIVALS, SERVICE, start, np.zeros(1, np.int64), np.array([3, 1], np.int64))
    return start.tolist()


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Two places of machine code, the first of which cannot be made: a file stands in its way."""
    (tmp_path / "file").touch()
    both = [tmp_path / "file" / "code", tmp_path / "code"]
    monkeypatch.setattr(_machine, "_folders", lambda: iter(both))
    return both


def test_what_was_compiled_runs_without_the_compiler() -> None:
    for _ in range(2):  # the first may compile
        made = subprocess.run([sys.executable, "-c", SIMULATE], env={"PYTHONPATH": ":".join(sys.path)})
    assert made.returncode == 0


def test_code_is_kept_where_that_is_allowed(folders: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    assert starts(queue()) == [0, 5, 10] == simulate_queue(ARRIVALS, SERVICE, 1).tolist()
    (file,) = folders[1].iterdir()
    monkeypatch.setattr(Loop, "_compiled", lambda self: pytest.fail("it is there"))
    assert starts(queue()) == [0, 5, 10]

    file.write_bytes(file.read_bytes()[:-1])
    monkeypatch.setattr(Loop, "_compiled", lambda self: b"anew")
    assert queue()._code() == b"anew"
    assert [path.name for path in folders[1].iterdir()] == [file.name]


def test_code_of_other_sources_or_processors_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    key = queue()._key()
    assert key == queue()._key() != Loop("_engine_jit", "run_pool", 8)._key()
    monkeypatch.setattr(_machine.llvm, "get_host_cpu_name", lambda: "another")
    assert queue()._key() != key
