"""What routes take from this room: the user of the request, and its place in the OpenAPI document.

Nothing is checked here. `AuthMiddleware` has admitted the request before a route is looked for.
"""

from typing import Annotated

from fastapi import Depends, Path, Request
from fastapi.security import HTTPBearer

from taskapi.auth.claims import User

bearer = HTTPBearer(
    auto_error=False,
    bearerFormat="JWT",
    description="A token of Better Auth: `authClient.token()` in the browser, or `taskapi token`.",
)


async def current_user(
    request: Request,
    _documented: Annotated[object, Depends(bearer)],
    user_id: Annotated[str, Path(description="The user of the token, and nobody else.")],
) -> User:
    """The user of the token. The other parameters are there for the OpenAPI document."""
    user: User = request.scope["state"]["user"]
    return user
