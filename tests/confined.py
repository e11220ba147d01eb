"""`python -m tests.confined UNIT COMMAND…`: a command under those confinements of a systemd unit that may break a program and that a process can
put on itself: its system calls, its families of addresses, no memory both writable and executable, its limit of open files, no new privileges.

With libseccomp, as systemd does it, for machines on which systemd does not run. Namespaces, mounts and users are left out.
"""

import ctypes
import errno
import os
import resource
import socket
import subprocess
import sys
from mmap import PROT_EXEC, PROT_WRITE
from pathlib import Path
from typing import Final

ALLOW: Final = 0x7FFF0000
REFUSE: Final = 0x00050000 | errno.EPERM
EQUAL: Final = 4
MASKED_EQUAL: Final = 7
"""Of libseccomp's header, seccomp.h."""

SOFT_LIMIT: Final = 1024
"""Of open files, as a program finds it under systemd; it may raise it to the hard one."""

NEEDED: Final = {"socket", "mmap", "mprotect", "pkey_mprotect"}
"""System calls that are allowed by what they are called with."""


class Argument(ctypes.Structure):
    """Of a system call: `struct scmp_arg_cmp`."""

    _fields_ = (
        ("place", ctypes.c_uint),
        ("how", ctypes.c_int),
        ("one", ctypes.c_uint64),
        ("other", ctypes.c_uint64),
    )


def settings(unit: Path) -> dict[str, list[str]]:
    """A unit's settings, each with all values that it is given, in their order."""
    found: dict[str, list[str]] = {}
    for line in unit.read_text().splitlines():
        name, assigned, value = line.partition("=")
        if assigned and not line.startswith(("#", ";")):
            found.setdefault(name, []).append(value)
    return found


def system_calls(filters: list[str]) -> set[str]:
    """What a unit's `SystemCallFilter` allows, with systemd's own groups."""
    allowed: set[str] = set()
    for each in filters:
        names = {call for word in each.removeprefix("~").split() for call in members(word)}
        allowed = allowed - names if each.startswith("~") else allowed | names
    return allowed


def members(word: str) -> set[str]:
    """A system call, or those of a group and of the groups in it."""
    if not word.startswith("@"):
        return {word}
    told = subprocess.run(
        ["systemd-analyze", "--no-pager", "syscall-filter", word], capture_output=True, text=True, check=True
    )
    lines = [line.strip() for line in told.stdout.splitlines()[1:]]
    return {call for line in lines if line and not line.startswith("#") for call in members(line)}


def confine(unit: dict[str, list[str]]) -> None:
    """Put on this process, and on what it becomes, what the unit puts on."""
    _, granted = resource.getrlimit(resource.RLIMIT_NOFILE)
    files = min(int(unit["LimitNOFILE"][-1]), granted)
    resource.setrlimit(resource.RLIMIT_NOFILE, (SOFT_LIMIT, files))
    library = ctypes.CDLL("libseccomp.so.2", use_errno=True)
    library.seccomp_init.restype = ctypes.c_void_p
    rules = ctypes.c_void_p(library.seccomp_init(REFUSE))

    def allow(call: str, *arguments: Argument) -> None:
        number = library.seccomp_syscall_resolve_name(call.encode())
        if number < 0:
            return  # not of this processor
        given = (Argument * len(arguments))(*arguments)
        failed = library.seccomp_rule_add_array(
            rules, ctypes.c_uint32(ALLOW), number, ctypes.c_uint(len(arguments)), given
        )
        assert not failed, (call, failed)

    for call in sorted(system_calls(unit["SystemCallFilter"]) - NEEDED):
        allow(call)
    for family in unit["RestrictAddressFamilies"][-1].split():
        allow("socket", Argument(0, EQUAL, getattr(socket, family), 0))
    assert unit["MemoryDenyWriteExecute"] == ["yes"]
    for protection in (0, PROT_WRITE, PROT_EXEC):
        allow("mmap", Argument(2, MASKED_EQUAL, PROT_WRITE | PROT_EXEC, protection))
    for call in ("mprotect", "pkey_mprotect"):
        allow(call, Argument(2, MASKED_EQUAL, PROT_EXEC, 0))
    # It sets no_new_privs too.
    assert library.seccomp_load(rules) == 0


if __name__ == "__main__":
    confine(settings(Path(sys.argv[1])))
    os.execv(sys.argv[2], sys.argv[2:])
