"""Which hyper-parameters come with the kit for a challenge: `data/hyperparameters.toml`, which people may edit.

Decisions:

- The file states under `[sha256]` the digest of each challenge's tables, as `kit tune --write` has written them. What
  was changed since is used all the same, because the file is there to be edited; but each report of a method on that
  challenge says so, with the values (`doubt`). So a flipped digit in it, which nobody meant, cannot pass for the kit's.
- What is no table of plain values is refused. Whether a method takes them, `kit.runs.settings` knows.
"""

from __future__ import annotations

import itertools
import json
import math
import tomllib
from collections.abc import Mapping
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

from kit.storage import files
from kit.storage.digests import digest_of
from kit.types import Challenge, InputError

Tables = Mapping[str, Mapping[str, Any]]
_DIGESTS = "sha256"


def file() -> Path:
    """Returns where they are."""
    return files.data_folder() / "hyperparameters.toml"


def of_challenge(challenge: str) -> Tables:
    """Returns method -> keyword arguments that differ from the method's defaults on a challenge.

    Raises:
        InputError: the file is damaged.

    Example:
        >>> of_challenge("cifar10-small")["finetune"]["epochs"]
        1
        >>> of_challenge("my data")
        {}
    """
    return read().get(challenge, {})


def read() -> dict[str, Tables]:
    """Returns challenge -> method -> keyword arguments.

    Raises:
        InputError: the file is no TOML, or holds something else.
    """
    content = _content()
    content.pop(_DIGESTS, None)
    for challenge, tables in content.items():
        if not isinstance(tables, dict) or not all(isinstance(settings, dict) for settings in tables.values()):
            raise _strange(f"'{challenge}' in it holds something else than tables of methods")
        for method, settings in tables.items():
            for name, value in settings.items():
                if not _is_plain(value):
                    raise _strange(f"'{name}' of [{challenge}.{method}] is {_described(value)}")
    return content


def write(content: Mapping[str, Tables]) -> None:
    """Writes all tables, sorted, and their digests below them; the comment at the head of the file stays.

    Args:
        content: challenge -> method -> keyword arguments; those without any are left out.
    """
    tables = {name: {method: given for method, given in of.items() if given} for name, of in content.items()}
    head = file().read_text(encoding="utf-8").splitlines()
    lines = list(itertools.takewhile(lambda line: not line.startswith("["), head))
    while lines and not lines[-1].strip():
        lines.pop()
    for challenge, methods in sorted(tables.items()):
        for method, settings in sorted(methods.items()):
            lines += ["", f"[{challenge}.{method}]"]
            lines += [f"{name} = {json.dumps(value)}" for name, value in settings.items()]
    lines += ["", f"[{_DIGESTS}]"]
    lines += [f'{name} = "{digest_of(tables[name])}"' for name in sorted(tables) if tables[name]]
    with files.atomic_write(file()) as stream:
        stream.write(("\n".join(lines) + "\n").encode())


def doubt(challenge: Challenge, method: str) -> str:
    """Returns a sentence where a built-in method has run with hyper-parameters of the file that were not recorded.

    Nothing where these are as they were recorded, or where it has run with others, of a user's or of a search.
    """
    tables, recorded = of_challenge(challenge.name), _content().get(_DIGESTS)
    stated = recorded.get(challenge.name) if isinstance(recorded, dict) else None
    if digest_of(tables) == (stated or digest_of({})) or dict(challenge.hyperparameters) != tables:
        return ""
    values = ", ".join(f"{name} = {value}" for name, value in tables.get(method, {}).items()) or "its defaults"
    return f"hyperparameters.toml was changed since those of {challenge.name} were recorded: {method} ran with {values}"


def _content() -> dict[str, Any]:
    path = file()
    if not path.is_file():  # as with the registry: nothing is shipped
        return {}
    expected = "the hyper-parameters that come with the kit, in TOML"
    content: dict[str, Any] = files.checked(lambda: tomllib.loads(path.read_bytes().decode()), path, expected)
    return content


def _is_plain(value: Any) -> bool:
    return isinstance(value, int | str) or (isinstance(value, float) and math.isfinite(value))


def _described(value: Any) -> str:
    kinds = {dict: "a table", list: "a list", date: "a date", datetime: "a date", time: "a time"}
    return kinds.get(type(value), str(value))


def _strange(what: str) -> InputError:
    return InputError(
        f"The file '{file()}' does not hold hyper-parameters: {what}. Expected tables such as [noisy-digits.finetune], "
        "and numbers in them. Correct it, or restore it with 'git checkout data/hyperparameters.toml'."
    )
