"""One attack from beginning to end, what it did, and whether the goals are met."""

import json
import math
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple

from support.abuse.attacker import LINGER, Sent
from support.abuse.attacks import ATTACKS, Attack
from support.abuse.polite import Experience, PoliteUser, together
from support.abuse.stage import POOL, Server, Stage
from support.people import token_for

MAX_RATIO = 3.0
"""The p95 of the polite user during the attack to that before."""

MAX_P95 = 0.1
"""Seconds; so much is good enough, whatever it was before."""

MAX_MEBIBYTES = 256.0
"""Of the worker."""

MIN_ANSWERED = 0.5
"""Of the polite user's requests that were due: for runs too short to tell a p95."""

MAX_BUSY = POOL // 2
"""Connections of the service that may be busy at once, with one user who wants more than that."""


class Seconds(NamedTuple):
    """How long the polite user is watched."""

    before: float
    during: float


def max_kept(body_bytes: float) -> float:
    """The most bytes that a request with such a body may leave behind."""
    return 4 * body_bytes + 1000


@dataclass(frozen=True)
class Outcome:
    """What an attack did.

    Attributes:
        attack: which.
        before: how the polite user fared.
        during: likewise.
        sent: by the attack.
        mebibytes: the most memory that the worker had.
        kept: bytes in the database for each request of the attack.
        busy: how many of the service's database connections were busy at the most.
        written: bytes of write-ahead log likewise.
        tasks: how many the attacker has in the end.
    """

    attack: Attack
    before: Experience
    during: Experience
    sent: Sent
    mebibytes: float
    busy: int
    kept: float
    written: float
    tasks: int

    def __str__(self) -> str:
        answered, failures = len(self.during.seconds), dict(self.during.failures)
        return (
            f"{answered} of {self.during.due} answered, failures {failures}, "
            f"{self.mebibytes:.0f} MiB, {self.busy} connections busy, {self.kept:.0f} bytes kept "
            f"for {self.body:.0f}, {self.tasks} tasks; the attack got {dict(self.sent.answers)}"
        )

    @property
    def ratio(self) -> float:
        """Of the polite user's p95 during the attack to that before."""
        return self.during.percentile(95) / self.before.percentile(95)

    @property
    def body(self) -> float:
        """Bytes in the body of a request of the attack, on average."""
        return self.sent.body_bytes / max(self.sent.requests, 1)

    def unmet_counts(self) -> list[str]:
        """The goals that are not met, of those that need no clock."""
        return [name for name, met in self._counts() if not met]

    def unmet(self) -> list[str]:
        """The goals that are not met."""
        slow = self.ratio > MAX_RATIO and self.during.percentile(95) > MAX_P95
        return ["p95"] * slow + self.unmet_counts()

    def _counts(self) -> Iterator[tuple[str, bool]]:
        answered = len(self.during.seconds)
        yield "failures", not self.during.failures
        yield "answered", answered >= MIN_ANSWERED * self.during.due
        yield "connections", self.busy <= MAX_BUSY
        yield "memory", self.mebibytes <= MAX_MEBIBYTES
        yield "answers", not self.attack.never & self.sent.answers.keys()
        if self.attack.writes:
            yield "kept", self.kept <= max_kept(self.body)
        if self.attack.quota is not None:
            yield "quota", self.tasks <= self.attack.quota


def attempt(name: str, stage: Stage, seconds: Seconds) -> Outcome:
    """Carry out an attack on a new service, while a polite user uses it."""
    attack = ATTACKS[name]
    attacker_id, polite_id = stage.new_user(attack.tasks), stage.new_user()
    with stage.serving(attack) as server:
        polite = PoliteUser(server.port, polite_id, _token(server, polite_id))
        before = polite.live(seconds.before)
        kept, written = stage.kept_bytes(), stage.written_bytes()
        with (
            stage.counting_busy() as busy,
            _attacking(name, server.port, attacker_id, seconds.during) as sent,
        ):
            during = polite.live(seconds.during / 2)
            if server.keys:  # new to the service, as are those that strangers have invented by now
                server.keys.change()
                polite.token = server.keys.token_for(polite_id)
            during = together([during, polite.live(seconds.during / 2)])
        written = stage.written_bytes() - written
        stage.forget(polite_id)
        kept = stage.kept_bytes() - kept
        requests = sent.requests or math.inf
        outcome = Outcome(
            attack=attack,
            before=before,
            during=during,
            sent=sent,
            mebibytes=server.peak_mebibytes(),
            busy=max(busy),
            kept=kept / requests,
            written=written / requests,
            tasks=stage.tasks_of(attacker_id),
        )
    stage.forget(attacker_id)  # or each further attempt would vacuum those tasks, twice
    return outcome


def _token(server: Server, user_id: str) -> str:
    return server.keys.token_for(user_id) if server.keys else token_for(user_id)


@contextmanager
def _attacking(name: str, port: int, user_id: str, seconds: float) -> Iterator[Sent]:
    """Attack from another process; what was sent is known at the end of the context."""
    sent = Sent()
    command = [sys.executable, "-m", "support.abuse", name, str(port), user_id]
    with subprocess.Popen(
        [*command, token_for(user_id), str(seconds)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.PIPE,
        text=True,
    ) as program:
        try:
            assert program.stdout is not None
            program.stdout.readline()
            yield sent
            said = json.loads(program.communicate(timeout=seconds + 2 * LINGER)[0])
        finally:
            program.kill()
    sent.requests, sent.body_bytes = said["requests"], said["body_bytes"]
    sent.answers = Counter(said["answers"])
