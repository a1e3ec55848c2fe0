"""A certificate authority made on the spot, and what it signs. Worth nothing outside this machine:
only a client that is told to trust `ca.pem` trusts it.

The files lie in one folder, 0600; a server that starts there again keeps the authority.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
import os
import ssl
from collections.abc import Sequence
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from engine.core.clock import NS_PER_SECOND
from engine.domain.errors import ConfigError
from engine.drill.control import Certificate

CA_FILE = "ca.pem"
CA_KEY_FILE = "ca-key.pem"
_CA_DAYS, _LEAF_DAYS = 365, 30


class Authority:
    """`now_ns` is when validity is counted from; `names` are the hosts that leaves are for."""

    def __init__(self, folder: Path, names: Sequence[str], now_ns: int) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._folder = folder
        self._names = names
        self._now = dt.datetime.fromtimestamp(now_ns // NS_PER_SECOND, dt.UTC)
        self.ca_path = folder / CA_FILE
        self._key, self._ca = self._open() or self._make()

    def context(self, certificate: Certificate) -> ssl.SSLContext:
        """For a server that shows `certificate` (any but CUT)."""
        path = self._folder / f"leaf-{certificate.value}.pem"
        write_private(path, self._leaf(certificate))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path)
        return context

    # -- the authority ---------------------------------------------------------------------------

    def _open(self) -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate] | None:
        """The one of the last time, while it has a month to live."""
        key_path = self._folder / CA_KEY_FILE
        if not (self.ca_path.exists() and key_path.exists()):
            return None
        try:
            key = serialization.load_pem_private_key(key_path.read_bytes(), None)
            ca = x509.load_pem_x509_certificate(self.ca_path.read_bytes())
        except ValueError:
            raise ConfigError(f"{self._folder}: damaged certificates: delete the folder") from None
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        if ca.not_valid_after_utc < self._now + dt.timedelta(days=_LEAF_DAYS):
            return None
        return key, ca

    def _make(self) -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
        key, ca = make_ca("Pilothouse drill exchange", self._now)
        write_private(self._folder / CA_KEY_FILE, _key_pem(key))
        write_private(self.ca_path, ca.public_bytes(serialization.Encoding.PEM))
        return key, ca

    # -- leaves ----------------------------------------------------------------------------------

    def _leaf(self, certificate: Certificate) -> bytes:
        """Certificate and key in PEM."""
        key = ec.generate_private_key(ec.SECP256R1())
        signer, issuer = self._key, self._ca
        if certificate is Certificate.UNKNOWN_CA:
            signer, issuer = make_ca("Nobody knows me", self._now)
        names = ["wrong.invalid"] if certificate is Certificate.WRONG_NAME else self._names
        start, end = self._now - dt.timedelta(days=2), self._now + dt.timedelta(days=_LEAF_DAYS)
        if certificate is Certificate.EXPIRED:
            end = self._now - dt.timedelta(days=1)
        leaf = (
            _builder(names[0], issuer.subject, key.public_key(), start, end)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName(_alternatives(names)), critical=False)
            .add_extension(
                x509.ExtendedKeyUsage([x509.oid.ExtendedKeyUsageOID.SERVER_AUTH]), critical=False
            )
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()),
                critical=False,
            )
            .sign(signer, hashes.SHA256())
        )
        return leaf.public_bytes(serialization.Encoding.PEM) + _key_pem(key)


def make_ca(name: str, now: dt.datetime) -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    start = now - dt.timedelta(days=2)
    usage = x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=True,
        crl_sign=True,
        encipher_only=False,
        decipher_only=False,
    )
    ca = (
        _builder(name, subject, key.public_key(), start, now + dt.timedelta(days=_CA_DAYS))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    return key, ca


def _builder(
    name: str,
    issuer: x509.Name,
    key: ec.EllipticCurvePublicKey,
    start: dt.datetime,
    end: dt.datetime,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(end)
    )


def _alternatives(names: Sequence[str]) -> list[x509.GeneralName]:
    found: list[x509.GeneralName] = [x509.DNSName(name) for name in names]
    return [*found, x509.IPAddress(ipaddress.IPv4Address("127.0.0.1"))]


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def write_private(path: Path, content: bytes) -> None:
    """For the owner's eyes only, from its first byte on."""
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
