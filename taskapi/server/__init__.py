"""The process: its socket, its workers and its signals; HTTP/1.1; and how it stops.

`process` runs uvicorn with `protocol` (one connection), which uses `framing` (what a head may be),
`exchange` (one request and its response) and `lingering` (how a connection ends); `connections` has
all of a process. `listener` is the socket, `drain` the first step of a stop,
`startup` reports why a start failed. Several workers accept connections with `accepting`, evenly by
the numbers of `shares`.
"""
