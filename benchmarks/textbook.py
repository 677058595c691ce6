"""The textbook: the same six operations as the frameworks' tutorials teach to write them.

A dependency that loads the token's user, a synchronous session for each request, an object for each
row, a response model for each answer, read before write, commit and refresh.
"""

# ruff: noqa: FAST003 - the dependencies take what the paths name

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated

import jwt
from fastapi import Depends, FastAPI, HTTPException, Query
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from sqlalchemy import func
from sqlmodel import Field, Session, SQLModel, col, create_engine, select

SECRET = os.environ["BETTER_AUTH_SECRET"]

# No tutorial says so: a connection for each client. With SQLAlchemy's own 15, a hundred clients
# stop the application for 30 seconds: threads wait for connections, whose holders wait for threads.
engine = create_engine(
    os.environ["DATABASE_URL"].replace("postgresql:", "postgresql+psycopg2:"), pool_size=100
)
app = FastAPI()
bearer = HTTPBearer()


class User(SQLModel, table=True):
    """A user, as the auth server stores it; nothing else of it is needed here."""

    __tablename__ = "users"

    id: int | None = Field(default=None, primary_key=True)


class TaskBase(SQLModel):
    """What a client may say about a task."""

    title: str = Field(min_length=1, max_length=500)
    description: str = Field(default="", max_length=5000)


class Task(TaskBase, table=True):
    """A task, as it is stored."""

    __tablename__ = "tasks"

    id: int | None = Field(default=None, primary_key=True)
    is_completed: bool = False
    created_at: datetime = Field(default_factory=lambda: datetime.now(UTC))
    updated_at: datetime = Field(default_factory=lambda: datetime.now(UTC))
    user_id: int = Field(index=True)


class TaskCreate(TaskBase):
    """A new task."""


class TaskUpdate(SQLModel):
    """New values for a task."""

    title: str | None = Field(default=None, min_length=1, max_length=500)
    description: str | None = Field(default=None, max_length=5000)


class TaskPublic(TaskBase):
    """A task, as it is shown."""

    id: int
    is_completed: bool
    created_at: datetime
    updated_at: datetime
    user_id: int


class TasksPublic(SQLModel):
    """A list of tasks."""

    tasks: list[TaskPublic]
    total: int


def get_session() -> Iterator[Session]:
    """A session for one request."""
    with Session(engine) as session:
        yield session


SessionDep = Annotated[Session, Depends(get_session)]


def get_current_user(
    user_id: int,
    session: SessionDep,
    credentials: Annotated[HTTPAuthorizationCredentials, Depends(bearer)],
) -> User:
    """The user of the token, who must be the user in the path, and known."""
    try:
        claims = jwt.decode(credentials.credentials, SECRET, algorithms=["HS256"])
    except jwt.InvalidTokenError:
        raise HTTPException(401, "Could not validate credentials") from None
    if claims["sub"] != str(user_id):
        raise HTTPException(403, "Not enough permissions")
    user = session.get(User, user_id)
    if user is None:
        raise HTTPException(404, "User not found")
    return user


CurrentUser = Annotated[User, Depends(get_current_user)]


def get_own_task(task_id: int, session: SessionDep, user: CurrentUser) -> Task:
    """A task of the user who asks."""
    task = session.get(Task, task_id)
    if task is None or task.user_id != user.id:
        raise HTTPException(404, "Task not found")
    return task


OwnTask = Annotated[Task, Depends(get_own_task)]


@app.get("/api/{user_id}/tasks", response_model=TasksPublic)
def read_tasks(
    session: SessionDep,
    user: CurrentUser,
    offset: int = 0,
    limit: Annotated[int, Query(le=1000)] = 1000,
) -> object:
    """List tasks."""
    total = session.exec(
        select(func.count()).select_from(Task).where(Task.user_id == user.id)
    ).one()
    tasks = session.exec(
        select(Task)
        .where(Task.user_id == user.id)
        .order_by(col(Task.created_at).desc(), col(Task.id).desc())
        .offset(offset)
        .limit(limit)
    ).all()
    return {"tasks": tasks, "total": total}


@app.post("/api/{user_id}/tasks", response_model=TaskPublic, status_code=201)
def create_task(session: SessionDep, user: CurrentUser, new: TaskCreate) -> Task:
    """Create a task."""
    task = Task.model_validate(new, update={"user_id": user.id})
    session.add(task)
    session.commit()
    session.refresh(task)
    return task


@app.get("/api/{user_id}/tasks/{task_id}", response_model=TaskPublic)
def read_task(task: OwnTask) -> Task:
    """Read a task."""
    return task


@app.put("/api/{user_id}/tasks/{task_id}", response_model=TaskPublic)
def update_task(session: SessionDep, task: OwnTask, new: TaskUpdate) -> Task:
    """Change a task."""
    task.sqlmodel_update(new.model_dump(exclude_unset=True))
    return _save(session, task)


@app.patch("/api/{user_id}/tasks/{task_id}/complete", response_model=TaskPublic)
def toggle_task(session: SessionDep, task: OwnTask) -> Task:
    """Toggle completion."""
    task.is_completed = not task.is_completed
    return _save(session, task)


@app.delete("/api/{user_id}/tasks/{task_id}", status_code=204)
def delete_task(session: SessionDep, task: OwnTask) -> None:
    """Delete a task."""
    session.delete(task)
    session.commit()


def _save(session: Session, task: Task) -> Task:
    task.updated_at = datetime.now(UTC)
    session.add(task)
    session.commit()
    session.refresh(task)
    return task
