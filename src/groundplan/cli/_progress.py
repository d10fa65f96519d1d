"""A bar on a terminal while something takes long; silence elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

Progress = Callable[[str], None]
"""Takes the name of each step."""


@contextmanager
def progress(title: str) -> Iterator[Progress]:
    """A function that takes the name of each step; the bar goes when the work ends."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    from groundplan.cli._tables import console

    screen = console()
    if not screen.is_terminal:
        yield lambda _: None
        return
    columns = TextColumn("{task.description}"), BarColumn(24), TimeElapsedColumn(), TextColumn("{task.fields[step]}")
    with Progress(*columns, console=screen, transient=True) as bar:
        task = bar.add_task(title, total=None, step="")
        yield lambda step: bar.update(task, step=step)
