"""Residency and control: may this data be stored, processed and accessed at this site, and why not."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from difflib import get_close_matches

from groundplan.catalog import free_labels, rules
from groundplan.errors import Issue, SpecError
from groundplan.policy._verdict import Verdict, holds, lifted_by
from groundplan.spec import DataClass, HeldPermit, Rule, Site

SHOWN_COUNTRIES = 4


def residency(
    data_classes: Sequence[DataClass],
    site: Site,
    *,
    rules: Iterable[Rule],
    held_permits: Iterable[HeldPermit] = (),
    on: date,
) -> Verdict:
    """Judge serving or training on this data at a site: it is stored, processed and accessed there.

    The first violated rule is named, in the order of data classes and then of `rules`; `residency_all` gives
    every one. Raises SpecError for a label that no rule and no list of free labels knows under its law.
    """
    refusals = residency_all(data_classes, site, rules=rules, held_permits=held_permits, on=on)
    return refusals[0] if refusals else Verdict(True, "", f"no rule in force on {on} forbids it at site {site.id}")


def residency_all(
    data_classes: Sequence[DataClass],
    site: Site,
    *,
    rules: Iterable[Rule],
    held_permits: Iterable[HeldPermit] = (),
    on: date,
) -> tuple[Verdict, ...]:
    """Every refusal, one for each data class and violated rule; empty where all is allowed."""
    rules, held_permits = tuple(rules), tuple(held_permits)
    if issues := label_issues(data_classes, rules):
        raise SpecError(issues)
    binding = [rule for rule in rules if _in_force(rule, on) and not holds(held_permits, rule.unless, on)]
    found = (_violation(rule, data, site) for data in data_classes for rule in binding)
    return tuple(verdict for verdict in found if verdict is not None)


def label_issues(data_classes: Iterable[DataClass], rules: Iterable[Rule] = ()) -> tuple[Issue, ...]:
    """Every label that nothing knows: neither these rules, nor the catalogue's, nor its free labels.

    A label is known under a law, so ``important`` of Germany is as unknown as a misspelled one.
    """
    known = tuple(_known_labels(rules))
    return tuple(
        _unknown(data, label, known)
        for data in data_classes
        for label in data.labels
        if not any(label == name and law in (None, data.law_of) for name, law in known)
    )


def _known_labels(house: Iterable[Rule]) -> Iterator[tuple[str, str | None]]:
    """(label, law) pairs; law None: under any."""
    for rule in (*rules(), *house):
        yield from ((label, rule.when.law_of) for label in rule.when.labels)
    for free in free_labels():
        yield from ((free.label, law) for law in free.laws or (None,))


def _unknown(data: DataClass, label: str, known: Sequence[tuple[str, str | None]]) -> Issue:
    laws = sorted({law for name, law in known if name == label and law is not None})
    if laws:
        hint = f"known under the law of {', '.join(laws)} (EU for any member state); else add a house rule"
    else:
        near = get_close_matches(label, sorted({name for name, _ in known}), n=2, cutoff=0.5)
        hint = f"did you mean {' or '.join(near)}?" if near else "add a rule that names it, or use a known label"
    what = f"no rule knows the label {label!r} under the law of {data.law_of}, so nothing may be placed"
    return Issue("label-unknown", f"data_classes.{data.id}.labels", what, hint)


def _in_force(rule: Rule, on: date) -> bool:
    return rule.from_date <= on and (rule.until_date is None or on < rule.until_date)


def _spoken_of(rule: Rule, data: DataClass) -> str | None:
    """The first label by which the rule speaks of the data; None where it does not."""
    if rule.when.law_of not in (None, data.law_of):
        return None
    return next((label for label in data.labels if label in rule.when.labels), None)


def _violation(rule: Rule, data: DataClass, site: Site) -> Verdict | None:
    """The refusal by the first offending site fact; None where rule and site agree."""
    label = _spoken_of(rule, data)
    outside = (fact for fact in rule.forbid.facts if country_of(site, fact) not in rule.forbid.outside)
    fact = next(outside, None)
    return None if label is None or fact is None else _refusal(data, rule, label, fact, site)


def country_of(site: Site, fact: str) -> str:
    """The country of a site fact of the rule record."""
    return str(getattr(site, "country" if fact == "country" else f"{fact}_country"))


def _refusal(data: DataClass, rule: Rule, label: str, fact: str, site: Site) -> Verdict:
    verbs = _listed(rule.forbid.verbs, "and")
    facts = _listed([name.replace("_", " ") for name in rule.forbid.facts], "or")
    why = (
        f"data class {data.id} carries {label} ({data.law_of}) -> {rule.id} forbids {verbs} where {facts} is "
        f"outside {_countries(rule.forbid.outside)} -> {fact.replace('_', ' ')} of site {site.id} is "
        f"{country_of(site, fact)}{lifted_by(rule.unless)}"
    )
    return Verdict(False, rule.id, why)


def _listed(words: Sequence[str], last: str) -> str:
    return f" {last} ".join(filter(None, (", ".join(words[:-1]), words[-1])))


def _countries(codes: Sequence[str]) -> str:
    shown = ", ".join(codes[:SHOWN_COUNTRIES])
    more = len(codes) - SHOWN_COUNTRIES
    return f"{shown} and {more} more" if more > 0 else shown
