"""What the doctor says about one thing."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        subject: what it is.
        text: how it is; never a secret.
        good: False where it stops the service or the token, None where it only informs.
        remedy: what to do about it, where it is not good.
    """

    subject: str
    text: str
    good: bool | None = True
    remedy: str | None = None
