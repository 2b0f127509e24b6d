"""The bound of a ring: segments that hold none of the newest records are given up, and how many that were is noted."""

from __future__ import annotations

from pathlib import Path

import structlog

from app.adapters.disk import directory as files
from app.adapters.disk.reader import SegmentFacts, facts_of

log = structlog.get_logger(__name__)


def give_up_oldest(directory: Path, *, records_max: int) -> None:
    """Remove segments all of whose records are older than the newest `records_max` of all processes."""
    found = [facts for path in files.segments(directory) if (facts := facts_of(path)) is not None]
    if sum(facts.waiting for facts in found) <= records_max:
        return
    for victim in sorted(found, key=lambda facts: facts.last_at_us):
        newer = sum(facts.waiting for facts in found if facts.first_at_us > victim.last_at_us)
        if newer < records_max:
            return
        _give_up(victim)


def _give_up(victim: SegmentFacts) -> None:
    with files.locked(victim.path) as descriptor:
        if descriptor is None:
            return  # its writer or the replayer is at it: the next time
        # The count first: a kill in between leaves both, and the replayer then removes the segment.
        files.write_whole(victim.path.with_suffix(files.FELL_OFF), str(victim.waiting).encode())
        files.remove(victim.path)
    log.error("buffer_overflowed", segment=victim.path.name, records=victim.waiting)


def finish_interrupted(directory: Path) -> None:
    """Remove segments that were given up by a process that was killed before it removed them."""
    for count in directory.glob(f"*{files.FELL_OFF}"):
        segment = count.with_suffix(files.SEGMENT)
        with files.locked(segment) as descriptor:
            if descriptor is not None:
                files.remove(segment)


def fallen_off(directory: Path) -> dict[str, int]:
    """How many records were given up, by the name of the file that says so."""
    found = {}
    for path in sorted(directory.glob(f"*{files.FELL_OFF}")):
        try:
            found[path.name] = int(path.read_bytes())
        except (FileNotFoundError, ValueError):
            continue
    return found
