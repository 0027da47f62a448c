"""The contract: every check and the test runner on real tiny projects in the real sandbox."""

import pytest

from bot.core.findings import SuiteEnd, TestOutcome, new_findings
from checks.ruff import fix_command
from checks.runner import run_command
from tests.checks.lab import Lab
from tests.checks.samples import BROKEN, CALC, OUTCOMES, TYPED


async def test_a_bare_folder_is_tested_and_checked(lab: Lab) -> None:
    async with lab.open(CALC) as bench:
        tests = await bench.tests()
        assert tests.end is SuiteEnd.COMPLETED
        assert tests.failing == {"test_calc.py::test_add"}
        assert tests.passing == {"test_calc.py::test_zero"}
        report = await bench.checks()
        assert [(one.check, one.rule, one.path) for one in report.findings] == [("ruff", "F401", "calc.py")]
        assert report.failed == ()
        assert await bench.session.changes() == ()


async def test_safe_fixes_and_moved_lines(lab: Lab) -> None:
    async with lab.open(CALC) as bench:
        before = await bench.checks()
        await bench.session.write("calc.py", b"# moved\n" + await bench.session.read("calc.py"))
        assert new_findings(before.findings, (await bench.checks()).findings) == []
        await run_command(bench.session, bench.environment, fix_command(bench.project, paths=["calc.py"]))
        assert (await bench.checks()).findings == ()
        assert b"import os" not in await bench.session.read("calc.py")


async def test_every_failing_id_can_be_asked_for_again(lab: Lab) -> None:
    async with lab.open(OUTCOMES) as bench:
        whole = await bench.tests()
        again = await bench.tests(*sorted(whole.failing))
        assert whole.end is again.end is SuiteEnd.COMPLETED
        assert len(whole.failing) == 11
        assert again.failing == whole.failing
        assert again.passing == frozenset()
        assert [case.id for case in (await bench.tests("tests/unit/test_outcomes.py::Old::test_old")).cases] == [
            "tests/unit/test_outcomes.py::Old::test_old"
        ]


async def test_thousands_of_ids(lab: Lab) -> None:
    names = [f"test_{number}_{'x' * 60}" for number in range(1_500)]
    text = "import pytest\n\n@pytest.mark.parametrize('x', range(2))\ndef test_more(x):\n    pass\n\n"
    async with lab.open({"test_many.py": text + "\n".join(f"def {name}(): pass" for name in names)}) as bench:
        report = await bench.tests(*(f"test_many.py::{name}" for name in names), "test_many.py::test_more[1]")
        assert report.end is SuiteEnd.COMPLETED
        assert len(report.passing) == 1_501
        assert "test_many.py::test_more[0]" not in report.passing


async def test_the_targets_own_configuration_and_its_metadata(lab: Lab) -> None:
    async with lab.open(TYPED) as bench:
        tests = await bench.tests()
        assert tests.passing == {"tests/test_typed.py::test_version"}, tests
        report = await bench.checks()
        assert report.failed == ()
        assert [(one.check, one.rule) for one in report.findings] == [
            ("ruff", "B006"), ("mypy", "return-value"), ("mypy", "no-untyped-def"),
        ]  # fmt: skip


async def test_what_does_not_parse(lab: Lab) -> None:
    async with lab.open(BROKEN) as bench:
        report = await bench.checks(
            "bad.py", "late.py", "bad.json", "bad.toml", "bad.yml", "good.yml", "latin.py", "gone.py"
        )
        syntax = {one.path for one in report.findings if one.check == "syntax"}
        assert syntax == {"bad.py", "late.py", "bad.json", "bad.toml", "bad.yml"}


ENDS = {
    "an import fails": ({"test_a.py": "import nope\n", "test_b.py": "def test_b(): pass\n"}, SuiteEnd.COLLECTION_ERROR),
    "a conftest fails": (
        {"conftest.py": "import nope\n", "test_b.py": "def test_b(): pass\n"},
        SuiteEnd.COLLECTION_ERROR,
    ),
    "no tests": ({"a.py": ""}, SuiteEnd.NO_TESTS),
    "a bad option": (
        {"pytest.ini": "[pytest]\naddopts = --nope\n", "test_b.py": "def test_b(): pass\n"},
        SuiteEnd.USAGE,
    ),
    "leaves with success": ({"test_b.py": "import os\ndef test_b(): os._exit(0)\n"}, SuiteEnd.CRASHED),
    "a signal": ({"test_b.py": "import os\ndef test_b(): os.abort()\n"}, SuiteEnd.CRASHED),
    "too slow": ({"test_b.py": "import time\ndef test_b(): time.sleep(60)\n"}, SuiteEnd.TIMEOUT),
}


@pytest.mark.parametrize("name", list(ENDS))
async def test_ends_are_told_apart(lab: Lab, name: str) -> None:
    files, end = ENDS[name]
    async with lab.open(files) as bench:
        assert (await bench.tests(timeout=2.0 if end is SuiteEnd.TIMEOUT else 60.0)).end is end


async def test_the_targets_options_do_not_hide_results(lab: Lab) -> None:
    settings = "[pytest]\naddopts = -x --junitxml=mine.xml -vv\n"
    files = {"pytest.ini": settings, "test_b.py": "def test_a(): assert 0\ndef test_b(): pass\n"}
    async with lab.open(files) as bench:
        report = await bench.tests()
        assert report.ids(TestOutcome.FAILED, TestOutcome.PASSED) == {"test_b.py::test_a", "test_b.py::test_b"}
        assert await bench.session.changes() == ()
