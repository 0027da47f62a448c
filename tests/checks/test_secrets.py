"""Secrets in a patch: planted keys are found, harmless text is not, and no finding repeats the secret."""

import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.core.patch import FileChange, Patch
from checks.secrets import scan_patch

BASE = "0" * 40
# Put together at run time, so that no scanner takes this file for a leak.
PLANTED = {
    "aws": "AWS_ID = 'AKIA" + "QK7TZPMN3RWVXLDF'",
    "github": "token: gh" + "p_" + "a8Kd93LmQ0zXcVbN7yTrE5wPqS2uJ4hG6fD1",
    "private key": "-----BEGIN RSA " + "PRIVATE KEY-----",
    "slack": "hook = 'xo" + "xb-263594206564-FGqddMF8t08v8N7Oq4i57vs1'",
    "stripe": "key = 'sk_" + "live_ReTllpYQYfIZu2Jnf2lAPFjD'",
    "url": "url = 'https://admin:" + "tr0ub4dor3x@db.internal.example/x'",
    "password": "password = '" + "hT7!kdPq92mZ'",
    "jwt": "t = 'eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9."
    + "eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U'",
}
HARMLESS = """def add(left: int, right: int) -> int:
    '''Add two numbers; see https://example.org/adding#numbers for more.'''
    return left + right
password = os.environ["PASSWORD"]
password = get_password(user)
secret = settings.secret
token = f"{prefix}-{number}"
api_key = "${API_KEY}"
api_key = "<your key here>"
identifier = "123e4567-e89b-12d3-a456-426614174000"
digest = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
alphabet = "abcdefghijklmnopqrstuvwxyz"
assert parse("a" * 40) == Token("name")
"""


def patch(text: str, path: str = "app/settings.py") -> Patch:
    return Patch(BASE, (FileChange(path, text.encode()),))


@pytest.mark.parametrize("name", list(PLANTED))
def test_planted_secrets_are_found(name: str) -> None:
    found = scan_patch(patch(f"import os\n\n{PLANTED[name]}\n"), lambda path: b"import os\n")
    assert found
    assert {finding.line for finding in found} == {3}
    assert all(word not in finding.message for finding in found for word in PLANTED[name].split() if len(word) > 8)


def test_harmless_text_is_not() -> None:
    assert scan_patch(patch(HARMLESS), lambda path: None) == []


def test_only_added_lines_count() -> None:
    old = PLANTED["aws"].encode() + b"\n"
    assert scan_patch(patch(f"# moved down\n{PLANTED['aws']}\n"), lambda path: old) == []
    assert len(scan_patch(patch(f"{PLANTED['aws']}\n" * 2), lambda path: old)) >= 1


def test_a_comment_does_not_switch_it_off() -> None:
    assert scan_patch(patch(PLANTED["aws"] + "  # pragma: allowlist secret\n"), lambda path: None)


def test_deletions_and_binary_files_hold_no_lines() -> None:
    changes = (FileChange("a.py", None), FileChange("b.bin", b"\0" + PLANTED["aws"].encode()))
    assert scan_patch(Patch(BASE, changes), lambda path: None) == []


@settings(max_examples=25, deadline=None)
@given(st.text(max_size=200), st.text(string.ascii_uppercase, min_size=16, max_size=16), st.text(max_size=200))
def test_a_key_is_found_whatever_is_around_it(before: str, letters: str, after: str) -> None:
    key = "AKIA" + letters
    text = f"{before}\nkey = '{key}'\n{after}"
    assert "aws-access-key" in {
        finding.rule for finding in scan_patch(patch(text.replace("\0", "")), lambda path: None)
    }


def test_a_long_line_is_cut_without_losing_a_key() -> None:
    text = "x" * 4090 + " " + PLANTED["aws"] + " " + "y" * 100_000
    assert scan_patch(patch(text), lambda path: None)
