"""What every request passes on its way in, and every response on its way out.

ASGI middleware, in the order of `taskapi.app`: `request_log` (id, headers, log line, metrics),
`cors`, `error_handler` (errors become responses, by `problem`) and `deadline` (time limit, clients
that disconnect). Inside them is the middleware of `taskapi.auth`.

Then the routes: `route` is their class, `router` collects them, `restrictions` is what they refuse
at import, `call` runs an endpoint with its dependencies. Routes read requests with `body`,
`conditional` (entity tags) and `cursor`.

`fairness` is what one user may use of the process: `turns` at once, and `rates` in 10 seconds.
`client_address` says where a request comes from.
"""
