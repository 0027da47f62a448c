"""A wheel that holds nothing but the metadata of the project under test. Called by python_install.

The project itself is never installed: its code lies in the copy-on-write workspace, on the import path. Yet many
packages ask for their own version at import, and tests call their console scripts: this wheel gives them both.
"""

from __future__ import annotations

import base64
import hashlib
import io
import re
import zipfile
from collections.abc import Mapping

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,100}[A-Za-z0-9])?")
_ENTRY = re.compile(r"[^\[\]=\n\r]{1,200}")
_EPOCH = (1980, 1, 1, 0, 0, 0)


def metadata_wheel(name: str, version: str, entry_points: Mapping[str, Mapping[str, str]]) -> tuple[str, bytes] | None:
    """The wheel's file name and bytes (the same input gives the same bytes); None when `name` is no valid name.

    A version that is missing or computed becomes 0.
    """
    if not _NAME.fullmatch(name):
        return None
    try:
        release = str(Version(version))
    except InvalidVersion:
        release = "0"
    stem = f"{canonicalize_name(name).replace('-', '_')}-{release}"
    files = {
        f"{stem}.dist-info/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {release}\n",
        f"{stem}.dist-info/WHEEL": "Wheel-Version: 1.0\nGenerator: fettle\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{stem}.dist-info/entry_points.txt": _entry_points(entry_points),
    }
    return f"{stem}-py3-none-any.whl", _zipped(files, f"{stem}.dist-info/RECORD")


def _entry_points(groups: Mapping[str, Mapping[str, str]]) -> str:
    sections = []
    for group, lines in groups.items():
        kept = [f"{key} = {value}" for key, value in lines.items() if _ENTRY.fullmatch(key) and "\n" not in value]
        if kept and _ENTRY.fullmatch(group):
            sections.append("\n".join([f"[{group}]", *kept, ""]))
    return "\n".join(sections)


def _zipped(files: Mapping[str, str], record: str) -> bytes:
    lines = []
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path, text in files.items():
            digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
            lines.append(f"{path},sha256={digest},{len(text.encode())}")
            archive.writestr(zipfile.ZipInfo(path, _EPOCH), text)
        archive.writestr(zipfile.ZipInfo(record, _EPOCH), "\n".join([*lines, f"{record},,", ""]))
    return buffer.getvalue()
