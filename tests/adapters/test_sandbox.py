"""One contract over every sandbox backend: what fixers, checks and stages rely on (bot.sandbox.protocol)."""

import asyncio
import contextlib
import socket
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.core.errors import Infrastructure, UserError
from bot.sandbox import flags
from bot.sandbox.bubblewrap import Bubblewrap
from bot.sandbox.doctor import interpreter
from bot.sandbox.protocol import MIB, Change, ChangeKind, Limits, Mount, Network, Reason, Sandbox, Session
from bot.sandbox.runner import Keeper

BACKENDS: dict[str, Callable[[Path], Sandbox]] = {"bubblewrap": Bubblewrap}


@pytest.fixture(params=BACKENDS, scope="module")
def sandbox(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Sandbox:
    made = BACKENDS[request.param](tmp_path_factory.mktemp("state"))
    report = asyncio.run(made.doctor())
    if not report.ok:
        pytest.skip(f"THIS MACHINE CANNOT HOLD A SANDBOX: {[probe for probe in report.probes if not probe.ok]}")
    return made


@pytest.fixture
def base(tmp_path: Path) -> Path:
    tree = tmp_path / "base"
    (tree / "src").mkdir(parents=True)
    (tree / "src" / "calc.py").write_text("def add(a, b):\n    return a - b\n")
    (tree / "src" / "empty").write_text("")
    (tree / "README.md").write_text("calc\n")
    (tree / "run.sh").write_text("echo ran\n")
    (tree / "run.sh").chmod(0o755)
    return tree


@pytest.fixture
async def session(sandbox: Sandbox, base: Path) -> AsyncIterator[Session]:
    async with await sandbox.open(base, limits=Limits(wall_seconds=30)) as opened:
        yield opened


def stamps(tree: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in tree.rglob("*")}


async def sh(session: Session, script: str) -> str:
    result = await session.run(["/bin/sh", "-ec", script])
    assert result.ok, (result.reason, result.detail, result.stderr.text)
    return result.stdout.text


# --- commands


async def test_a_command_runs_in_the_workspace_and_its_streams_are_kept_apart(session: Session) -> None:
    result = await session.run(["/bin/sh", "-c", "pwd; echo bad >&2; exit 3"])

    assert (result.reason, result.exit) == (Reason.NONZERO, 3)
    assert (result.stdout.text, result.stderr.text) == ("/workspace\n", "bad\n")
    assert result.seconds > 0
    assert result.peak_bytes > 0


async def test_environment_folder_and_input_are_given(session: Session) -> None:
    result = await session.run(["/bin/sh", "-c", "env; pwd; cat"], env={"A": "1 2"}, cwd="src", stdin=b"in\0put")

    lines = result.stdout.text.splitlines()
    assert {"A=1 2", "HOME=/home/u", "LANG=C.UTF-8", "PATH=/usr/local/bin:/usr/bin:/bin"} < set(lines)
    assert lines[-2:] == ["/workspace/src", "in\0put"]


async def test_a_missing_program_is_the_commands_failure_not_ours(session: Session) -> None:
    result = await session.run(["no-such-program"])

    assert (result.reason, result.exit) == (Reason.NONZERO, 127)
    assert result.detail


async def test_a_missing_folder_is_the_commands_failure_not_ours(session: Session) -> None:
    result = await session.run(["true"], cwd="nowhere")

    assert result.reason is Reason.NONZERO
    assert result.detail


@pytest.mark.parametrize(("argv", "env"), [([], {}), (["a\0b"], {}), (["true"], {"A=B": ""}), (["true"], {"A": "\0"})])
async def test_malformed_commands_are_refused(session: Session, argv: list[str], env: dict[str, str]) -> None:
    with pytest.raises(UserError):
        await session.run(argv, env=env)


async def test_two_commands_run_side_by_side(session: Session) -> None:
    first, second = await asyncio.gather(
        session.run(["/bin/sh", "-c", "until [ -e go ]; do sleep 0.01; done"]), session.run(["touch", "go"])
    )

    assert first.ok
    assert second.ok


async def test_a_command_may_reopen_its_output(session: Session) -> None:
    assert await sh(session, "echo one >/dev/stdout; echo two | tee /dev/stderr") == "one\ntwo\n"


async def test_a_broken_pipe_kills_quietly(session: Session) -> None:
    result = await session.run(["/bin/sh", "-c", "yes | head -1"])

    assert (result.stdout.text, result.stderr.text) == ("y\n", "")


async def test_nothing_stays_in_the_home_or_tmp_between_commands(session: Session) -> None:
    await sh(session, "touch /tmp/left ~/left /dev/shm/left")

    assert await sh(session, "ls -A /tmp ~ /dev/shm | grep left || true") == ""


async def test_a_cancelled_command_leaves_the_session_usable(session: Session) -> None:
    task = asyncio.create_task(session.run(["sleep", "30"]))
    await asyncio.sleep(0.1)
    began = time.monotonic()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert time.monotonic() - began < 2
    assert await sh(session, "echo alive; ps -A 2>/dev/null | grep sleep || true") == "alive\n"


def half_made() -> set[str]:
    """Ids of processes `bwrap ... -- true` on this machine that have lost their parent."""
    found = set()
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            ours = b"bwrap" in (line := path.read_bytes()) and line.endswith(b"--\0true\0")
            if ours and path.with_name("stat").read_text().rpartition(")")[2].split()[1] == "1":
                found.add(path.parent.name)
    return found


async def test_cancelling_at_any_moment_never_mixes_up_replies(session: Session) -> None:
    before = half_made()
    for step in range(20):
        task = asyncio.create_task(session.run(["true"]))
        await asyncio.sleep(step / 1000)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    assert await session.read("README.md") == b"calc\n"
    assert await sh(session, "echo alive") == "alive\n"
    assert half_made() <= before, "a bwrap that was killed while it started left its child behind"


# --- limits


async def test_the_wall_clock_ends_a_command_and_all_that_it_started(session: Session) -> None:
    result = await session.run(["/bin/sh", "-c", "trap '' TERM; (sleep 60 &) ; echo x; sleep 60"], timeout=0.3)

    assert (result.reason, result.exit, result.stdout.text) == (Reason.TIMEOUT, None, "x\n")
    assert 0.3 <= result.seconds < 3


async def test_output_keeps_head_and_tail_and_says_what_was_cut(sandbox: Sandbox, base: Path) -> None:
    limits = Limits(keep_head_bytes=10, keep_tail_bytes=5)
    async with await sandbox.open(base, limits=limits) as session:
        result = await session.run(["/bin/sh", "-c", "head -c 300000 /dev/zero | tr '\\0' a; printf 12345"])

    assert result.ok
    assert (result.stdout.head, result.stdout.tail) == (b"a" * 10, b"12345")
    assert (result.stdout.total, result.stdout.cut) == (300_005, 299_990)


async def test_a_flood_of_output_is_stopped(sandbox: Sandbox, base: Path) -> None:
    async with await sandbox.open(base, limits=Limits(output_bytes=MIB)) as session:
        result = await session.run(["yes"])

    assert (result.reason, result.exit) == (Reason.OUTPUT, None)


async def test_a_full_workspace_is_named(sandbox: Sandbox, base: Path) -> None:
    async with await sandbox.open(base, limits=Limits(disk_bytes=MIB)) as session:
        result = await session.run(["dd", "if=/dev/zero", "of=big", "bs=64k", "count=64"])
        assert result.reason is Reason.DISK
        await session.rollback()
        assert await sh(session, "echo fits >big; cat big") == "fits\n"


async def test_a_file_that_grows_too_large_is_named(sandbox: Sandbox, base: Path) -> None:
    async with await sandbox.open(base, limits=Limits(file_bytes=MIB)) as session:
        result = await session.run(["dd", "if=/dev/zero", "of=big", "bs=64k", "count=64"])

    assert result.reason is Reason.DISK


# --- the tree


async def test_files_are_read_and_written(session: Session) -> None:
    await session.write("new/deep/file.txt", b"\0data")
    await session.write("run.sh", b"echo changed\n")

    assert await session.read("new/deep/file.txt") == b"\0data"
    assert await sh(session, "./run.sh; stat -c %a run.sh") == "changed\n755\n"


@pytest.mark.parametrize("path", ["", "/etc/passwd", "../x", "src/../x", "src//x", "./x", "a\0b", "x" * 300])
async def test_unsafe_paths_are_refused(session: Session, path: str) -> None:
    with pytest.raises(UserError):
        await session.read(path)
    with pytest.raises(UserError):
        await session.write(path, b"")


async def test_links_folders_and_large_files_are_not_read(session: Session) -> None:
    await sh(session, "ln -s /etc/passwd link; ln -s src linked; mkfifo fifo; head -c 2000000 /dev/zero >big")

    for path in ("link", "linked/calc.py", "fifo", "src", "big"):
        with pytest.raises(UserError):
            await session.read(path)
    for path in ("link", "linked/x", "fifo", "src"):
        with pytest.raises(UserError):
            await session.write(path, b"")
    assert len(await session.read("big", max_bytes=2 * MIB)) == 2_000_000


async def test_what_is_not_there_is_not_found(session: Session) -> None:
    for path in ("nothing", "nothing/below", "README.md/below"):
        with pytest.raises(FileNotFoundError):
            await session.read(path)


@pytest.mark.parametrize(
    ("glob", "found"),
    [
        ("**", ("README.md", "run.sh", "src/calc.py", "src/empty", "src/sub/deep.py")),
        ("**/*.py", ("src/calc.py", "src/sub/deep.py")),
        ("*.py", ()),
        ("src/*", ("src/calc.py", "src/empty")),
        ("src/**", ("src/calc.py", "src/empty", "src/sub/deep.py")),
        ("s?c/[a-d]alc.*", ("src/calc.py",)),
        ("**/[!c]*.py", ("src/sub/deep.py",)),
        ("(x", ()),
    ],
)
async def test_listing_takes_globs(session: Session, glob: str, found: tuple[str, ...]) -> None:
    await sh(session, "mkdir -p src/sub .git; touch src/sub/deep.py .git/config; ln -s calc.py src/link.py")

    assert await session.list(glob) == found


async def test_listing_is_bounded(session: Session) -> None:
    assert len(await session.list(max_entries=2)) == 2


# --- changes, checkpoints


async def test_changes_name_what_differs_and_nothing_else(session: Session) -> None:
    await sh(
        session,
        """
        echo more >>README.md; touch src/calc.py; chmod +x src/empty; rm run.sh
        mkdir new; echo x >new/x; ln -s x new/link; mkfifo new/fifo; echo a >new/hard; ln new/hard new/hard2
        head -c 1100000 /dev/zero >new/big
        """,
    )

    assert await session.changes() == (
        Change("README.md", ChangeKind.WRITTEN, content=b"calc\nmore\n"),
        Change("new/big", ChangeKind.REFUSED, detail="larger than 1,048,576 bytes"),
        Change("new/fifo", ChangeKind.REFUSED, detail="a FIFO"),
        Change("new/hard", ChangeKind.REFUSED, detail="a hard link"),
        Change("new/hard2", ChangeKind.REFUSED, detail="a hard link"),
        Change("new/link", ChangeKind.REFUSED, detail="a symbolic link"),
        Change("new/x", ChangeKind.WRITTEN, content=b"x\n"),
        Change("run.sh", ChangeKind.DELETED),
        Change("src/empty", ChangeKind.WRITTEN, executable=True, content=b""),
    )


async def test_replaced_folders_and_files_come_out_right(session: Session) -> None:
    await sh(session, "rm -r src; mkdir src; echo new >src/other; rm README.md; mkdir README.md; echo in >README.md/x")

    assert [(change.path, change.kind) for change in await session.changes()] == [
        ("README.md", ChangeKind.DELETED),
        ("README.md/x", ChangeKind.WRITTEN),
        ("src/calc.py", ChangeKind.DELETED),
        ("src/empty", ChangeKind.DELETED),
        ("src/other", ChangeKind.WRITTEN),
    ]


async def test_a_file_written_back_is_no_change(session: Session) -> None:
    await sh(
        session, "cp -r src kept; rm -r src; mv kept src; rm run.sh; printf 'echo ran\\n' >run.sh; chmod 755 run.sh"
    )

    assert await session.changes() == ()


async def test_rollback_returns_to_the_base(session: Session, base: Path) -> None:
    await sh(session, "rm -r src; echo x >new")
    await session.rollback()

    assert await session.changes() == ()
    assert await sh(session, "ls; cat src/calc.py") == "README.md\nrun.sh\nsrc\n" + (base / "src/calc.py").read_text()


async def test_rollback_returns_to_the_checkpoint_any_number_of_times(session: Session) -> None:
    await sh(session, "echo kept >kept; rm run.sh")
    await session.checkpoint()
    for _ in range(3):
        await sh(session, "echo lost >lost; rm kept; echo again >run.sh")
        assert [change.path for change in await session.changes()] == ["lost", "run.sh"]
        await session.rollback()
        assert [change.path for change in await session.changes()] == ["kept", "run.sh"]
    await session.checkpoint()
    await sh(session, "rm -r src; mkdir src; echo x >src/x")
    assert [change.path for change in await session.changes()] == [
        "kept",
        "run.sh",
        "src/calc.py",
        "src/empty",
        "src/x",
    ]


async def test_the_base_tree_and_other_sessions_see_nothing(sandbox: Sandbox, base: Path) -> None:
    before = stamps(base)
    async with await sandbox.open(base) as one, await sandbox.open(base) as two:
        await sh(one, "rm -r src; echo x >new; chmod 600 README.md")
        assert await two.changes() == ()
        assert await sh(two, "ls") == "README.md\nrun.sh\nsrc\n"

    assert stamps(base) == before


# --- mounts, network, life


async def test_mounts_are_shown_where_asked(sandbox: Sandbox, base: Path, tmp_path: Path) -> None:
    tools, cache = tmp_path / "tools", tmp_path / "cache"
    for folder in (tools, cache):
        folder.mkdir()
        (folder / "seen").write_text(folder.name)
    mounts = [Mount(tools, "/opt/tools"), Mount(cache, str(cache), writable=True)]
    async with await sandbox.open(base, mounts=mounts) as session:
        said = await sh(session, f"cat /opt/tools/seen; touch /opt/tools/x 2>&1 || true; echo made >{cache}/made")

    assert said.startswith("tools")
    assert "Read-only" in said
    assert (cache / "made").read_text() == "made\n"


@pytest.mark.parametrize(
    "target", ["/workspace", "/workspace/x", "/", "/usr", "relative", "/a/../b", "/proc/x", "/tmp"]
)
async def test_mounts_never_hide_what_is_ours(sandbox: Sandbox, base: Path, tmp_path: Path, target: str) -> None:
    with pytest.raises(Infrastructure):
        await sandbox.open(base, mounts=[Mount(tmp_path, target)])


async def test_mounts_never_lie_in_each_other(sandbox: Sandbox, base: Path, tmp_path: Path) -> None:
    with pytest.raises(Infrastructure):
        await sandbox.open(base, mounts=[Mount(tmp_path, "/opt/a", writable=True), Mount(tmp_path, "/opt/a/b")])


async def test_no_network_is_the_rule(session: Session) -> None:
    assert await sh(session, "tail -n +3 /proc/net/dev | cut -d: -f1 | tr -d ' '") == "lo\n"


async def test_install_shares_the_network_and_its_names(sandbox: Sandbox, base: Path) -> None:
    names, interfaces = Path("/etc/resolv.conf").read_text(), socket.if_nameindex()  # noqa: ASYNC240 - once, tiny
    async with await sandbox.open(base, network=Network.INSTALL) as session:
        assert await sh(session, "cat /etc/resolv.conf") == names
        assert await sh(session, 'test -z "$SSL_CERT_FILE" || test -s "$SSL_CERT_FILE"; echo seen') == "seen\n"
        assert len((await sh(session, "tail -n +3 /proc/net/dev")).splitlines()) == len(interfaces)


async def test_a_missing_base_tree_is_named(sandbox: Sandbox, tmp_path: Path) -> None:
    with pytest.raises(Infrastructure, match="gone"):
        await sandbox.open(tmp_path / "gone")


async def test_a_closed_session_says_so(sandbox: Sandbox, base: Path) -> None:
    session = await sandbox.open(base)
    await session.close()
    await session.close()

    with pytest.raises(Infrastructure):
        await session.run(["true"])


async def test_closing_ends_what_still_runs(sandbox: Sandbox, base: Path) -> None:
    session = await sandbox.open(base)
    task = asyncio.create_task(session.run(["sleep", "60"]))
    await asyncio.sleep(0.1)
    began = time.monotonic()
    await session.close()

    with pytest.raises(Infrastructure):
        await task
    assert time.monotonic() - began < 5


async def test_python_works_inside(sandbox: Sandbox, base: Path) -> None:
    python, mounts = interpreter()
    code = "import ssl, socket, tempfile, multiprocessing, getpass; print(getpass.getuser(), socket.getfqdn())"
    async with await sandbox.open(base, mounts=mounts) as session:
        result = await session.run([python, "-c", code])

    assert result.ok, result.stderr.text
    assert result.stdout.text.startswith("u ")


# --- pure parts


@given(chunks=st.lists(st.binary(max_size=300), max_size=20), head=st.integers(0, 64), tail=st.integers(0, 64))
def test_a_keeper_keeps_the_true_head_and_tail(chunks: list[bytes], head: int, tail: int) -> None:
    keeper = Keeper(head, tail)
    for chunk in chunks:
        keeper.feed(chunk)
    whole, kept = b"".join(chunks), keeper.captured()

    assert kept.total == len(whole)
    assert kept.head == whole[:head]
    assert kept.tail == (whole[head:][-tail:] if tail else b"")
    assert kept.cut == max(0, len(whole) - head - tail)


@given(
    network=st.sampled_from(Network),
    targets=st.lists(st.from_regex(r"/(opt|tmp|home/u|root)/[a-z]{1,8}", fullmatch=True), unique=True, max_size=4),
    env=st.dictionaries(st.text(min_size=1), st.text()),
)
def test_nothing_is_mounted_after_the_workspace(network: Network, targets: list[str], env: dict[str, str]) -> None:
    mounts = [Mount(Path("/"), target) for target in targets]
    words = flags.options("/hold", network, mounts, Limits(), env, "/workspace")
    at = max(index for index, word in enumerate(words) if word == "/hold/merged")

    assert words[at - 1 :] == ["--bind", "/hold/merged", "/workspace", "--chdir", "/workspace", "--remount-ro", "/"]
    assert {mount.target for mount in mounts} <= set(words)
    assert words[0] == "--unshare-all"
    assert ("--share-net" in words[:2]) == (network is Network.INSTALL)


async def test_files_that_only_root_may_read_are_still_the_workspaces(sandbox: Sandbox, base: Path) -> None:
    (base / "README.md").chmod(0o600)
    (base / "src").chmod(0o700)
    async with await sandbox.open(base) as session:
        assert await sh(session, "cat README.md; echo x >src/calc.py; stat -c %U README.md") == "calc\nu\n"
        assert [change.path for change in await session.changes()] == ["src/calc.py"]


async def test_a_full_workspace_refuses_writes_with_a_sentence(sandbox: Sandbox, base: Path) -> None:
    async with await sandbox.open(base, limits=Limits(disk_bytes=MIB)) as session:
        with pytest.raises(UserError, match="full"):
            await session.write("big", bytes(2 * MIB))
        with pytest.raises(UserError, match="not a folder"):
            await session.write("README.md/x", b"")
        assert await session.changes() == ()
