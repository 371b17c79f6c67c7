"""What of the kit a submission may use: one rule for its text, for what lies beside it, and for what it can import.

Nothing named here leads to test data, to retrained models or to scores. The standard library only: the program of a
contained process reads this before it loads anything.
"""

from __future__ import annotations

import shutil
from collections.abc import MutableMapping, Sequence
from importlib.abc import Loader
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import cache_from_source
from pathlib import Path
from types import ModuleType

# What a submission may import of the kit, and name after 'import kit'.
ROOMS = ("kit.toolbox", "kit.types")
# Modules and packages by which published data are had, the test examples of a public challenge among them.
DATA_SETS = ("sklearn.datasets", "keras.datasets", "torchvision.datasets")
PACKAGES = ("datasets", "tensorflow_datasets")
_ALIASES = ("keras.src.datasets", "keras._tf_keras.keras.datasets", "keras.api.datasets")
# What those rooms and the program of a contained process (`kit.submission.inside`) need besides: files and folders.
_NEEDED = (
    "__init__.py",
    "machine/__init__.py",
    "machine/bars.py",
    "machine/process_tree.py",
    "machine/startup.py",
    "machine/threads.py",
    "machine/xla.py",
    "machine/xla_code.py",
    "models/__init__.py",
    "models/copies.py",
    "models/custom.py",
    "models/keras_settings.py",
    "models/layers.py",
    "models/named.py",
    "models/undrawn.py",
    "models/weights.py",
    "models/zoo.py",
    "rules.py",
    "storage/__init__.py",
    "storage/digests.py",
    "storage/files.py",
    "storage/locks.py",
    "storage/near_paths.py",
    "storage/seals.py",
    "storage/strict_json.py",
    "submission/__init__.py",
    "submission/allowed.py",
    "submission/call.py",
    "submission/confinement.py",
    "submission/importing.py",
    "submission/inside.py",
    "submission/memory.py",
    "submission/supervisor.py",
    "submission/zygote.py",
    "tasks",
)
# Of the package, relative to its folder: all that is copied beside a contained process.
COPIED = (*(room.partition(".")[2].replace(".", "/") for room in ROOMS), *_NEEDED)


def is_allowed(name: str, beside: Sequence[str] = ()) -> bool:
    """Returns whether a submission may use what has this dotted name: in one of the rooms, or not of the kit at all.

    Args:
        name: such as `kit.toolbox.losses` or `kit.Arrays`; a public name of `import kit` counts as what it stands for.
        beside: modules that come with the submission.

    Example:
        >>> [is_allowed(name) for name in ("kit.toolbox.losses", "kit.Arrays", "kit.datasets", "kit.load_challenge")]
        [True, True, False, False]
    """
    package, _, rest = name.partition(".")
    if package != "kit":
        return True
    first, dot, further = rest.partition(".")
    home = _public_names().get(first)
    name = name if home is None else f"kit.{home}{dot}{further}"
    return any(name == room or name.startswith(f"{room}.") for room in (*ROOMS, *beside))


def _public_names() -> dict[str, str]:
    """Returns public name -> module within the package, for `import kit`."""
    import kit

    return kit._HOME_OF | kit._MODULES


def copy_beside(folder: Path) -> None:
    """Copies what a contained process may have of the package to `folder`/kit, which is made.

    Bytecode that Python has written comes along, and saves each process a tenth of a second of compiling.
    """
    package = Path(__file__).resolve().parents[1]
    for part in COPIED:
        source = package / part
        for path in sorted(source.rglob("*.py")) if source.is_dir() else [source]:
            target = folder / "kit" / path.relative_to(package)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, target)  # with its time, by which Python tells whether bytecode is that of a source
            bytecode = Path(cache_from_source(path, optimization=""))
            if bytecode.is_file():
                (target.parent / "__pycache__").mkdir(exist_ok=True)
                shutil.copyfile(bytecode, target.parent / "__pycache__" / bytecode.name)


class OnlyTheCopy:
    """Finds modules of the kit in the copy alone, and no data sets; first in `sys.meta_path` of a contained process.

    The kit may be installed a second time, and an editable installation has a finder of its own: either would find what
    was left out. This keeps accidents and habits from it; malice is the sandbox's business.
    """

    @staticmethod
    def find_spec(name: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> ModuleSpec | None:
        """Finds a module of the kit, puts an empty one in the place of data sets, and leaves others to other finders.

        Raises:
            ModuleNotFoundError: a module of the kit was not copied.
        """
        if _has_data_sets(name):
            return ModuleSpec(name, _InTheirPlace(), is_package=True)
        if not name.startswith("kit."):
            return None
        specification = PathFinder.find_spec(name, path, target)
        if specification is None:
            raise ModuleNotFoundError(
                f"There is no '{name}' beside a submission. Expected {' or '.join(ROOMS)}, which is what a submission "
                "may use of the kit (RULES.md). Work with the four arguments.",
                name=name,
            )
        return specification


class NoDataSets(ModuleType):
    """Stands where a library has its data sets, and refuses whatever is asked of it.

    Example:
        >>> NoDataSets("sklearn.datasets").load_digits()  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        ModuleNotFoundError: There is no 'sklearn.datasets.load_digits' beside a submission. Expected a function that...
    """

    def __init__(self, name: str) -> None:
        """Makes a package of this name, in which every module is found and refuses in turn."""
        super().__init__(name)
        self.__path__ = []

    def __getattr__(self, name: str) -> object:
        """Raises ModuleNotFoundError, and AttributeError for what Python itself looks for in every module."""
        if name.startswith("__"):
            raise AttributeError(name)
        raise ModuleNotFoundError(
            f"There is no '{self.__name__}.{name}' beside a submission. Expected a function that works with its four "
            "arguments: published data hold the examples that it is scored with (RULES.md). Leave it out.",
            name=self.__name__,
        )


class _InTheirPlace(Loader):
    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return NoDataSets(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        pass


def hide_data_sets(modules: MutableMapping[str, ModuleType]) -> None:
    """Puts `NoDataSets` in the place of those that have been imported already: Keras imports its own.

    Args:
        modules: those of a process, by name: `sys.modules`.
    """
    for name in [name for name in modules if _has_data_sets(name)]:
        modules[name] = NoDataSets(name)
        parent, _, last = name.rpartition(".")
        if parent in modules:
            setattr(modules[parent], last, modules[name])


def _has_data_sets(name: str) -> bool:
    if not any(name == module or name.startswith(f"{module}.") for module in (*DATA_SETS, *_ALIASES, *PACKAGES)):
        return False
    package = name.partition(".")[0]
    if package not in PACKAGES:
        return True
    specification = PathFinder.find_spec(package)  # a helper that lies beside a submission may have the same name
    return specification is None or "-packages" in (specification.origin or "")
