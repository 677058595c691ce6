"""Which origins `CORS_ORIGINS` may list, and which requests have one of them."""

import pytest

from taskapi.origins import AllowedOrigins, check_listed


@pytest.mark.parametrize(
    "origin",
    [
        "https://app.example.com",
        "https://app.example.com:8443",
        "http://localhost",
        "http://localhost:3000",
        "https://xn--bcher-kva.example",
        "https://my_host",
        "http://192.168.1.20:5173",
        "http://[::1]:5173",
        "https://[2001:db8::7]",
        # The port 80 is the default of http alone.
        "https://a.example.com:80",
        "http://a.example.com:443",
        # Of applications and extensions, whose hosts browsers do not normalise
        "capacitor://localhost",
        "ionic://localhost",
        "tauri://localhost",
        "http://tauri.localhost",
        "app://obsidian.md",
        "app://-",
        "app://.",
        "vscode-webview://0a1b2c3d",
        "chrome-extension://aapbdbdomjkkjkaonfhkkikfgjllcleb",
        "moz-extension://9b2f2c9a-3a7e-4c5b-8b86-6f4d0c1e2a33",
        "safari-web-extension://9B2F2C9A-3A7E-4C5B-8B86-6F4D0C1E2A33",
        "com.example.app+dev://localhost:80",
        # One whole label
        "https://*.vercel.app",
        "https://*.preview.example.com",
        "https://*.example.com:8443",
        "http://*.localhost:3000",
        "https://*.xn--p1ai.example",
    ],
)
def test_an_origin_that_browsers_send_may_be_listed(origin: str) -> None:
    check_listed(origin)


@pytest.mark.parametrize(
    ("origin", "why"),
    [
        ("null", "files and sandboxed frames"),
        ("file://", "files and sandboxed frames"),
        ("file://localhost", "files and sandboxed frames"),
        ("wss://example.com", "no page's"),
        ("app.example.com", "no scheme"),
        ("localhost:3000", "no scheme"),
        ("//app.example.com", "no scheme"),
        ("https:/app.example.com", "no scheme"),
        ("HTTPS://app.example.com", "no valid scheme"),
        ("://app.example.com", "no valid scheme"),
        ("1st://app.example.com", "no valid scheme"),
        ("blob:https://app.example.com", "no valid scheme"),
        ("https://App.example.com", "upper case"),
        ("https://bücher.example", "xn--"),
        ("https://app.example.com/", "has a path"),
        ("https://app.example.com/app", "has a path"),
        ("https://app.example.com?", "has a path"),
        ("https://app.example.com#", "has a path"),
        ("https://app.example.com\\", "has a path"),
        ("https://user@app.example.com", "has a user"),
        ("https://user:password@app.example.com", "has a user"),
        ("https://", "no valid host"),
        ("https://:3000", "no valid host"),
        ("https://app.example.com.", "no valid host"),
        ("https://app..example.com", "no valid host"),
        ("https://.example.com", "no valid host"),
        ("https://app example.com", "no valid host"),
        ("https://app%2eexample.com", "no valid host"),
        ("https://" + "a" * 64 + ".example.com", "no valid host"),
        ("capacitor://", "no valid host"),
        ("capacitor://local host", "no valid host"),
        ("https://app.example.com:", "no valid port"),
        ("https://app.example.com:0", "no valid port"),
        ("https://app.example.com:080", "no valid port"),
        ("https://app.example.com:65536", "no valid port"),
        ("https://app.example.com:-1", "no valid port"),
        ("https://app.example.com:\u0663", "xn--"),
        ("https://app.example.com:8443:1", "no valid port"),
        ("https://app.example.com:443", "port 443, which browsers leave out"),
        ("http://app.example.com:80", "port 80, which browsers leave out"),
        ("http://127.1", "IP address"),
        ("http://2130706433", "IP address"),
        ("http://0x7f000001", "IP address"),
        ("http://127.0.0.01", "IP address"),
        ("http://1.2.3.4.5", "IP address"),
        ("http://example.0x", "IP address"),
        ("http://[::1", "no valid host"),
        ("http://[0:0:0:0:0:0:0:1]", "IP address"),
        ("http://[::0001]", "IP address"),
        ("http://[FE80::1]", "IP address"),
        ("http://[fe80::1%eth0]", "IP address"),
        ("http://[]", "IP address"),
        ("*", "whole first label"),
        ("*://app.example.com", "whole first label"),
        ("https://*", "whole first label"),
        ("https://*:3000", "whole first label"),
        ("http://localhost:*", "whole first label"),
        ("*.example.com", "whole first label"),
        ("https://app-*.example.com", "whole first label"),
        ("https://*-team.vercel.app", "whole first label"),
        ("https://app.*.example.com", "whole first label"),
        ("https://*.*.example.com", "whole first label"),
        ("https://example.*", "whole first label"),
        ("https://**.example.com", "whole first label"),
        ("https://*.com", "a domain behind"),
        ("https://*.com:8443", "a domain behind"),
        ("capacitor://*.localhoster", "a domain behind"),
        ("http://*.127.0.0.1", "a domain behind"),
        ("http://*.0.0.1", "IP address"),
        ("https://*.", "no valid host"),
        ("https://*.Example.com", "upper case"),
        ("https://*.example.com:443", "leave out"),
        ("https://*.example.com/", "has a path"),
    ],
)
def test_what_can_never_match_or_would_match_anybody_is_refused(origin: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        check_listed(origin)


LISTED = AllowedOrigins(
    (
        "https://app.example.com",
        "https://*.vercel.app",
        "http://*.localhost:3000",
        "capacitor://localhost",
        "safari-web-extension://9B2F",
        "http://[::1]:3000",
    )
)


@pytest.mark.parametrize(
    "origin",
    [
        "https://app.example.com",
        "https://a.vercel.app",
        "https://my-app-git-main-team.vercel.app",
        "https://xn--bcher-kva.vercel.app",
        "https://" + "a" * 63 + ".vercel.app",
        "http://alice.localhost:3000",
        "capacitor://localhost",
        "safari-web-extension://9B2F",
        "http://[::1]:3000",
    ],
)
def test_a_listed_origin_is_allowed(origin: str) -> None:
    assert LISTED.allow(origin.encode())


STRANGERS = [
    "",
    "*",
    "null",
    "https://",
    "http://app.example.com",
    "https://app.example.com:8443",
    "https://app.example.com:443",
    "https://app.example.com/",
    "https://app.example.com.",
    "https://APP.example.com",
    "HTTPS://app.example.com",
    " https://app.example.com",
    "https://app.example.com\n",
    "https://app.example.com, https://evil.com",
    "https://app.example.com.evil.com",
    "https://evil-app.example.com",
    "https://user@app.example.com",
    "https://vercel.app",
    "https://.vercel.app",
    "https://*.vercel.app",
    "https://a.b.vercel.app",
    "https://a..vercel.app",
    "https://a.vercel.app.",
    "https://a.vercel.app:8443",
    "https://a.vercel.app.evil.com",
    "https://a.vercel.appx",
    "https://evilvercel.app",
    "https://A.vercel.app",
    "https://a.VERCEL.app",
    "http://a.vercel.app",
    "https://evil.com#.vercel.app",
    "https://evil.com/.vercel.app",
    "https://evil.com?.vercel.app",
    "https://evil.com\\.vercel.app",
    "https://evil.com@a.vercel.app",
    "https://evil.com:80.vercel.app",
    "https://evil%2ecom.vercel.app",
    "https://a\n.vercel.app",
    "https://a\0.vercel.app",
    "https://a .vercel.app",
    "https://b\u00fccher.vercel.app",
    "https://" + "a" * 64 + ".vercel.app",
    "x://https://a.vercel.app",
    "http://localhost:3000",
    "http://a.localhost:3001",
    "http://a.localhost",
    "capacitor://localhost:80",
    "capacitor://LOCALHOST",
    "safari-web-extension://9b2f",
    "https://localhost",
    "http://[::1]",
    "http://[0:0:0:0:0:0:0:1]:3000",
]


@pytest.mark.parametrize("origin", STRANGERS)
def test_no_other_origin_is_allowed(origin: str) -> None:
    assert not LISTED.allow(origin.encode())


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]"])
@pytest.mark.parametrize("port", ["", ":1", ":3000", ":5173", ":65535"])
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_every_port_of_this_machine_may_be_allowed(scheme: str, host: str, port: str) -> None:
    origin = f"{scheme}://{host}{port}".encode()
    assert AllowedOrigins((), local=True).allow(origin)
    assert not AllowedOrigins(()).allow(origin)


@pytest.mark.parametrize(
    "origin",
    [
        "null",
        "localhost:3000",
        "ftp://localhost",
        "http://localhost:",
        "http://localhost:0",
        "http://localhost:03000",
        "http://localhost:300000",
        "http://localhost:3000/",
        "http://localhost:3000@evil.com",
        "http://localhost.evil.com",
        "http://localhost.",
        "http://evil.localhost",
        "http://evillocalhost",
        "http://LOCALHOST:3000",
        "http://127.0.0.2",
        "http://127.0.0.1.evil.com",
        "http://127x0.0.1",
        "http://0.0.0.0:3000",
        "http://[::1].evil.com",
        "http://::1",
        "capacitor://localhost",
        *STRANGERS[:2],
    ],
)
def test_nothing_else_is_this_machine(origin: str) -> None:
    assert not AllowedOrigins((), local=True).allow(origin.encode())
