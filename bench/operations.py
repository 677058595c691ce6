"""What is measured: the operations, and whom and what they are about."""

from collections.abc import Mapping, Sequence
from enum import StrEnum

from bench.wire import Call


class Operation(StrEnum):
    """One kind of request; the value is its name in tables."""

    ONE = "one task"
    LIST_100 = "list of 100"
    LIST_1000 = "list of 1000"
    CREATE = "create"
    UPDATE = "update"
    TOGGLE = "toggle"
    DELETE = "delete"


LISTS = (Operation.LIST_100, Operation.LIST_1000)

TITLES = ("Write the monthly report", "Write the yearly report")
DESCRIPTION = "For the whole team: figures first, then what they mean, and what follows from them."
NEW = {"title": TITLES[0], "description": DESCRIPTION}

READER_OF_1000, READER_OF_100, EDITOR, CREATOR, DELETER = range(1, 6)
"""The users, each for operations that would disturb the others'."""

USERS: Mapping[Operation, int] = {
    Operation.ONE: EDITOR,
    Operation.LIST_100: READER_OF_100,
    Operation.LIST_1000: READER_OF_1000,
    Operation.CREATE: CREATOR,
    Operation.UPDATE: EDITOR,
    Operation.TOGGLE: EDITOR,
    Operation.DELETE: DELETER,
}

TASKS = {READER_OF_1000: 1000, READER_OF_100: 100, EDITOR: 1000}
"""How many each user has."""

FIRST_STRANGER = max(USERS.values()) + 1

CALLS: Mapping[Operation, Sequence[Call]] = {
    Operation.ONE: [Call("GET", "/{key}")],
    Operation.LIST_100: [Call("GET", "")],
    Operation.LIST_1000: [Call("GET", "")],
    Operation.CREATE: [Call("POST", "", NEW)],
    Operation.UPDATE: [Call("PUT", "/{key}", NEW | {"title": title}) for title in TITLES],
    Operation.TOGGLE: [Call("PATCH", "/{key}/complete")],
    Operation.DELETE: [Call("DELETE", "/{key}")],
}
"""In this service's words."""

STOCK_PER_SECOND = 12_000
"""Tasks to delete, made beforehand for each second; who is faster is told 404, and errors count."""


def owners(strangers: int) -> list[int]:
    """Whose each of the table's tasks is: the users', and a thousand for each of the strangers."""
    of_users = [user for user, count in TASKS.items() for _ in range(count)]
    of_strangers = [FIRST_STRANGER + number for _ in range(1000) for number in range(strangers)]
    return of_strangers[::2] + of_users + of_strangers[1::2]
