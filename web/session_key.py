"""The key that signs sessions: made once, kept in the state directory, so that a restart logs nobody out."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

KEY_BYTES = 32
FILE_NAME = "web-session.key"


class SessionKeyError(Exception):
    """The key file cannot be read or made; carries its cause."""


def session_key(state_dir: Path) -> bytes:
    """The key, made when missing. Readable by its owner alone; two processes that start at once agree on one."""
    path = state_dir / FILE_NAME
    try:
        state_dir.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            _make(path)
        key = path.read_bytes()
    except OSError as error:
        raise SessionKeyError(f"cannot keep a session key in {path}: {error.strerror}") from error
    if len(key) != KEY_BYTES:
        raise SessionKeyError(f"{path} does not hold {KEY_BYTES} bytes; remove it and a new one is made")
    return key


def _make(path: Path) -> None:
    # Written whole under another name and then linked: whoever comes second finds the first one's key, never a part.
    draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(secrets.token_bytes(KEY_BYTES))
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(draft, path)
        except FileExistsError:
            return
    finally:
        draft.unlink()
