"""`kit tune`: searches better hyper-parameters for methods."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kit import methods
from kit.commands import completion, messages, options
from kit.commands.options import ChallengeOption, DebugOption, JsonOption, OutOption, QuietOption
from kit.machine import quiet

if TYPE_CHECKING:
    from kit.engines import Engine
    from kit.tuning import Outcome, Search

MethodsArgument = Annotated[
    list[str], typer.Argument(metavar="METHOD", help="Of 'kit list methods'.", autocompletion=completion.method_names)
]


def tune(
    names: MethodsArgument,
    challenge: ChallengeOption = "noisy-digits",
    trials: Annotated[
        int, typer.Option("--trials", min=1, metavar="N", help="Settings that are tried, today's included.")
    ] = 64,
    num_models: Annotated[
        int, typer.Option("--num-models", min=8, metavar="N", help="Models of each setting on each forget set.")
    ] = 8,
    seed: Annotated[int, typer.Option(min=0, metavar="N", help="Moves all settings but today's.")] = 0,
    workers: Annotated[
        int | None,
        typer.Option("--workers", min=1, metavar="N", help="Settings that are tried at the same time. Default: one."),
    ] = None,
    out: OutOption = Path("runs"),
    write: Annotated[
        bool, typer.Option("--write", help="Keep trace and best settings in data/ (maintainers, in a checkout).")
    ] = False,
    json_file: JsonOption = None,
    quietly: QuietOption = False,
    debug: DebugOption = False,
) -> None:
    """Search better hyper-parameters of methods, on forget sets that no table reports on.

    Examples:
        kit tune scrub --challenge digits --trials 16 --workers 2
    """
    for name in names:
        options.require_method(name)
        methods.require_search_space(name)
    from kit import challenges

    challenges.check_request(challenge)
    options.require_writable(out)
    options.require_writable_file(json_file)
    with quiet.quiet_tensorflow(debug):
        from kit import engines, tuning
        from kit.tuning import kept
    searches = [tuning.Search(name, challenge, trials, num_models, seed) for name in dict.fromkeys(names)]
    for search in searches if write else ():
        kept.check(search)
    outcomes = []
    with messages.resumable("Scores are kept"), contextlib.ExitStack() as stack:
        engine = None if workers is None else stack.enter_context(engines.start("processes", workers=workers))
        for search in searches:
            stored = kept.load(search) if write else None
            outcomes.append(stored or _tune(search, out, engine, messages.announcer()))
            if write:
                kept.write(outcomes[-1])
    _show(outcomes, json_file)


def _tune(search: Search, out: Path, engine: Engine | None, announce: Callable[[str], None]) -> Outcome:
    from kit import tuning

    folder = out / Path(search.challenge).stem
    path = folder / f"tuning-{search.method}-{search.num_models}-models.json"
    outcome = tuning.tune(search, path=path, engine=engine, announce=announce)
    announce(f"what was tried: {path}")
    return outcome


def _show(outcomes: list[Outcome], json_file: Path | None) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    if str(json_file) != "-":
        table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
        for heading in ("method", "today's", "best"):
            table.add_column(heading, justify="left" if heading == "method" else "right")
        table.add_column("best settings", overflow="fold")
        for outcome in outcomes:
            settings = ", ".join(f"{name} {value}" for name, value in outcome.best.settings.items())
            present = "too dear" if outcome.present is None else f"{outcome.present.mean:.4f}"
            table.add_row(Text(outcome.search.method), present, f"{outcome.best.mean:.4f}", Text(settings))
        console = Console(highlight=False)
        console.print(table)
        console.print(
            f"\nDistances from retraining, 0 is best: means over {len(outcomes[0].best.scores)} forget sets, today's "
            "over those that it came to."
        )
    options.write_json(json_file, [_as_json(outcome) for outcome in outcomes])


def _as_json(outcome: Outcome) -> dict[str, object]:
    return {
        **asdict(outcome.search),
        "best": outcome.best.settings,
        "trials": [asdict(trial) for trial in outcome.trials],
    }
