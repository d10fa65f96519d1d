"""What can be judged before the types are: ids, references, and keys that have no effect yet.

These checks read the plain data, so that a misspelled key elsewhere hides none of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import get_close_matches

from groundplan.spec._document import Path, Value
from groundplan.spec._faults import Fault, shown, value_text

# Pattern of a path, with "=value" where only that value is meant: what to say. Design.md section 3 has them all.
_NOT_YET: Mapping[str, str] = {
    "datasets": "Stored data and its copies are not planned yet.",
    "storage": "Storage offers are not planned yet; state storage_usd_per_node under money.overheads.",
    "permits": "Permits to buy are not planned yet; state those in hand under held_permits.",
    "tenants": "Tenants and quotas are not planned yet.",
    "scenarios": "One future at a time: keep a file for each scenario.",
    "risk": "Risk measures need scenarios, which are not planned yet.",
    "workloads.*.isolation=slice": "GPU slices are not planned yet; use gpu or node.",
    "workloads.*.isolation=shared": "Shared GPUs are not planned yet; use gpu or node.",
    "workloads.*.autonomy_hours": "Hours without the uplink are not planned yet.",
    "workloads.*.max_lost_work_hours": "Checkpoints are not planned yet.",
    "workloads.*.preemptible": "Spot nodes are not planned yet, so nothing can be preempted.",
    "workloads.*.sources": "The data flow from sources to weights is not planned yet.",
    "workloads.*.tenant": "Tenants and quotas are not planned yet.",
    "workloads.*.survives=rack": "Loss of a rack is not planned yet; use node or site.",
    "workloads.*.demand.*.trace": "Traces of arrivals are not read yet; state a profile.",
    "sites.*.maintenance_window": "Maintenance windows are not planned yet.",
    "sites.*.phases": "State build phases as hosting.blocks, bought when needed; dated phases are not planned yet.",
    "sites.*.hosting.phases": "State build phases as hosting.blocks; dated phases are not planned yet.",
    "sites.*.hosting.cooling_model": "State pue and pue_peak; a cooling model is not built yet.",
    "links.*.availability": "Loss of a link is not planned yet.",
    "links.*.availability_share": "Loss of a link is not planned yet.",
    "purchases.*.term": "Leases are not planned yet; a purchase has no term.",
    "rentals.*.term=spot": "Spot nodes are not planned yet; use on-demand, 1y or 3y.",
    "rentals.*.exit_cost_usd": "Ending a commitment early is not planned yet.",
    "existing.*.move_to": "State moves: a list of {to, usd_per_node, lead_months}.",
    "existing.*.warranty_end": "Warranty dates have no effect yet.",
    "existing.*.warranty_month": "Warranty dates have no effect yet.",
    "existing.*.book_value_usd": "Book values have no effect yet; state resale_usd.",
    "existing.*.term": "Leases and cloud commitments already signed are not planned yet.",
    "existing.*.lease": "Leases already signed are not planned yet.",
}
TABLES: tuple[str, ...] = (
    "buckets", "profiles", "data_classes", "rules", "zones", "sites", "models", "workloads", "purchases",
    "rentals", "token_offers", "existing",
)  # fmt: skip
# Where a name stands, and the tables that must have it.
REFERENCES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("workloads.*.data_classes.*", ("data_classes",)),
    ("workloads.*.demand.*.origin", ("zones", "sites")),
    ("workloads.*.demand.*.profile", ("profiles",)),
    ("links.*.origin", ("zones", "sites")),
    ("links.*.site", ("sites",)),
    ("purchases.*.sites.*", ("sites",)),
    ("rentals.*.site", ("sites",)),
    ("token_offers.*.site", ("sites",)),
    ("token_offers.*.workloads.*", ("workloads",)),
    ("existing.*.site", ("sites",)),
    ("existing.*.moves.*.to", ("sites",)),
    ("on_premise_floors.*.workloads.*", ("workloads",)),
)
SINGULAR: Mapping[str, str] = {
    "data_classes": "data class", "zones": "zone", "sites": "site", "profiles": "profile", "buckets": "bucket",
    "workloads": "workload",
}  # fmt: skip
RESERVED: Mapping[str, str] = {"buckets": "peak", "profiles": "constant"}


def not_yet(data: Mapping[str, Value]) -> list[Fault]:
    """Keys and values that the design names and that nothing reads yet."""
    faults = []
    for pattern, sentence in _NOT_YET.items():
        keys, _, wanted = pattern.partition("=")
        for path, value in select(data, keys):
            if not wanted or value == wanted:
                what = f"{shown(data, path)}{f' = {wanted}' if wanted else ''} is not supported yet"
                faults.append(Fault(path, "not-supported-yet", what, sentence))
    return faults


def references(data: Mapping[str, Value]) -> Iterator[Fault]:
    """Ids that stand twice or are reserved, and names that point nowhere."""
    ids = {table: _ids(data, table) for table in TABLES}
    for table in TABLES:
        yield from _twice(data, (table,), ids[table])
        yield from _reserved(data, table, ids[table])
    yield from _shared(data, ids)
    yield from _blocks(data)
    for pattern, tables in REFERENCES:
        known = [name for table in tables for name in ids[table].values()]
        known += ["constant"] if tables == ("profiles",) else []
        for path, value in select(data, pattern):
            if isinstance(value, str) and value not in known:
                yield _dangling(data, path, value, tables, known)
    yield from _profile_buckets(data, list(ids["buckets"].values()))


def select(data: Mapping[str, Value], pattern: str) -> Iterator[tuple[Path, Value]]:
    """Paths and values that a dotted pattern names; ``*`` stands for any item of a list."""
    yield from _select(dict(data), tuple(pattern.split(".")), ())


def _select(here: Value, steps: tuple[str, ...], path: Path) -> Iterator[tuple[Path, Value]]:
    if not steps:
        yield path, here
    elif steps[0] == "*" and isinstance(here, list):
        for index, item in enumerate(here):
            yield from _select(item, steps[1:], (*path, index))
    elif isinstance(here, dict) and steps[0] in here:
        yield from _select(here[steps[0]], steps[1:], (*path, steps[0]))


def _ids(data: Mapping[str, Value], table: str) -> dict[Path, str]:
    return {path: value for path, value in select(data, f"{table}.*.id") if isinstance(value, str)}


def _twice(data: Mapping[str, Value], table: Path, ids: Mapping[Path, str]) -> Iterator[Fault]:
    seen: set[str] = set()
    for path, name in ids.items():
        if name in seen:
            what = f"id {name!r} stands twice in {shown(data, table)}"
            yield Fault(path, "duplicate-id", what, "give each an id of its own")
        seen.add(name)


def _reserved(data: Mapping[str, Value], table: str, ids: Mapping[Path, str]) -> Iterator[Fault]:
    for path, name in ids.items():
        if name == RESERVED.get(table):
            what = f"{shown(data, path)} = {name!r} is a reserved name"
            yield Fault(path, "reserved-id", what, f"{name} is there without being defined: use another id")


def _shared(data: Mapping[str, Value], ids: Mapping[str, Mapping[Path, str]]) -> Iterator[Fault]:
    zones = set(ids["zones"].values())
    for path, name in ids["sites"].items():
        if name in zones:
            what = f"{shown(data, path)} = {name!r} is also the id of a zone"
            yield Fault(path, "duplicate-id", what, "zones and sites share one set of names")


def _blocks(data: Mapping[str, Value]) -> Iterator[Fault]:
    for path, blocks in select(data, "sites.*.hosting.blocks"):
        inner = select({"blocks": blocks}, "blocks.*.id")
        ids = {(*path, *at[1:]): name for at, name in inner if isinstance(name, str)}
        yield from _twice(data, path, ids)


def _dangling(data: Mapping[str, Value], path: Path, name: str, tables: tuple[str, ...], known: list[str]) -> Fault:
    kinds = " or ".join(SINGULAR[table] for table in tables)
    return Fault(path, "unknown-name", f"{shown(data, path)} = {value_text(name)} names no {kinds}", _near(name, known))


def _near(name: str, known: list[str]) -> str:
    near = get_close_matches(name, known, n=1, cutoff=0.6)
    if near:
        return f"did you mean {near[0]}?"
    return f"known: {', '.join(known[:12])}" if known else "none is defined in this file"


def _profile_buckets(data: Mapping[str, Value], buckets: list[str]) -> Iterator[Fault]:
    """Each profile has a share for each bucket, and for nothing else."""
    for path, shares in select(data, "profiles.*.share_by_bucket"):
        if not isinstance(shares, dict):
            continue
        for name in shares:
            if name not in buckets:
                yield _dangling(data, (*path, name), name, ("buckets",), buckets)
        for name in buckets:
            if name not in shares:
                what = f"{shown(data, path)} has no share for bucket {name!r}"
                yield Fault(path, "missing-key", what, "a profile covers every bucket")
