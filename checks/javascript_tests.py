"""Jest, vitest, mocha and `node --test`: the command that runs tests in the sandbox, and what its end means.

Called by checks.runner. The exit code and the report must agree before a run counts. As with pytest, tests run beside
what reports on them: a test bent on forging both can, but not by accident.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import assert_never

from bot.core.errors import Infrastructure
from bot.core.findings import SuiteEnd, TestCase, TestOutcome, TestReport
from bot.sandbox.protocol import WORKSPACE, Reason, Result
from bot.toolchains.base import Project
from bot.toolchains.node_script import Runner
from bot.toolchains.node_tools import LIB
from checks.base import Command
from checks.javascript_reports import MAX_DETAIL, NAMES, Told, read_json, read_lines

_COMMON = ("--bail=0", "--passWithNoTests")
# Mocha names a broken hook so; it runs with the tests around it only.
_HOOK = re.compile(r'"(?:before|after) (?:all|each)" hook')
# Past this many characters all tests of the named files run, and those that were not asked for are left out.
MAX_PATTERN = 60_000
# Ends without a report, by what the runner said. First match counts.
_SILENT = (
    (SuiteEnd.NO_TESTS, re.compile(r"No tests? files? found|No tests found|Could not find '")),
    (
        SuiteEnd.USAGE,
        re.compile(
            r"Validation Error:|Multiple configurations found|failed to load config|Startup Error"
            r"|Unknown (?:option|file ext)|Unrecognized option"
            r"|Unable to (?:read|parse) .*mocharc|bad option:|CACError|Could not find a config file"
            r"|Failed to parse the TypeScript config|command not found|No such file or directory"
        ),
    ),
    (
        SuiteEnd.COLLECTION_ERROR,
        re.compile(r"Exception during run:|SyntaxError|ERR_MODULE_NOT_FOUND|MODULE_NOT_FOUND|Cannot find module"),
    ),
)


def command(project: Project, tests: Sequence[str], folder: str, timeout: float) -> Command | None:
    """The project's runner over `tests` (ids or paths; empty: what the project's own script says); None without one.

    The report goes to `folder` (relative, must exist).
    """
    if (runner := _runner(project)) is None:
        return None
    argv, own = _split(project.test_command)
    paths = tuple(dict.fromkeys(test.partition("::")[0] for test in tests)) or own
    report = f"{folder}/report"
    inside = f"{WORKSPACE}/{report}"
    options = (*_options(runner, inside), *_selected(runner, tests))
    argv = (*_launched(runner, argv), *options, *_paths(runner, paths, bool(tests)))
    return Command(argv, timeout, (report,), {"FETTLE_REPORT": inside})


def litter(project: Project) -> tuple[str, ...]:
    """Folders that the runner leaves in the workspace whatever its options are."""
    return ("node_modules/.vite", "node_modules/.vite-temp") if _runner(project) is Runner.VITEST else ()


def parse(project: Project, tests: Sequence[str], result: Result, report: bytes | None) -> TestReport:
    """What one run came to, with the cases of `tests` only; raises Infrastructure when the sandbox itself failed."""
    runner = _runner(project)
    read = read_json if runner in (Runner.JEST, Runner.VITEST) else read_lines
    told = read(report or b"")
    end, why = _end(result, told)
    if end is SuiteEnd.COLLECTION_ERROR and told.finished and not _loading(told, tests):
        end = SuiteEnd.COMPLETED
    cases = (*_asked(told.cases, tests), *_cut_short(end, why, told, result))
    if end is SuiteEnd.COMPLETED and not cases:
        end, why = SuiteEnd.NO_TESTS, "None of the tests that were asked for ran."
    detail = "" if end is SuiteEnd.COMPLETED else f"{why}\n{_output(result)}".strip()
    return TestReport(end, cases, detail, result.seconds)


def _runner(project: Project) -> Runner | None:
    if not project.test_command:
        return None
    return next((runner for runner in Runner if runner.value in project.configures), None)


def _split(words: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The command and the paths after `--`."""
    at = words.index("--") if "--" in words else len(words)
    return tuple(words[:at]), tuple(words[at + 1 :])


def _launched(runner: Runner, argv: tuple[str, ...]) -> tuple[str, ...]:
    """The command, with Node's own runner started by the script that expands globs for it."""
    if runner is not Runner.NODE:
        return argv
    at = argv.index("node") + 1
    return (*argv[:at], f"{LIB}/fettle_node_run.mjs", *argv[at:])


def _options(runner: Runner, report: str) -> tuple[str, ...]:
    """Options of every run: our report, all tests whatever fails, no coverage thresholds, no new snapshots."""
    match runner:
        case Runner.JEST:
            ours = ("--json", f"--outputFile={report}")
            return (*ours, "--ci", *_COMMON, "--watchman=false", "--coverage=false", "--colors=false")
        case Runner.VITEST:
            # The second reporter is for people: it says what belongs to no test.
            ours = ("--reporter=json", f"--outputFile.json={report}")
            return ("--run", *ours, "--reporter=default", *_COMMON, "--coverage.enabled=false")
        case Runner.MOCHA:
            return ("--reporter", f"{LIB}/fettle_mocha.cjs", "--no-bail", "--no-color")
        case Runner.NODE:
            # Ours writes its own file; the second is for people.
            ours = (f"--test-reporter={LIB}/fettle_node_test.mjs", "--test-reporter-destination=/dev/null")
            return (*ours, "--test-reporter=spec", "--test-reporter-destination=stdout")
        case _ as never:
            assert_never(never)


def _selected(runner: Runner, tests: Sequence[str]) -> tuple[str, ...]:
    """Options that name single tests; empty where whole files were asked for, or the names are too many."""
    names = [name for test in tests if (name := test.partition("::")[2])]
    pattern = _pattern(names)
    if len(names) != len(tests) or not names or len(pattern) > MAX_PATTERN or _HOOK.search(pattern):
        return ()
    match runner:
        case Runner.JEST | Runner.VITEST:
            return ("-t", pattern)
        case Runner.MOCHA:
            return ("--grep", pattern)
        case Runner.NODE:
            # A test within a test runs only when each of those around it does too.
            parts = {part for name in names for part in name.split(NAMES)}
            return (f"--test-name-pattern={pattern}", f"--test-name-pattern={_pattern(sorted(parts))}")
        case _ as never:
            assert_never(never)


def _pattern(names: Iterable[str]) -> str:
    """A regular expression of JavaScript for exactly `names`; runners join suites by a blank or by ` > `."""
    return f"^(?:{'|'.join(' (?:> )?'.join(map(_escaped, name.split(NAMES))) for name in names)})$"


def _escaped(text: str) -> str:
    return re.sub(r"[\\^$.*+?()\[\]{}|/]", r"\\\g<0>", text)


def _paths(runner: Runner, paths: Sequence[str], asked: bool) -> tuple[str, ...]:
    operands = tuple(path if path.startswith(("/", "./")) else f"./{path}" for path in paths)
    if runner is Runner.JEST:
        # Without --runTestsByPath jest takes paths for patterns.
        return ("--runTestsByPath", *operands) if asked else tuple(paths)
    return ("--", *operands) if runner is Runner.NODE else operands


def _end(result: Result, told: Told) -> tuple[SuiteEnd, str]:
    match result.reason:
        case Reason.OK | Reason.NONZERO:
            return _exited(result, told)
        case Reason.INFRASTRUCTURE:
            raise Infrastructure(f"The tests could not be run: {result.detail}")
        case Reason.TIMEOUT:
            return SuiteEnd.TIMEOUT, f"Stopped after {result.seconds:.0f} s{_while(told)}."
        case reason:
            return (
                SuiteEnd.CRASHED,
                f"Stopped by the sandbox ({reason.value}{': ' * bool(result.detail)}{result.detail}).",
            )


def _exited(result: Result, told: Told) -> tuple[SuiteEnd, str]:
    if not told.finished:
        said = f"{result.stdout.text}\n{result.stderr.text}"
        end = next((end for end, pattern in _SILENT if pattern.search(said)), SuiteEnd.CRASHED)
        if told.cases or not result.exit:
            end = SuiteEnd.CRASHED
        return end, f"The test runner ended with {result.exit} without finishing its report{_while(told)}."
    failed = any(case.outcome in (TestOutcome.FAILED, TestOutcome.ERROR) for case in told.cases)
    if not told.cases:
        return SuiteEnd.NO_TESTS, "No tests were found."
    if failed is (result.exit == 0):
        return SuiteEnd.CRASHED, f"The test runner ended with {result.exit}, and its report says otherwise."
    if told.unloaded:
        return SuiteEnd.COLLECTION_ERROR, "Some files could not be loaded."
    return SuiteEnd.COMPLETED, ""


def _asked(cases: Sequence[TestCase], tests: Sequence[str]) -> tuple[TestCase, ...]:
    """The cases that `tests` name, and the files among them that did not load."""
    if not tests:
        return tuple(cases)
    names = frozenset(tests)
    paths = frozenset(test.partition("::")[0] for test in tests)
    return tuple(case for case in cases if case.id in names | paths or _path(case) in names)


def _loading(told: Told, tests: Sequence[str]) -> bool:
    """Whether a file did not load that somebody asked for."""
    return not tests or bool(told.unloaded & {test.partition("::")[0] for test in tests})


def _cut_short(end: SuiteEnd, why: str, told: Told, result: Result) -> tuple[TestCase, ...]:
    """What a run that came to no report was at: the test that was running, or the file that did not load."""
    if end in (SuiteEnd.TIMEOUT, SuiteEnd.CRASHED) and told.running:
        return (TestCase(told.running, TestOutcome.ERROR, f"It had not ended. {why}"),)
    if end is SuiteEnd.COLLECTION_ERROR and not told.finished:
        return (_culprit(result),)
    return ()


def _path(case: TestCase) -> str:
    return case.id.partition("::")[0]


def _culprit(result: Result) -> TestCase:
    """The file that kept mocha from starting, as an error with its words."""
    said = _output(result)
    # "Require stack" and "imported from" name the importer; a SyntaxError's first line names the file itself.
    found = re.search(rf"(?:Require stack:\s*- |imported from |file://|^){WORKSPACE}/([^\s:'\"]+)", said, re.MULTILINE)
    return TestCase(found[1] if found else ".", TestOutcome.ERROR, said)


def _while(told: Told) -> str:
    return f" while running {told.running}" if told.running else ""


def _output(result: Result) -> str:
    return f"{result.stdout.text}\n{result.stderr.text}".strip()[-MAX_DETAIL:]
