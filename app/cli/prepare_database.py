"""A short-lived process of `up`: migrations, the first rows and the operator token, before anything else starts."""

from __future__ import annotations

import os

from app.bootstrap import prepare_database
from app.settings import Settings

if __name__ == "__main__":
    prepare_database(Settings.from_environment(os.environ))
