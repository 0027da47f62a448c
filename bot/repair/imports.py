"""Which import a missing name wants, and where it goes. Pure: used by MechanicalFixer."""

from __future__ import annotations

import ast
import builtins
import posixpath
import re
import sys
from collections.abc import Iterable, Mapping
from types import MappingProxyType

from bot.repair.search.source import Source

# Names that people use bare and that stand for one thing only. Ambiguous ones (datetime, time, Union) are left out.
KNOWN: Mapping[str, str] = MappingProxyType(
    {
        **dict.fromkeys(("defaultdict", "Counter", "OrderedDict", "deque", "namedtuple", "ChainMap"), "collections"),
        **dict.fromkeys(("dataclass", "asdict", "astuple"), "dataclasses"),
        **dict.fromkeys(("partial", "wraps", "lru_cache", "cached_property", "reduce"), "functools"),
        **dict.fromkeys(("Path", "PurePath", "PurePosixPath"), "pathlib"),
        **dict.fromkeys(("timedelta", "timezone"), "datetime"),
        **dict.fromkeys(("Any", "Optional", "TypeVar", "NamedTuple", "Protocol", "ClassVar", "cast"), "typing"),
        **dict.fromkeys(("Enum", "IntEnum", "StrEnum", "IntFlag"), "enum"),
        **dict.fromkeys(("contextmanager", "suppress", "ExitStack", "nullcontext"), "contextlib"),
        **dict.fromkeys(("StringIO", "BytesIO"), "io"),
        **dict.fromkeys(("ABC", "abstractmethod"), "abc"),
        **dict.fromkeys(("deepcopy",), "copy"),
        **dict.fromkeys(("Decimal", "ROUND_HALF_UP"), "decimal"),
        **dict.fromkeys(("Fraction",), "fractions"),
        **dict.fromkeys(("itemgetter", "attrgetter"), "operator"),
        **dict.fromkeys(("islice", "groupby", "zip_longest", "takewhile", "dropwhile"), "itertools"),
        **dict.fromkeys(("ThreadPoolExecutor", "ProcessPoolExecutor"), "concurrent.futures"),
        **dict.fromkeys(("urlparse", "urlencode", "urljoin", "quote_plus"), "urllib.parse"),
        **dict.fromkeys(("heappush", "heappop", "heapify"), "heapq"),
        **dict.fromkeys(("bisect_left", "bisect_right", "insort"), "bisect"),
    }
)
_NAME_ERROR = re.compile(r"NameError: (?:global )?name '(\w+)' is not defined")
_UNDEFINED = re.compile(r"[Uu]ndefined name [`'\"](\w+)[`'\"]")


def missing_names(text: str) -> tuple[str, ...]:
    """Names that a failure text or an F821 message says are not defined, in their order."""
    return tuple(dict.fromkeys(_NAME_ERROR.findall(text) + _UNDEFINED.findall(text)))


def unbound(source: Source) -> frozenset[str]:
    """Names that the file reads, that nothing in it binds, and that are no builtins."""
    read, bound = set(), set(dir(builtins)) | {"__file__", "__name__", "__doc__"}
    for node in ast.walk(source.tree):
        match node:
            case ast.Name(id=name, ctx=ast.Load()):
                read.add(name)
            case ast.Name(id=name):
                bound.add(name)
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                bound.add(name)
            case ast.arg(arg=name):
                bound.add(name)
            case ast.alias(name=name, asname=other):
                bound.add(other or name.split(".")[0])
            case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
                bound.add(name)
    return frozenset(read - bound)


def statement(name: str, into: str, sources: Mapping[str, Source], roots: Iterable[str] = (".",)) -> str:
    """The import statement that gives `into` (a path) the name, or an empty string when that is not certain.

    Certain is: a standard module of that name; a name that every other file of the project imports in one way; a name
    that the project defines once; a well-known name of the standard library.
    """
    others = {path: source for path, source in sources.items() if path != into}
    used = {one for source in others.values() for one in _imports_of(source, name)}
    if len(used) == 1:
        return used.pop()
    homes = [path for path, source in others.items() if name in _defined(source)]
    if len(homes) == 1 and not used:
        module = _module(homes[0], roots)
        return f"from {module} import {name}" if module else ""
    if homes or used:
        return ""
    if name in sys.stdlib_module_names and not name.startswith("_"):
        return f"import {name}"
    return f"from {KNOWN[name]} import {name}" if name in KNOWN else ""


def insert(source: Source, wanted: str) -> bytes:
    """The file with the import statement `wanted`, among its kin, behind the docstring and `__future__`."""
    new = ast.parse(wanted).body[0]
    assert isinstance(new, ast.Import | ast.ImportFrom)
    existing = [one for one in source.tree.body if isinstance(one, ast.Import | ast.ImportFrom)]
    if isinstance(new, ast.ImportFrom):
        for one in existing:
            if isinstance(one, ast.ImportFrom) and (one.module, one.level) == (new.module, new.level):
                merged = _merged(source, one, new.names[0].name)
                if merged is not None:
                    return merged
    return _placed(source, new, wanted, existing)


def _placed(
    source: Source, new: ast.stmt, wanted: str, existing: list[ast.stmt] | list[ast.Import | ast.ImportFrom]
) -> bytes:
    end = source.newline
    following = next((one for one in existing if _key(one) > _key(new)), None)
    before = [one for one in existing if following is None or one.lineno < following.lineno]
    if following is not None:
        gap = end if _key(following)[0] != _key(new)[0] else ""
        return _spliced(source, source.line_start(following.lineno), wanted + end + gap)
    if before:
        gap = end if _key(before[-1])[0] != _key(new)[0] else ""
        return _spliced(source, source.line_end(before[-1].end_lineno or 1), gap + wanted + end)
    return _at_the_top(source, wanted)


def _at_the_top(source: Source, wanted: str) -> bytes:
    end, body = source.newline, source.tree.body
    if ast.get_docstring(source.tree, clean=False) is not None:
        place = source.line_end(body[0].end_lineno or 1)
        return _spliced(source, place, f"{end}{wanted}{end}")
    first = 1
    for line in source.content.splitlines():
        if not line.startswith(b"#"):
            break
        first += 1
    return _spliced(source, source.line_start(first), f"{wanted}{end}{end}")


def _spliced(source: Source, place: int, text: str) -> bytes:
    before = source.content[:place]
    if before and not before.endswith(b"\n"):
        text = source.newline + text
    return before + text.encode() + source.content[place:]


def _merged(source: Source, statement: ast.ImportFrom, name: str) -> bytes | None:
    text = source.text(statement)
    if "(" in text or "\\" in text or any(alias.name == "*" for alias in statement.names):
        return None
    names = [f"{one.name} as {one.asname}" if one.asname else one.name for one in statement.names]
    head = text.split(" import ", 1)[0]
    span = source.span(statement)
    new = f"{head} import {', '.join(sorted([*names, name], key=_member_key))}"
    return source.content[: span.start] + new.encode() + source.content[span.end :]


def _member_key(name: str) -> tuple[int, str]:
    """Constants, classes, functions, each by name: the order that isort and ruff keep."""
    return (0 if name.isupper() and len(name) > 1 else 1 if name[:1].isupper() else 2, name)


def _key(node: ast.stmt) -> tuple[int, bool, str]:
    if isinstance(node, ast.ImportFrom):
        module = "." * node.level + (node.module or "")
        return (_group(module), True, module.lower())
    assert isinstance(node, ast.Import)
    return (_group(node.names[0].name), False, node.names[0].name.lower())


def _group(module: str) -> int:
    """The future, the standard library, everything else; relative imports last."""
    if module == "__future__":
        return 0
    if module.startswith("."):
        return 3
    return 1 if module.split(".")[0] in sys.stdlib_module_names else 2


def _imports_of(source: Source, name: str) -> set[str]:
    found = set()
    for node in source.tree.body:
        for alias in node.names if isinstance(node, ast.Import | ast.ImportFrom) else ():
            if (alias.asname or alias.name) != name or (isinstance(node, ast.ImportFrom) and node.level):
                continue
            renamed = f" as {alias.asname}" if alias.asname else ""
            start = f"from {node.module} " if isinstance(node, ast.ImportFrom) else ""
            found.add(f"{start}import {alias.name}{renamed}")
    return found


def _defined(source: Source) -> set[str]:
    names: set[str] = set()
    for node in source.tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign):
            names |= {one.id for one in node.targets if isinstance(one, ast.Name)}
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            names.add(node.target.id)
    return names


def _module(path: str, roots: Iterable[str]) -> str:
    """The dotted name of a file, seen from the source root that is nearest to it."""
    best = max(
        (root for root in roots if root in (".", "") or path.startswith(root.rstrip("/") + "/")), key=len, default=""
    )
    relative = path if best in (".", "") else posixpath.relpath(path, best)
    parts = relative.removesuffix(".py").removesuffix("/__init__").split("/")
    return ".".join(parts) if all(part.isidentifier() for part in parts) and parts != ["__init__"] else ""
