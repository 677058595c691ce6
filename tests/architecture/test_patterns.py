r"""No pattern that reads a stranger's bytes takes work that grows faster than what it reads.

The patterns are found by looking, and the texts are made from them (see `hostile`). Each pattern is
tried with every method, because the next change may use another one: a pattern that is quadratic as
a search begins with `\A`.
"""

import ast
import importlib
import json
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import APIRouter

import taskapi
from support.hostile import METHODS, Growing, grows_faster_than_its_input, hostile_texts

PACKAGE = Path(taskapi.__file__).parent

Pattern = re.Pattern[Any]


def imported_patterns() -> Iterator[tuple[str, Pattern]]:
    """The patterns of all modules and their classes and routes, by their full names."""
    for module in pkgutil.walk_packages(taskapi.__path__, "taskapi."):
        if module.name.endswith((".main", ".__main__", ".env")) or ".versions." in module.name:
            continue  # these do something when they are imported
        for name, value in vars(importlib.import_module(module.name)).items():
            yield from patterns_in(f"{module.name}.{name}", value)


def patterns_in(name: str, value: object) -> Iterator[tuple[str, Pattern]]:
    if isinstance(value, re.Pattern):
        yield name, value
    elif isinstance(value, type) and value.__module__.startswith("taskapi."):
        for attribute, inside in vars(value).items():
            if isinstance(inside, re.Pattern):
                yield f"{name}.{attribute}", inside
    elif isinstance(value, APIRouter):
        for route in value.routes:
            yield from patterns_in(f"{name} {route.path}", route.path_regex)  # type: ignore[attr-defined]  # APIRouter promises less


def documented_patterns() -> Iterator[tuple[str, Pattern]]:
    """Those of the OpenAPI document, which clients run on what their users type."""
    texts: set[str] = set()

    def note(members: dict[str, Any]) -> None:
        if isinstance(members.get("pattern"), str):
            texts.add(members["pattern"])

    json.loads((PACKAGE.parent / "openapi.json").read_text(), object_hook=note)
    for text in sorted(texts):
        yield f"openapi.json {text}", re.compile(text)


PATTERNS = dict([*imported_patterns(), *documented_patterns()])


def fault_of(pattern: Pattern) -> tuple[str, Growing] | None:
    """A method and a text that make the pattern work too hard."""
    for text in hostile_texts(pattern):
        for method in METHODS:
            if grows_faster_than_its_input(pattern, method, text):
                return method, text
    return None


@pytest.mark.parametrize("name", PATTERNS)
def test_a_patterns_work_grows_no_faster_than_its_input(name: str) -> None:
    assert fault_of(PATTERNS[name]) is None


# No pattern is overlooked

HARMLESS = {"escape", "Pattern", "Match"}


def patterns_in_source(source: str) -> tuple[set[str], list[str]]:
    """Patterns compiled in the body of a module or of its classes, and uses of `re` elsewhere."""
    tree = ast.parse(source)
    bodies = [("", tree.body)]
    bodies += [(f"{each.name}.", each.body) for each in tree.body if isinstance(each, ast.ClassDef)]
    compiled = {
        id(line.value.func): owner + ast.unparse(line.targets[0])
        for owner, body in bodies
        for line in body
        if isinstance(line, ast.Assign)
        if isinstance(line.value, ast.Call) and ast.unparse(line.value.func) == "re.compile"
    }
    elsewhere = [ast.unparse(it) for it in ast.walk(tree) if id(it) not in compiled and uses_re(it)]
    return set(compiled.values()), elsewhere


def uses_re(node: ast.AST) -> bool:
    match node:
        case ast.Attribute(value=ast.Name(id="re"), attr=name):
            return name not in HARMLESS and not name.isupper()  # those are flags
        case ast.ImportFrom(module="re", names=names):
            return not {name.name for name in names} <= HARMLESS
        case ast.Import(names=names):
            return any(name.name == "re" and name.asname for name in names)
    return False


@pytest.mark.parametrize("file", sorted(PACKAGE.rglob("*.py")), ids=lambda it: it.name)
def test_no_pattern_of_the_package_is_overlooked(file: Path) -> None:
    named, elsewhere = patterns_in_source(file.read_text())
    assert elsewhere == [], "compile it in the module's body, where it is found"
    module = ".".join(file.relative_to(PACKAGE.parent).with_suffix("").parts)
    assert {f"{module}.{name}" for name in named} <= PATTERNS.keys()


@pytest.mark.parametrize(
    "line",
    [
        're.match(r"a+$", text)',
        're.fullmatch(r"a+$", text)',
        're.sub("a+$", "", text)',
        "find = re.findall",
        'def f():\n    return re.compile("a+$").search(text)',
        'x = [re.compile("a+$")]',
        "from re import search",
        "import re as regex",
    ],
)
def test_a_hidden_pattern_would_be_noticed(line: str) -> None:
    assert patterns_in_source(line)[1] != []


def test_patterns_in_sight_are_named() -> None:
    source = 'A = re.compile("a", re.ASCII)\nclass B:\n    C = re.compile(re.escape("."))'
    assert patterns_in_source(source) == ({"A", "B.C"}, [])


# The search itself

QUADRATIC_OR_WORSE = [
    rb"[A-Za-z0-9]{32}(\.[A-Za-z0-9+/_%-]+(=|%3D)*)?",  # SESSION_TOKEN as it was
    r"(a|a)*b",
    r"(a+)+$",
    r"(a*)*b",
    r"(a|aa)+$",
    r"(x+x+)+y",
    r"(.*)*=",
    r"\A(?:a+){9,}b",
    r"a*a*a*b",
    r"\A\s*,?\s*$",
    r"\A(\s*,\s*)+$",
    r"\A(?:\w+\s?)*$",
    r"\A(?=a*a*b)a",
    r"\A<(?:[^>]|\"[^\"]*\")*>",
    r"\A(?:a|ab)(?:c|bcd)*(d*)*e",
    r"\A[a-z]+?[a-z0-9]*?!",
    r"\s+$",
    r"[a-z]+@[a-z]+",
    r"foo.*bar",
    r"\d+(,\d+)*\.\d*",
    r"^([a-zA-Z0-9])(([\-.]|[_]+)?([a-zA-Z0-9]+))*(@){1}[a-z0-9]+[.]{1}([a-z]{2,3})$",
    r"^(([a-z])+.)+[A-Z]([a-z])+$",
]

LINEAR = [
    rb"\A[a-z]+\Z",
    r"\A(?:a|b)*c",
    r"\A(?:a++)+b",
    r"\A(?>a+)a*b",
    r"\A\s*+,?\s*$",
    r"\A(?:[^\s,]++\s?)*$",
    r"\A[a-z]+(?:-[a-z]+)*\Z",
    r"\A\"(?:\\.|[^\"\\])*\"",
    r"[a-z]{1,100}!",
    r"[^a-z]|[a-z]",
    r"(?s:\A.*=)",
    r"\A(?!.*b)[ab]*",
]


@pytest.mark.parametrize("pattern", QUADRATIC_OR_WORSE)
def test_a_pattern_of_too_much_work_is_found(pattern: str | bytes) -> None:
    assert fault_of(re.compile(pattern)) is not None


@pytest.mark.parametrize("pattern", LINEAR)
def test_a_linear_pattern_passes(pattern: str | bytes) -> None:
    assert fault_of(re.compile(pattern)) is None


def test_a_backreference_is_not_passed_over() -> None:
    with pytest.raises(NotImplementedError, match="GROUPREF"):
        list(hostile_texts(re.compile(r"(a+)\1b")))
