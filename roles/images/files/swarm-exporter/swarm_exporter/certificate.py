# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""When a certificate ends, with nothing but the standard library."""

from __future__ import annotations

import ssl
from datetime import datetime, timezone

END = "-----END CERTIFICATE-----"


def expiry(pem: str) -> float:
    """The end of the first certificate in ``pem``, as a Unix time. Raises ``ValueError`` where there is none."""
    first = pem[pem.index("-----BEGIN CERTIFICATE-----") : pem.index(END) + len(END)]
    _tag, certificate = _children(ssl.PEM_cert_to_DER_cert(first))[0]
    _tag, signed = _children(certificate)[0]
    # [0] version, which is optional; serial number, algorithm, issuer, validity.
    fields = [one for one in _children(signed) if one[0] != 0xA0]
    tag, text = _children(fields[3][1])[1]
    form = "%y%m%d%H%M%SZ" if tag == 0x17 else "%Y%m%d%H%M%SZ"
    return datetime.strptime(text.decode(), form).replace(tzinfo=timezone.utc).timestamp()


def _children(der: bytes) -> list[tuple[int, bytes]]:
    """(tag, content) of the DER values in ``der``."""
    found, at = [], 0
    while at < len(der):
        tag, size, start = der[at], der[at + 1], at + 2
        if size & 0x80:
            start += size & 0x7F
            size = int.from_bytes(der[at + 2 : start], "big")
        found.append((tag, der[start : start + size]))
        at = start + size
    return found
