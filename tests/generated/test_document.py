"""Redocly on the document, for both types of user ids."""

import json
from collections.abc import Callable
from pathlib import Path

from taskapi.app import API_ROUTES
from taskapi.openapi.document import openapi_document


def test_redoclys_recommended_rules_pass(folder: Path, run_node: Callable[..., str]) -> None:
    """Errors and warnings, of the document that is served, and of one whose user ids are text."""
    (folder / "text.json").write_text(json.dumps(openapi_document(API_ROUTES, "text")))
    run_node("redocly", "lint", "openapi.json", "text.json", "--extends=recommended-strict")
