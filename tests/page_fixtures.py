"""The fixtures of all tests that open pages in a real browser."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.browser import Browser, browser, silent
from tests.page_kinds import Pages


@pytest.fixture(scope="module")
def window(tmp_path_factory) -> Iterator[Browser]:
    """The window of a module's tests."""
    with browser(tmp_path_factory.mktemp("browser")) as found:
        yield found


@pytest.fixture
def shown(window: Browser) -> Iterator[Browser]:
    """The same for one test, after which the page must have complained of nothing."""
    with silent(window) as found:
        yield found


@pytest.fixture(scope="module")
def pages(tmp_path_factory) -> Pages:
    """A page of each kind, made when it is asked for."""
    return Pages(tmp_path_factory.mktemp("pages"))
