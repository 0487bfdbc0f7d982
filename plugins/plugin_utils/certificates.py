# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether a certificate, its key and the host names it is to serve go together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

MISSING_LIBRARY: str | None = None
try:
    from cryptography import x509
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

    SPKI = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
except ImportError as error:
    MISSING_LIBRARY = str(error)


def check_certificate(
    certificate_pem: bytes, key_pem: bytes | None, hosts: Sequence[str], now: datetime, of: str = "the certificate"
) -> Iterator[tuple[bool, bool, str, str]]:
    """What is wrong: (whether it is about the key, whether it serves all the same, problem, cure).

    ``key_pem``: None when it could not be read. ``of``: the variable that names the certificate.
    """
    if MISSING_LIBRARY:
        yield (
            False,
            False,
            f"can't be checked: {MISSING_LIBRARY}",
            "install the Python package cryptography on the controller",
        )
        return
    try:
        certificate = x509.load_pem_x509_certificates(certificate_pem)[0]
        covered, own = _names(certificate), certificate.public_key().public_bytes(*SPKI)
    except Exception:  # extensions and keys that nobody makes have errors of their own
        yield False, False, "is not a PEM certificate", "a file that begins with -----BEGIN CERTIFICATE-----"
        return
    # not_valid_after_utc is newer than the cryptography of some supported controllers.
    until = _utc(certificate, "not_valid_after")
    since = _utc(certificate, "not_valid_before")
    if now > until:
        yield False, True, f"expired on {until:%Y-%m-%d}", "renew it"
    if now < since:
        yield False, True, f"is not valid before {since:%Y-%m-%d}", "check the clock, or wait"
    uncovered = [host for host in hosts if not any(_covers(name, host) for name in covered)]
    if uncovered:
        names = ", ".join(covered) or "no name"
        cure = "a certificate with these names, too"
        yield False, True, f"does not cover {', '.join(uncovered)}: it is for {names}", cure
    if key_pem is None:
        return
    try:
        given = load_pem_private_key(key_pem, password=None).public_key().public_bytes(*SPKI)
    except TypeError:
        yield True, False, "is encrypted", "a key without a passphrase"
        return
    except (ValueError, UnsupportedAlgorithm):
        yield True, False, "is not a PEM private key", f"the key of {of}"
        return
    if given != own:
        yield True, False, f"is not the key of {of}", "the key that the certificate was made for"


def are_certificates(pem: bytes) -> bool:
    """Whether a file has certificates, one at least, and no key."""
    try:
        return b"PRIVATE KEY" not in pem and bool(MISSING_LIBRARY or x509.load_pem_x509_certificates(pem))
    except ValueError:
        return False


def _utc(certificate: x509.Certificate, name: str) -> datetime:
    from datetime import timezone

    aware: datetime | None = getattr(certificate, f"{name}_utc", None)
    if aware is not None:
        return aware
    naive: datetime = getattr(certificate, name)
    return naive.replace(tzinfo=timezone.utc)


def _names(certificate: x509.Certificate) -> list[str]:
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return []
    names = [name.lower() for name in extension.value.get_values_for_type(x509.DNSName)]
    return [*names, *map(str, extension.value.get_values_for_type(x509.IPAddress))]


def _covers(name: str, host: str) -> bool:
    if name.startswith("*."):
        return host.partition(".")[2] == name[2:]
    return name == host
