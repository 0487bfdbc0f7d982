# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""X.509, SSH keys, passwords, htpasswd: what the platform needs of them, and nothing that reads a file or a clock.

Certificates and keys are PEM text. ``now`` is an aware ``datetime``. Keys are EC P-256.
"""

from __future__ import annotations

import datetime
import ipaddress
import secrets
import string
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from ansible_collections.fungap.swarm.plugins.module_utils.core.errors import PlatformError

MISSING_LIBRARY: str | None = None
try:
    import bcrypt
    from cryptography import x509
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
except ImportError as error:
    MISSING_LIBRARY = str(error)

CA_DAYS = 3652
LEAF_DAYS = 365
RENEW_BELOW_DAYS = 30
# No certificate of ours outlives the CA's, and people have a year to trust the new one.
CA_RENEW_BELOW_DAYS = LEAF_DAYS + RENEW_BELOW_DAYS
# A host whose clock is a little behind accepts a new certificate all the same.
CLOCK_SKEW = datetime.timedelta(hours=1)
PASSWORD_LENGTH = 40
# The registry compares at each request; 40 random characters need no slow hash.
BCRYPT_ROUNDS = 6


@dataclass(frozen=True)
class KeyPair:
    """A certificate (or chain, the leaf first) and its private key."""

    certificate: str
    key: str


def check_libraries() -> None:
    """Raise when what this file works with is not installed on the controller."""
    if MISSING_LIBRARY:
        raise PlatformError(
            "certificates and passwords need the Python packages cryptography and bcrypt on the controller: "
            f"install them for {sys.executable} ({MISSING_LIBRARY})"
        )


def new_key() -> str:
    """A new private key."""
    return (
        ec.generate_private_key(ec.SECP256R1())
        .private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        .decode()
    )


def make_ca(common_name: str, key: str, now: datetime.datetime) -> str:
    """A self-signed CA certificate. The same name and key again give a certificate that the old leaves fit to."""
    private = _load_ec_key(key, "the CA's key")
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name[:64])])
    builder = (
        _builder(name, name, private.public_key(), now, datetime.timedelta(days=CA_DAYS))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(key_cert_sign=True, crl_sign=True), critical=True)
    )
    return _pem(builder.sign(private, hashes.SHA256()))


def issue(
    ca: KeyPair,
    key: str,
    names: Sequence[str],
    addresses: Sequence[str],
    now: datetime.datetime,
    *,
    is_mutual: bool = False,
) -> str:
    """A server certificate for DNS names and IP addresses, signed by the CA.

    ``is_mutual``: a client's, too, which lives as long as the CA's certificate.
    """
    if not names and not addresses:
        raise PlatformError("a certificate needs at least one name or address")
    authority = load_certificate(ca.certificate, "the CA's certificate")
    authority_key = _load_ec_key(ca.key, "the CA's key")
    private = _load_ec_key(key, "the certificate's key")
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, [*names, *addresses][0][:64])])
    alternatives: list[x509.GeneralName] = [x509.DNSName(name) for name in names]
    alternatives += [x509.IPAddress(ipaddress.ip_address(address)) for address in addresses]
    uses = [ExtendedKeyUsageOID.SERVER_AUTH, *([ExtendedKeyUsageOID.CLIENT_AUTH] if is_mutual else [])]
    life = authority.not_valid_after_utc - now if is_mutual else datetime.timedelta(days=LEAF_DAYS)
    builder = (
        _builder(subject, authority.subject, private.public_key(), now, life)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(digital_signature=True), critical=True)
        .add_extension(x509.ExtendedKeyUsage(uses), critical=False)
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()), critical=False)
    )
    return _pem(builder.sign(authority_key, hashes.SHA256()))


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    public_key: ec.EllipticCurvePublicKey,
    now: datetime.datetime,
    life: datetime.timedelta,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCK_SKEW)
        .not_valid_after(now + life)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
    )


def _key_usage(
    *, digital_signature: bool = False, key_cert_sign: bool = False, crl_sign: bool = False
) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=key_cert_sign,
        crl_sign=crl_sign,
        encipher_only=False,
        decipher_only=False,
    )


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def load_certificate(pem: str, what: str) -> x509.Certificate:
    """The first certificate of a PEM text; ``what`` names it in the error."""
    try:
        return x509.load_pem_x509_certificates(pem.encode())[0]
    except ValueError as error:
        raise PlatformError(f"{what} is not a PEM certificate") from error


def _load_ec_key(pem: str, what: str) -> ec.EllipticCurvePrivateKey:
    key = _load_key(pem, what)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise PlatformError(f"{what} is not an EC key")
    return key


def _load_key(pem: str, what: str) -> object:
    try:
        return serialization.load_pem_private_key(pem.encode(), password=None)
    except TypeError as error:
        raise PlatformError(
            f"{what} is protected by a passphrase: store it without (Ansible Vault may hold it)"
        ) from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise PlatformError(f"{what} is not a PEM private key") from error


def is_pair(certificate: str, key: str) -> bool:
    """Whether a certificate's public key is the private key's; false for what can't be read, too."""
    try:
        public = load_certificate(certificate, "").public_key()
        private = _load_key(key, "")
    except PlatformError:
        return False
    encoding = serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    own = private.public_key()  # type: ignore[attr-defined]
    return bool(public.public_bytes(*encoding) == own.public_bytes(*encoding))


def common_name(certificate: str) -> str:
    """The common name of a certificate's subject; empty when it has none."""
    names = load_certificate(certificate, "the certificate").subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(names[0].value) if names else ""


def days_left(certificate: str, now: datetime.datetime) -> float:
    """Days until a readable certificate expires; negative when it has."""
    return (load_certificate(certificate, "").not_valid_after_utc - now) / datetime.timedelta(days=1)


def ends_soon(certificate: str, now: datetime.datetime) -> bool:
    """Whether a readable certificate has to be made anew because of its age."""
    return days_left(certificate, now) < RENEW_BELOW_DAYS


def ca_ends_soon(certificate: str, now: datetime.datetime) -> bool:
    """The same of a CA's. A person's own that was made for a short time is left alone for two thirds of it."""
    loaded = load_certificate(certificate, "")
    life = (loaded.not_valid_after_utc - loaded.not_valid_before_utc) / datetime.timedelta(days=1)
    return days_left(certificate, now) < min(CA_RENEW_BELOW_DAYS, life / 3)


def ca_renewal_reason(ca: KeyPair, now: datetime.datetime) -> str | None:
    """Why the CA's certificate has to be made anew from its key, or ``None``. Errors: a CA that must not be touched."""
    if not is_pair(ca.certificate, ca.key):
        raise PlatformError(
            "ca.crt and ca.key do not belong together: put the right pair back, or remove both to start with a new CA"
        )
    return "it expires soon" if ca_ends_soon(ca.certificate, now) else None


def leaf_renewal_reason(
    leaf: KeyPair | None,
    ca_certificate: str,
    names: Sequence[str],
    addresses: Sequence[str],
    now: datetime.datetime,
    *,
    is_mutual: bool = False,
) -> str | None:
    """Why a certificate of ours has to be made anew, or ``None``."""
    if leaf is None:
        return "there is none"
    if not is_pair(leaf.certificate, leaf.key):
        return "certificate and key do not belong together"
    certificate = load_certificate(leaf.certificate, "")
    try:
        certificate.verify_directly_issued_by(load_certificate(ca_certificate, "the CA's certificate"))
    except (ValueError, TypeError, InvalidSignature):
        return "it is not by the platform's CA"
    if ends_soon(leaf.certificate, now):
        return "it expires soon"
    if not is_mutual and days_left(leaf.certificate, now) > LEAF_DAYS + 1:
        return "it lives too long"
    if certificate_names(leaf.certificate) != {*names, *addresses}:
        return "its names changed"
    return None


def certificate_names(pem: str) -> set[str]:
    """DNS names and IP addresses (as text) that a certificate speaks for."""
    try:
        extension = load_certificate(pem, "").extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return set()
    dns = extension.value.get_values_for_type(x509.DNSName)
    return {*dns, *(str(address) for address in extension.value.get_values_for_type(x509.IPAddress))}


def covers(certificate_name: str, host: str) -> bool:
    """Whether a name in a certificate, ``*.`` for exactly one label included, speaks for a host."""
    certificate_name, host = certificate_name.lower(), host.lower()
    if certificate_name.startswith("*."):
        return "." in host and host.split(".", 1)[1] == certificate_name[2:]
    return certificate_name == host


def check_given(pair: KeyPair, names: Sequence[str], now: datetime.datetime, *, what: str) -> list[str]:
    """Refuse a user's own certificate that can't be used; return warnings.

    One that is not valid at this time is in no rollback's way: it may be the one that is served anyway.
    """
    certificate = load_certificate(pair.certificate, f"certificate_file of {what}")
    _load_key(pair.key, f"key_file of {what}")
    if not is_pair(pair.certificate, pair.key):
        raise PlatformError(f"certificate_file and key_file of {what} do not belong together")
    since, until = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    have = certificate_names(pair.certificate)
    missing = [name for name in names if not any(covers(candidate, name) for candidate in have)]
    if missing:
        raise PlatformError(
            f"certificate_file of {what} is for {', '.join(sorted(have)) or 'no name'}, not for {', '.join(missing)}"
        )
    if now >= until:
        return [f"certificate_file of {what} expired on {until:%Y-%m-%d}: renew it"]
    if now < since:
        return [f"certificate_file of {what} is valid only from {since:%Y-%m-%d}: check the clock"]
    left = days_left(pair.certificate, now)
    return [f"certificate_file of {what} expires in {left:.0f} days"] if left < RENEW_BELOW_DAYS else []


def fingerprint(pem: str) -> str:
    """SHA-256 fingerprint as browsers and openssl show it."""
    return load_certificate(pem, "the certificate").fingerprint(hashes.SHA256()).hex(":").upper()


def key_id(pem: str) -> str:
    """What tells a certificate's key from another, whenever the certificate was made."""
    key = load_certificate(pem, "the certificate").public_key()
    return x509.SubjectKeyIdentifier.from_public_key(key).digest.hex()


def platform_ids(authority: str, replaced: str = "") -> list[str]:
    """What tells a platform from another one of its name: the ID of its CA's key, which stays; '' without a CA.

    Then the ID of the one that it takes the place of, if any.
    """
    return [key_id(authority) if authority and not MISSING_LIBRARY else "", *([replaced] if replaced else [])]


def not_after(pem: str) -> str:
    """When a certificate expires, ISO 8601."""
    return load_certificate(pem, "the certificate").not_valid_after_utc.strftime("%Y-%m-%dT%H:%M:%SZ")


def new_ssh_key() -> str:
    """A new Ed25519 private key as OpenSSH writes it, without a passphrase."""
    return (
        ed25519.Ed25519PrivateKey.generate()
        .private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption())
        .decode()
    )


def ssh_public_key(private_key: str, what: str) -> str:
    """The public half of an OpenSSH private key, of whatever type, as ``ssh-ed25519 AAAA...``."""
    try:
        key = serialization.load_ssh_private_key(private_key.strip().encode() + b"\n", password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise PlatformError(f"{what} is no private key of OpenSSH without a passphrase: {error}") from error
    return key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH).decode()


def new_password() -> str:
    """Letters and digits: they need no quoting anywhere."""
    alphabet = string.ascii_letters + string.digits
    return "".join(secrets.choice(alphabet) for _position in range(PASSWORD_LENGTH))


def htpasswd_line(user: str, password: str) -> str:
    """``user:hash`` with bcrypt, the only scheme that the registry reads."""
    return f"{user}:{bcrypt.hashpw(_password_bytes(password), bcrypt.gensalt(BCRYPT_ROUNDS)).decode()}\n"


def htpasswd_matches(line: str, user: str, password: str) -> bool:
    """Whether a stored line still says this user and password."""
    stored_user, _colon, stored_hash = line.strip().partition(":")
    try:
        return stored_user == user and bcrypt.checkpw(_password_bytes(password), stored_hash.encode())
    except ValueError:
        return False


def _password_bytes(password: str) -> bytes:
    encoded = password.encode()
    if not encoded or len(encoded) > 72:
        raise PlatformError("a password for htpasswd has 1 to 72 bytes (bcrypt's limit)")
    return encoded
