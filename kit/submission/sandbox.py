"""bubblewrap: a contained process without network, home folder or sight of other processes, on a read-only system."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import kit
from kit.types import InputError


def sandbox_problem() -> str:
    """Returns why `sandbox=True` cannot work on this machine, with the remedy; empty text where it can."""
    if sys.platform != "linux":
        return f"bubblewrap needs Linux, and this is {sys.platform}. Use a Linux machine or container."
    if shutil.which("bwrap") is None:
        return "bubblewrap is not installed. Install it, for instance with 'sudo apt-get install bubblewrap'."
    with tempfile.TemporaryDirectory() as folder:
        for name in ("given", "work", "home"):
            (Path(folder) / name).mkdir()
        trial = subprocess.run(
            [*command_prefix(Path(folder)), "true"], capture_output=True, text=True, timeout=30, check=False
        )
    if trial.returncode == 0:
        return ""
    reason = (trial.stderr.strip().splitlines() or [f"exit code {trial.returncode}"])[-1]
    return (
        f"bubblewrap cannot start here ({reason}): the kernel or the container forbids new namespaces. Allow them, for "
        "instance with 'sudo sysctl kernel.unprivileged_userns_clone=1' and, on Ubuntu, 'sudo sysctl "
        "kernel.apparmor_restrict_unprivileged_userns=0', "
        "or in Docker with '--security-opt seccomp=unconfined --security-opt apparmor=unconfined'."
    )


def require_sandbox() -> None:
    """Checks that bubblewrap works here.

    Raises:
        InputError: it does not; the message says what to do.
    """
    problem = sandbox_problem()
    if problem:
        raise InputError(
            f"--sandbox is not possible: {problem} Expected bubblewrap, because a run without it would not be what was "
            "asked for. Without --sandbox, run only files that you trust."
        )


def command_prefix(folder: Path) -> list[str]:
    """Returns the start of a command that runs the rest of it in a sandbox; what is not listed is not there."""
    options = ["--unshare-all", "--die-with-parent", "--new-session", "--cap-drop", "ALL", "--hostname", "contained"]
    options += ["--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp"]  # noqa: S108 (a private one)
    for path in ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64"):
        if os.path.islink(path):
            options += ["--symlink", os.readlink(path), path]
        elif os.path.isdir(path):
            options += ["--ro-bind", path, path]
    for path in ("/etc/ld.so.cache", "/etc/localtime", "/etc/alternatives"):
        options += ["--ro-bind-try", path, path]
    for device in sorted(Path("/dev").glob("nvidia*")):
        options += ["--dev-bind-try", str(device), str(device)]
    prefixes = {sys.prefix, sys.base_prefix, str(Path(sys.executable).resolve().parents[1])}
    for path in sorted(prefixes):
        if not Path(path).is_relative_to("/usr"):
            options += ["--ro-bind", path, path]
    installed = Path(kit.__file__).resolve().parent
    if any(installed.is_relative_to(path) for path in (*prefixes, "/usr")):
        options += ["--tmpfs", str(installed)]  # the kit's own copy, shipped weights and oracles included
    options += ["--ro-bind", f"{folder}/given", f"{folder}/given"]
    for name in ("work", "home"):
        options += ["--bind", f"{folder}/{name}", f"{folder}/{name}"]
    return ["bwrap", *options, "--chdir", f"{folder}/work"]
