"""A proxy that compresses rewrites entity tags, and clients send back what they received.

HAProxy runs here. nginx 1.22, Apache 2.4 (gzip and Brotli), Caddy 2.6 (gzip and zstd), lighttpd 1.4
and Varnish 7.1 were tried by hand with the same round trip.
"""

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from support.haproxy import Balancer
from support.people import Person

COMPRESSION = "    compression algo gzip\n    compression type application/json"


@pytest.fixture
def alice(alice: Person, service: str, tmp_path: Path) -> Iterator[Person]:
    """Alice, who reaches the service through an HAProxy that compresses."""
    port = urlsplit(service).port
    assert port is not None
    balancer = Balancer(tmp_path, [port], added=COMPRESSION)
    with balancer.running(), balancer.client() as http:
        yield Person(alice.id, alice.token, http)


def test_a_version_that_came_compressed_is_the_tasks_version(alice: Person) -> None:
    path = f"/{alice.create(description='Two litres. ' * 100)['id']}"
    read = alice.get(path, headers={"Accept-Encoding": "gzip"})
    assert read.headers["Content-Encoding"] == "gzip"
    tag = read.headers["ETag"]
    assert tag.startswith("W/"), "otherwise this shows nothing"
    assert alice.get(path, headers={"If-None-Match": tag}).status_code == 304
    first = alice.patch(path, json={"title": "Buy tea"}, headers={"If-Match": tag})
    assert first.status_code == 200
    again = alice.patch(path, json={"title": "Buy soy"}, headers={"If-Match": tag})
    assert (again.status_code, again.json()["current"]) == (412, first.json())
    newest = again.headers["ETag"]
    assert alice.patch(path, json={}, headers={"If-Match": newest}).status_code == 200


def test_a_list_that_came_compressed_is_known(alice: Person) -> None:
    alice.create(description="Two litres. " * 100)
    read = alice.get(headers={"Accept-Encoding": "gzip"})
    assert read.headers["Content-Encoding"] == "gzip"
    assert read.headers["ETag"].startswith("W/")
    assert alice.get(headers={"If-None-Match": read.headers["ETag"]}).status_code == 304
    alice.create()
    assert alice.get(headers={"If-None-Match": read.headers["ETag"]}).status_code == 200
