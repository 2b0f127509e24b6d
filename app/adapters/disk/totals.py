"""What became of a buffer's records since it was made; written by the one who replays."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path

import orjson
import structlog

from app.adapters.disk import directory as files

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Totals:
    """Counts. `counted` names the files of `fell_off` that are in it, until they are removed."""

    replayed: int = 0
    fell_off: int = 0
    corrupt: int = 0
    torn: int = 0
    set_aside: int = 0
    counted: list[str] = field(default_factory=list)

    @classmethod
    def read(cls, directory: Path) -> Totals:
        """From the directory; zeros when nothing was written, or nothing readable (which is said)."""
        path = directory / "totals.json"
        try:
            return cls(**orjson.loads(path.read_bytes()))
        except FileNotFoundError:
            return cls()
        except (orjson.JSONDecodeError, TypeError) as error:
            log.warning("buffer_totals_unreadable", path=str(path), error=str(error))
            return cls()

    def write(self, directory: Path) -> None:
        """Replace what was written."""
        files.write_whole(directory / "totals.json", orjson.dumps(asdict(self)))
