"""The paper exchange as a process of the system: key and secret come by environment, and stay out of its log."""

from __future__ import annotations

import os
import runpy
import sys


def main() -> None:
    """Become `python -m app.paper_exchange` with the arguments given, without its secrets on a command line."""
    credentials = ["--key", os.environ.pop("QT_EXCHANGE_KEY"), "--secret", os.environ.pop("QT_EXCHANGE_SECRET")]
    # It prints its key and secret for whoever starts it by hand; here that would put them in the log.
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, sys.stdout.fileno())
    sys.argv = ["app.paper_exchange", *sys.argv[1:], *credentials]
    runpy.run_module("app.paper_exchange", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
