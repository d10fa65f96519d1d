"""The text under each field, read from the source when somebody asks: most commands never do, and it takes long."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Iterator, Mapping
from functools import cache
from itertools import pairwise
from typing import Any

from pydantic import BaseModel


@cache
def field_texts(model: type[BaseModel]) -> Mapping[str, str]:
    """Text by field, of its bases too; fields without one are left out."""
    bases = [base for base in reversed(model.__mro__) if issubclass(base, BaseModel) and base is not BaseModel]
    return {name: text for base in bases for name, text in _own_texts(base)}


def add_texts(entry: dict[str, Any], model: type[BaseModel]) -> None:
    """Give the properties in the JSON Schema of a type their texts (`json_schema_extra` of pydantic)."""
    for name, text in field_texts(model).items():
        if name in entry.get("properties", {}):
            entry["properties"][name].setdefault("description", text)


def _own_texts(model: type[BaseModel]) -> Iterator[tuple[str, str]]:
    source = ast.parse(textwrap.dedent(inspect.getsource(model))).body[0]
    assert isinstance(source, ast.ClassDef)
    for field, below in pairwise(source.body):
        match field, below:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                yield name, inspect.cleandoc(text)
