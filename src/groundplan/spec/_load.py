"""A file or a folder of files to one checked `Factory`, or every fault of it at once."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path as FilePath
from types import MappingProxyType

from pydantic import ValidationError

from groundplan.errors import Issue, SpecError
from groundplan.spec._carry import carry_measured, carry_models
from groundplan.spec._check import check
from groundplan.spec._document import MAX_BYTES, Document, Path, Place, Value, read_document
from groundplan.spec._factory import Factory
from groundplan.spec._faults import Fault, faults_of
from groundplan.spec._references import not_yet, references

SUFFIXES: frozenset[str] = frozenset({".yaml", ".yml"})


@dataclass(frozen=True)
class LoadedSpec:
    """A factory file that holds no fault.

    `spec_hash` is the SHA-256 of the content: neither comments, order of keys, spelling of numbers nor
    the split into files change it. `lines` gives the line of each path, such as ``("sites", 0, "pue")``.
    """

    factory: Factory
    spec_hash: str
    lines: Mapping[Path, int]
    path: FilePath
    files: Mapping[Path, str]
    """The file of each path: one, or several of a folder."""

    def where(self, path: Path) -> str:
        """``file:line`` of a path, or of its nearest ancestor that stands in the file."""
        while path and path not in self.lines:
            path = path[:-1]
        return f"{self.files[path]}:{self.lines[path]}" if path in self.lines else str(self.path)


def load(path: str | FilePath) -> LoadedSpec:
    """Read a factory file, or a folder whose ``*.yaml`` files are one factory.

    A path that does not exist here but names an example that ships with groundplan
    (``examples/appliance-maker``) gives that one. Raises SpecError with every fault found.
    """
    found = _locate(FilePath(path))
    return _checked(_merged(_documents(found)), found)


def loads(text: str, name: str = "factory.yaml") -> LoadedSpec:
    """Read a factory from text; `name` stands for the file in errors. Raises SpecError."""
    return _checked(_merged([read_document(text.encode("utf-8", "surrogatepass"), name)]), FilePath(name))


def examples_path() -> FilePath:
    """The folder of examples: inside the installed package, or in a clone beside ``src``."""
    package = FilePath(__file__).resolve().parents[1]
    for folder in (package / "examples", package.parents[1] / "examples"):
        if folder.is_dir():
            return folder
    hint = "install the package again"
    raise SpecError(Issue("missing-file", str(package / "examples"), "the examples are not installed", hint))


def _locate(path: FilePath) -> FilePath:
    try:
        if path.exists():
            return path
        if path.parts[:1] == ("examples",) and len(path.parts) > 1 and ".." not in path.parts:
            packaged = examples_path().joinpath(*path.parts[1:])
            if packaged.exists():
                return packaged
    except (OSError, ValueError) as error:
        raise SpecError(Issue("missing-file", str(path), f"cannot be opened: {error}", "check the path")) from None
    hint = "check the path, or write one with `groundplan init`"
    raise SpecError(Issue("missing-file", str(path), "no such file or folder", hint))


def _documents(path: FilePath) -> list[Document]:
    """Every file, or the faults of all that cannot be read."""
    documents: list[Document] = []
    issues: list[Issue] = []
    for name, raw in _contents(path):
        try:
            documents.append(read_document(raw, name))
        except SpecError as error:
            issues += error.issues
    if issues:
        raise SpecError(issues)
    return documents


def _contents(path: FilePath) -> Iterator[tuple[str, bytes]]:
    """Names and bytes of the files, in order of name."""
    files = [path]
    if path.is_dir():
        files = sorted(file for file in path.iterdir() if file.suffix in SUFFIXES and file.is_file())
        if not files:
            hint = "put a factory.yaml there, or give the file"
            raise SpecError(Issue("missing-file", str(path), "the folder holds no *.yaml file", hint))
    for file in files:
        try:
            with file.open("rb") as stream:
                yield str(file), stream.read(MAX_BYTES + 1)
        except OSError as error:
            what = f"cannot be read: {error.strerror or error}"
            raise SpecError(Issue("unreadable", str(file), what, "check the file and its permissions")) from None


def _merged(documents: list[Document]) -> Document:
    """One document of several: lists are joined in order of file name, anything else may stand once."""
    first, *others = documents
    whole = Document(dict(first.data), dict(first.places), list(first.issues))
    for other in others:
        whole.issues += [*other.issues, *_merge_into(whole, other)]
    return whole


def _merge_into(whole: Document, other: Document) -> Iterator[Issue]:
    for key, value in other.data.items():
        here = whole.data.get(key)
        offset = 0
        if isinstance(here, list) and isinstance(value, list):
            offset = len(here)
            whole.data[key] = here + value
        elif key in whole.data:
            what = f"key {key!r} stands here and in {whole.places[key,]}"
            yield Issue("duplicate-key", str(other.places[key,]), what, "keep it in one file; only lists are joined")
            continue
        else:
            whole.data[key] = value
        _merge_places(whole.places, other.places, key, offset)


def _merge_places(places: dict[Path, Place], others: Mapping[Path, Place], key: str, offset: int) -> None:
    for path, place in others.items():
        if path[:1] == (key,) and not (offset and len(path) == 1):
            step = path[1:2]
            moved = (step[0] + offset,) if offset and isinstance(step[0], int) else step
            places[(key, *moved, *path[2:])] = place


def _checked(document: Document, path: FilePath) -> LoadedSpec:
    document.issues += [*carry_models(document), *carry_measured(document)]
    factory, faults = _validated(document.data)
    if faults or document.issues or factory is None:
        raise SpecError(sorted({*document.issues, *(fault.issue(document) for fault in faults)}, key=_order))
    lines = {path: place.line for path, place in document.places.items()}
    files = {path: place.file for path, place in document.places.items()}
    frozen = MappingProxyType(lines), MappingProxyType(files)
    return LoadedSpec(factory, _hash(factory), frozen[0], path, frozen[1])


def _order(issue: Issue) -> tuple[str, int, str]:
    file, _, line = issue.where.rpartition(":")
    return file, int(line), issue.what


def _validated(data: dict[str, Value]) -> tuple[Factory | None, list[Fault]]:
    """The factory, and every fault. Items with faults of their own hide no fault of the others."""
    early = not_yet(data)
    known = {fault.path for fault in early}
    faults = [*early, *references(data)]
    try:
        factory = Factory.model_validate_json(json.dumps(data), strict=True)
    except ValidationError as error:
        typed = list(faults_of(error.errors(include_url=False), data))
        faults += [fault for fault in typed if fault.path not in known]
        return None, faults + _rest_of_file(data, {fault.path for fault in typed})
    return factory, faults + check(factory)


def _rest_of_file(data: dict[str, Value], bad: set[Path]) -> list[Fault]:
    """What the cross-checks say of the items that have no fault of their own."""
    kept: dict[str, list[int]] = {}
    rest: dict[str, Value] = {}
    for key, value in data.items():
        if isinstance(value, list):
            kept[key] = [index for index in range(len(value)) if (key, index) not in {path[:2] for path in bad}]
            rest[key] = [value[index] for index in kept[key]]
        elif key in Factory.model_fields:
            rest[key] = value
    try:
        factory = Factory.model_validate_json(json.dumps(rest), strict=True)
    except ValidationError:
        return []
    return [_moved(fault, kept) for fault in check(factory, whole=False)]


def _moved(fault: Fault, kept: Mapping[str, list[int]]) -> Fault:
    """A fault at the place that it has in the whole file."""
    table, *rest = fault.path
    if isinstance(table, str) and table in kept and rest and isinstance(rest[0], int):
        return replace(fault, path=(table, kept[table][rest[0]], *rest[1:]))
    return fault


def _hash(factory: Factory) -> str:
    content = json.dumps(factory.model_dump(mode="json"), sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(content.encode()).hexdigest()
