"""The edge: what every request passes on its way in, and every answer on its way out.

Pure ASGI layers, in the order of `taskapi.app`: `access` (id, headers, log, metrics), `cors`,
`answers` (errors to HTTP), `supervisor` (deadline, clients that leave), then the guard of
`taskapi.auth`. Around them `protocol`, `drain` and `start`; behind them `route`, the class of all
routes, and `body`, how it reads JSON.
"""
