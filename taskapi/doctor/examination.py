"""The examination: everything that the service needs, in the order in which to put it right."""

from collections.abc import AsyncIterator

from taskapi.auth.authorization import served
from taskapi.auth.verifier import Verifier
from taskapi.config import Settings
from taskapi.database.url import DatabaseUrl
from taskapi.doctor.database import examine_database
from taskapi.doctor.findings import Finding
from taskapi.doctor.tokens import examine_key_set, examine_secret, examine_token
from taskapi.risks import risks_of


async def examine(
    settings: Settings, url: DatabaseUrl, token: str | None
) -> AsyncIterator[Finding]:
    """Examine settings, database and keys, and the token where there is one."""
    yield _settings(settings)
    for risk in risks_of(settings, url):
        yield Finding(risk.subject, risk.text, good=False, remedy=risk.remedy)
    async for finding in examine_database(settings, url):
        yield finding
    yield examine_secret(settings)
    verifier = Verifier.of(settings)
    try:
        if verifier.key_set is not None:
            yield await examine_key_set(verifier.key_set, settings)
        if token is not None:
            # With what is not UTF-8 on the command line or the standard input, as Python reads it.
            compact = token.encode(errors="surrogateescape")
            async for finding in examine_token(verifier, compact, served(settings)):
                yield finding
    finally:
        if verifier.key_set is not None:
            await verifier.key_set.close()


def _settings(settings: Settings) -> Finding:
    """Always good: with a wrong setting, the command has ended before the examination."""
    return Finding(
        "settings",
        f"valid; WORKERS={settings.workers} with {settings.pool_size} connections each, "
        f"REQUEST_TIMEOUT={settings.request_timeout:g} s",
    )
