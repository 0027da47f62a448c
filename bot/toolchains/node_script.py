"""What `scripts.test` of a package.json asks a test runner to do, as an argument list. Pure; called by node_detect.

The script itself is never run: it may build, lint and deploy besides, and its reporters are not ours. What is kept is
the runner, the options that change which code it loads, and the paths it is given; what is dropped is how it reports.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum


class Runner(StrEnum):
    """The test runners that Fettle knows."""

    JEST = "jest"
    VITEST = "vitest"
    MOCHA = "mocha"
    NODE = "node-test"


@dataclass(frozen=True, slots=True)
class Script:
    """A runner with its arguments: `paths` may be globs, `dropped` names the script's other steps."""

    runner: Runner
    argv: tuple[str, ...]
    paths: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()

    @property
    def command(self) -> tuple[str, ...]:
        """The whole as one argument list: the paths stand after `--`."""
        return (*self.argv, "--", *self.paths) if self.paths else self.argv


MAX_DEPTH = 5
_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=.*", re.DOTALL)
_SEPARATORS = frozenset({"&&", "||", ";", "|", "&"})
# Words before a runner that only prepare its surroundings; `run` and its kin lead to another script.
_WRAPPERS = frozenset({"npx", "cross-env", "cross-env-shell", "c8", "nyc", "exec", "dlx", "dotenv", "env", "--"})
_MANAGERS = frozenset({"npm", "pnpm", "yarn", "run", "run-script"})
# Options that take the next word as their value. Long options may also carry it after `=`.
_VALUES: Mapping[Runner, frozenset[str]] = {
    Runner.JEST: frozenset(
        {
            "-c", "--config", "--rootDir", "--roots", "--selectProjects", "--projects", "--testMatch",
            "--testRegex", "--env", "--testEnvironment", "-w", "--maxWorkers", "--testTimeout",
            "--testPathIgnorePatterns", "--setupFilesAfterEnv", "--preset", "--reporters", "--outputFile", "-t",
            "--testNamePattern", "--coverageDirectory", "--coverageReporters", "--shard",
        }
    ),
    Runner.VITEST: frozenset(
        {
            "-c", "--config", "-r", "--root", "--dir", "--project", "--environment", "--pool", "--mode",
            "--testTimeout", "--hookTimeout", "--maxWorkers", "--configLoader", "--reporter", "--outputFile",
            "--bail", "-t", "--testNamePattern", "--shard", "--retry",
        }
    ),
    Runner.MOCHA: frozenset(
        {
            "-r", "--require", "--config", "--package", "-t", "--timeout", "-s", "--slow", "-u", "--ui",
            "--extension", "--spec", "--file", "--loader", "--import", "-n", "--node-option", "--ignore",
            "--exclude", "-j", "--jobs", "--retries", "-R", "--reporter", "-O", "--reporter-option",
            "--reporter-options", "-g", "--grep", "-f", "--fgrep", "--watch-files", "--watch-ignore",
        }
    ),
    Runner.NODE: frozenset(
        {
            "-r", "--require", "--import", "--loader", "--experimental-loader", "-C", "--conditions", "--env-file",
            "--test-concurrency", "--test-timeout", "--test-reporter", "--test-reporter-destination",
            "--test-name-pattern", "--test-shard",
        }
    ),
}  # fmt: skip
# How results are shown, filtered, measured or cut short: ours to say.
_DROPPED: Mapping[Runner, re.Pattern[str]] = {
    Runner.JEST: re.compile(
        r"--(no-)?(watch\w*|coverage\w*|collectCoverage\w*|bail|json|reporters|outputFile|ci|verbose|silent|notify"
        r"|passWithNoTests|onlyChanged|changedSince|onlyFailures|testNamePattern|shard|colors?|updateSnapshot)|-[btuo]"
    ),
    Runner.VITEST: re.compile(
        r"--(no-)?(watch|run|coverage[\w.]*|reporter|outputFile[\w.]*|ui|bail|passWithNoTests|silent|testNamePattern|shard"
        r"|changed|update|open|color)|-[wtu]"
    ),
    Runner.MOCHA: re.compile(
        r"--(no-)?(watch[\w-]*|reporter(-options?)?|bail|grep|fgrep|invert|colors?|parallel|jobs|forbid-\w+)|-[bgfiRwOcCpj]"
    ),
    Runner.NODE: re.compile(
        r"--(test|watch\S*|test-(reporter\S*|name-pattern|skip-pattern|only|shard|coverage\S*|update-snapshots)"
        r"|experimental-test-coverage)"
    ),
}


def parse(scripts: Mapping[str, str], name: str = "test", depth: int = 0) -> Script | None:
    """What script `name` runs; None when it runs no runner that Fettle knows (or cannot be read)."""
    steps = _steps(scripts.get(name, ""))
    for index, step in enumerate(steps):
        if (found := _step(step, scripts, depth)) is not None:
            others = tuple(shlex.join(other) for other in steps[:index] + steps[index + 1 :])
            return Script(found.runner, found.argv, found.paths, (*found.dropped, *others))
    return None


def is_placeholder(script: str) -> bool:
    """Whether `script` is missing, or the one that `npm init` writes."""
    return not script.strip() or "no test specified" in script


def _steps(text: str) -> list[list[str]]:
    lexer = shlex.shlex(text, posix=True, punctuation_chars="&|;")
    lexer.whitespace_split = True
    lexer.commenters = ""
    steps: list[list[str]] = [[]]
    try:
        for word in lexer:
            if word in _SEPARATORS:
                steps.append([])
            else:
                steps[-1].append(word)
    except ValueError:
        return []
    return [step for step in steps if step]


def _step(words: list[str], scripts: Mapping[str, str], depth: int) -> Script | None:
    variables: list[str] = []
    managed = False
    for index, word in enumerate(words):
        rest = words[index + 1 :]
        if runner := _runner(word, rest):
            loader = ["--import", "tsx"] if word == "tsx" else []
            return _script(runner, [*loader, *rest], variables)
        if managed and word in scripts:
            return parse(scripts, word, depth + 1) if depth < MAX_DEPTH else None
        if _ASSIGNMENT.fullmatch(word):
            variables.append(word)
        elif word in _MANAGERS:
            managed = True
        elif word not in _WRAPPERS and not word.startswith("-"):
            return None
    return None


def _runner(word: str, rest: list[str]) -> Runner | None:
    match word.rpartition("/")[2]:
        case "jest" | "jest.js":
            return Runner.JEST
        case "vitest" | "vitest.mjs":
            return Runner.VITEST
        case "mocha" | "_mocha" | "mocha.js":
            return Runner.MOCHA
        case "node" | "tsx" if "--test" in rest:
            return Runner.NODE
        case _:
            return None


def _script(runner: Runner, words: list[str], variables: list[str]) -> Script:
    options: list[str] = []
    paths: list[str] = []
    for option, operand in _arguments(words, _VALUES[runner]):
        if not option:
            paths += operand
        elif not _DROPPED[runner].fullmatch(option.partition("=")[0]):
            options += [option, *operand]
    if runner is Runner.VITEST and paths[:1] in (["run"], ["watch"], ["dev"]):
        paths = paths[1:]
    program = ("node", *options, "--test") if runner is Runner.NODE else (runner.value, *options)
    return Script(runner, ("env", *variables, *program) if variables else program, tuple(paths))


def _arguments(words: list[str], values: frozenset[str]) -> Iterator[tuple[str, list[str]]]:
    """(option, its value) for every option, and ("", [path]) for every other word."""
    rest = iter(words)
    for word in rest:
        if word == "--":
            continue
        if not word.startswith("-"):
            yield "", [word]
        elif word in values:
            yield word, [value] if (value := next(rest, None)) is not None else []
        else:
            yield word, []
