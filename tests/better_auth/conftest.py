"""The stages: Better Auth and a service that trusts it, each pair started when a test asks."""

from collections.abc import Iterator

import pytest

from support.auth_stage import BY_PRODUCTS, MODES, SHORT_TOKENS, Stage, staged
from taskapi.database.url import DatabaseUrl


@pytest.fixture(scope="session", params=MODES)
def stage(request: pytest.FixtureRequest, database: DatabaseUrl) -> Iterator[Stage]:
    """Every mode in turn; tests that need only one say so with `in_mode`."""
    with staged((MODES | BY_PRODUCTS | SHORT_TOKENS)[request.param], database) as running:
        yield running
