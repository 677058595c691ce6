"""Cursors: what was issued is read back, and nothing else is read at all."""

from base64 import urlsafe_b64encode
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskapi.edge.cursor import InvalidCursor, Keyset, decode, encode

SCOPE = "tasks by age"

times = st.datetimes(timezones=st.just(UTC))
titles = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=500)
keysets = st.builds(Keyset, times | titles, st.integers(1, 2**63 - 1))

KEYSET = Keyset(datetime(2026, 1, 31, 9, 30, 0, 123456, UTC), 7)
CURSOR = encode(SCOPE, KEYSET)


def is_refused(cursor: str, scope: str = SCOPE) -> bool:
    try:
        decode(scope, cursor)
    except InvalidCursor:
        return True
    return False


@given(keyset=keysets)
def test_a_cursor_names_the_position_it_was_issued_for(keyset: Keyset) -> None:
    assert decode(SCOPE, encode(SCOPE, keyset)) == keyset


@given(keyset=keysets)
def test_a_cursor_is_safe_in_a_url(keyset: Keyset) -> None:
    assert set(encode(SCOPE, keyset)) <= set(
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    )


def test_a_cursor_of_another_list_is_refused() -> None:
    assert is_refused(CURSOR, scope="tasks by title")


@given(text=st.text() | st.binary().map(lambda raw: urlsafe_b64encode(raw).decode().rstrip("=")))
def test_no_text_does_anything_but_be_refused(text: str) -> None:
    assert is_refused(text)


@given(data=st.data())
def test_a_changed_cursor_is_refused_or_names_a_position_that_exists(data: st.DataObject) -> None:
    """Its sender may go anywhere in their own list; nothing else is reached."""
    at = data.draw(st.integers(0, len(CURSOR) - 1))
    changed = CURSOR[:at] + data.draw(st.characters(codec="ascii")) + CURSOR[at + 1 :]
    if not is_refused(changed):
        value, row_id = decode(SCOPE, changed)
        assert isinstance(value, datetime | str)
        assert 0 < row_id < 2**63


@pytest.mark.parametrize("cursor", ["", "=", CURSOR + "=", CURSOR + "A", CURSOR[:-1], f" {CURSOR}"])
def test_a_cursor_has_one_spelling(cursor: str) -> None:
    assert is_refused(cursor)
