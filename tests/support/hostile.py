"""Texts that make a backtracking pattern work hard, made from the pattern's own syntax tree.

A text begins with what leads to a repeat. Then comes, many times, something that a repeat can take,
and at the end a character that nothing can take. Because of that character, the matcher tries every
other way to divide among the repeats what it has taken.
"""

import re
import time
from collections.abc import Callable, Iterable, Iterator
from itertools import islice, permutations, product
from re import _compiler, _parser  # type: ignore[attr-defined]  # typeshed leaves them out
from typing import Any, NamedTuple

METHODS = ("fullmatch", "match", "search")

SINGLE = {_parser.LITERAL, _parser.NOT_LITERAL, _parser.IN, _parser.ANY}
"""What takes exactly one character."""

REPEATS = {_parser.MAX_REPEAT, _parser.MIN_REPEAT, _parser.POSSESSIVE_REPEAT}

EMPTY = {_parser.AT, _parser.FAILURE}
"""What takes none, and has nothing inside."""

LARGE = 8
"""Times: a repeat of fewer costs the same for a text of any size."""

FEW = 12
"""Kinds of a repeat's turns, of which every two are tried together."""

MANY_KINDS = 'aZ09_ \t\n"!\0\x7f\xff'
"""At least one character of every category that a pattern can name."""


class Growing(NamedTuple):
    """A text of any size."""

    prefix: str
    unit: str
    tail: str

    def text(self, count: int) -> str:
        """The text with so many units."""
        return self.prefix + self.unit * count + self.tail


# The texts


def hostile_texts(pattern: re.Pattern[Any]) -> Iterator[Growing]:
    """Every text as described above: all prefixes with all units of the whole pattern.

    Raises:
        NotImplementedError: the pattern has a part that is not known here, as a backreference is.
    """
    tree = _parser.parse(pattern.pattern, pattern.flags)
    reader = Reader(tree)
    repeats = list(reader.repeats(tree))
    prefixes = _unique(["", *(before for before, _ in repeats)])
    units = _unique(
        [
            *reader.alphabet,
            *(unit for _, body in repeats for unit in reader.mixtures(body)),
            *prefixes,
            *reader.samples(tree),
        ]
    )
    for prefix in prefixes:
        for unit in filter(None, units):
            for tail in reader.tails:
                yield Growing(prefix, unit, tail)


class Reader:
    """Reads one syntax tree.

    Attributes:
        alphabet: one character for each set of characters that the pattern does not tell apart.
        tails: what makes a match fail: a character that no part of the pattern can take. If there
            is none: one that few parts can take, and also the end of the text.
    """

    def __init__(self, tree: Any) -> None:
        self._tree = tree
        atoms = list(self._atoms(tree))
        self._takes = {id(item): self._compiled(item) for item in atoms}
        kinds: dict[tuple[bool, ...], str] = {}
        for character in _unique([*self._named(atoms), *MANY_KINDS]):
            takers = tuple(bool(self._takes[id(item)](character)) for item in atoms)
            kinds.setdefault(takers, character)
        self.alphabet = list(kinds.values())
        rarest = min(kinds, key=sum)
        self.tails = [kinds[rarest], ""] if any(rarest) else [kinds[rarest]]

    def samples(self, tree: Iterable[Any]) -> list[str]:
        """Short texts that it matches: the plainest, and then one change of that at each place."""
        parts = [self._of_item(item) for item in tree]
        plain = [part[0] for part in parts]
        changed = [
            "".join([*plain[:place], other, *plain[place + 1 :]])
            for place, part in enumerate(parts)
            for other in part[1:]
        ]
        return _unique(["".join(plain), *changed])

    def mixtures(self, body: Iterable[Any]) -> list[str]:
        """What a repeat takes in one turn, and in two turns of different kinds.

        Where there are many kinds, one of the two is the plainest.
        """
        turns = self.samples(body)
        pairs = permutations(turns, 2) if len(turns) <= FEW else product(turns[:1], turns[1:])
        return turns + ["".join(pair) for pair in pairs]

    def repeats(self, tree: Any, before: str = "") -> Iterator[tuple[str, Any]]:
        """Every large repeat, nested ones too: a text that leads to it, and its body."""
        for place, item in enumerate(tree):
            operation, argument = item
            here = before + self.samples(tree[:place])[0]
            if operation in REPEATS and argument[1] > LARGE:
                yield here, argument[2]
            for child in _children(item):
                yield from self.repeats(child, here)

    def _of_item(self, item: Any) -> list[str]:
        operation, argument = item
        if operation in SINGLE:
            return [each for each in self.alphabet if self._takes[id(item)](each)]
        if operation in REPEATS:
            turns = [turn * max(argument[0], 1) for turn in self.samples(argument[2])]
            return _unique(["", *turns]) if argument[0] == 0 else turns
        if operation in {_parser.ASSERT, _parser.ASSERT_NOT}:
            return [""]
        return [text for child in _children(item) for text in self.samples(child)] or [""]

    def _atoms(self, tree: Any) -> Iterator[Any]:
        for item in tree:
            if item[0] in SINGLE:
                yield item
            for child in _children(item):
                yield from self._atoms(child)

    def _compiled(self, item: Any) -> Callable[[str], object]:
        alone = _parser.SubPattern(self._tree.state, [item])
        matcher: Callable[[str], object] = _compiler.compile(alone).fullmatch
        return matcher

    @staticmethod
    def _named(atoms: list[Any]) -> Iterator[str]:
        """The characters that stand in the pattern, and the ends of ranges."""
        for operation, argument in atoms:
            items = argument if operation is _parser.IN else [(operation, argument)]
            for kind, value in items:
                if kind in {_parser.LITERAL, _parser.NOT_LITERAL}:
                    yield chr(value)
                elif kind is _parser.RANGE:
                    yield from map(chr, value)


def _children(item: Any) -> list[Any]:
    operation, argument = item
    if operation in SINGLE | EMPTY:
        return []
    if operation in REPEATS:
        return [argument[2]]
    if operation is _parser.BRANCH:
        return list(argument[1])
    if operation is _parser.SUBPATTERN:
        return [argument[3]]
    if operation in {_parser.ASSERT, _parser.ASSERT_NOT}:
        return [argument[1]]
    if operation is _parser.ATOMIC_GROUP:
        return [argument]
    raise NotImplementedError(f"{operation} in a pattern")


def _unique(texts: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(texts))


# The work

STEPS = (1, 2, 3, 4, 6, 8, 10, 12, 14, 16, 20, 24, 32, 64, 128, 256, 512, 1024, 2048)
"""Units. Small steps first: a pattern whose work doubles with every unit is found at 16."""

FACTOR = 16

MOST = dict.fromkeys(STEPS, FACTOR**2.5) | {STEPS[-1]: FACTOR**1.5}
"""Times the work for `FACTOR` times the units. Linear work grows by 16, quadratic by 256.

The work on small texts may grow as if it were quadratic, because that of a search for
`[a-z]{1,100}!` does until the text is longer than the bound. It may not grow as if it were cubic.
"""

TRIES = 5


def grows_faster_than_its_input(pattern: re.Pattern[Any], method: str, growing: Growing) -> bool:
    """Whether the work of a matcher grows faster than the text that it is given.

    It compares CPU times of this thread with each other, so neither the speed of the machine nor
    what else it does makes a difference.
    """
    work = Work(pattern, method, growing)
    return any(work.is_too_much(count) for count in STEPS)


class Work:
    """What a matcher does with one text in several sizes."""

    def __init__(self, pattern: re.Pattern[Any], method: str, growing: Growing) -> None:
        self._match: Callable[[Any], object] = getattr(pattern, method)
        self._encoding = "latin-1" if isinstance(pattern.pattern, bytes) else None
        self._growing = growing

    def is_too_much(self, count: int) -> bool:
        """Whether it grows too fast from a smaller text to this one, nearly whenever measured.

        One time may be wrong, because the smaller text is measured for so short a time.
        """
        before = max(each for each in STEPS if each <= max(count / FACTOR, 1))
        within = (self._seconds(count) <= MOST[count] * self._seconds(before) for _ in range(TRIES))
        return len(list(islice(filter(None, within), 2))) < 2

    def _seconds(self, count: int) -> float:
        """CPU time for the text with so many units."""
        text = self._growing.text(count)
        sent = text.encode(self._encoding) if self._encoding else text
        started = time.thread_time()
        self._match(sent)
        return time.thread_time() - started
