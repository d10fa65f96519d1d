"""Tables of measured rows, and the statistics of errors."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundplan.validation import Predicted, Skipped, TruthError, TruthRow, errors, read_truth, score


def row(number, source, metric, value):
    return TruthRow(number, {"source_id": source, "metric": metric, "value": value})


def test_a_table_is_read_as_text_and_what_means_nothing_is_blank(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text("source_id,publisher,metric,value,tp\na,p,tpot_ms,12.5,nan\nb,,ttft_ms, ~30 ,None\n")
    first, second = read_truth(path)
    assert (first.number, first.publisher, first.figure("value"), first.text("tp")) == (1, "p", 12.5, "")
    assert (second.publisher, second.figure("value")) == ("b", 30.0)
    assert (second.figure("tp"), second.text("absent")) == (None, "")


def test_parquet_and_csv_say_the_same(tmp_path):
    pa = pytest.importorskip("pyarrow")
    from pyarrow.parquet import write_table

    table = pa.table({"source_id": ["a", "b"], "metric": ["fps", "fps"], "value": [1.5, None]})
    write_table(table, tmp_path / "rows.parquet")
    (tmp_path / "rows.csv").write_text("source_id,metric,value\na,fps,1.5\nb,fps,\n")
    assert read_truth(tmp_path / "rows.parquet") == read_truth(tmp_path / "rows.csv")


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [("none.csv", None, "no such file"), ("rows.csv", "a,b\n1,2\n", "no column source_id"),
     ("rows.parquet", "not parquet", "cannot be read")],
)  # fmt: skip
def test_what_is_no_table_is_refused(tmp_path, name, text, said):
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(TruthError, match=said):
        read_truth(tmp_path / name)


def test_an_unknown_source_names_those_that_are_there(tmp_path):
    (tmp_path / "rows.csv").write_text("source_id,metric,value\nhere,fps,1\n")
    with pytest.raises(TruthError, match=r"no row of there.*here"):
        read_truth(tmp_path / "rows.csv", ["there"])


def test_statistics_by_hand():
    rows = [row(1, "a", "m", "10"), row(2, "a", "m", "20"), row(3, "b", "m", "40"), row(4, "b", "m", "x")]
    said = [Predicted(11, 9, 12), Predicted(16, 15, 18), Predicted(40, 30, 50), Predicted(1, 1, 1)]
    found = score("k", "v1", rows, said)
    got = found.metrics()["m"]
    assert got.n == 3
    assert got.median_ape == pytest.approx(0.1)
    assert got.mape == pytest.approx(0.3 / 3)
    assert got.bias == pytest.approx(-0.1 / 3)
    assert got.coverage_90 == pytest.approx(2 / 3)
    assert got.mape_source_balanced == pytest.approx((0.15 + 0.0) / 2)
    assert got.coverage_90_source_balanced == pytest.approx((0.5 + 1.0) / 2)
    assert found.skipped == {"missing input: value is no positive number": 1}
    assert [(g["source_id"], g["n"]) for g in found.as_json()["groups"]] == [("a", 2), ("b", 1)]


def test_every_row_is_scored_or_skipped_with_a_reason():
    rows = [row(1, "a", "m", "1"), row(2, "a", "n", "1")]
    found = score("k", "v1", rows, [Predicted(1, 1, 1), Skipped("not modelled: n")]).as_json()
    assert found["rows"] == found["scored"] + sum(found["skipped"].values()) == 2


@given(st.lists(st.tuples(st.floats(0.01, 1e6), st.floats(0.1, 10.0)), min_size=1, max_size=40))
def test_median_and_p90_bracket_the_errors(pairs):
    rows = [row(i, "a", "m", repr(value)) for i, (value, _) in enumerate(pairs)]
    said = [Predicted(value * factor, value, value) for value, factor in pairs]
    scored = score("k", "v1", rows, said).scored
    got = errors(scored)
    sizes = [abs(s.error) for s in scored]
    assert min(sizes) - 1e-12 <= got.median_ape <= got.p90_ape <= max(sizes) + 1e-12
    assert math.isclose(got.mape, got.mape_source_balanced, rel_tol=1e-9, abs_tol=1e-12)
