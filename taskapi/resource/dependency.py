"""How a route gets the store of the token's user."""

from collections.abc import Awaitable, Callable
from typing import Annotated, TypeVar

from fastapi import Depends, Request

from taskapi.auth.claims import User
from taskapi.auth.dependencies import current_user
from taskapi.resource.store import ResourceStore
from taskapi.state import state_of

SomeStore = TypeVar("SomeStore", bound=ResourceStore)


def own(kind: type[SomeStore]) -> Callable[..., Awaitable[SomeStore]]:
    """A dependency: the store of this kind, of the token's user and of nobody else."""

    async def own_store(
        request: Request, user: Annotated[User, Depends(current_user)]
    ) -> SomeStore:
        state = state_of(request)
        return kind(user.id, state.executor, state.users)

    return own_store
