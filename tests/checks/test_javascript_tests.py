"""What a run of a JavaScript test runner came to: golden reports, forged ones, and ends of every kind."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.core.errors import Infrastructure
from bot.core.findings import SuiteEnd, TestOutcome, TestReport
from bot.sandbox.protocol import Captured, Reason, Result
from bot.toolchains.base import Project
from bot.toolchains.node_script import Runner
from checks import javascript_tests

GOLDEN = Path(__file__).parent / "golden"
PASSED, FAILED, SKIPPED, ERROR = TestOutcome.PASSED, TestOutcome.FAILED, TestOutcome.SKIPPED, TestOutcome.ERROR


def project(runner: Runner, *command: str) -> Project:
    return Project("node", "k", configures=frozenset({runner.value}), test_command=command or (runner.value,))


def ended(code: int | None, reason: Reason | None = None, stdout: str = "", stderr: str = "") -> Result:
    reason = reason or (Reason.OK if code == 0 else Reason.NONZERO)
    out, err = stdout.encode(), stderr.encode()
    return Result(reason, code, Captured(out, b"", len(out)), Captured(err, b"", len(err)))


def golden(name: str, runner: Runner, *tests: str) -> TestReport:
    kept = json.loads((GOLDEN / f"javascript-{name}.json").read_text())
    said = ended(kept["exit"], stdout=kept["stdout"], stderr=kept["stderr"])
    return javascript_tests.parse(project(runner), tests, said, kept["report"].encode())


def lines(*events: dict[str, Any]) -> bytes:
    return b"".join(json.dumps(event).encode() + b"\n" for event in events)


def case(outcome: str, *names: str) -> dict[str, Any]:
    told = {"path": "a.js", "names": list(names or ("t",)), "outcome": outcome, "message": "", "seconds": 0.1}
    return {"event": "test", **told}


FINISH = {"event": "finish"}
SHARED = {"outer > in > ner (1) > works": PASSED, "outer > in > ner (1) > fails at a.b [x]?": FAILED}
EXPECTED: dict[str, tuple[Runner, SuiteEnd, dict[str, TestOutcome]]] = {
    "node": (
        Runner.NODE,
        SuiteEnd.COLLECTION_ERROR,
        {
            **{f"a.test.js::{name}": outcome for name, outcome in SHARED.items()},
            "a.test.js::outer > skipped": SKIPPED,
            "a.test.js::hooks > never runs": FAILED,
            "a.test.js::hooks": FAILED,
            "a.test.js::top > sub": FAILED,
            "a.test.js::top": FAILED,
            "a.test.js::expected to fail": SKIPPED,
            "a.test.js::twice": FAILED,
            "b.test.js": ERROR,
            "test/quiet.js": PASSED,
            "test/script.js": FAILED,
        },
    ),
    "mocha": (
        Runner.MOCHA,
        SuiteEnd.COMPLETED,
        {
            **{f"test/a.js::{name}": outcome for name, outcome in SHARED.items()},
            "test/a.js::outer > skipped": SKIPPED,
            'test/a.js::hooks > "before all" hook for "never runs"': FAILED,
        },
    ),
    "jest": (
        Runner.JEST,
        SuiteEnd.COLLECTION_ERROR,
        {
            **{f"a.test.js::{name}": outcome for name, outcome in SHARED.items()},
            "a.test.js::outer > skipped": SKIPPED,
            "a.test.js::hooks > never runs": FAILED,
            "b.test.js": ERROR,
        },
    ),
    "vitest": (
        Runner.VITEST,
        SuiteEnd.COLLECTION_ERROR,
        {
            **{f"src/a.test.ts::{name}": outcome for name, outcome in SHARED.items()},
            "src/a.test.ts::outer > skipped": SKIPPED,
            "src/a.test.ts::hooks > never runs": SKIPPED,
            "src/b.test.ts": ERROR,
        },
    ),
}


@pytest.mark.parametrize("name", list(EXPECTED))
def test_golden_reports_keep_every_name_and_outcome(name: str) -> None:
    runner, end, cases = EXPECTED[name]
    report = golden(name, runner)
    assert {one.id: one.outcome for one in report.cases} == cases
    assert report.end is end
    failing = next(one for one in report.cases if one.outcome is FAILED)
    assert "1" in failing.message


@pytest.mark.parametrize("name", list(EXPECTED))
def test_only_what_was_asked_for_counts(name: str) -> None:
    runner, _, cases = EXPECTED[name]
    failing = next(one for one, outcome in cases.items() if outcome is FAILED)
    report = golden(name, runner, failing)
    assert [one.id for one in report.cases] == [failing]
    assert report.end is SuiteEnd.COMPLETED
    assert golden(name, runner, "gone.js::x").end is SuiteEnd.NO_TESTS
    whole = golden(name, runner, failing.partition("::")[0])
    assert whole.ids(PASSED, FAILED) == {
        one for one, outcome in cases.items() if one.startswith(failing[:8]) and outcome in (PASSED, FAILED)
    }


def test_a_file_that_does_not_load_is_told_with_its_words() -> None:
    for name, path in (("node", "b.test.js"), ("jest", "b.test.js"), ("vitest", "src/b.test.ts")):
        found = golden(name, EXPECTED[name][0]).case(path)
        assert found is not None
        assert "gone" in found.message


IMPORT_ERROR = "Exception during run: Error: Cannot find module './x'\nRequire stack:\n- /workspace/test/b.js\n"


@pytest.mark.parametrize(
    ("runner", "result", "report", "end"),
    [
        (Runner.NODE, ended(0), lines(case("passed"), FINISH), SuiteEnd.COMPLETED),
        (Runner.NODE, ended(0), lines(FINISH), SuiteEnd.NO_TESTS),
        (Runner.NODE, ended(1, stderr="Could not find '/workspace/x.js'"), b"", SuiteEnd.NO_TESTS),
        (Runner.NODE, ended(9, stderr="node: bad option: --nope"), b"", SuiteEnd.USAGE),
        (Runner.NODE, ended(0), lines(case("passed")), SuiteEnd.CRASHED),
        (Runner.NODE, ended(1), lines(case("passed"), FINISH), SuiteEnd.CRASHED),
        (Runner.NODE, ended(0), lines(case("failed"), FINISH), SuiteEnd.CRASHED),
        (Runner.NODE, ended(None, Reason.TIMEOUT), lines(case("passed")), SuiteEnd.TIMEOUT),
        (Runner.NODE, ended(None, Reason.OOM), lines(case("passed")), SuiteEnd.CRASHED),
        (Runner.NODE, ended(134), lines(case("passed")), SuiteEnd.CRASHED),
        (Runner.NODE, ended(1), lines(case("unloaded"), FINISH), SuiteEnd.COLLECTION_ERROR),
        (Runner.MOCHA, ended(1, stderr=IMPORT_ERROR), b"", SuiteEnd.COLLECTION_ERROR),
        (Runner.MOCHA, ended(1, stderr="Error: No test files found"), b"", SuiteEnd.NO_TESTS),
        (Runner.MOCHA, ended(3), lines(case("failed"), FINISH), SuiteEnd.COMPLETED),
        (Runner.MOCHA, ended(127, stderr="execvp mocha: No such file or directory"), b"", SuiteEnd.USAGE),
        (Runner.JEST, ended(1, stderr="● Validation Error:"), b"", SuiteEnd.USAGE),
        (Runner.JEST, ended(0), b'{"testResults": []}', SuiteEnd.NO_TESTS),
        (Runner.JEST, ended(1), b'{"testResults": []', SuiteEnd.CRASHED),
        (Runner.VITEST, ended(1, stderr="failed to load config from x"), b"", SuiteEnd.USAGE),
        (Runner.VITEST, ended(0), b"", SuiteEnd.CRASHED),
    ],
)
def test_ends_are_told_apart(runner: Runner, result: Result, report: bytes, end: SuiteEnd) -> None:
    told = javascript_tests.parse(project(runner), (), result, report)
    assert told.end is end
    assert bool(told.detail) is (end is not SuiteEnd.COMPLETED)


def test_mochas_culprit_is_named() -> None:
    told = javascript_tests.parse(project(Runner.MOCHA), (), ended(1, stderr=IMPORT_ERROR), b"")
    assert told.failing == {"test/b.js"}


def test_the_test_that_was_running_is_named() -> None:
    start = {"event": "start", "path": "a.js", "names": ["slow"]}
    told = javascript_tests.parse(project(Runner.MOCHA), (), ended(None, Reason.TIMEOUT), lines(case("passed"), start))
    assert told.passing == {"a.js::t"}
    assert told.failing == {"a.js::slow"}
    assert "while running a.js::slow" in told.detail


def test_a_sandbox_that_failed_is_no_report() -> None:
    with pytest.raises(Infrastructure):
        javascript_tests.parse(project(Runner.NODE), (), ended(None, Reason.INFRASTRUCTURE), b"")


@settings(deadline=None)
@given(st.sampled_from(Runner), st.binary() | st.text().map(str.encode), st.sampled_from([0, 1, 2, 7, 139]))
def test_noise_never_passes(runner: Runner, report: bytes, code: int) -> None:
    assert javascript_tests.parse(project(runner), (), ended(code), report).end is not SuiteEnd.COMPLETED


@settings(deadline=None)
@given(
    st.sampled_from([Runner.JEST, Runner.VITEST]),
    st.recursive(st.none() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(
        st.sampled_from(["testResults", "name", "assertionResults", "status", "title", "message"]), inner,
    )),
)  # fmt: skip
def test_odd_json_is_no_report(runner: Runner, data: object) -> None:
    report = json.dumps({"testResults": data}).encode()
    assert javascript_tests.parse(project(runner), (), ended(0), report).end is not SuiteEnd.COMPLETED


def argv(runner: Runner, *tests: str, command: tuple[str, ...] = ()) -> tuple[str, ...]:
    made = javascript_tests.command(project(runner, *command), tests, "out", 60.0)
    assert made
    return made.argv


def test_commands_name_the_tests_again() -> None:
    one = "src/a.test.js::outer > fails at a.b [x]?"
    pattern = r"^(?:outer (?:> )?fails at a\.b \[x\]\?)$"
    assert argv(Runner.JEST, one)[-4:] == ("-t", pattern, "--runTestsByPath", "./src/a.test.js")
    assert argv(Runner.VITEST, one)[-3:] == ("-t", pattern, "./src/a.test.js")
    assert argv(Runner.MOCHA, one)[-3:] == ("--grep", pattern, "./src/a.test.js")
    assert argv(Runner.NODE, one, command=("node", "--test"))[-4:] == (
        f"--test-name-pattern={pattern}", r"--test-name-pattern=^(?:fails at a\.b \[x\]\?|outer)$", "--",
        "./src/a.test.js",
    )  # fmt: skip
    assert "--grep" not in argv(Runner.MOCHA, 'a.js::x > "before all" hook for "y"')
    assert "-t" not in argv(Runner.JEST, "a.js::x", "b.js")


def test_thousands_of_names_run_as_whole_files() -> None:
    many = [f"a.js::{'x' * 60} {number}" for number in range(2_000)]
    assert argv(Runner.JEST, *many)[-2:] == ("--runTestsByPath", "./a.js")


def test_the_projects_own_paths_and_options_stay() -> None:
    own = ("env", "A=b", "node", "--import", "tsx", "--test", "--", "test/*.ts")
    words = argv(Runner.NODE, command=own)
    assert words[:3] == ("env", "A=b", "node")
    assert words[3].endswith("fettle_node_run.mjs")
    assert words[-2:] == ("--", "./test/*.ts")
    assert argv(Runner.NODE, "a.ts", command=own)[-2:] == ("--", "./a.ts")
    assert argv(Runner.JEST, command=("jest", "--", "-x", "unit"))[-2:] == ("-x", "unit")


def test_a_project_without_a_known_runner_has_no_command() -> None:
    assert javascript_tests.command(Project("node", "k"), (), "out", 60.0) is None
