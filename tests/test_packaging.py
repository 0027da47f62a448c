"""The App's manifest, the image, the compose file and the set-up hold what the code and the design ask of them."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from bot.core import events
from bot.services.github import PERMISSIONS

ROOT = Path(__file__).parent.parent
DOCKERFILE = (ROOT / "Dockerfile").read_text()
LAST_STAGE = DOCKERFILE.rpartition("\nFROM ")[2]


def load(name: str) -> dict[str, Any]:
    loaded = yaml.safe_load((ROOT / name).read_text())
    assert isinstance(loaded, dict)
    return loaded


def test_the_manifest_asks_for_exactly_the_events_that_are_read() -> None:
    wanted = {name for name in events.NAMES if not name.startswith("installation")}
    assert sorted(load("app.yml")["default_events"]) == sorted(wanted)


def test_the_manifest_asks_for_exactly_the_permissions_that_tokens_use() -> None:
    assert load("app.yml")["default_permissions"] == dict(PERMISSIONS)


def test_the_manifest_sends_webhooks_where_they_are_received() -> None:
    from bot.app import PATHS

    assert load("app.yml")["hook_attributes"]["url"].endswith(PATHS[0])


def test_the_image_runs_as_nobody_in_particular_with_a_health_check_and_a_sandbox() -> None:
    assert DOCKERFILE.count("\nFROM ") + DOCKERFILE.startswith("FROM ") == 2
    user = re.findall(r"^USER (\d+):(\d+)$", LAST_STAGE, re.MULTILINE)
    assert user
    assert int(user[-1][0]) >= 1000
    assert "/healthz" in LAST_STAGE.partition("HEALTHCHECK")[2]
    assert {"bubblewrap", "git"} <= set(LAST_STAGE.split())
    assert "--require-hashes" in DOCKERFILE


def test_the_image_carries_no_secret() -> None:
    assert not re.search(r"(?i)(secret|token|password|private_key|api_key)\s*=", DOCKERFILE)
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.MULTILINE)
    assert all(source != "." for line in copied for source in line.split())
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert "*" in ignored
    assert {source for line in copied for source in line.split()} == {
        line.removeprefix("!") for line in ignored if line.startswith("!")
    }


def test_every_container_of_ours_drops_what_it_does_not_need() -> None:
    services = load("compose.yml")["services"]
    for name in ("serve", "work"):
        assert services[name]["cap_drop"] == ["ALL"]
        assert "no-new-privileges:true" in services[name]["security_opt"]
        assert not services[name].get("privileged")
        assert "cap_add" not in services[name]
        assert "user" not in services[name], "the image's own user is the unprivileged one"
    assert {"serve", "work", "valkey", "postgres"} == set(services)
    assert services["serve"]["security_opt"] == ["no-new-privileges:true"], "only work opens sandboxes"


def test_no_port_of_the_compose_file_is_open_to_the_world() -> None:
    for service in load("compose.yml")["services"].values():
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))
        assert "/var/run/docker.sock" not in json.dumps(service)


def test_the_seccomp_profile_exists_and_refuses_the_worst() -> None:
    options = load("compose.yml")["services"]["work"]["security_opt"]
    (path,) = [option.partition("=")[2] for option in options if option.startswith("seccomp=")]
    profile = json.loads((ROOT / path).read_text())
    refused = {name for rule in profile["syscalls"] for name in rule["names"] if "args" not in rule}
    assert {"ptrace", "bpf", "keyctl", "io_uring_setup", "kexec_load", "init_module", "userfaultfd"} <= refused
    assert not {"clone", "unshare", "mount", "umount2", "pivot_root", "setns", "move_mount", "open_tree"} & refused
    assert all(arch["subArchitectures"] == [] for arch in profile["archMap"]), "32-bit calls would bypass the list"


@pytest.mark.parametrize("script", ["scripts/setup", ".ci/run"])
def test_scripts_are_executable_and_parse(script: str) -> None:
    assert os.access(ROOT / script, os.X_OK)
    assert subprocess.run(["bash", "-n", str(ROOT / script)], check=False).returncode == 0


@pytest.mark.skipif(shutil.which("shellcheck") is None, reason="shellcheck is not installed")
@pytest.mark.parametrize("script", ["scripts/setup", ".ci/run"])
def test_scripts_pass_shellcheck(script: str) -> None:
    found = subprocess.run(["shellcheck", str(ROOT / script)], capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout


def test_setup_says_in_one_sentence_that_python_is_missing_or_old(tmp_path: Path) -> None:
    # A copy, and a PATH of its own with new files only: nothing of this machine is called by its real name.
    copy = tmp_path / "copy"
    (copy / "scripts").mkdir(parents=True)
    text = (ROOT / "scripts/setup").read_text().replace(" /usr/bin/python3;", ";")
    (copy / "scripts/setup").write_text(text)
    for name in ("requirements.lock", "pyproject.toml"):
        shutil.copy(ROOT / name, copy / name)
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("git", "bwrap", "python3"):
        (tools / name).write_text("#!/bin/sh\nexit 1\n")
        (tools / name).chmod(0o755)
    for name in ("bash", "cat", "sha256sum", "cut", "dirname"):
        real = shutil.which(name)
        assert real
        (tools / name).write_text(f'#!/bin/sh\nexec {real} "$@"\n')
        (tools / name).chmod(0o755)
    bash = shutil.which("bash")
    assert bash
    ran = subprocess.run(
        [bash, str(copy / "scripts/setup")],
        env={"PATH": str(tools)},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert ran.returncode == 1
    assert "Fettle needs Python 3.11 or newer" in ran.stderr
    assert not (copy / ".venv").exists()
