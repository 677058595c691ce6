"""`app`, for `uvicorn taskapi.main:app`."""

from taskapi.app import create_app
from taskapi.config import Settings, SettingsError, load

try:
    app = create_app(load(Settings))
except SettingsError as error:
    raise SystemExit(f"taskapi cannot start:\n{error}") from None
