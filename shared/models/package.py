"""The model package: an uncompressed zip of a manifest and a model, the same bytes for the same content."""

from __future__ import annotations

import io
import zipfile

import msgspec

from shared.models.manifest import Manifest
from shared.models.refusal import ModelRefused, Refusal

MAX_PACKAGE_BYTES = 256 * 1024 * 1024
MANIFEST, MODEL = "manifest.json", "model.bin"
_FIXED_TIME = (1980, 1, 1, 0, 0, 0)  # the earliest that a zip can hold: a package has no clock in it
_READABLE = 0o644 << 16


def pack(manifest: Manifest, model: bytes) -> bytes:
    """Return the package of a model."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_STORED) as archive:
        for name, part in ((MANIFEST, manifest.to_bytes()), (MODEL, model)):
            entry = zipfile.ZipInfo(name, _FIXED_TIME)
            entry.external_attr = _READABLE
            archive.writestr(entry, part)
    return content.getvalue()


def unpack(package: bytes) -> tuple[Manifest, bytes]:
    """Return manifest and model bytes of a package whose signature was verified.

    Raises
    ------
    ModelRefused
        If it is not an archive of exactly these two parts, or the manifest is not one.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(package)) as archive:
            entries = {entry.filename: entry for entry in archive.infolist()}
            is_plain = all(entry.compress_type == zipfile.ZIP_STORED for entry in entries.values())
            if sorted(entries) != [MANIFEST, MODEL] or not is_plain:
                raise ModelRefused(
                    Refusal.MALFORMED, f"the package must hold {MANIFEST} and {MODEL}, uncompressed"
                )
            parts = archive.read(MANIFEST), archive.read(MODEL)
    except (zipfile.BadZipFile, EOFError, OSError, ValueError, NotImplementedError) as error:
        raise ModelRefused(Refusal.MALFORMED, f"the package is not a readable archive: {error}") from error
    try:
        return msgspec.json.decode(parts[0], type=Manifest), parts[1]
    except msgspec.MsgspecError as error:
        raise ModelRefused(Refusal.MALFORMED, f"the manifest cannot be read: {error}") from error
