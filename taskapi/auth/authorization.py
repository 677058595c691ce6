"""Authorisation: the protected resources, and for each the rule that decides what a user may reach.

A path under none of them is public.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from taskapi.auth.claims import User
from taskapi.config import Settings
from taskapi.errors import NotYourPath

Rule = Callable[[User, str], None]
"""Raises an error with status 403 where this user may not reach this path."""


class ProtectedResource(NamedTuple):
    """Paths that need a token, and are one audience of access tokens (RFC 9728, 1.2).

    Attributes:
        prefix: of the paths.
        path: behind `PUBLIC_URL`, the URL by which an access token names it.
        rule: which of the paths a user may reach.
    """

    prefix: str
    path: str
    rule: Rule


API = "/api/"


def require_owner(user: User, path: str) -> None:
    """`/api/{user_id}/…` belongs to the user whose `sub` is that segment, character for character.

    Raises:
        NotYourPath: the segment is anything else, whether there is such a user or not.
    """
    if path[len(API) :].partition("/")[0] != user.subject:
        raise NotYourPath


def allow_everyone(user: User, path: str) -> None:
    """No user in the path: what a tool reaches is the token's user's alone."""


TASKS = ProtectedResource(API, "", require_owner)
MCP = ProtectedResource("/mcp", "/mcp", allow_everyone)

PROTECTED = (TASKS, MCP)


def served(settings: Settings) -> Sequence[ProtectedResource]:
    """The resources that are there, with these settings."""
    return PROTECTED if settings.mcp_enabled else (TASKS,)


def resource_of(
    path: str, resources: Sequence[ProtectedResource] = PROTECTED
) -> ProtectedResource | None:
    """Which of these resources a path belongs to; None for a public path."""
    for resource in resources:
        if path.startswith(resource.prefix):
            return resource
    return None
