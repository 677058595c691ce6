"""A polite user notices nothing of any attack: the short form of `make abuse`.

It judges what can be counted, and never how long something took: the polite user's failures, how
many of their requests were answered at all, the worker's memory, and what the database keeps for
each byte that was sent.
"""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.abuse.attacks import ATTACKS
from support.abuse.stage import Stage
from support.abuse.trial import Seconds, attempt
from support.background import Background
from support.postgres import Postgres

SHORT = Seconds(before=0.4, during=2.0)


@pytest.fixture(scope="module")
def stage(background: Background) -> Iterator[Stage]:
    with (
        Postgres(background) as postgres,
        tempfile.TemporaryDirectory() as folder,
        Stage(postgres, Path(folder), {"LOG_LEVEL": "error"}).sharing() as stage,
    ):
        yield stage


@pytest.mark.parametrize("name", ATTACKS)
def test_a_polite_user_is_served_during(name: str, stage: Stage) -> None:
    outcome = attempt(name, stage, SHORT)
    assert outcome.sent.answers, "nothing was sent"
    assert outcome.unmet_counts() == [], str(outcome)
