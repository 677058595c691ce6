"""Every attack: its program, and what it needs."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from support.abuse import connections, requests
from support.abuse.attacker import Attacker


@dataclass(frozen=True)
class Tasks:
    """What the attacker has before the attack.

    Attributes:
        count: how many tasks.
        description: of each, as an expression of SQL, because so much is made faster there.
    """

    count: int
    description: str


LONG = "(SELECT string_agg(md5(n || '.' || part), '') FROM generate_series(1, 150) AS part)"
"""4,800 characters that do not compress, nor hold what is looked for."""

LARGEST = "repeat(U&'\\+01F600', 5000)"
"""20 kB: 5,000 characters of four bytes."""

VARIED = (
    "(SELECT string_agg(chr(65536 + (hashint4(n * 5000 + part) & 32767)), '')"
    " FROM generate_series(1, 5000) AS part)"
)
"""The same, that does not compress."""

SMALL = "''"


@dataclass(frozen=True)
class Attack:
    """One attack.

    Attributes:
        title: in tables.
        run: the program.
        tasks: what the attacker has before.
        settings: of the service, beside those of every attack.
        descriptors: how many files and connections the service may have open; None: any number.
        keys: whether tokens are signed with keys of a key server, which change during the attack.
        writes: whether bytes are kept for what is sent, so that they are counted.
        quota: how many tasks the attacker may have at the end; None: any number.
        never: the statuses of errors that the attacker must not be able to cause.
    """

    title: str
    run: Callable[[Attacker], None]
    tasks: Tasks | None = None
    settings: Mapping[str, object] = field(default_factory=dict)
    descriptors: int | None = None
    keys: bool = False
    writes: bool = False
    quota: int | None = None
    never: frozenset[str] = frozenset({"500"})


QUOTA = 2_000

ATTACKS: Mapping[str, Attack] = {
    "hostile-tokens": Attack("8 connections of hostile tokens", requests.hostile_tokens),
    "refused-tokens": Attack("8 connections of refused tokens", requests.refused_tokens),
    "searches": Attack("20 searches of 10,000 long tasks", requests.searches, Tasks(10_000, LONG)),
    "endless-heads": Attack("200 heads without an end", connections.endless_heads),
    "one-token": Attack(
        "100 connections of one token", requests.one_token, Tasks(100, SMALL), writes=True
    ),
    "unchanging-batches": Attack(
        "batches that change nothing, keyed",
        requests.unchanging_batches,
        Tasks(100, VARIED),
        writes=True,
    ),
    "keyed-creates": Attack("small creates, keyed", requests.keyed_creates, writes=True),
    "keyed-updates": Attack(
        "small updates of a large task, keyed",
        requests.keyed_updates,
        Tasks(100, VARIED),
        writes=True,
    ),
    "lists-8": Attack("8 lists of 1000 x 20 kB", requests.lists(8), Tasks(1_000, LARGEST)),
    "lists-16": Attack("16 lists of 1000 x 20 kB", requests.lists(16), Tasks(1_000, LARGEST)),
    "slow-readers": Attack(
        "30 slow readers of such a list", connections.slow_readers, Tasks(1_000, LARGEST)
    ),
    "slow-bodies": Attack(
        "100 bodies of one byte a second",
        connections.slow_bodies,
        settings={"REQUEST_TIMEOUT": 1},
        never=frozenset({"500", "503"}),  # which would count as the service's unavailability
    ),
    "invented-keys": Attack("invented key ids, then a new key", requests.invented_keys, keys=True),
    "idle-connections": Attack(
        "400 idle connections, 256 descriptors", connections.idle_connections, descriptors=256
    ),
    "hoarding": Attack(
        "large tasks up to the quota",
        requests.hoarding,
        settings={"MAX_TASKS_PER_USER": QUOTA},
        writes=True,
        quota=QUOTA,
    ),
}
"""By name. What may leave memory behind in a worker comes after what does not."""
