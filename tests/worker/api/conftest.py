"""Fixtures of the HTTP tests: the application as `harpoon serve` builds it, in this process."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.worker.api.application_kit import Application, application


@pytest.fixture
async def harpoon() -> AsyncIterator[Application]:
    """The application as it is without any setting: the simulator alone, open access, no budget."""
    async with application() as harness:
        yield harness
