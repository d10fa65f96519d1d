"""docs/accuracy.md is of the constants that ship, its tables parse, and its statistics are what they say."""

from __future__ import annotations

import math
import re
import tomllib
from pathlib import Path

import accuracy_page as page
import accuracy_peers as peers
import accuracy_rows as rows
import accuracy_scores as scores
import numpy as np
import pytest

from groundplan.catalog import Catalog
from groundplan.kernel import StepTime
from groundplan.perf import serving as perf
from groundplan.validation import kinds, read_truth
from groundplan.validation._serving import predicted

ROOT = Path(__file__).resolve().parents[1]
TEXT = (ROOT / "docs" / "accuracy.md").read_text(encoding="utf-8")
STATED = tomllib.loads(page.STATED.read_text(encoding="utf-8"))


def tables(text: str) -> list[list[list[str]]]:
    """Each table as its rows of cells, the rule below the head left out."""
    blocks = re.findall(r"(?:^\|.*\|\n)+", text, flags=re.MULTILINE)
    found = [[line[2:-2].split(" | ") for line in block.splitlines()] for block in blocks]
    for block, made in zip(blocks, found, strict=True):
        assert re.fullmatch(r"\|(?:---:?\|)+", block.splitlines()[1])
        del made[1]
    return found


def table_of(head: str) -> list[list[str]]:
    """The table whose first head is this."""
    return next(made[1:] for made in tables(TEXT) if made[0][0] == head)


def judged(**given: object) -> rows.Judged:
    base: dict = {
        "way": rows.PUBLISHER, "group": "offline throughput, dense", "source_id": "a", "publisher": "a",
        "metric": "tpot_ms", "label": "m, 1 x p", "measured": 10.0, "predicted": 11.0, "factor": 1.5,
    }  # fmt: skip
    return rows.Judged(**{**base, **given})


def test_page_names_the_versions_that_ship() -> None:
    said = {cells[1].strip("`") for cells in table_of("models")}
    assert said == {kind.version for kind in kinds().values()}, "run `make accuracy SHARED=FOLDER`"


def test_page_is_of_the_constants_that_ship() -> None:
    said = {cells[1].strip("`").split("-")[0]: cells[2].strip("`") for cells in table_of("models")}
    assert said == {kind: rows.constants_print(kind) for kind in kinds()}, "run `make accuracy SHARED=FOLDER`"


def test_tables_parse() -> None:
    found = tables(TEXT)
    assert len(found) > 20
    assert [made[0] for made in found if len({len(row) for row in made}) != 1] == []
    assert [made[0] for made in found if len(made) < 2] == []
    assert "nan" not in TEXT.lower().split()


def test_every_goal_has_a_verdict_that_follows_from_its_figures() -> None:
    verdicts = table_of("goal")
    assert [cells[0] for cells in verdicts] == [goal["what"] for goal in STATED["goal"]]
    for goal, cells in zip(STATED["goal"], verdicts, strict=True):
        value = float(cells[3].rstrip(" %").replace(",", "")) / (1.0 if goal["figure"] == "false_fits" else 100.0)
        clear = all(abs(value - goal.get(name, math.inf)) > 6e-4 for name in ("limit", "least"))
        assert not clear or (cells[4] == "met") == page.met(goal, value), cells


def test_every_miss_has_its_cause() -> None:
    missed = [cells[0] for cells in table_of("goal") if cells[4] != "met"]
    assert [what for what in missed if f"- **{what}** (" not in TEXT] == []


def test_statistics_of_rows_with_known_errors() -> None:
    near, far = judged(predicted=11.0), judged(publisher="b", source_id="b", predicted=20.0)
    found = rows.line([near, near, near, far])
    assert found.errors.n == 4
    assert found.errors.median_ape == pytest.approx(0.1)
    assert found.errors.mape == pytest.approx((3 * 0.1 + 1.0) / 4)
    assert found.errors.mape_source_balanced == found.mape_publishers == pytest.approx(0.55)
    assert found.coverage == pytest.approx(0.5)  # one publisher inside, one outside, a vote each
    assert (found.coverage_low, found.coverage_high) == (0.0, 1.0)
    assert found == rows.line([near, near, near, far])  # the draws are seeded


def test_a_lopsided_interval_covers_by_its_own_ends() -> None:
    assert judged(predicted=20.0, low_factor=0.5, factor=1.1).covered
    assert not judged(predicted=20.0, low_factor=0.9, factor=1.1).covered


def test_a_false_fit_needs_a_memory_size_between() -> None:
    assert page.falsely_fits(judged(measured=13.5, predicted=10.3), 1.2)  # 12 GiB hold 12.36, not 13.5
    assert not page.falsely_fits(judged(measured=65.0, predicted=46.3), 1.2)  # nothing between 55.6 and 65
    assert not page.falsely_fits(judged(measured=10.0, predicted=10.3), 1.2)


def test_scores_survive_their_file(tmp_path: Path) -> None:
    sheet = rows.Sheet("power", "v1", "t.csv", 3, 1, 2, 9, 2, {"why": 7}, (judged(tags=("stated",)), judged()))
    rows.write_sheets([sheet], {"replays": []}, tmp_path / "s.json")
    read, extra = rows.read_sheets(tmp_path / "s.json")
    assert read == {"power": sheet}
    assert extra == {"replays": []}


def test_hardest_rows_are_one_a_configuration_worst_first() -> None:
    bad = [judged(label=f"m{i}, 1 x p", predicted=10.0 * 1.5**i, number=i) for i in range(14)]
    again = judged(label="m13, 1 x p", predicted=10.0 * 1.4**13, number=99)
    found = list(page.hardest("power", [*bad, again], {"why": [{"kind": "power", "pattern": "m13", "why": "known"}]}))
    shown = [line.split(" | ")[0].strip("| ") for line in found[2:]]
    assert shown == [f"m{i}, 1 x p" for i in range(13, 3, -1)]
    assert found[2].endswith("| known |")
    assert found[3].endswith("| not explained |")


def test_a_missed_goal_without_a_cause_is_refused() -> None:
    sheet = rows.Sheet("training", "v1", "t.csv", 3, 1, 2, 9, 2, {}, (judged(predicted=30.0),))
    goal = {"what": "x", "kind": "training", "groups": [], "figure": "mape", "limit": 0.1}
    with pytest.raises(SystemExit, match="no cause"):
        list(page.goals({"training": sheet}, {"goal": [goal]}))


def test_a_roofline_is_never_slower_than_the_model() -> None:
    found = scores.configurations(read_truth(ROOT / "examples" / "measured" / "serving.csv"), Catalog.default())
    cases = [one.case for one, _ in found]
    assert len(cases) == 6
    ours = predicted(cases, perf.serving_file().constants())
    best = predicted(cases, scores.roofline_constants())
    rate = np.array([case.quantity == "output_rate" for case in cases])
    assert (best[rate] > ours[rate]).all()
    assert (best[~rate] < ours[~rate]).all()


def test_repeats_are_one_configuration_with_their_geometric_mean(tmp_path: Path) -> None:
    text = (ROOT / "examples" / "measured" / "serving.csv").read_text(encoding="utf-8")
    head, first, *_ = text.splitlines()
    path = tmp_path / "twice.csv"
    path.write_text("\n".join([head, first, first.replace("839.97", "210")]) + "\n", encoding="utf-8")
    [(one, repeats)] = scores.configurations(read_truth(path), Catalog.default())
    assert repeats == 2
    assert one.value == pytest.approx((839.97 * 210.0) ** 0.5)


def test_scaled_steps_take_so_much_longer() -> None:
    step = StepTime([0, 1000, 1100], [0, 10, 10], [1, 64], [900, 2000], [7, 8], 2000)
    assert peers.scaled(step, 2.0).step_ps(100, 500, 2, 300) == 2 * step.step_ps(100, 500, 2, 300)


def test_figures_of_a_trace_are_those_of_the_table(shared: Path) -> None:
    stated = {"TTFT mean": 65456.6, "TTFT p99": 137356.3, "TPOT mean": 32.4, "E2E p50": 83413.3}
    path = shared / "traces" / peers.TRACES / "RTX4090_Llama-3.1-8B_requests.parquet"
    sent = peers._requests(path)
    gaps = np.maximum(sent["output_toks"] - 1, 1)
    first, last = (sent[name] - sent["queued_ts"] for name in ("first_token_ts", "last_token_ts"))
    found = peers.figures({"TTFT": first, "TPOT": (last - first) / gaps, "E2E": last})
    assert {name: found[name] for name in stated} == pytest.approx(stated, rel=2e-3)
