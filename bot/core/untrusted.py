"""Text that strangers wrote, made fit for a prompt: the one entry through which every untrusted part passes.

People must see what the model sees: what GitHub renders as nothing (comments, zero-width characters, hidden attributes)
is taken out of prose, and shown as code points in code, where taking out would falsify it. Used by bot.repair.agent and
whoever else makes a prompt. ATTACKS.md 57, 58 and 67.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from enum import StrEnum

LIMIT = 20_000

_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])")
_COMMENT = re.compile(r"<!--(?:-?>|.*?(?:--!?>|\Z))|<!\[CDATA\[.*?(?:\]\]>|\Z)", re.DOTALL)
_TAG = re.compile(r"<[A-Za-z][^<>]*>")
_HIDDEN_ATTRIBUTE = re.compile(
    r"""\s(?:alt|title|style|hidden|aria-[\w-]+|data-[\w-]+)(?:\s*=\s*(?:"[^"]*"|'[^']*'|[^\s>"']+))?(?=[\s/>])""",
    re.IGNORECASE,
)
_IMAGE_ALT = re.compile(r"!\[[^\[\]\n]*\](?=[(\[])")
_LINK_TITLE = re.compile(
    r"""^( {0,3}\[[^\[\]\n]+\]:[ \t]*\S+)[ \t]+(?:"[^"\n]*"|'[^'\n]*'|\([^()\n]*\))[ \t]*$""", re.MULTILINE
)
# Blank on screen, though Unicode does not call them format characters (UAX #31, Default_Ignorable_Code_Point).
_BLANKS = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2065\u3164\uffa0")
_HIDDEN_CATEGORIES = frozenset({"Cc", "Cf", "Co", "Cs", "Cn"})


class Form(StrEnum):
    """What kind of text it is: prose loses what is hidden, code shows it as code points."""

    PROSE = "prose"
    CODE = "code"


def sanitise(text: str, form: Form = Form.PROSE, limit: int = LIMIT) -> str:
    """Return `text` without what a reader would not see, at most `limit` characters (head and tail, with a notice).

    Prose (issues, comments, instructions, messages) loses HTML comments, hidden attributes, image texts, terminal
    escapes, zero-width, bidirectional, tag and variation characters. Code (files, tool output) keeps its markup, and
    hidden characters become `<U+200B>`.
    """
    text = clip(text, 8 * limit)
    text = _ESCAPES.sub("", text.replace("\r\n", "\n"))
    text = text.translate({0x0D: "\n", 0x2028: "\n", 0x2029: "\n", 0x85: "\n"})
    match form:
        case Form.CODE:
            text = _map_hidden(text, lambda char: f"<U+{ord(char):04X}>")
        case Form.PROSE:
            text = _strip_markup(_map_hidden(text, lambda _: ""))
    return clip(text, limit)


def fenced(label: str, text: str, nonce: str, form: Form = Form.PROSE, limit: int = LIMIT) -> str:
    """Sanitise `text` and put it between marks that its author cannot forge: `nonce` is fresh for each prompt."""
    inner = sanitise(text, form, limit).replace(nonce, "")
    return f"<untrusted {label} {nonce}>\n{inner}\n</untrusted {nonce}>"


def clip(text: str, limit: int, hint: str = "") -> str:
    """Cut the middle out of `text` so that at most `limit` characters stay, with a notice of what was cut."""
    if len(text) <= limit:
        return text
    notice = f"\n[... {len(text) - limit} characters cut{'; ' + hint if hint else ''} ...]\n"
    room = max(0, limit - len(notice))
    tail = room * 2 // 5
    return (text[: room - tail] + notice + text[len(text) - tail :])[:limit]


def is_hidden(char: str) -> bool:
    """True for a character that a reader does not see: control, format, tag, variation selector, filler, surrogate."""
    if char in "\n\t":
        return False
    code = ord(char)
    variation = 0xFE00 <= code <= 0xFE0F or 0xE0000 <= code <= 0xE0FFF
    return variation or char in _BLANKS or unicodedata.category(char) in _HIDDEN_CATEGORIES


def _strip_markup(text: str) -> str:
    # A space stays behind, so that what stood left and right of a comment cannot close up to a new one.
    text = _COMMENT.sub(" ", text)
    text = _TAG.sub(lambda tag: _HIDDEN_ATTRIBUTE.sub("", tag.group()), text)
    return _LINK_TITLE.sub(r"\1", _IMAGE_ALT.sub("![]", text))


def _map_hidden(text: str, replacement: Callable[[str], str]) -> str:
    if text.isascii() and text.replace("\n", "").replace("\t", "").isprintable():
        return text
    return "".join(replacement(char) if is_hidden(char) else char for char in text)
