"""A self-made certificate, as an operator has one: two files, renewed now and then."""

import ssl
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import NameOID


class Certificate:
    """One for `localhost` and 127.0.0.1, and its key."""

    def __init__(self, folder: Path) -> None:
        self.cert, self.key = folder / "cert.pem", folder / "key.pem"
        self.serial = 0
        self.make()

    def make(self) -> None:
        """Renew it."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
        whom = [x509.DNSName("localhost"), x509.IPAddress(IPv4Address("127.0.0.1"))]
        now = datetime.now(UTC)
        made = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(minutes=1))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(x509.SubjectAlternativeName(whom), critical=False)
            .sign(key, hashes.SHA256())
        )
        self.serial = made.serial_number
        self.key.write_bytes(
            key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
        )
        self.cert.write_bytes(made.public_bytes(Encoding.PEM))

    def encrypt(self, password: str) -> None:
        """Keep its key under a password."""
        key = load_pem_private_key(self.key.read_bytes(), None)
        how = BestAvailableEncryption(password.encode())
        self.key.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, how))

    @property
    def settings(self) -> dict[str, str]:
        """What has a server show it."""
        return {"tls_cert": str(self.cert), "tls_key": str(self.key)}

    @property
    def trust(self) -> ssl.SSLContext:
        """What believes it, and no other."""
        return ssl.create_default_context(cafile=str(self.cert))
