import ast

import pytest

from bot.repair import imports
from bot.repair.search.source import Source


def source(text: str, path: str = "a.py") -> Source:
    return Source(path, text.encode())


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("E   NameError: name 'json' is not defined", ("json",)),
        ("NameError: name 're' is not defined. Did you forget to import 're'?", ("re",)),
        ("Undefined name `Path`", ("Path",)),
        ("UnboundLocalError: cannot access local variable 'x'", ()),
        ("", ()),
    ],
)
def test_names_are_read_from_what_tools_say(text: str, names: tuple[str, ...]) -> None:
    assert imports.missing_names(text) == names


def test_unbound_names_are_those_that_nothing_binds() -> None:
    text = "import os\ndef f(a, *b):\n    for c in a: print(c, os, json)\n    return [d for d in b] + [e]\n"
    assert imports.unbound(source(text)) == {"json", "e"}


@pytest.mark.parametrize(
    ("name", "others", "wanted"),
    [
        ("json", {}, "import json"),
        ("Path", {}, "from pathlib import Path"),
        ("datetime", {}, "import datetime"),
        ("datetime", {"b.py": "from datetime import datetime\n"}, "from datetime import datetime"),
        ("np", {"b.py": "import numpy as np\n"}, "import numpy as np"),
        ("helper", {"pkg/tools.py": "def helper(): pass\n"}, "from pkg.tools import helper"),
        ("helper", {"src/pkg/tools.py": "def helper(): pass\n"}, "from pkg.tools import helper"),
        ("helper", {"pkg/__init__.py": "helper = 1\n"}, "from pkg import helper"),
        ("helper", {"b.py": "def helper(): pass\n", "c.py": "helper = 2\n"}, ""),
        ("anything", {}, ""),
    ],
)
def test_an_import_is_found_only_when_it_is_certain(name: str, others: dict[str, str], wanted: str) -> None:
    sources = {path: source(text, path) for path, text in others.items()} | {"a.py": source(f"{name}()\n")}
    assert imports.statement(name, "a.py", sources, (".", "src")) == wanted


@pytest.mark.parametrize(
    ("before", "wanted", "after"),
    [
        ("x = 1\n", "import json", "import json\n\nx = 1\n"),
        ('"""Doc."""\nx = 1\n', "import json", '"""Doc."""\n\nimport json\nx = 1\n'),
        ('"""Doc."""\n\nx = 1\n', "import json", '"""Doc."""\n\nimport json\n\nx = 1\n'),
        ("#!/usr/bin/env python\nx = 1\n", "import json", "#!/usr/bin/env python\nimport json\n\nx = 1\n"),
        ("import ast\nimport os\n", "import json", "import ast\nimport json\nimport os\n"),
        ("import os\nfrom a import b\n", "import json", "import json\nimport os\nfrom a import b\n"),
        ("from a import b\n", "import json", "import json\n\nfrom a import b\n"),
        ("import os\n", "from a import b", "import os\n\nfrom a import b\n"),
        (
            "from __future__ import annotations\n\nx = 1\n",
            "import json",
            "from __future__ import annotations\n\nimport json\n\nx = 1\n",
        ),
        ("from typing import Any\n", "from typing import cast", "from typing import Any, cast\n"),
        ("import os\r\nx = 1\r\n", "import json", "import json\r\nimport os\r\nx = 1\r\n"),
        ("x = 'ü'", "import json", "import json\n\nx = 'ü'"),
    ],
)
def test_an_import_goes_where_a_person_would_put_it(before: str, wanted: str, after: str) -> None:
    changed = imports.insert(source(before), wanted).decode()
    assert changed == after
    ast.parse(changed)
