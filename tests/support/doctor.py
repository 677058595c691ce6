"""What the doctor finds, for tests to look at."""

import asyncio

from support.service import settings_for
from taskapi.config import Settings
from taskapi.database.url import DatabaseUrl
from taskapi.doctor.examination import examine
from taskapi.doctor.findings import Finding


def examined(
    address: DatabaseUrl, token: str | None = None, **changed: object
) -> dict[str, Finding]:
    """What the doctor finds, by what it looked at. The settings are wise, unless changed."""

    async def collect(settings: Settings) -> list[Finding]:
        return [finding async for finding in examine(settings, address, token)]

    wise = {} if token else {"jwt_issuer": "https://a.example", "jwt_audience": "tasks"}
    found = asyncio.run(collect(settings_for(address, **(wise | changed))))
    return {finding.subject.partition(" at ")[0]: finding for finding in found}
