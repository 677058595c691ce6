"""Collects routes with a common prefix and common options."""

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, Unpack

from fastapi import FastAPI

from taskapi.edge.route import Route, RouteOptions

Endpoint = TypeVar("Endpoint", bound=Callable[..., Awaitable[Any]])


class Router:
    """A list of routes, and a decorator for each method that adds one.

    Args:
        prefix: of every path.
        common: options of every route that does not have its own.

    Attributes:
        routes: in the order in which they were added.
    """

    def __init__(self, prefix: str = "", **common: Unpack[RouteOptions]) -> None:
        self.routes: list[Route] = []
        self._prefix = prefix
        self._common = common

    def get(self, path: str, **options: Unpack[RouteOptions]) -> Callable[[Endpoint], Endpoint]:
        """Add the decorated endpoint for GET and HEAD; the options are those of `Route`."""
        return self._add("GET", path, options)

    def post(self, path: str, **options: Unpack[RouteOptions]) -> Callable[[Endpoint], Endpoint]:
        """Likewise for POST."""
        return self._add("POST", path, options)

    def put(self, path: str, **options: Unpack[RouteOptions]) -> Callable[[Endpoint], Endpoint]:
        """Likewise for PUT."""
        return self._add("PUT", path, options)

    def patch(self, path: str, **options: Unpack[RouteOptions]) -> Callable[[Endpoint], Endpoint]:
        """Likewise for PATCH."""
        return self._add("PATCH", path, options)

    def delete(self, path: str, **options: Unpack[RouteOptions]) -> Callable[[Endpoint], Endpoint]:
        """Likewise for DELETE."""
        return self._add("DELETE", path, options)

    def _add(self, method: str, path: str, options: RouteOptions) -> Callable[[Endpoint], Endpoint]:
        def add(endpoint: Endpoint) -> Endpoint:
            given: RouteOptions = {**self._common, **options}
            self.routes.append(Route(self._prefix + path, endpoint, method=method, **given))
            return endpoint

        return add


def refuse_foreign_routes(app: FastAPI) -> None:
    """Raise for a route that is no `Route`, which would respond by other rules.

    Raises:
        TypeError: it names the route, and what to write instead.
    """
    for route in app.routes:
        if not isinstance(route, Route):
            raise TypeError(
                f"{route} is no Route; add it with a Router, and that's routes to app.routes"
            )
