"""Values as text for the database: JSON in plain ASCII, so that NUL and lone surrogates survive both databases.

Called by bot.store.tables, whose column types use these functions.
"""

from __future__ import annotations

import json
from functools import cache
from typing import Any, TypeVar

from pydantic import TypeAdapter

from bot.core.patch import Patch

T = TypeVar("T")

_MARK = "\ue000"  # a private-use character: text that starts with it was escaped by us


def encode(kind: type[T], value: T) -> str:
    """`value`, an instance of the frozen dataclass `kind`, as JSON text; bytes become base64."""
    if isinstance(value, Patch):
        return json.dumps(value.to_json())
    adapter: TypeAdapter[T] = _adapter(kind)  # type: ignore[arg-type] # mypy doubts that a class is hashable
    return json.dumps(adapter.dump_python(value, mode="json"))


def decode(kind: type[T], text: str) -> T:
    """The inverse of `encode`; raises ValueError (pydantic's) when the stored text has another shape."""
    data = json.loads(text)
    if kind is Patch:
        return kind.from_json(data)  # type: ignore[attr-defined,no-any-return] # `is` does not narrow a type variable
    adapter: TypeAdapter[T] = _adapter(kind)  # type: ignore[arg-type] # mypy doubts that a class is hashable
    return adapter.validate_python(data)


def escape(text: str) -> str:
    """`text` as both databases can hold it: unchanged when that is possible, else marked and in ASCII."""
    if "\0" in text or text.startswith(_MARK) or not _is_unicode(text):
        return _MARK + json.dumps(text)
    return text


def unescape(text: str) -> str:
    """The inverse of `escape`."""
    return str(json.loads(text[1:])) if text.startswith(_MARK) else text


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)
