"""Authorisation: the protected prefixes, and for each the rule that decides what a user may reach.

A path under none of them is public.
"""

from collections.abc import Callable

from taskapi.auth.claims import User
from taskapi.errors import NotYourPath

Rule = Callable[[User, str], None]
"""Raises an error with status 403 where this user may not reach this path."""

API = "/api/"


def require_owner(user: User, path: str) -> None:
    """`/api/{user_id}/…` belongs to the user whose `sub` is that segment, character for character.

    Raises:
        NotYourPath: the segment is anything else, whether there is such a user or not.
    """
    if path[len(API) :].partition("/")[0] != user.subject:
        raise NotYourPath


PROTECTED: tuple[tuple[str, Rule], ...] = ((API, require_owner),)


def rule_for(path: str) -> Rule | None:
    """The rule of the prefix that a path is under; None for a public path."""
    for prefix, rule in PROTECTED:
        if path.startswith(prefix):
            return rule
    return None
