"""What operators and their tools ask for: an index, health, readiness and metrics. No token."""

import asyncio

from fastapi import Request, Response
from prometheus_client import CONTENT_TYPE_LATEST

from taskapi import __version__
from taskapi.edge.router import Router
from taskapi.errors import Draining, Overloaded
from taskapi.observability.metrics import exposition
from taskapi.openapi.responses import Responses, errors, returns
from taskapi.server.connections import is_full
from taskapi.state import state_of

router = Router(tags=["operations"])

METRICS_TEXT = {
    "schema": {"type": "string"},
    "example": 'taskapi_requests_total{method="GET",route="/livez",status="200"} 1.0',
}

METRICS: Responses = {200: returns(200)[200] | {"content": {"text/plain": METRICS_TEXT}}}


@router.get(
    "/",
    responses=returns(200, example={"name": "taskapi", "ready": "readyz"}) | errors(422),
)
async def get_index(request: Request) -> dict[str, str]:
    """What this is, and where to go from here: relative URLs, below whatever prefix."""
    links = {
        "name": "taskapi",
        "version": __version__,
        "tasks": "api/{user_id}/tasks",
        "live": "livez",
        "ready": "readyz",
        "metrics": "metrics",
    }
    if state_of(request).settings.docs_enabled:
        links |= {"documentation": "docs", "openapi": "openapi.json"}
    return links


@router.get("/livez", responses=returns(200, example={"status": "alive"}) | errors(422))
async def get_liveness() -> dict[str, str]:
    """The process runs."""
    return {"status": "alive"}


@router.get("/readyz", responses=returns(200, example={"status": "ready"}) | errors(422, 503))
async def get_readiness(request: Request) -> dict[str, str]:
    """The database answers, its schema is current, and the process can take connections."""
    state = state_of(request)
    if state.drain.begun:
        raise Draining
    if is_full(request.scope):
        raise Overloaded("All connections are in use.")
    await state.readiness.check()
    return {"status": "ready"}


@router.get(
    "/metrics",
    response_class=Response,
    responses=METRICS | errors(422),
)
async def get_metrics(request: Request) -> Response:
    """Figures for Prometheus."""
    state_of(request).sampler.sample()
    # In a thread: with several workers it reads their files.
    text = await asyncio.to_thread(exposition)
    return Response(text, headers={"Content-Type": CONTENT_TYPE_LATEST})
