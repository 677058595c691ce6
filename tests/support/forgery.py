"""Tokens of any kind, signed with the standard library alone: no JWT library would make them.

And cursors, with the position of another one or of nobody's.
"""

import hmac
import json
import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode

from support.people import SECRET

HEADER: dict[str, object] = {"alg": "HS256", "typ": "JWT"}

DIGESTS = {"HS256": "sha256", "HS384": "sha384", "HS512": "sha512"}


def encode(data: bytes) -> str:
    """Base64url without padding (RFC 7515, 2)."""
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def part(content: object) -> str:
    """A token's header or payload: JSON of anything, or the very bytes."""
    return encode(content if isinstance(content, bytes) else json.dumps(content).encode())


def signed(text: str, secret: str = SECRET, algorithm: str = "HS256") -> str:
    """A header and payload, as they are, with the signature that belongs to them."""
    mac = hmac.digest(secret.encode(), text.encode(), DIGESTS[algorithm])
    return f"{text}.{encode(mac)}"


def forge(header: object, payload: object, secret: str = SECRET, algorithm: str = "HS256") -> str:
    """A token of these two parts with a signature that is right."""
    return signed(f"{part(header)}.{part(payload)}", secret, algorithm)


BEHIND_THE_LIST = 9
"""Bytes of a cursor: its version, and the digest of its list. The position follows."""


def position_of(cursor: str) -> bytes:
    """The id and the sort value in a cursor."""
    return urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))[BEHIND_THE_LIST:]


def with_position(cursor: str, position: bytes) -> str:
    """A cursor of the same list with another position."""
    head = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))[:BEHIND_THE_LIST]
    return encode(head + position)


def position(task_id: int, value: int | str) -> bytes:
    """A position of anything: microseconds since 1970, or text, lone surrogates included."""
    if isinstance(value, str):
        return struct.pack(">q", task_id) + value.encode(errors="surrogatepass")
    return struct.pack(">qq", task_id, value)
