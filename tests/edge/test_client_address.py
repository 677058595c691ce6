"""Where a request comes from: its peer, or what a trusted proxy says."""

from ipaddress import ip_address
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.effort import effort
from taskapi.config import Settings
from taskapi.edge.client_address import client_address, network_of

PROXIES = "10.0.0.0/8, 192.0.2.7, 2001:db8:1::/48"


def address(peer: str | None, *lines: bytes, proxies: str = PROXIES) -> str | None:
    """The address of a request from this peer with these lines of `X-Forwarded-For`."""
    app = SimpleNamespace(settings=Settings.model_validate({"trusted_proxies": proxies}))
    headers = [(b"host", b"x"), *((b"x-forwarded-for", line) for line in lines)]
    client = None if peer is None else (peer, 1234)
    return client_address(
        {"type": "http", "app": app, "client": client, "headers": headers, "state": {}}
    )


@pytest.mark.parametrize(
    ("peer", "lines", "expected"),
    [
        ("198.51.100.1", [], "198.51.100.1"),
        ("198.51.100.1", [b"203.0.113.9"], "198.51.100.1"),
        ("10.1.2.3", [], "10.1.2.3"),
        ("10.1.2.3", [b"203.0.113.9"], "203.0.113.9"),
        ("10.1.2.3", [b"6.6.6.6, 203.0.113.9"], "203.0.113.9"),
        ("10.1.2.3", [b"6.6.6.6", b"203.0.113.9"], "203.0.113.9"),
        ("10.1.2.3", [b"6.6.6.6, 203.0.113.9, 192.0.2.7,10.9.9.9"], "203.0.113.9"),
        ("10.1.2.3", [b"10.0.0.4, 10.0.0.5"], "10.0.0.4"),
        ("10.1.2.3", [b"203.0.113.9:4711"], "203.0.113.9"),
        ("10.1.2.3", [b"[2001:db8::9]:4711"], "2001:db8::9"),
        ("10.1.2.3", [b"2001:db8::9"], "2001:db8::9"),
        ("2001:db8:1::5", [b"203.0.113.9"], "203.0.113.9"),
        ("::ffff:10.1.2.3", [b"203.0.113.9"], "203.0.113.9"),
        ("10.1.2.3", [b"::ffff:203.0.113.9"], "203.0.113.9"),
        ("10.1.2.3", [b"6.6.6.6, unknown"], "10.1.2.3"),
        ("10.1.2.3", [b"6.6.6.6, rubbish, 10.0.0.5"], "10.0.0.5"),
        ("10.1.2.3", [b"6.6.6.6,"], "10.1.2.3"),
        ("10.1.2.3", [b"\xff\x00"], "10.1.2.3"),
        ("10.1.2.3", [b"203.0.113.9" + b" " * 100], "10.1.2.3"),
        ("10.1.2.3", [b"6.6.6.6," + b"10.0.0.1," * 5000 + b"10.0.0.2"], "10.0.0.1"),
        (None, [b"203.0.113.9"], None),
    ],
)
def test_the_rightmost_address_that_is_no_proxys_counts(
    peer: str | None, lines: list[bytes], expected: str | None
) -> None:
    assert address(peer, *lines) == expected


def test_without_proxies_the_peer_counts_whatever_is_sent() -> None:
    assert address("10.1.2.3", b"203.0.113.9", proxies="") == "10.1.2.3"


PARTS = st.sampled_from([b",", b" ", b"10.0.0.1", b"203.0.113.9", b":", b"[", b"]", b"%", b"::1"])


@effort(examples=200)
@given(st.lists(PARTS | st.binary(max_size=3), max_size=12))
def test_nothing_that_is_sent_raises(parts: list[bytes]) -> None:
    found = address("10.1.2.3", b"".join(parts))
    assert found is not None
    ip_address(found)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("2001:db8::1", "2001:db8:0:0:ffff:ffff:ffff:ffff"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("fe80::1%eth0", "fe80::2%eth1"),
    ],
)
def test_what_one_client_may_choose_from_is_one(one: str, other: str) -> None:
    assert network_of(one) == network_of(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("2001:db8::1", "2001:db8:0:1::1"),
        ("192.0.2.1", "192.0.2.2"),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.2"),
    ],
)
def test_what_two_clients_have_is_two(one: str, other: str) -> None:
    assert network_of(one) != network_of(other)
