"""The API key and its secret, kept out of every text that a log, an exception or a debugger may show."""

from __future__ import annotations

import re

# Our own signatures are 64 hex digits; a server that echoes a request must not get one into our logs.
_SIGNATURE_TEXT = re.compile(r"[0-9a-fA-F]{64}")
MASK = "***"


class Credentials:
    """Key and secret of one account; its text shows neither."""

    __slots__ = ("_key", "_secret")

    def __init__(self, *, key: str, secret: str) -> None:
        if not key or not secret:
            raise ValueError("an API key and its secret are both needed")
        if not (key.isascii() and key.isprintable()):
            raise ValueError("the API key holds characters that no HTTP header can carry")
        self._key = key
        self._secret = secret

    def __repr__(self) -> str:
        return f"Credentials(key={MASK}, secret={MASK})"

    def __reduce__(self) -> str:
        raise TypeError("credentials are not to be pickled or copied out of the process")

    def reveal_key(self) -> str:
        """The key, for the request header only."""
        return self._key

    def reveal_secret(self) -> str:
        """The secret, for signing only."""
        return self._secret

    def redact(self, text: str) -> str:
        """`text` without the key, the secret or anything that looks like a signature of ours."""
        cleaned = text.replace(self._secret, MASK).replace(self._key, MASK)
        return _SIGNATURE_TEXT.sub(MASK, cleaned)
