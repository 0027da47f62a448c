"""The docs say what the code does: settings, commands, states, layers, folders; every public name says what it is."""

from __future__ import annotations

import ast
import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

from bot.core import machine, settings

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
ARCHITECTURE = (ROOT / "ARCHITECTURE.md").read_text()

# Written backwards and in parts, so that this file passes its own test.
REGISTRIES = [
    ".".join(part[::-1] for part in parts)
    for parts in (
        ("ipyp", "gro"),
        ("detsohnohtyp", "gro"),
        ("sjmpn", "gro"),
        ("sjmpn", "moc"),
        ("gkpnray", "moc"),
        ("setarc", "oi"),
        ("gnalog", "gro"),
        ("rchg", "oi"),
        ("rekcod", "oi"),
        ("yauq", "oi"),
        ("bed", "naibed", "gro"),
    )
]


def tracked() -> list[Path]:
    """Every file of the repository; in an unpacked archive there is no index to ask, and nothing to test."""
    listed = subprocess.run(["git", "-C", str(ROOT), "ls-files", "-z"], capture_output=True, check=False)
    if listed.returncode:
        pytest.skip("not a git checkout")
    return [ROOT / name for name in listed.stdout.decode().split("\0") if name and (ROOT / name).is_file()]


def commands() -> list[str]:
    from bot.cli import app

    group = typer.main.get_command(app)
    return sorted(getattr(group, "commands", {}))


def test_the_readme_lists_every_setting_as_the_code_has_it() -> None:
    assert settings.table() in README


def test_the_readme_names_every_command_and_no_other() -> None:
    listed = re.findall(r"^\| `fettle (\w+)", README, re.MULTILINE)
    assert sorted(listed) == commands()


def test_the_readme_gives_the_two_commands_and_the_makefile_has_them() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for target in ("demo", "test"):
        assert f"$ make {target}" in README
        assert re.search(rf"^{target}:", makefile, re.MULTILINE)


def test_the_state_diagram_is_the_table() -> None:
    assert f"```mermaid\n{machine.diagram()}\n```" in ARCHITECTURE


def test_the_layers_are_those_that_are_enforced() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    contracts = project["tool"]["importlinter"]["contracts"]
    layers = next(contract["layers"] for contract in contracts if contract["type"] == "layers")
    assert "```text\n" + "\n".join(layers) + "\n```" in ARCHITECTURE


def test_every_folder_is_on_the_map() -> None:
    folders = {path.relative_to(ROOT).parts[0] for path in tracked() if len(path.relative_to(ROOT).parts) > 1}
    assert not [folder for folder in sorted(folders) if f"`{folder}/`" not in ARCHITECTURE]


def test_links_between_the_docs_lead_somewhere() -> None:
    for page in (ROOT / "README.md", ROOT / "ARCHITECTURE.md", *sorted((ROOT / "docs").glob("*.md"))):
        for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_no_file_names_a_registry() -> None:
    found = []
    for path in tracked():
        text = path.read_bytes().decode("utf-8", "replace").lower()
        found += [f"{path.relative_to(ROOT)}: {host}" for host in REGISTRIES if host in text]
    assert not found


Named = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def public(body: list[ast.stmt]) -> list[Named]:
    return [node for node in body if isinstance(node, Named) and not node.name.startswith("_")]


def public_names(tree: ast.Module) -> Iterator[tuple[str, Named]]:
    for node in public(tree.body):
        yield node.name, node
        if isinstance(node, ast.ClassDef):
            yield from ((f"{node.name}.{inner.name}", inner) for inner in public(node.body))


def test_every_public_name_says_what_it_is() -> None:
    bare = []
    for folder in ("bot", "handlers", "checks"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            tree = ast.parse(path.read_text())
            where = str(path.relative_to(ROOT))
            if tree.body and not ast.get_docstring(tree):
                bare.append(where)
            bare += [f"{where}: {name}" for name, node in public_names(tree) if not ast.get_docstring(node)]
    assert not bare
