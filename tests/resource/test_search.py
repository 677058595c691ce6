"""Search: `q` finds what people see, however it is written (contract, section 6)."""
# ruff: noqa: RUF001 - letters of many alphabets, some of which look alike

import unicodedata
from collections.abc import Callable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from support.effort import effort
from support.people import Person
from support.rows import execute
from taskapi.database.url import DatabaseUrl
from taskapi.resource.search import CASED_OR_COMPOSED, folded, search_pattern
from taskapi.tasks.models import MAX_TITLE_CHARACTERS

SEARCH = """SELECT array_agg(text COLLATE "C" ~ $1 ORDER BY number)
            FROM unnest($2::text[]) WITH ORDINALITY AS given (text, number)"""

SPELLINGS = [
    ["Äpfel", "äpfel", "ÄPFEL", "A\u0308pfel", "a\u0308PFEL"],
    ["Straße", "STRASSE", "strasse", "STRAẞE", "Straſſe", "ſtraße"],
    ["Schifffahrt", "SCHIFFFAHRT", "Schiﬀfahrt", "Schifﬀahrt"],
    ["Σίσυφος", "ΣΊΣΥΦΟΣ", "Σι\u0301συφοσ"],
    ["Việt", "VIỆT", "Vie\u0323\u0302t", "Vie\u0302\u0323t", "Viê\u0323t", "viẹ\u0302t"],
    ["한국", "\u1112\u1161\u11ab\u1100\u116e\u11a8", "하\u11ab국"],
    ["Ёлка", "е\u0308лка", "ЁЛКА"],
    ["Ångström", "\u212bngström", "A\u030angstro\u0308m"],
    ["kelvin", "KELVIN", "\u212aelvin"],
    ["İzmir", "i\u0307zmir", "I\u0307ZMIR"],
    ["ᾳ", "ᾼ", "αι", "α\u0345", "ΑΙ"],
    ["ձեւ", "Ձև", "ՁԵՒ"],
    ["\u095e\u094dरांस", "फ\u093c\u094dरांस"],
    ["\ufb2a\u05bcלום", "ש\u05bc\u05c1לום", "ש\u05c1\u05bcלום", "\ufb2cלום"],
]
"""Each line is one word, as different programs and keyboards write it."""


@pytest.mark.parametrize("spellings", SPELLINGS, ids=lambda line: line[0])
def test_a_word_is_found_in_every_spelling_by_every_spelling(
    database: DatabaseUrl, spellings: list[str]
) -> None:
    for q in spellings:
        [[found]] = execute(database, SEARCH, search_pattern(q), [f"x{it}." for it in spellings])
        assert found == [True] * len(spellings), q


@pytest.mark.parametrize(
    ("q", "composed"),
    [
        ("ड", "\u095c"),
        ("ড", "\u09dc"),
        ("ש", "\ufb2a"),
        ("י", "\ufb1d"),
        ("i", "İ"),
        ("α", "ᾳ"),
        ("ά", "ᾴ"),
    ],
)
def test_a_mark_that_does_not_compose_makes_no_other_letter(
    database: DatabaseUrl, q: str, composed: str
) -> None:
    """`normalize` writes these characters as a letter and a mark, and then the letter is there."""
    texts = [composed, unicodedata.normalize("NFD", composed)]
    [[found]] = execute(database, SEARCH, search_pattern(f"x{q}"), [f"x{it}y" for it in texts])
    assert found == [True, True]


@pytest.mark.parametrize(
    ("q", "text"),
    [
        ("e", "é"),
        ("e", "e\u0301"),
        ("é", "e"),
        ("cafe", "Cafe\u0301"),
        ("i", "ı"),
        ("하", "한"),
        ("하", "\u1112\u1161\u11ab"),
        (".", "x"),
        ("a*", "aa"),
        ("[ab]", "a"),
        ("^", "x"),
        ("$", "x"),
        (r"\d", "1"),
        ("(?i)x", "x"),
        ("***=x", "x"),
        ("a|b", "a"),
    ],
)
def test_another_letter_is_not_found_and_nothing_is_a_pattern(
    database: DatabaseUrl, q: str, text: str
) -> None:
    [[found]] = execute(database, SEARCH, search_pattern(q), [text, f"({q})"])
    assert found == [False, True]


BASES = st.sampled_from("aefist SßTẞſﬁﬀﬃﬆKKåÅkœŒ%_.*-]^[\\$\nxX0한하ᄒԵևւŉʼnσςΣ🎂")
MARKED = st.tuples(
    st.sampled_from("aeiousxAEIOUSX"), st.text("\u0301\u0302\u0308\u0323\u030a", max_size=2)
).map("".join)
TEXTS = st.lists(BASES | MARKED, min_size=1, max_size=8).map("".join)
REWRITTEN = st.sampled_from(
    [str.upper, str.lower, str.swapcase, str.casefold, str]
    + [lambda text, form=form: unicodedata.normalize(form, text) for form in ("NFC", "NFD")]
)


@effort(examples=150)
@given(text=TEXTS, other=TEXTS, cut=st.tuples(st.integers(0, 6), st.integers(1, 4)), to=REWRITTEN)
@example(text="s" * 40, other="ß" * 20, cut=(0, 40), to=str)
def test_it_finds_what_contains_the_text_when_both_are_folded(
    database: DatabaseUrl, text: str, other: str, cut: tuple[int, int], to: Callable[[str], str]
) -> None:
    """As PostgreSQL reads the expression, and Python folds (D145 of The Unicode Standard)."""
    q = to(text[cut[0] : sum(cut)])
    if not q or unicodedata.combining(q[0]):
        q = to(other)
    texts = [text, other, to(text), text + other]
    [[found]] = execute(database, SEARCH, search_pattern(q), texts)
    assert found == [folded(q) in folded(each) for each in texts]


@pytest.mark.parametrize("letter", ["ß", "ﬀ", "ﬃ", "ſ", "ᾷ", "ﬓ", "ậ", "[", "\\"])
def test_the_longest_pattern_is_short_enough_to_compile_at_once(letter: str) -> None:
    """PostgreSQL compiles 100 kB of it in more than a second, 30 kB in less than a tenth."""
    assert len(search_pattern(letter * MAX_TITLE_CHARACTERS)) < 30_000


def test_no_other_character_has_a_case_or_a_mark() -> None:
    """Held by Python's version of Unicode, in which the tables are made."""
    known = {code for codes in CASED_OR_COMPOSED for code in codes} | set(range(0x80))
    surrogates = range(0xD800, 0xE000)
    others = (chr(code) for code in range(0x110000) if code not in known and code not in surrogates)
    assert [each for each in others if folded(each) != each] == []


def test_a_search_through_the_service(alice: Person) -> None:
    for title in ("Gru\u0308ße", "GRÜSSE", "Gruss", "100%"):
        alice.create(title)
    alice.create("Other", "viele gru\u0308sse")
    found = alice.get(params={"q": "\u00a0 grüße \t"}).json()
    assert sorted(task["title"] for task in found["tasks"]) == ["GRÜSSE", "Gru\u0308ße", "Other"]
    assert found["total"] == 3
