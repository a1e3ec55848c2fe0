"""What may be stored as a key, and that no refusal repeats it."""

from __future__ import annotations

import contextlib
import copy
import pickle

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from app.secrets import Credentials
from app.secrets.formats import check_venue, checked, names_of, parse_lines
from engine.domain.errors import BadInput, ConfigError, PilothouseError

KEY = "k" * 64
SECRET = "S3" * 32


def pem(key: object, password: bytes | None = None) -> str:
    encryption: serialization.KeySerializationEncryption = serialization.NoEncryption()
    if password:
        encryption = serialization.BestAvailableEncryption(password)
    assert hasattr(key, "private_bytes")
    made: bytes = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption
    )
    return made.decode()


ED25519 = pem(Ed25519PrivateKey.generate())


def test_a_binance_key_with_either_kind_of_secret() -> None:
    assert checked("binance", KEY, SECRET, "") == (KEY, SECRET, "")
    stored = checked("binance_usdm", KEY, ED25519.replace("\n", "\r\n"), "")[1]
    assert stored == ED25519.strip()
    assert len(stored) <= 120  # What ccxt takes for Ed25519 and not for RSA.


@pytest.mark.parametrize(
    ("venue", "key", "secret", "passphrase", "field"),
    [
        ("binance", KEY[1:], SECRET, "", "key"),
        ("binance", KEY + "k", SECRET, "", "key"),
        ("binance", "k" * 63 + "-", SECRET, "", "key"),
        ("binance", "", SECRET, "", "key"),
        ("binance", KEY, SECRET[1:], "", "secret"),
        ("binance", KEY, KEY, "", "secret"),
        ("binance", KEY, "", "", "secret"),
        ("binance", KEY, SECRET, "opensesame", "passphrase"),
        ("binance", KEY, pem(rsa.generate_private_key(65537, 2048)), "", "secret"),
        ("binance", KEY, pem(Ed25519PrivateKey.generate(), b"pw"), "", "secret"),
        ("binance", KEY, ED25519[:-30], "", "secret"),
        ("bybit", KEY, ED25519, "", "secret"),
        ("okx", KEY, SECRET, "", "passphrase"),
        ("okx", KEY, SECRET, "a\x00b", "passphrase"),
        ("gateio", "short", SECRET, "", "key"),
        ("gateio", KEY, "with space in it", "", "secret"),
    ],
    ids=range(16),  # What is made anew in every process must not be in a name.
)
def test_what_cannot_be_right_is_named_and_not_repeated(
    venue: str, key: str, secret: str, passphrase: str, field: str
) -> None:
    with pytest.raises(BadInput) as refused:
        checked(venue, key, secret, passphrase)
    assert refused.value.field == field
    for part in (key, secret, passphrase):
        assert len(part) < 6 or part not in str(refused.value)
    assert refused.value.__context__ is None


def test_other_venues_have_other_rules() -> None:
    assert checked("okx", KEY, SECRET, "pass word")[2] == "pass word"
    block = pem(ec.generate_private_key(ec.SECP256R1()))
    assert checked("coinbase", "organizations/a/apiKeys/b", block, "")[1] == block.strip()
    assert checked("gateio", KEY, SECRET, "")


@given(st.text(), st.text(), st.text(), st.sampled_from(["binance", "okx", "kraken", "gateio"]))
def test_no_rubbish_raises_anything_else(a: str, b: str, c: str, venue: str) -> None:
    with contextlib.suppress(BadInput):
        assert checked(venue, a, b, c) == (a, b, c)


@pytest.mark.parametrize("name", ["binanse", "Binance", "", "../x", "a", "binance_usd", "x" * 41])
def test_venue_names(name: str) -> None:
    with pytest.raises(BadInput, match="VENUE"):
        check_venue(name)


def test_families() -> None:
    assert names_of("binance_spot") == ("binance_spot", "binance")
    assert names_of("kraken") == ("kraken",)
    assert check_venue("mexc") == "mexc"


def test_lines_of_a_pipe() -> None:
    assert parse_lines([KEY, SECRET]) == (KEY, SECRET, "")
    assert parse_lines([f" {KEY}\r", SECRET, "three", "", ""]) == (KEY, SECRET, "three")
    key, secret, phrase = parse_lines([KEY, *ED25519.splitlines(), "three"])
    assert (key, phrase) == (KEY, "three")
    assert secret == ED25519.strip()


@pytest.mark.parametrize(
    "lines", [[], [KEY], [KEY, SECRET, "c", "d"], [KEY, "-----BEGIN PRIVATE KEY-----", "abc"]]
)
def test_wrong_lines_of_a_pipe(lines: list[str]) -> None:
    with pytest.raises(BadInput, match="stdin") as refused:
        parse_lines(lines)
    assert KEY not in str(refused.value)


def test_credentials_tell_nobody() -> None:
    held = Credentials("binance", key=KEY, secret=SECRET, passphrase="phrase")
    for shown in (repr(held), str(held), f"{held}", f"{held!r:>80}", repr([held]), repr(dir(held))):
        assert not any(part in shown for part in held.reveal())
    for leak in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="not copied or pickled"):
            leak(held)
    with pytest.raises(TypeError):
        vars(held)


def test_credentials_are_short_lived() -> None:
    held = Credentials("binance", key=KEY, secret=SECRET)
    again = Credentials.from_bytes("binance_spot", held.to_bytes())
    assert again.reveal() == held.reveal()
    assert again.fingerprint == held.fingerprint
    assert KEY[:6] not in held.fingerprint
    held.forget()
    with pytest.raises(ConfigError, match="already handed over"):
        held.reveal()


@given(st.binary(max_size=60))
def test_rubbish_in_a_vault_is_one_line(raw: bytes) -> None:
    with pytest.raises(PilothouseError, match="no key of ours") as refused:
        Credentials.from_bytes("binance", b"{" + raw)
    assert refused.value.__context__ is None
