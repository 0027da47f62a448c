from dataclasses import replace

from bot.core.patch import Patch
from bot.core.proof import Proof, Strength
from bot.core.run import FixerName, TargetKind
from bot.repair.base import Rejected
from bot.repair.mechanical import MechanicalFixer
from tests.repair.workbench import Workbench, text

UNUSED = "import os\nimport sys\n\n\ndef name():\n    return sys.argv\n"
JSON = {
    "load.py": '"""Loads."""\n\n\ndef load(text):\n    return json.loads(text)\n',
    "test_load.py": "from load import load\n\n\ndef test_load():\n    assert load('1') == 1\n",
}


async def test_a_finding_with_a_safe_fix_goes(bench: Workbench) -> None:
    other = "import os\n"
    task = await bench.task({"a.py": UNUSED, "b.py": other}, TargetKind.FINDINGS, rules=["F401"])
    only_a = tuple(one for one in task.plan.target.findings if one.path == "a.py")
    task = replace(task, plan=replace(task.plan, target=replace(task.plan.target, findings=only_a)))

    proposal = await MechanicalFixer().propose(task)

    assert text(proposal, "a.py") == "import sys\n\n\ndef name():\n    return sys.argv\n"
    assert proposal.patch is not None
    assert proposal.patch.paths == ("a.py",)
    assert "F401" in proposal.summary


async def test_a_finding_without_a_safe_fix_is_named(bench: Workbench) -> None:
    task = await bench.task({"a.py": "def f():\n    return unknown\n"}, TargetKind.FINDINGS, rules=["F821"])
    proposal = await MechanicalFixer().propose(task)
    assert proposal.patch is None
    assert "ruff: no safe fix for F821" in proposal.tried


async def test_an_undefined_name_gets_its_import(bench: Workbench) -> None:
    task = await bench.task({"load.py": JSON["load.py"]}, TargetKind.FINDINGS, rules=["F821"])
    proposal = await MechanicalFixer().propose(task)
    assert text(proposal, "load.py").startswith('"""Loads."""\n\nimport json\n')


async def test_a_file_is_formatted_after_a_fix_only_when_it_was_before(bench: Workbench) -> None:
    config = '[tool.ruff.lint]\nselect = ["F"]\n'
    files = {"pyproject.toml": config, "odd.py": "import os\nx   =   1\n", "even.py": "import os\n\nx = 1\n"}
    proposal = await MechanicalFixer().propose(await bench.task(files, TargetKind.FINDINGS, rules=["F401"]))
    assert text(proposal, "odd.py") == "x   =   1\n"
    assert text(proposal, "even.py") == "x = 1\n"


async def test_a_missing_import_is_found_from_the_failure(bench: Workbench) -> None:
    proposal = await MechanicalFixer().propose(await bench.task(JSON))
    assert text(proposal, "load.py").startswith('"""Loads."""\n\nimport json\n')
    assert "`import json`" in proposal.summary


async def test_a_missing_import_at_import_time_is_found_too(bench: Workbench) -> None:
    files = {
        "shapes.py": "def area(a):\n    return a * a\n",
        "room.py": "SIZE = area(3)\n",
        "test_room.py": "from room import SIZE\n\n\ndef test_size():\n    assert SIZE == 9\n",
    }
    proposal = await MechanicalFixer().propose(await bench.task(files))
    assert text(proposal, "room.py") == "from shapes import area\n\nSIZE = area(3)\n"


async def test_a_rejected_import_is_not_proposed_again(bench: Workbench) -> None:
    task = await bench.task(JSON)
    first = (await MechanicalFixer().propose(task)).patch
    assert isinstance(first, Patch)
    refused = Rejected(FixerName.MECHANICAL, first, Proof(Strength.UNPROVEN, ()))
    assert (await MechanicalFixer().propose(replace(task, rejected=(refused,)))).patch is None


async def test_a_missing_dependency_goes_into_the_manifest(bench: Workbench) -> None:
    files = {
        "requirements.txt": "",
        "load.py": "import requests\n\n\ndef load():\n    return requests.__name__\n",
        "test_load.py": "from load import load\n\n\ndef test_load():\n    assert load() == 'requests'\n",
    }
    proposal = await MechanicalFixer().propose(await bench.task(files))
    assert text(proposal, "requirements.txt") == "requests\n"
    assert "lock file" in proposal.summary


async def test_an_unknown_module_is_never_installed(bench: Workbench) -> None:
    files = {
        "requirements.txt": "",
        "load.py": "import acme_internal\n",
        "test_load.py": "import load\n\n\ndef test_load():\n    assert load\n",
    }
    proposal = await MechanicalFixer().propose(await bench.task(files))
    assert proposal.patch is None
    assert "nobody can say for certain which distribution gives acme_internal" in proposal.tried[0]


async def test_an_ordinary_failure_is_left_to_the_next_rung(bench: Workbench) -> None:
    files = {"test_a.py": "def test_a():\n    assert 1 == 2\n"}
    proposal = await MechanicalFixer().propose(await bench.task(files))
    assert proposal.patch is None
    assert proposal.tried
