from collections.abc import Iterator

import pytest

from tests.checks.lab import Lab


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    lab = Lab()
    yield lab
    lab.close()
