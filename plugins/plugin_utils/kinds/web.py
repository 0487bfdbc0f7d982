# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a route of the proxy may say beyond numbers: what is wrong with it, in a few words.

All of it lands in nginx's configuration: between double quotes, where ``$`` alone would still be read, or as it is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ansible_collections.fungap.swarm.plugins.plugin_utils.kinds.addresses import port_of, why_no_host_name
from ansible_collections.fungap.swarm.plugins.plugin_utils.kinds.texts import why_no_key, why_no_scalar
from ansible_collections.fungap.swarm.plugins.plugin_utils.problem import show_key

HEADER_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,63}\Z")
PRINTABLE = re.compile(r"[ -~]*\Z")
# nginx reads words of 4096 bytes at most.
WORD_MAX = 3500
HSTS = "strict-transport-security"
# The protocol's, nginx's, or of a setting of its own (cookie_flags, redirects, basic_auth).
OWN_HEADERS = frozenset(
    (
        *("accept-ranges", "connection", "content-encoding", "content-length", "content-range", "content-type", "date"),
        *(
            "etag",
            "keep-alive",
            "last-modified",
            "location",
            "proxy-connection",
            "server",
            "set-cookie",
            "status",
            "te",
        ),
        *("te", "trailer", "transfer-encoding", "upgrade", "www-authenticate"),
    )
)

# As nginx compares them: decoded, and without what %XX would stand for.
PATH = re.compile(r"/[A-Za-z0-9._~@:+,=/-]{0,1000}\Z")
# What the proxy has for itself.
OWN_PATH = "/__error"
TARGET_PATH = re.compile(r"/[A-Za-z0-9._~%/?&=:@!+,#-]{0,1000}\Z")
TARGET_URL = re.compile(r"https?://(?P<host>[^/:?#]*)(:(?P<port>[^/?#]*))?(?P<path>.*)\Z")

# Each revision of the app records it.
PAGE_BYTES_MAX = 65536

USER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}\Z")
BCRYPT = re.compile(r"\$2[aby]\$(?P<cost>[0-9]{2})\$[./A-Za-z0-9]{53}\Z")
# nginx compares at each request, and answers nobody else meanwhile: 3 ms at a cost of 6, 12 ms at 8.
BCRYPT_COST_MAX = 8


def why_no_word(value: Any) -> str:
    """Text that stands between double quotes in nginx's configuration, once backslashes and quotes are escaped."""
    if isinstance(value, bool):
        return "is true or false to YAML: put it in quotes"
    if why := why_no_scalar(value):
        return why
    text = str(value)
    if not PRINTABLE.match(text):
        return "has letters that are not ASCII"
    if "$" in text:
        return "has a $ in it, which nginx would fill in"
    if text != text.strip():
        return "begins or ends with a space"
    return "is too long" if len(re.sub(r'([\\"])', r"\\\1", text)) > WORD_MAX else ""


def why_no_headers(value: Any) -> str:
    """Headers of answers, each with its text; empty text for none."""
    names: set[str] = set()
    for name, text in value.items() if isinstance(value, Mapping) else ():
        if why := why_no_key(name):
            return why
        if not HEADER_NAME.match(name):
            return f"has {show_key(name)}, which is not a header's name"
        if name.lower() in OWN_HEADERS:
            return f"has {name}, which is not a header to set here: it is the protocol's or has a setting of its own"
        if name.lower() in names:
            return f"has {name} twice"
        names.add(name.lower())
        if why := why_no_word(text):
            return f"has a wrong text for {name}: it {why}"
    return ""


def why_no_default_headers(value: Any) -> str:
    """The same of those that an answer gets where it lacks them."""
    if why := why_no_headers(value):
        return why
    for name, text in value.items() if isinstance(value, Mapping) else ():
        if name.lower() == HSTS:
            return f"has {name}, which the proxy says in place of the app: another one belongs into headers"
        if text == "":
            return f"has nothing for {name}"
    return ""


def why_no_path(value: Any) -> str:
    """Of a request, as nginx compares it."""
    text = str(value)
    if not text.startswith("/"):
        return "does not begin with /"
    if not PATH.match(text):
        return "is no path of letters, digits and . _ ~ @ : + , = / -"
    if any(part in ("", ".", "..") for part in text[1:].removesuffix("/").split("/")) and text != "/":
        return "has an empty part, . or .. in it"
    return "is the proxy's own" if text.startswith(OWN_PATH) else ""


def why_no_redirect_target(value: Any) -> str:
    """A path, a URL, or the name of a host."""
    text = str(value)
    if text.startswith("/"):
        path = text
    elif "://" in text:
        url = TARGET_URL.match(text)
        if not url or why_no_host_name(url["host"]) or (url["port"] is not None and port_of(url["port"]) is None):
            return "is not a URL with http or https and a host"
        path = url["path"] or "/"
    else:
        return "" if not why_no_host_name(text) else "is neither a path nor a URL nor a host name"
    if path.startswith("//"):
        return "begins with //, which leads to another host"
    return "" if TARGET_PATH.match(path) else "has characters that a URL writes as %XX"


def why_no_page(value: Any) -> str:
    text = str(value)
    if "\0" in text:
        return "has a NUL in it"
    return "" if len(text.encode(errors="replace")) <= PAGE_BYTES_MAX else "is over 64 KiB"


def why_no_users(value: Any) -> str:
    """Names, each with the bcrypt hash of a password. What may be one in clear is never shown."""
    for name, given in value.items() if isinstance(value, Mapping) else ():
        if why := why_no_key(name):
            return why
        if not USER.match(name):
            return "has what is not a user's name: letters, digits and . _ @ -"
        found = BCRYPT.match(str(given))
        if not found or not 4 <= int(found["cost"]) <= 31:
            return f"has no bcrypt hash for {name}"
        if int(found["cost"]) > BCRYPT_COST_MAX:
            return f"has a hash for {name} that costs the proxy too much at each request: {found['cost']}"
    return ""
