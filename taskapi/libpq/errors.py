"""What is wrong with a connection URL."""


class UrlError(ValueError):
    """A URL that can never work. The message follows the name of the setting.

    It says what to write instead, and contains no value of the URL, because any may be secret.
    """
