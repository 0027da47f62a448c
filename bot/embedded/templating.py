"""Jinja templates of the pages, autoescaped; Markdown without raw HTML. Called by `pages` and `setup_pages`."""

import re
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader
from markdown_it import MarkdownIt
from markupsafe import Markup
from starlette.responses import HTMLResponse

from bot.embedded.hub import Hub

_HIDDEN = re.compile(r"<!--.*?-->", re.DOTALL)
_FOLDS = {f"&lt;{slash}{tag}&gt;": f"<{slash}{tag}>" for tag in ("details", "summary") for slash in ("", "/")}
_SYMBOLS = {
    "+1": "👍",
    "-1": "👎",
    "laugh": "😄",
    "confused": "😕",
    "heart": "❤️",
    "hooray": "🎉",
    "rocket": "🚀",
    "eyes": "👀",
}
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; form-action *; base-uri 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
}


def render(template: str, hub: Hub, status: int = 200, **values: Any) -> HTMLResponse:
    """A page of a template; `hub` and `values` are its variables."""
    text = _environment().get_template(template).render(hub=hub, **values)
    # A file's name may be no UTF-8: it is shown with question marks.
    return HTMLResponse(text.encode(errors="replace"), status, headers=_HEADERS)


def markdown(text: str | None) -> Markup:
    """Markdown as HTML: hidden comments dropped, raw HTML shown as text, but for the tags that fold."""
    html: str = MarkdownIt("js-default").render(_HIDDEN.sub("", text or ""))
    for escaped, tag in _FOLDS.items():
        html = html.replace(escaped, tag)
    return Markup(html)  # noqa: S704  # markdown-it escaped everything raw; the tags put back have no attributes


def diff_lines(patch: str | None) -> list[tuple[str, str]]:
    """(class, line) of each line of a patch, for colouring."""
    kinds = {"+": "added", "-": "removed", "@": "hunk"}
    return [(kinds.get(line[:1], "same"), line) for line in (patch or "").split("\n")]


@cache
def _environment() -> Environment:
    folder = Path(__file__).parent / "templates"
    environment = Environment(loader=FileSystemLoader(folder), autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters["markdown"] = markdown
    environment.filters["diff_lines"] = diff_lines
    environment.filters["symbol"] = lambda content: _SYMBOLS.get(content, content)
    return environment
