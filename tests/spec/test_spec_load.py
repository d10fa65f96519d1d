"""Loading: what good files give, and what each kind of broken file says."""

# ruff: noqa: E501 (one line for each fault, so that the tables can be read)

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from groundplan.errors import SpecError
from groundplan.spec import LoadedSpec, Site, examples_path, load, loads, starter

EXAMPLE = "examples/appliance-maker"


def swap(old: str, new: str) -> str:
    """Return the starter with one piece of text replaced; the piece must be there exactly once."""
    text = starter()
    assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in the starter"
    return text.replace(old, new)


def line_of(text: str, piece: str) -> int:
    """Return the line in which a piece of text stands first."""
    return text[: text.index(piece)].count("\n") + 1


def faults(text: str) -> list[str]:
    """Return the faults of a text, as a user reads them."""
    with pytest.raises(SpecError) as caught:
        loads(text)
    assert caught.value.exit_code == 2
    return [str(issue) for issue in caught.value.issues]


def only_fault(text: str) -> str:
    found = faults(text)
    assert len(found) == 1, found
    return found[0]


# --- good files -----------------------------------------------------------------------------------------


def test_starter_loads() -> None:
    spec = loads(starter())
    assert spec.factory.name == "starter"
    assert [site.id for site in spec.factory.sites] == ["plant", "cloud"]


def test_lines_point_at_the_text() -> None:
    text = starter()
    lines, spec = text.splitlines(), loads(text, "mine.yaml")
    assert "usable_kw: 60" in lines[spec.lines["sites", 0, "hosting", "usable_kw"] - 1]
    assert "id: weld-inspection" in lines[spec.lines["workloads", 1] - 1]
    assert "cameras_count: 12" in lines[spec.lines["workloads", 1, "demand", 0, "cameras_count"] - 1]
    # A default that is not in the file has the place of what holds it.
    assert spec.where(("workloads", 1, "isolation")) == spec.where(("workloads", 1))
    assert spec.where(("start",)) == f"mine.yaml:{line_of(text, 'start: 2027')}"


def test_example_loads_from_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    spec = load(EXAMPLE)
    assert spec.factory.synthetic
    assert {site.tier for site in spec.factory.sites} >= {"line-edge", "site-dc", "colocation", "sovereign-cloud"}
    assert spec.where(("sites", 0)).startswith(str(examples_path() / "appliance-maker" / "sites.yaml:"))


def test_a_folder_here_goes_before_the_packaged_example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / EXAMPLE
    folder.mkdir(parents=True)
    (folder / "factory.yaml").write_text(starter(), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    assert load(EXAMPLE).factory.name == "starter"


def test_a_spec_cannot_be_changed() -> None:
    spec = loads(starter())
    with pytest.raises(AttributeError):
        spec.spec_hash = "0"  # type: ignore[misc]
    with pytest.raises(TypeError):
        spec.lines[()] = 3  # type: ignore[index]
    with pytest.raises(ValueError, match="frozen"):
        spec.factory.sites[0].pue = 1.0


# --- hash -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("# A factory file for groundplan", "# Anything else"),
        ("usable_kw: 60 ", "usable_kw: 60.0 "),
        ("report_currency: USD", "report_currency: 'USD'"),
        ("mean_tokens: 1200, cv: 0.8", "cv: 0.8, mean_tokens: 1.2e3"),
        ("name: starter\ntitle: One plant and one cloud\n", "title: One plant and one cloud\nname: starter\n"),
        ("    lead_months: 2\n", "    lead_months: 2\n    lot_nodes: 1\n"),  # the default, spelt out
    ],
)
def test_hash_ignores_what_changes_nothing(old: str, new: str) -> None:
    assert loads(swap(old, new)).spec_hash == loads(starter()).spec_hash


@pytest.mark.parametrize(
    ("old", "new"),
    [("usable_kw: 60 ", "usable_kw: 61 "), ("start: 2027-01", "start: 2027-02"), ("cv: 0.8", "cv: 0.81")],
)
def test_hash_sees_what_changes_something(old: str, new: str) -> None:
    assert loads(swap(old, new)).spec_hash != loads(starter()).spec_hash


def test_hash_is_a_sha256() -> None:
    assert re.fullmatch("[0-9a-f]{64}", loads(starter()).spec_hash)


# --- folders --------------------------------------------------------------------------------------------


def split_starter(folder: Path) -> tuple[Path, Path]:
    """Write the starter as two files, cut before the sites' list; the second holds lists only."""
    head, tail = starter().split("# Places.", 1)
    first, second = folder / "a.yaml", folder / "b.yaml"
    first.write_text(head, encoding="utf-8")
    second.write_text("# Places." + tail, encoding="utf-8")
    return first, second


def test_files_of_a_folder_are_one_factory(tmp_path: Path) -> None:
    split_starter(tmp_path)
    spec = load(tmp_path)
    assert spec.spec_hash == loads(starter()).spec_hash
    assert spec.where(("sites", 0)).startswith(str(tmp_path / "b.yaml:"))
    assert spec.where(("start",)).startswith(str(tmp_path / "a.yaml:"))


def test_lists_are_joined_and_keep_their_lines(tmp_path: Path) -> None:
    split_starter(tmp_path)
    third = tmp_path / "c.yaml"
    third.write_text("# more\nsites:\n  - id: plant\n    pue: -1\n", encoding="utf-8")
    with pytest.raises(SpecError) as caught:
        load(tmp_path)
    found = [str(issue) for issue in caught.value.issues]
    assert f"{third}:3: id 'plant' stands twice in sites (give each an id of its own)" in found
    assert any(text.startswith(f"{third}:4: sites[plant].pue = -1: must be greater") for text in found)


def test_a_key_in_two_files_names_both(tmp_path: Path) -> None:
    first, second = split_starter(tmp_path)
    second.write_text(second.read_text(encoding="utf-8") + "\nstart: 2028-01\n", encoding="utf-8")
    with pytest.raises(SpecError) as caught:
        load(tmp_path)
    (issue,) = [issue for issue in caught.value.issues if issue.code == "duplicate-key"]
    assert "'start'" in issue.what
    assert issue.where == f"{second}:{second.read_text(encoding='utf-8').count(chr(10))}"
    assert f"{first}:{line_of(starter(), 'start: 2027')}" in issue.what


def test_unreadable_files_of_a_folder_are_all_named(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("name: [1\n", encoding="utf-8")
    (tmp_path / "b.yaml").write_bytes(b"\0")
    with pytest.raises(SpecError) as caught:
        load(tmp_path)
    assert [issue.code for issue in caught.value.issues] == ["syntax", "binary"]


# --- files that cannot be read ----------------------------------------------------------------------------


def file_fault(path: Path) -> str:
    with pytest.raises(SpecError) as caught:
        load(path)
    (issue,) = caught.value.issues
    return str(issue)


def bomb(levels: int) -> str:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, levels)]
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("content", "line", "phrase"),
    [
        (b"", 1, "the file is empty"),
        (b"# only a comment\n", 1, "the file is empty"),
        (b"\x89PNG\r\n\x1a\n\x00\x00", 1, "not a text file"),
        (b"name: x\ntitle: \x00\n", 2, "not a text file"),
        (b"name: x\ntitle: a\x07b\n", 2, "not a text file"),
        (b"name: x\n\xff\xfe\n", 2, "cannot be read as UTF-8"),
        (b"- name: x\n", 1, "the file holds a list, not a mapping"),
        (b"just words\n", 1, "the file holds the single value 'just words', not a mapping"),
        (b"sites:\n\t- id: x\n", 2, "indent with blanks, not tabs"),
        (b"sites: [1, 2\nname: x\n", 2, "not valid YAML"),
        (b"name: 'x\n", 2, "not valid YAML"),
        (b"name: x\n---\nname: y\n", 2, "a second YAML document"),
        (b"name: x\ntitle: !!python/object:os.system {}\n", 2, "is not allowed"),
        (b"name: *nothing\n", 1, "alias *nothing names nothing before it"),
        (b"name: &a [*a]\n", 1, "alias *a names nothing before it"),
        (b"? [a, b]\n: 1\n", 1, "a key must be a plain name"),
        (b"[" * 10_000, 1, "nested more than 24 levels deep"),
        (b"a: " + b"9" * 5000, 1, "a number of absurd length"),
        (bomb(9).encode(), 4, "aliases stand for more than 10,000 values"),
        (b"# \n" * 1_700_000, 1, "more than 5,000,000"),
    ],
    ids=lambda value: None if isinstance(value, int) else str(value[:24]),
)
def test_files_that_are_no_factory(content: bytes, line: int, phrase: str, tmp_path: Path) -> None:
    path = tmp_path / "factory.yaml"
    path.write_bytes(content)
    found = file_fault(path)
    assert found.startswith(f"{path}:{line}: ")
    assert phrase in found


def test_missing_file_and_folder_without_yaml(tmp_path: Path) -> None:
    assert "no such file or folder" in file_fault(tmp_path / "nothing.yaml")
    assert "no such file or folder" in file_fault(Path("examples/no-such-example"))
    assert "no such file or folder" in file_fault(Path("examples/../setup"))
    assert "holds no *.yaml file" in file_fault(tmp_path)
    for strange in ("a\0b", "x" * 5000):  # what the system says of these differs between Python versions
        assert re.search("no such file|cannot be opened", file_fault(Path(strange)))


# --- broken factories: line, key, value, fix ------------------------------------------------------------------

BROKEN: list[tuple[str, str, str, str]] = [
    # what is replaced, by what, the piece whose line is named, what must be said
    ("discount_rate: 0.08", "discont_rate: 0.08", "discont_rate", "unknown key money.discont_rate = 0.08 (did you mean discount_rate?)"),
    ("usable_kw: 60 ", "usable_mw: 0.06 ", "usable_mw", "unknown key sites[plant].hosting.usable_mw = 0.06 (did you mean usable_kw? The value is in kW)"),
    ("rtt_p50_ms: 25", "rtt_p50_us: 25000", "rtt_p50_us", "did you mean rtt_p50_ms? The value is in milliseconds"),
    ("price_usd: 105000", "price_krw: 145000000", "price_krw", "did you mean price_usd? The value is in US dollars"),
    ("ups_tier: n+1", "ups_tier: 3n", "ups_tier", "sites[plant].hosting.ups_tier = '3n' is not a choice here"),
    ("tier: site-dc", "tier: site-dcc", "tier: site-dcc", "sites[plant].tier = 'site-dcc' is not a choice here (did you mean site-dc?)"),
    ("kind: vision", "kind: visoin", "kind: visoin", "workloads[weld-inspection].kind = 'visoin' is not a choice here (did you mean vision?)"),
    ("    kind: vision\n", "", "- id: weld-inspection", "missing key workloads[weld-inspection].kind"),
    ("    model: qwen3-8b\n", "", "- id: copilot", "missing key workloads[copilot].model"),
    ("usable_kw: 60 ", "usable_kw: .nan ", "usable_kw", "sites[plant].hosting.usable_kw = nan is no finite number"),
    ("usable_kw: 60 ", "usable_kw: .inf ", "usable_kw", "sites[plant].hosting.usable_kw = inf is no finite number"),
    ("usable_kw: 60 ", "usable_kw: 1e999 ", "usable_kw", "is no finite number"),
    ("usable_kw: 60 ", "usable_kw: -60 ", "usable_kw", "sites[plant].hosting.usable_kw = -60: must be greater than or equal to 0"),
    ("usable_kw: 60 ", "usable_kw: '60' ", "usable_kw", "sites[plant].hosting.usable_kw = '60': expected a number (remove the quotes)"),
    ("usable_kw: 60 ", "usable_kw: sixty ", "usable_kw", "sites[plant].hosting.usable_kw = 'sixty': expected a number"),
    ("usable_kw: 60 ", "usable_kw: true ", "usable_kw", "sites[plant].hosting.usable_kw = true: expected a number"),
    ("synthetic: true", "synthetic: 1", "synthetic: 1", "synthetic = 1: expected true or false"),
    ("lead_months: 2", "lead_months: 2.5", "lead_months", "purchases[buy-l40s].lead_months = 2.5: expected a whole number"),
    ("sites: [plant]", "sites: plant", "sites: plant", "purchases[buy-l40s].sites = 'plant': expected a list"),
    ("start: 2027-01", "start: 2027-13", "start:", "2027-13 is no month"),
    ("start: 2027-01", "start: January", "start:", "start = 'January' is not written as it must be (write year-month, such as 2027-01)"),
    ("dated: 2026-02-01", "dated: 2026-02-30", "dated:", "rentals[rent-l40s].source.dated = '2026-02-30': not a day of the calendar"),
    ("id: weld-inspection", "id: Weld Inspection", "id: Weld", "ids are lower-case letters"),
    ("    country: US             #", "    country: USA             #", "country: USA", "sites[plant].country = 'USA' is not written as it must be (write the country as ISO 3166-1"),
    ("id: weld-inspection", "id: copilot", "id: copilot\n    title: Weld", "id 'copilot' stands twice in workloads"),
    ("{origin: plant, profile: office-hours", "{origin: plnat, profile: office-hours", "origin: plnat", "workloads[copilot].demand[0].origin = 'plnat' names no zone or site (did you mean plant?)"),
    ("    site: cloud\n    rtt", "    site: clod\n    rtt", "site: clod", "links[0].site = 'clod' names no site (did you mean cloud?)"),
    ("profile: two-shifts, cam", "profile: two-shift, cam", "profile: two-shift,", "names no profile (did you mean two-shifts?)"),
    ("weekend: 0.05}", "week-end: 0.05}", "share_by_bucket: {weekday-day: 0.7", "has no share for bucket 'weekend'"),
    ("    site: cloud\n    server", "    site: nowhere\n    server", "site: nowhere", "rentals[rent-l40s].site = 'nowhere' names no site"),
    ("rtt_p99_ms: 45", "rtt_p99_ms: 5", "- origin: plant", "rtt_p99_ms is below rtt_p50_ms"),
    ("periods: {months: 12}", "periods: {months: 10, quarters: 1}", "periods:", "months must be a multiple of 3 where quarters follow"),
    ("hours: [[0, 7], [19, 24]]", "hours: [[0, 8], [19, 24]]", "- {id: weekday-night", "hour 7 of a weekday is in buckets 'weekday-day' and 'weekday-night'"),
    ("hours: [[0, 7], [19, 24]]", "hours: [[19, 24]]", "buckets:", "7 hours of the week are in no bucket"),
    ("hours: [[0, 7], [19, 24]]", "hours: [[19, 7]]", "- {id: weekday-night", "a night is two ranges"),
    ("id: office-hours\n", "id: constant\n", "id: constant", "profiles[constant].id = 'constant' is a reserved name"),
    ("sites: [plant]", "sites: [cloud]", "sites: [cloud]", "nodes cannot be bought for 'cloud', which has no hosting"),
    ("report_currency: USD", "report_currency: KRW", "report_currency", "no exchange rate for report_currency 'KRW'"),
    ("requests_per_s: 6}", "requests_per_s: 6, from_month: 2028-01}", "from_month: 2028-01", "from_month 2028-01 is after the plan, whose last month is 2027-12"),
    ("requests_per_s: 6}", "requests_per_s: 6, from_month: 2027-06, until_month: 2027-03}", "until_month: 2027-03", "until_month 2027-03 is not after from_month 2027-06"),
    ("groundplan: 1", "groundplan: 2", "groundplan: 2", "groundplan = 2 is not a choice here (one of 1)"),
    ("groundplan: 1", "groundplan: 1\n<<: {name: x}", "<<:", "unknown key <<"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "piece", "phrase"), BROKEN, ids=[f"{row[1][:32]}" for row in BROKEN])
def test_broken_factory(old: str, new: str, piece: str, phrase: str) -> None:
    text = swap(old, new)
    where = f"factory.yaml:{line_of(text, piece)}: "
    assert any(fault.startswith(where) and phrase in fault for fault in faults(text)), "\n".join(faults(text))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("discount_rate: 0.08", "discont_rate: 0.08"),
        ("usable_kw: 60 ", "usable_mw: 0.06 "),
        ("usable_kw: 60 ", "usable_kw: -60 "),
        ("kind: vision", "kind: visoin"),
        ("start: 2027-01", "start: 2027-13"),
    ],
)
def test_one_mistake_gives_one_fault(old: str, new: str) -> None:
    assert only_fault(swap(old, new))


def test_all_faults_at_once() -> None:
    text = (
        starter()
        .replace("usable_kw: 60 ", "usable_mw: 0.06 ")
        .replace("kind: vision", "kind: visoin")
        .replace("    site: cloud\n    rtt", "    site: clod\n    rtt")
        .replace("report_currency: USD", "report_currency: KRW")
        .replace("term: on-demand", "term: spot")
        .replace("hours: [[0, 7], [19, 24]]", "hours: [[19, 24]]")
    )
    found = "\n".join(faults(text))
    for phrase in ("usable_kw?", "vision?", "cloud?", "rate for report_currency", "not supported yet", "in no bucket"):
        assert phrase in found
    assert len(found.splitlines()) == 6, found


def test_a_key_that_stands_twice_hides_no_other_fault() -> None:
    text = swap("discount_rate: 0.08", "discount_rate: 0.08\n  discount_rate: 0.07").replace(
        "kind: vision", "kind: visoin"
    )
    found = faults(text)
    assert len(found) == 2
    assert "key 'discount_rate' stands twice here, first in line" in found[0]
    assert "did you mean vision?" in found[1]


def test_faults_stand_in_the_order_of_the_file() -> None:
    text = starter().replace("usable_kw: 60 ", "usable_mw: 0.06 ").replace("start: 2027-01", "start: 2027-13")
    lines = [int(fault.split(":")[1]) for fault in faults(text)]
    assert lines == sorted(lines)


def test_a_fault_in_one_workload_speaks_of_its_kind_only() -> None:
    found = only_fault(swap("    model: efficientad-s\n", "    modell: efficientad-s\n"))
    assert "did you mean model?" in found


# --- anything at all ------------------------------------------------------------------------------------------

PIECES = st.sampled_from(
    [
        "",
        "-",
        ":",
        "\t",
        "  ",
        "[",
        "}",
        "&a ",
        "*a",
        "!x ",
        "'",
        '"',
        "#",
        "\n",
        "null",
        ".nan",
        "-1",
        "1e400",
        "é",
        "\0",
    ]
)


def assert_loads_or_says_why(text: str) -> None:
    """Fail on anything but a factory or a list of faults, each with its line."""
    try:
        outcome: LoadedSpec | SpecError = loads(text)
    except SpecError as error:
        outcome = error
    if isinstance(outcome, SpecError):
        assert outcome.issues
        assert all(re.match(r"factory\.yaml:\d+: .", str(issue)) for issue in outcome.issues)


@settings(max_examples=120)
@given(st.integers(0, len(starter()) - 1), st.integers(0, 12), PIECES)
def test_a_spoilt_file_loads_or_says_why(at: int, width: int, piece: str) -> None:
    text = starter()
    assert_loads_or_says_why(text[:at] + piece + text[at + width :])


@settings(max_examples=60)
@given(st.data())
def test_a_spoilt_value_loads_or_says_why(data: st.DataObject) -> None:
    lines = starter().splitlines()
    index = data.draw(st.sampled_from([n for n, line in enumerate(lines) if re.match(r" *[\w-]+: ", line)]))
    value = data.draw(st.sampled_from(["", "null", "[]", "{}", "-3", "1e30", "x", "[[1]]", "{a: 1}", "'2027-01'", "~"]))
    lines[index] = lines[index].split(": ", 1)[0] + ": " + value
    assert_loads_or_says_why("\n".join(lines))


@settings(max_examples=120)
@given(st.text(max_size=200))
def test_any_text_loads_or_says_why(text: str) -> None:
    assert_loads_or_says_why(text)


@settings(max_examples=60)
@given(st.lists(st.integers(0, 300), max_size=6))
def test_a_file_without_some_lines_loads_or_says_why(dropped: list[int]) -> None:
    lines = starter().splitlines()
    assert_loads_or_says_why("\n".join(line for n, line in enumerate(lines) if n not in dropped))


def test_types_are_what_the_models_say() -> None:
    assert isinstance(loads(starter()).factory.sites[0], Site)
