"""What the kernel denies to one run of a submission: other namespaces, privileges, and state that outlives a process.

The standard library only, and Linux only: it runs in a process that was forked a moment ago. The namespaces are those
of a sandbox that bubblewrap has made for this run alone (`kit.submission.sandbox`).
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import json
import os
import platform
import resource
import struct
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

# In this order: with the last one, the right to enter the others is gone.
_NAMESPACES = ("ipc", "uts", "net", "pid", "mnt", "user")
_NS_GET_USERNS = 0xB701
_PR_SET_SECCOMP, _PR_CAPBSET_DROP, _PR_SET_NO_NEW_PRIVS = 22, 24, 38
_SECCOMP_MODE_FILTER = 2
_CAPABILITY_VERSION = 0x20080522
_MOST_DESCRIPTORS = 4096
_MOST_CAPABILITIES = 64

# Architecture as the kernel's audit names it, and the numbers of what is denied: memory that belongs to no process and
# would not be counted (memfd, System V), messages and keys that stay when a process ends, mounts and new namespaces.
_DENIED: dict[str, tuple[int, tuple[int, ...]]] = {
    "x86_64": (0xC000003E, (29, 64, 68, 165, 240, 248, 249, 250, 272, 308, 319, 323)),
    "aarch64": (0xC00000B7, (40, 97, 180, 186, 190, 194, 217, 218, 219, 268, 279, 282)),
}
# The same on all architectures: io_uring, the newer mounts, clone3 (whose flags no filter can read), memfd_secret.
_DENIED_EVERYWHERE = (425, 428, 429, 430, 431, 432, 433, 435, 447)
_CLONE = {"x86_64": 56, "aarch64": 220}
_NEW_NAMESPACES = 0x7E020000
_ENOSYS = 38


class Sandbox:
    """A sandbox of bubblewrap for one run, held open by a program that does nothing; processes enter it."""

    def __init__(self, command: Sequence[str]) -> None:
        """Makes it, which takes a hundredth of a second.

        Args:
            command: bubblewrap with its options, without a program.

        Raises:
            OSError: it cannot be made; bubblewrap has said why on the error output.
        """
        reading, writing = os.pipe()
        with os.fdopen(reading, "rb") as information:
            self._holder = subprocess.Popen(
                [command[0], "--info-fd", str(writing), *command[1:], "/bin/cat"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                pass_fds=[writing],
            )
            os.close(writing)
            assert self._holder.stdin is not None and self._holder.stdout is not None  # noqa: PT018 (pipes above)
            try:
                self._holder.stdin.write(b"\n")
                self._holder.stdin.flush()
                if self._holder.stdout.readline() != b"\n":  # said when all mounts are in place
                    raise BrokenPipeError
                self.init = int(json.load(information)["child-pid"])
                self.program = int(Path(f"/proc/{self.init}/task/{self.init}/children").read_text().split()[0])
            except (OSError, ValueError, KeyError, IndexError) as error:
                self.close()
                raise OSError("bubblewrap could not make a sandbox") from error

    def close(self) -> int:
        """Ends it with all processes that are left in it, and waits for them; returns the exit code of bubblewrap."""
        assert self._holder.stdin is not None and self._holder.stdout is not None  # noqa: PT018 (pipes above)
        with contextlib.suppress(OSError):
            self._holder.stdin.close()
        self._holder.stdout.close()
        code = self._holder.wait()
        with contextlib.suppress(ChildProcessError):  # it leaves the first process within to whoever adopts it
            while os.waitpid(-1, 0):
                pass
        return code

    def enter(self) -> None:
        """Takes this process, which must have one thread, into the sandbox; of processes, its children alone.

        Raises:
            OSError: the kernel refuses.
        """
        spaces = {name: os.open(f"/proc/{self.init}/ns/{name}", os.O_RDONLY | os.O_CLOEXEC) for name in _NAMESPACES}
        # Whoever owns the mounts may change them; bubblewrap itself may have moved on from there.
        owner, present = fcntl.ioctl(spaces["mnt"], _NS_GET_USERNS), os.stat("/proc/self/ns/user").st_ino
        for space in (owner, *spaces.values()):
            if os.fstat(space).st_ino != present:
                _checked(ctypes.CDLL(None, use_errno=True).setns(space, 0), "setns")
            if space == owner:
                present = os.fstat(space).st_ino
        for space in (owner, *spaces.values()):
            os.close(space)


def _checked(result: int, call: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{call}: {os.strerror(number)}")


def _prctl(option: int, *arguments: int) -> int:
    padded = [ctypes.c_ulong(argument) for argument in (*arguments, 0, 0, 0, 0)[:4]]
    result: int = ctypes.CDLL(None, use_errno=True).prctl(option, *padded)
    return result


def give_up_privileges() -> None:
    """Takes all capabilities from this process and what it will start, for good."""
    for capability in range(_MOST_CAPABILITIES):
        _prctl(_PR_CAPBSET_DROP, capability)  # of those that there are
    header = ctypes.create_string_buffer(struct.pack("Ii", _CAPABILITY_VERSION, 0))
    none = ctypes.create_string_buffer(struct.pack("6I", *[0] * 6))
    _checked(ctypes.CDLL(None, use_errno=True).capset(header, none), "capset")


def deny_lasting_state() -> None:
    """Denies calls of the kernel that leave something behind or hide memory, to this process and what it will start.

    They fail as on a kernel that does not have them. On other architectures than those of 64-bit Intel, AMD and ARM,
    nothing is denied.
    """
    _checked(_prctl(_PR_SET_NO_NEW_PRIVS, 1), "prctl")
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = _MOST_DESCRIPTORS if most == resource.RLIM_INFINITY else min(most, _MOST_DESCRIPTORS)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    program = _filter(platform.machine())
    if program:
        code = ctypes.create_string_buffer(b"".join(program), 8 * len(program))
        pointer = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(program), ctypes.addressof(code)))
        _checked(_prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.addressof(pointer)), "seccomp")


def _filter(machine: str) -> list[bytes]:
    """Returns the instructions of a filter of system calls, empty for an unknown machine.

    They look at a `seccomp_data`: the number at 0, the architecture at 4, the arguments from 16 on.
    """
    if machine not in _DENIED:
        return []
    architecture, numbers = _DENIED[machine]
    load, equal, at_least, any_bit, answer = 0x20, 0x15, 0x35, 0x45, 0x06
    allowed, denied = 0x7FFF0000, 0x00050000 | _ENOSYS
    numbers = (*numbers, *_DENIED_EVERYWHERE)

    def instruction(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
        return struct.pack("HBBI", code, if_true, if_false, value)

    to_denial = len(numbers) + 6  # instructions between the second one and the last
    return [
        instruction(load, 4),
        instruction(equal, architecture, 0, to_denial),
        instruction(load, 0),
        instruction(at_least, 0x40000000, to_denial - 2),  # calls of 32 bits on 64
        *(instruction(equal, number, to_denial - 3 - place) for place, number in enumerate(numbers)),
        instruction(equal, _CLONE[machine], 0, 2),
        instruction(load, 16),
        instruction(any_bit, _NEW_NAMESPACES, 1),
        instruction(answer, allowed),
        instruction(answer, denied),
    ]


def main() -> None:
    """Tries a sandbox, whose command is given by the arguments, as a run would use it; says why if that fails."""
    try:
        sandbox = Sandbox(sys.argv[1:])
        sandbox.enter()
        process = os.fork()
        if process == 0:
            give_up_privileges()
            deny_lasting_state()
            os._exit(0)
        os._exit(os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]))
    except OSError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
