"""Which distribution a module that is not installed comes from, and how a manifest names it. Pure.

Used by MechanicalFixer. Only well-known distributions are proposed: a wrong guess would install a stranger's code.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from types import MappingProxyType

# Module to distribution where the names differ, and modules that are named like their distribution.
DISTRIBUTIONS: Mapping[str, str] = MappingProxyType(
    {
        "attr": "attrs", "bs4": "beautifulsoup4", "cv2": "opencv-python", "dateutil": "python-dateutil",
        "docx": "python-docx", "dotenv": "python-dotenv", "git": "GitPython", "jose": "python-jose", "jwt": "PyJWT",
        "magic": "python-magic", "PIL": "pillow", "psycopg2": "psycopg2-binary", "serial": "pyserial",
        "skimage": "scikit-image", "sklearn": "scikit-learn", "slugify": "python-slugify", "usb": "pyusb",
        "yaml": "PyYAML", "zmq": "pyzmq",
        **{name: name for name in (
            "aiohttp", "attrs", "boto3", "cachetools", "click", "colorama", "cryptography", "django", "fastapi",
            "flask", "freezegun", "httpx", "hypothesis", "jinja2", "jsonschema", "lxml", "markdown", "more_itertools",
            "networkx", "numpy", "openpyxl", "orjson", "packaging", "pandas", "platformdirs", "psutil", "pydantic",
            "pygments", "pytz", "redis", "regex", "requests", "responses", "rich", "scipy", "simplejson", "six",
            "sqlalchemy", "structlog", "sympy", "tabulate", "tenacity", "toml", "tomlkit", "tqdm", "typer",
            "typing_extensions", "tzlocal", "ujson", "urllib3", "uvicorn", "websockets", "werkzeug", "xmltodict",
        )},
    }
)  # fmt: skip
_MISSING = re.compile(r"ModuleNotFoundError: No module named '([\w.]+)'")
_SECTION = re.compile(r"^[ \t]*\[(?P<name>[^\[\]\n]+)\][ \t]*(?:#[^\n]*)?\r?$", re.MULTILINE)


def missing_modules(text: str) -> tuple[str, ...]:
    """Top-level names of modules that a failure text says are not there, in their order."""
    return tuple(dict.fromkeys(name.split(".")[0] for name in _MISSING.findall(text)))


def add(path: str, text: str, distribution: str) -> str | None:
    """The manifest's text with the distribution, or None when it is named already or nobody can say where it goes."""
    plain = re.escape(distribution).replace(r"\-", "[-_.]")
    if re.search(rf"(?im)(?:^|[\"'\s]){plain}(?![\w.-])", text):
        return None
    if path.endswith(".txt"):
        lines = text if not text or text.endswith("\n") else text + "\n"
        return f"{lines}{distribution}\n"
    return _in_pyproject(text, distribution) if path.endswith("pyproject.toml") else None


def _in_pyproject(text: str, distribution: str) -> str | None:
    try:
        before = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return None
    project = before.get("project")
    if isinstance(project, dict) and isinstance(project.get("dependencies"), list):
        changed = _in_array(text, distribution)
        wanted = [*project["dependencies"], distribution]
        return changed if changed and _parsed(changed, "project", "dependencies") == wanted else None
    changed = _in_poetry(text, distribution)
    return changed if changed and _parsed(changed, "tool", "poetry", "dependencies", distribution) == "*" else None


def _in_array(text: str, distribution: str) -> str | None:
    section = _section(text, "project")
    if section is None:
        return None
    found = re.compile(r"^[ \t]*dependencies[ \t]*=[ \t]*\[", re.MULTILINE).search(text, *section)
    end = _array_end(text, found.end()) if found else None
    if found is None or end is None:
        return None
    inside = text[found.end() : end]
    if "\n" not in inside:
        comma = ", " if inside.strip() and not inside.rstrip().endswith(",") else ""
        return f'{text[: found.end()]}{inside.rstrip()}{comma}"{distribution}"{text[end:]}'
    indent = (re.search(r"\n([ \t]+)[\"']", inside) or ["", "    "])[1]
    kept = _with_comma(inside).rstrip()
    return f'{text[: found.end()]}{kept}\n{indent}"{distribution}",\n{text[end:]}'


def _with_comma(inside: str) -> str:
    """An array's inside with a comma behind its last entry, which a comment may follow."""
    tokens = list(re.finditer(r"\"[^\"\n]*\"|'[^'\n]*'|#[^\n]*|,", inside))
    plain = [token for token in tokens if not token.group().startswith("#")]
    if not plain or plain[-1].group() == ",":
        return inside
    return f"{inside[: plain[-1].end()]},{inside[plain[-1].end() :]}"


def _array_end(text: str, start: int) -> int | None:
    """Where the array that opened before `start` closes: brackets in strings and comments do not count."""
    for token in re.finditer(r"\"[^\"\n]*\"|'[^'\n]*'|#[^\n]*|\]", text[start:]):
        if token.group() == "]":
            return start + token.start()
    return None


def _in_poetry(text: str, distribution: str) -> str | None:
    section = _section(text, "tool.poetry.dependencies")
    if section is None:
        return None
    start, end = section
    body = text[start:end].rstrip("\n")
    return f'{text[:start]}{body}\n{distribution} = "*"\n{text[start + len(body) + 1 :]}'


def _section(text: str, name: str) -> tuple[int, int] | None:
    heads = list(_SECTION.finditer(text))
    for head, following in zip(heads, [*heads[1:], None], strict=True):
        if head["name"].strip() == name:
            return head.end(), following.start() if following else len(text)
    return None


def _parsed(text: str, *keys: str) -> object:
    try:
        data: object = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return None
    for key in keys:
        data = data.get(key) if isinstance(data, dict) else None
    return data
