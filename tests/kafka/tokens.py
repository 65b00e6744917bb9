"""Tokens for OAUTHBEARER as Kafka's validator for development takes them: claims without a signature."""

import base64
import json
import time
from typing import Final

__all__ = ["USER", "unsecured_token"]

USER: Final = "audit"


def unsecured_token(lifetime_s: float = 3600.0) -> str:
    """A token that holds for so many seconds."""
    now = time.time()
    claims = {"sub": USER, "iat": now - 1, "exp": now + lifetime_s}
    parts = (base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in ({"alg": "none"}, claims))
    return b".".join(parts).decode() + "."
