"""Entity tags as text: what they mean, and what none is (RFC 9110, 8.8.3 and 13.1)."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskapi.edge.conditional import (
    ANY,
    NO_TAGS,
    ClockTime,
    InvalidTags,
    content_tag,
    entity_tag,
    expected_versions,
    from_microseconds,
    is_known,
    is_known_version,
    list_tag,
    may_know_list,
    microseconds,
    question_hash,
    tags_in,
    versions_of,
)

VERSION = datetime(2026, 1, 31, 9, 30, 0, 123456, UTC)
TAG = entity_tag(VERSION)
ASKED = question_hash("/api/1/tasks?limit=1")

times = st.datetimes(datetime(1971, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - see timezones
foreign = st.text(
    st.characters(codec="latin-1", exclude_characters='"', exclude_categories=["C", "Z"])
)
gaps = st.text(st.sampled_from(" \t"), max_size=3)
commas = st.builds("{},{}".format, gaps, gaps)


codings = st.builds(
    "{}{}".format, st.sampled_from(["-", "--", ";"]), st.sampled_from(["gzip", "br", "zstd"])
)


@given(when=times)
def test_a_tag_names_one_version_to_the_microsecond(when: datetime) -> None:
    assert versions_of(tags_in(entity_tag(when))) == [when]
    assert from_microseconds(microseconds(when)) == when


@given(when=times)
def test_a_time_in_quotes_names_the_same_version(when: datetime) -> None:
    written = when.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    assert versions_of(tags_in(f'"{written.zfill(27)}"')) == [when]


@given(started=times, changed=times, question=st.text())
def test_the_tag_of_a_list_names_the_clock_and_the_question(
    started: datetime, changed: datetime, question: str
) -> None:
    asked, other = question_hash(question), question_hash(f"{question}&limit=1")
    tag = list_tag(ClockTime(started, changed), asked)
    assert may_know_list(tags_in(f'"other", W/{tag}'), asked)
    assert not may_know_list(tags_in(tag), other)
    assert not may_know_list(tags_in("*"), asked)
    later = ClockTime(started, changed + timedelta(microseconds=1))
    reborn = ClockTime(started + timedelta(microseconds=1), changed)
    assert len({tag, list_tag(later, asked), list_tag(reborn, asked)}) == 3
    assert versions_of(tags_in(tag)) == []


@given(when=times, weak=st.booleans(), coding=codings)
def test_a_proxy_that_compresses_leaves_the_version(
    when: datetime, weak: bool, coding: str
) -> None:
    clock = ClockTime(when, when)
    for tag in (entity_tag(when), list_tag(clock, ASKED), content_tag(coding.encode())):
        rewritten = tags_in(f'{"W/" if weak else ""}{tag[:-1]}{coding}"')
        assert rewritten == {tag}


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
    assert asyncio.run(expected_versions(header)) is None


@pytest.mark.parametrize("header", ["*", " * "])
def test_a_star_matches_whatever_there_is(header: str) -> None:
    assert tags_in(header) == {ANY}
    assert is_known(tags_in(header), TAG)
    assert is_known_version(tags_in(header), VERSION)


@pytest.mark.parametrize("known", [NO_TAGS, tags_in('"*"')])
def test_without_a_condition_nothing_is_known(known: frozenset[str]) -> None:
    assert not is_known(known, TAG)
    assert not is_known_version(known, VERSION)


@given(others=st.lists(foreign, max_size=3), weak=st.booleans(), data=st.data())
def test_a_tag_is_found_among_others_weak_or_not(
    others: list[str], weak: bool, data: st.DataObject
) -> None:
    tags = [f'"{other}"' for other in others]
    tags.insert(data.draw(st.integers(0, len(tags))), f"W/{TAG}" if weak else TAG)
    header = data.draw(gaps) + tags[0]
    for tag in tags[1:]:
        header += data.draw(commas) + tag
    assert is_known(tags_in(header), TAG)
    assert is_known_version(tags_in(header), VERSION)
    assert VERSION in versions_of(tags_in(header))


@given(others=st.lists(foreign, min_size=1, max_size=3))
def test_a_tag_that_is_not_there_is_not_found(others: list[str]) -> None:
    header = ",".join(f'"{other}"' for other in others)
    assert is_known(tags_in(header), TAG) is (TAG.strip('"') in others)


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
        '"2026-01-31T09:30:00.123Z"',
        '"2026-01-31T09:30:00.123456+00:00"',
        '"2026-02-30T09:30:00.123456Z"',
        '"0000-01-31T09:30:00.123456Z"',
        '"2026-01-31T09:30:60.123456Z"',
        f'{TAG[:-1]}-x"',
        f'{TAG[:-1]}-gzip-"',
    ],
)
def test_what_was_never_issued_here_is_no_version(tag: str) -> None:
    assert versions_of(tags_in(tag)) == []


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
    with pytest.raises(InvalidTags):
        tags_in(header)


@pytest.mark.parametrize("header", [f"{TAG},", f",{TAG}", f'"other",, {TAG}', f" ,\t, {TAG} , "])
def test_elements_that_are_empty_are_passed_over(header: str) -> None:
    assert versions_of(tags_in(header)) == [VERSION]
    assert is_known(tags_in(header), TAG)
