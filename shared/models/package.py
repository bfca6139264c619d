"""The model package: an uncompressed zip with a manifest; the same content, the same bytes."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Mapping

import msgspec

from shared.models.manifest import Manifest
from shared.models.refusal import ModelRefused, Refusal

MAX_PACKAGE_BYTES = 256 * 1024 * 1024
MANIFEST, MODEL = "manifest.json", "model.bin"
_FIXED_TIME = (1980, 1, 1, 0, 0, 0)  # the earliest that a zip can hold: a package has no clock in it
_READABLE = 0o644 << 16


def pack(manifest: Manifest, model: bytes, parts: Mapping[str, bytes] | None = None) -> bytes:
    """Return the package of a model; ``parts`` are those that the manifest lists, see ``listing``."""
    content = io.BytesIO()
    entries = {MANIFEST: manifest.to_bytes(), MODEL: model, **(parts or {})}
    with zipfile.ZipFile(content, "w", zipfile.ZIP_STORED) as archive:
        for name, part in entries.items():
            entry = zipfile.ZipInfo(name, _FIXED_TIME)
            entry.external_attr = _READABLE
            archive.writestr(entry, part)
    return content.getvalue()


def listing(manifest: Manifest, parts: Mapping[str, bytes]) -> Manifest:
    """Return the manifest with these parts listed."""
    digests = {name: hashlib.sha256(part).hexdigest() for name, part in sorted(parts.items())}
    return msgspec.structs.replace(manifest, parts=digests)


def unpack(package: bytes) -> tuple[Manifest, bytes]:
    """Return manifest and model bytes of a package whose signature was verified.

    Raises
    ------
    ModelRefused
        If it is not an archive of exactly these two and the parts that the manifest lists.
    """
    manifest, entries = _entries(package)
    return manifest, entries[MODEL]


def unpack_parts(package: bytes) -> dict[str, bytes]:
    """Return the parts beside manifest and model, by name; raises ModelRefused as ``unpack`` does."""
    manifest, entries = _entries(package)
    return {name: entries[name] for name in manifest.parts}


def _entries(package: bytes) -> tuple[Manifest, dict[str, bytes]]:
    entries = _archived(package)
    try:
        manifest = msgspec.json.decode(entries[MANIFEST], type=Manifest)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ModelRefused(Refusal.MALFORMED, f"the manifest cannot be read: {error}") from error
    except KeyError as error:
        raise ModelRefused(Refusal.MALFORMED, f"the package holds no {MANIFEST}") from error
    if set(entries) != {MANIFEST, MODEL, *manifest.parts}:
        raise ModelRefused(
            Refusal.MALFORMED,
            f"the package must hold {MANIFEST}, {MODEL} and the listed parts, no more",
        )
    for name, digest in manifest.parts.items():
        if hashlib.sha256(entries[name]).hexdigest() != digest:
            raise ModelRefused(Refusal.ALTERED, f"{name} is not the part that the manifest lists")
    return manifest, entries


def _archived(package: bytes) -> dict[str, bytes]:
    try:
        with zipfile.ZipFile(io.BytesIO(package)) as archive:
            found = archive.infolist()
            if any(entry.compress_type != zipfile.ZIP_STORED for entry in found):
                raise ModelRefused(Refusal.MALFORMED, "the package must hold its parts uncompressed")
            if len({entry.filename for entry in found}) != len(found):
                raise ModelRefused(Refusal.MALFORMED, "the package holds a part twice")
            return {entry.filename: archive.read(entry) for entry in found}
    except (zipfile.BadZipFile, EOFError, OSError, ValueError, NotImplementedError) as error:
        raise ModelRefused(Refusal.MALFORMED, f"the package is not a readable archive: {error}") from error
