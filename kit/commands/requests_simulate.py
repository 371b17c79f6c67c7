"""`kit requests simulate`: what policies cost, how long people wait, and how long records stay in the served model."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kit.commands import messages, options
from kit.commands.options import DebugOption, JsonOption, QuietOption
from kit.types import InputError

if TYPE_CHECKING:
    from kit.streams.decay import Point
    from kit.streams.simulation import Setting

_LABELS = {
    "wait": "wait, mean",
    "p50": "settled after, p50",
    "p95": "settled after, p95",
    "max": "settled after, max",
    "missed": "deadlines missed",
    "trainings": "trainings",
    "a_month": "trainings in 30 days",
    "busy": "share of time: busy",
    "exposed": "share of time: exposed",
    "record_days": "record days exposed",
}
_WIDTH = 110
_DEFAULTS = ("at-once", "every:10", "period:7", "deadline")


PoliciesOption = Annotated[
    list[str] | None,
    typer.Option("--policy", metavar="NAME", help="at-once, every:K, period:DAYS, deadline; several times."),
]
ArrivalsOption = Annotated[
    str, typer.Option("--arrivals", metavar="NAME", help="poisson:PER_DAY, bursts:PER_DAY:SIZE or regular:PER_DAY.")
]
ServiceOption = Annotated[
    str, typer.Option("--service", metavar="NAME", help="retrain, sisa:4x4 or by-cost:4x4:BUDGET.")
]
SecondsOption = Annotated[
    float | None,
    typer.Option("--seconds", metavar="SECONDS", help="A whole training takes. Default: 3600, or as measured."),
]
DataOption = Annotated[
    str | None,
    typer.Option("--challenge", metavar="NAME|FILE", help="Train without the forgotten: accuracy over time."),
]
DaysOption = Annotated[float, typer.Option("--days", metavar="DAYS", help="Requests come for so long.")]
DeadlineOption = Annotated[float, typer.Option("--deadline", metavar="DAYS", help="Of each request.")]
SlackOption = Annotated[float, typer.Option("--slack", min=0.0, metavar="DAYS", help="See 'kit requests run'.")]
RepeatsOption = Annotated[
    int, typer.Option("--repeats", min=1, metavar="N", help="Streams a policy, for the standard errors.")
]
SeedOption = Annotated[int, typer.Option("--seed", min=0, metavar="N", help="Of the first stream.")]
PointsOption = Annotated[int, typer.Option("--points", min=2, metavar="N", help="With --challenge: so many trainings.")]


def simulate(
    policies: PoliciesOption = None,
    arrivals: ArrivalsOption = "poisson:2",
    service: ServiceOption = "retrain",
    seconds: SecondsOption = None,
    days: DaysOption = 365.0,
    deadline: DeadlineOption = 30.0,
    slack: SlackOption = 7.0,
    repeats: RepeatsOption = 8,
    seed: SeedOption = 0,
    challenge: DataOption = None,
    points: PointsOption = 5,
    quietly: QuietOption = False,
    json_file: JsonOption = None,
    debug: DebugOption = False,
) -> None:
    """Compare policies before any model is trained: waiting, deadlines, trainings, exposure.

    Examples:
        kit requests simulate
        kit requests simulate --policy at-once --policy every:10 --arrivals poisson:5 --service sisa:4x4
    """
    options.require_writable_file(json_file)
    from kit.streams import policies as rules

    chosen = [rules.named(name, slack * rules.DAY) for name in policies or _DEFAULTS]
    from kit.streams import arrivals as processes
    from kit.streams import costs
    from kit.streams.simulation import Setting

    parts = processes.named(arrivals), costs.named(service)
    Setting(*parts, 1.0 if seconds is None else seconds, days, deadline)  # checked before a model is trained
    curve = [] if challenge is None else _curve(challenge, arrivals, days, points, seed, debug)
    if seconds is None:
        seconds = min((point.cpu_seconds for point in curve), default=3600.0)
    setting = Setting(*parts, seconds, days, deadline)
    rows = _rows(setting, chosen, repeats, seed)
    if str(json_file) != "-":
        _show(setting, rows, curve)
    content = _content(setting) | {"slack": slack, "repeats": repeats, "seed": seed}
    options.write_json(json_file, content | {"policies": rows, "accuracy": [asdict(point) for point in curve]})


def _content(setting: Setting) -> dict[str, Any]:
    names = {"arrivals": setting.arrivals.name, "service": setting.service.name}
    return names | {"seconds": setting.seconds, "days": setting.days, "deadline": setting.deadline}


def _rows(setting: Setting, chosen: list[Any], repeats: int, seed: int) -> list[dict[str, Any]]:
    """Returns what each policy gives, over the same streams."""
    from kit.machine.bars import progress
    from kit.streams.simulation import estimates
    from kit.streams.simulation import simulate as simulated

    rows = []
    with progress(total=len(chosen) * repeats, label="simulating", unit=" streams") as bar:
        for policy in chosen:
            streams = []
            for number in range(repeats):
                streams.append(simulated(setting, policy, seed + number))
                bar.update()
            numbers = {name: asdict(estimate) for name, estimate in estimates(streams).items()}
            rows.append({"policy": policy.name, "numbers": numbers, "first_stream": streams[0].by_method()})
    return rows


def _curve(challenge: str, arrivals: str, days: float, points: int, seed: int, debug: bool) -> list[Point]:
    """Trains without the records that the first stream's requests are about, one each."""
    from kit import challenges

    challenges.check_request(challenge)
    options.prepare(None, debug)
    import numpy as np

    from kit.machine import quiet
    from kit.streams import arrivals as processes

    with quiet.quiet_tensorflow(debug):
        from kit.runs import process
        from kit.streams import decay

        process.prepare()
        loaded = challenges.load_challenge(challenge, announce=messages.announcer())
    from kit.machine.bars import progress

    total = len(processes.named(arrivals).times(days, np.random.default_rng([seed, 0])))
    if total == 0:
        raise InputError(
            f"No request comes in {days:g} days of '{arrivals}' with seed {seed}. Expected one at least, to train "
            "without its record. Simulate more days, or another seed."
        )
    counts = decay.counts_of(total, points, len(loaded.train))
    return list(decay.points(loaded, counts, seed, lambda each: progress(each, label="trainings", unit="training")))


def _show(setting: Setting, rows: list[dict[str, Any]], curve: list[Point]) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False, soft_wrap=True)
    if not console.is_terminal:  # a file has no width, and 80 columns would cut numbers
        console = Console(highlight=False, soft_wrap=True, width=_WIDTH)
    console.print(
        f"{setting.arrivals.name} for {setting.days:g} days, served by {setting.service.name}, a training takes "
        f"{setting.seconds:g} s. Times in days; ± standard errors.",
        markup=False,
    )
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("")
    for row in rows:
        table.add_column(row["policy"], justify="right", no_wrap=True)
    for name, label in _LABELS.items():
        table.add_row(label, *(_cell(row["numbers"][name]) for row in rows))
    console.print(table)
    for point in curve:
        console.print(f"{point.forgotten:,} records forgotten: accuracy {point.accuracy:.3f} ± {point.stderr:.3f}")


def _cell(estimate: dict[str, float | None]) -> str:
    mean = _number(estimate["mean"] or 0.0, 3)
    return mean if estimate["stderr"] is None else f"{mean} ± {_number(estimate['stderr'], 1)}"


def _number(value: float, digits: int) -> str:
    return f"{value:,.0f}" if abs(value) >= 10**digits else f"{value:.{digits}g}"
