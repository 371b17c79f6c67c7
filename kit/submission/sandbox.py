"""bubblewrap: a contained process without network, home folder or sight of other processes, on a read-only system."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

import kit
from kit.storage import files
from kit.submission import confinement
from kit.types import InputError

# Of a private /tmp and a private /dev/shm: what lies there belongs to no process, and is not counted as its memory.
MEMORY_FOLDER_BYTES = 1 << 30
# Where packages lie within an environment: of virtual ones, of Debian's Python, and in conda's store.
_PACKAGES = (
    "lib/python3*/*-packages",
    "local/lib/python3*/*-packages",
    "lib/python3/dist-packages",
    "lib64/python3*/site-packages",
    "pkgs/*/lib/python3*/site-packages",
    "envs/*/lib/python3*/site-packages",
)
# Of the libraries that the kit takes data from, or offers to, the only one that brings them along.
_DATA_SETS = (
    "sklearn/datasets/data",
    "sklearn/datasets/descr",
    "sklearn/datasets/images",
    "sklearn/datasets/tests",
)


def sandbox_problem() -> str:
    """Returns why `sandbox=True` cannot work on this machine, with the remedy; empty text where it can."""
    if sys.platform != "linux":
        return f"bubblewrap needs Linux, and this is {sys.platform}. Use a Linux machine or container."
    if shutil.which("bwrap") is None:
        return "bubblewrap is not installed. Install it, for instance with 'sudo apt-get install bubblewrap'."
    if unhideable := _unhideable():
        return unhideable
    with tempfile.TemporaryDirectory() as folder:
        for name in ("given", "work", "home"):
            (Path(folder) / name).mkdir()
        trial = subprocess.run(
            [sys.executable, "-P", confinement.__file__, *command(Path(folder))],
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
    if trial.returncode == 0:
        return ""
    reason = (trial.stderr.strip().splitlines() or [f"exit code {trial.returncode}"])[0]
    return (
        f"bubblewrap cannot start here ({reason}): the kernel or the container forbids new namespaces. Allow them, for "
        "instance with 'sudo sysctl kernel.unprivileged_userns_clone=1' and, on Ubuntu, 'sudo sysctl "
        "kernel.apparmor_restrict_unprivileged_userns=0', "
        "or in Docker with '--security-opt seccomp=unconfined --security-opt apparmor=unconfined'."
    )


def refusal(problem: str) -> InputError:
    """Returns the error that a sandbox was asked for and is not possible, for which `problem` gives the reason."""
    return InputError(
        f"--sandbox is not possible: {problem} Expected bubblewrap, because a run without it would not be what was "
        "asked for. Run only files that you trust with --no-sandbox."
    )


def require_sandbox() -> None:
    """Checks that bubblewrap works here.

    Raises:
        InputError: it does not; the message says what to do.
    """
    problem = sandbox_problem()
    if problem:
        raise refusal(problem)


def command(folder: Path) -> list[str]:
    """Returns bubblewrap with the options of a run's sandbox; what is not listed is not there.

    Args:
        folder: of the contained process, with `given` to read, `work` and `home` to write to.
    """
    options = ["--unshare-all", "--die-with-parent", "--new-session", "--cap-drop", "ALL", "--hostname", "contained"]
    options += ["--proc", "/proc", "--dev", "/dev", *_memory_folder("/dev/shm"), *_memory_folder("/tmp")]  # noqa: S108
    for path in ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64"):
        if os.path.islink(path):
            options += ["--symlink", os.readlink(path), path]
        elif os.path.isdir(path):
            options += ["--ro-bind", path, path]
    for path in ("/etc/ld.so.cache", "/etc/localtime", "/etc/alternatives"):
        options += ["--ro-bind-try", path, path]
    for device in sorted(Path("/dev").glob("nvidia*")):
        options += ["--dev-bind-try", str(device), str(device)]
    prefixes = sorted({Path(sys.prefix), Path(sys.base_prefix), Path(sys.executable).resolve().parents[1]})
    for prefix in prefixes:
        if not prefix.is_relative_to("/usr"):
            options += ["--ro-bind", str(prefix), str(prefix)]
    for hidden in masked([Path("/usr"), *prefixes]):
        options += ["--tmpfs", str(hidden), "--remount-ro", str(hidden)]
    options += ["--ro-bind", f"{folder}/given", f"{folder}/given"]
    for name in ("work", "home"):
        options += ["--bind", f"{folder}/{name}", f"{folder}/{name}"]
    return ["bwrap", *options, "--chdir", f"{folder}/work"]


def _memory_folder(path: str) -> list[str]:
    """Returns options for a private folder that lies in memory, whose size is limited."""
    return ["--size", str(MEMORY_FOLDER_BYTES), "--tmpfs", path]


def masked(visible: Iterable[Path]) -> list[Path]:
    """Returns the folders in visible ones that are put out of sight: the data sets of libraries, and all of the kit's.

    Args:
        visible: folders that a sandboxed process sees, by the names that they have there: one may be a link.

    A library's data sets are looked for in every environment there, because a file can be opened without its library.
    """
    hidden: set[Path] = set()
    for root in visible:
        real = root.resolve()
        inside = [path for path in _kept_secret() if path.is_relative_to(real)]
        inside += [path for packages in _PACKAGES for name in _DATA_SETS for path in real.glob(f"{packages}/{name}")]
        hidden.update(root / path.relative_to(real) for path in inside if path.is_dir())
    return sorted(hidden)


def _kept_secret() -> list[Path]:
    own = [Path(kit.__file__).parent, files.data_folder(), files.cache_folder(), *_of_libraries()]
    return [path.resolve() for path in own]


def _unhideable() -> str:
    """Returns why a folder cannot be put out of sight; empty text where all can."""
    needed = [Path(folder).resolve() for folder in (sys.prefix, sys.base_prefix, os.path.dirname(os.__file__))]
    for path in _kept_secret():
        if any(folder.is_relative_to(path) for folder in needed):
            return (
                f"'{path}' must be hidden from submissions, but Python itself is installed there. Set KIT_HOME, "
                "KERAS_HOME and SCIKIT_LEARN_DATA to folders of their own."
            )
    return ""


def _of_libraries() -> list[Path]:
    """Returns the caches of data sets that libraries keep, where the environment may have put them."""
    home = Path(os.path.expanduser("~"))
    keras_home = Path(os.environ.get("KERAS_HOME") or home / ".keras")
    sklearn_home = Path(os.environ.get("SCIKIT_LEARN_DATA") or home / "scikit_learn_data")
    return [keras_home / "datasets", sklearn_home]
