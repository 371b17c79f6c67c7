"""The command `kit data`: where the published data sets lie, and getting those that are missing."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kit.commands import completion, messages, options
from kit.commands.options import DebugOption, JsonOption, QuietOption
from kit.types import InputError
from kit.types.errors import did_you_mean

if TYPE_CHECKING:
    from kit.datasets.loading import Published
    from kit.datasets.registry import DataSet

Show = Callable[[str], None]


def data(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="NAME", help="cifar10, mnist, fashion-mnist.", autocompletion=completion.data_set_names),
    ] = None,
    folder: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Take the files from here, and copy them into the kit's cache.")
    ] = None,
    json_file: JsonOption = None,
    quietly: QuietOption = False,
    debug: DebugOption = False,
) -> None:
    """Say where the data sets lie, or get and check them.

    Examples:
        kit data
        kit data fashion-mnist
        kit data cifar10 --folder downloads
    """
    options.require_writable_file(json_file)
    show = functools.partial(typer.echo, err=str(json_file) == "-")  # to the output goes JSON alone, if it is asked for
    data_sets = _known(names or [])
    if folder is not None:
        content = (_adopt if names else _adopt_any)(data_sets, folder, show)
    elif names:
        content = _load(data_sets, show)
    else:
        content = _list(data_sets, show)
    options.write_json(json_file, content)


def _known(names: list[str]) -> list[DataSet]:
    """Returns the data sets of these names, all of them if there are no names."""
    from kit.datasets.registry import DATA_SETS

    for name in names:
        if name not in DATA_SETS:
            hint = did_you_mean(name, DATA_SETS, "Leave the name out to see where each of them lies.", most=1)
            raise InputError(f"There is no data set '{name}'. Expected one of {', '.join(DATA_SETS)}. {hint}")
    return [DATA_SETS[name] for name in dict.fromkeys(names or DATA_SETS)]


def _list(data_sets: list[DataSet], show: Show) -> dict[str, Any]:
    from kit.datasets import loading

    content: dict[str, Any] = {}
    for data_set in data_sets:
        files = loading.nearest(data_set)
        text = f"{files.place}, {files.path}" if files else f"not here; 'kit data {data_set.name}' downloads it"
        show(f"{data_set.name:<15}{text} ({data_set.num_bytes / 1e6:.0f} MB)")
        content[data_set.name] = {
            "here": files is not None,
            "place": files.place if files else None,
            "path": str(files.path) if files else None,
        }
    return content


def _load(data_sets: list[DataSet], show: Show) -> dict[str, Any]:
    from kit.datasets import loading

    announce = messages.announcer()
    content = {}
    for data_set in data_sets:
        published = loading.load(data_set, announce=announce)
        content[data_set.name] = _report(data_set, published, show)
    return content


def _adopt(data_sets: list[DataSet], folder: Path, show: Show) -> dict[str, Any]:
    from kit.datasets import loading, places

    named = places.existing(folder)
    missing = [data_set for data_set in data_sets if next(places.in_folder(data_set, named), None) is None]
    if missing:  # before anything is copied
        raise InputError(loading.nothing_in(folder, missing))
    announce = messages.announcer()
    content = {}
    for data_set in data_sets:
        published = loading.adopt(data_set, folder, announce)
        if published is not None:
            content[data_set.name] = _report(data_set, published, show)
    return content


def _adopt_any(data_sets: list[DataSet], folder: Path, show: Show) -> dict[str, Any]:
    from kit.datasets import loading

    adopted = loading.adopt_any(data_sets, folder, messages.announcer())
    return {data_set.name: _report(data_set, published, show) for data_set, published in adopted}


def _report(data_set: DataSet, published: Published, show: Show) -> dict[str, Any]:
    """Shows a line about a data set, and returns the same facts for `--json`."""
    num_test = len(published.arrays) - published.num_train
    shape = "x".join(map(str, data_set.image_shape))
    show(
        f"{data_set.title}: {published.num_train:,} training and {num_test:,} test images of {shape}, from "
        f"{published.source}. sha256: {published.sha256}"
    )
    return {
        "num_train": published.num_train,
        "num_test": num_test,
        "image_shape": list(data_set.image_shape),
        "source": published.source,
        "sha256": published.sha256,
    }
