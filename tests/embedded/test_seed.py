"""A seed file becomes a GitHub, or one sentence that says what is wrong."""

from pathlib import Path

import pytest

from bot.core.errors import UserError
from bot.embedded.github import GitHub
from bot.embedded.seed import load_seed, plant

GOOD = """
accounts: [alice, {login: acme, organization: true}]
repositories:
  - name: acme/calc
    description: Sums
    folder: calc
    files: {extra.py: "b = 1\\n"}
    collaborators: {alice: write}
    issues:
      - {title: add() is off by one, author: alice, labels: [autofix]}
      - {title: sub() too}
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "seed.yml"
    path.write_text(text)
    return path


async def test_a_seed_is_planted(tmp_path: Path) -> None:
    (tmp_path / "calc" / "src").mkdir(parents=True)
    (tmp_path / "calc" / "src" / "a.py").write_text("a = 1\n")
    (tmp_path / "calc" / "__pycache__").mkdir()
    (tmp_path / "calc" / "__pycache__" / "a.pyc").write_bytes(b"\0")
    github = GitHub(tmp_path / "git")
    repos = await plant(github, load_seed(write(tmp_path, GOOD)), tmp_path)
    assert await repos[0].files() == {"extra.py": b"b = 1\n", "src/a.py": b"a = 1\n"}
    assert [(each.title, each.user.login) for each in repos[0].issues()] == [
        ("add() is off by one", "alice"),
        ("sub() too", "acme"),
    ]
    assert repos[0].labels(1) == ["autofix"]
    assert repos[0].record.owner.kind == "Organization"
    assert repos[0].record.collaborators == {"alice": "write"}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("a: [", "is not YAML"),
        ("- 1", "valid dictionary"),
        ("repositories: []", "at repositories: "),
        ("repositories: [{name: calc}]", "at repositories.0.name: "),
        ("repositories: [{name: a/b, colour: red}]", "at repositories.0.colour: extra inputs"),
        ("repositories: [{name: a/b, collaborators: {x: king}}]", "at repositories.0.collaborators.x: "),
        ("repositories: [{name: a/b, issues: [{body: x}]}]", "at repositories.0.issues.0.title: "),
        ("repositories: [{name: a/b}, {name: A/b}]", "names the repository A/b twice"),
        ("repositories: [{name: a/b, folder: none}]", "which does not exist"),
        ("repositories: [{name: a/b, files: {../x: y}}]", "leaves the repository"),
    ],
)
async def test_a_bad_seed_is_one_sentence_and_makes_nothing(tmp_path: Path, text: str, sentence: str) -> None:
    github = GitHub(tmp_path / "git")
    with pytest.raises(UserError) as caught:
        await plant(github, load_seed(write(tmp_path, text)), tmp_path)
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)
    assert github.repos() == []


async def test_the_app_hears_of_the_seeded_issues(tmp_path: Path, private_key: str) -> None:
    github = GitHub(tmp_path / "git")
    app = github.create_app(private_key=private_key, webhook_url="http://127.0.0.1:9/")
    text = "repositories: [{name: a/b, issues: [{title: x, labels: [autofix]}]}]"
    await plant(github, load_seed(write(tmp_path, text)), tmp_path, app)
    events = [(each.event, each.action) for each in github.deliveries]
    assert events[-2:] == [("issues", "opened"), ("issues", "labeled")]
    await github.aclose()


def test_a_missing_seed_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be read: No such file or directory"):
        load_seed(tmp_path / "none.yml")
