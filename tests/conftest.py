"""What all tests share: reproducible examples from hypothesis, and threads left as they were found."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import settings

import tinygrad_cnn as tg

settings.register_profile("tests", deadline=None, derandomize=True, database=None, max_examples=100)
settings.load_profile("tests")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="write what is drawn now to tests/viz/golden")


@pytest.fixture(autouse=True)
def _same_state_for_every_test() -> Iterator[None]:
    threads = tg.get_num_threads()
    tg.manual_seed(0)
    yield
    tg.set_num_threads(threads)
