"""An assistant: the official client of the Model Context Protocol, with its own OAuth client."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx2
from mcp import Client
from mcp.client.auth import OAuthClientProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import (
    AuthorizationCodeResult,
    OAuthClientInformationFull,
    OAuthClientMetadata,
    OAuthToken,
)

from support.auth_server import Account
from support.oauth_client import METADATA, consent
from support.waiting import PATIENCE


class Keychain:
    """Where the assistant keeps its registration and its tokens (the SDK's `TokenStorage`)."""

    def __init__(self) -> None:
        self.tokens: OAuthToken | None = None
        self.registration: OAuthClientInformationFull | None = None

    async def get_tokens(self) -> OAuthToken | None:
        return self.tokens

    async def set_tokens(self, tokens: OAuthToken) -> None:
        self.tokens = tokens

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        return self.registration

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        self.registration = client_info


class Assistant:
    """It knows the address of `/mcp`, and has a user who lets it in.

    Attributes:
        keychain: what it remembers.
        asked: the URLs that its user has opened for it.
        grants: the scopes that its user consents to; None for all that it asks for.
    """

    def __init__(self, url: str, account: Account, grants: str | None = None) -> None:
        self._url = url
        self._account = account
        self.grants = grants
        self.keychain = Keychain()
        self.asked: list[str] = []

    @asynccontextmanager
    async def connected(self, mode: str) -> AsyncIterator[Client]:
        """A connection, in a mode of the SDK: `auto`, or `legacy` as clients of 2025 begin."""
        provider = OAuthClientProvider(
            self._url,
            OAuthClientMetadata.model_validate(METADATA),
            self.keychain,
            self._show,
            self._answer,
        )
        async with (
            httpx2.AsyncClient(auth=provider, timeout=PATIENCE) as http,
            Client(streamable_http_client(self._url, http_client=http), mode=mode) as client,
        ):
            yield client

    async def _show(self, url: str) -> None:
        self.asked.append(url)

    async def _answer(self) -> AuthorizationCodeResult:
        return AuthorizationCodeResult(**consent(self._account, self.asked[-1], self.grants))
