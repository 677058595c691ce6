"""The textbook: the six operations as the frameworks' tutorials teach to write them.

A dependency that loads the token's user, a synchronous session for each request, an object for each
row, a response model for each response, read before write, commit and refresh.
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
    os.environ["DATABASE_URL"].replace("postgresql:", "postgresql+psycopg2:"),
    pool_size=100,
    connect_args={"options": "-c taskapi.owner=textbook"},  # no trigger of this table for it
)
app = FastAPI()


class User(SQLModel, table=True):
    __tablename__ = "users"

    id: int | None = Field(default=None, primary_key=True)


class TaskBase(SQLModel):
    title: str = Field(min_length=1, max_length=500)
    description: str = Field(default="", max_length=5000)


class Task(TaskBase, table=True):
    __tablename__ = "tasks"

    id: int | None = Field(default=None, primary_key=True)
    is_completed: bool = False
    created_at: datetime = Field(default_factory=lambda: datetime.now(UTC))
    updated_at: datetime = Field(default_factory=lambda: datetime.now(UTC))
    user_id: int = Field(index=True)


class TaskUpdate(SQLModel):
    title: str | None = Field(default=None, min_length=1, max_length=500)
    description: str | None = Field(default=None, max_length=5000)


class TaskPublic(TaskBase):
    id: int
    is_completed: bool
    created_at: datetime
    updated_at: datetime
    user_id: int


class TasksPublic(SQLModel):
    tasks: list[TaskPublic]
    total: int


def get_session() -> Iterator[Session]:
    with Session(engine) as session:
        yield session


SessionDep = Annotated[Session, Depends(get_session)]


def get_current_user(
    user_id: int,
    session: SessionDep,
    credentials: Annotated[HTTPAuthorizationCredentials, Depends(HTTPBearer())],
) -> User:
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
    own = Task.user_id == user.id
    newest = (col(Task.created_at).desc(), col(Task.id).desc())
    page = select(Task).where(own).order_by(*newest).offset(offset).limit(limit)
    total = session.exec(select(func.count()).select_from(Task).where(own)).one()
    return {"tasks": session.exec(page).all(), "total": total}


@app.post("/api/{user_id}/tasks", response_model=TaskPublic, status_code=201)
def create_task(session: SessionDep, user: CurrentUser, new: TaskBase) -> Task:
    return _save(session, Task.model_validate(new, update={"user_id": user.id}))


@app.get("/api/{user_id}/tasks/{task_id}", response_model=TaskPublic)
def read_task(task: OwnTask) -> Task:
    return task


@app.put("/api/{user_id}/tasks/{task_id}", response_model=TaskPublic)
def update_task(session: SessionDep, task: OwnTask, new: TaskUpdate) -> Task:
    task.sqlmodel_update(new.model_dump(exclude_unset=True))
    task.updated_at = datetime.now(UTC)
    return _save(session, task)


@app.patch("/api/{user_id}/tasks/{task_id}/complete", response_model=TaskPublic)
def toggle_task(session: SessionDep, task: OwnTask) -> Task:
    task.is_completed = not task.is_completed
    task.updated_at = datetime.now(UTC)
    return _save(session, task)


@app.delete("/api/{user_id}/tasks/{task_id}", status_code=204)
def delete_task(session: SessionDep, task: OwnTask) -> None:
    session.delete(task)
    session.commit()


def _save(session: Session, task: Task) -> Task:
    session.add(task)
    session.commit()
    session.refresh(task)
    return task
