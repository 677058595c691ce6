"""The floor: the least that gives the same responses, byte for byte.

Starlette's routes, asyncpg's connection pool, joserfc's check of the token, SQL text. No request
ids, limits, deadline, metrics, access log, validation or error responses.
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

KEY = OctKey.import_key(os.environ["BETTER_AUTH_SECRET"])

TIME = """to_char(timezone('UTC', {}), '\\"YYYY-MM-DD"T"HH24:MI:SS.US"Z"\\"')"""
JSON = f"""'{{"id":' || id || ',"title":' || to_json(title) || ',"description":' ||
 to_json(description) || ',"is_completed":' || is_completed || ',"created_at":' ||
 {TIME.format("created_at")} || ',"updated_at":' || {TIME.format("updated_at")} ||
 ',"user_id":' || user_id || '}}'"""
BODY = f"convert_to({JSON}, 'UTF8') AS body"

GET = f"SELECT {BODY} FROM tasks WHERE id = $2 AND user_id = $1"
LIST = f"""SELECT convert_to(string_agg({JSON}, ','), 'UTF8') AS body, count(*) AS total
 FROM (SELECT * FROM tasks WHERE user_id = $1 ORDER BY created_at DESC, id DESC LIMIT 1000)"""
CREATE = f"""INSERT INTO tasks (title, description, user_id) VALUES ($2, $3, $1)
 RETURNING id, {BODY}"""
UPDATE = f"""UPDATE tasks SET title = $3, description = $4, updated_at = clock_timestamp()
 WHERE id = $2 AND user_id = $1 RETURNING {BODY}"""
TOGGLE = f"""UPDATE tasks SET is_completed = NOT is_completed, updated_at = clock_timestamp()
 WHERE id = $2 AND user_id = $1 RETURNING {BODY}"""
DELETE = "DELETE FROM tasks WHERE id = $2 AND user_id = $1 RETURNING id"


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[None]:
    async with asyncpg.create_pool(
        os.environ["DATABASE_URL"],
        min_size=20,
        max_size=20,
        reset=_nothing,
        # Otherwise triggers move the user's clock, which costs more than the service's own way.
        server_settings={"taskapi.owner": "floor"},
    ) as pool:
        app.state.pool = pool
        yield


async def _nothing(_: object) -> None:
    pass


def owner_of(request: Request) -> int:
    """The user of the token, who must be the user in the path."""
    compact = request.headers["authorization"].removeprefix("Bearer ")
    claims = json.loads(jws.deserialize_compact(compact, KEY, algorithms=["HS256"]).payload)
    if claims["exp"] <= time.time() or claims["sub"] != request.path_params["user_id"]:
        raise PermissionError
    return int(claims["sub"])


async def fetch(request: Request, statement: str, *values: object) -> Any:
    """The one row of a statement about tasks, or about the task in the path, of the user."""
    if "task_id" in request.path_params:
        values = (int(request.path_params["task_id"]), *values)
    return await request.app.state.pool.fetchrow(statement, owner_of(request), *values)


async def list_tasks(request: Request) -> Response:
    row = await fetch(request, LIST)
    tail = f'],"total":{row["total"]},"limit":1000,"offset":0,"has_more":false,"next_cursor":null}}'
    return _json(b"".join((b'{"tasks":[', row["body"], tail.encode())))


async def create_task(request: Request) -> Response:
    new = json.loads(await request.body())
    row = await fetch(request, CREATE, new["title"], new["description"])
    return _json(row["body"], 201, {"Location": f"{request.scope['path']}/{row['id']}"})


async def get_task(request: Request) -> Response:
    return _json((await fetch(request, GET))["body"])


async def update_task(request: Request) -> Response:
    new = json.loads(await request.body())
    return _json((await fetch(request, UPDATE, new["title"], new["description"]))["body"])


async def toggle_task(request: Request) -> Response:
    return _json((await fetch(request, TOGGLE))["body"])


async def delete_task(request: Request) -> Response:
    row = await fetch(request, DELETE)
    return Response(status_code=204 if row else 404)


def _json(body: bytes, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(body, status, headers, media_type="application/json")


TASKS, TASK = "/api/{user_id}/tasks", "/api/{user_id}/tasks/{task_id}"
app = Starlette(
    lifespan=lifespan,
    routes=[
        Route(TASKS, list_tasks, methods=["GET"]),
        Route(TASKS, create_task, methods=["POST"]),
        Route(TASK, get_task, methods=["GET"]),
        Route(TASK, update_task, methods=["PUT"]),
        Route(TASK, delete_task, methods=["DELETE"]),
        Route(f"{TASK}/complete", toggle_task, methods=["PATCH"]),
    ],
)
