"""The commands. Heavy rooms are imported inside them, so that ``--help`` answers at once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from groundplan.cli import _options as opt
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
Compare = Annotated[
    bool, typer.Option("--compare", help="Plan every alternative too, and find the prices that change the answer.")
]
Pdf = Annotated[bool, typer.Option("--pdf", help="Set report.pdf too, a board paper (extra pdf).")]
KindArgument = Annotated[opt.Validated, typer.Argument(help="Which models.")]
Truth = Annotated[Path, typer.Option(metavar="FILE", help="Measured rows: a .csv or .parquet table.")]
NoReport = Annotated[bool, typer.Option("--no-report", help="Write no report.html.")]


def _place(text: str) -> Path:
    """A path to write to; an empty one would be the folder that one happens to be in."""
    if not str(text).strip():
        raise typer.BadParameter("is empty: give a name, or . for this folder")
    return Path(text)


Results = Annotated[Path, typer.Option(parser=_place, metavar="FOLDER", help="Folder of the results.")]
Target = Annotated[
    Path | None, typer.Option(parser=_place, metavar="FILE", help="File to write; else standard output.")
]


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
    out: Results = Path("groundplan-demo"),
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
    path: Annotated[Path, typer.Argument(parser=_place, metavar="FILE", help="File to write.")] = Path("factory.yaml"),
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
    out: Results = Path("groundplan-plan"),
    compare: Compare = False,
    pdf: Pdf = False,
    as_json: Json = False,
    no_report: NoReport = False,
) -> None:
    """Plan what to buy or rent, where and when.

    The plan is judged independently before anything is written: plan.json, report.html and factory.json.
    """
    from groundplan.cli._plan import plan_file

    code = plan_file(file, out, as_json=as_json, with_report=not no_report, compare=compare, pdf=pdf)
    raise typer.Exit(code)


@app.command()
@guarded
def report(
    plan: Annotated[Path, typer.Argument(metavar="PLAN", help="A plan.json, or the folder that holds it.")],
    spec: Annotated[Path | None, typer.Option(help="Factory file; else factory.json beside the plan.")] = None,
    pdf: Pdf = False,
    as_json: Json = False,
) -> None:
    """Draw the report of a plan anew, beside it.

    With decision.json there, the alternatives are in it. Nothing is solved.
    """
    from groundplan.cli._report import report_file

    report_file(plan, spec, pdf=pdf, as_json=as_json)


@app.command()
@guarded
def why(
    file: FileArgument,
    workload: Annotated[str, typer.Option(help="Id of a workload of the file.")],
    site: Annotated[str, typer.Option(help="Id of a site of the file.")],
    hardware: Annotated[str, typer.Option(help="Server or accelerator; else any that may stand there.")] = "",
    as_json: Json = False,
) -> None:
    """Say why a workload is, or is not, served at a site.

    Either a rule refuses, with its proof; or the answer is what forcing it there would cost.
    """
    from groundplan.cli._why import why_not

    why_not(file, workload, site, hardware, as_json=as_json)


@app.command()
@guarded
def fund(
    file: FileArgument,
    steps: Annotated[int, typer.Option(help="How often to add money.", min=0, max=20)] = 3,
    step_usd: Annotated[float, typer.Option(help="How much to add each time.", min=1)] = 1_000_000,
    as_json: Json = False,
) -> None:
    """Say what budgets serve, and what the next million buys.

    Every workload may be shed: priority 1 is served first, then by value, then at the least cost.
    """
    from groundplan.cli._ladder import fund_file

    fund_file(file, steps, step_usd, as_json=as_json)


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
def costs(
    plan: Annotated[Path, typer.Argument(metavar="PLAN", help="A plan.json, or the folder that holds it.")],
    spec: Annotated[Path | None, typer.Option(help="Factory file; else factory.json beside the plan.")] = None,
    csv: Annotated[
        Path | None, typer.Option(parser=_place, metavar="FILE", help="Write charges with FOCUS column names.")
    ] = None,
    against: Annotated[Path | None, typer.Option(help="Another plan of the same file: break-even month.")] = None,
    rental: Annotated[
        float | None, typer.Option(help="USD per rented GPU-hour: break-even utilisation.", min=0.000001)
    ] = None,
    convention: Annotated[str | None, typer.Option(help="Length of a month, such as groundplan, lenovo-2025.")] = None,
    as_json: Json = False,
) -> None:
    """Say what a plan costs, by site and year, and per unit.

    Units are GPU-hours, tokens, robot-hours, frames and runs.
    """
    from groundplan.cli._costs import Wish, costs_file

    costs_file(plan, spec, Wish(csv, convention, against, rental), as_json=as_json)


@app.command()
@guarded
def estimate(
    model: Annotated[str, typer.Argument(help="Catalogue id, Hugging Face id, or the path of a config.json.")],
    hardware: Annotated[
        str, typer.Option("--on", "--hardware", help="Server or accelerator, such as hgx-h200-8 or l40s.")
    ],
    percentile: opt.Percentile = None,
    network_ms: opt.Network = None,
    precision: opt.Precisions = None,
    prompt: opt.Prompt = None,
    output: opt.Output = None,
    ttft_ms: opt.Ttft = None,
    tpot_ms: opt.Tpot = None,
    latency_ms: opt.Latency = None,
    control_hz: opt.ControlHz = None,
    chunk_steps: opt.Chunk = None,
    replan_every: opt.Replan = None,
    mode: opt.ModeOption = None,
    cameras: opt.Cameras = None,
    denoise_steps: opt.Denoise = None,
    fps: opt.Fps = None,
    sample_rate_hz: opt.SampleRate = None,
    window_s: opt.Window = None,
    finetune: opt.Finetune = None,
    tokens: opt.Tokens = None,
    sequence: opt.Sequence = None,
    engine: opt.Engine = None,
    tuning: opt.SetUp = None,
    prefill: opt.PrefillOption = None,
    draft: opt.Draft = None,
    draft_tokens: opt.DraftTokens = None,
    acceptance: opt.Acceptance = None,
    measured: Annotated[
        list[Path] | None, typer.Option(metavar="FILE", help="Anchors file of `groundplan anchor`; may stand twice.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Say how fast a model is on a server.

    Language, robots, vision, sensors, video, and fine-tuning.
    """
    options = dict(locals())
    from groundplan.cli._estimate import estimate_model

    options |= {
        "allowed_precisions": options.pop("precision") or None,
        "replan_every_steps": options.pop("replan_every"),
    }
    named = {"model", "hardware", "measured", "as_json"}
    options = {k: v for k, v in options.items() if k not in named}
    estimate_model(model, hardware, options, measured=measured or (), as_json=as_json)


@app.command()
@guarded
def anchor(
    files: Annotated[
        list[Path] | None,
        typer.Argument(metavar="FILE...", help="Results of one deployment, a load or more; a factory file for tables."),
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="Catalogue id, Hugging Face id, or the path of a config.json.")
    ] = None,
    hardware: Annotated[
        str | None, typer.Option("--on", "--hardware", help="Server or accelerator that it ran on, such as hgx-h200-8.")
    ] = None,
    tp: Annotated[int, typer.Option(help="Accelerators of the replica (tensor ranks).", min=1)] = 1,
    precision: Annotated[opt.Format | None, typer.Option(help="Format of the weights (the checkpoint's).")] = None,
    engine: Annotated[opt.Serving, typer.Option(help="Serving engine.")] = opt.Serving.VLLM,
    tuning: Annotated[opt.Tuning, typer.Option(help="Set up for this model and part, or not.")] = opt.Tuning.DEFAULT,
    provider: Annotated[
        opt.Tables | None, typer.Option(help="Tables of another tool instead of results; engines count as tuned.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(parser=_place, metavar="FILE", help="Write an anchors file, such as anchors.toml.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
    as_json: Json = False,
) -> None:
    """Let your own benchmark correct the model.

    Results: JSON of GuideLLM, AIPerf, GenAI-Perf or vllm bench serve, or CSV of AIPerf and GenAI-Perf. With --provider,
    another tool's tables correct it instead, for one deployment or all of a factory file.
    """
    from groundplan.cli._anchor import anchor_files, asked_of

    asked = asked_of(model, hardware, tp, precision.value if precision else None, engine.value, tuning.value)
    if provider is None:
        anchor_files(files or [], asked, out, force=force, as_json=as_json)
    else:
        from groundplan.cli._anchor_tables import anchor_tables

        anchor_tables(provider.value, files or [], asked, out, force=force, as_json=as_json)


@app.command()
@guarded
def price(
    model: Annotated[str, typer.Argument(help="Catalogue id, Hugging Face id, or the path of a config.json.")],
    load: Annotated[float, typer.Option(help="Requests per second in the busiest hour.")],
    service_level: Annotated[
        str | None, typer.Option(metavar="LEVELS", help="Short for the levels: ttft=2000,tpot=60,percentile=0.95.")
    ] = None,
    prompt: opt.Prompt = None,
    output: opt.Output = None,
    ttft_ms: opt.Ttft = None,
    tpot_ms: opt.Tpot = None,
    percentile: opt.Percentile = None,
    network_ms: opt.Network = None,
    precision: opt.Precisions = None,
    load_factor: Annotated[float | None, typer.Option(help="Mean load over that peak (0.5).")] = None,
    region: Annotated[str | None, typer.Option(help="Country of the ground (KR).")] = None,
    tariff: Annotated[str | None, typer.Option(help="Electricity tariff of own servers (the region's usual).")] = None,
    hours_per_year: Annotated[float | None, typer.Option(help="Hours of service (those of the convention).")] = None,
    rate: Annotated[float | None, typer.Option(help="Cost of capital a year (0.09).")] = None,
    life_years: Annotated[float | None, typer.Option(help="Years over which a server is paid (5).")] = None,
    convention: Annotated[str | None, typer.Option(help="Length of a month, such as groundplan, lenovo-2026.")] = None,
    staff_usd_per_month: Annotated[float | None, typer.Option(help="Staff of own servers (0).")] = None,
    day: Annotated[str | None, typer.Option(metavar="DAY", help="Day of tariffs and token prices (today).")] = None,
    every: Annotated[bool, typer.Option("--all", help="Show every row.")] = False,
    as_json: Json = False,
) -> None:
    """Price a language model: own, rent, or buy tokens.

    No file is needed.
    """
    options = dict(locals())
    from groundplan.cli._price import price_model

    renamed = {"load": "load_per_s", "prompt": "prompt_tokens", "output": "output_tokens"}
    options = {renamed.get(key, key): value for key, value in options.items()}
    options["allowed_precisions"] = tuple(item.value for item in options.pop("precision") or ())
    for name in ("model", "service_level", "day", "every", "as_json"):
        options.pop(name)
    price_model(model, options, service_level=service_level, on=day, every=every, as_json=as_json)


@app.command()
@guarded
def validate(
    kind: KindArgument,
    truth: Truth,
    source: Annotated[list[str] | None, typer.Option(metavar="ID", help="Only rows of this source_id.")] = None,
    rows_out: Annotated[
        Path | None, typer.Option(parser=_place, metavar="FILE", help="Write a CSV line for each row of the table.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Score speeds, memory and power against measured rows.

    A row without a prediction is counted with its reason, never guessed.
    """
    from groundplan.cli._validate import validate_file

    validate_file(kind.value, truth, source or (), rows_out, as_json=as_json)


@app.command()
@guarded
def calibrate(
    kind: KindArgument,
    truth: Truth,
    leave_out: Annotated[list[str] | None, typer.Option(metavar="ID", help="Fit without this source_id.")] = None,
    report: Annotated[
        opt.Held | None, typer.Option(help="Also score each publisher or accelerator with a fit that has not seen it.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Fit the few constants of a kind of model on measured rows.

    The shipped constants do not change: the answer is to be reviewed first.
    """
    from groundplan.cli._calibrate import calibrate_file

    calibrate_file(kind.value, truth, leave_out or (), report.value if report else None, as_json=as_json)


@app.command()
@guarded
def schema(out: Target = None) -> None:
    """Export the JSON Schema of factory files."""
    from groundplan.cli._small import export_schema

    export_schema(out)
