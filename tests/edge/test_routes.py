"""What a route does with its endpoint, and what it refuses to be at import."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Annotated, Any, cast

import pytest
from fastapi import (
    APIRouter,
    BackgroundTasks,
    Body,
    Cookie,
    Depends,
    FastAPI,
    Form,
    Header,
    Path,
    Query,
    Request,
    Response,
    Security,
    WebSocket,
)
from fastapi.exceptions import RequestValidationError
from fastapi.security import APIKeyHeader, HTTPBearer, SecurityScopes
from pydantic import BaseModel, Field
from starlette.requests import HTTPConnection
from starlette.responses import StreamingResponse
from starlette.routing import Route as StarletteRoute
from starlette.routing import WebSocketRoute
from starlette.types import Message

from support.people import SECRET
from taskapi.app import create_app
from taskapi.config import Settings
from taskapi.edge.body import json_object, raw_stream
from taskapi.edge.query import QueryModel
from taskapi.edge.route import Route
from taskapi.edge.route_table import RouteTable
from taskapi.edge.router import Router, refuse_foreign_routes

Json = dict[str, Any]


class Named(BaseModel):
    """A body."""

    name: str


class Paged(QueryModel):
    """A query."""

    page: int = Field(default=1, alias="p")


class Ordered(QueryModel):
    """Another query."""

    sort: str = "id"


class Tagged(QueryModel):
    """A query with a list."""

    tags: list[str] = Field(default=[])


# Endpoints and dependencies that a route refuses


def blocks() -> Json:
    return {}


async def produces() -> AsyncIterator[Json]:
    yield {}


def opens() -> Iterator[int]:
    yield 1


async def opens_too() -> AsyncIterator[int]:
    yield 1


def counts() -> int:
    return 1


async def scoped(scopes: SecurityScopes) -> int:
    return len(scopes.scopes)


async def one() -> int:
    return 1


class Sum:
    """A dependency that is no function."""

    def __init__(self) -> None:
        self.total = 0


async def works() -> Json:
    return {}


async def responds() -> Response:
    return Response()


def depending(dependency: Any) -> Callable[..., Any]:
    async def endpoint(value: Any = dependency) -> Json:
        return {}

    return endpoint


def taking(kind: Any, default: Any = ...) -> Callable[..., Any]:
    """An endpoint with one parameter, `value`."""
    if default is ...:

        async def endpoint(value: kind) -> Json:
            return {}
    else:

        async def endpoint(value: kind = default) -> Json:  # type: ignore[misc]  # replaces the other
            return {}

    return endpoint


def returning(kind: Any) -> Callable[..., Any]:
    async def endpoint() -> kind:
        return None

    return endpoint


async def two_bodies(first: Named, second: Named) -> Json:
    return {}


async def two_queries(
    first: Annotated[Ordered, Query()], second: Annotated[Paged, Query()]
) -> Json:
    return {}


def get(path: str = "/x", endpoint: Any = works, **options: Any) -> Callable[[], object]:
    return lambda: Router().get(path, **options)(endpoint)


def post(endpoint: Any, **options: Any) -> Callable[[], object]:
    return lambda: Router().post("/x", **options)(endpoint)


REFUSED: dict[str, tuple[Callable[[], object], str]] = {
    "a plain function": (get("/x", blocks), "blocks would block .* write `async def`"),
    "a plain dependency": (get("/x", depending(Depends(counts))), "counts .* write `async def`"),
    "a class as a dependency": (get("/x", depending(Depends(Sum))), "Sum .* write `async def`"),
    "an endpoint that yields": (get("/x", produces), "produces uses yield; .* StreamingResponse"),
    "a dependency that yields": (get("/x", depending(Depends(opens))), "opens uses .*`async with`"),
    "a coroutine that yields": (get("/x", depending(Depends(opens_too))), "opens_too uses yield"),
    "a dependency of one that yields": (
        get("/x", depending(Depends(depending(Depends(opens))))),
        "opens uses yield",
    ),
    "a dependency not shared": (
        get("/x", depending(Depends(one, use_cache=False))),
        "one runs once for a request; leave out use_cache=False",
    ),
    "scopes": (get("/x", depending(Security(one, scopes=["a"]))), "nothing checks the scopes of"),
    "a reader of scopes": (get("/x", depending(Depends(scoped))), "scopes would be missing; "),
    "an API key": (get("/x", depending(Depends(APIKeyHeader(name="k")))), "APIKeyHeader would not"),
    "a scheme that refuses": (get("/x", depending(Depends(HTTPBearer()))), "auto_error=False"),
    "background tasks": (get("/x", taking(BackgroundTasks)), "value would be missing; await"),
    "a response to change": (get("/x", taking(Response)), "value would be missing; return a Resp"),
    "a connection": (get("/x", taking(HTTPConnection)), "value would be missing; take a Request"),
    "a web socket": (get("/x", taking(WebSocket)), "value would be missing; .*StreamingResponse"),
    "a cookie": (get("/x", taking(Annotated[str, Cookie()])), "no cookie is read; take a header"),
    "a query parameter": (get("/x", taking(int)), r"put it in a model: Annotated\[Model, Query"),
    "a list in the query": (get("/x", taking(Annotated[Tagged, Query()])), "tags: .* split it"),
    "a query that could be changed": (
        get("/x", taking(Annotated[Named, Query()])),
        "requests share value; make its model a QueryModel",
    ),
    "two query models": (get("/x", two_queries), "one model of its query parameters; join them"),
    "a list in a header": (
        get("/x", taking(Annotated[list[str], Header()])),
        "a header is one string; parse it in a dependency",
    ),
    "a model of headers": (
        get("/x", taking(Annotated[Named, Header()])),
        "a header is one string; parse it in a dependency",
    ),
    "a default made once": (
        get("/x", taking(Annotated[str, Header(default_factory=str)])),
        "one default for all requests",
    ),
    "a path convertor": (get("/{value:int}", taking(int)), "write {value}, and give the parameter"),
    "a path parameter elsewhere": (
        get("/x", depending(Depends(taking(Annotated[int, Path()])))),
        "value is not in the path; write {value} there",
    ),
    "two bodies": (post(two_bodies), "one JSON object; put all of it in one model"),
    "an embedded body": (post(taking(Annotated[Named, Body(embed=True)])), "leave out embed"),
    "a list as a body": (post(taking(list[int])), "value is no JSON object; put it in a model"),
    "a number as a body": (post(taking(Annotated[int, Body()])), "value is no JSON object"),
    "a body read in two ways": (post(taking(Named), reads=json_object), "leave out `reads`"),
    "a limit without a body": (post(works, max_body_bytes=10), "leave out max_body_bytes"),
    "a model as a result": (get("/x", returning(Named)), "it returns a Response, .* or a dict"),
    "a list as a result": (get("/x", returning(list[int])), "it returns a Response, .* or a dict"),
    "nothing as a result": (get("/x", returning(None)), "it returns a Response, .* or a dict"),
    "a response model": (get("/x", works, response_model=Named), "response_model documents a Res"),
    "a response class": (get("/x", works, response_class=Response), "response_class documents"),
    "dependencies of a route": (get("/x", works, dependencies=[Depends(one)]), "as a parameter"),
    "a filter of the result": (
        get("/x", responds, response_model_exclude={"x"}),
        "takes no response_model_exclude; it would have no effect",
    ),
    "FastAPI's limit of bodies": (
        post(works, max_body_size=10),
        "no max_body_size; write max_body",
    ),
    "a word mistyped": (get("/x", works, deadlin=1), "takes no deadlin; it would have no effect"),
}


@pytest.mark.parametrize(("make", "sentence"), REFUSED.values(), ids=REFUSED)
def test_what_a_route_does_not_do_is_refused_at_import(
    make: Callable[[], object], sentence: str
) -> None:
    with pytest.raises(TypeError, match=sentence) as refusal:
        make()
    assert "/" in str(refusal.value)  # the path, to find it by


def test_a_form_is_refused_even_if_its_parser_is_installed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Without python-multipart, FastAPI itself refuses it."""
    monkeypatch.setattr("fastapi.dependencies.utils.ensure_multipart_is_installed", lambda: None)
    with pytest.raises(TypeError, match="value is a form; take JSON, or read a raw_stream"):
        post(taking(Annotated[str, Form()]))()


FOREIGN: dict[str, Callable[[FastAPI], object]] = {
    "include_router": lambda app: app.include_router(fastapi_router()),
    "a route of FastAPI": lambda app: app.get("/x")(works),
    "a route of Starlette": lambda app: app.routes.append(StarletteRoute("/x", works)),
    "a mount": lambda app: app.mount("/x", FastAPI()),
    "a web socket": lambda app: app.routes.append(WebSocketRoute("/x", works)),
}


def fastapi_router() -> APIRouter:
    router = APIRouter()
    router.get("/x")(works)
    return router


@pytest.mark.parametrize("add", FOREIGN.values(), ids=FOREIGN)
def test_a_route_of_another_kind_is_refused(add: Callable[[FastAPI], object]) -> None:
    app = FastAPI(openapi_url=None)
    refuse_foreign_routes(app)
    add(app)
    with pytest.raises(TypeError, match="is no Route; add it with a Router"):
        refuse_foreign_routes(app)


def test_every_route_of_the_service_is_a_route_of_its_own() -> None:
    settings = Settings(database_url="postgresql://localhost/none", better_auth_secret=SECRET)
    routes = create_app(settings).routes
    assert {type(route) for route in routes} == {Route}


@pytest.mark.parametrize(
    ("path", "options", "words"),
    [
        ("/x", {"streams": True}, "takes no turn; leave out takes_turn"),
        ("/x", {"reads": raw_stream}, "takes no turn; leave out takes_turn"),
        ("/x", {}, "only requests of a user take turns"),
    ],
)
def test_a_route_without_turns_cannot_say_that_it_takes_none(
    path: str, options: Json, words: str
) -> None:
    with pytest.raises(TypeError, match=words):
        Route(path, works, method="POST", takes_turn=False, **options)


@pytest.mark.parametrize("scope", [None, "", "tasks", "tasks:read tasks:write"])
def test_a_route_of_a_user_says_the_scope_that_it_requires(scope: str | None) -> None:
    with pytest.raises(TypeError, match="write requires=READ or requires=WRITE"):
        Route("/api/{user_id}/x", works, method="GET", requires=scope)


# What a route does


calls: list[str] = []


async def shared(request: Request) -> str:
    calls.append("shared")
    return request.method


async def left(method: Annotated[str, Depends(shared)]) -> str:
    calls.append("left")
    return f"left {method}"


async def right(method: Annotated[str, Depends(shared)]) -> str:
    calls.append("right")
    return f"right {method}"


def served(router: Router) -> FastAPI:
    app = FastAPI(openapi_url=None)
    app.router.routes.extend(router.routes)
    refuse_foreign_routes(app)
    return app


def sent(
    app: FastAPI, method: str, target: str, body: bytes = b"", **headers: str
) -> tuple[int, bytes]:
    """The status and content of a response, from the routes alone."""
    path, _, query = target.partition("?")
    fields = [(name.replace("_", "-").encode(), text.encode()) for name, text in headers.items()]
    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "query_string": query.encode(),
        "headers": fields,
        "app": app,
        "state": {},
    }
    status, content = 0, b""
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Message:
        if not messages:
            await asyncio.Event().wait()  # the client stays
        return messages.pop()

    async def send(message: Message) -> None:
        nonlocal status, content
        status = message.get("status", status)
        content += message.get("body", b"")

    asyncio.run(RouteTable(cast("list[Route]", app.routes))(scope, receive, send))
    return status, content


def test_a_dependency_that_two_others_share_runs_once() -> None:
    router = Router()

    @router.get("/x")
    async def both(
        first: Annotated[str, Depends(left)],
        second: Annotated[str, Depends(right)],
        method: Annotated[str, Depends(shared)],
    ) -> Json:
        return {"all": [first, second, method]}

    calls.clear()
    assert sent(served(router), "GET", "/x") == (200, b'{"all":["left GET","right GET","GET"]}')
    assert calls == ["shared", "left", "right"]


def test_a_query_model_works_in_a_dependency_and_by_its_aliases() -> None:
    router = Router()

    async def page(query: Annotated[Paged, Query()]) -> int:
        return query.page

    @router.get("/x")
    async def show(number: Annotated[int, Depends(page)]) -> Json:
        return {"page": number}

    assert sent(served(router), "GET", "/x?p=3") == (200, b'{"page":3}')


def test_requests_with_the_same_query_share_its_model_and_others_do_not() -> None:
    router = Router()
    models: list[Paged] = []

    @router.get("/x")
    async def show(query: Annotated[Paged, Query()]) -> Json:
        models.append(query)
        return {"page": query.page}

    app = served(router)
    for query in ("p=3", "p=4", "p=%33", "p=3", "", "", "p=4"):
        assert sent(app, "GET", f"/x?{query}")[0] == 200
    for query in ("p=three", "p=three", "q=1", "q=1"):
        with pytest.raises(RequestValidationError):
            sent(app, "GET", f"/x?{query}")
    three, four, also_three, three_again, none, none_again, four_again = models
    assert [it.page for it in (three, four, also_three, none)] == [3, 4, 3, 1]
    assert three is three_again
    assert four is four_again
    assert none is none_again
    assert three is not also_three
    with pytest.raises(ValueError, match="frozen"):
        three.page = 5  # type: ignore[misc]  # which mypy knows, too


def test_a_dict_is_sent_with_the_status_of_its_route() -> None:
    router = Router("/a", status_code=202)

    @router.post("/b")
    async def accept() -> Json:
        return {"accepted": True}

    assert sent(served(router), "POST", "/a/b") == (202, b'{"accepted":true}')


def test_a_stream_is_sent_in_parts_and_to_head_not_at_all() -> None:
    router = Router()
    begun = []

    async def parts() -> AsyncIterator[bytes]:
        begun.append(True)
        for part in (b"one ", b"two"):
            yield part

    @router.get("/x", streams=True)
    async def stream() -> StreamingResponse:
        return StreamingResponse(parts())

    app = served(router)
    assert sent(app, "HEAD", "/x") == (200, b"")
    assert not begun
    assert sent(app, "GET", "/x") == (200, b"one two")
