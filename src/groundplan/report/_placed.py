"""What runs where, and why not elsewhere."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from groundplan.catalog import export_rules, rules
from groundplan.plan import RefusalRow
from groundplan.report._facts import Facts
from groundplan.report._html import Html, details, join, table, tag, warning
from groundplan.report._words import SPACE, count, sentence_list, whole

RULE_WORDS: Mapping[str, tuple[str, str]] = {
    "latency": ("Latency", "The service level cannot be met, network included."),
    "memory": ("Memory", "The model does not fit."),
    "format": ("Number format", "The hardware does not run the checkpoint in a format that the workload allows."),
    "chunk": ("Chunk arithmetic", "The answer would come after the robot has used up its actions."),
    "missing-figure": (
        "A figure is missing",
        "The catalogue has no figure for this answer; a missing figure never reads as zero.",
    ),
    "rack-heat": ("Rack heat", "A rack there may not draw and shed what the node needs."),
    "bandwidth": ("Bandwidth", "The link from where the load arises cannot carry it."),
    "no-point": ("No way to run it", "No operating point was found."),
    "no-link": ("No link", "The file states no link from where the load arises."),
    "kind": ("Wrong kind of hardware", "The hardware is of another kind than the work."),
}
FIRST = ("law", *RULE_WORDS)


def placed(facts: Facts) -> tuple[str, Html]:
    """Title and body of the matrix."""
    cells = _used(facts)
    sites = {site for _, _, site in cells}
    title = f"{count(len({w for w, _, _ in cells}), 'workload').capitalize()} run at {count(len(sites), 'place')}"
    if lowered := _lowered(facts):
        title += f"; {sentence_list(lowered)} below {'its' if len(lowered) == 1 else 'their'} checkpoint's precision"
    refused = _refused_everywhere(facts)
    columns = [site.id for site in facts.factory.sites if site.id in sites or any(site.id == s for _, _, s in refused)]
    rows = [
        [tag("span", facts.workloads[workload].title, tag("br"), tag("small", f"from {origin}")),
         *(_cell(facts, cells, refused, workload, origin, site) for site in columns)]
        for workload, origin in _demands(facts)
    ]  # fmt: skip
    caption = (
        "Replicas at the first and the last period in which the work runs there. ● runs here, ▲ below the "
        "checkpoint's precision, ○ allowed but not chosen, ✕ refused."
    )
    return title, tag(
        "div",
        table(caption, ["Workload", *columns], rows),
        class_="matrix",
        role="region",
        aria_label="What runs where",
        tabindex="0",
    )


def _lowered(facts: Facts) -> list[str]:
    """Titles of workloads that run below the precision of their checkpoint."""
    points = {row.point for row in facts.plan.replicas}
    names = {facts.points[point].workload for point in points if facts.lowered_from(facts.points[point])}
    return [workload.title for workload in facts.factory.workloads if workload.id in names]


def _demands(facts: Facts) -> list[tuple[str, str]]:
    return [(w.id, origin) for w in facts.factory.workloads for origin in dict.fromkeys(d.origin for d in w.demand)]


@dataclass(slots=True)
class Use:
    """What runs in a cell of the matrix: replicas by server in plan order, formats below the checkpoint's own."""

    replicas: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    others: set[str] = field(default_factory=set)
    lowered: set[str] = field(default_factory=set)


def _used(facts: Facts) -> dict[tuple[str, str, str], Use]:
    found: dict[tuple[str, str, str], Use] = defaultdict(Use)
    totals: dict[tuple[str, str, str, str, str], int] = defaultdict(int)
    for row in facts.plan.replicas:
        totals[row.workload, row.origin, row.site, row.server, row.period] += row.replicas
        point = facts.points[row.point]
        if row.replicas and (native := facts.lowered_from(point)):
            found[row.workload, row.origin, row.site].lowered.add(f"{point.precision}, checkpoint {native}")
    for (workload, origin, site, server, _), number in sorted(totals.items(), key=lambda item: facts.index[item[0][4]]):
        if number:
            found[workload, origin, site].replicas[server].append(number)
    for batch in facts.plan.batch:
        found[batch.workload, batch.origin, batch.site].others.add(f"{batch.server}, batch")
    for token in facts.plan.tokens:
        found[token.workload, token.origin, facts.token_offers[token.offer].site].others.add("token API")
    return dict(found)


def _cell(
    facts: Facts,
    used: Mapping[tuple[str, str, str], Use],
    refused: Mapping[tuple[str, str, str], str],
    workload: str,
    origin: str,
    site: str,
) -> Html | str:
    key = workload, origin, site
    if key in used:
        return _use(used[key])
    if key in refused:
        rule = refused[key]
        if rule == "no-link":
            return tag("span", "– no link", class_="off gone")
        word = RULE_WORDS[rule][0].lower() if rule in RULE_WORDS else rule
        return tag("span", tag("span", "✕ ", class_="missed", aria_hidden="true"), f"refused: {word}", class_="off")
    offered = any(
        row.origin == origin and row.site == site and facts.points[row.point].workload == workload
        for row in facts.plan.staffing
    )
    return tag("span", "○ not chosen", class_="off") if offered else ""


def _use(use: Use) -> Html:
    lines: list[object] = [f"● {server} × {_span(numbers)}" for server, numbers in use.replicas.items()]
    lines += [f"● {other}" for other in sorted(use.others)]
    lines += [warning(lowered) for lowered in sorted(use.lowered)]
    return tag("span", join(lines, "<br>"), class_="runs")


def _span(numbers: list[int]) -> str:
    first, last = numbers[0], numbers[-1]
    return whole(first) if first == last else f"{whole(first)}{SPACE}→{SPACE}{whole(last)}"


def _refused_everywhere(facts: Facts) -> dict[tuple[str, str, str], str]:
    """The rule of each workload, origin and site where every server was refused; law before anything else."""
    allowed = {(facts.points[row.point].workload, row.origin, row.site) for row in facts.plan.staffing}
    allowed |= {(row.workload, row.origin, row.site) for row in facts.plan.batch}
    found: dict[tuple[str, str, str], str] = {}
    for row in sorted(facts.plan.refusals, key=lambda r: _rank(r.rule)):
        found.setdefault((row.workload, row.origin, row.site), row.rule)
    return {key: rule for key, rule in found.items() if key not in allowed}


def _rank(rule: str) -> int:
    return FIRST.index(rule) if rule in FIRST else 0


def refused(facts: Facts) -> tuple[str, Html]:
    """Title and body: refusals by rule, law first, with the sentence that says why."""
    by_rule: dict[str, list[RefusalRow]] = defaultdict(list)
    for row in facts.plan.refusals:
        by_rule[row.rule].append(row)
    moves = _refused_moves(facts)
    if not by_rule:
        return "Nothing was refused", join([tag("p", "Every workload may run on every offer of the file."), moves])
    ways = count(len(facts.plan.refusals), "way")
    law = sorted(rule for rule in by_rule if rule not in RULE_WORDS and _law_words(facts, rule)[1])
    title = f"{ways.capitalize()} to run a workload refused" + (
        f"; {sentence_list(law)} by law or house rule" if law else ""
    )
    intro = tag("p", "A way is a workload, from where its load arises, on one server model at one place. "
                "What was refused never reached the solver. Not legal advice.")  # fmt: skip
    groups = [_group(facts, rule, by_rule[rule]) for rule in sorted(by_rule, key=lambda rule: (_rank(rule), rule))]
    return title, join([intro, *groups, moves])


def _refused_moves(facts: Facts) -> Html:
    """Moves of existing nodes that the file offers and that no period allows."""
    rows = facts.plan.refused_moves
    lines = [[row.existing, row.to, row.rule, row.why.replace("->", "→")] for row in rows]
    return table("Moves of existing nodes refused", ["Nodes", "To", "Rule", "Why"], lines) if rows else Html("")


def _group(facts: Facts, rule: str, rows: list[RefusalRow]) -> Html:
    name, sentence = RULE_WORDS.get(rule) or _law_words(facts, rule)
    merged: dict[tuple[str, str], tuple[set[str], set[str]]] = defaultdict(lambda: (set(), set()))
    for row in rows:
        workloads, servers = merged[row.why, row.site]
        workloads.add(row.workload)
        servers.add(row.server)
    lines = [
        [site, _words(servers), why.replace("->", "→"), _workloads(facts, workloads)]
        for (why, site), (workloads, servers) in sorted(merged.items(), key=lambda item: (item[0][1], item[0][0]))
    ]
    summary = join([tag("b", name), f" — {count(len(rows), 'way')}"])
    caption = f"Refused: {name}"
    body = table(caption, ["Where", "Servers", "Why", "Workloads"], lines)
    return details(summary, tag("p", sentence), body, is_open=rule not in RULE_WORDS)


def _words(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))


def _workloads(facts: Facts, names: set[str]) -> str:
    return f"all {len(names)}" if len(names) == len(facts.workloads) > 1 else _words(names)


def _law_words(facts: Facts, rule: str) -> tuple[str, str]:
    """A rule by its id, with its note and citation; house rules of the file come first."""
    for record in (*facts.factory.rules, *rules(), *export_rules()):
        if record.id == rule:
            return rule, f"{record.note} ({record.cite})"
    return rule, ""
