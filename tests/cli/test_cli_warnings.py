"""Warnings of the day: to standard error, and a field in JSON."""

from __future__ import annotations

import json
import sys
from datetime import date, timedelta

import pytest

from groundplan.cli import _check, main
from groundplan.cli._warnings import say_warnings, warnings
from groundplan.policy import as_of
from groundplan.spec import starter


def test_old_rules_are_warned_of_and_fresh_ones_are_not(capsys):
    assert warnings(as_of() + timedelta(days=60)) == []
    (said,) = warnings(as_of() + timedelta(days=61))
    say_warnings([said])
    assert capsys.readouterr().err == f"warning: {said}\n"
    assert "61 days old" in said
    assert warnings() == warnings(date.today())


def test_check_keeps_warnings_out_of_json_but_for_their_field(tmp_path, monkeypatch, capsys):
    (tmp_path / "f.yaml").write_text(starter(), "utf-8")
    monkeypatch.setattr(_check, "warnings", lambda: ["the rules are old"])
    monkeypatch.setattr(sys, "argv", ["groundplan", "check", str(tmp_path / "f.yaml"), "--quick", "--json"])
    with pytest.raises(SystemExit) as left:
        main()
    said = capsys.readouterr()
    assert left.value.code == 0
    assert json.loads(said.out)["warnings"] == ["the rules are old"]
    assert said.err == "warning: the rules are old\n"
