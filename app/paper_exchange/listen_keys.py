"""Listen keys: one per account, an hour long, extended by asking again."""

import secrets
from dataclasses import dataclass

LIFETIME_MS = 3_600_000


@dataclass(slots=True)
class ListenKeys:
    """The account's user-stream key and until when it holds."""

    key: str = ""
    expires_ms: int = 0

    def is_valid(self, key: str, now_ms: int) -> bool:
        return bool(self.key) and key == self.key and now_ms < self.expires_ms

    def start(self, now_ms: int) -> str:
        """The present key with a new hour, or a new key."""
        if not self.is_valid(self.key, now_ms):
            self.key = secrets.token_hex(32)
        self.expires_ms = now_ms + LIFETIME_MS
        return self.key

    def extend(self, now_ms: int) -> str | None:
        """Another hour for the present key; None when it is gone."""
        if not self.is_valid(self.key, now_ms):
            return None
        self.expires_ms = now_ms + LIFETIME_MS
        return self.key

    def close(self) -> None:
        self.key, self.expires_ms = "", 0

    def expired_key(self, now_ms: int) -> str | None:
        """The key whose hour has just run out, once."""
        if not self.key or now_ms < self.expires_ms:
            return None
        key, self.key = self.key, ""
        return key
