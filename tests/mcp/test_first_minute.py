"""The first minute: the command that the start prints connects an agent."""

import shlex

import httpx

from support.people import Person
from support.programs import Service


def test_the_printed_command_has_the_url_and_the_header_that_an_agent_needs(
    development: tuple[Service, Person],
) -> None:
    service, alice = development
    [line] = [line for line in service.output.splitlines() if line.startswith("claude mcp add")]
    *_, url, option, header = shlex.split(line)
    name, _, value = header.partition(": ")
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call"}
    message |= {"params": {"name": "add_tasks", "arguments": {"tasks": [{"title": "Buy milk"}]}}}
    response = httpx.post(url, json=message, headers={name: value})
    assert (option, name) == ("--header", "Authorization")
    [task] = response.json()["result"]["structuredContent"]["tasks"]
    assert alice.get(f"/{task['id']}").json() == task
