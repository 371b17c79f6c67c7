"""What installed packages add to the kit: methods, scorers and challenges, by entry points.

A package names them in its `pyproject.toml`:

    [project.entry-points."kit.methods"]
    my_method = "my_package.my_method"      # a module that defines `unlearning`
    [project.entry-points."kit.scorers"]
    my_family = "my_package.my_scores"      # a module with `SCORES` and `score`
    [project.entry-points."kit.challenges"]
    my-challenge = "my_package.data:PRESET" # a `kit.challenges.Preset`

Looking them up imports nothing of theirs.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import re
import sys
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Any, Literal

from kit.types import InputError

Group = Literal["kit.methods", "kit.scorers", "kit.challenges"]
_NOUNS: Mapping[Group, str] = {"kit.methods": "method", "kit.scorers": "scorer", "kit.challenges": "challenge"}
_NAME = re.compile(r"[a-z][a-z0-9_-]*")


@dataclass(frozen=True)
class Extension:
    """One entry point of an installed package.

    Args:
        group: what it adds.
        name: under which the kit knows it.
        module: dotted name; attribute: dotted name within it, empty where the module itself is meant.
        distribution: the package's name and version.
    """

    group: Group
    name: str
    module: str
    attribute: str
    distribution: str

    @property
    def title(self) -> str:
        """What error messages call the extension."""
        return f"The {_NOUNS[self.group]} '{self.name}' of the installed package '{self.distribution}'"

    def load(self) -> Any:
        """Imports the module and returns what the entry point names.

        Raises:
            InputError: that fails, for whatever reason.
        """
        try:
            loaded: Any = importlib.import_module(self.module)
            for name in self.attribute.split(".") if self.attribute else ():
                loaded = getattr(loaded, name)
        except Exception as error:  # a stranger's module can raise anything
            reason = (str(error).splitlines() or [""])[0]
            raise self.broken(f"cannot be imported ({type(error).__name__}: {reason})") from error
        return loaded

    def file(self) -> Path:
        """Returns the module's file without importing anything, packages around it included.

        Raises:
            InputError: there is no such file.
        """
        package, *rest = self.module.split(".")
        spec = importlib.util.find_spec(package)
        for part in rest:
            places = None if spec is None else spec.submodule_search_locations
            spec = PathFinder.find_spec(f"{spec.name}.{part}", places) if spec is not None and places else None
        if spec is None or spec.origin is None or not spec.has_location:
            raise self.broken("has no file")
        return Path(spec.origin)

    def broken(self, what: str) -> InputError:
        """Returns the error that says what is wrong with the entry point."""
        target = f"{self.module}:{self.attribute}" if self.attribute else self.module
        return InputError(
            f"{self.title} {what}. Expected '{target}' to be what kit/extensions.py describes. Install another version "
            f"of the package, or remove it with 'pip uninstall {self.distribution.split(' ')[0]}'."
        )


@dataclass(frozen=True)
class Installed:
    """What installed packages add to one group.

    Args:
        extensions: by name, sorted.
        refused: a paragraph for each entry point that is left out, because its name is taken or is none.
    """

    extensions: Mapping[str, Extension]
    refused: tuple[str, ...]


def installed(group: Group, reserved_names: Collection[str]) -> Installed:
    """Returns what installed packages add to a group.

    Args:
        group: an entry-point group.
        reserved_names: the kit's own names, which nothing can replace.

    Example:
        >>> sorted(installed("kit.methods", ["finetune"]).refused)
        []
    """
    extensions: dict[str, Extension] = {}
    refused = []
    for extension in _entry_points(group, tuple(sys.path)):
        earlier = extensions.get(extension.name)
        if extension.name in reserved_names or earlier is not None:
            owner = f"the installed package '{earlier.distribution}'" if earlier else "the kit itself"
            refused.append(
                f"{extension.title} is left out: {owner} has a {_NOUNS[group]} of that name. Expected a name that is "
                f"free. Ask its authors to rename the entry point, or uninstall one of the two."
            )
        elif not _NAME.fullmatch(extension.name):
            refused.append(
                f"{extension.title} is left out: that is no name for the command line. Expected lower-case letters, "
                "digits, - and _. Ask its authors to rename the entry point."
            )
        else:
            extensions[extension.name] = extension
    return Installed(extensions, tuple(refused))


@functools.lru_cache(maxsize=len(_NOUNS))
def _entry_points(group: Group, _search_path: tuple[str, ...]) -> tuple[Extension, ...]:
    """Reads every installed package's list, hence once for each search path; sorted by name and package."""
    from importlib import metadata

    extensions = []
    for entry in metadata.entry_points(group=group):
        distribution = "unknown" if entry.dist is None else f"{entry.dist.name} {entry.dist.version}"
        extensions.append(Extension(group, entry.name, entry.module, entry.attr or "", distribution))
    return tuple(sorted(set(extensions), key=lambda extension: (extension.name, extension.distribution)))
