"""The command line: arguments in, exit codes, tables and JSON out."""

from groundplan.cli._main import main

__all__ = ["main"]
