"""What fuzz tests have: the profile of `make fuzz`, and a task that must survive."""

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from support.effort import LONG
from support.people import Person

# Nothing ends a search early.
settings.register_profile(LONG, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.fixture
def foreign(alice: Person) -> Iterator[int]:
    """A task of Alice's, of which not a byte may have changed when the test is over."""
    task = alice.create("Alice's", "and nobody else's")
    before = alice.get().content
    yield int(str(task["id"]))
    assert alice.get().content == before
