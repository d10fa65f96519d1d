"""Models of one's own: a Hugging Face ``config.json``, named by its path in a workload, carried in the file."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path as FilePath
from typing import Annotated, Any, NoReturn

from pydantic import Field, field_validator

from groundplan.errors import Issue, SpecError
from groundplan.spec._base import Strict
from groundplan.spec._document import MAX_BYTES


class OwnModel(Strict):
    """A model that the catalogue does not have, by its Hugging Face configuration.

    A workload whose `model` is a path ending in ``.json``, relative to the factory file, makes one of these when the
    file is read, so that a plan and its ``factory.json`` need the path no more.
    """

    id: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.\-]*$", max_length=64)]
    """What workloads name; of a path it is the name of the file (of its folder for config.json) and a fingerprint."""
    config: Annotated[dict[str, Any], Field(min_length=1)]
    """The content of config.json."""

    @field_validator("config")
    @classmethod
    def _finite(cls, config: dict[str, Any]) -> dict[str, Any]:
        try:
            json.dumps(config, allow_nan=False)
        except ValueError:
            raise ValueError("holds a number that is not finite") from None
        return config


def read_model(path: str | FilePath, where: str = "") -> OwnModel:
    """The model of a configuration; SpecError at `where` when the file is missing, unreadable or no JSON object."""
    file = FilePath(path)
    where = where or str(path)
    config = _config(file, where)
    content = json.dumps(config, sort_keys=True, separators=(",", ":"), allow_nan=False)
    name = file.parent.name if file.name == "config.json" and file.parent.name else file.stem
    stem = re.sub(r"[^a-z0-9.]+", "-", name.casefold())[:48].strip("-.") or "model"
    return OwnModel(id=f"{stem}-{hashlib.sha256(content.encode()).hexdigest()[:8]}", config=config)


def _config(file: FilePath, where: str) -> dict[str, Any]:
    try:
        with file.open("rb") as stream:
            raw = stream.read(MAX_BYTES + 1)
        if len(raw) > MAX_BYTES:
            _refuse("too-large", where, f"{file} has more than {MAX_BYTES:,} bytes", "give a model's config.json")
        config = json.loads(raw.decode("utf-8-sig"), parse_constant=_no_constant)
    except FileNotFoundError:
        _refuse(
            "missing-file",
            where,
            f"no such file: {file}",
            "check the path; in a factory file it is relative to that file",
        )
    except OSError as error:
        _refuse("unreadable", where, f"{file} cannot be read: {error.strerror or error}", "give a readable file")
    except (ValueError, RecursionError) as error:
        _refuse("not-json", where, f"{file} is no JSON: {error}", "give a model's config.json")
    if not isinstance(config, dict) or not config:
        _refuse("not-json", where, f"{file} holds no JSON object", "give a model's config.json")
    return config


def _no_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is no number of JSON")


def _refuse(code: str, where: str, what: str, hint: str) -> NoReturn:
    raise SpecError(Issue(code, where, what, hint))
