"""Search as people type it: a regular expression that finds a text in all its spellings.

PostgreSQL's own ways depend on the server. `ILIKE` and `lower` know the letters of the database's
locale, which in the locale C are A to Z; no locale's `lower` is Unicode's case folding; and ICU's
collations are missing where PostgreSQL was built without ICU. So Unicode's rules are applied here,
to what is searched for, and the expression lists the spellings of every letter
(docs/decisions/0029).
"""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping
from functools import cache, lru_cache
from itertools import permutations
from typing import NamedTuple

MAX_PERMUTED_MARKS = 3
"""Marks on one letter whose orders are all tried. Vietnamese has two, pointed Hebrew three."""

MAX_RUN = 8
"""Letters whose divisions into ligatures are all listed: `ssss` may be `ßß`, `ßss`, `sßs`, …"""

CASED_OR_COMPOSED = (range(0x80, 0x20000), range(0x2F800, 0x2FA20))
"""Where all characters are that differ from themselves folded, or have marks."""

Letters = tuple[str, ...]
"""Characters, each with the marks that stand on it."""


def search_pattern(text: str) -> str:
    """The regular expression, as PostgreSQL reads it, of texts that contain this one.

    A text contains this one if it does so with both of them `folded`. Every character is literal.

    Args:
        text: at least one character.
    """
    letters = _letters(folded(text))
    steps = _steps(letters)
    steps[-1][len(letters)] |= _marked(letters[-1])
    return _spelled(steps) + _end(letters[-1])


def folded(text: str) -> str:
    """A text without the differences that a search ignores: case, and how letters are composed.

    As The Unicode Standard defines it in D145, default caseless matching of canonical equivalents;
    in form C, so that a letter with a mark does not contain the letter without it.
    """
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", text).casefold())


class _Tables(NamedTuple):
    """What Unicode says about single characters.

    Attributes:
        cases: for a folded letter, the characters that are folded to it.
        ligatures: the same for several letters: of `ss`, the characters are `ß` and `ẞ`.
        joined: for a letter, the ligatures that it is in, and where in them.
        marks: the characters that compose with one before them.
    """

    cases: Mapping[str, list[str]]
    ligatures: Mapping[Letters, list[str]]
    joined: Mapping[str, list[tuple[Letters, int]]]
    marks: set[str]


@cache
def _tables() -> _Tables:
    tables = _Tables(defaultdict(list), defaultdict(list), defaultdict(list), set())
    for character in (chr(code) for codes in CASED_OR_COMPOSED for code in codes):
        tables.marks.update(unicodedata.normalize("NFD", character)[1:])
        letters = _letters(folded(character))
        if len(letters) > 1:
            tables.ligatures[letters].append(character)
        elif letters[0] != character:
            tables.cases[letters[0]].append(character)
    for upper in map(chr, range(ord("A"), ord("Z") + 1)):
        tables.cases[upper.lower()].append(upper)
    for ligature in tables.ligatures:
        for index, letter in enumerate(ligature):
            tables.joined[letter].append((ligature, index))
    return tables


def _letters(text: str) -> Letters:
    letters: list[str] = []
    for character in text:
        if letters and unicodedata.combining(character):
            letters[-1] += character
        else:
            letters.append(character)
    return tuple(letters)


@lru_cache(maxsize=1024)
def _spellings(letter: str) -> frozenset[str]:
    """All ways to write a folded letter: in both cases, composed, decomposed, and partly so."""
    decomposed = unicodedata.normalize("NFD", letter)
    base, marks = decomposed[0], [*decomposed[1:]]
    orders = list(permutations(marks)) if len(marks) <= MAX_PERMUTED_MARKS else [marks]
    cases = _tables().cases
    written = {
        start + "".join(order[composed:])
        for first in (base, *cases.get(base, ()))
        for order in orders
        for composed in range(len(order) + 1)
        for start in _composed("".join((first, *order[:composed])))
    }
    return frozenset(each for each in written if folded(each) == letter) | {*cases.get(letter, ())}


def _composed(text: str) -> tuple[str, ...]:
    """In form C, and as the characters that form C takes apart, such as the Hindi U+095E."""
    composed = unicodedata.normalize("NFC", text)
    return (composed, *_tables().cases.get(composed, ()))


Steps = list[dict[int, frozenset[str]]]
"""For each letter of what is searched for: what may be written there, by the letter behind it."""


def _steps(letters: Letters) -> Steps:
    """Of a ligature, what is searched for may also begin or end in the middle."""
    steps: Steps = [{at + 1: _spellings(letter)} for at, letter in enumerate(letters)]
    tables = _tables()
    for at, letter in enumerate(letters):
        for ligature, index in tables.joined.get(letter, ()):
            if index > 0 and at > 0:
                continue  # it begins with an earlier letter
            part = ligature[index : index + len(letters) - at]
            behind = at + len(part)
            if letters[at:behind] == part:
                others = steps[at].get(behind, frozenset())
                steps[at][behind] = others.union(tables.ligatures[ligature])
    return steps


def _spelled(steps: Steps) -> str:
    pattern, start = "", 0
    while start < len(steps):
        end = _end_of_run(steps, start)
        pattern += _divided(steps, start, end)
        start = end
    return pattern


def _end_of_run(steps: Steps, start: int) -> int:
    """Behind the letters that ligatures join to this one."""
    at, end = start, start + 1
    while at < end:
        end = min(max(end, *steps[at]), start + MAX_RUN)
        at += 1
    return end


def _divided(steps: Steps, start: int, end: int) -> str:
    """All divisions into ligatures, by what stands in the middle.

    So the pattern of n letters `s` has about n²/2 parts. A list of the divisions doubles with each
    letter and a half: for 500 letters `ß`, PostgreSQL took 1.6 seconds to compile it.
    """
    if end - start < 2:  # noqa: PLR2004 - one letter, or none
        return _one_of(steps[start][end]) if start < end else ""
    middle = (start + end) // 2
    across = [
        _divided(steps, start, first) + _one_of(spellings) + _divided(steps, behind, end)
        for first in range(start, middle)
        for behind, spellings in steps[first].items()
        if middle < behind <= end
    ]
    return _any([_divided(steps, start, middle) + _divided(steps, middle, end), *across])


@lru_cache(maxsize=1024)
def _one_of(spellings: frozenset[str]) -> str:
    characters = _class(each for each in spellings if len(each) == 1)
    longer = sorted(re.escape(each) for each in spellings if len(each) > 1)
    return _any([characters, *longer] if characters else longer)


def _any(patterns: list[str]) -> str:
    return patterns[0] if len(patterns) == 1 else f"(?:{'|'.join(patterns)})"


def _class(characters: Iterable[str]) -> str:
    escaped = [re.escape(each) for each in sorted(characters)]
    return f"[{''.join(escaped)}]" if len(escaped) > 1 else "".join(escaped)


@lru_cache(maxsize=1024)
def _marked(letter: str) -> frozenset[str]:
    """Characters that contain this letter, because form C has its mark behind it, not composed.

    Such as the Hindi `ड़`, U+095C: form C is the letter U+0921 and the mark U+093C.
    """
    found = (each for key, each in _tables().cases.items() if key.startswith(letter))
    return frozenset(character for characters in found for character in characters)


@lru_cache(maxsize=1024)
def _end(letter: str) -> str:
    """Behind the last letter: no mark that would make another letter of it."""
    marks = [mark for mark in _tables().marks if not folded(letter + mark).startswith(letter)]
    return f"(?:[^{''.join(sorted(marks))}]|$)" if marks else ""
