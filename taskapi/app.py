"""The application: the one place where its parts are made and joined."""

import asyncio
import gc
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from functools import partial

import structlog
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.types import ASGIApp, Receive, Scope, Send

from taskapi.auth.claims import ClaimsCheck
from taskapi.auth.guard import Guard
from taskapi.auth.key_set import KeySet
from taskapi.auth.keys import local_secret, shared_secret
from taskapi.auth.verifier import Verifier
from taskapi.config import LOCAL_DIRECTORY, Settings, SettingsError
from taskapi.database.executor import Database
from taskapi.database.schema import check_schema, migrate
from taskapi.database.url import Address
from taskapi.edge.cors import CorsMiddleware
from taskapi.edge.cursor import Cursors
from taskapi.edge.deadline import DeadlineMiddleware
from taskapi.edge.error_handler import ErrorMiddleware
from taskapi.edge.request_log import RequestLogMiddleware
from taskapi.edge.router import add_routes, refuse_foreign_routes
from taskapi.embedded.server import EmbeddedServer
from taskapi.errors import DatabaseUnavailable, SchemaOutdated
from taskapi.observability import tracing
from taskapi.observability.logs import configure_logs
from taskapi.openapi.docs_page import add_docs_page
from taskapi.operations import routes as operations
from taskapi.operations.routes import Readiness, Sampler
from taskapi.server.drain import Drain
from taskapi.server.startup import start_or_explain
from taskapi.tasks import routes as tasks
from taskapi.tasks.store import TaskStores
from taskapi.tasks.sweeper import keep_sweeping

log = structlog.get_logger("taskapi")

COLLECTION_THRESHOLD = 10_000
"""New objects between two collections; Python's own is 700."""


class Service(FastAPI):
    """FastAPI with the layers that are named here, and no others around them.

    Its own turn exceptions into answers, in another shape than this service's, and cost a tenth of
    a request. Here `ErrorMiddleware` does that.
    """

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # Past FastAPI's, which asks the environment about its telemetry with every request.
        if scope["type"] == "lifespan":
            await start_or_explain(partial(Starlette.__call__, self), scope, receive, send)
        else:
            await Starlette.__call__(self, scope, receive, send)

    def build_middleware_stack(self) -> ASGIApp:
        """The router, inside the layers."""
        stack: ASGIApp = self.router
        for layer, arguments, options in reversed(self.user_middleware):
            stack = layer(stack, *arguments, **options)
        return stack


def create_app(settings: Settings) -> FastAPI:
    """The whole service for these settings. Nothing is reached or started before its lifespan."""
    configure_logs(settings)
    verifier, drain = verifier_for(settings), Drain()
    app = Service(
        openapi_url=None,  # taskapi.openapi.docs_page serves it
        redirect_slashes=False,
        lifespan=_lifespan,
        middleware=[
            Middleware(RequestLogMiddleware),
            Middleware(CorsMiddleware, origins=settings.cors_origins),
            Middleware(ErrorMiddleware, is_draining=lambda: drain.begun),
            Middleware(
                DeadlineMiddleware,
                seconds=settings.request_timeout,
                is_draining=lambda: drain.begun,
            ),
            Middleware(Guard, verifier=verifier),
        ],
    )
    app.state.settings = settings
    app.state.drain = drain
    app.state.key_set = verifier.key_set
    app.state.max_body_bytes = settings.max_body_bytes
    add_routes(app, tasks.router, operations.router)
    if settings.docs_enabled:
        add_docs_page(app)
    refuse_foreign_routes(app)
    return app


def secret_of(settings: Settings) -> str | None:
    """The secret that tokens may be signed with, if there is one."""
    if settings.better_auth_secret is not None:
        return settings.better_auth_secret.get_secret_value()
    try:
        return local_secret(LOCAL_DIRECTORY) if settings.embedded else None
    except OSError as error:
        raise SettingsError(
            f"  {error.filename}: {error.strerror}; start as its owner, or set DATABASE_URL"
        ) from None


def claims_for(settings: Settings) -> ClaimsCheck:
    """What tokens must say for these settings."""
    return ClaimsCheck(settings.user_id_type, settings.issuer, settings.audience)


def verifier_for(settings: Settings) -> Verifier:
    """The verifier of tokens for these settings."""
    secret = secret_of(settings)
    return Verifier(
        claims_for(settings),
        secret=shared_secret(secret) if secret else None,
        key_set=KeySet(settings.key_set_url) if settings.key_set_url else None,
    )


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    settings: Settings = app.state.settings
    async with AsyncExitStack() as stack:
        stack.enter_context(tracing.exported())
        if app.state.key_set is not None:
            app.state.key_set.refresh()  # in the background: a start does not wait for it
            stack.push_async_callback(app.state.key_set.close)
        address = await _address(settings, stack)
        database = Database(
            address,
            pool_size=settings.pool_size,
            connect_timeout=settings.database_connect_timeout,
            statement_timeout=settings.request_timeout + 1,
        )
        await database.open()
        stack.push_async_callback(database.close)
        await _ensure_schema(settings, address, database)
        app.state.readiness = Readiness(database, settings.user_id_type)
        app.state.sampler = Sampler(database)
        app.state.database = database
        app.state.task_stores = TaskStores(
            Cursors(_cursor_key(settings)),
            users_table=settings.users_table,
            create_unknown_users=settings.creates_unknown_users,
        )
        for work in (keep_sweeping(database), app.state.sampler.keep_sampling()):
            stack.callback(asyncio.create_task(work).cancel)
        stack.enter_context(app.state.drain.on_sigterm())
        stack.enter_context(_rare_garbage_collections())
        yield


async def _address(settings: Settings, stack: AsyncExitStack) -> Address:
    if settings.database_url is not None:
        return Address.parse(settings.database_url.get_secret_value())
    server = EmbeddedServer(LOCAL_DIRECTORY)
    address = await asyncio.to_thread(server.start)
    stack.push_async_callback(asyncio.to_thread, server.stop)
    return address


async def _ensure_schema(settings: Settings, address: Address, database: Database) -> None:
    """Migrate the embedded database; any other is the operator's, who is told what to run.

    A database that does not answer stops no start: requests get 503 until it does.
    """
    try:
        async with asyncio.timeout(settings.request_timeout):
            await check_schema(database, settings.user_id_type)
    except SchemaOutdated:
        if not settings.embedded:
            raise
        await asyncio.to_thread(migrate, settings, address)
    except (DatabaseUnavailable, TimeoutError):
        log.warning("started_without_database", address=str(address))


@contextmanager
def _rare_garbage_collections() -> Iterator[None]:
    """Collect cyclic garbage seldom, and only what requests have made.

    A request leaves next to none, but a collection looks at all that there is, and everybody waits:
    reading one task from 32 connections, 1 in 100 took 60 ms, and takes 9 ms this way. CPU for a
    request falls by a tenth.
    """
    usual = gc.get_threshold()
    gc.collect()  # what the start made and dropped is not kept for good
    gc.freeze()
    gc.set_threshold(COLLECTION_THRESHOLD)
    try:
        yield
    finally:
        gc.set_threshold(*usual)
        gc.unfreeze()


def _cursor_key(settings: Settings) -> bytes:
    """A secret that all replicas share: the one for tokens or, without it, the database's."""
    secret = secret_of(settings)
    if secret is None and settings.database_url is not None:
        secret = settings.database_url.get_secret_value()
    return (secret or "").encode()
