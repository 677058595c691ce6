"""The Model Context Protocol, by which assistants use a person's tasks (docs/decisions/0038).

`routes` is the one route. It imports the rest with the first request, so that a process that never
sees an agent does not pay for it: `protocol` answers a message, `revisions` says which revision of
the protocol it is of, and `methods` has those of each. `tools` is the table of tools, `actions` is
what they do over `TaskStore`, `arguments` and `outputs` are what they take and return,
`json_schema` describes both, and `results` and `messages` write them.
"""
