"""Libraries that somebody would take instead: found by import, told with their version, or told as not installed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version

from bench.report.rows import Contender, Missing, Series


def version_of(package: str) -> str | None:
    """The installed version; None when it is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def installed(peers: Mapping[str, tuple[str, Callable[[], Callable[[], float]]]]) -> dict[str, Callable[[], float]]:
    """The contenders among `peers` (label -> package, what makes the contender) whose package is installed."""
    return {label: make() for label, (package, make) in peers.items() if version_of(package) is not None}


def as_told(
    peers: Mapping[str, tuple[str, Callable[[], Callable[[], float]]]], taken: Mapping[str, Series]
) -> Sequence[Contender]:
    """Each peer's rounds under its name with version, or that it is not installed."""
    return [
        Series(_named(label, package), taken[label].rounds) if label in taken else Missing(label, "not installed")
        for label, (package, _) in peers.items()
    ]


def _named(label: str, package: str) -> str:
    return f"{label} {version_of(package)}"
