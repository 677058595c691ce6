"""The floor: the least that answers the same requests with the same bytes.

Starlette's routes, asyncpg's pool, joserfc's check of the token, and the service's own SQL text.
No request ids, no bounds, no deadline, no metrics, no access log, no validation, no errors to tell.
"""

import json
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
from joserfc import jws
from joserfc.jwk import OctKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bench import queries
from taskapi.database.statement import Statement

KEY = OctKey.import_key(os.environ["BETTER_AUTH_SECRET"])


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[None]:
    """Hold a pool that resets nothing on release, as there is nothing to reset."""
    async with asyncpg.create_pool(
        os.environ["DATABASE_URL"], min_size=20, max_size=20, reset=_nothing
    ) as pool:
        app.state.pool = pool
        yield


async def _nothing(_: object) -> None:
    pass


def owner_of(request: Request) -> int:
    """The user of the token, who must be the user in the path."""
    compact = request.headers["authorization"].removeprefix("Bearer ")
    token = jws.deserialize_compact(compact, KEY, algorithms=["HS256"])
    claims = json.loads(token.payload)
    if claims["exp"] <= time.time() or claims["sub"] != request.path_params["user_id"]:
        raise PermissionError
    return int(claims["sub"])


async def fetch(request: Request, statement: Statement, **values: object) -> Any:
    """The one row of a statement on tasks of the user who asks."""
    arguments = queries.arguments(statement, owner=owner_of(request), **values)
    return await request.app.state.pool.fetchrow(statement.text, *arguments)


async def list_tasks(request: Request) -> Response:
    """Answer with all tasks, up to a thousand."""
    row = await fetch(request, queries.PAGE, limit=1000, offset=0)
    tail = f'],"total":{row["total"]},"limit":1000,"offset":0,"has_more":false,"next_cursor":null}}'
    return _json(b"".join((b'{"tasks":[', row["tasks"], tail.encode())))


async def create_task(request: Request) -> Response:
    """Create a task."""
    new = json.loads(await request.body())
    row = await fetch(request, queries.CREATE, title=new["title"], description=new["description"])
    return _json(row["body"], 201, {"Location": f"{request.scope['path']}/{row['id']}"})


async def get_task(request: Request) -> Response:
    """Read a task."""
    row = await fetch(request, queries.GET, task_id=_id(request))
    return _json(row["body"])


async def update_task(request: Request) -> Response:
    """Change title and description."""
    new = json.loads(await request.body())
    row = await fetch(
        request,
        queries.UPDATE,
        task_id=_id(request),
        title=new["title"],
        description=new["description"],
    )
    return _json(row["body"])


async def toggle_task(request: Request) -> Response:
    """Toggle completion."""
    row = await fetch(request, queries.TOGGLE, task_id=_id(request))
    return _json(row["body"])


async def delete_task(request: Request) -> Response:
    """Delete a task."""
    row = await fetch(request, queries.DELETE, task_id=_id(request))
    return Response(status_code=204 if row else 404)


def _id(request: Request) -> int:
    return int(request.path_params["task_id"])


def _json(body: bytes, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(body, status, headers, media_type="application/json")


app = Starlette(
    lifespan=lifespan,
    routes=[
        Route("/api/{user_id}/tasks", list_tasks, methods=["GET"]),
        Route("/api/{user_id}/tasks", create_task, methods=["POST"]),
        Route("/api/{user_id}/tasks/{task_id}", get_task, methods=["GET"]),
        Route("/api/{user_id}/tasks/{task_id}", update_task, methods=["PUT"]),
        Route("/api/{user_id}/tasks/{task_id}", delete_task, methods=["DELETE"]),
        Route("/api/{user_id}/tasks/{task_id}/complete", toggle_task, methods=["PATCH"]),
    ],
)
