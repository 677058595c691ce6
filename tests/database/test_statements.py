"""The statements: the owner is in every one of them (FR-020), and no value is in any."""

import re
from itertools import product, starmap

import pytest
from sqlalchemy import bindparam, delete, insert, literal, select, update
from sqlmodel import col

from taskapi.database.owner import Users
from taskapi.database.statement import Constant, Statement, compiled
from taskapi.idempotency import statements as idempotency
from taskapi.idempotency.store import Write
from taskapi.resource.pages import Bound, Shape, page_statement
from taskapi.resource.statements import ResourceStatements
from taskapi.tasks import statements
from taskapi.tasks.models import Task
from taskapi.tasks.statements import TASKS

SORTS = [column.key for column in TASKS.sorts]
ORDERS = [sign + sort for sign in ("", "-") for sort in SORTS]
NARROWED = [
    frozenset[str](),
    frozenset(TASKS.filters),
    *(frozenset([name]) for name in TASKS.filters),
]

TABLES = ("tasks", "kept_answers", "user_clocks", "tombstones", "task_keys")

OF_NOBODY = {"SWEEP"}
"""Removes what nobody can ask for any more, whoever it belonged to."""


Named = dict[str, Statement]


def all_statements() -> Named:
    """Every statement about tasks by a name for it."""
    holders: dict[str, dict[str, object]] = {"": vars(statements) | vars(idempotency)}
    for creating in (False, True):
        users = Users("users", create_unknown=creating)
        holders[f"creating={creating} "] = vars(ResourceStatements(TASKS, users))
    for shape in starmap(Shape, product(ORDERS, NARROWED, (False, True), (False, True), Bound)):
        holders[f"{shape} "] = {"page": page_statement(TASKS, users, shape)}
    return {
        holder + name: statement
        for holder, members in holders.items()
        for name, member in members.items()
        for name, statement in _forms(name, member)
    }


def _forms(name: str, member: object) -> list[tuple[str, Statement]]:
    if isinstance(member, Write):
        stored = [(f"{name} stored", member.stored)] if member.stored else []
        return [(name, member.plain), *stored]
    return [(name, member)] if isinstance(member, Statement) else []


@pytest.fixture(scope="module")
def every() -> Named:
    """All statements, compiled when a test asks for them: that takes seconds."""
    return all_statements()


@pytest.fixture(scope="module")
def owned(every: Named) -> Named:
    """Those that are about somebody."""
    return {name: every[name] for name in every if name not in OF_NOBODY}


SOURCES = {"clock.user_id", "written.user_id", "users.id"}
"""The owner that inserts select: of a row that was itself found by its owner."""


def owner_of(statement: Statement) -> str:
    """The placeholder of the owner."""
    return f"${statement.parameters.index('owner') + 1}"


def test_there_are_statements_of_every_kind(every: Named) -> None:
    """The tests below would pass for none at all."""
    assert {"COMPLETE", "creating=True create stored", "creating=False get"} <= every.keys()
    assert len(every) > 100


def test_whatever_reads_or_changes_rows_asks_for_their_owner(owned: Named) -> None:
    for (name, statement), table in product(owned.items(), TABLES):
        used = re.findall(rf"\b(?:FROM|UPDATE) {table}\b", statement.text)
        asked = re.findall(rf"\b{table}\.user_id = (\$\d+)", statement.text)
        assert len(asked) == len(used), name
        assert set(asked) <= {owner_of(statement)}, name


def test_whatever_adds_rows_gives_them_to_the_owner(owned: Named) -> None:
    for name, statement in owned.items():
        added = r"INSERT INTO (\S+) \((.*?)\) SELECT (.*?) \nFROM "
        for table, columns, values in re.findall(added, statement.text):
            if table in TABLES:
                given = dict(zip(columns.split(", "), values.split(", "), strict=False))
                assert given["user_id"].removesuffix(" AS user_id") in SOURCES, name


def test_no_statement_has_a_backslash(every: Named) -> None:
    """With standard_conforming_strings=off it would not mean itself."""
    assert [name for name in every if "\\" in every[name].text] == []


def test_no_statement_is_without_owner(owned: Named) -> None:
    assert [name for name in owned if "owner" not in owned[name].parameters] == []


def test_every_statement_declares_its_owner_to_row_security(owned: Named) -> None:
    ours = re.compile(rf"\b({'|'.join(TABLES)})\b")
    for name, statement in owned.items():
        if not ours.search(statement.text):
            continue
        declared = f"set_config('taskapi.owner', CAST({owner_of(statement)} AS TEXT)"
        assert declared in statement.text, name


def test_a_statement_that_changes_rows_says_so(every: Named) -> None:
    """By this the pool knows what it must not run twice."""
    for name, statement in every.items():
        changes = re.search(r"\b(?:INSERT INTO|UPDATE \w+ SET|DELETE FROM)\b", statement.text)
        assert statement.writes is bool(changes), name


def test_every_placeholder_has_its_parameter(every: Named) -> None:
    for name, statement in every.items():
        placeholders = {int(number) for number in re.findall(r"\$(\d+)", statement.text)}
        assert placeholders == set(range(1, len(statement.parameters) + 1)), name
        assert len(set(statement.parameters)) == len(statement.parameters), name


def test_the_users_table_is_quoted_where_its_name_is_a_word_of_sql() -> None:
    statements = ResourceStatements(TASKS, Users("user", create_unknown=True))
    assert 'INSERT INTO "user" (id)' in statements.arrive.text


# What compiles, and what is refused


def test_arguments_come_in_the_order_of_the_parameters() -> None:
    statement = Statement("…", ("b", "a"), writes=False)
    assert statement.arguments({"a": 1, "b": 2, "c": 3}) == [2, 1]


def test_a_missing_argument_is_noticed(every: Named) -> None:
    with pytest.raises(KeyError, match="row_id"):
        every["creating=False get"].arguments({"owner": 1})


@pytest.mark.parametrize(
    "expression",
    [
        select(Task).where(col(Task.id) == 5),
        select(Task).where(col(Task.title) == "x"),
        select(Task).where(col(Task.id) == bindparam("task_id", 5)),
        select(Task).limit(5),
        select(literal("x")),
        insert(Task).values(title="x", user_id=bindparam("owner")),
        update(Task).values(is_completed=True),
        delete(Task).where(col(Task.id).in_([1, 2])),
    ],
    ids=str,
)
def test_a_value_that_is_no_named_parameter_is_refused(expression: object) -> None:
    """It would be lost: only names are kept, and their values come with each call."""
    with pytest.raises(ValueError, match="name them with bindparam"):
        compiled(expression)  # type: ignore[arg-type]  # all of them are expressions


def test_a_named_parameter_is_no_value() -> None:
    statement = compiled(select(col(Task.id)).where(col(Task.id) == bindparam("task_id")))
    assert statement.parameters == ("task_id",)
    assert statement.text.endswith("tasks.id = $1")


@pytest.mark.parametrize(
    ("value", "quoted"),
    [
        ("UTC", "'UTC'"),
        ("it's", "'it''s'"),
        ("'; DROP TABLE tasks; --", "'''; DROP TABLE tasks; --'"),
        ('{"id":', "'{\"id\":'"),
        ("100%", "'100%'"),
        ("$1 :name %s", "'$1 :name %s'"),
        ("back\\slash", "'back\\slash'"),
        (0, "0"),
        (-1, "-1"),
    ],
)
def test_a_constant_is_quoted_into_the_text(value: str | int, quoted: str) -> None:
    statement = compiled(select(Constant(value)))
    assert statement.text.startswith(f"SELECT {quoted}")
    assert statement.parameters == ()
