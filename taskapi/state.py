"""The state of a running service: made once at start, typed, and read through `state_of`."""

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from starlette.requests import Request

from taskapi.config import Settings
from taskapi.database.executor import Executor
from taskapi.database.owner import Users

if TYPE_CHECKING:  # their rooms read the state, so it cannot import them
    from taskapi.changes.notifier import Notifier
    from taskapi.edge.memory import ResponseMemory
    from taskapi.operations.readiness import Readiness
    from taskapi.operations.sampler import Sampler
    from taskapi.server.drain import Drain


@dataclass(frozen=True, slots=True)
class ServiceState:
    """What requests use of what the start has made.

    Attributes:
        settings: of this service.
        drain: whether the process has been told to stop.
        executor: runs statements.
        users: the users table.
        response_memory: what the responses under way hold.
        bulk: held by a request while it reads or writes all tasks of a user, so that the others
            have most connections for themselves.
        readiness: whether the database can serve.
        sampler: sets the gauges.
        notifier: wakes those who wait for changes.
    """

    settings: Settings
    drain: "Drain"
    executor: Executor
    users: Users
    response_memory: "ResponseMemory"
    bulk: asyncio.Semaphore
    readiness: "Readiness"
    sampler: "Sampler"
    notifier: "Notifier"


def state_of(request: Request) -> ServiceState:
    """The state of the service that serves this request.

    It is an attribute of the application, not of Starlette's `app.state`, whose `__getattr__` takes
    0.5 microseconds for each use.
    """
    state: ServiceState = request.scope["app"].service_state
    return state
