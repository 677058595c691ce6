"""Which secret: the one that this service and the auth server share, if there is one."""

from taskapi.config import LOCAL_DIRECTORY, Settings, SettingsError
from taskapi.embedded.secret import local_secret


def secret_of(settings: Settings) -> str | None:
    """The secret that signs tokens with HS256: `BETTER_AUTH_SECRET`, or the embedded service's own.

    None with a `DATABASE_URL` and without `BETTER_AUTH_SECRET`: then only the auth server signs.

    Raises:
        SettingsError: the embedded service's secret can be neither read nor written.
    """
    if settings.better_auth_secret is not None:
        return settings.better_auth_secret.get_secret_value()
    if not settings.embedded:
        return None
    try:
        return local_secret(LOCAL_DIRECTORY)
    except OSError as error:
        raise SettingsError(
            f"  {error.filename}: {error.strerror}; start as its owner, or set DATABASE_URL"
        ) from None
