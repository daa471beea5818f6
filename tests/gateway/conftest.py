"""A running Harpoon for the tests of one module."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.serving import Serving, serving


@pytest.fixture(scope="module")
def harpoon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """`harpoon serve` as a newcomer starts it: no settings but where it keeps its state."""
    with serving(tmp_path_factory.mktemp("serving") / "state") as server:
        yield server
