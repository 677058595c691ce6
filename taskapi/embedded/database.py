"""Which database: the one of `DATABASE_URL`, or the embedded server's."""

from collections.abc import Iterator
from contextlib import contextmanager

from taskapi.config import LOCAL_DIRECTORY, DatabaseSettings
from taskapi.database.url import DatabaseUrl
from taskapi.embedded.server import EmbeddedServer

SERVICE_ROLE = "taskapi_service"
"""The role as which the service uses the embedded database. It owns nothing there, as in
production, so row security applies to it."""


@contextmanager
def database_in_use(settings: DatabaseSettings, *, as_owner: bool = False) -> Iterator[DatabaseUrl]:
    """The database of these settings. The embedded server runs for as long as the context is open.

    Contexts may overlap, in one process or in several. The last one to close stops the server.

    Args:
        settings: may name a database, with the role to use.
        as_owner: whether the role is to be the owner of the embedded database, who migrates it.

    Raises:
        EmbeddedServerError: the embedded server cannot start.
    """
    if settings.database_url is not None:
        yield DatabaseUrl.parse(settings.database_url.get_secret_value())
        return
    server = EmbeddedServer(LOCAL_DIRECTORY)
    try:
        owner = server.start()
        yield owner if as_owner else owner.as_role(SERVICE_ROLE)
    finally:
        server.stop()
