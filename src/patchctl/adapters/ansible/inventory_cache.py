"""Keep what ansible-inventory answered for as long as none of its inputs changes.

Reading an inventory anew costs half a second, with ten thousand hosts in YAML ten. Only sources
that are data are kept: a program or a plugin may answer differently a moment later. The key is the
content of every file that Ansible could read, so nothing has to be invalidated.

A variable of any name may hold a password, and a copy would outlive its removal from the sources.
So a reading is encrypted with a key made of the same content: it opens only with the very files
that contain all of it anyway.
"""

import contextlib
import hashlib
import importlib.metadata
import json
import os
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ... import __version__
from ...errors import AdapterError
from ..files import private_folder, write_atomic
from .environment import PASSED_ON
from .static_sources import VARIABLES, why_run

_FORM = "2"
_HEAD = b"patchctl-reading 2\n"
_NONCE = 12  # bytes, as AES-GCM has them (NIST SP 800-38D, 5.2.1.1)
_READINGS_MAX = 8  # sets of sources
_FILES_MAX, _BYTES_MAX = 20_000, 256 << 20
_VAULTED = b"$ANSIBLE_VAULT;"


@dataclass(frozen=True)
class Inputs:
    """What a reading depends on: `key` is a digest of all of it, which decrypts the reading."""

    sources: tuple[str, ...]
    cwd: Path
    key: bytes = field(repr=False)


@dataclass(frozen=True)
class InventoryCache:
    """Readings in a folder of the state, one file for each set of sources. It never raises: what
    cannot be read or written is treated as missing."""

    folder: Path

    def get(self, inputs: Inputs) -> Mapping[str, Any] | None:
        """The reading that was put for these inputs, or None."""
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError, RecursionError):
            reading = _decrypted(self._path(inputs).read_bytes(), inputs.key)
            return reading if isinstance(reading, dict) else None
        return None

    def put(self, inputs: Inputs, reading: Mapping[str, Any]) -> None:
        """Keep the reading if every source is data."""
        if any(why_run(path) for path in _source_files(inputs)):
            return
        path = self._path(inputs)
        with contextlib.suppress(OSError, AdapterError):
            private_folder(self.folder)
            write_atomic(path, _encrypted(reading, inputs.key))
            readings = sorted(self.folder.glob("*.reading"), key=lambda path: path.stat().st_mtime)
            for old in (
                *readings[:-_READINGS_MAX],
                *self.folder.glob("*.json"),
            ):  # 0.1 kept them in clear
                old.unlink(missing_ok=True)

    def _path(self, inputs: Inputs) -> Path:
        name = "\0".join((str(inputs.cwd), *inputs.sources))
        return self.folder / f"inventory-{hashlib.sha256(name.encode()).hexdigest()[:16]}.reading"


def inputs_of(sources: Sequence[str], cwd: Path, environment: Mapping[str, str]) -> Inputs | None:
    """The inputs as they are now. None where they are too many, or a file is vaulted whole: its
    variables would be kept in clear."""
    digest = hashlib.sha256()

    def add(*texts: str) -> None:
        for text in texts:
            data = text.encode("utf-8", "surrogateescape")
            digest.update(len(data).to_bytes(8, "big") + data)

    add(_FORM, __version__, importlib.metadata.version("ansible-core"), str(cwd), *sources)
    add(*(f"{name}={environment[name]}" for name in sorted(PASSED_ON & environment.keys())))
    try:
        room = _BYTES_MAX
        for number, path in enumerate(_every_file(sources, cwd)):
            content = path.read_bytes()
            room -= len(content)
            if number > _FILES_MAX or room < 0 or content.startswith(_VAULTED):
                return None
            mode = path.stat().st_mode & 0o111
            add(str(path), str(mode), hashlib.sha256(content).hexdigest())
    except OSError:
        return None
    return Inputs(tuple(sources), cwd, digest.digest())


def _source_files(inputs: Inputs) -> Iterator[Path]:
    return _every_file(inputs.sources, inputs.cwd)


def _every_file(sources: Sequence[str], cwd: Path) -> Iterator[Path]:
    """Every file in the sources and in the folders of variables beside them, also those that
    Ansible ignores."""
    seen: set[str] = set()
    for source in sources:
        if "," in source:
            continue
        top = cwd / source
        if not top.is_dir():
            yield top
        for start in [top] if top.is_dir() else [top.parent / name for name in VARIABLES]:
            for folder, folders, names in os.walk(start, followlinks=True):
                real = os.path.realpath(folder)
                if real in seen:
                    folders.clear()
                    continue
                seen.add(real)
                folders[:] = sorted(name for name in folders if name != ".git")
                yield from (Path(folder, name) for name in sorted(names))


def _encrypted(reading: Mapping[str, Any], key: bytes) -> bytes:
    nonce = secrets.token_bytes(_NONCE)
    return _HEAD + nonce + AESGCM(key).encrypt(nonce, json.dumps(reading).encode(), _HEAD)


def _decrypted(data: bytes, key: bytes) -> Any:
    """Raises ValueError where the data is damaged or was made of other inputs."""
    head, nonce, ciphertext = (
        data[: len(_HEAD)],
        data[len(_HEAD) :][:_NONCE],
        data[len(_HEAD) + _NONCE :],
    )
    try:
        return json.loads(AESGCM(key).decrypt(nonce, ciphertext, head))
    except InvalidTag as error:
        raise ValueError("not made of these inputs") from error
