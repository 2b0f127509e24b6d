"""A backup: one tar file of mode 600 with the database, this machine's promises on disk, and the paper exchange."""

from __future__ import annotations

import hashlib
import json
import os
import tarfile
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from app.cli.failure import CommandFailure

DUMP = "database.dump"
MANIFEST = "manifest.json"
FORMAT = 1
# Beside the database: signals that were answered with 202 and are not stored yet, alerts not kept yet, and the paper
# account with its keys. Redis is left out on purpose: nothing in it is needed. Logs and tokens in clear are not kept.
FOLDERS = ("buffer", "paper-exchange")


def write_archive(target: Path, dump: Path, state_root: Path) -> Mapping[str, Any]:
    """Write `target` by way of a rename; the manifest."""
    manifest = {
        "format": FORMAT,
        "made_at": datetime.now(UTC).isoformat(),
        "sha256": {DUMP: _digest(dump)},
    }
    staging = target.with_name(f"{target.name}.{os.getpid()}.new")
    manifest_path = dump.with_name(MANIFEST)
    manifest_path.write_text(json.dumps(manifest, indent=1))
    try:
        descriptor = os.open(staging, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file, tarfile.open(fileobj=file, mode="w") as archive:
            archive.add(manifest_path, arcname=MANIFEST)
            archive.add(dump, arcname=DUMP)
            for name in FOLDERS:
                if (state_root / name).is_dir():
                    archive.add(state_root / name, arcname=name)
            file.flush()
            os.fsync(file.fileno())
        staging.rename(target)
    finally:
        staging.unlink(missing_ok=True)
    return manifest


def read_archive(source: Path, folder: Path) -> Path:
    """Unpack into `folder` and prove the dump whole; its path. Ends the command for anything else than a backup."""
    try:
        with tarfile.open(source) as archive:
            archive.extractall(folder, filter="data")
        manifest = json.loads((folder / MANIFEST).read_text())
    except (OSError, tarfile.TarError, ValueError) as error:
        raise CommandFailure(f"{source} is not a backup: {error}") from error
    if manifest.get("format") != FORMAT:
        raise CommandFailure(f"{source} has format {manifest.get('format')}; this release reads {FORMAT}")
    dump = folder / DUMP
    if _digest(dump) != manifest["sha256"][DUMP]:
        raise CommandFailure(f"{source} is damaged: the database in it is not what was saved")
    return dump


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
