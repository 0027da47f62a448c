"""JUnit XML as a witness beside a runner's own report: how many tests it tells of and how many failed.

The file was written by untrusted code: no DTD, no entities, a depth cap, and no tree is kept in memory.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from xml.etree.ElementTree import ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import iterparse

MAX_DEPTH = 32


@dataclass(frozen=True, slots=True)
class JUnit:
    """Counts over all suites of a file: a test that failed twice (call and teardown) counts once or twice."""

    tests: int = 0
    failing: int = 0


def parse(data: bytes) -> JUnit:
    """The counts in `data`; raises ValueError when it is no plain JUnit XML."""
    tests = failing = depth = 0
    try:
        for event, element in iterparse(io.BytesIO(data), events=("start", "end"), forbid_dtd=True):
            depth += 1 if event == "start" else -1
            if depth > MAX_DEPTH:
                raise ValueError("the JUnit report is nested too deeply")
            if event == "end":
                tests += element.tag == "testcase"
                failing += element.tag in ("failure", "error")
                element.clear()
    except (ParseError, DefusedXmlException) as error:
        raise ValueError(f"the JUnit report cannot be read ({type(error).__name__})") from error
    return JUnit(tests, failing)
