"""The system call filter of every command, as a classic BPF program made here: no libseccomp is needed.

Called by bubblewrap.py. It allows by default (compilers and test suites use nearly everything) and refuses what reaches
the kernel's riskier parts or other processes; the cases of tests/attacks say which. Numbers: the kernel's tables.
"""

import errno
import platform
import struct
from dataclasses import dataclass, field

from bot.core.errors import Infrastructure

_LOAD, _JEQ, _JGE, _JSET, _AND, _RET = 0x20, 0x15, 0x35, 0x45, 0x54, 0x06
_ALLOW, _KILL, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
_NR, _ARCH = 0, 4
_X32_BIT = 0x40000000
NEW_NAMESPACES = 0x7E020000
SET_ID_BITS = 0o6000
FAMILIES = (1, 2, 10, 16)  # AF_UNIX, AF_INET, AF_INET6, AF_NETLINK
TERMINAL_REQUESTS = (0x5412, 0x541C, 0x5423)  # TIOCSTI, TIOCLINUX, TIOCSETD
PERSONALITIES = (0, 0xFFFFFFFF)  # plain Linux, and "tell me"

# The same on every architecture: pidfd_getfd, io_uring x3, the new mount calls, quotactl_fd, statmount, listmount.
_EVERYWHERE = (438, 425, 426, 427, 428, 429, 430, 431, 432, 433, 442, 467, 443, 457, 458)
_CLONE3, _FCHMODAT2 = 435, 452


@dataclass(frozen=True, slots=True)
class Machine:
    """One architecture: its audit number, the calls refused outright, and those judged by an argument."""

    audit: int
    refused: tuple[int, ...]
    clone: int
    sockets: tuple[int, ...]
    ioctl: int
    personality: int
    memfd_create: int
    modes: dict[int, int] = field(default_factory=dict)  # a chmod call -> which argument is the mode
    has_x32: bool = False


# ptrace, process_vm_readv/writev, bpf, perf_event_open, userfaultfd, add_key, request_key, keyctl, mount, umount2,
# pivot_root, unshare, setns, chroot, name_to/open_by_handle_at, init/finit/delete_module, kexec x2, swapon/off, reboot,
# settimeofday, clock_settime, clock_adjtime, adjtimex, acct, quotactl, syslog, sethostname, setdomainname,
# lookup_dcookie, nfsservctl, vhangup, kcmp, fanotify_init, move_pages, migrate_pages; on x86-64 also iopl, ioperm,
# modify_ldt, uselib, _sysctl, sysfs, ustat.
MACHINES = {
    "x86_64": Machine(
        audit=0xC000003E,
        refused=(
            *(
                101,
                310,
                311,
                321,
                298,
                323,
                248,
                249,
                250,
                165,
                166,
                155,
                272,
                308,
                161,
                303,
                304,
                175,
                313,
                176,
                246,
                320,
            ),
            *(167, 168, 169, 164, 227, 305, 159, 163, 179, 103, 170, 171, 212, 180, 153, 312, 300, 279, 256),
            *(172, 173, 154, 134, 156, 139, 136),
        ),
        clone=56,
        sockets=(41, 53),
        ioctl=16,
        personality=135,
        memfd_create=319,
        modes={90: 1, 91: 1, 268: 2, _FCHMODAT2: 2},
        has_x32=True,
    ),
    "aarch64": Machine(
        audit=0xC00000B7,
        refused=(
            *(117, 270, 271, 280, 241, 282, 217, 218, 219, 40, 39, 41, 97, 268, 51, 264, 265, 105, 273, 106, 104, 294),
            *(224, 225, 142, 170, 112, 266, 171, 89, 60, 116, 161, 162, 18, 42, 58, 272, 262, 239, 238),
        ),
        clone=220,
        sockets=(198, 199),
        ioctl=29,
        personality=92,
        memfd_create=279,
        modes={52: 1, 53: 2, _FCHMODAT2: 2},
    ),
}


def program(*, allow_memfd: bool = True, machine: str = "") -> bytes:
    """The filter for `machine` (default: this one) as bwrap's --seccomp reads it; Infrastructure for others.

    Without a memory cgroup `allow_memfd` must be False: memory of a memfd escapes every rlimit (SANDBOX.md, limits).
    """
    name = machine or platform.machine()
    if name not in MACHINES:
        raise Infrastructure(f"The sandbox has no system call filter for {name}: run Fettle on x86_64 or aarch64.")
    table = MACHINES[name]
    rules = [_op(_LOAD, _ARCH), _op(_JEQ, table.audit, 1, 0), _op(_RET, _KILL), _op(_LOAD, _NR)]
    if table.has_x32:
        rules += [_op(_JGE, _X32_BIT, 0, 1), _refuse(errno.ENOSYS)]
    rules += _when(_CLONE3, [_refuse(errno.ENOSYS)])
    refused = (*table.refused, *_EVERYWHERE, *(() if allow_memfd else (table.memfd_create,)))
    for number in refused:
        rules += _when(number, [_refuse(errno.EPERM)])
    rules += _by_argument(table)
    rules.append(_op(_RET, _ALLOW))
    return b"".join(rules)


def _by_argument(table: Machine) -> list[bytes]:
    rules = _when(table.clone, _refuse_bits(0, NEW_NAMESPACES))
    for number, argument in table.modes.items():
        rules += _when(number, _refuse_bits(argument, SET_ID_BITS))
    for number in table.sockets:
        rules += _when(number, _only(0, FAMILIES, errno.EAFNOSUPPORT))
    rules += _when(table.personality, _only(0, PERSONALITIES, errno.EPERM))
    # The kernel reads a request as 32 bits: the same 32 are judged, whatever the upper half says (CVE-2019-10063).
    rules += _when(table.ioctl, _never(1, TERMINAL_REQUESTS, errno.EPERM))
    return rules


def _op(code: int, value: int, true: int = 0, false: int = 0) -> bytes:
    return struct.pack("=HBBI", code, true, false, value)


def _refuse(code: int) -> bytes:
    return _op(_RET, _ERRNO | code)


def _when(number: int, body: list[bytes]) -> list[bytes]:
    """`body` for this call number; it must end in a return on every path."""
    return [_op(_JEQ, number, 0, len(body)), *body]


def _low_half(argument: int) -> bytes:
    return _op(_LOAD, 16 + 8 * argument)


def _refuse_bits(argument: int, bits: int) -> list[bytes]:
    return [_low_half(argument), _op(_JSET, bits, 0, 1), _refuse(errno.EPERM), _op(_RET, _ALLOW)]


def _only(argument: int, values: tuple[int, ...], code: int) -> list[bytes]:
    tests = [_op(_JEQ, value, len(values) - index, 0) for index, value in enumerate(values)]
    return [_low_half(argument), *tests, _refuse(code), _op(_RET, _ALLOW)]


def _never(argument: int, values: tuple[int, ...], code: int) -> list[bytes]:
    tests = [_op(_JEQ, value, len(values) - index, 0) for index, value in enumerate(values)]
    return [_low_half(argument), *tests, _op(_RET, _ALLOW), _refuse(code)]
