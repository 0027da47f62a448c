"""`python -m benchmarks NAME [--json]`: run one benchmark module and print its figures, one a line."""

from __future__ import annotations

import argparse
import importlib

NAMES = ("intake", "label_to_pr", "sandbox", "workspace")


def main() -> int:
    """Parse the arguments, run the benchmark, print figures as they come."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("name", choices=NAMES)
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    known, rest = parser.parse_known_args()
    module = importlib.import_module(f"benchmarks.{known.name}")
    for figure in module.run(rest):
        print(figure.line(as_json=known.json), flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
