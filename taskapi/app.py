"""The application: the one place where its parts are made and joined."""

import asyncio
import gc
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from functools import partial
from typing import cast

import structlog
from fastapi import FastAPI
from fastapi.concurrency import contextmanager_in_threadpool
from starlette.middleware import Middleware
from starlette.types import ASGIApp, Receive, Scope, Send

from taskapi.auth import metadata
from taskapi.auth.middleware import AuthMiddleware
from taskapi.auth.verifier import Verifier
from taskapi.changes import routes as changes
from taskapi.changes.notifier import Notifier
from taskapi.clock.sweeping import tombstones
from taskapi.config import Settings
from taskapi.database.executor import Executor
from taskapi.database.mismatch import SchemaMismatch
from taskapi.database.owner import Users
from taskapi.database.schema import check_schema, migrate
from taskapi.database.sweeper import keep_sweeping
from taskapi.database.url import DatabaseUrl
from taskapi.edge.cors import CorsMiddleware
from taskapi.edge.deadline import DeadlineMiddleware
from taskapi.edge.error_handler import ErrorMiddleware
from taskapi.edge.fairness import Shares
from taskapi.edge.memory import ResponseMemory
from taskapi.edge.request_log import RequestLogMiddleware
from taskapi.edge.route import Route
from taskapi.edge.route_table import RouteTable
from taskapi.edge.router import refuse_foreign_routes
from taskapi.embedded.database import SERVICE_ROLE, database_in_use
from taskapi.errors import DatabaseUnavailable, SchemaOutdated
from taskapi.idempotency.statements import SWEEP as ANSWERS
from taskapi.mcp import routes as mcp
from taskapi.migrations.catalog import readiness_of
from taskapi.migrations.grants import grant_rights
from taskapi.observability import tracing
from taskapi.observability.logs import configure_logs
from taskapi.openapi.docs_page import add_docs_page
from taskapi.operations import routes as operations
from taskapi.operations.readiness import Readiness
from taskapi.operations.sampler import Sampler
from taskapi.server.drain import Drain
from taskapi.server.startup import run_lifespan
from taskapi.state import ServiceState
from taskapi.tasks import routes as tasks
from taskapi.transfer import routes as transfer

log = structlog.get_logger("taskapi")

API_ROUTES = [
    *changes.router.routes,
    *transfer.router.routes,
    *tasks.router.routes,
    *operations.router.routes,
]
"""Every route of the OpenAPI document."""

START_SECONDS = 3.0
"""For the database to respond at start; `/livez` does so only after that. A platform that waits
less long for it, because the database is away, would restart the service again and again."""

BULK_CONNECTIONS = 2
"""Exports and imports that use the database at once. Each has one connection, for seconds."""

COLLECTION_THRESHOLD = 10_000
"""New objects between two collections; Python's own is 700."""


class Service(FastAPI):
    """FastAPI with these layers and no others.

    FastAPI's own turn exceptions into responses of another shape than this service's, and
    cost a tenth of a request. Here `ErrorMiddleware` does that.

    Attributes:
        settings: of this service.
        verifier: verifies the tokens of its requests.
        drain: whether the process has been told to stop.
        shares: of its users.
        service_state: set by the lifespan; `state_of` reads it.
    """

    service_state: ServiceState

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.verifier = Verifier.of(settings)
        self.drain = drain = Drain()
        self.shares = Shares.of(settings)
        super().__init__(
            openapi_url=None,  # taskapi.openapi.docs_page serves it
            redirect_slashes=False,
            lifespan=_lifespan,
            middleware=[
                Middleware(RequestLogMiddleware, is_draining=lambda: drain.begun),
                Middleware(CorsMiddleware, origins=settings.allowed_origins),
                Middleware(ErrorMiddleware),
                Middleware(
                    DeadlineMiddleware,
                    seconds=settings.request_timeout,
                    is_draining=lambda: drain.begun,
                ),
                Middleware(AuthMiddleware, verifier=self.verifier, settings=settings),
            ],
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # Not FastAPI's, which reads its telemetry's environment variables with every request.
        scope["app"] = self
        if scope["type"] == "http":
            self.middleware_stack = self.middleware_stack or self.build_middleware_stack()
            await self.middleware_stack(scope, receive, send)
        else:
            await run_lifespan(self.router, scope, receive, send)

    def build_middleware_stack(self) -> ASGIApp:
        """The table of routes, inside the layers. All of them take HTTP, and nothing else."""
        stack: ASGIApp = RouteTable(cast("list[Route]", self.routes))
        for layer, arguments, options in reversed(self.user_middleware):
            stack = layer(stack, *arguments, **options)
        return stack


def create_app(settings: Settings) -> Service:
    """The whole service for these settings. Its lifespan connects and starts what it needs.

    Raises:
        SettingsError: the embedded service's secret can be neither read nor written.
    """
    configure_logs(settings)
    app = Service(settings)
    app.router.routes.extend(API_ROUTES)
    app.router.routes.extend(metadata.routes(settings))
    if settings.mcp_enabled:
        app.router.routes.extend(mcp.router.routes)
    if settings.docs_enabled:
        add_docs_page(app)
    refuse_foreign_routes(app)
    return app


@asynccontextmanager
async def _lifespan(app: Service) -> AsyncIterator[None]:
    settings, key_set = app.settings, app.verifier.key_set
    async with AsyncExitStack() as stack:
        stack.enter_context(tracing.exported())
        if key_set is not None:
            key_set.refresh()  # in the background: a start does not wait for it
            stack.push_async_callback(key_set.close)
        blocking = contextmanager_in_threadpool(database_in_use(settings))
        url = await stack.enter_async_context(blocking)
        if settings.embedded:
            await _prepare_embedded(settings)
        executor = await _open_executor(settings, url)
        stack.push_async_callback(executor.close)
        await _ensure_schema(settings, url, executor)
        app.service_state = state = _state(app, executor)
        for work in (
            keep_sweeping(executor, [ANSWERS, tombstones(settings.changes_retention)]),
            state.sampler.keep_sampling(),
            state.notifier.keep_asking(),
        ):
            stack.callback(asyncio.create_task(work).cancel)
        stack.enter_context(app.drain.on_signals())
        stack.enter_context(_rare_garbage_collections())
        yield


async def _open_executor(settings: Settings, url: DatabaseUrl) -> Executor:
    executor = Executor(
        url,
        pool_size=settings.pool_size,
        connect_timeout=settings.database_connect_timeout,
        statement_timeout=settings.request_timeout + 1,
    )
    await executor.open()
    return executor


def _state(app: Service, executor: Executor) -> ServiceState:
    settings = app.settings
    memory = ResponseMemory(wait_seconds=settings.database_connect_timeout)
    notifier = Notifier(executor)
    executor.when_written = notifier.wake
    app.drain.when_begun(notifier.stop)
    return ServiceState(
        settings=settings,
        drain=app.drain,
        executor=executor,
        users=Users(
            settings.users_table,
            create_unknown=settings.creates_unknown_users,
            max_tasks=settings.max_tasks_per_user or None,
        ),
        response_memory=memory,
        bulk=asyncio.Semaphore(BULK_CONNECTIONS),
        readiness=Readiness(executor, settings),
        sampler=Sampler(executor, app.shares.turns, memory),
        notifier=notifier,
    )


async def _prepare_embedded(settings: Settings) -> None:
    """As the owner of the embedded database, migrate it, and grant the service's role its rights.

    Raises:
        SchemaMismatch: no migration makes the schema fit the settings.
    """
    blocking = contextmanager_in_threadpool(database_in_use(settings, as_owner=True))
    async with blocking as owner, AsyncExitStack() as stack:
        executor = await _open_executor(settings, owner)
        stack.push_async_callback(executor.close)
        await _ensure_schema(settings, owner, executor)
        row = await executor.fetch_row(readiness_of(settings, SERVICE_ROLE), {})
        if row is None or not row["ready"]:
            grant = partial(grant_rights, settings, owner, SERVICE_ROLE, create_role=True)
            await asyncio.to_thread(grant)


async def _ensure_schema(settings: Settings, url: DatabaseUrl, executor: Executor) -> None:
    """Migrate the embedded database. Any other one is left to its operator.

    An unavailable database does not stop the start: requests get 503 until it is available.

    Raises:
        SchemaMismatch: no migration makes the schema fit the settings.
        SchemaOutdated: the operator must migrate the database first.
    """
    try:
        async with asyncio.timeout(min(START_SECONDS, settings.request_timeout)):
            await check_schema(executor, settings)
    except SchemaMismatch:
        raise
    except SchemaOutdated:
        if not settings.embedded:
            raise
        await asyncio.to_thread(migrate, settings, url)
    except (DatabaseUnavailable, TimeoutError):
        log.warning("started_without_database", database=str(url))


@contextmanager
def _rare_garbage_collections() -> Iterator[None]:
    """Collect cyclic garbage rarely, and only among the objects of requests.

    A request leaves almost none, but a collection visits every object while all requests wait. With
    32 connections that read one task each, 1 request in 100 took 60 ms, and takes 9 ms this way.
    CPU for a request falls by a tenth.
    """
    usual = gc.get_threshold()
    gc.collect()  # before freeze, which would keep the garbage of the start for good
    gc.freeze()
    gc.set_threshold(COLLECTION_THRESHOLD)
    try:
        yield
    finally:
        gc.set_threshold(*usual)
        gc.unfreeze()
