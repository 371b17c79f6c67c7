"""What the names of models and of their files say, before Keras or NumPy is imported to read one."""

from __future__ import annotations

from pathlib import Path

from kit import models
from kit.models.torch.pickle import shown
from kit.storage import files
from kit.types import InputError

SUFFIXES = (".pth", ".pt", ".npz", ".weights.h5", ".keras")
# The models of the zoo that have a counterpart in PyTorch.
RESNETS = ("resnet18", "resnet20")
RESNET_WEIGHTS = "the weights of a ResNet of the kit, as 'kit convert-weights' or Keras writes them"
EXPECTED = (
    "Expected a trained Keras model with one output of shape (batch, classes): a softmax, sigmoid or logits, or the "
    "numbers of a regression."
)
_EXPECTED_WEIGHTS = (
    "Expected the weights of your original model, as NAME.weights.h5 (net.save_weights) or as NAME.npz "
    "(numpy.savez(path, *net.get_weights()))."
)


def suffix(path: Path) -> str:
    """Returns which of `SUFFIXES` a file has.

    Raises:
        InputError: none of them.

    Example:
        >>> suffix(Path("runs/net.weights.h5"))
        '.weights.h5'
    """
    for known in SUFFIXES:
        if path.name.endswith(known):
            return known
    raise InputError(
        f"The name '{path}' does not say what kind of file it is. Expected one that ends in "
        f"{', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}. Rename the file."
    )


def is_torch(path: Path) -> bool:
    """Returns whether a file is PyTorch's, from its name.

    Raises:
        InputError: no known kind of file, see `suffix`.
    """
    return suffix(path) in (".pth", ".pt")


def check_resnet(name: str) -> None:
    """Checks that a model of the zoo has a counterpart in PyTorch.

    Raises:
        InputError: it has none, or is unknown.
    """
    if name not in RESNETS:
        raise InputError(
            f"The model {shown(name)} has no counterpart in PyTorch. Expected one of {', '.join(RESNETS)}. Choose one "
            "of these."
        )


def check_model_file(path: Path) -> None:
    """Checks that there is a file of this name, and that it is one that a user's model may come from.

    Raises:
        InputError: it is missing, or of another format.
    """
    if path.suffix != ".keras":
        raise InputError(
            f"The model '{path}' is no .keras file. Expected one, or a name of {', '.join(models.NAMES)}. Save it "
            "with model.save('model.keras'); older formats can hold code."
        )
    files.require_file(path, EXPECTED)


def check_weights_file(path: Path) -> None:
    """Checks that there is a file of this name, and that it is one that a user's weights may come from.

    Raises:
        InputError: it is missing, or of another format.
    """
    files.require_file(path, _EXPECTED_WEIGHTS)
    if not path.name.endswith((".weights.h5", ".npz")):
        raise InputError(
            f"The weights '{path}' are in a file of another kind. {_EXPECTED_WEIGHTS} Save them in one of these forms."
        )
