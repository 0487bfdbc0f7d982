# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Keys, certificates, logins and mail addresses: what is wrong with one, without showing it."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from typing import Any

from ansible_collections.fungap.swarm.plugins.module_utils.folder.model import why_no_folder
from ansible_collections.fungap.swarm.plugins.plugin_utils.kinds.addresses import why_no_url
from ansible_collections.fungap.swarm.plugins.plugin_utils.kinds.texts import CONTROL, why_no_line
from ansible_collections.fungap.swarm.plugins.plugin_utils.problem import show_key

PRIVATE_KEY = re.compile(
    r"\s*-----BEGIN ([A-Z]+ |)PRIVATE KEY-----[ \t]*\n(.+)\n-----END \1PRIVATE KEY-----\s*\Z", re.DOTALL
)

OPENSSH_KEY = b"openssh-key-v1\0"
KNOWN_HOSTS_LINE = re.compile(
    r"(@(cert-authority|revoked) )?[^\s#]+ [a-z0-9@.-]+ [A-Za-z0-9+/]+={0,3}( [^\x00-\x1f]*)?\Z"
)

FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}\Z")
# One, by itself or after a name, and several. Alertmanager fills in what has braces.
_ADDRESS = r"[^\s@<>{}(),;:\\\"\[\]]+@[^\s@<>{}(),;:\\\"\[\]]+"
MAIL = rf" *(?:{_ADDRESS}|(?:\"[^\"\\{{}}]*\" *|[^\"\\@<>{{}}(),;:\[\]]*)<{_ADDRESS}>) *"
MAIL_LIST = re.compile(rf"{MAIL}(?:,{MAIL})*\Z")
FINGERPRINT = re.compile(r"[0-9A-Fa-f]{40}\Z")
PEM_CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----\r?\n([A-Za-z0-9+/=\s]+)-----END CERTIFICATE-----")


def why_no_private_key(value: Any) -> str:
    """Of OpenSSH, in the form of PEM, and without a passphrase: nobody is there to type it."""
    match = PRIVATE_KEY.match(str(value).replace("\r\n", "\n"))
    if not match:
        return "is not the text of a private key"
    kind, body = match.groups()
    try:
        head = base64.b64decode("".join(body.split())[:64], validate=True) if kind == "OPENSSH " else b""
    except ValueError:
        head = b""
    # What follows is the cipher's name, with its length before it.
    is_open = not head.startswith(OPENSSH_KEY) or head.startswith(OPENSSH_KEY + b"\0\0\0\4none")
    is_locked = kind == "ENCRYPTED " or "ENCRYPTED" in body.partition("\n\n")[0] or not is_open
    return "has a passphrase, and nobody is there to type it" if is_locked else ""


def why_no_known_hosts_line(value: Any) -> str:
    return "" if KNOWN_HOSTS_LINE.match(str(value)) else "is not one line of a known_hosts file"


def why_no_login(value: Any) -> str:
    """A user whose name stands before a colon and a password."""
    return "has a colon in it" if ":" in str(value) else why_no_line(value)


def why_no_mail(value: Any) -> str:
    """Addresses with commas between them."""
    return why_no_line(value) or ("" if MAIL_LIST.match(str(value)) else "is not a mail address")


def why_no_plain_mail(value: Any) -> str:
    """One address, and nothing beside it."""
    return why_no_line(value) or ("" if re.fullmatch(_ADDRESS, str(value)) else "is not one mail address")


def why_no_sender(value: Any) -> str:
    """One address: Alertmanager sends nothing from several."""
    return why_no_line(value) or ("" if re.fullmatch(MAIL, str(value)) else "is not one mail address")


def why_no_certificates(value: Any) -> str:
    """What lies as <name>.crt among the machine's own, and its PEM text."""
    for name, text in value.items() if isinstance(value, Mapping) else ():
        if not isinstance(name, str) or not FILE_NAME.match(name):
            return f"has {show_key(name)}, which is not a file's name"
        if not isinstance(text, str) or not _are_certificates(text):
            return f"has no certificate in PEM for {name}"
    return ""


def _are_certificates(text: str) -> bool:
    """One in PEM, or several, and nothing else in PEM: with one that can't be read, a machine trusts none."""
    blocks = PEM_CERTIFICATE.findall(text)
    try:
        contents = [base64.b64decode("".join(block.split()), validate=True) for block in blocks]
    except ValueError:
        return False
    # A sequence, as DER has it.
    is_whole = len(blocks) == text.count("-----BEGIN") and all(one.startswith(b"\x30") for one in contents)
    return bool(blocks) and is_whole


def why_no_signing_key(value: Any) -> str:
    """As deb822_repository takes it: an address, a file, fingerprints, or the key's own text."""
    text = str(value)
    if text.startswith("-----BEGIN PGP PUBLIC KEY BLOCK-----"):
        return "" if not CONTROL.search(re.sub(r"[\r\n]", "", text)) else "has a control character in it"
    if all(FINGERPRINT.match(one.strip()) for one in text.split(",")):
        return ""
    return "is neither a key nor where one is" if (why_no_folder(value) and why_no_url(value)) else ""
