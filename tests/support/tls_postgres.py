"""PostgreSQL of the system's packages that is reached over TLS alone, with a password."""

import datetime as dt
import ipaddress
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from support.machine import free_ports
from support.other_postgres import running
from taskapi.database.url import DatabaseUrl

SUPERUSER = "postgres"

RULES = f"""
local    all  {SUPERUSER}  trust
local    all  all  scram-sha-256
hostssl  all  all  127.0.0.1/32  scram-sha-256
hostssl  all  all  ::1/128  scram-sha-256
"""
"""pg_hba.conf: whoever comes over the network without TLS is turned away."""

DAY = dt.timedelta(days=1)


@dataclass(frozen=True)
class TlsServer:
    """A running server.

    Attributes:
        superuser: its URL on the socket, for the tests themselves.
        sockets: the folder of its Unix socket.
        port: on which it listens for TLS.
        authority: the certificate with which clients check the server's.
    """

    superuser: DatabaseUrl
    sockets: Path
    port: int
    authority: Path


@contextmanager
def running_with_tls(programs: Path, *settings: str) -> Iterator[TlsServer]:
    """Such a server of these programs.

    Args:
        programs: the folder that they are in.
        settings: more settings, each as `name=value`.
    """
    with tempfile.TemporaryDirectory(prefix="taskapi-tls-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        authority = write_certificates(folder)
        (folder / "pg_hba.conf").write_text(RULES)
        (port,) = free_ports(1)
        options = (
            *("listen_addresses=localhost", f"port={port}", f"hba_file={folder}/pg_hba.conf"),
            *("ssl=on", f"ssl_cert_file={folder}/server.crt", f"ssl_key_file={folder}/server.key"),
            *settings,
        )
        with running(programs, SUPERUSER, options) as url:
            sockets = Path(url.dsn.partition("host=")[2].partition("&")[0])
            yield TlsServer(url, sockets, port, authority)


def write_certificates(folder: Path) -> Path:
    """Write an authority's certificate and one for localhost; gives the path of the first."""
    authority, key = _certificate("an authority of the tests", None)
    server, server_key = _certificate("localhost", (authority.subject, key))
    pem = serialization.Encoding.PEM
    for name, certificate in (("authority.crt", authority), ("server.crt", server)):
        (folder / name).write_bytes(certificate.public_bytes(pem))
    secret = folder / "server.key"
    secret.write_bytes(
        server_key.private_bytes(
            pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    secret.chmod(0o600)
    if os.geteuid() == 0:
        shutil.chown(secret, "nobody")  # as whom the server runs then
    return folder / "authority.crt"


def _certificate(
    name: str, issuer: tuple[x509.Name, ec.EllipticCurvePrivateKey] | None
) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    issuer_name, issuer_key = issuer or (subject, key)
    now = dt.datetime.now(dt.UTC)
    names = [x509.DNSName(name), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer_name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - DAY)
        .not_valid_after(now + DAY)
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    if issuer is not None:
        authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key())
        builder = builder.add_extension(authority, critical=False)
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(issuer_key, hashes.SHA256()), key
