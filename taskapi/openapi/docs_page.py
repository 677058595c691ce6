"""Serves the OpenAPI document, and Swagger UI for it, without internet access."""

import base64
import hashlib
from functools import cache
from typing import Any

from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException
from starlette.responses import FileResponse, HTMLResponse, JSONResponse

from taskapi.config import UserIdType
from taskapi.edge.conditional import KnownTags, is_known
from taskapi.edge.router import Router
from taskapi.openapi.assets import ASSETS, asset_file
from taskapi.openapi.document import openapi_document
from taskapi.state import state_of

START = """SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  displayRequestDuration: true,
  persistAuthorization: false,
  tryItOutEnabled: true,
  validatorUrl: null,
});
"""


def integrity_of(content: bytes) -> str:
    """What HTML's `integrity` says of a file."""
    return f"sha384-{base64.b64encode(hashlib.sha384(content).digest()).decode()}"


# Its URLs are relative to the page, so that they stay below the prefix of a proxy.
PAGE = f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>taskapi</title>
<link rel="stylesheet" href="docs/assets/swagger-ui.css" crossorigin
  integrity="{ASSETS["swagger-ui.css"].integrity}">
<link rel="icon" href="docs/assets/favicon.png">
</head>
<body>
<div id="swagger-ui"></div>
<script src="docs/assets/swagger-ui-bundle.js" crossorigin
  integrity="{ASSETS["swagger-ui-bundle.js"].integrity}"></script>
<script src="docs/start.js" crossorigin
  integrity="{integrity_of(START.encode())}"></script>
</body>
</html>
"""

# Scripts and requests of this origin only. Styles inline, because Swagger UI sets them on elements.
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)

# No script without a digest, in browsers that know this header (Subresource Integrity 2), which
# takes a digest only together with `crossorigin`. Chromium does not know `style` in it yet.
INTEGRITY_POLICY = "blocked-destinations=(script)"

HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "Integrity-Policy": INTEGRITY_POLICY,
}

router = Router(include_in_schema=False)


@router.get("/openapi.json")
async def openapi_json(request: Request) -> Response:
    """The OpenAPI document."""
    settings = state_of(request).settings
    return JSONResponse(_document_once(request.app, settings.user_id_type, settings.public_url))


@router.get("/docs")
async def page() -> Response:
    """Swagger UI, with policies that allow this origin only, and only the files that it names."""
    return HTMLResponse(PAGE, headers=HEADERS)


@router.get("/docs/start.js")
async def start() -> Response:
    """The script of the page. It is a file, so that the policy can forbid inline scripts."""
    return Response(START, media_type="text/javascript")


@router.get("/docs/assets/{name}")
async def asset(name: str, known: KnownTags) -> Response:
    """A file of Swagger UI."""
    if name not in ASSETS:
        raise HTTPException(404)
    file = asset_file(name)
    response = FileResponse(file, stat_result=file.stat())  # with which it knows its ETag
    tag = response.headers["ETag"]
    if is_known(known, tag):
        return Response(status_code=304, headers={"ETag": tag})
    return response


@cache
def _document_once(
    app: FastAPI, user_id_type: UserIdType, public_url: str | None
) -> dict[str, Any]:
    return openapi_document(app.routes, user_id_type, public_url)


def add_docs_page(app: FastAPI) -> None:
    """Serve the OpenAPI document, and Swagger UI for it."""
    for name in ASSETS:
        asset_file(name).stat()  # so that a missing package fails the start, not a request
    app.router.routes.extend(router.routes)
