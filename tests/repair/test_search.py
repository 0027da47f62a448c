import time
from dataclasses import replace

import pytest

from bot.core.findings import SuiteEnd
from bot.core.patch import Patch
from bot.core.proof import Proof, Strength
from bot.core.run import FixerName, TargetKind
from bot.repair.base import Rejected, Task
from bot.repair.search import SearchFixer
from checks.runner import run_tests
from tests.repair.corpus import DEVELOPED, HELD_OUT, Program
from tests.repair.workbench import Workbench, text

PROGRAMS = {program.name: program for program in DEVELOPED + HELD_OUT}
FEW_SECONDS = 20.0  # two to four on a quiet machine


@pytest.mark.parametrize("name", ["total", "median", "intervals"])
async def test_a_wrong_operator_or_bound_is_found_in_few_seconds(bench: Workbench, name: str) -> None:
    task = await bench.task(PROGRAMS[name].files)
    began = time.monotonic()

    proposal = await SearchFixer().propose(task)

    assert time.monotonic() - began < FEW_SECONDS
    assert proposal.patch is not None, proposal.tried
    assert proposal.patch.paths == (f"{name}.py",)
    assert name in proposal.summary
    await proven(bench, task, proposal.patch)


async def test_the_edit_is_the_only_change_and_the_journal_knows_its_cost(bench: Workbench) -> None:
    program = PROGRAMS["clamp"]
    proposal = await SearchFixer().propose(await bench.task(program.files))

    assert text(proposal, "clamp.py") == program.fixed
    ((kind, data),) = bench.journal.entries
    assert kind == "fixer.search"
    assert data.keys() >= {"candidates", "evaluated", "per_second", "seconds"}


async def test_a_rejected_patch_is_not_proposed_again(bench: Workbench) -> None:
    task = await bench.task(PROGRAMS["clamp"].files)
    first = (await SearchFixer().propose(task)).patch
    assert first is not None
    refused = Rejected(FixerName.SEARCH, first, Proof(Strength.UNPROVEN, ()))

    second = (await SearchFixer().propose(replace(task, rejected=(refused,)))).patch

    assert second is not None
    assert second != first


async def test_nothing_found_says_what_was_tried(bench: Workbench) -> None:
    files = {
        "words.py": "def poem(a):\n    return a\n",
        "test_words.py": "from words import poem\n\n\ndef test_poem():\n    assert poem(1) == 'Wer reitet so spät'\n",
    }
    proposal = await SearchFixer().propose(await bench.task(files))

    assert proposal.patch is None
    assert proposal.tried[0].startswith("search: ")
    assert "suspicious lines of words.py, none passed" in proposal.tried[0]


async def test_a_test_that_loops_for_ever_is_repaired(bench: Workbench) -> None:
    files = {
        "bits.py": "def count(n):\n    found = 0\n    while n:\n        n ^= n - 1\n"
        "        found += 1\n    return found\n",
        "test_bits.py": "from bits import count\n\n\ndef test_zero():\n    assert count(0) == 0\n\n\n"
        "def test_bits():\n    assert [count(n) for n in (1, 5, 127)] == [1, 2, 7]\n",
    }
    task = await bench.task(files, baseline_seconds=3)
    target = replace(task.plan.target, tests=("test_bits.py::test_bits",))
    proposal = await SearchFixer().propose(replace(task, plan=replace(task.plan, target=target)))
    assert "n &= n - 1" in text(proposal, "bits.py")


async def test_tests_that_end_or_print_cannot_pass_for_a_success(bench: Workbench) -> None:
    files = {
        "quit.py": "import os\n\n\ndef leave(now):\n    if not now:\n        os._exit(0)\n    return 1\n",
        "test_quit.py": "from quit import leave\n\n\ndef test_leave():\n"
        "    print('{\"survivor\": 0}')\n    assert leave(True) == 'nobody writes this'\n",
    }
    proposal = await SearchFixer().propose(await bench.task(files))
    assert proposal.patch is None


async def test_methods_defaults_and_module_constants_are_reached(bench: Workbench) -> None:
    files = {
        "src/shop/__init__.py": "",
        "src/shop/price.py": "RATE = 0\n\n\nclass Price:\n    def __init__(self, net):\n        self.net = net\n\n"
        "    def gross(self):\n        return self.net * (1 + RATE)\n",
        "tests/test_price.py": "from shop.price import Price\n\n\ndef test_gross():\n"
        "    assert Price(10).gross() == 20\n",
    }
    proposal = await SearchFixer().propose(await bench.task(files))
    assert "RATE = 1\n" in text(proposal, "src/shop/price.py") or "(1 + " not in text(proposal, "src/shop/price.py")


async def test_a_cancelled_run_stops(bench: Workbench) -> None:
    async def stop() -> str:
        return "the label was removed"

    proposal = await SearchFixer().propose(replace(await bench.task(PROGRAMS["clamp"].files), stop=stop))
    assert proposal.patch is None
    assert "the label was removed" in proposal.tried[0]


async def test_only_failing_tests_are_searched_for(bench: Workbench) -> None:
    task = await bench.task(PROGRAMS["clamp"].files, TargetKind.DESCRIBED)
    assert (await SearchFixer().propose(task)).patch is None


async def test_a_test_file_that_cannot_be_imported_is_said(bench: Workbench) -> None:
    files = {"a.py": "x = 1\n", "test_a.py": "import nowhere\n\n\ndef test_x():\n    assert nowhere\n"}
    proposal = await SearchFixer().propose(await bench.task(files))
    assert proposal.patch is None
    assert "could not be collected" in proposal.tried[0]


@pytest.mark.slow
@pytest.mark.parametrize("program", DEVELOPED + HELD_OUT, ids=lambda program: program.name)
async def test_what_is_proposed_for_the_corpus_passes(bench: Workbench, program: Program) -> None:
    task = await bench.task(program.files)
    proposal = await SearchFixer().propose(task)
    if proposal.patch is None:
        assert proposal.tried
    else:
        await proven(bench, task, proposal.patch)


async def proven(bench: Workbench, task: Task, patch: Patch) -> None:
    """Every test passes in a Session of its own, by a pytest of its own."""
    async with await task.open_session() as session:
        for change in patch.changes:
            assert change.content is not None
            await session.write(change.path, change.content)
        report = await run_tests(session, task.project, task.environment, timeout=30)
    assert report.end is SuiteEnd.COMPLETED
    assert not report.failing
