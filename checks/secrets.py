"""Secrets in a Patch, found by detect-secrets in the lines that it adds. Called by the validate stage.

Pure text work outside of the sandbox. Inline "allowlist" comments are not honoured: the author of a Patch must not be
able to switch the check off. A finding never holds the secret itself.
"""

from __future__ import annotations

import importlib
import logging
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

from bot.core.findings import Finding
from bot.core.patch import FileChange, Patch

BaseReader = Callable[[str], bytes | None]
MAX_FILE_BYTES = 4 << 20
MAX_LINE = 4096
NAME = "secrets"
# Module and class of detect-secrets' detectors. Left out: IP addresses, which are no secrets, and hexadecimal entropy,
# which is every checksum.
_DETECTORS = (
    ("artifactory", "ArtifactoryDetector"),
    ("aws", "AWSKeyDetector"),
    ("azure_storage_key", "AzureStorageKeyDetector"),
    ("basic_auth", "BasicAuthDetector"),
    ("cloudant", "CloudantDetector"),
    ("discord", "DiscordBotTokenDetector"),
    ("github_token", "GitHubTokenDetector"),
    ("gitlab_token", "GitLabTokenDetector"),
    ("high_entropy_strings", "Base64HighEntropyString"),
    ("ibm_cloud_iam", "IbmCloudIamDetector"),
    ("jwt", "JwtTokenDetector"),
    ("keyword", "KeywordDetector"),
    ("mailchimp", "MailchimpDetector"),
    ("npm", "NpmDetector"),
    ("openai", "OpenAIDetector"),
    ("private_key", "PrivateKeyDetector"),
    ("pypi_token", "PypiTokenDetector"),
    ("sendgrid", "SendGridDetector"),
    ("slack", "SlackDetector"),
    ("square_oauth", "SquareOAuthDetector"),
    ("stripe", "StripeDetector"),
    ("telegram_token", "TelegramBotTokenDetector"),
    ("twilio", "TwilioKeyDetector"),
)
# Detectors that guess by shape and are checked against what usually is no secret; the others know a token's form.
_GUESSES = frozenset({"Base64HighEntropyString", "KeywordDetector", "BasicAuthDetector"})
_HARMLESS = (
    "is_sequential_string",
    "is_potential_uuid",
    "is_templated_secret",
    "is_prefixed_with_dollar_sign",
    "is_not_alphanumeric_string",
)


def scan_patch(patch: Patch, base_reader: BaseReader) -> list[Finding]:
    """One finding for each added line and kind of secret; `base_reader` gives a path's bytes at the base, or None."""
    return [
        finding
        for change in patch.changes
        if change.content is not None
        for number, line in _added(change, base_reader(change.path))
        for finding in _line_findings(change.path, number, line)
    ]


def _added(change: FileChange, base: bytes | None) -> Iterator[tuple[int, str]]:
    """Numbered lines that the base does not have as often: a moved line is not added. Binary files hold no lines."""
    content = change.content or b""
    if b"\0" in content[:8192]:
        return
    before = Counter((base or b"").decode(errors="replace").splitlines())
    for number, line in enumerate(content[:MAX_FILE_BYTES].decode(errors="replace").splitlines(), start=1):
        if before[line] > 0:
            before[line] -= 1
        else:
            yield number, line


def _line_findings(path: str, number: int, line: str) -> Iterator[Finding]:
    # Overlapping pieces: the detectors' patterns are slow on very long lines, and a token may lie across a cut.
    pieces = [line[start : start + MAX_LINE] for start in range(0, max(len(line), 1), MAX_LINE - 512)]
    kinds = {kind: value for piece in pieces for kind, value in _secrets(path, piece)}
    for kind in sorted(kinds):
        rule = kind.lower().replace(" ", "-")
        yield Finding.of(NAME, rule, path, number, f"This line seems to hold a secret: {kind}.")


def _secrets(path: str, line: str) -> Iterator[tuple[str, str]]:
    """(kind, value) for every secret in `line`."""
    for detector in _detectors():
        for secret in detector.analyze_line(filename=path, line=line):
            guessed = type(detector).__name__ in _GUESSES
            if not (guessed and _harmless(str(secret.secret_value), line)):
                yield str(secret.type), str(secret.secret_value)


def _harmless(value: str, line: str) -> bool:
    heuristic = _library("filters.heuristic")
    return any(getattr(heuristic, name)(value) for name in _HARMLESS) or bool(heuristic.is_indirect_reference(line))


@cache
def _detectors() -> tuple[Any, ...]:
    return tuple(getattr(_library(f"plugins.{module}"), name)() for module, name in _DETECTORS)


@cache
def _library(name: str) -> Any:
    """A module of detect-secrets, imported at first use: it is slow to import, and redirects all warnings to a log."""
    try:
        return importlib.import_module(f"detect_secrets.{name}")
    finally:
        logging.captureWarnings(False)
