# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Hosts, addresses, networks, ports, registries and URLs: what is wrong with one, in a few words."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any
from urllib.parse import unquote, urlsplit

from ansible_collections.fungap.swarm.plugins.plugin_utils.acme import SERVERS
from ansible_collections.fungap.swarm.plugins.plugin_utils.casc import registry_credential
from ansible_collections.fungap.swarm.plugins.plugin_utils.kinds.amounts import NUMBER
from ansible_collections.fungap.swarm.plugins.plugin_utils.kinds.texts import CONTROL, as_list
from ansible_collections.fungap.swarm.plugins.plugin_utils.problem import show_key

LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
# Numbers with dots are an address, or nothing: no name of a machine ends in a number alone (RFC 3696).
_NO_NUMBER = r"(?!(?:.*\.)?[0-9]+\Z)"
_BYTE = r"(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
HOST_NAME = re.compile(rf"(?:{_BYTE}(?:\.{_BYTE}){{3}}|{_NO_NUMBER}(?=.{{1,253}}\Z){LABEL}(\.{LABEL})*)\Z")
# A server's: a swarm's own names have underscores, as shop_web.
SERVER_NAME = re.compile(
    _NO_NUMBER + r"(?=.{1,253}\Z)[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*\Z"
)

PORT_DIGITS = re.compile(r"[1-9][0-9]{0,4}\Z")
PREFIX = re.compile(r"(0|[1-9][0-9]{0,2})\Z")
URL_REST = re.compile(r"[A-Za-z0-9._~%/?&=:@!$+,-]*\Z")
# What the platform may use within a site: RFC 1918, and what providers share (RFC 6598).
SITES = tuple(map(ipaddress.IPv4Network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10")))
NETWORK = re.compile(r"[0-9.]+/[0-9]{1,2}\Z")
# What sshd's from="..." takes.
FROM_PATTERN = re.compile(r"!?[A-Za-z0-9.:*?/_-]+\Z")


def why_no_host_name(value: Any) -> str:
    return "" if HOST_NAME.match(str(value)) else "is not a host name"


def why_no_acme_server(value: Any) -> str:
    """An authority by its short name, or the URL of its directory, as anybody may read it."""
    text = str(value)
    if text in SERVERS:
        return ""
    if not text.startswith("https://") or "@" in text or "?" in text or "#" in text:
        return "is no authority that is known by its name, and no URL with https"
    return why_no_url(text)


def address_of(value: Any) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """An IP address, or None. One with a zone is none: Python takes any text for a zone."""
    try:
        return None if "%" in str(value) else ipaddress.ip_address(str(value))
    except ValueError:
        return None


def why_no_address(value: Any) -> str:
    return "" if address_of(value) else "is not an IP address"


def why_no_host(value: Any) -> str:
    """A server's name or an IP address."""
    if address_of(value) or SERVER_NAME.match(str(value).lower()):
        return ""
    return "is neither a host name nor an IP address"


def port_of(text: Any) -> int | None:
    """A port as it is written, or None. Digits of other scripts are no digits to Docker."""
    word = str(text)
    return int(word) if PORT_DIGITS.match(word) and int(word) <= 65535 else None


def why_no_port(value: Any) -> str:
    """Of a number. What can't be read as a whole one is a wrong type, told elsewhere."""
    try:
        found = Decimal(str(value))
    except InvalidOperation:
        return ""
    if found.is_finite() and not NUMBER.match(str(value)):
        return "is not a port"
    return "is not a port" if found.is_finite() and found == int(found) and not 1 <= found <= 65535 else ""


def why_no_host_port(value: Any) -> str:
    host, colon, port = str(value).rpartition(":")
    if not colon or port_of(port) is None:
        return "has no port"
    if host.startswith("[") and host.endswith("]"):
        return "" if ":" in host and address_of(host[1:-1]) else "has brackets around what is no IPv6 address"
    return "has an IPv6 address without brackets" if ":" in host else why_no_host(host)


def why_no_registry(value: Any) -> str:
    """``name`` or ``name:port``, as it stands before an image's name."""
    text = str(value)
    if "://" in text or "/" in text:
        return "is a URL or a path"
    name, colon, port = text.partition(":")
    if colon and port_of(port) is None:
        return "has no port after its colon"
    if not HOST_NAME.match(name.lower()):
        return "is neither a host name nor an IP address"
    if name.lower() in ("index.docker.io", "hub.docker.com"):
        return "is Docker Hub, whose name in an image's is docker.io"
    # What begins with a word alone is a path on Docker Hub.
    is_registry = colon or "." in name or name == "localhost"
    return "" if is_registry else "has neither a dot nor a port, and is no registry before an image's name"


def why_no_registries(value: Any) -> str:
    """Of several, that each has one login."""
    names = _registries(value)
    return "has two logins for one registry" if len(names) > len(set(names)) else ""


def why_no_jenkins_registries(value: Any) -> str:
    """And that each of their credentials has a name of its own: a.example:5000 and a.example-5000 have one."""
    names = _registries(value)
    is_one = len(names) > len(set(map(registry_credential, names)))
    return why_no_registries(value) or ("has two registries whose credentials would have one name" if is_one else "")


def _registries(value: Any) -> list[str]:
    entries = [one for one in value if isinstance(one, Mapping)] if isinstance(value, list) else []
    return [str(one.get("registry")).lower() for one in entries]


def why_no_url(value: Any) -> str:
    """With http or https, a host, perhaps a login, a port, a path; nothing that a shell or a configuration reads."""
    text = str(value)
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError:
        return "is not a URL"
    if CONTROL.search(text) or " " in text:
        return "has a space or a line break in it"
    if parts.scheme not in ("http", "https") or not host or why_no_host(host) or port == 0:
        return "is not a URL with http or https and a host"
    if not URL_REST.match(text.partition("://")[2].replace("[", "").replace("]", "")):
        return "has characters that a URL writes as %XX"
    return ""


def why_no_login_url(value: Any) -> str:
    """The same; its login has both parts, or the exporter would ask without any."""
    if why := why_no_url(value):
        return why
    parts = urlsplit(str(value))
    if any(CONTROL.search(unquote(one or "")) for one in (parts.username, parts.password)):
        return "has a line break or another control character in its login"
    return "has a user without a password" if parts.username and not parts.password else ""


def why_no_from_pattern(value: Any) -> str:
    """sshd lets nobody in where one of them is a network with host bits, or with a prefix that is none."""
    text = str(value).removeprefix("!")
    if not FROM_PATTERN.match(str(value)):
        return "is not an address or a pattern of addresses"
    try:
        if "/" in text:
            ipaddress.ip_network(text if PREFIX.match(text.partition("/")[2]) else "")
        elif re.fullmatch(r"[0-9.]+", text):
            ipaddress.ip_address(text)
    except ValueError:
        return "is neither an address nor a network without host bits"
    return ""


def why_no_from(value: Any) -> str:
    """All of them together. One with ! takes away from what others let in."""
    listed = as_list(value)
    is_closed = isinstance(listed, list) and listed and all(str(one).startswith("!") for one in listed)
    return "lets nobody in: each of them takes away, and none adds" if is_closed else ""


def why_no_host_lines(value: Any) -> str:
    """Host names, each with its address."""
    for name, address in value.items() if isinstance(value, Mapping) else ():
        is_name = isinstance(name, str) and not why_no_host(name) and not address_of(name)
        if not is_name or (why_no_address(address) and address != "host-gateway"):
            return f"has no host name with an address at {show_key(name)}"
    return ""


def network_of(value: Any) -> ipaddress.IPv4Network | None:
    """A network by its prefix, or an address as one of its own. Python takes masks and their opposites, too."""
    text = str(value)
    try:
        return ipaddress.IPv4Network(text) if "/" not in text or NETWORK.match(text) else None
    except ValueError:
        return None


def is_site_network(network: ipaddress.IPv4Network) -> bool:
    """Whether a network may be used within a site."""
    return any(network.subnet_of(site) for site in SITES)


def why_no_network(value: Any) -> str:
    """Of IPv4, as a.b.c.d/nn."""
    text = str(value)
    if network_of(text):
        return "" if "/" in text else "has no prefix"
    try:
        wide = ipaddress.IPv4Network(text, strict=False) if NETWORK.match(text) else None
    except ValueError:
        wide = None
    return f"has host bits set: the network is {wide}" if wide else "is not an IPv4 network"


def why_no_site_network(value: Any) -> str:
    """A network of IPv4 that may be used within a site."""
    if why := why_no_network(value):
        return why
    found = network_of(value)
    return "" if found and is_site_network(found) else "is not private"


def why_no_address_or_network(value: Any) -> str:
    """An address, or a network by its prefix: Python takes masks and their opposites, too, and nginx does not."""
    address, slash, prefix = str(value).partition("/")
    found = address_of(address)
    if not found or (slash and not (PREFIX.match(prefix) and int(prefix) <= found.max_prefixlen)):
        return "is neither an address nor a network"
    return ""


def why_not_trusted(value: Any) -> str:
    """The same of those that are believed."""
    is_all = str(value).endswith("/0")
    return why_no_address_or_network(value) or ("is everybody, who could then say to be any client" if is_all else "")
