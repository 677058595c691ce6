"""Cursors: read as they were issued, bound to their list, and never worse than refused."""

import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from taskapi.edge.cursor import InvalidCursor, Position, issue_cursor, read_cursor

LIST = "alice, newest first"
POSITION = Position(datetime(2026, 1, 31, 9, 30, 0, 123456, UTC), 7)
CURSOR = issue_cursor(LIST, POSITION)

LENGTH = 500
"""Characters of a title."""

ids = st.integers(1, 2**63 - 1)
moments = st.datetimes(timezones=st.just(UTC))
titles = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=LENGTH)
by_time = st.builds(Position, moments, ids)
by_title = st.builds(Position, titles, ids)


def read(cursor: str, max_length: int | None = None) -> Position:
    return read_cursor(LIST, cursor, max_length)


def is_refused(cursor: str, max_length: int | None = None) -> bool:
    """Whether it is refused; any other exception fails the test."""
    try:
        position = read(cursor, max_length)
    except InvalidCursor:
        return True
    assert issue_cursor(LIST, position) == cursor, "two spellings of one position"
    assert 0 < position.id < 2**63
    if isinstance(position.value, str):
        assert 0 < len(position.value) <= (max_length or 0)
        assert "\0" not in position.value
        position.value.encode()  # no surrogates
    else:
        assert position.value.tzinfo is UTC
    return False


# What was issued


@given(position=by_time)
@example(Position(datetime.min.replace(tzinfo=UTC), 1))
@example(Position(datetime.max.replace(tzinfo=UTC), 2**63 - 1))
def test_a_cursor_by_time_is_read_as_it_was_issued(position: Position) -> None:
    assert read(issue_cursor(LIST, position)) == position


@given(position=by_title)
@example(Position("🎂" * LENGTH, 2**63 - 1))
def test_a_cursor_by_title_is_read_as_it_was_issued(position: Position) -> None:
    assert read(issue_cursor(LIST, position), LENGTH) == position


@given(position=by_time | by_title)
def test_a_cursor_is_safe_in_an_address(position: Position) -> None:
    issued = issue_cursor(LIST, position)
    assert issued.replace("-", "").replace("_", "").isalnum()
    assert issued.isascii()


@pytest.mark.parametrize("other", ["", "bob, newest first", "alice, oldest first", LIST + "\0"])
def test_a_cursor_of_another_list_is_refused(other: str) -> None:
    with pytest.raises(InvalidCursor):
        read_cursor(other, CURSOR, None)


# What was not


@given(text=st.text(st.characters(codec="utf-8")) | st.text(st.characters()))
@example("")
@example("\ud800")
@example("AAAA" * 10_000)
@pytest.mark.parametrize("max_length", [None, LENGTH])
def test_no_text_is_worse_than_refused(max_length: int | None, text: str) -> None:
    assert is_refused(text, max_length)


def packed(version: int = 1, row_id: int = 7, value: bytes = bytes(8), scope: str = LIST) -> str:
    """A cursor of anything, with the digest of its list."""
    digest = decoded(issue_cursor(scope, POSITION))[1:9]
    return encoded(struct.pack(">B8sq", version, digest, row_id) + value)


def decoded(cursor: str) -> bytes:
    return urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))


def encoded(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


@given(version=st.integers(0, 255), row_id=st.integers(-(2**63), 2**63 - 1), value=st.binary())
@pytest.mark.parametrize("max_length", [None, LENGTH])
def test_no_fields_are_worse_than_refused(
    max_length: int | None, version: int, row_id: int, value: bytes
) -> None:
    refused = is_refused(packed(version, row_id, value), max_length)
    assert refused or (version == 1 and row_id > 0)


@given(data=st.binary(max_size=60))
@pytest.mark.parametrize("max_length", [None, LENGTH])
def test_no_bytes_are_worse_than_refused(max_length: int | None, data: bytes) -> None:
    assert is_refused(encoded(data), max_length)


@given(data=st.data(), position=by_time | by_title)
def test_a_changed_cursor_is_another_one_of_its_list_or_refused(
    data: st.DataObject, position: Position
) -> None:
    issued = issue_cursor(LIST, position)
    start = data.draw(st.integers(0, len(issued)))
    end = data.draw(st.integers(start, len(issued)))
    changed = issued[:start] + data.draw(st.text(max_size=3)) + issued[end:]
    is_refused(changed, LENGTH if isinstance(position.value, str) else None)


def time(microseconds: int) -> bytes:
    return struct.pack(">q", microseconds)


@pytest.mark.parametrize(
    ("cursor", "max_length"),
    [
        (packed(version=0), None),
        (packed(version=2), None),
        (packed(row_id=0), None),
        (packed(row_id=-1), None),
        (packed(row_id=-(2**63)), None),
        (packed(value=time(2**63 - 1)), None),
        (packed(value=time(-(2**63))), None),
        (packed(value=time(253_402_300_800_000_000)), None),  # the year 10000
        (packed(value=time(-62_135_596_800_000_001)), None),  # the last microsecond before year 1
        (packed(value=b""), None),
        (packed(value=bytes(7)), None),
        (packed(value=bytes(9)), None),
        (packed(value=b"Buy milk"), 7),
        (packed(value=b""), LENGTH),
        (packed(value=b"a" * (LENGTH + 1)), LENGTH),
        (packed(value=b"a\0"), LENGTH),
        (packed(value=b"\xff"), LENGTH),
        (packed(value=b"\xed\xa0\x80"), LENGTH),  # a surrogate
        (packed(value=b"\xc0\x80"), LENGTH),  # U+0000, overlong
        (packed(scope="bob, newest first"), None),
        ("Pz4U69tLkY2nV0AhIkJJflsxNzY5ODUxODAwMTIzNDU2LCAxXQ", None),  # sealed, as before version 1
    ],
)
def test_a_field_that_breaks_its_rule_is_refused(cursor: str, max_length: int | None) -> None:
    assert is_refused(cursor, max_length)


def test_fields_that_keep_their_rules_are_taken() -> None:
    """So the cursors above are refused for what is wrong with them."""
    assert read(packed()) == Position(datetime(1970, 1, 1, tzinfo=UTC), 7)
    assert read(packed(value=b"Buy milk"), 8) == Position("Buy milk", 7)


@pytest.mark.parametrize("length", range(len(CURSOR)))
def test_a_cursor_that_was_cut_is_refused(length: int) -> None:
    assert is_refused(CURSOR[:length])


@pytest.mark.parametrize("added", ["=", "==", "\n", " ", "!", "A", "AA", "AAA", "AAAA", "*"])
def test_a_cursor_has_one_spelling(added: str) -> None:
    assert is_refused(CURSOR + added)
    assert is_refused(added + CURSOR)
    assert is_refused(CURSOR[:-1] + "B"), "bits that mean nothing are zero"
