"""The command `kit convert-weights`: weights between PyTorch and Keras."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kit.commands import completion, options
from kit.commands.options import DebugOption, JsonOption, QuietOption
from kit.machine import quiet
from kit.types import InputError

if TYPE_CHECKING:
    import keras
_NetworkOption = Annotated[
    str,
    typer.Option(
        "--model",
        metavar="NAME",
        help="resnet18 or resnet20.",
        autocompletion=completion.among("resnet18", "resnet20"),
    ),
]


def convert_weights(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What to read: .pth, .pt, .npz, .weights.h5, .keras.")],
    model: _NetworkOption,
    output: Annotated[Path, typer.Option("--output", metavar="FILE", help="What to write; its ending says which way.")],
    json_file: JsonOption = None,
    quietly: QuietOption = False,
    debug: DebugOption = False,
) -> None:
    """Convert a ResNet's weights from PyTorch (.pth) to Keras, or back.

    Examples:
        kit convert-weights model.pth --model resnet18 --output model.weights.h5
    """
    from kit.models import file_names
    from kit.storage import files

    options.require_writable_file(json_file)
    options.require_writable(output.parent, "--output")
    if output.exists():
        raise InputError(
            f"'{output}' exists already. Expected a new name, so that no weights are lost. Choose another --output, or "
            "delete it."
        )
    file_names.suffix(output)
    file_names.check_resnet(model)
    file_names.suffix(file)
    files.require_file(file, f"Expected {file_names.RESNET_WEIGHTS}.")
    with quiet.quiet_tensorflow(debug):
        from kit.models import formats
    net = formats.load(file, model)
    formats.save(net, output)
    content: dict[str, Any] = {
        "path": str(output),
        "model": net.name,
        "channels": net.input_shape[-1],
        "classes": net.output_shape[-1],
        "weights": net.count_params(),
    }
    to_people = str(json_file) == "-"
    typer.echo(
        f"Written: {output}: {net.name}, {content['channels']} channels, {content['classes']} classes, "
        f"{content['weights']:,} weights.",
        err=to_people,
    )
    typer.echo(_normalisation(net), err=to_people)
    options.write_json(json_file, content)


def _normalisation(net: keras.Model) -> str:
    """Says who normalises images: the reason why a converted model can be right and its accuracy wrong."""
    import numpy as np

    layer = net.get_layer("normalisation")
    scale, offset = np.atleast_1d(layer.scale), np.atleast_1d(layer.offset)
    mean, std = (", ".join(f"{value:.4f}" for value in values) for values in (-offset / scale, 1 / scale))
    return (
        f"In Keras, give the model images in [0, 1]: its first layer subtracts ({mean}) and divides by ({std}). "
        "PyTorch's has no such layer: there, normalise the images before."
    )
