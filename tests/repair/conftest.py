from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.repair.workbench import Workbench


@pytest.fixture
def bench(shared_data_dir: Path) -> Iterator[Workbench]:
    workbench = Workbench(shared_data_dir)
    yield workbench
    workbench.close()
