"""TLS as libpq's parameters ask for it.

PostgreSQL's documentation, 34.19 "SSL Support". asyncpg does not know `sslrootcert=system`, and
reports what is wrong with a file only when it connects.
"""

import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

from taskapi.libpq.errors import UrlError

USERS = "~/.postgresql/"
"""Where libpq looks for files that no parameter names."""

FILES = {
    "sslrootcert": "root.crt",
    "sslcrl": "root.crl",
    "sslcert": "postgresql.crt",
    "sslkey": "postgresql.key",
}
"""Parameters that name files, and what they are there."""

TLS_VERSIONS = {
    "TLSv1": ssl.TLSVersion.TLSv1,
    "TLSv1.1": ssl.TLSVersion.TLSv1_1,
    "TLSv1.2": ssl.TLSVersion.TLSv1_2,
    "TLSv1.3": ssl.TLSVersion.TLSv1_3,
}

WITHOUT_FALLBACK = ("require", "verify-ca", "verify-full")
"""The values of `sslmode` that refuse a connection without TLS."""

VERIFIED = "sslmode=verify-full&sslrootcert=system"
"""How to write that a certificate of a public authority must name the server."""

SYSTEM = "system"
"""A value of `sslrootcert`: the roots that the system trusts (`SSL_CERT_FILE`, `SSL_CERT_DIR`)."""


def mode_of(parameters: Mapping[str, str]) -> str:
    """The value of `sslmode` that applies.

    Raises:
        UrlError: it does not go together with another parameter.
    """
    is_system = parameters.get("sslrootcert") == SYSTEM
    mode = parameters.get("sslmode", "verify-full" if is_system else "prefer")
    if is_system and mode != "verify-full":
        raise UrlError("has sslrootcert=system, which needs sslmode=verify-full")
    if parameters.get("channel_binding") == "require" and mode not in WITHOUT_FALLBACK:
        if mode == "disable":
            raise UrlError("has channel_binding=require, which needs sslmode=require")
        mode = "require"  # asyncpg cannot bind, and it must not fall back on no TLS
    if parameters.get("sslnegotiation") == "direct" and mode not in WITHOUT_FALLBACK:
        raise UrlError("has sslnegotiation=direct, which needs sslmode=require or verify-full")
    return mode


def context_of(parameters: Mapping[str, str]) -> ssl.SSLContext:
    """The context of a connection with TLS, made anew when one of its files has changed.

    Raises:
        UrlError: a file cannot be used, or is missing.
    """
    files = [parameters.get(name) or _users(default) for name, default in FILES.items()]
    return _context(tuple(sorted(parameters.items())), tuple(map(_stamp, files)))


# Reading the roots of a system takes 30 ms (144 of them, Python 3.11), in which nobody is served.
@lru_cache(maxsize=4)
def _context(items: tuple[tuple[str, str], ...], _: tuple[object, ...]) -> ssl.SSLContext:
    parameters = dict(items)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.set_alpn_protocols(["postgresql"])  # which PostgreSQL 17 requires of direct TLS
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    _trust(context, parameters)
    _revoke(context, parameters)
    _present(context, parameters)
    _bound_version(context, parameters)
    return context


def _trust(context: ssl.SSLContext, parameters: Mapping[str, str]) -> None:
    mode = mode_of(parameters)
    if mode not in WITHOUT_FALLBACK:
        return
    named = parameters.get("sslrootcert")
    default = _users("root.crt")
    if named is None and default is None:
        if mode != "require":
            raise UrlError(
                f"has sslmode={mode} and no sslrootcert: add sslrootcert=system, or "
                "sslrootcert= and the path of the certificate authority's certificate"
            )
        return
    if named == SYSTEM:
        context.load_default_certs()
    else:
        with _using("sslrootcert", "no certificate in PEM"):
            context.load_verify_locations(cafile=named or default)
    context.verify_mode = ssl.CERT_REQUIRED
    context.check_hostname = mode == "verify-full"


def _revoke(context: ssl.SSLContext, parameters: Mapping[str, str]) -> None:
    file = parameters.get("sslcrl") or _users("root.crl")
    directory = parameters.get("sslcrldir")
    if context.verify_mode is ssl.CERT_NONE or not (file or directory):
        return
    with _using("sslcrl", "no certificate revocation list in PEM"):
        context.load_verify_locations(cafile=file, capath=directory)
    context.verify_flags |= ssl.VERIFY_CRL_CHECK_CHAIN


def _present(context: ssl.SSLContext, parameters: Mapping[str, str]) -> None:
    certificate = parameters.get("sslcert") or _users("postgresql.crt")
    if certificate is None or parameters.get("sslcertmode") == "disable":
        return
    key = parameters.get("sslkey") or _users("postgresql.key")
    password = parameters.get("sslpassword", "")
    with _using("sslcert or sslkey", "no certificate with its key in PEM, or needs sslpassword"):
        context.load_cert_chain(certificate, key, password=lambda: password)


def _bound_version(context: ssl.SSLContext, parameters: Mapping[str, str]) -> None:
    lowest = parameters.get("ssl_min_protocol_version", "TLSv1.2")
    highest = parameters.get("ssl_max_protocol_version")
    context.minimum_version = TLS_VERSIONS[lowest]
    if highest:
        context.maximum_version = TLS_VERSIONS[highest]
        if context.maximum_version < context.minimum_version:
            raise UrlError("has an ssl_max_protocol_version below ssl_min_protocol_version")


def _stamp(file: str | None) -> tuple[int, int] | None:
    """What changes with a file's content."""
    try:
        status = Path(file or "").stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size


def _users(name: str) -> str | None:
    """A file of the user's, if there is one."""
    try:
        file = Path(USERS, name).expanduser()
        return str(file) if file.exists() else None
    except (OSError, RuntimeError):  # no home, or one of somebody else
        return None


@contextmanager
def _using(parameter: str, content: str) -> Iterator[None]:
    """Say what is wrong with a file of this parameter, without naming the file."""
    try:
        yield
    except ssl.SSLError:
        raise UrlError(f"names a file in {parameter} that has {content}") from None
    except OSError:
        raise UrlError(
            f"names a file in {parameter} that does not exist or cannot be read"
        ) from None
