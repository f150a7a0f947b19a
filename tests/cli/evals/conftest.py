from pathlib import Path

import pytest
from tests.cli.evals.stored import BODY, GOOD, RUN, store
from tests.cli.prompts.conftest import project, shop
from tests.evals.suites import row, written

from trimtab.evals.desk import Desk

__all__ = ["project", "shop"]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def desk(home: Path) -> Desk:
    return Desk(home / "evals")


@pytest.fixture
def suite(tmp_path: Path, desk: Desk) -> Path:
    """A suite of as many cases as its one run has."""
    store(desk, RUN)
    return written(tmp_path, BODY, [row(it) | {"id": f"q-{it}"} for it in range(len(GOOD))])
