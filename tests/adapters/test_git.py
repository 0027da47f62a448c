"""services.git against the real git: over loopback HTTP with a token, and on local repositories."""

import asyncio
import os
import shutil
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from bot.core.errors import Retry, UserError
from bot.core.patch import FileChange, Mode, Patch
from bot.services.git import BranchMoved, FileStat, Mirror, Person, Workspace, inspect
from bot.services.git_remote import is_branch
from tests.adapters.git_repository import Repository
from tests.adapters.git_server import GitServer, serving

ANN = Person("fettle[bot]", "1+fettle[bot]@users.noreply.github.com")
TOKEN = SecretStr("ghs_secretsecretsecret")
WHEN = datetime(2026, 11, 20, 12, tzinfo=UTC)


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    repository = Repository(tmp_path / "root" / "calc")
    repository.commit({"calc.py": "def add(a, b):\n    return a - b\n", "docs/a.md": "# A\n"}, "first")
    return repository


@pytest.fixture
def server(repository: Repository) -> Iterator[GitServer]:
    with serving(repository.path.parent) as server:
        server.token = TOKEN.get_secret_value()
        repository.git("config", "http.receivepack", "true")
        yield server


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path / "data", protocols=frozenset({"https", "http", "file"}))


@pytest.fixture
def mirror(workspace: Workspace) -> Mirror:
    return workspace.mirror("github.com/42")


@pytest.fixture
async def fetched(mirror: Mirror, repository: Repository) -> Mirror:
    await mirror.fetch(repository.path.as_uri())
    return mirror


# Fetching


async def test_a_private_repository_is_fetched_with_the_token(mirror: Mirror, server: GitServer) -> None:
    await mirror.fetch(f"{server.url}/calc/.git", token=TOKEN)

    assert await mirror.resolve("main") == await mirror.resolve("HEAD")


async def test_fetching_again_follows_new_moved_and_removed_branches(fetched: Mirror, repository: Repository) -> None:
    repository.git("branch", "feature")
    await fetched.fetch(repository.path.as_uri())
    old = await fetched.resolve("feature")
    repository.git("branch", "-D", "feature")
    repository.git("branch", "feature/one")
    new = repository.commit({"calc.py": "pass\n"})
    repository.git("commit", "--amend", "--quiet", "-m", "again")

    await fetched.fetch(repository.path.as_uri())

    assert await fetched.resolve("feature/one") == old
    assert await fetched.resolve("main") not in (old, new)
    with pytest.raises(UserError, match="no branch or commit 'feature'"):
        await fetched.resolve("feature")


async def test_a_pull_requests_head_is_fetched_by_its_refspec(fetched: Mirror, repository: Repository) -> None:
    repository.git("update-ref", "refs/pull/7/head", repository.commit({"b": "b"}))

    await fetched.fetch(repository.path.as_uri(), refspecs=["+refs/pull/7/head:refs/pull/7/head"])

    assert await fetched.log_subjects(await fetched.resolve("refs/pull/7/head"), count=1) == ("change",)
    assert await fetched.log_subjects(await fetched.resolve("main"), count=1) == ("first",)


async def test_many_tasks_fetch_at_once(workspace: Workspace, repository: Repository) -> None:
    mirrors = [workspace.mirror("github.com/42") for _ in range(4)]

    await asyncio.gather(*(mirror.fetch(repository.path.as_uri()) for mirror in mirrors))
    sha = await mirrors[0].resolve()
    trees = await asyncio.gather(*(mirror.base_tree(sha) for mirror in mirrors))

    assert len(set(trees)) == 1
    assert sorted(path.name for path in trees[0].parent.iterdir()) == [trees[0].name]


async def test_a_lock_left_by_a_killed_git_is_removed(fetched: Mirror, repository: Repository, tmp_path: Path) -> None:
    head = tmp_path / "data/mirrors/github.com+42.git/refs/remotes/origin/main.lock"
    head.parent.mkdir(parents=True, exist_ok=True)
    head.touch()
    new = repository.commit({"b": "b"})

    await fetched.fetch(repository.path.as_uri())

    assert await fetched.resolve("main") == new


async def test_old_faults_of_committers_do_not_stop_a_fetch(mirror: Mirror, repository: Repository) -> None:
    tree = repository.git("rev-parse", "HEAD^{tree}")
    odd = f"tree {tree}\nauthor A <a@b> 1313584730 +051800\ncommitter A <a@b> 1313584730 +051800\n\nold\n"
    sha = repository.git("hash-object", "-t", "commit", "-w", "--literally", "--stdin", stdin=odd.encode())
    repository.git("update-ref", "refs/heads/main", sha)

    await mirror.fetch(repository.path.as_uri())

    assert await mirror.resolve("main") == sha


async def test_a_shallow_clone_can_be_fixed_too(mirror: Mirror, repository: Repository, tmp_path: Path) -> None:
    repository.commit({"b": "b"})
    repository.git("clone", "-q", "--depth=1", repository.path.as_uri(), str(tmp_path / "shallow"))

    await mirror.fetch((tmp_path / "shallow").as_uri())

    assert await mirror.log_subjects(await mirror.resolve()) == ("change",)


@pytest.mark.parametrize(
    ("fault", "error"), [(500, Retry), (503, Retry), (429, Retry), (403, UserError), (404, UserError)]
)
async def test_what_the_server_answers_decides_the_fate(
    mirror: Mirror, server: GitServer, fault: int, error: type[Exception]
) -> None:
    server.fault = fault
    with pytest.raises(error):
        await mirror.fetch(f"{server.url}/calc/.git", token=TOKEN)


async def test_a_wrong_token_and_no_token_are_sentences(mirror: Mirror, server: GitServer) -> None:
    for token in (SecretStr("ghs_wrong"), None):
        with pytest.raises(UserError, match="Access to the repository was refused"):
            await mirror.fetch(f"{server.url}/calc/.git", token=token)


async def test_a_server_that_is_down_means_try_again(mirror: Mirror, server: GitServer) -> None:
    server.server_close()
    with pytest.raises(Retry):
        await mirror.fetch(f"{server.url}/calc/.git", token=TOKEN)


async def test_no_repository_and_an_empty_one_are_sentences(mirror: Mirror, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="not found"):
        await mirror.fetch((tmp_path / "nowhere").as_uri())
    Repository(tmp_path / "empty")
    with pytest.raises(UserError, match="no commit on its default branch"):
        await mirror.fetch((tmp_path / "empty").as_uri())


# Reading


@pytest.mark.parametrize(
    "ref", ["", "-x", "--all", "main^{/x}", "main..HEAD", "main:calc.py", "a b", "@{-1}", "0" * 40]
)
async def test_nothing_but_names_and_ids_resolves(fetched: Mirror, ref: str) -> None:
    with pytest.raises(UserError):
        await fetched.resolve(ref)


async def test_a_base_tree_holds_the_bytes_as_committed(mirror: Mirror, repository: Repository) -> None:
    (repository.path / "link").symlink_to("a.txt")
    attributes = "*.txt eol=crlf\n*.id ident\n*.utf working-tree-encoding=UTF-16\n* export-ignore filter=lfs\n"
    files: dict[str, str | bytes] = {
        "a.txt": "a\n",
        "b.id": "$Id$\n",
        "c.utf": "c\n",
        "run.sh": "#!/bin/sh\n",
        "d\nü/é\\": "x",
        "b.bin": b"\0\xff",
    }
    repository.commit(files)
    (repository.path / "run.sh").chmod(0o755)
    repository.git("add", "run.sh")
    repository.git(
        "update-index", "--add", "--cacheinfo", f"100644,{repository.blob(attributes.encode())},.gitattributes"
    )
    repository.git("commit", "--quiet", "-m", "attributes")
    sha = repository.git("rev-parse", "HEAD")
    await mirror.fetch(repository.path.as_uri())

    tree = await mirror.base_tree(sha)

    for name, content in files.items():
        assert (tree / name).read_bytes() == (content.encode() if isinstance(content, str) else content)
    assert (tree / "link").readlink() == Path("a.txt")
    assert (tree / "run.sh").stat().st_mode & 0o777 == 0o755
    assert (tree / "a.txt").stat().st_mode & 0o777 == 0o644
    assert not (tree / ".git").exists()


async def test_a_base_tree_is_readable_for_other_users_whatever_our_umask(
    fetched: Mirror, repository: Repository
) -> None:
    before = os.umask(0o077)
    try:
        first = await fetched.base_tree(await fetched.resolve())
        repository.commit({"docs/b.md": "b"})
        await fetched.fetch(repository.path.as_uri())
        second = await fetched.base_tree(await fetched.resolve())
    finally:
        os.umask(before)
    for tree in (first, second):
        assert {path.stat().st_mode & 0o777 for path in [tree, *tree.rglob("*")]} == {0o755, 0o644}


async def test_the_next_base_tree_shares_unchanged_files_and_only_those(
    fetched: Mirror, repository: Repository
) -> None:
    first = await fetched.base_tree(await fetched.resolve())
    sha = repository.commit({"calc.py": "new\n", "docs/a.md": "# A\n", "more/b": "b"})
    await fetched.fetch(repository.path.as_uri())

    second = await fetched.base_tree(sha)

    assert (second / "docs/a.md").samefile(first / "docs/a.md")
    assert (first / "calc.py").read_text() != (second / "calc.py").read_text() == "new\n"
    assert (second / "more/b").read_text() == "b"


async def test_files_become_folders_and_links_between_two_base_trees(mirror: Mirror, repository: Repository) -> None:
    repository.commit({"a": "file", "b/c": "folder"})
    await mirror.fetch(repository.path.as_uri())
    await mirror.base_tree(await mirror.resolve())
    (repository.path / "b/c").unlink()
    (repository.path / "b").rmdir()
    (repository.path / "b").symlink_to("a/x")
    (repository.path / "a").unlink()
    sha = repository.commit({"a/x": "now a folder"})
    await mirror.fetch(repository.path.as_uri())

    tree = await mirror.base_tree(sha)

    assert (tree / "a/x").read_text() == "now a folder"
    assert (tree / "b").is_symlink()


async def test_links_that_lead_out_of_the_tree_or_round_in_a_circle_are_left_out(
    mirror: Mirror, repository: Repository
) -> None:
    (repository.path / "in/deep").mkdir(parents=True)
    links = {"up": "../..", "etc": "/etc", "in/here": ".", "in/deep/round": "../..", "in/trick": "deep/../../../x"}
    links |= {"in/deep/root": "..", "in/good": "../kept", "gone": "nowhere"}
    for name, target in links.items():
        (repository.path / name).symlink_to(target)
    sha = repository.commit({"kept": "kept", "in/deep/file": "x"})
    await mirror.fetch(repository.path.as_uri())

    tree = await mirror.base_tree(sha)

    found = {path.relative_to(tree).as_posix() for path in tree.rglob("*") if path.is_symlink()}
    assert found == {"in/good", "gone"}
    assert set(await mirror.paths(sha)) >= set(links), "the commit keeps them"


async def test_base_trees_that_outlive_their_mirror_do_no_harm(
    fetched: Mirror, repository: Repository, tmp_path: Path
) -> None:
    await fetched.base_tree(await fetched.resolve())
    shutil.rmtree(tmp_path / "data/mirrors")
    repository.git("checkout", "--quiet", "--orphan", "new")
    sha = repository.commit({"calc.py": "unrelated\n"})
    await fetched.fetch(repository.path.as_uri(), refspecs=["+refs/heads/new:refs/remotes/origin/new"])

    assert ((await fetched.base_tree(sha)) / "calc.py").read_text() == "unrelated\n"


async def test_pruning_keeps_what_is_wanted_or_recent(
    workspace: Workspace, fetched: Mirror, repository: Repository
) -> None:
    first = await fetched.base_tree(await fetched.resolve())
    sha = repository.commit({"b": "b"})
    await fetched.fetch(repository.path.as_uri())
    second = await fetched.base_tree(sha)

    assert await workspace.prune() == 0
    assert await workspace.prune(keep={sha}, unused_for=-5) == 1

    assert second.is_dir()
    assert not first.exists()
    assert (await fetched.base_tree(first.name) / "calc.py").is_file()


async def test_files_are_read_from_objects(fetched: Mirror) -> None:
    sha = await fetched.resolve()

    assert await fetched.show(sha, "docs/a.md") == b"# A\n"
    assert await fetched.paths(sha) == ("calc.py", "docs/a.md")
    with pytest.raises(UserError, match=r"no file 'docs/b\.md'"):
        await fetched.show(sha, "docs/b.md")
    with pytest.raises(UserError, match="no file 'docs'"):
        await fetched.show(sha, "docs")
    with pytest.raises(UserError, match="larger"):
        await fetched.show(sha, "docs/a.md", limit=2)


# Committing


def a_patch(base: str) -> Patch:
    changes = (
        FileChange("calc.py", b"def add(a, b):\n    return a + b\n"),
        FileChange("docs/a.md", None),
        FileChange("tools/ü run", b"#!/bin/sh\n", Mode.EXECUTABLE),
        FileChange("logo.png", b"\0\xff\r\n"),
    )
    return Patch(base, changes)


async def test_a_patch_becomes_a_commit(fetched: Mirror) -> None:
    base = await fetched.resolve()

    sha = await fetched.commit(a_patch(base), message="Fix add()\n\nFixes #1", author=ANN)

    assert await fetched.changed_paths(base, sha) == ("calc.py", "docs/a.md", "logo.png", "tools/ü run")
    assert await fetched.diff_stat(base, sha) == (
        FileStat("calc.py", 1, 1),
        FileStat("docs/a.md", 0, 1),
        FileStat("logo.png", None, None),
        FileStat("tools/ü run", 1, 0),
    )
    diff = await fetched.diff(base, sha)
    assert "-    return a - b\n+    return a + b\n" in diff
    assert "new file mode 100755" in diff
    assert "Binary files /dev/null and b/logo.png differ" in diff
    assert await fetched.show(sha, "logo.png") == b"\0\xff\r\n"
    assert await fetched.log_subjects(sha) == ("Fix add()", "first")
    assert await fetched.is_ancestor(base, sha)
    assert not await fetched.is_ancestor(sha, base)


async def test_the_same_patch_at_the_same_time_is_the_same_commit(fetched: Mirror) -> None:
    patch = a_patch(await fetched.resolve())

    shas = {await fetched.commit(patch, message="m", author=ANN, date=WHEN) for _ in range(2)}

    assert len(shas) == 1


async def test_a_patch_that_changes_nothing_is_refused(fetched: Mirror) -> None:
    base = await fetched.resolve()
    with pytest.raises(UserError, match="changes nothing"):
        await fetched.commit(Patch(base, (FileChange("gone", None),)), message="m", author=ANN)


async def test_a_large_diff_is_refused_not_cut(fetched: Mirror) -> None:
    base = await fetched.resolve()
    sha = await fetched.commit(Patch(base, (FileChange("big", b"x\n" * 4000),)), message="m", author=ANN)
    with pytest.raises(UserError, match="larger"):
        await fetched.diff(base, sha, limit=1000)


# Pushing


async def test_a_push_makes_the_branch_once_and_moves_it_only_from_where_it_was(
    mirror: Mirror, server: GitServer, repository: Repository
) -> None:
    url = f"{server.url}/calc/.git"
    await mirror.fetch(url, token=TOKEN)
    base = await mirror.resolve()
    one = await mirror.commit(a_patch(base), message="one", author=ANN)
    two = await mirror.commit(a_patch(base), message="two", author=ANN)

    for _ in range(2):
        await mirror.push(url, token=TOKEN, sha=one, branch="fettle/issue-1")
    with pytest.raises(BranchMoved):
        await mirror.push(url, token=TOKEN, sha=two, branch="fettle/issue-1")
    with pytest.raises(BranchMoved):
        await mirror.push(url, token=TOKEN, sha=two, branch="fettle/issue-1", expect=base)
    assert repository.git("rev-parse", "fettle/issue-1") == one
    await mirror.push(url, token=TOKEN, sha=two, branch="fettle/issue-1", expect=one)

    assert repository.git("rev-parse", "fettle/issue-1") == two
    assert repository.git("rev-parse", "main") == base


async def test_a_push_that_the_remote_refuses_gives_its_reason(
    mirror: Mirror, server: GitServer, repository: Repository
) -> None:
    hook = repository.path / ".git/hooks/update"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\nexit 1\n")
    hook.chmod(0o755)
    url = f"{server.url}/calc/.git"
    await mirror.fetch(url, token=TOKEN)
    sha = await mirror.commit(a_patch(await mirror.resolve()), message="one", author=ANN)

    with pytest.raises(UserError, match="hook declined"):
        await mirror.push(url, token=TOKEN, sha=sha, branch="fettle/issue-1")


# Local repositories


async def test_a_local_repository_is_looked_at_and_given_a_branch(workspace: Workspace, repository: Repository) -> None:
    found = await inspect(repository.path / "docs")
    mirror = workspace.mirror(found.key)
    await mirror.fetch(found.url)
    sha = await mirror.commit(a_patch(found.head), message="one", author=ANN)
    other = await mirror.commit(a_patch(found.head), message="two", author=ANN)

    assert (found.branch, found.dirty, found.top) == ("main", False, repository.path)
    assert await mirror.deliver(found, sha, "fettle/fix") == "fettle/fix"
    assert await mirror.deliver(found, sha, "fettle/fix") == "fettle/fix"
    assert await mirror.deliver(found, other, "fettle/fix") == "fettle/fix-2"

    assert repository.git("rev-parse", "fettle/fix", "fettle/fix-2").split() == [sha, other]
    assert repository.git("status", "--porcelain") == ""
    assert repository.git("symbolic-ref", "HEAD") == "refs/heads/main"
    assert repository.git("fsck", "--strict") == ""


async def test_uncommitted_changes_are_noticed(repository: Repository) -> None:
    file = repository.path / "calc.py"
    content = file.read_bytes()
    file.write_bytes(content)
    assert not (await inspect(repository.path)).dirty
    file.write_bytes(content + b"# more\n")
    assert (await inspect(repository.path)).dirty
    repository.git("add", "calc.py")
    assert (await inspect(repository.path)).dirty
    repository.git("reset", "--hard", "--quiet")
    assert not (await inspect(repository.path)).dirty
    file.unlink()
    assert (await inspect(repository.path)).dirty


async def test_bare_detached_and_linked_repositories_are_fine(
    workspace: Workspace, repository: Repository, tmp_path: Path
) -> None:
    base = repository.git("rev-parse", "HEAD")
    repository.git("worktree", "add", "--quiet", "-b", "side", str(tmp_path / "linked"))
    side = repository.git("commit-tree", "HEAD^{tree}", "-p", "HEAD", "-m", "side")
    repository.git("update-ref", "refs/heads/side", side)
    repository.git("checkout", "--quiet", "--detach")
    repository.git("clone", "-q", "--bare", str(repository.path), str(tmp_path / "bare.git"))

    detached, bare, linked = [
        await inspect(path) for path in (repository.path, tmp_path / "bare.git", tmp_path / "linked")
    ]

    assert (detached.head, detached.branch) == (base, None)
    assert bare.top is None
    assert (linked.head, linked.branch) == (side, "side")
    for found in (detached, bare, linked):
        mirror = workspace.mirror(found.key)
        await mirror.fetch(found.url)
        assert await mirror.resolve() == found.head
        sha = await mirror.commit(a_patch(found.head), message="one", author=ANN)
        assert await mirror.deliver(found, sha, "fettle/fix") in ("fettle/fix", "fettle/fix-2")


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda path: None, "no such folder"),
        (lambda path: path.write_text("x"), "a file, not a folder"),
        (lambda path: path.mkdir(), "not a git repository"),
        (lambda path: (path / ".git").mkdir(parents=True), "not a usable git repository"),
        (lambda path: Repository(path), "no commit yet"),
    ],
)
async def test_what_is_no_repository_is_one_sentence(tmp_path: Path, make, sentence: str) -> None:  # type: ignore[no-untyped-def] # a table of lambdas
    make(tmp_path / "it")
    with pytest.raises(UserError, match=sentence):
        await inspect(tmp_path / "it")


async def test_as_root_the_owner_of_a_repository_owns_what_is_delivered(
    workspace: Workspace, repository: Repository
) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can hand a repository to another user")
    for path in [repository.path.parent, repository.path, *repository.path.rglob("*")]:
        os.chown(path, 1234, 1234)
    for folder in repository.path.parents:
        if folder.stat().st_uid == 0 and folder != Path("/tmp") and folder != Path("/"):
            folder.chmod(0o755)
    found = await inspect(repository.path)
    mirror = workspace.mirror(found.key)
    await mirror.fetch(found.url)
    sha = await mirror.commit(a_patch(found.head), message="one", author=ANN)

    await mirror.deliver(found, sha, "fettle/fix")

    assert {path.stat().st_uid for path in (repository.path / ".git").rglob("*")} == {1234}


# Names


@given(st.text(max_size=20))
def test_a_name_that_passes_is_a_name_for_git(name: str) -> None:
    if is_branch(name):
        git = ["git", "check-ref-format", f"refs/heads/{name}"]
        assert subprocess.run(git, check=False).returncode == 0, name
        assert not name.startswith("-")


@pytest.mark.parametrize("name", ["main", "fettle/issue-12-fix-it", "feature/ü", "a.b", "v1", "user@host", "a-b_c"])
def test_usual_names_pass(name: str) -> None:
    assert is_branch(name)


@pytest.mark.parametrize("key", ["", "..", "a/../b", "/a", "a", "A/b", "github.com/-1", "a/b/c/d/e", "a/b\n", "a/.git"])
def test_a_key_is_checked(workspace: Workspace, key: str) -> None:
    with pytest.raises(ValueError, match="key"):
        workspace.mirror(key)
