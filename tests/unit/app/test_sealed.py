"""The sealed file: opens with its passphrase alone, and says whether that or the file is wrong."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.secrets import sealed
from app.secrets.sealed import Damaged, WrongPassphrase, seal, unseal
from engine.domain.errors import ConfigError

QUICK_N = 1 << 14
"""The least that is accepted: tests seal often."""
WHOLE = seal(b"attack at dawn", "correct horse battery", n=QUICK_N)


@settings(max_examples=10)
@given(st.binary(max_size=2000), st.text(min_size=1, max_size=40))
def test_what_is_sealed_comes_back(plain: bytes, passphrase: str) -> None:
    whole = seal(plain, passphrase, n=QUICK_N)
    assert unseal(whole, passphrase, "f") == plain
    assert len(plain) < 8 or plain not in whole.split(b"\n", 2)[2]
    with pytest.raises(WrongPassphrase):
        unseal(whole, passphrase + "x", "f")


def test_the_shipped_parameters() -> None:
    header = json.loads(seal(b"x", "p").split(b"\n")[1])
    assert (header["kdf"], header["n"], header["r"], header["p"]) == ("scrypt", 131072, 8, 1)


def test_salt_and_nonce_are_fresh() -> None:
    again = seal(b"attack at dawn", "correct horse battery", n=QUICK_N)
    ours, theirs = (json.loads(one.split(b"\n")[1]) for one in (WHOLE, again))
    assert ours["salt"] != theirs["salt"]
    assert ours["nonce"] != theirs["nonce"]


def test_accents_may_be_typed_either_way() -> None:
    assert unseal(seal(b"x", "cafe\u0301", n=QUICK_N), "caf\u00e9", "f") == b"x"


@given(st.integers(0, len(WHOLE) - 1), st.integers(1, 255))
def test_any_changed_byte_is_damage_and_no_wrong_passphrase(place: int, change: int) -> None:
    broken = bytearray(WHOLE)
    broken[place] ^= change
    with pytest.raises(ConfigError) as refused:
        unseal(bytes(broken), "correct horse battery", "f")
    assert not isinstance(refused.value, WrongPassphrase)


@given(st.integers(0, len(WHOLE) - 1))
def test_a_cut_file_is_damage(length: int) -> None:
    with pytest.raises(Damaged):
        unseal(WHOLE[:length], "correct horse battery", "f")


def _forged(**changes: object) -> bytes:
    """A file with another header and a digest that fits it: what a thief with tools would write."""
    import hashlib

    magic, header, rest = WHOLE[:-32].split(b"\n", 2)
    changed = json.dumps({**json.loads(header), **changes}, separators=(",", ":")).encode()
    body = b"\n".join((magic, changed, rest))
    return body + hashlib.sha256(body).digest()


@pytest.mark.parametrize(
    "changes",
    [
        {"n": 1 << 30},
        {"n": 1024},
        {"n": 100_000},
        {"r": 1000},
        {"p": 0},
        {"kdf": "md5"},
        {"n": "x"},
    ],
)
def test_parameters_we_never_write_are_refused_unread(changes: dict[str, object]) -> None:
    with pytest.raises(Damaged, match="header"):
        unseal(_forged(**changes), "correct horse battery", "f")


def test_weakened_parameters_do_not_open() -> None:
    with pytest.raises(WrongPassphrase):
        unseal(_forged(n=1 << 15), "correct horse battery", "f")


def test_a_changed_ciphertext_under_a_fitting_digest_is_found() -> None:
    import hashlib

    body = bytearray(WHOLE[:-32])
    body[-1] ^= 1
    forged = bytes(body) + hashlib.sha256(body).digest()
    with pytest.raises(Damaged, match="changed after it was sealed"):
        unseal(forged, "correct horse battery", "f")


def test_a_newer_version_is_told_as_such() -> None:
    newer = WHOLE.replace(sealed.MAGIC, b"PILOTHOUSE-SEALED 2\n")
    with pytest.raises(ConfigError, match="newer version"):
        unseal(newer, "correct horse battery", "f")
