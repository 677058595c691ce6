"""Every statement that the package compiles, each with the place of the code that compiles it.

The places are found in the source, so that a statement which nobody lists here is noticed: run as a
program, it ends with an error that names the place.
"""

import ast
import json
import pkgutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import taskapi
from taskapi.database import statement

PACKAGE = Path(taskapi.__file__).parent

UNSUITED = (".main", ".__main__", ".env")
"""Modules that do something when they are imported; none has a statement."""


class Found(NamedTuple):
    """A statement: where it is compiled, and its text."""

    place: str
    text: str


def every_statement() -> list[Found]:
    """All of them, from a process of its own, in which they are compiled anew."""
    program = [sys.executable, "-m", "support.every_statement"]
    done = subprocess.run(program, cwd=Path(__file__).parents[1], stdout=-1, check=True)
    return [Found(*each) for each in json.loads(done.stdout)]


def places() -> set[str]:
    """Where statements are compiled, as `database/connection.py:16`."""
    return {
        f"{file.relative_to(PACKAGE)}:{node.lineno}"
        for file in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Call) and ast.unparse(node.func) in {"compiled", "Statement"}
    } - {f"database/statement.py:{line}" for line in _lines_of(statement)}


def _lines_of(module: Any) -> range:
    return range(len(Path(module.__file__).read_text().splitlines()) + 1)


def record() -> list[Found]:
    """Compile everything, and note it."""
    found: set[Found] = set()
    original = statement.compiled

    def noting(*arguments: Any, **options: Any) -> statement.Statement:
        result = original(*arguments, **options)
        caller = sys._getframe(1)  # noqa: SLF001 - Python's own way to know who calls
        file = Path(caller.f_code.co_filename).relative_to(PACKAGE)
        found.add(Found(f"{file}:{caller.f_lineno}", result.text))
        return result

    statement.compiled = noting
    for module in pkgutil.walk_packages(taskapi.__path__, "taskapi."):
        if not module.name.endswith(UNSUITED) and ".versions." not in module.name:
            import_module(module.name)
    # Not imported before, because then it would have the original.
    import_module("support.made_statements").make_statements()
    return sorted(found)


if __name__ == "__main__":
    statements = record()
    overlooked = places() - {each.place for each in statements}
    if overlooked:
        sys.exit(f"support.every_statement compiles nothing at {', '.join(sorted(overlooked))}")
    json.dump(statements, sys.stdout)
