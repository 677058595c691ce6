"""The edge: what every request passes on its way in, and every response on its way out.

Pure ASGI middleware, in the order of `taskapi.app`: `request_log` (id, headers, log, metrics),
`cors`, `error_handler` (errors to HTTP), `deadline` (time limit, clients that disconnect), then the
guard of `taskapi.auth`. Behind them `route`, the class of all routes, and what routes read with:
`body`, `conditional` (entity tags) and `cursor`.
"""
