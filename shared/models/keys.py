"""Ed25519 keys: one signs the models made here, every ``*.pub`` in the keys folder is trusted."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from shared.models.refusal import ModelRefused, Refusal
from shared.settings import Settings, SettingsError
from shared.settings.files import write_once

KEY_FILE = "model_signing.key"
FINGERPRINT_CHARACTERS = 32

TrustedKeys = Mapping[str, Ed25519PublicKey]
"""Public keys by fingerprint."""


def signing_key(settings: Settings) -> Ed25519PrivateKey:
    """Return the key that signs models, made on first use together with its ``.pub``.

    Raises
    ------
    SettingsError
        If the file in ``keys_folder`` holds no Ed25519 key.
    """
    file = settings.keys_folder / KEY_FILE
    if not file.exists():
        made = Ed25519PrivateKey.generate()
        write_once(file, made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()), 0o600)
    key = _private_key(file)
    public = file.with_suffix(".pub")
    if not public.exists():
        pem = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        write_once(public, pem, 0o644)
    return key


def trusted_keys(settings: Settings) -> TrustedKeys:
    """Return the keys of all ``*.pub`` files in ``keys_folder``, by fingerprint.

    Raises
    ------
    SettingsError
        If such a file holds no Ed25519 public key.
    """
    keys = [_public_key(file) for file in sorted(settings.keys_folder.glob("*.pub"))]
    return {fingerprint(key): key for key in keys}


def fingerprint(key: Ed25519PublicKey) -> str:
    """Return the first 32 hex digits of the SHA-256 of the raw public key."""
    return hashlib.sha256(key.public_bytes_raw()).hexdigest()[:FINGERPRINT_CHARACTERS]


def sign(package: bytes, key: Ed25519PrivateKey) -> tuple[bytes, str]:
    """Return the signature over a package's bytes, and the signer's fingerprint."""
    return key.sign(package), fingerprint(key.public_key())


def check_signature(package: bytes, signature: bytes, signer: str, trusted: TrustedKeys) -> None:
    """Check that a trusted key signed these very bytes.

    Raises
    ------
    ModelRefused
        If there is no signature, its key is not trusted, or it is one over other bytes.
    """
    if not signature:
        raise ModelRefused(
            Refusal.UNSIGNED, "the package carries no signature; publish it with `millrace train`"
        )
    if signer not in trusted:
        raise ModelRefused(
            Refusal.FOREIGN_KEY,
            f"key {signer or 'unknown'} is not trusted; put its .pub file into keys_folder",
        )
    try:
        trusted[signer].verify(signature, package)
    except InvalidSignature as error:
        raise ModelRefused(
            Refusal.ALTERED, f"the signature of key {signer} is not over these bytes"
        ) from error


def _private_key(file: Path) -> Ed25519PrivateKey:
    try:
        key = load_pem_private_key(file.read_bytes(), None)
    except (ValueError, TypeError, OSError) as error:
        raise SettingsError(f"{file} cannot be read as a private key: {error}") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise SettingsError(f"{file} holds another kind of key; models are signed with Ed25519")
    return key


def _public_key(file: Path) -> Ed25519PublicKey:
    try:
        key = load_pem_public_key(file.read_bytes())
    except (ValueError, TypeError, OSError) as error:
        raise SettingsError(f"{file} cannot be read as a public key: {error}") from error
    if not isinstance(key, Ed25519PublicKey):
        raise SettingsError(f"{file} holds another kind of key; models are signed with Ed25519")
    return key
