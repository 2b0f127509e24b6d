"""`app.ports.TokenMemory` in one small file: hashes of random 256-bit tokens, of no use to whoever reads them."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

import orjson
import structlog

from app.ports import KnownToken

FILE_BYTES_MAX = 1 << 20

log = structlog.get_logger(__name__)


class TokenFile:
    """Replaced as a whole, so never read half written; of mode 600, for whoever may write it names whom we trust."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def recall(self) -> Mapping[str, KnownToken]:
        """What the file says; nothing when it is missing, somebody else's to write, or damaged."""
        try:
            with self._path.open("rb") as file:
                status = os.fstat(file.fileno())
                if status.st_uid != os.geteuid() or status.st_mode & 0o022:
                    log.error("token_memory_not_trusted", path=str(self._path), mode=oct(status.st_mode))
                    return {}
                content = file.read(FILE_BYTES_MAX)
        except FileNotFoundError:
            return {}
        except OSError as error:
            log.warning("token_memory_unreadable", path=str(self._path), error=str(error))
            return {}
        try:
            return {
                key: KnownToken(
                    name=str(row["name"]),
                    scopes=frozenset(map(str, row["scopes"])),
                    verified_at=datetime.fromisoformat(row["verified_at"]),
                    expires_at=None if row["expires_at"] is None else datetime.fromisoformat(row["expires_at"]),
                )
                for key, row in orjson.loads(content).items()
            }
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            log.warning("token_memory_malformed", path=str(self._path), error=repr(error))
            return {}

    def keep(self, tokens: Mapping[str, KnownToken]) -> None:
        """Not synced: after a power cut Postgres is asked again, as ever."""
        rows = {
            key: {
                "name": each.name,
                "scopes": sorted(each.scopes),
                "verified_at": each.verified_at.isoformat(),
                "expires_at": None if each.expires_at is None else each.expires_at.isoformat(),
            }
            for key, each in tokens.items()
        }
        staging = self._path.with_name(f"{self._path.name}.{os.getpid()}.{threading.get_ident()}.new")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(staging, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(orjson.dumps(rows))
            staging.replace(self._path)
        except OSError as error:
            log.warning("token_memory_not_written", path=str(self._path), error=str(error))
