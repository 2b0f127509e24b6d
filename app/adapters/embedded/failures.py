"""What can go wrong while an embedded server is prepared, said in one line."""

from __future__ import annotations

import errno


class EmbeddedServerError(Exception):
    """An embedded server cannot be prepared; the message is one line fit for the operator, without secrets."""


def describe_os_error(error: OSError, what: str) -> str:
    """One line for an `OSError` met while doing `what`, e.g. "cannot write /x: No space left on device"."""
    path = f" {error.filename}" if error.filename else ""
    reason = error.strerror or str(error)
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        reason = "no space left on device"
    return f"{what}{path}: {reason}"
