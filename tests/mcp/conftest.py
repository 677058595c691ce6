"""Services that agents use."""

from collections.abc import Iterator

import httpx
import pytest

from support.agent import Agent
from support.oauth import ACCEPTED
from support.people import Person
from support.service import client_for, settings_for
from taskapi.database.url import DatabaseUrl


@pytest.fixture(scope="session")
def public(database: DatabaseUrl) -> Iterator[httpx.Client]:
    """A client of a service that has a public URL, accepts OAuth access tokens, and has a rate."""
    with client_for(settings_for(database, **ACCEPTED, user_rate=20)) as client:
        yield client


@pytest.fixture
def agent(alice: Person) -> Agent:
    """An agent that Alice has given her token."""
    return Agent.of(alice)


@pytest.fixture
def legacy(alice: Person) -> Agent:
    """Another one, which begins with `initialize`."""
    return Agent.of(alice, legacy=True)
