"""Section A of the attacks: untrusted code against the sandbox, one test a case, numbered as there.

Each runs real attack code inside. A machine that cannot hold a sandbox skips loudly; nothing passes untried.
"""

import asyncio
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bot.core.errors import Infrastructure, UserError
from bot.sandbox import cgroup, seccomp
from bot.sandbox.bubblewrap import Bubblewrap
from bot.sandbox.doctor import interpreter
from bot.sandbox.protocol import MIB, ChangeKind, Limits, Network, Reason, Result

SECRET = "sbx-canary-5f0c"
X86 = pytest.mark.skipif(os.uname().machine != "x86_64", reason="THE CALL NUMBERS OF THIS CASE ARE THOSE OF x86_64")
PREAMBLE = """
import ctypes, errno, json, os, socket, struct, sys
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
def name(code): return errno.errorcode.get(code, str(code))
def call(*words):
    ctypes.set_errno(0)
    result = libc.syscall(*words)
    return name(ctypes.get_errno()) if result < 0 else "OK"
def tried(function, *words):
    try: return repr(function(*words))
    except OSError as error: return name(error.errno) if error.errno else repr(error)
def say(value): print(json.dumps(value))
"""


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Bubblewrap:
    made = Bubblewrap(tmp_path_factory.mktemp("state"))
    report = asyncio.run(made.doctor())
    if not report.ok:
        pytest.skip(f"THIS MACHINE CANNOT HOLD A SANDBOX: {[probe for probe in report.probes if not probe.ok]}")
    return made


@pytest.fixture
def base(tmp_path: Path) -> Path:
    (tmp_path / "base").mkdir()
    (tmp_path / "base" / "file").write_text("base\n")
    return tmp_path / "base"


@pytest.fixture
def capped(sandbox: Bubblewrap) -> Bubblewrap:
    if not sandbox.cgroups:
        pytest.skip("NO CONTROL GROUP CAN BE WRITTEN HERE: REAL CAPS ARE NOT TRIED")
    return sandbox


class Inside:
    """Runs attack code in a Session."""

    def __init__(self, sandbox: Bubblewrap, base: Path) -> None:
        self.sandbox, self.base = sandbox, base
        self.python, self.mounts = interpreter()

    async def result(self, code: str, limits: Limits | None = None, timeout: float = 20) -> Result:
        async with await self.sandbox.open(self.base, limits=limits, mounts=self.mounts) as session:
            argv = [self.python, "-I", "-S", "-c", PREAMBLE + code]
            return await session.run(argv, timeout=timeout)

    async def __call__(self, code: str) -> Any:
        """What the code said, as JSON."""
        result = await self.result(code)
        assert result.ok, (result.reason, result.detail, result.stderr.text)
        return json.loads(result.stdout.text)


@pytest.fixture
def inside(sandbox: Bubblewrap, base: Path) -> Inside:
    return Inside(sandbox, base)


@pytest.fixture(autouse=True)
def nothing_is_left(sandbox: Bubblewrap) -> Iterator[None]:
    """After every case: no further child of this process, no control group of ours."""
    before = children(os.getpid())  # servers that other tests of this process keep, such as a Valkey
    yield
    if sandbox.cgroups:
        left = [path.name for path in sandbox.cgroups.pids.glob(f"fettle-{os.getpid()}-*")]
        assert left == []
    assert [pid for pid in children(os.getpid()) if pid not in before] == []


def children(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


# --- what can be seen


async def test_a01_host_files(inside: Inside) -> None:
    paths = ["/root/.bashrc", "/etc/shadow", "/etc/hostname", "/var/lib", "/sys/class", str(Path(__file__))]
    assert await inside(f"say([path for path in {paths} if os.path.exists(path)])") == []


async def test_a02_the_workers_environment(inside: Inside, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SBX_SECRET", SECRET)
    code = """
found = b""
for pid in filter(str.isdigit, os.listdir("/proc")):
    found += open(f"/proc/{pid}/environ", "rb").read()
say(found.decode())
"""
    said = await inside(code)
    assert SECRET not in said
    assert "PATH=" in said


async def test_a03_secrets_and_host_paths_in_argv(inside: Inside) -> None:
    async with await inside.sandbox.open(inside.base) as session:
        result = await session.run(["cat", "/proc/1/cmdline"], env={"SBX_SECRET": SECRET})

    assert result.ok
    assert SECRET not in result.stdout.text
    assert str(inside.sandbox.hold) not in result.stdout.text


# --- other processes


async def test_a04_ptrace_of_init(inside: Inside) -> None:
    assert await inside("libc.ptrace(16, 1, 0, 0); say(name(ctypes.get_errno()))") == "EPERM"


@X86
async def test_a05_reading_another_process(inside: Inside) -> None:
    code = "say([call(310, 1, 0, 0, 0, 0, 0), call(311, 1, 0, 0, 0, 0, 0), call(438, os.pidfd_open(1), 0, 0)])"
    assert await inside(code) == ["EPERM"] * 3


# --- devices and mounts


async def test_a06_devices(inside: Inside) -> None:
    listed, made = await inside("say([os.listdir('/dev'), tried(os.mknod, 'disk', 0o60600, os.makedev(254, 0))])")
    harmless = {"core", "fd", "full", "null", "ptmx", "pts", "random", "shm", "stderr", "stdin", "stdout"}
    assert set(listed) <= harmless | {"tty", "urandom", "zero", "console"}
    assert made == "EPERM"


@X86
async def test_a07_mounts(inside: Inside) -> None:
    code = "say([call(n, b'/', b'/', b'tmpfs', 0, 0) for n in (165, 166, 155, 428, 429, 430, 431, 432, 433, 442)])"
    assert set(await inside(code)) == {"EPERM"}


# --- privileges


@X86
async def test_a08_nested_user_namespaces(inside: Inside) -> None:
    flags = (0x10000000, 0x20000, 0x40000000, 0x20000000)
    code = f"say([[call(272, f), call(56, f | 17, 0, 0, 0, 0)] for f in {flags}] + [call(435, 0, 0), call(308, 0, 0)])"
    *pairs, clone3, setns = await inside(code)
    assert pairs == [["EPERM", "EPERM"]] * 4
    assert (clone3, setns) == ("ENOSYS", "EPERM")


async def test_a09_set_id_files(inside: Inside) -> None:
    code = """
modes = [tried(os.chmod, "file", mode) for mode in (0o4755, 0o2755, 0o6777)]
status = open("/proc/self/status").read()
say([modes, "NoNewPrivs:\\t1" in status, tried(os.setuid, 0)])
"""
    assert await inside(code) == [["EPERM"] * 3, True, "EINVAL"]


async def test_a10_keystrokes_into_a_terminal(inside: Inside) -> None:
    code = """
import pty
master, slave = pty.openpty()
byte = ctypes.create_string_buffer(b"x")
say([call(16, slave, ctypes.c_ulong(request), byte) for request in (0x5412, 0x100005412, 0x541C, 0x5423)])
"""
    if os.uname().machine != "x86_64":
        code = code.replace("call(16", "call(29")
    assert await inside(code) == ["EPERM"] * 4


# --- network


async def test_a11_abstract_sockets_of_the_host(inside: Inside) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"\0{SECRET}")
        listener.listen()
        code = f"say(tried(socket.socket(socket.AF_UNIX).connect, '\\0{SECRET}'))"
        assert await inside(code) == "ECONNREFUSED"


async def test_a12_sockets_of_the_host_by_path(inside: Inside, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "s"))
        listener.listen()
        paths = [str(tmp_path / "s"), "/var/run/docker.sock", "/run/docker.sock", "/run/dbus/system_bus_socket"]
        code = f"say([tried(socket.socket(socket.AF_UNIX).connect, path) for path in {paths}])"
        assert set(await inside(code)) == {"ENOENT"}


async def test_a13_services_on_the_hosts_loopback(inside: Inside) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        assert await inside(f"say(tried(socket.socket().connect, ('127.0.0.1', {port})))") == "ECONNREFUSED"


async def test_a14_cloud_metadata(inside: Inside) -> None:
    code = """
say([tried(socket.socket().connect, ("169.254.169.254", 80)),
     tried(socket.socket(socket.AF_INET6).connect, ("fd00:ec2::254", 80))])
"""
    assert set(await inside(code)) <= {"ENETUNREACH", "EADDRNOTAVAIL"}


async def test_a15_names_as_a_way_out(inside: Inside) -> None:
    code = """
import encodings.idna
sent = tried(socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto, b"x", ("9.9.9.9", 53))
say([tried(socket.getaddrinfo, "example.org", 80), sent])
"""
    lookup, sent = await inside(code)
    assert "gaierror" in lookup or lookup not in ("", "OK")
    assert sent == "ENETUNREACH"


async def test_a16_other_socket_families(inside: Inside) -> None:
    families = {"VSOCK": 40, "PACKET": 17, "ALG": 38, "TIPC": 30, "BLUETOOTH": 31, "CAN": 29, "XDP": 44, "KEY": 15}
    code = f"say([tried(socket.socket, family, kind) for family in {list(families.values())} for kind in (1, 2, 3)])"
    assert set(await inside(code)) == {"EAFNOSUPPORT"}


@X86
async def test_a17_risky_kernel_calls(inside: Inside) -> None:
    risky = {
        "io_uring": (425, 426, 427),
        "bpf": (321,),
        "perf": (298,),
        "userfaultfd": (323,),
        "keys": (248, 249, 250),
        "handles": (303, 304),
        "modules": (175, 313, 176),
        "kexec": (246, 320),
    }
    numbers = [number for group in risky.values() for number in group]
    assert set(await inside(f"say([call(n, 0, 0, 0, 0, 0) for n in {numbers}])")) == {"EPERM"}
    assert await inside("say(call(0x40000000 + 39))") == "ENOSYS"


# --- writing where nothing may be written


async def test_a18_kernel_settings(inside: Inside) -> None:
    code = """
found = []
for folder, _, names in os.walk("/proc/sys"):
    for name_ in names:
        try: os.close(os.open(os.path.join(folder, name_), os.O_WRONLY)); found.append(os.path.join(folder, name_))
        except OSError: pass
say([found, tried(os.open, "/proc/sysrq-trigger", os.O_WRONLY)])
"""
    settings, sysrq = await inside(code)
    assert settings == []
    assert sysrq in ("EACCES", "EROFS", "ENOENT")


async def test_a19_links_to_the_old_root(inside: Inside, tmp_path: Path) -> None:
    reachable = tmp_path / "reachable"
    reachable.mkdir(mode=0o777)
    reachable.chmod(0o777)
    for name in ("usr", "etc", "tmp", "dev", "proc", "home", "workspace", ".git", "evil"):
        (inside.base / name).symlink_to(f"/oldroot{reachable}/{name}")
    assert await inside("say(os.path.exists('/oldroot'))") is False
    assert list(reachable.iterdir()) == []


async def test_a20_leaked_descriptors(inside: Inside, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text(SECRET)
    fd = os.open(secret, os.O_RDONLY)
    os.set_inheritable(fd, True)
    code = """
held = {}
for fd in filter(lambda fd: int(fd) > 2, os.listdir("/proc/self/fd")):
    held[fd] = tried(os.readlink, f"/proc/self/fd/{fd}")
say([held, tried(os.listdir, "/proc/1/fd"), [tried(os.read, fd, 99) for fd in range(3, 64)]])
"""
    try:
        held, of_init, read = await inside(code)
    finally:
        os.close(fd)
    assert set(held.values()) == {"ENOENT"}  # the listing's own
    assert SECRET not in of_init
    assert set(read) == {"EBADF"}


async def test_a21_writes_outside(inside: Inside, tmp_path: Path) -> None:
    folders = ["/", "/usr", "/usr/bin", "/etc", "/dev", "/proc", str(tmp_path)]
    flags = os.O_WRONLY | os.O_CREAT
    code = f"say([tried(os.open, os.path.join(folder, 'x'), {flags}) for folder in {folders}])"
    assert set(await inside(code)) <= {"EROFS", "EACCES", "ENOENT"}


# --- bombs


async def bomb(sandbox: Bubblewrap, base: Path, code: str, limits: Limits, timeout: float = 15) -> Result:
    began = time.monotonic()
    result = await Inside(sandbox, base).result(code, limits, timeout)
    assert time.monotonic() - began < timeout + 5
    return result


SMALL = Limits(memory_bytes=192 * MIB, pids=48, disk_bytes=16 * MIB, inodes=500, output_bytes=4 * MIB)


@pytest.mark.parametrize(
    "code",
    [
        "while True:\n    try: os.fork()\n    except OSError: pass",
        "import threading, time\nwhile True: threading.Thread(target=time.sleep, args=(9,)).start()",
    ],
    ids=["forks", "threads"],
)
async def test_a22_process_bombs(capped: Bubblewrap, base: Path, code: str) -> None:
    result = await bomb(capped, base, code, SMALL, timeout=1.5)
    assert result.reason in (Reason.PIDS, Reason.TIMEOUT)


async def test_a22_a_process_bomb_that_ends_says_why(capped: Bubblewrap, base: Path) -> None:
    code = "import time\nwhile True:\n    if not os.fork():\n        time.sleep(9)"
    assert (await bomb(capped, base, code, SMALL)).reason is Reason.PIDS


@pytest.mark.parametrize(
    "code",
    [
        "x = [bytearray(1 << 20) for _ in range(1000)]",
        "import mmap\nm = mmap.mmap(-1, 1 << 30)\nfor i in range(0, 1 << 30, 4096): m[i] = 1",
        "fd = os.memfd_create('m')\nfor _ in range(1000): os.write(fd, bytes(1 << 20))",
        "import time\nfor _ in range(8):\n    if not os.fork(): x = bytearray(64 << 20); time.sleep(9)\nos.wait()",
    ],
    ids=["anonymous", "shared", "memfd", "forks"],
)
async def test_a22_memory_bombs(capped: Bubblewrap, base: Path, code: str) -> None:
    result = await bomb(capped, base, code, SMALL)
    assert (result.reason, result.exit) == (Reason.OOM, None)


async def test_a22_inode_bomb(sandbox: Bubblewrap, base: Path) -> None:
    result = await bomb(sandbox, base, "for i in range(10000): open(f'f{i}', 'w').close()", SMALL)
    assert result.reason is Reason.DISK


async def test_a22_disk_bomb(sandbox: Bubblewrap, base: Path) -> None:
    result = await bomb(sandbox, base, "f = open('big', 'wb')\nwhile True: f.write(bytes(1 << 16))", SMALL)
    assert result.reason is Reason.DISK


async def test_a22_cpu_bomb(sandbox: Bubblewrap, base: Path) -> None:
    assert (await bomb(sandbox, base, "while True: pass", SMALL, timeout=0.5)).reason is Reason.TIMEOUT


async def test_a22_output_bomb(sandbox: Bubblewrap, base: Path) -> None:
    result = await bomb(sandbox, base, "while True: os.write(1, bytes(1 << 16))", SMALL)
    assert result.reason is Reason.OUTPUT
    assert len(result.stdout.data) < 2 * MIB


async def test_a22_without_control_groups_memfd_is_refused_and_forks_are_counted(
    sandbox: Bubblewrap, base: Path, tmp_path: Path
) -> None:
    bare = Bubblewrap(tmp_path / "state", uid=64_077 if os.geteuid() == 0 else None)
    await bare.doctor()
    bare.cgroups = None
    code = """
import time
made = 0
try:
    while made < 200:
        if not os.fork(): time.sleep(9); os._exit(0)
        made += 1
except OSError: pass
say([made < 60, tried(os.memfd_create, "m")])
"""
    said = await Inside(bare, base).result(code, SMALL)
    assert json.loads(said.stdout.text) == [True, "EPERM"]
    assert (await Inside(bare, base).result("x = bytearray(300 << 20)", SMALL)).reason is Reason.NONZERO


# --- processes that will not go


async def test_a23_a_daemon_that_holds_the_output(inside: Inside) -> None:
    began = time.monotonic()
    result = await inside.result("if not os.fork():\n    os.setsid()\n    import time; time.sleep(60)")
    assert result.ok
    assert time.monotonic() - began < 3


async def test_a23_signals_ignored_and_stopped(inside: Inside) -> None:
    code = "import signal\nfor n in (1, 2, 15): signal.signal(n, signal.SIG_IGN)\nos.kill(os.getpid(), signal.SIGSTOP)"
    result = await inside.result(code, timeout=0.5)
    assert result.reason is Reason.TIMEOUT
    assert result.seconds < 3


WORKER = """
import asyncio, sys
from pathlib import Path
from bot.sandbox.bubblewrap import Bubblewrap
async def main():
    sandbox = Bubblewrap(Path(sys.argv[1]))
    session = await sandbox.open(Path(sys.argv[2]))
    task = asyncio.create_task(session.run(["/bin/sh", "-c", "sleep 61.75 & sleep 61.75"]))
    await asyncio.sleep(0.3)
    print(session.line.process.pid, flush=True)
    await task
asyncio.run(main())
"""


def test_a23_a_killed_worker_leaves_nothing(tmp_path: Path, base: Path, sandbox: Bubblewrap) -> None:
    command = [sys.executable, "-c", WORKER, str(tmp_path / "state"), str(base)]
    worker = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2])
    assert worker.stdout
    holder = int(worker.stdout.readline())
    assert children(holder)
    worker.kill()
    worker.wait()
    worker.stdout.close()
    for _ in range(200):
        if not Path(f"/proc/{holder}").exists() and not processes_with("61.75"):
            break
        time.sleep(0.02)
    assert not Path(f"/proc/{holder}").exists()
    assert processes_with("61.75") == []
    if sandbox.cgroups:
        cgroup.find()
        assert list(sandbox.cgroups.pids.glob(f"fettle-{worker.pid}-*")) == []


def processes_with(word: str) -> list[str]:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\0")
        except OSError:
            continue
        if words[:2] == [b"sleep", word.encode()]:
            found.append(path.parent.name)
    return found


async def test_a23_a_session_outlives_the_thread_that_opened_it(sandbox: Bubblewrap, base: Path) -> None:
    opened: list[Any] = []
    loop = asyncio.new_event_loop()

    def work() -> None:
        opened.append(loop.run_until_complete(sandbox.open(base)))

    thread = threading.Thread(target=work)
    thread.start()
    await asyncio.to_thread(thread.join)
    result = await asyncio.to_thread(loop.run_until_complete, opened[0].run(["echo", "alive"]))
    await asyncio.to_thread(loop.run_until_complete, opened[0].close())
    loop.close()
    assert result.stdout.text == "alive\n"


# --- what is collected


async def test_a24_planted_reports(sandbox: Bubblewrap, base: Path) -> None:
    script = """
    mkfifo fifo; ln -s /proc/self/environ link; ln -s / root; echo x >hard; ln hard hard2
    ln -s fifo second; mkdir folder
    """
    socket_ = "import socket; socket.socket(socket.AF_UNIX).bind('socket')"
    python, mounts = interpreter()
    async with await sandbox.open(base, mounts=mounts) as session:
        assert (await session.run(["/bin/sh", "-ec", script])).ok
        assert (await session.run([python, "-I", "-S", "-c", socket_])).ok
        began = time.monotonic()
        for name in ("fifo", "link", "root/etc/passwd", "second", "folder", "socket"):
            with pytest.raises(UserError):
                await session.read(name)
        refused = {change.path for change in await session.changes() if change.kind is ChangeKind.REFUSED}
        assert time.monotonic() - began < 1
    assert refused == {"fifo", "link", "root", "hard", "hard2", "second", "socket"}


async def test_a25_deep_trees_and_hostile_names(sandbox: Bubblewrap, base: Path) -> None:
    code = """
import os
for name in (b"n" * 255, b"new\\nline", b"\\xff\\xfe", b"\\x1b[31m", "\\u202e".encode(), b"-rf", b" "):
    open(name, "w").close()
for _ in range(3000):
    os.mkdir("d"); os.chdir("d")
open("bottom", "w").close()
"""
    python, mounts = interpreter()
    async with await sandbox.open(base, mounts=mounts) as session:
        assert (await session.run([python, "-I", "-S", "-c", code])).ok
        listed = await session.list()
        changes = await session.changes()
        await session.rollback()
        assert await session.changes() == ()
    assert set(listed) == {"file", "n" * 255, "-rf", " "}
    refused = [change for change in changes if change.kind is ChangeKind.REFUSED]
    assert {change.detail for change in refused} == {"an unsafe name", "nested too deep"}
    assert len(refused) == 5
    assert all(change.path.isprintable() for change in changes)


async def test_a26_no_bwrap_no_run(base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Infrastructure, match="Install bubblewrap"):
        await Bubblewrap(tmp_path / "state").open(base)


async def test_a26_a_bwrap_that_does_not_sandbox_is_found_out(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sandbox: Bubblewrap
) -> None:
    fake = Path("/tmp") / f"fettle-fake-{os.getpid()}"
    fake.mkdir(mode=0o755)
    try:
        (fake / "bwrap").write_text('#!/bin/sh\nshift 3\nexec "$@"\n')
        (fake / "bwrap").chmod(0o755)
        monkeypatch.setenv("PATH", f"{fake}:{os.environ['PATH']}")
        with pytest.raises(Infrastructure):
            await Bubblewrap(tmp_path / "state").open(base)
    finally:
        (fake / "bwrap").unlink()
        fake.rmdir()


async def test_a27_poison_for_the_next_job(sandbox: Bubblewrap, base: Path) -> None:
    poison = (
        "for f in ~ /tmp /dev/shm /workspace; do mkdir -p $f/.cache; echo bad >$f/.cache/tool; done; echo bad >file"
    )
    async with await sandbox.open(base) as first:
        assert (await first.run(["/bin/sh", "-ec", poison])).ok
    async with await sandbox.open(base) as second:
        result = await second.run(["/bin/sh", "-c", "cat file; ls -A ~ /tmp /dev/shm; ls -A"])
        assert "bad" not in result.stdout.text
        assert ".cache" not in result.stdout.text


async def test_a27_a_mounted_environment_is_read_only(sandbox: Bubblewrap, base: Path) -> None:
    python, mounts = interpreter()
    if not mounts:
        pytest.skip("THE INTERPRETER LIES IN /usr, WHICH a21 TRIES")
    async with await sandbox.open(base, mounts=mounts) as session:
        result = await session.run([python, "-c", "import sys, pathlib; pathlib.Path(sys.prefix, 'x').write_text('')"])
    assert "Read-only" in result.stderr.text


# --- the filter itself


@pytest.mark.parametrize("machine", sorted(seccomp.MACHINES))
def test_the_filter_is_well_formed(machine: str) -> None:
    program = seccomp.program(machine=machine)
    instructions = [program[at : at + 8] for at in range(0, len(program), 8)]
    for index, (_, _, true, false, *_) in enumerate(instructions):
        assert index + 1 + max(true, false) < len(instructions) or max(true, false) == 0
    assert len(program) % 8 == 0
    assert len(instructions) < 4096


def test_an_unknown_machine_has_no_sandbox() -> None:
    with pytest.raises(Infrastructure):
        seccomp.program(machine="z80")


async def test_install_keeps_every_other_wall(sandbox: Bubblewrap, base: Path) -> None:
    async with await sandbox.open(base, network=Network.INSTALL) as session:
        result = await session.run(
            ["/bin/sh", "-c", "ls -A /root /var /etc/shadow /sys 2>/dev/null; cat /proc/self/status"]
        )
    assert "Seccomp:\t2" in result.stdout.text
    assert "CapBnd:\t0000000000000000" in result.stdout.text
    assert not result.stdout.text.startswith("/")
