"""What a URL leaves open: libpq's environment variables, and services of `pg_service.conf`.

PostgreSQL's documentation, 34.15 "Environment Variables", and 34.17 "The Connection Service File".
"""

import configparser
from collections.abc import Mapping
from pathlib import Path

from taskapi.libpq.errors import UrlError
from taskapi.libpq.parameters import checked

VARIABLES = {
    "PGHOST": "host",
    "PGHOSTADDR": "hostaddr",
    "PGPORT": "port",
    "PGDATABASE": "dbname",
    "PGUSER": "user",
    "PGPASSWORD": "password",
    "PGPASSFILE": "passfile",
    "PGSERVICE": "service",
    "PGOPTIONS": "options",
    "PGAPPNAME": "application_name",
    "PGCONNECT_TIMEOUT": "connect_timeout",
    "PGSSLMODE": "sslmode",
    "PGSSLNEGOTIATION": "sslnegotiation",
    "PGSSLCERT": "sslcert",
    "PGSSLKEY": "sslkey",
    "PGSSLROOTCERT": "sslrootcert",
    "PGSSLCRL": "sslcrl",
    "PGSSLCRLDIR": "sslcrldir",
    "PGSSLCERTMODE": "sslcertmode",
    "PGSSLSNI": "sslsni",
    "PGSSLMINPROTOCOLVERSION": "ssl_min_protocol_version",
    "PGSSLMAXPROTOCOLVERSION": "ssl_max_protocol_version",
    "PGCHANNELBINDING": "channel_binding",
    "PGGSSENCMODE": "gssencmode",
    "PGKRBSRVNAME": "krbsrvname",
    "PGREQUIREAUTH": "require_auth",
    "PGREQUIREPEER": "requirepeer",
    "PGTARGETSESSIONATTRS": "target_session_attrs",
    "PGLOADBALANCEHOSTS": "load_balance_hosts",
}


def completed(found: Mapping[str, str], environment: Mapping[str, str]) -> dict[str, str]:
    """The parameters of a URL, and what it leaves open from its service, else the environment.

    Args:
        found: the parameters of the URL.
        environment: the environment variables.

    Raises:
        UrlError: there is no such service, or a parameter can never work.
    """
    own = checked(found)
    service = own.get("service", environment.get("PGSERVICE") or None)
    if service is not None:
        own = checked(_service(service, own.get("servicefile"), environment)) | own
    defaults: dict[str, str] = {}
    for variable, name in VARIABLES.items():
        if name not in own and (value := environment.get(variable)):
            defaults |= _checked_variable(variable, name, value)
    if "host" in own or "hostaddr" in own:
        defaults.pop("hostaddr", None)  # which belongs to another host
    return defaults | own


def _checked_variable(variable: str, name: str, value: str) -> dict[str, str]:
    try:
        return checked({name: value})
    except UrlError as error:
        raise UrlError(f"leaves something to {variable}, which {error}") from None


def _service(name: str, servicefile: str | None, environment: Mapping[str, str]) -> dict[str, str]:
    users = servicefile or environment.get("PGSERVICEFILE", "~/.pg_service.conf")
    systems = Path(environment.get("PGSYSCONFDIR", "/etc/postgresql-common")) / "pg_service.conf"
    services = configparser.RawConfigParser(delimiters=("=",))
    try:
        services.read([systems, Path(users).expanduser()])  # the later one is stronger
    except (ValueError, RuntimeError, configparser.Error):
        raise UrlError("names a service, and pg_service.conf is not readable") from None
    if not services.has_section(name):
        raise UrlError("names a service that pg_service.conf does not have")
    return dict(services.items(name))
