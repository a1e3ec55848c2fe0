"""A file sealed with a passphrase: scrypt makes the key, AES-256-GCM seals and proves.

    PILOTHOUSE-SEALED 1\\n
    {"kdf":"scrypt","n":131072,"r":8,"p":1,"salt":"..","nonce":"..","verifier":".."}\\n
    ciphertext and tag
    SHA-256 of all before

Both lines are authenticated with the ciphertext, so nobody can weaken the parameters of a file and
have it accepted. The digest at the end has no key and finds damage before a passphrase is tried;
`verifier` (made from the derived key) tells a wrong passphrase from a file that was tampered with.
Neither helps a thief: the tag alone lets him try passphrases just as fast.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import unicodedata

import msgspec

from engine.core.ids import new_salt_bytes
from engine.domain.errors import ConfigError

MAGIC = b"PILOTHOUSE-SEALED 1\n"
_MAGIC_ANY = re.compile(rb"PILOTHOUSE-SEALED [0-9]+\n")
SCRYPT_N = 1 << 17
SCRYPT_R = 8
SCRYPT_P = 1
_N_MIN, _N_MAX = 1 << 14, 1 << 20
_R_MAX, _P_MAX = 16, 4
_SALT_BYTES, _NONCE_BYTES, _DIGEST_BYTES = 16, 12, 32
PASSPHRASE_MIN = 12
"""Characters. Against a stolen card each guess costs the thief 128 MiB and a good part of a
second; shorter ones fall anyway."""


class WrongPassphrase(ConfigError):
    """The file is whole; the passphrase is not its."""


class Damaged(ConfigError):
    """The file is not as it was written."""


class _Header(msgspec.Struct, frozen=True, kw_only=True):
    kdf: str
    n: int
    r: int
    p: int
    salt: bytes
    nonce: bytes
    verifier: bytes = b""


def seal(plain: bytes, passphrase: str, *, n: int | None = None) -> bytes:
    """The whole file. Salt and nonce are fresh, so no key is ever used twice."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    header = _Header(
        kdf="scrypt",
        n=n or SCRYPT_N,
        r=SCRYPT_R,
        p=SCRYPT_P,
        salt=new_salt_bytes(_SALT_BYTES),
        nonce=new_salt_bytes(_NONCE_BYTES),
    )
    key, verifier = _derive(header, passphrase)
    lines = _lines(msgspec.structs.replace(header, verifier=verifier))
    body = lines + AESGCM(key).encrypt(header.nonce, plain, lines)
    return body + hashlib.sha256(body).digest()


def unseal(sealed: bytes, passphrase: str, name: str) -> bytes:
    """What was sealed. Damaged, WrongPassphrase or ConfigError (a newer version); `name` is the
    file's."""
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    header, lines, ciphertext = _parse(sealed, name)
    key, verifier = _derive(header, passphrase)
    if not hmac.compare_digest(verifier, header.verifier):
        raise WrongPassphrase(f"{name}: wrong passphrase (type it again)")
    try:
        return AESGCM(key).decrypt(header.nonce, ciphertext, lines)
    except InvalidTag:
        raise Damaged(f"{name}: was changed after it was sealed: add the keys again") from None


def _parse(sealed: bytes, name: str) -> tuple[_Header, bytes, bytes]:
    if not sealed.startswith(MAGIC):
        if _MAGIC_ANY.match(sealed):
            raise ConfigError(f"{name}: sealed by a newer version: use that one")
        raise Damaged(f"{name}: is no sealed file, or has lost its beginning: add the keys again")
    body, digest = sealed[:-_DIGEST_BYTES], sealed[-_DIGEST_BYTES:]
    if hashlib.sha256(body).digest() != digest:
        raise Damaged(
            f"{name}: damaged (its digest differs): restore a copy, or add the keys again"
        )
    end = body.find(b"\n", len(MAGIC)) + 1
    try:
        header = msgspec.json.decode(body[len(MAGIC) : end], type=_Header)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise Damaged(f"{name}: its header cannot be read: add the keys again") from None
    if not _is_sane(header):
        raise Damaged(f"{name}: its header names parameters we never write: add the keys again")
    return header, body[:end], body[end:]


def _is_sane(header: _Header) -> bool:
    """Within what this machine can be asked for, and not weaker than anything we ever wrote."""
    return (
        header.kdf == "scrypt"
        and _N_MIN <= header.n <= _N_MAX
        and header.n & (header.n - 1) == 0
        and 1 <= header.r <= _R_MAX
        and 1 <= header.p <= _P_MAX
        and len(header.salt) == _SALT_BYTES
        and len(header.nonce) == _NONCE_BYTES
    )


def _derive(header: _Header, passphrase: str) -> tuple[bytes, bytes]:
    """The AES key, and what proves the passphrase."""
    # One passphrase typed on two keyboards may differ in how accents are composed.
    typed = unicodedata.normalize("NFC", passphrase).encode()
    try:
        both = hashlib.scrypt(
            typed,
            salt=header.salt,
            n=header.n,
            r=header.r,
            p=header.p,
            maxmem=256 * header.n * header.r,
            dklen=64,
        )
    except (MemoryError, ValueError):
        need_mb = 128 * header.n * header.r >> 20
        raise ConfigError(f"sealed file: opening it needs {need_mb} MiB of free memory") from None
    return both[:32], hmac.digest(both[32:], b"pilothouse verifier", "sha256")


def _lines(header: _Header) -> bytes:
    return MAGIC + msgspec.json.encode(header) + b"\n"
