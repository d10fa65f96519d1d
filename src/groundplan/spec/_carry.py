"""Configurations that workloads name by path, taken into the file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path as FilePath

from groundplan.errors import Issue, SpecError
from groundplan.spec._document import Document, Path, Place, Value
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
