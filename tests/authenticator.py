"""An authenticator app: the codes of a secret, computed from RFC 6238 and RFC 4226 alone."""

from __future__ import annotations

import base64
import hmac
import time


def code(secret: str, moment: float | None = None) -> str:
    """Return the six digits that the app shows at `moment` (now, when None)."""
    step = int(time.time() if moment is None else moment) // 30
    digest = hmac.digest(base64.b32decode(secret), step.to_bytes(8), "sha1")
    offset = digest[-1] & 15
    return f"{(int.from_bytes(digest[offset : offset + 4]) & 0x7FFFFFFF) % 10**6:06}"
