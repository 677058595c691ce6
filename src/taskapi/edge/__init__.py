"""The edge: what every request passes on its way in, and every answer on its way out.

Pure ASGI layers, in the order of `taskapi.app`: `access` (id, headers, log, metrics), the
framework's CORS, `answers` (deadline, errors to HTTP), then the guard of `taskapi.auth`; `start`,
which explains a refused start; and `body`, the route class that reads JSON.
"""
