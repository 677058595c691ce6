"""The doctor: looks at settings, database, keys and a token, and says in words what it finds."""

from collections.abc import AsyncIterator

from taskapi.auth.verifier import Verifier
from taskapi.config import Settings
from taskapi.database.url import DatabaseUrl
from taskapi.doctor.database import examine_database
from taskapi.doctor.findings import Finding
from taskapi.doctor.tokens import examine_key_set, examine_secret, examine_token


async def examine(
    settings: Settings, address: DatabaseUrl, token: str | None
) -> AsyncIterator[Finding]:
    """Look at everything, in the order in which to put it right."""
    yield _settings(settings)
    async for finding in examine_database(settings, address):
        yield finding
    yield examine_secret(settings)
    verifier = Verifier.of(settings)
    if verifier.key_set is not None:
        yield await examine_key_set(verifier.key_set, settings)
    if token is not None:
        async for finding in examine_token(verifier, token.encode()):
            yield finding
    if verifier.key_set is not None:
        await verifier.key_set.close()


def _settings(settings: Settings) -> Finding:
    """They were read, or there would be no doctor."""
    return Finding(
        "settings",
        f"each can be read; {settings.workers} x {settings.pool_size} connections "
        f"(WORKERS, DATABASE_POOL_SIZE), {settings.request_timeout:g} s for a request",
    )
