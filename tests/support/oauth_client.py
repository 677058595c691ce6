"""OAuth clients, and the users who sign in and consent for them: RFC 6749 with PKCE, no person."""

import base64
import hashlib
import re
import secrets
from collections.abc import Sequence
from typing import Any
from urllib.parse import SplitResult, parse_qsl, urlencode, urlsplit

import httpx

from support.auth_server import PASSWORD, Account, AuthServer
from support.waiting import PATIENCE

REDIRECT_URI = "http://127.0.0.1:33418/callback"
"""Nobody listens there: the code is read from the redirect itself."""

VERIFIER = secrets.token_urlsafe(48)
"""Of all authorizations of a test process: nobody else is there to redeem a code."""

BOTH = "tasks:read tasks:write"

METADATA = {
    "client_name": "An assistant",
    "redirect_uris": [REDIRECT_URI],
    "application_type": "native",
    "token_endpoint_auth_method": "none",
    "grant_types": ["authorization_code", "refresh_token"],
}
"""Of a client that runs on its user's machine (RFC 7591, 2; RFC 8252)."""


def consent(account: Account, url: str, grants: str | None = None) -> dict[str, str]:
    """What the client gets back from an authorization URL that its user opens and agrees to.

    Args:
        account: the user, who signs in where they are asked to.
        url: of the authorization endpoint.
        grants: the scopes that the user grants; None for all that the client asks for.
    """
    return _answer(account, url, {"accept": True} | ({"scope": grants} if grants else {}))


def refusal(account: Account, url: str) -> dict[str, str]:
    """The same, if the user does not agree."""
    return _answer(account, url, {"accept": False})


def _answer(account: Account, url: str, decision: dict[str, object]) -> dict[str, str]:
    response = account.browser.get(url)
    assert response.status_code == 302, response.text
    location = response.headers["Location"]
    while location.startswith("/"):  # a page of the web application's own
        location = _submit(account, urlsplit(location), decision)
    return dict(parse_qsl(urlsplit(location).query))


def _submit(account: Account, page: SplitResult, decision: dict[str, object]) -> str:
    """Do on a page what a person does, and give where the browser goes from there."""
    pages: dict[str, tuple[str, dict[str, object]]] = {
        "/sign-in": ("sign-in/email", {"email": account.email, "password": PASSWORD}),
        "/consent": ("oauth2/consent", decision),
    }
    path, form = pages[page.path]
    response = account.browser.post(f"/api/auth/{path}", json=form | {"oauth_query": page.query})
    assert response.status_code == 200, response.text
    url: str = response.json()["url"]
    return url


class OAuthClient:
    """A program that is registered with Better Auth.

    Args:
        auth: the authorization server.
        registration: what that has answered to its registration (RFC 7591, 3.2.1).

    Attributes:
        id: its `client_id`.
        redirect_uri: where its users' browsers bring the answer.
        token_endpoint: where it gets tokens.
    """

    def __init__(self, auth: AuthServer, registration: dict[str, Any]) -> None:
        self._auth = auth
        self._secret = registration.get("client_secret")
        self.redirect_uri: str = registration["redirect_uris"][0]
        self.id: str = registration["client_id"]
        self.token_endpoint = f"{auth.url}/api/auth/oauth2/token"

    @classmethod
    def registered(cls, auth: AuthServer, **metadata: object) -> "OAuthClient":
        """One that has registered itself."""
        response = httpx.post(
            f"{auth.url}/api/auth/oauth2/register", json=METADATA | metadata, timeout=PATIENCE
        )
        assert response.status_code == 201, response.text
        return cls(auth, response.json())

    @classmethod
    def registered_by(
        cls, operator: Account, auth: AuthServer, metadata: dict[str, Any]
    ) -> "OAuthClient":
        """One that the operator of the web application has registered, and linked to the API."""
        response = operator.browser.post("/programs", json=metadata)
        assert response.status_code == 200, response.text
        return cls(auth, response.json())

    def tokens(
        self, account: Account, resource: str | Sequence[str] | None, scope: str = BOTH
    ) -> dict[str, str]:
        """Ask for tokens, which the user consents to.

        Args:
            account: the user.
            resource: what the tokens are for (RFC 8707); None leaves it out.
            scope: with blanks between them.
        """
        answer = consent(account, self.authorization_url(resource, scope))
        assert "code" in answer, answer
        return self.redeem(answer["code"], resource)

    def authorization_url(self, resource: str | Sequence[str] | None, scope: str = BOTH) -> str:
        """The URL that the user opens, with PKCE (RFC 7636)."""
        digest = hashlib.sha256(VERIFIER.encode()).digest()
        query = {
            "response_type": "code",
            "client_id": self.id,
            "redirect_uri": self.redirect_uri,
            "scope": scope,
            "code_challenge": base64.urlsafe_b64encode(digest).decode().rstrip("="),
            "code_challenge_method": "S256",
            "resource": resource or [],
        }
        return f"{self._auth.url}/api/auth/oauth2/authorize?{urlencode(query, doseq=True)}"

    def redeem(
        self, code: str, resource: str | Sequence[str] | None, proof: str | None = None
    ) -> dict[str, str]:
        """The tokens for a code that the user has brought back.

        Args:
            code: of the answer.
            resource: as in the authorization URL.
            proof: of the key that the tokens are to be bound to (RFC 9449, 4).
        """
        return self.grant(
            "authorization_code",
            {} if proof is None else {"DPoP": proof},
            code=code,
            code_verifier=VERIFIER,
            redirect_uri=self.redirect_uri,
            resource=resource or [],
        )

    def grant(
        self, grant_type: str, headers: dict[str, str] | None = None, **form: object
    ) -> dict[str, str]:
        """What the token endpoint gives for a grant."""
        response = self.request(grant_type, headers, **form)
        assert response.status_code == 200, response.text
        tokens: dict[str, str] = response.json()
        return tokens

    def request(
        self, grant_type: str, headers: dict[str, str] | None = None, **form: object
    ) -> httpx.Response:
        """The token endpoint's answer.

        Args:
            grant_type: of RFC 6749.
            headers: beside the usual ones.
            form: the parameters of the grant.
        """
        form["grant_type"] = grant_type
        identity = (self.id, self._secret) if self._secret is not None else None
        if identity is None:
            form["client_id"] = self.id
        return httpx.post(
            self.token_endpoint, data=form, auth=identity, headers=headers, timeout=PATIENCE
        )


def challenge_of(response: httpx.Response) -> dict[str, str]:
    """The parameters of a response's challenge (RFC 6750, 3)."""
    scheme, _, parameters = response.headers["WWW-Authenticate"].partition(" ")
    assert scheme == "Bearer"
    return dict(re.findall(r'(\w+)="([^"]*)"', parameters))
