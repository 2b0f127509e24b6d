"""The folder of trained models: written whole or not at all, and read only as registered."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Sequence
from pathlib import Path

from app.ports.forecasting import ModelFile, ModelFileCorruptError, ModelFileMissingError

MODEL_BYTES_MAX = 512 << 20
SUFFIX = ".model"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,120}")


class ModelFolder:
    """`app.ports.forecasting.ModelFiles` on a directory, made when first written to."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def save(self, name: str, content: bytes) -> ModelFile:
        """Written beside, synced, moved into place, and the folder synced: a registered file is there after a crash."""
        if len(content) > MODEL_BYTES_MAX:
            raise ValueError(f"{name}: {len(content)} bytes, at most {MODEL_BYTES_MAX}")
        path = self._path(name)
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        beside = path.with_suffix(".part")
        with beside.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
        descriptor = os.open(self._folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        return ModelFile(name=path.name, sha256=hashlib.sha256(content).hexdigest(), size_bytes=len(content))

    def load(self, file: ModelFile) -> bytes:
        path = self._path(file.name.removesuffix(SUFFIX))
        try:
            if path.stat().st_size != file.size_bytes:
                raise ModelFileCorruptError(f"{file.name}: {path.stat().st_size} bytes, registered {file.size_bytes}")
            content = path.read_bytes()
        except FileNotFoundError:
            raise ModelFileMissingError(f"{file.name} is not in the folder of models") from None
        except OSError as error:
            raise ModelFileCorruptError(f"{file.name} cannot be read: {error.strerror}") from error
        digest = hashlib.sha256(content).hexdigest()
        if digest != file.sha256:
            raise ModelFileCorruptError(f"{file.name}: checksum {digest[:12]}..., registered {file.sha256[:12]}...")
        return content

    def fingerprint(self, name: str) -> object:
        """Inode, size and times: a write or a replacement changes them."""
        try:
            stat = self._path(name.removesuffix(SUFFIX)).stat()
        except OSError:
            return None
        return stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns

    def keep_only(self, names: Sequence[str]) -> None:
        kept = set(names)
        for path in self._folder.glob(f"*{SUFFIX}"):
            if path.name not in kept:
                path.unlink(missing_ok=True)

    def _path(self, name: str) -> Path:
        if not _NAME.fullmatch(name):
            raise ValueError(f"not the name of a model: {name!r}")
        return self._folder / f"{name}{SUFFIX}"
