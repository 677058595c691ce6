"""Serves the OpenAPI document, and Swagger UI for it, without internet access."""

import importlib.util
from functools import cache
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException
from starlette.responses import FileResponse, HTMLResponse, JSONResponse

from taskapi.config import UserIdType
from taskapi.edge.conditional import KnownTags, is_known
from taskapi.edge.router import Router
from taskapi.openapi.document import openapi_document
from taskapi.state import state_of

# An installed package has the assets.
ASSETS_PACKAGE = "fastapi_offline"
ASSETS = {"swagger-ui.css", "swagger-ui-bundle.js", "favicon.png"}

PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>taskapi</title>
<link rel="stylesheet" href="/docs/assets/swagger-ui.css">
<link rel="icon" href="/docs/assets/favicon.png">
</head>
<body>
<div id="swagger-ui"></div>
<script src="/docs/assets/swagger-ui-bundle.js"></script>
<script src="/docs/start.js"></script>
</body>
</html>
"""

START = """SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  displayRequestDuration: true,
  persistAuthorization: false,
  tryItOutEnabled: true,
  validatorUrl: null,
});
"""

# Scripts and requests of this origin only. Styles inline, because Swagger UI sets them on elements.
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)

router = Router(include_in_schema=False)


@router.get("/openapi.json")
async def openapi_json(request: Request) -> Response:
    """The OpenAPI document."""
    return JSONResponse(_document_once(request.app, state_of(request).settings.user_id_type))


@router.get("/docs")
async def page() -> Response:
    """Swagger UI, with a policy that allows requests to this origin only."""
    return HTMLResponse(PAGE, headers={"Content-Security-Policy": CONTENT_SECURITY_POLICY})


@router.get("/docs/start.js")
async def start() -> Response:
    """The script of the page. It is a file, so that the policy can forbid inline scripts."""
    return Response(START, media_type="text/javascript")


@router.get("/docs/assets/{name}")
async def asset(name: str, known: KnownTags) -> Response:
    """A file of Swagger UI."""
    if name not in ASSETS:
        raise HTTPException(404)
    file = _assets_directory() / name
    response = FileResponse(file, stat_result=file.stat())  # with which it knows its ETag
    tag = response.headers["ETag"]
    if is_known(known, tag):
        return Response(status_code=304, headers={"ETag": tag})
    return response


@cache
def _assets_directory() -> Path:
    package = importlib.util.find_spec(ASSETS_PACKAGE)
    if package is None or package.origin is None:
        raise ModuleNotFoundError(ASSETS_PACKAGE)
    return Path(package.origin).parent / "static"


@cache
def _document_once(app: FastAPI, user_id_type: UserIdType) -> dict[str, Any]:
    return openapi_document(app.routes, user_id_type)


def add_docs_page(app: FastAPI) -> None:
    """Serve the OpenAPI document, and Swagger UI for it."""
    _assets_directory()  # so that a missing package fails the start, not a request
    app.router.routes.extend(router.routes)
