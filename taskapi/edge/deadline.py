"""Ends a request at its deadline, or when its client disconnects.

uvicorn does not cancel a handler when its client disconnects, so the handler would go on and hold a
database connection. Detecting a disconnect needs a task that awaits `receive()`, so only requests
that run longer than 50 ms get one. One timer checks all requests of the process: a timer for each
would cost 17 microseconds of CPU, a tenth of reading one task.
"""

import asyncio
import math
from collections.abc import Callable

from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from taskapi.edge.route import Route
from taskapi.errors import Draining, RequestTimedOut, TimedOut

CHECK_SECONDS = 0.05
"""Between two checks. The usual request is over in a tenth of that, and nothing listens for it."""

PATIENT_CHECK_SECONDS = 1.0
"""The same for streams and requests that wait. Checking 1,000 of them as often as others takes 2 %
of a core."""


def extend_deadline(request: Request, seconds: float) -> None:
    """Give this request a deadline of its own, because it is going to wait for something.

    The time is not counted as that of a slow request (`edge.request_log`).

    Args:
        request: the request.
        seconds: since it began.
    """
    request.scope["deadline"] = seconds


class DeadlineMiddleware:
    """Ends a request with `TimedOut`, `ClientDisconnect` or, if it streams, `Draining`.

    One whose body is not complete at its deadline ends with `RequestTimedOut`.

    Args:
        app: the layers within.
        seconds: the deadline for a whole request, its body included, where its route has no other.
        is_draining: whether the process is about to stop. Requests without a deadline then end.
    """

    def __init__(self, app: ASGIApp, seconds: float, is_draining: Callable[[], bool]) -> None:
        self._app = app
        self._seconds = seconds
        self._is_draining = is_draining
        self._active: set[ActiveRequest] = set()
        self._patient: set[ActiveRequest] = set()
        self._patient_check = 0.0
        self._is_scheduled = False
        self._loop: asyncio.AbstractEventLoop | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # Not get_running_loop() for each request, which is a system call in Python 3.11 (getpid).
        if self._loop is None or not self._loop.is_running():
            self._loop = asyncio.get_running_loop()
        request = ActiveRequest(scope, receive, self._loop)
        self._active.add(request)
        if not self._is_scheduled:
            self._check_later(self._loop)
        try:
            await self._app(scope, request.receive, send)
        except asyncio.CancelledError:
            if request.reason is None:
                raise  # cancelled by somebody else
            raise request.reason from None
        finally:
            self._active.discard(request)
            self._patient.discard(request)
            request.close()

    def _check_later(self, loop: asyncio.AbstractEventLoop) -> None:
        self._is_scheduled = True
        loop.call_later(CHECK_SECONDS, self._check, loop)

    def _check(self, loop: asyncio.AbstractEventLoop) -> None:
        self._is_scheduled = False
        now, draining = loop.time(), self._is_draining()
        for request in self._active:
            request.check(now, self._seconds, draining=draining)
        patient = {request for request in self._active if request.is_patient}
        self._active -= patient
        self._patient |= patient
        if draining or now >= self._patient_check:
            self._patient_check = now + PATIENT_CHECK_SECONDS
            for request in self._patient:
                request.check(now, self._seconds, draining=draining)
        if self._active or self._patient:
            self._check_later(loop)


class ActiveRequest:
    """One request that is being processed.

    Attributes:
        reason: why it was ended here; None if it was not.
    """

    __slots__ = (
        "_ahead",
        "_has_body",
        "_listener",
        "_loop",
        "_reading",
        "_receive",
        "_scope",
        "_started",
        "_task",
        "reason",
    )

    def __init__(self, scope: Scope, receive: Receive, loop: asyncio.AbstractEventLoop) -> None:
        task = asyncio.current_task(loop)
        assert task is not None  # noqa: S101 - for the types: a coroutine runs in a task
        self._task = task
        self._loop = loop
        self._started = loop.time()
        self._scope = scope
        self._receive = receive
        self._reading = False
        self._has_body = False
        self._ahead: asyncio.Queue[Message] | None = None
        self._listener: asyncio.Task[None] | None = None
        self.reason: Exception | None = None

    async def receive(self) -> Message:
        """The client's next message, for the application."""
        self._reading = True
        try:
            message = await (self._receive() if self._ahead is None else self._ahead.get())
        finally:
            self._reading = False
        self._has_body = not message.get("more_body", False)
        return message

    def check(self, now: float, seconds: float, *, draining: bool) -> None:
        """End the request if its time is up; begin to listen for a disconnect if it is not new.

        Args:
            now: the loop's time.
            seconds: the deadline, unless the route has its own.
            draining: whether the process is about to stop.
        """
        deadline, age = self._deadline(seconds), now - self._started
        if age >= deadline:
            self._end(RequestTimedOut() if self._reading and not self._has_body else TimedOut())
        elif draining and deadline == math.inf:
            self._end(Draining())
        elif age < CHECK_SECONDS:
            return  # it will be over before the next check, as nearly all are
        elif self._ahead is None and not self._reading:  # who reads sees a disconnect anyway
            self._ahead = asyncio.Queue(maxsize=1)  # so that no body is read far ahead of its use
            self._listener = self._loop.create_task(self._listen(self._ahead))

    @property
    def is_patient(self) -> bool:
        """Whether it streams or waits, and a disconnect of its client is listened for."""
        waits = "deadline" in self._scope or self._deadline(0) == math.inf
        return waits and (self._ahead is not None or self._reading)

    def _deadline(self, seconds: float) -> float:
        own: float | None = self._scope.get("deadline")
        if own is not None:
            return own
        # The router has put the route into the scope, if it has found one by now.
        route: Route | None = self._scope.get("route")
        return seconds if route is None or route.deadline is None else route.deadline

    def close(self) -> None:
        """Stop listening. What was cancelled here counts as cancelled no longer."""
        if self._listener is not None:
            self._listener.cancel()
            self._listener = None  # each holds the other, which only the collector would undo
        if self.reason is not None:
            self._task.uncancel()

    async def _listen(self, ahead: asyncio.Queue[Message]) -> None:
        while (message := await self._receive())["type"] != "http.disconnect":
            await ahead.put(message)
        self._end(ClientDisconnect())

    def _end(self, reason: Exception) -> None:
        if self.reason is None:
            self.reason = reason
            self._task.cancel()
