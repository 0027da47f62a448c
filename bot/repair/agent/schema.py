"""Tools from typed functions: the JSON schema that the model sees, and the check of what it sends. Used by tools.py.

The signature and the docstring are the one place where a tool's arguments stand.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Any, TypeAlias, get_type_hints

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError, create_model

ARGUMENTS_LIMIT = 2 << 20


class ToolError(Exception):
    """A wrong call; `str(error)` is the one line with which the model corrects itself."""


def _sendable(text: str) -> str:
    if "\0" in text:
        raise ValueError("it must not hold a NUL character")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("it is not valid Unicode") from None
    return text


Text: TypeAlias = Annotated[str, AfterValidator(_sendable)]
"""A string argument: no NUL, no lone surrogate."""


@dataclass(frozen=True, slots=True)
class Tool:
    """One tool: `function` takes the validated arguments by name and returns the text that the model gets."""

    name: str
    description: str
    arguments: type[BaseModel]
    function: Callable[..., Awaitable[str]]

    @classmethod
    def of(cls, function: Callable[..., Awaitable[str]]) -> Tool:
        """Make a tool of an async method whose parameters are annotated and described by pydantic Fields."""
        hints = get_type_hints(function, include_extras=True)
        fields: dict[str, Any] = {
            name: (hints[name], ... if parameter.default is parameter.empty else parameter.default)
            for name, parameter in inspect.signature(function).parameters.items()
        }
        name = getattr(function, "__name__", "tool")
        model = create_model(name, __config__=ConfigDict(extra="forbid"), **fields)
        return cls(name, inspect.getdoc(function) or "", model, function)

    def schema(self) -> dict[str, Any]:
        """The tool in OpenAI's form."""
        parameters = _untitled(self.arguments.model_json_schema())
        return {
            "type": "function",
            "function": {"name": self.name, "description": self.description, "parameters": parameters},
        }

    def parse(self, arguments: str) -> dict[str, Any]:
        """The arguments by name, checked. Raises ToolError with one line that says what is wrong."""
        if len(arguments) > ARGUMENTS_LIMIT:
            raise ToolError(f"{self.name}: the arguments are longer than {ARGUMENTS_LIMIT:,} characters.")
        try:
            parsed = self.arguments.model_validate_json(arguments.strip() or "{}")
        except ValidationError as error:
            raise ToolError(f"{self.name}: {self._correction(error)}") from None
        return {name: getattr(parsed, name) for name in self.arguments.model_fields}

    def _correction(self, error: ValidationError) -> str:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        if first["type"] == "json_invalid":
            return f"the arguments are not valid JSON ({first['msg'][:120]}); send one JSON object: {self._usage()}."
        return f"{'`' + where[:60] + '`: ' if where else ''}{first['msg'][:120]}; the arguments are {self._usage()}."

    def _usage(self) -> str:
        parts = []
        for name, field in self.arguments.model_json_schema()["properties"].items():
            optional = "" if name in self.arguments.model_json_schema().get("required", ()) else ", optional"
            parts.append(f"{name} ({field.get('type', 'any')}{optional})")
        return ", ".join(parts)


def _untitled(schema: Any) -> Any:
    """Without the titles that pydantic adds: they say nothing and cost tokens."""
    if not isinstance(schema, dict):
        return schema
    properties = {name: _untitled(value) for name, value in schema.get("properties", {}).items()}
    rest = {key: value for key, value in schema.items() if key not in ("title", "properties")}
    return {**rest, "properties": properties} if "properties" in schema else rest
