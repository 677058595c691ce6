"""Cursors: only what was issued here, for this list, names a place."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskapi.edge.cursor import Cursors, InvalidCursor, Place

KEY = b"a secret that all replicas share"
LIST = "alice, newest first"
PLACE = Place(datetime(2026, 1, 31, 9, 30, 0, 123456, UTC), 7)

cursors = Cursors(KEY)

values = st.datetimes(timezones=st.just(UTC)) | st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=500
)
places = st.builds(Place, values, st.integers(1, 2**63 - 1))


@given(place=places)
def test_a_cursor_names_the_place_it_was_issued_for(place: Place) -> None:
    assert cursors.read(LIST, cursors.issue(LIST, place)) == place


@given(place=places)
def test_a_cursor_is_safe_in_an_address(place: Place) -> None:
    issued = cursors.issue(LIST, place)
    assert issued.replace("-", "").replace("_", "").isalnum()
    assert issued.isascii()


def test_every_replica_with_the_same_secret_reads_it() -> None:
    assert Cursors(KEY).read(LIST, cursors.issue(LIST, PLACE)) == PLACE


@pytest.mark.parametrize("other", ["", "bob, newest first", "alice, oldest first", LIST + "\0"])
def test_a_cursor_of_another_list_is_refused(other: str) -> None:
    with pytest.raises(InvalidCursor):
        cursors.read(other, cursors.issue(LIST, PLACE))


@pytest.mark.parametrize("other", [b"", KEY[:-1], KEY.upper()])
def test_a_cursor_of_another_secret_is_refused(other: bytes) -> None:
    with pytest.raises(InvalidCursor):
        cursors.read(LIST, Cursors(other).issue(LIST, PLACE))


@given(data=st.data())
def test_a_damaged_cursor_is_refused(data: st.DataObject) -> None:
    issued = cursors.issue(LIST, PLACE)
    start = data.draw(st.integers(0, len(issued)))
    end = data.draw(st.integers(start, len(issued)))
    damaged = issued[:start] + data.draw(st.text(max_size=3)) + issued[end:]
    if damaged == issued:
        assert cursors.read(LIST, damaged) == PLACE
    else:
        with pytest.raises(InvalidCursor):
            cursors.read(LIST, damaged)


@given(text=st.text(st.characters(codec="utf-8")) | st.text(st.characters(codec="ascii")))
def test_a_forged_cursor_is_refused(text: str) -> None:
    with pytest.raises(InvalidCursor):
        cursors.read(LIST, text)


@pytest.mark.parametrize("added", ["=", "==", "\n", " ", "!", "A", "*"])
def test_a_cursor_has_one_spelling(added: str) -> None:
    with pytest.raises(InvalidCursor):
        cursors.read(LIST, cursors.issue(LIST, PLACE) + added)
