"""What those who run the service look at: health, metrics, and an index of what is here."""

import asyncio
import platform
import time
from collections.abc import Iterator
from typing import get_args

from fastapi import Request, Response
from prometheus_client import CONTENT_TYPE_LATEST

from taskapi import __version__
from taskapi.config import UserIdType
from taskapi.database import faults
from taskapi.database.executor import Executor
from taskapi.database.faults import Fault
from taskapi.database.schema import check_schema
from taskapi.edge.router import Router
from taskapi.errors import DatabaseUnavailable, Draining, Refusal, Unavailable
from taskapi.observability import metrics as figures
from taskapi.openapi.responses import errors, returns
from taskapi.state import state_of

router = Router(tags=["operations"])

FIGURES = {
    "schema": {"type": "string"},
    "example": 'taskapi_requests_total{method="GET",route="/livez",status="200"} 1.0',
}

READINESS_SECONDS = 1.0
"""How long an answer of the database counts: any number of probes asks it once in that time."""


READINESS_PATIENCE = 3.0
"""Seconds for the database to answer. A database that is slower is of no use to requests either."""


class Readiness:
    """Whether the database answers and its schema is current."""

    def __init__(self, database: Executor, user_id_type: UserIdType) -> None:
        self._database = database
        self._user_id_type: UserIdType = user_id_type
        self._asked = -READINESS_SECONDS
        self._asking: asyncio.Task[None] | None = None
        self._refusal: Unavailable | None = None

    async def check(self) -> None:
        """Raise what `check_schema` raised at most a moment ago."""
        if self._asking is None and time.monotonic() - self._asked >= READINESS_SECONDS:
            self._asking = asyncio.create_task(self._ask())
        if self._asking is not None:
            # Shielded: all probes wait for the one question, also when one of them leaves.
            await asyncio.shield(self._asking)
        if self._refusal is not None:
            # Not the same exception again, to which every raise would add a traceback.
            raise type(self._refusal)(self._refusal.detail)

    async def _ask(self) -> None:
        try:
            async with asyncio.timeout(READINESS_PATIENCE):
                await check_schema(self._database, self._user_id_type)
            self._refusal = None
        except Unavailable as refusal:
            self._refusal = refusal
        except TimeoutError:
            self._refusal = DatabaseUnavailable()
        finally:
            self._asked = time.monotonic()
            self._asking = None


class Sampler:
    """Writes down what is true now, where the counters say what has been."""

    def __init__(self, database: Executor) -> None:
        self._connections = database.pool
        self._process = figures.ProcessFigures() if figures.shared() else None
        figures.BUILD.labels(__version__, platform.python_version()).set(1)
        figures.WORKERS.set(1)
        _count_from_zero()

    def sample(self) -> None:
        """Look, and write down."""
        connections = self._connections
        figures.CONNECTIONS_MAX.set(connections.size)
        figures.CONNECTIONS_OPEN.set(connections.open)
        figures.CONNECTIONS_IN_USE.set(connections.in_use)
        figures.WAITING.set(connections.waiting)
        if self._process is not None:
            self._process.sample()

    async def keep_sampling(self) -> None:
        """Sample for the other workers, whoever of them is asked; until cancelled."""
        while figures.shared():
            self.sample()
            await asyncio.sleep(figures.SAMPLE_SECONDS)


def _count_from_zero() -> None:
    """Show every counter before its first event: Prometheus sees no increase from nothing to 1."""
    for fault in vars(faults).values():
        if isinstance(fault, Fault):
            figures.DATABASE_FAULTS.labels(fault.kind)
            figures.DATABASE_RETRIES.labels(fault.kind)
    for reason in get_args(Refusal):
        figures.TOKEN_REFUSALS.labels(reason)
    for result in ("ok", "failed"):
        figures.KEY_SET_FETCHES.labels(result)
    for cause in ("queue_full", "timed_out"):
        figures.NO_CONNECTION.labels(cause)
    for kind in _with_subclasses(Unavailable):
        figures.UNAVAILABLE.labels(kind.code)


def _with_subclasses(parent: type[Unavailable]) -> Iterator[type[Unavailable]]:
    yield parent
    for child in parent.__subclasses__():
        yield from _with_subclasses(child)


@router.get("/", responses=returns(200, example={"name": "taskapi", "ready": "/readyz"}))
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
    if state_of(request).settings.docs_enabled:
        links |= {"documentation": "/docs", "openapi": "/openapi.json"}
    return links


@router.get("/livez", responses=returns(200, example={"status": "alive"}))
async def livez() -> dict[str, str]:
    """The process runs."""
    return {"status": "alive"}


@router.get("/readyz", responses=returns(200, example={"status": "ready"}) | errors(503))
async def readyz(request: Request) -> dict[str, str]:
    """The database answers, its schema is current, and the process is not about to stop."""
    state = state_of(request)
    if state.drain.begun:
        raise Draining
    await state.readiness.check()
    return {"status": "ready"}


@router.get(
    "/metrics",
    response_class=Response,
    responses={200: {"content": {"text/plain": FIGURES}}},
)
async def metrics(request: Request) -> Response:
    """Figures for Prometheus."""
    state_of(request).sampler.sample()
    # In a thread: with several workers it reads their files.
    text = await asyncio.to_thread(figures.exposition)
    return Response(text, headers={"Content-Type": CONTENT_TYPE_LATEST})
