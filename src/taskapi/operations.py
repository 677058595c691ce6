"""What those who run the service look at: health, metrics, and an index of what is here."""

import time

from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from taskapi import __version__
from taskapi.config import UserIdType
from taskapi.database.pool import Database
from taskapi.database.schema import check_schema
from taskapi.documentation import answers, errors
from taskapi.edge.route import Route
from taskapi.errors import Unavailable

router = APIRouter(tags=["operations"], route_class=Route)

FIGURES = {
    "schema": {"type": "string"},
    "example": 'taskapi_requests_total{method="GET",route="/livez",status="200"} 1.0',
}

READINESS_SECONDS = 1.0
"""How long an answer of the database counts: any number of probes asks it once in that time."""


class Readiness:
    """Whether the database answers and its schema is current."""

    def __init__(self, database: Database, user_id_type: UserIdType) -> None:
        self._database = database
        self._user_id_type: UserIdType = user_id_type
        self._asked = -READINESS_SECONDS
        self._refusal: Unavailable | None = None

    async def check(self) -> None:
        """Raise what `check_schema` raised at most a moment ago."""
        if time.monotonic() - self._asked >= READINESS_SECONDS:
            try:
                await check_schema(self._database, self._user_id_type)
                self._refusal = None
            except Unavailable as refusal:
                self._refusal = refusal
            self._asked = time.monotonic()
        if self._refusal is not None:
            raise self._refusal


@router.get("/", responses=answers(200, example={"name": "taskapi", "ready": "/readyz"}))
async def index(request: Request) -> dict[str, str]:
    """What this is, and where to go from here."""
    links = {
        "name": "taskapi",
        "version": __version__,
        "tasks": "/api/{user_id}/tasks",
        "live": "/livez",
        "ready": "/readyz",
        "metrics": "/metrics",
    }
    if request.app.state.settings.docs_enabled:
        links |= {"documentation": "/docs", "openapi": "/openapi.json"}
    return links


@router.get("/livez", responses=answers(200, example={"status": "alive"}))
async def livez() -> dict[str, str]:
    """The process runs."""
    return {"status": "alive"}


@router.get("/readyz", responses=answers(200, example={"status": "ready"}) | errors(503))
async def readyz(request: Request) -> dict[str, str]:
    """The database answers, its schema is current, and the process is not about to stop."""
    if request.app.state.drain.begun:
        raise Unavailable("This process is about to stop.")
    await request.app.state.readiness.check()
    return {"status": "ready"}


@router.get(
    "/metrics",
    response_class=Response,
    responses={200: {"content": {"text/plain": FIGURES}}},
)
async def metrics() -> Response:
    """Figures for Prometheus."""
    return Response(generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})
