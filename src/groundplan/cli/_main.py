"""The commands. Heavy rooms are imported inside them, so that ``--help`` answers at once."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from groundplan.cli._errors import guarded

app = typer.Typer(
    name="groundplan",
    help="Plan and price AI factories on ground you control.",
    epilog="Exit codes: 0 done, 2 bad input, 3 infeasible or a broken rule, 4 stopped by a limit with a plan in hand, "
    "5 stopped without a plan.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
Json = Annotated[bool, typer.Option("--json", help="Machine-readable result on standard output.")]
FileArgument = Annotated[Path, typer.Argument(metavar="FILE", help="A factory file, or a folder of them.")]
NoReport = Annotated[bool, typer.Option("--no-report", help="Write no report.html.")]


class Format(StrEnum):
    """Number formats that a quantised checkpoint may have."""

    FP32 = "fp32"
    BF16 = "bf16"
    FP8 = "fp8"
    INT8 = "int8"
    FP4 = "fp4"


def main() -> None:
    """Run the command line."""
    app(prog_name="groundplan")


def _version(asked: bool) -> None:
    if asked:
        from groundplan import __version__

        print(f"groundplan {__version__}")
        raise typer.Exit


@app.callback()
def _start(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    pass


@app.command()
@guarded
def demo(
    out: Annotated[Path, typer.Option(help="Folder of the results.")] = Path("groundplan-demo"),
    as_json: Json = False,
    no_report: NoReport = False,
) -> None:
    """Plan the built-in example, an appliance maker."""
    from groundplan.cli._plan import plan_file
    from groundplan.spec import examples_path

    raise typer.Exit(plan_file(examples_path() / "appliance-maker", out, as_json=as_json, with_report=not no_report))


@app.command()
@guarded
def init(
    path: Annotated[Path, typer.Argument(help="File to write.")] = Path("factory.yaml"),
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
) -> None:
    """Write a commented factory file to start from."""
    from groundplan.cli._small import write_starter

    write_starter(path, force=force)


@app.command()
@guarded
def check(
    file: FileArgument,
    as_json: Json = False,
    quick: Annotated[bool, typer.Option("--quick", help="Read the file only; work out no speeds.")] = False,
) -> None:
    """Find every fault of a factory file.

    Then say how large its problem is, and what was refused by which rule.
    """
    from groundplan.cli._check import check_file

    check_file(file, as_json=as_json, quick=quick)


@app.command()
@guarded
def plan(
    file: FileArgument,
    out: Annotated[Path, typer.Option(help="Folder of the results.")] = Path("groundplan-plan"),
    as_json: Json = False,
    no_report: NoReport = False,
) -> None:
    """Plan what to buy or rent, where and when.

    The plan is judged independently before anything is written: plan.json, report.html and factory.json.
    """
    from groundplan.cli._plan import plan_file

    raise typer.Exit(plan_file(file, out, as_json=as_json, with_report=not no_report))


@app.command()
@guarded
def verify(
    plan: Annotated[Path, typer.Argument(metavar="PLAN", help="A plan.json, or the folder that holds it.")],
    spec: Annotated[Path | None, typer.Option(help="Factory file; else factory.json beside the plan.")] = None,
    as_json: Json = False,
) -> None:
    """Judge a plan again, independently of the planner."""
    from groundplan.cli._verify import verify_file

    verify_file(plan, spec, as_json=as_json)


@app.command()
@guarded
def estimate(
    model: Annotated[str, typer.Argument(help="Language model: catalogue id or Hugging Face id.")],
    hardware: Annotated[str, typer.Option(help="Server: catalogue id or alias, such as hgx-h200-8.")],
    prompt: Annotated[float, typer.Option(help="Mean prompt tokens.", min=1)] = 1000,
    output: Annotated[float, typer.Option(help="Mean output tokens.", min=1)] = 250,
    ttft_ms: Annotated[float, typer.Option(help="Time to first token that must be met.", min=1)] = 2000,
    tpot_ms: Annotated[float, typer.Option(help="Time per output token that must be met.", min=0.1)] = 60,
    percentile: Annotated[
        float, typer.Option(help="Share of requests that must meet both.", min=0.5, max=0.999)
    ] = 0.95,
    network_ms: Annotated[float, typer.Option(help="Round trip that the levels include.", min=0)] = 0,
    precision: Annotated[list[Format] | None, typer.Option(help="Allowed beside the checkpoint's own format.")] = None,
    as_json: Json = False,
) -> None:
    """Say how fast a language model is on a server."""
    from groundplan.cli._estimate import Question, estimate_model

    levels = Question(
        model,
        hardware,
        prompt,
        output,
        ttft_ms,
        tpot_ms,
        percentile,
        network_ms,
        tuple(item.value for item in precision or ()),
    )
    estimate_model(levels, as_json=as_json)


@app.command()
@guarded
def schema(out: Annotated[Path | None, typer.Option(help="File to write; else standard output.")] = None) -> None:
    """Export the JSON Schema of factory files."""
    from groundplan.cli._small import export_schema

    export_schema(out)
