"""The routes by which tasks leave and come as files."""

import json
from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import Depends, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse

from taskapi.changes.feed import ChangeFeed
from taskapi.changes.schemas import EXAMPLE_TOKEN
from taskapi.edge.body import BoundedRequest, raw_stream
from taskapi.edge.fairness import charge, turn_of
from taskapi.edge.memory import MEBIBYTE
from taskapi.edge.places import Places
from taskapi.edge.router import Router
from taskapi.errors import NotJson, TooManyTransfers
from taskapi.observability import metrics
from taskapi.openapi.responses import Responses, errors, returns
from taskapi.resource.dependency import own
from taskapi.scopes import READ, WRITE
from taskapi.state import state_of
from taskapi.tasks.schemas import EXAMPLE_TASK
from taskapi.transfer import importing
from taskapi.transfer.checking import CheckedFile, ImportRefused, check_file
from taskapi.transfer.download import Download
from taskapi.transfer.formats.records import ExportFormat
from taskapi.transfer.formats.table import EXPORTS, IMPORTS
from taskapi.transfer.importing import ImportStore
from taskapi.transfer.schemas import (
    IMPORTED_BYTES_PER_WEIGHT,
    ExportQuery,
    ImportQuery,
    ImportResult,
)

router = Router("/api/{user_id}/tasks", tags=["transfer"])

MAX_IMPORT_BYTES = 10 * MEBIBYTE

IMPORT_SECONDS = 120.0
"""For a file to arrive and to be written: 10 MiB at 1 Mbit/s take 84."""

EXPORT_SECONDS = 600.0
"""For a client to take a file."""

places = Places(metrics.IMPORTS, TooManyTransfers, max_per_user=1, max_per_process=4)
"""An import of 100,000 tasks holds 12 MB while it is checked."""

OwnFeed = Annotated[ChangeFeed, Depends(own(ChangeFeed))]
OwnImports = Annotated[ImportStore, Depends(own(ImportStore))]


def _file(form: ExportFormat) -> dict[str, Any]:
    """An export of one task, as content of the document."""
    task = json.dumps(EXAMPLE_TASK, separators=(",", ":")).encode()
    example = form.head + form.write(task) + form.end(1, EXAMPLE_TOKEN)
    return {"schema": {"type": "string", "format": "binary"}, "example": example.decode()}


def _files() -> Responses:
    described = returns(200, "Content-Disposition")
    described[200]["content"] = {form.media_type: _file(form) for form in EXPORTS.values()}
    return described


# Any type is taken. Generated clients know this one for files.
FILE: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {"application/octet-stream": _file(EXPORTS["jsonl"])},
    }
}


@router.get(
    "/export",
    requires=READ,
    response_class=Response,  # without a media type, which errors would have too
    responses=_files() | errors(401, 403, 404, 422, 429, 503),
    streams=True,
    deadline=EXPORT_SECONDS,
)
async def export_tasks(
    request: Request, query: Annotated[ExportQuery, Query()], feed: OwnFeed
) -> Response:
    """Download your tasks of one moment as a file. Its end says how many it has."""
    return Download(state_of(request), feed, query)


@router.post(
    "/import",
    requires=WRITE,
    response_model=ImportResult,
    responses=returns(200) | errors(401, 403, 404, 408, 413, 415, 422, 429, 503),
    openapi_extra=FILE,
    reads=raw_stream,
    max_body_bytes=MAX_IMPORT_BYTES,
    deadline=IMPORT_SECONDS,
)
async def import_tasks(
    request: BoundedRequest, query: Annotated[ImportQuery, Query()], tasks: OwnImports
) -> Response:
    """Create the tasks of a file that you do not have yet, all or none of them.

    A file of which a record cannot be a task is refused, with the line and the reason of each.
    """
    _refuse_encoded(request)
    state = state_of(request)
    reader = IMPORTS[query.format].reader()
    with places.taken(tasks.owner), CheckedFile() as file:
        try:
            await check_file(file, _charged(request), reader)
        except ImportRefused as error:
            raise _invalid(error) from None
        async with turn_of(request.scope), state.bulk:
            report = await importing.import_tasks(
                state.executor, tasks, file, dry_run=query.dry_run
            )
    return JSONResponse({**report._asdict(), "dry_run": query.dry_run})


async def _charged(request: BoundedRequest) -> AsyncIterator[bytes]:
    """The body, counted in its user's rate: at once if its length is known, else as it arrives."""
    counted, received = request.announced_bytes, 0
    charge(request.scope, counted // IMPORTED_BYTES_PER_WEIGHT)
    async for part in request.stream():
        received += len(part)
        if received > counted:
            weight = received // IMPORTED_BYTES_PER_WEIGHT - counted // IMPORTED_BYTES_PER_WEIGHT
            charge(request.scope, weight)
            counted = received
        yield part


def _refuse_encoded(request: Request) -> None:
    """Of any type, because curl and browsers name others than the file's; but the file itself."""
    kind = request.headers.get("content-type", "").lower()
    coding = request.headers.get("content-encoding", "identity").strip().lower()
    if kind.startswith("multipart/") or coding not in {"", "identity"}:
        raise NotJson("Send the file itself as the body, without a form and without a coding.")


def _invalid(error: ImportRefused) -> RequestValidationError:
    return RequestValidationError(
        [
            {"loc": ("body", refusal.line), "type": "import_refused", "msg": refusal.reason}
            for refusal in error.refusals
        ]
    )
