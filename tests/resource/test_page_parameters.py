"""Pages that a client may ask for: 422 for what is no limit, offset or cursor (SC-009)."""

import pytest

from support.calls import assert_refused
from support.forgery import position, with_position
from support.people import Person

NO_NUMBERS = [
    "%20",
    "x",
    "1.0",
    "1e1",
    "%2B1",
    "+1",
    "%201",
    "1%20",
    "01",
    "00",
    "-0",
    "0x1",
    "1_0",
]
NO_NUMBERS += ["%D9%A1", "%C2%B2", "%00", "%FF", "NaN", "Infinity", "null", "9" * 5000, str(10**30)]


@pytest.mark.parametrize("value", [*NO_NUMBERS, "0", "-1", "1001", str(2**63)], ids=ascii)
def test_a_limit_out_of_range_is_422(alice: Person, value: str) -> None:
    response = alice.get(f"?limit={value}")
    assert_refused(response, 422, "validation_failed")
    assert response.json()["detail"][0]["loc"] == ["query", "limit"]


@pytest.mark.parametrize("value", [*NO_NUMBERS, "-1", str(2**63)], ids=ascii)
def test_an_offset_out_of_range_is_422(alice: Person, value: str) -> None:
    response = alice.get(f"?offset={value}")
    assert_refused(response, 422, "validation_failed")
    assert response.json()["detail"][0]["loc"] == ["query", "offset"]


@pytest.mark.parametrize(
    ("query", "limit", "offset"),
    [("", 1000, 0), ("?limit=1", 1, 0), ("?limit=1000&offset=0", 1000, 0), ("?offset=7", 1000, 7)],
)
def test_a_list_says_which_limit_and_offset_it_has(
    alice: Person, query: str, limit: int, offset: int
) -> None:
    page = alice.get(query).json()
    assert (page["limit"], page["offset"]) == (limit, offset)


@pytest.mark.parametrize(
    "cursor",
    ["x", "AAAA", "%00", "%FF", "🎂", "A" * 43, "A" * 5000, "null", "-1", "....", "===="],
)
def test_a_forged_cursor_is_422(alice: Person, cursor: str) -> None:
    response = alice.get(f"?cursor={cursor}")
    assert_refused(response, 422, "validation_failed")
    assert response.json()["detail"][0]["loc"] == ["query", "cursor"]


YEAR_1, YEAR_10000 = -62_135_596_800_000_000, 253_402_300_800_000_000
"""In microseconds since 1970."""

BY_TIME = ("created_at", "-created_at", "updated_at", "-updated_at")
BY_TITLE = ("title", "-title")


def cursor_with(alice: Person, sort: str, forged: bytes) -> str:
    return with_position(alice.get(f"?limit=1&sort={sort}").json()["next_cursor"], forged)


@pytest.mark.parametrize("task_id", [1, 2**63 - 1])
@pytest.mark.parametrize(
    ("sort", "value"),
    [
        *[(sort, value) for sort in BY_TIME for value in (YEAR_1, 0, YEAR_10000 - 1)],
        *[(sort, value) for sort in BY_TITLE for value in ("\x01", "'", "\U0010ffff" * 500)],
    ],
    ids=ascii,
)
def test_the_furthest_positions_lead_to_ones_own_tasks(
    alice: Person, sort: str, value: int | str, task_id: int
) -> None:
    own = [alice.create(title) for title in ("Buy milk", "Call")]
    cursor = cursor_with(alice, sort, position(task_id, value))
    response = alice.get(f"?sort={sort}&cursor={cursor}")
    assert response.status_code == 200
    assert len(response.json()["tasks"]) in {0, len(own)}, "all of them are on one side of it"
    assert all(task in own for task in response.json()["tasks"])


@pytest.mark.parametrize(
    ("sort", "task_id", "value"),
    [
        ("-created_at", 0, 0),
        ("-created_at", -1, 0),
        ("created_at", 1, YEAR_1 - 1),
        ("created_at", 1, YEAR_10000),
        ("updated_at", 1, 2**63 - 1),
        ("updated_at", 1, "Buy"),
        ("title", 0, "Buy milk"),
        ("title", 1, ""),
        ("title", 1, "Buy\0milk"),
        ("title", 1, "\ud83c"),
        ("-title", 1, "a" * 501),
    ],
    ids=ascii,
)
def test_a_forged_position_that_no_task_can_have_is_422(
    alice: Person, sort: str, task_id: int, value: int | str
) -> None:
    alice.create()
    alice.create()
    cursor = cursor_with(alice, sort, position(task_id, value))
    response = alice.get(f"?sort={sort}&cursor={cursor}")
    assert_refused(response, 422, "validation_failed")
    assert response.json()["detail"][0]["type"] == "cursor_invalid"


def test_a_cursor_and_an_offset_exclude_each_other(alice: Person) -> None:
    alice.create()
    alice.create()
    cursor = alice.get("?limit=1").json()["next_cursor"]
    assert_refused(alice.get(f"?cursor={cursor}&offset=0"), 422, "validation_failed")
