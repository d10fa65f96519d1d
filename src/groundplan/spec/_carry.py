"""What a file names by path, taken into it: configurations of models, measured speeds."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path as FilePath

from groundplan.errors import Issue, SpecError
from groundplan.spec._document import Document, Path, Place, Value
from groundplan.spec._measured import read_measured
from groundplan.spec._models import OwnModel, read_model
from groundplan.spec._references import select

SUFFIX = ".json"


def carry_models(document: Document) -> Iterator[Issue]:
    """Put each configuration that a workload names by path into `models`, and its id into the workload."""
    for path, name in list(select(document.data, "workloads.*.model")):
        if not (isinstance(name, str) and name.endswith(SUFFIX)):
            continue
        place = document.place(path)
        try:
            model = read_model(FilePath(place.file).parent / name, str(place))
        except SpecError as error:
            yield from error.issues
        else:
            _carry(document, path, model, place)


def _carry(document: Document, path: Path, model: OwnModel, place: Place) -> None:
    _, index, key = path
    document.data["workloads"][index][key] = model.id  # type: ignore[index, call-overload]
    carried = document.data.setdefault("models", [])
    entry: Value = model.model_dump(mode="json")
    if isinstance(carried, list) and entry not in carried:
        document.places.setdefault(("models",), place)
        document.places["models", len(carried)] = place
        carried.append(entry)


def carry_measured(document: Document) -> Iterator[Issue]:
    """Put the rows of each anchors file that `measured` names into its place."""
    listed = document.data.get("measured")
    if not isinstance(listed, list):
        return
    rows: list[Value] = []
    places: dict[Path, Place] = {}
    for index, item in enumerate(listed):
        place = document.place(("measured", index))
        if not isinstance(item, str):
            places |= _moved(document, index, len(rows))
            rows.append(item)
            continue
        try:
            found = read_measured(FilePath(place.file).parent / item, str(place))
        except SpecError as error:
            yield from error.issues
            continue
        places |= {("measured", len(rows) + number): place for number in range(len(found))}
        rows += [row.model_dump(mode="json") for row in found]
    _put(document, rows, places)


def _moved(document: Document, index: int, to: int) -> dict[Path, Place]:
    """Places of one item of `measured`, where it stands after paths before it became rows."""
    mine = {path: place for path, place in document.places.items() if path[:2] == ("measured", index)}
    return {("measured", to, *path[2:]): place for path, place in mine.items()}


def _put(document: Document, rows: list[Value], places: dict[Path, Place]) -> None:
    for path in [path for path in document.places if path[:1] == ("measured",) and len(path) > 1]:
        del document.places[path]
    document.places.update(places)
    document.data["measured"] = rows
