"""Entity tags as text: what they mean, and what none is (RFC 9110, 8.8.3 and 13.1)."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskapi.edge.conditional import (
    InvalidTags,
    content_tag,
    entity_tag,
    from_microseconds,
    matches,
    microseconds,
    versions_of,
)

VERSION = datetime(2026, 1, 31, 9, 30, 0, 123456, UTC)
TAG = entity_tag(VERSION)

times = st.datetimes(datetime(1971, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - see timezones
foreign = st.text(
    st.characters(codec="latin-1", exclude_characters='"', exclude_categories=["C", "Z"])
)
gaps = st.text(st.sampled_from(" \t"), max_size=3)
commas = st.builds("{},{}".format, gaps, gaps)


@given(when=times)
def test_a_tag_names_one_version_to_the_microsecond(when: datetime) -> None:
    assert versions_of(entity_tag(when)) == [when]
    assert from_microseconds(microseconds(when)) == when


@given(one=times, other=times)
def test_two_versions_have_two_tags(one: datetime, other: datetime) -> None:
    assert (entity_tag(one) == entity_tag(other)) is (one == other)


def test_a_microsecond_makes_another_version() -> None:
    assert entity_tag(VERSION + timedelta(microseconds=1)) != TAG


@given(first=st.binary(), second=st.binary())
def test_lists_have_one_tag_where_they_have_the_same_bytes(first: bytes, second: bytes) -> None:
    assert (content_tag(first) == content_tag(second)) is (first == second)


@pytest.mark.parametrize("header", [None, "*", " * ", "\t*"])
def test_no_condition_and_a_star_accept_any_version(header: str | None) -> None:
    assert versions_of(header) is None


@pytest.mark.parametrize("header", ["*", " * "])
def test_a_star_matches_whatever_there_is(header: str) -> None:
    assert matches(header, TAG)


def test_without_a_condition_nothing_matches() -> None:
    assert not matches(None, TAG)


@given(others=st.lists(foreign, max_size=3), weak=st.booleans(), data=st.data())
def test_a_tag_is_found_among_others_weak_or_not(
    others: list[str], weak: bool, data: st.DataObject
) -> None:
    """`If-Match` takes it only where it is strong, and knows no tags but those made here."""
    tags = [f'"{other}"' for other in others]
    tags.insert(data.draw(st.integers(0, len(tags))), f"W/{TAG}" if weak else TAG)
    header = data.draw(gaps) + tags[0]
    for tag in tags[1:]:
        header += data.draw(commas) + tag
    assert matches(header, TAG)
    assert (VERSION in (versions_of(header) or [])) is not weak


@given(others=st.lists(foreign, min_size=1, max_size=3))
def test_a_tag_that_is_not_there_is_not_found(others: list[str]) -> None:
    header = ",".join(f'"{other}"' for other in others)
    assert matches(header, TAG) is (TAG.strip('"') in others)


@pytest.mark.parametrize(
    "tag",
    [
        '""',
        '"0"',
        f'"0{TAG[1:]}',
        TAG.upper(),
        '"-1"',
        '"+1"',
        '"1_0"',
        '"0x1"',
        '"*"',
        '"\xb9"',
        '"ffffffffffffffff"',
        '"10000000000000000"',
        f"W/{TAG}",
    ],
)
def test_what_was_never_issued_here_is_no_version(tag: str) -> None:
    assert versions_of(tag) == []


@pytest.mark.parametrize(
    "header",
    [
        "",
        " ",
        ",",
        "x",
        TAG.strip('"'),
        TAG[:-1],
        TAG[1:],
        f"w/{TAG}",
        f"W /{TAG}",
        f"W/ {TAG}",
        f"{TAG} {TAG}",
        f"{TAG}{TAG}",
        f"{TAG};{TAG}",
        f"*,{TAG}",
        f"{TAG},*",
        "**",
        '"a b"',
        '"a\x7f"',
        '"\u0100"',
        f"\xa0{TAG}",
        f"{TAG}\n",
        '"' * 60_001,
        '"a",' * 15_000 + "x",
        "," * 60_000,
        " ," * 30_000 + "x",
    ],
    ids=lambda header: ascii(header[:20]),
)
def test_what_is_no_list_of_tags_is_refused(header: str) -> None:
    for read in (versions_of, lambda text: matches(text, TAG)):
        with pytest.raises(InvalidTags):
            read(header)


@pytest.mark.parametrize("header", [f"{TAG},", f",{TAG}", f'"other",, {TAG}', f" ,\t, {TAG} , "])
def test_elements_that_are_empty_are_passed_over(header: str) -> None:
    assert versions_of(header) == [VERSION]
    assert matches(header, TAG)
