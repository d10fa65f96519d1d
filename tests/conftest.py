"""What every room's tests share."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from hypothesis import settings

from groundplan.cli import main

ROOT = Path(__file__).resolve().parents[1]

# Same examples on every run, and no verdict from the clock of a busy machine.
settings.register_profile("groundplan", derandomize=True, deadline=None)
settings.load_profile("groundplan")


@pytest.fixture(scope="session")
def root() -> Path:
    """Return the root of the repository."""
    return ROOT


@pytest.fixture(scope="session")
def shared() -> Path:
    """Return the folder of shared data beside the repository; skip where it is absent."""
    folder = ROOT.parent / "shared"
    if not folder.is_dir():
        pytest.skip("needs the shared data beside the repository")
    return folder


@pytest.fixture
def run(monkeypatch, capsys):
    """Return the command line, called in this process: exit code, standard output, standard error."""

    def command(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["groundplan", *map(str, arguments)])
        with pytest.raises(SystemExit) as left:
            main()
        said = capsys.readouterr()
        return int(left.value.code or 0), said.out, said.err

    return command
