"""`app`, for `uvicorn taskapi.main:app`."""

from taskapi.app import create_app
from taskapi.config import load_settings

app = create_app(load_settings())
