"""Attacks by connections that are slow, silent, or never come to an end."""

import select
import socket
import time

from support.abuse.attacker import Attacker

HEAD_BYTES = 1024 * 1024


def endless_heads(attacker: Attacker) -> None:
    """Heads of 1 MiB without the empty line that ends one."""
    line = f"X-Abuse: {'x' * 4085}\r\n".encode()
    lines = [attacker.head("GET", ""), *[line] * (HEAD_BYTES // len(line))]

    def use(connection: socket.socket) -> str:
        for each in lines:
            connection.sendall(each)
        return _status(connection)

    attacker.reopen(200, use)


def idle_connections(attacker: Attacker) -> None:
    """Connections on which nothing is ever sent."""
    attacker.reopen(400, _status)


def slow_bodies(attacker: Attacker) -> None:
    """Bodies of one byte a second."""
    head = attacker.head("POST", "", "Content-Type: application/json", "Content-Length: 1000")

    def use(connection: socket.socket) -> str:
        connection.sendall(head + b"\r\n")
        while not attacker.over and not select.select([connection], [], [], 1)[0]:
            connection.sendall(b" ")
        return "unanswered" if attacker.over else _status(connection)

    attacker.reopen(100, use)


def slow_readers(attacker: Attacker) -> None:
    """Readers of a large page, of one kilobyte a second."""
    request = attacker.head("GET", "?limit=1000") + b"\r\n"

    def use(connection: socket.socket) -> str:
        connection.sendall(request)
        status = _status(connection)
        while not attacker.over and connection.recv(1024):
            time.sleep(1)
        return status

    attacker.reopen(30, use)


def _status(connection: socket.socket) -> str:
    """The status of the response, once it comes, or that the connection was closed."""
    start = connection.recv(12)
    return start[9:12].decode() if start else "closed"
