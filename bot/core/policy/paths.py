"""Which paths are what: tests, protected files, files that decide what gets installed. Pure, by name only."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

_REFUSED = (
    r"\.github(/.*)?",
    r"(\.github/|docs/)?CODEOWNERS",
    r"(.*/)?\.git(attributes|modules|ignore)?",
    r"(.*/)?\.gitlab-ci\.ya?ml|\.cirrus\.ya?ml|(cloudbuild|buildspec|codemagic)\.ya?ml|\.travis\.ya?ml|(.*/)?Jenkinsfile[^/]*|azure-pipelines\.ya?ml|bitbucket-pipelines\.ya?ml|appveyor\.ya?ml",
    r"\.(circleci|buildkite|drone|woodpecker|semaphore|gitlab|husky|githooks|devcontainer|vscode)(/.*)?",
    r"\.(drone|woodpecker)\.ya?ml|(.*/)?action\.ya?ml|(.*/)?\.envrc",
    r"\.pre-commit-(config|hooks)\.ya?ml",
)
_LOCKS = (
    r"(.*/)?(uv|poetry|pdm|pixi|Cargo|Pipfile|composer|Gemfile|yarn|flake|mix)\.lock",
    r"(.*/)?pylock(\.[^/]*)?\.toml|(.*/)?conda-lock\.ya?ml",
    r"(.*/)?(package-lock|npm-shrinkwrap)\.json|(.*/)?pnpm-lock\.ya?ml|(.*/)?go\.sum|(.*/)?bun\.lockb?",
)
_MANIFESTS = (
    r"(.*/)?(pyproject\.toml|setup\.(py|cfg)|Pipfile|package\.json|Cargo\.toml|go\.mod|environment\.ya?ml)",
    r"(.*/)?(pnpm-workspace\.yaml|go\.work|pixi\.toml|hatch_build\.py|build\.rs|\.python-version|rust-toolchain(\.toml)?)",
    r"(.*/)?[^/]*(requirements|constraints)[^/]*\.(txt|in)|(.*/)?requirements/[^/]*\.(txt|in)",
)
_CONFIG = (
    r"(.*/)?(conftest\.py|tox\.ini|\.?pytest\.(ini|toml)|(site|user)customize\.py|[^/]*\.pth|\.?ruff\.toml|\.?mypy\.ini|\.flake8|\.pylintrc|\.coveragerc|noxfile\.py)",
    r"(.*/)?(Makefile|GNUmakefile|justfile|Dockerfile[^/]*|compose\.ya?ml|docker-compose[^/]*\.ya?ml)",
    r"(.*/)?(jest|vitest|vite|babel|eslint|webpack|rollup|playwright)\.config\.[cm]?[jt]s|(.*/)?\.?eslintrc[^/]*",
    r"(.*/)?tsconfig[^/]*\.json|(.*/)?\.(mocharc\.\w+|swcrc|npmrc|yarnrc(\.yml)?|pnpmfile\.c?js|cargo/config(\.toml)?)|(.*/)?(pip|uv)\.(conf|toml)",
)


_TEST_FOLDERS = frozenset({"test", "tests", "__tests__", "__snapshots__", "spec", "specs", "testing"})
_TEST_NAME = re.compile(r"(?i)(?:test_.*|.*_tests?|conftest|tests)\.\w+|.*\.(?:test|spec)\.[cm]?[jt]sx?")


def _compiled(patterns: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(f"(?:{pattern})" for pattern in patterns), re.IGNORECASE)


_REFUSED_RE, _LOCKS_RE, _MANIFESTS_RE, _CONFIG_RE = map(_compiled, (_REFUSED, _LOCKS, _MANIFESTS, _CONFIG))


def is_protected(path: str) -> bool:
    """Files that steer CI, ownership or git itself: no patch of ours touches them."""
    return _REFUSED_RE.fullmatch(path) is not None


def is_lock(path: str) -> bool:
    """Lock files of package managers."""
    return _LOCKS_RE.fullmatch(path) is not None


def is_manifest(path: str) -> bool:
    """Files that decide what gets installed."""
    return _MANIFESTS_RE.fullmatch(path) is not None


def is_tool_config(path: str) -> bool:
    """Files that decide how tests, builds and checks run."""
    return _CONFIG_RE.fullmatch(path) is not None


def is_test(path: str) -> bool:
    """Test files and what lies beside them, by the usual names of pytest, jest, go and cargo."""
    pure = PurePosixPath(path)
    if any(part.lower() in _TEST_FOLDERS for part in pure.parts[:-1]):
        return True
    return _TEST_NAME.fullmatch(pure.name) is not None


def is_runnable_test(path: str) -> bool:
    """Test files that pytest or a JavaScript runner takes as an argument: no conftest, no data, no helpers."""
    name = PurePosixPath(path).name
    if name.endswith(".py"):
        return is_test(path) and name != "conftest.py"
    return is_test(path) and re.search(r"\.[cm]?[jt]sx?$", name) is not None
