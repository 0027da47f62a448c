"""`python -m tests.repair.rate`: how many programs of the corpus search repairs in the real sandbox, and how fast.

One JSON line a program, and one for each half. `exact` means the same tree as the person's fix; a passing patch that
differs may be as right.
"""

import ast
import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

from bot.repair.search import SearchFixer
from tests.repair.corpus import DEVELOPED, HELD_OUT, Program
from tests.repair.workbench import Workbench


async def measured(data: Path, program: Program) -> dict[str, object]:
    bench = Workbench(data)
    task = await bench.task(program.files)
    began = time.monotonic()
    proposal = await SearchFixer().propose(task)
    seconds = time.monotonic() - began
    bench.close()
    content = proposal.patch.changes[0].content if proposal.patch else None
    noted = bench.journal.entries[0][1] if bench.journal.entries else {}
    return {
        "program": program.name,
        "passes": content is not None,
        "exact": content is not None and ast.dump(ast.parse(content)) == ast.dump(ast.parse(program.fixed)),
        "seconds": round(seconds, 2),
        **{name: noted.get(name) for name in ("candidates", "evaluated", "per_second")},
        "said": proposal.summary or list(proposal.tried),
    }


async def half(data: Path, name: str, programs: Iterable[Program]) -> None:
    rows = []
    for program in programs:
        rows.append(await measured(data, program))
        write(rows[-1])
    rates = [float(str(row["per_second"])) for row in rows if row["per_second"]]
    write(
        {
            "half": name,
            "programs": len(rows),
            "passes": sum(bool(row["passes"]) for row in rows),
            "exact": sum(bool(row["exact"]) for row in rows),
            "median_seconds": sorted(float(str(row["seconds"])) for row in rows)[len(rows) // 2],
            "median_ms_a_candidate": round(1000 / sorted(rates)[len(rates) // 2], 1),
        }
    )


def write(row: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(row) + "\n")
    sys.stdout.flush()


async def main(data: Path) -> None:
    await half(data, "developed", DEVELOPED)
    await half(data, "held out", HELD_OUT)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="fettle-rate-") as folder:
        Path(folder).chmod(0o755)
        asyncio.run(main(Path(folder)))
