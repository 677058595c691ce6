"""What is for those who run the service cannot be had through HAProxy, however it is spelt."""

import re
from urllib.parse import quote

import httpx
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from deploy.http2 import status_over_http2
from support.haproxy import CLOSED, CONFIG, Balancer
from support.hostile import METHODS, grows_faster_than_its_input, hostile_texts


def assert_closed(
    balancer: Balancer, target: str, method: str = "GET", version: str = "1.1"
) -> None:
    answer = balancer.asked(target, method, version)
    assert (answer.passed, answer.status) in {(False, 404), (False, 400)}, target


def test_the_service_itself_would_answer(http: httpx.Client) -> None:
    """So it is HAProxy that refuses in what follows."""
    for path in CLOSED:
        for spelling in (path, f"/%{ord(path[1]):x}{path[2:]}"):
            assert http.get(spelling).status_code == 200


def encoded(character: str) -> list[str]:
    """Everything that some decoder takes for this character."""
    code = ord(character)
    once = [f"%{code:02x}", f"%{code:02X}"]
    overlong = [
        bytes([0xC0 | code >> 6, 0x80 | code & 63]),
        bytes([0xE0, 0x80 | code >> 6, 0x80 | code & 63]),
        bytes([0xF0, 0x80, 0x80 | code >> 6, 0x80 | code & 63]),
    ]
    twice = [spelling.replace("%", "%25") for spelling in once]
    return [*once, *twice, *map(quote, overlong), f"%u{code:04x}", f"&#{code};", character.upper()]


@pytest.mark.parametrize("path", CLOSED)
def test_no_encoding_of_a_character_opens_what_is_closed(balancer: Balancer, path: str) -> None:
    for place, character in enumerate(path[1:], 1):
        for other in set(encoded(character)) - {character}:
            assert_closed(balancer, path[:place] + other + path[place + 1 :])
    for spelling in zip(*(encoded(character) for character in path[1:]), strict=True):
        assert_closed(balancer, "/" + "".join(spelling))
    assert_closed(balancer, quote(path, safe=""))


BEFORE = r"""
/ /. /.. /./. /; /;a=b /%2e /%2E%2E /%252e%252e /%2f /%5c //a
/docs/.. /docs/%2e%2e /docs/assets /docs/assets/..%2f.. /openapi.json/..
/api/.. /api/. /api/../.. /api//.. /api/%2e%2e /api/%2E. /api/.%2e /api/%252e%252e
/api/..%2f.. /api/..%00 /api/..%5c.. /api\.. /api/..; /api/%c0%ae%c0%ae /API/..
/api/%e0%80%ae%e0%80%ae /api/1/..%2f.. /api/1/tasks/../../.. /api/1/tasks/..%2f..
http: http://balancer HTTP://balancer https://balancer:443 http://a:b@balancer
http://balancer/api/.. http://balancer//api http://balancer/docs/.. ftp://balancer
"""

BEHIND = r"""
/ // /. /.. /../metrics ; ;a=b %3b %3B/api/1/tasks %00 %0A %0a %0d%0a %09 %20 %85
%20HTTP/1.1 %23 # #/api/1/tasks %3f %3F/docs ? ?a=b ?/api/1/tasks ?/docs
\ %5c %2f %2F..%2Fmetrics %e2%80%a8
"""


@pytest.mark.parametrize("path", CLOSED)
def test_nothing_before_or_behind_opens_what_is_closed(balancer: Balancer, path: str) -> None:
    for before in ["", *BEFORE.split()]:
        much = before in {"", "/api/..", "http://balancer"}
        for behind in ["", *BEHIND.split()] if much else ["", "?a=b"]:
            assert_closed(balancer, before + path + behind)


@pytest.mark.parametrize("version", ["1.0", "1.1", "1.2", "2.0"])
@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "POST", "TRACE", "ANY"])
def test_no_method_and_no_version_opens_what_is_closed(
    balancer: Balancer, method: str, version: str
) -> None:
    for path in CLOSED:
        assert_closed(balancer, path, method, version)


@pytest.mark.parametrize(
    "target",
    [
        *("*", "metrics", "balancer:80", "http://balancer", "/api", "/api/", "/api/1", "/api/1/"),
        *("/API/1/tasks", "/api/1/Tasks", "/api/1/tasks/", "/api/1//tasks", "/api/1/tasks;a=b"),
        *("/DOCS", "/docs/", "/docs/assets/", "/openapi.JSON", "//", "/index.html", "/.env"),
    ],
)
def test_what_is_no_path_of_the_service_is_closed(balancer: Balancer, target: str) -> None:
    for method in ("GET", "OPTIONS", "CONNECT"):
        assert_closed(balancer, target, method)


PIECES = r"/ . % ; \ ? # @ : & 2 f e 5 c C 0 a A metrics readyz %6detrics api docs 1 tasks .. //"


@given(
    pieces=st.lists(st.sampled_from(PIECES.split()), max_size=12).map("".join),
    end=st.sampled_from(CLOSED),
)
@example(pieces="api/1/tasks?/..", end="/metrics")
def test_no_address_shows_figures_or_health(balancer: Balancer, pieces: str, end: str) -> None:
    """What passes is answered by the service, as one of the addresses that are open."""
    answer = balancer.asked(f"/{pieces}{end}")
    assert b"taskapi_requests_total" not in answer.body
    assert answer.body not in {b'{"status":"ready"}', b'{"status":"alive"}'}


@pytest.mark.parametrize("path", CLOSED)
def test_http_2_opens_nothing(balancer: Balancer, path: str) -> None:
    for target in (path, f"/%{ord(path[1]):x}{path[2:]}", f"/api/..{path}", f"/{path}", f"{path}?"):
        with balancer.connected() as connection:
            assert status_over_http2(connection, "GET", target) == 404, target


def test_the_balancers_own_patterns_are_linear() -> None:
    patterns = re.findall(r"path_reg '(.+)'", CONFIG.read_text())
    assert len(patterns) == CONFIG.read_text().count("_reg ")
    for pattern in map(re.compile, patterns):
        for text in hostile_texts(pattern):
            assert not any(grows_faster_than_its_input(pattern, it, text) for it in METHODS), text
