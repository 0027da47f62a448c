"""Untrusted text made visible: no character of it moves a cursor, hides or reorders text (ATTACKS.md 71).

HTML escaping is jinja2's part; both together stand in `environment` of pages.py, so that no template can forget either.
"""

from __future__ import annotations

from bot.core.untrusted import is_hidden

_DELETE = 0x7F
_EMOJI = frozenset("\ufe0e\ufe0f")


def visible(text: str) -> str:
    """`text` with control characters as pictures (ESC: ␛, CR: ␍) and other hidden ones as `<U+202E>`.

    Newlines, tabs and the two selectors that follow an emoji stay.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(_picture(char) if is_hidden(char) and char not in _EMOJI else char for char in text)


def _picture(char: str) -> str:
    code = ord(char)
    if code < 0x20:
        return chr(0x2400 + code)
    return "\u2421" if code == _DELETE else f"<U+{code:04X}>"
