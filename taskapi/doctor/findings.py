"""The result of one examination."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """What was examined, and how it is.

    Attributes:
        subject: what was examined.
        text: how it is. Never a secret.
        good: False where it stops the service or the token, None where it only informs.
        remedy: what to do where it is not good.
    """

    subject: str
    text: str
    good: bool | None = True
    remedy: str | None = None
