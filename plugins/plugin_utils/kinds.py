# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a variable's value has to look like beyond its type: a folder of its own, a size, a URL, ... Pure.

Each kind is written once. ``KINDS`` says which variables are of it; a new variable belongs there.
"""

from __future__ import annotations

import base64
import difflib
import ipaddress
import math
import posixpath
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any
from urllib.parse import urlsplit

from ansible_collections.fungap.swarm.plugins.module_utils.errors import PlatformError
from ansible_collections.fungap.swarm.plugins.module_utils.model.env import Owner, check_mode
from ansible_collections.fungap.swarm.plugins.module_utils.model.folder import (
    SHARED_FOLDERS,
    SYSTEM_TREES,
    why_no_folder,
    why_not_own_folder,
)
from ansible_collections.fungap.swarm.plugins.module_utils.model.image import IMAGE_NAME, PACKAGE, parse_entry
from ansible_collections.fungap.swarm.plugins.module_utils.model.member import SwarmSettings
from ansible_collections.fungap.swarm.plugins.module_utils.plan.load_test import choose_profile
from ansible_collections.fungap.swarm.plugins.plugin_utils.problem import show
from ansible_collections.fungap.swarm.plugins.plugin_utils.sizes import bytes_of

MEBIBYTE = 1024**2
# Docker's own least for a container; a node's engine does not start with less than its.
CONTAINER_BYTES_MIN, NODE_BYTES_MIN = 6 * MEBIBYTE, 128 * MEBIBYTE
# What the swarm takes of a service.
RESERVED_BYTES_MIN, CPUS_MIN, CPUS_MAX = 4 * MEBIBYTE, 0.001, 4096
DAY_SECONDS = 86400
# The kernel's, of each argument and each variable with its name; the name is left its share.
ARGUMENT_BYTES_MAX = 128 * 1024 - 1024
# nginx and Docker count in 64 bits; nobody uploads more.
UPLOAD_BYTES_MAX = 1024**4

LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
# Numbers with dots are an address, or nothing: no name of a machine ends in a number alone (RFC 3696).
_NO_NUMBER = r"(?!(?:.*\.)?[0-9]+\Z)"
_BYTE = r"(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
HOST_NAME = re.compile(rf"(?:{_BYTE}(?:\.{_BYTE}){{3}}|{_NO_NUMBER}(?=.{{1,253}}\Z){LABEL}(\.{LABEL})*)\Z")
# A server's: a swarm's own names have underscores, as shop_web.
SERVER_NAME = re.compile(
    _NO_NUMBER + r"(?=.{1,253}\Z)[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*\Z"
)
# As everybody reads it: Python takes digits of other scripts, and 1_000.
NUMBER = re.compile(r"\s*[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]+)?\s*\Z", re.IGNORECASE)
PORT_DIGITS = re.compile(r"[1-9][0-9]{0,4}\Z")
PREFIX = re.compile(r"(0|[1-9][0-9]{0,2})\Z")
LABEL_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_./-]*\Z")
CONTROL = re.compile(r"[\x00-\x1f\x7f]")
URL_REST = re.compile(r"[A-Za-z0-9._~%/?&=:@!$+,-]*\Z")
# Folders right below the root in which all on a machine have something.
HOMES = ("/", "/etc", "/home", "/opt", "/root", "/run", "/tmp", "/var")
MOUNT_OPTIONS = (
    *("ro", "rw", "nocopy", "shared", "slave", "private", "rshared", "rslave", "rprivate", "consistent", "cached"),
    "delegated",
)
# What each node has there already: the kernel's, and its own (roles/swarm_node, module swarm_node).
NODE_MOUNTS = (
    *("/dev", "/etc/docker/certs.d", "/proc", "/run/docker.sock", "/run/node", "/sys", "/var/lib/docker"),
    "/var/run/docker.sock",
)
# Labels of the platform, of its services, and of Docker.
RESERVED_LABELS = ("fungap.", "io.fungap.", "com.docker.")
# What the platform may use within a site: RFC 1918, and what providers share (RFC 6598).
SITES = tuple(map(ipaddress.IPv4Network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10")))
UPLOAD_SIZE = re.compile(r"([0-9]+)([kmg]?)\Z", re.IGNORECASE)
PROMETHEUS_TIME = re.compile(r"([0-9]+y)?([0-9]+w)?([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?([0-9]+ms)?\Z")
PROMETHEUS_SIZE = re.compile(r"([0-9]+(?:\.[0-9]+)?)([KMGTPE]?)i?B\Z")
# https://github.com/moby/swarmkit/blob/master/manager/constraint/constraint.go
CONSTRAINT = re.compile(
    r" *(node\.(id|hostname|role|ip|platform\.(os|arch)|labels\.[a-z0-9][a-z0-9_.-]*)"
    r"|engine\.labels\.[a-z0-9][a-z0-9_.-]*)"
    r" *(==|!=) *([a-z0-9_.:/-][a-z0-9_.:/ -]*)\Z",
    re.IGNORECASE,
)
UNITS = {"h": 3600 * 10**9, "m": 60 * 10**9, "s": 10**9, "ms": 10**6, "us": 1000, "µs": 1000, "μs": 1000, "ns": 1}
DURATION_PART = re.compile(r"([0-9]{1,18}(?:\.[0-9]{0,18})?|\.[0-9]{1,18})(h|ms|m|s|us|µs|μs|ns)")
DURATION = re.compile(rf"(?:{DURATION_PART.pattern})+\Z")
# How the docker CLI parts a command into words (google/shlex): a comment begins where a word may.
COMMAND_PART = re.compile(r"""\s+|(?<!\S)#[^\n]*|((?:\\.|'[^']*'|"(?:\\.|[^"\\])*"|[^\s'"\\])+)""", re.DOTALL)
# Words that do nothing without a shell. Within others their characters are a URL's, or a rule's.
SHELL_WORD = re.compile(r"(&&?|\|\|?|;|<<?|[0-9&]?>>?(&[0-9]|/.*)?|.*[^\\];)\Z", re.DOTALL)
# What a swarm fills in of a service's environment, host name and mounts, and how Go's templates may put it:
# https://docs.docker.com/reference/cli/docker/service/create/#create-services-using-templates
TEMPLATE = re.compile(r'{{(/\*.*?\*/|(?:"(?:[^"\\]|\\.)*"|`[^`]*`|[^"`])*?)}}', re.DOTALL)
TEMPLATE_WORD = re.compile(r'"(?:[^"\\]|\\.)*"|`[^`]*`|[|(),]|:?=|\$*[A-Za-z_.][A-Za-z0-9_.]*|-?[0-9]+|-|\s+')
TEMPLATE_BLOCKS = ("if", "range", "with")
TEMPLATE_KNOWN = re.compile(
    r"(\.(Service\.(ID|Name|Labels(\.[A-Za-z0-9_]+)*)|Node\.(ID|Hostname|Platform\.(Architecture|OS))"
    r"|Task\.(ID|Name|Slot))|\.|\$+[A-Za-z0-9_.]*|[\"`|(),:=0-9-].*"
    r"|if|else|end|range|with|and|or|not|eq|ne|lt|le|gt|ge|index|len|slice|print|printf|println|html|js|urlquery|join|true|false)\Z",
    re.DOTALL,
)
PRIVATE_KEY = re.compile(
    r"\s*-----BEGIN ([A-Z]+ |)PRIVATE KEY-----[ \t]*\n(.+)\n-----END \1PRIVATE KEY-----\s*\Z", re.DOTALL
)
OPENSSH_KEY = b"openssh-key-v1\0"
KNOWN_HOSTS_LINE = re.compile(
    r"(@(cert-authority|revoked) )?[^\s#]+ [a-z0-9@.-]+ [A-Za-z0-9+/]+={0,3}( [^\x00-\x1f]*)?\Z"
)
_COMPONENT = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
_DOMAIN = r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)*(?::[0-9]{1,5})?"
IMAGE = re.compile(
    rf"(?P<name>(?:{_DOMAIN}/)?{_COMPONENT}(?:/{_COMPONENT})*)"
    r"(?::[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(?:@sha(?:256:[0-9a-f]{64}|512:[0-9a-f]{128}))?\Z"
)
# What the engine takes of a name without tag and digest.
REPOSITORY_MAX = 255
# Of a container, a network, a volume.
DOCKER_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}\Z")
VARIABLE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}\Z")
SYSCTL = re.compile(r"[a-z0-9_]+([./][A-Za-z0-9_:@-]+)+\Z")
# One, by itself or after a name, and several. Alertmanager fills in what has braces.
_ADDRESS = r"[^\s@<>{}(),;:\\\"\[\]]+@[^\s@<>{}(),;:\\\"\[\]]+"
MAIL = rf" *(?:{_ADDRESS}|(?:\"[^\"\\{{}}]*\" *|[^\"\\@<>{{}}(),;:\[\]]*)<{_ADDRESS}>) *"
MAIL_LIST = re.compile(rf"{MAIL}(?:,{MAIL})*\Z")
FINGERPRINT = re.compile(r"[0-9A-Fa-f]{40}\Z")
NETWORK = re.compile(r"[0-9.]+/[0-9]{1,2}\Z")
PEM_CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----\r?\n([A-Za-z0-9+/=\s]+)-----END CERTIFICATE-----")
SHA256 = re.compile(r"[0-9A-Fa-f]{64}\Z")
# What sshd's from="..." takes.
FROM_PATTERN = re.compile(r"!?[A-Za-z0-9.:*?/_-]+\Z")

# --- kinds ---


def why_no_host_name(value: Any) -> str:
    return "" if HOST_NAME.match(str(value)) else "is not a host name"


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
    entries = [one for one in value if isinstance(one, Mapping)] if isinstance(value, list) else []
    names = [str(one.get("registry")).lower() for one in entries]
    return "has two logins for one registry" if len(names) > len(set(names)) else ""


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
    return "has a user without a password" if parts.username and not parts.password else ""


def why_no_line(value: Any) -> str:
    return "has a line break or another control character in it" if CONTROL.search(str(value)) else ""


def why_no_sha256(value: Any) -> str:
    return "" if SHA256.match(str(value)) else "is not a SHA-256"


def why_no_ini_text(value: Any) -> str:
    """As it stands between backticks in a my.cnf that Go reads."""
    if re.search(r"%\([^)]+\)s", str(value)):
        return "has %(...)s in it, which such a file fills in"
    return "has a backtick in it" if "`" in str(value) else why_no_line(value)


def why_no_request_path(value: Any) -> str:
    text = str(value)
    if not text.startswith("/"):
        return "does not begin with /"
    return "has a space or a control character in it" if CONTROL.search(text) or " " in text else ""


def why_no_metrics_path(value: Any) -> str:
    """Prometheus takes it for a path and nothing else: it asks for ? as %3F, and for %20 as %2520."""
    return why_no_request_path(value) or ("has a ?, # or % in it" if re.search("[?#%]", str(value)) else "")


def why_no_owner(value: Any) -> str:
    try:
        Owner.parse(str(value))
    except PlatformError:
        return "is not a numeric owner"
    return ""


def why_no_mode(value: Any) -> str:
    try:
        check_mode(str(value))
    except PlatformError:
        return "is not a mode in octal"
    return ""


def why_no_constraint(value: Any) -> str:
    found = CONSTRAINT.match(str(value))
    if not found:
        return "is not a constraint"
    is_address = found.group(1).lower() != "node.ip" or not why_no_address_or_network(found.group(5).strip())
    return "" if is_address else "compares with what is neither an address nor a network"


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
    listed = _listed(value)
    is_closed = isinstance(listed, list) and listed and all(str(one).startswith("!") for one in listed)
    return "lets nobody in: each of them takes away, and none adds" if is_closed else ""


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


def why_no_upload_size(value: Any) -> str:
    match = UPLOAD_SIZE.match(str(value))
    if not match or len(match.group(1)) > 15:
        return "is not a size"
    size = int(match.group(1)) * 1024 ** " kmg".index(match.group(2).lower() or " ")
    return "" if size <= UPLOAD_BYTES_MAX else "is more than 1024g"


def why_no_prometheus_time(value: Any, *, zero: bool = False) -> str:
    """``zero``: no time at all is one, too."""
    if zero and str(value) == "0":
        return ""
    match = PROMETHEUS_TIME.match(str(value))
    if not str(value) or not match:
        return "is not a time as Prometheus writes it"
    units = (365 * DAY_SECONDS, 7 * DAY_SECONDS, DAY_SECONDS, 3600, 60, 1, 0.001)
    seconds = sum(int(text.rstrip("ywdhms")) * unit for text, unit in zip(match.groups(), units, strict=True) if text)
    # It counts nanoseconds in 64 bits; and 0 is often its own default.
    return "" if (zero and seconds == 0) or 0 < seconds < 2**63 / 1e9 else "is nothing, or more than Prometheus counts"


def why_no_prometheus_size(value: Any) -> str:
    match = PROMETHEUS_SIZE.match(str(value))
    if not match:
        return "is not a size as Prometheus writes it"
    size = Decimal(match.group(1)) * 1024 ** " KMGTPE".index(match.group(2) or " ")
    return "" if 1 <= size < 2**63 else "is nothing, or more than Prometheus counts"


def _listed(value: Any) -> Any:
    """A list as Ansible takes it: text and numbers are one, too, with commas between its elements."""
    is_one = isinstance(value, (str, int, float)) and not isinstance(value, bool)
    return [one.strip() for one in str(value).split(",")] if is_one else value


def why_no_health_test(value: Any) -> str:
    """Docker's form of a check of one's own."""
    value = _listed(value)
    if not isinstance(value, list) or not value:
        return ""
    if value[0] not in ("CMD", "CMD-SHELL"):
        return "does not begin with CMD or CMD-SHELL"
    if len(value) == 1 or (value[0] == "CMD-SHELL" and len(value) != 2):
        return "has no command" if len(value) == 1 else "has more than the one text that CMD-SHELL takes"
    if value[1] is None or not str(value[1]).strip():
        return "has no command"
    return next((f"has an element that {why}" for one in value if (why := why_no_argument(one))), "")


def why_no_argument(value: Any) -> str:
    """What a program can be given. A time with its date is one that YAML has read, and would be written otherwise."""
    if isinstance(value, datetime):
        return "is a date and a time to YAML: put it in quotes"
    if value is None or isinstance(value, (list, Mapping)) or (isinstance(value, float) and not math.isfinite(value)):
        return "is neither text nor a number"
    return "has a NUL character in it" if "\0" in str(value) else ""


def why_no_command(value: Any) -> str:
    """One text, which the docker CLI parts into words: a program would get what is meant for a shell as arguments."""
    text = str(value)
    if COMMAND_PART.sub("", text):
        return "has a quote that is not closed"
    words = COMMAND_PART.findall(text)
    return "has what only a shell reads" if any(map(SHELL_WORD.match, words)) else why_no_argument(value)


def _actions(text: str) -> list[str] | None:
    """What stands between braces, None where some are not closed."""
    found, at = [], text.find("{{")
    while at >= 0:
        match = TEMPLATE.match(text, at)
        if not match:
            return None
        found.append(match.group(1))
        at = text.find("{{", match.end())
    return found


def why_no_template(value: Any) -> str:
    """Text that a swarm fills in: what Go's templates can read, of what there is of a task."""
    actions, depth = _actions(str(value)), 0
    if actions is None:
        return "has a {{ that is not closed"
    # What a placeholder says is not told: it may be a password with braces.
    for action in (one for one in actions if not re.match(r"/\*.*\*/\Z", one, re.DOTALL)):
        words = [word for word in TEMPLATE_WORD.findall(action) if word.strip(" -")]
        if not words or TEMPLATE_WORD.sub("", action):
            return "has a {{ }} that can't be read"
        depth += (words[0] in TEMPLATE_BLOCKS) - (words[0] == "end")
        if not all(map(TEMPLATE_KNOWN.match, words)):
            return "has a {{ }} with a name in it that a swarm does not know"
    if len(str(value).encode(errors="replace")) >= ARGUMENT_BYTES_MAX:
        return "is longer than the 128 kB that a program can be given"
    return "has a block without its end" if depth else why_no_argument(value)


def nanoseconds_of(text: str) -> int | None:
    """A duration as Go reads it ('1m30s'), None when it can't be read, or is more than its 63 bits."""
    if text == "0":
        return 0
    if not DURATION.match(text):
        return None
    found = sum(Decimal(number) * UNITS[unit] for number, unit in DURATION_PART.findall(text))
    return int(found) if found < 2**63 else None


def why_no_host_text(value: Any) -> str:
    """A container's host name, in which a swarm may fill in something."""
    if why := why_no_template(value):
        return why
    name = TEMPLATE.sub("x", str(value))
    return "" if re.match(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}\Z", name) else "is not a host name"


def why_no_labels(value: Any) -> str:
    """A node's labels: names that a constraint can name, with text."""
    for name, text in value.items() if isinstance(value, Mapping) else ():
        if why := why_no_key(name):
            return why
        if not LABEL_NAME.match(name):
            return f"has the label {show(name)}, which no constraint can name"
        if why := why_no_scalar(text):
            return f"has no text for {name}: it {why}"
    return ""


def why_no_key(key: Any) -> str:
    """YAML reads yes, no, on and off as true and false, as keys, too."""
    return "" if isinstance(key, str) else f"has the key {show(key)}, which is no text: put it in quotes"


def why_no_scalar(value: Any) -> str:
    """One line of text, a finite number, true or false."""
    if isinstance(value, datetime):
        return "is a date and a time to YAML: put it in quotes"
    if value is None or isinstance(value, (list, Mapping)) or (isinstance(value, float) and not math.isfinite(value)):
        return "is neither text nor a number"
    return why_no_line(value)


def why_no_daemon(value: Any) -> str:
    """Keys of a daemon.json: none of them opens the engine to the network without certificates of its clients."""
    if not isinstance(value, Mapping):
        return ""
    if why := why_has_nothing(value):
        return why
    hosts = value.get("hosts") or []
    # What begins with nothing of the kind is a TCP port to dockerd.
    others = [one for one in hosts if not _is_local(one)] if isinstance(hosts, list) else [hosts]
    if any(not isinstance(one, str) or not one.startswith("tcp://") or why_no_line(one) for one in others):
        return "has a host that is neither a unix socket nor written as tcp://address:port"
    if others and not (value.get("tlsverify") is True and value.get("tlscacert")):
        return "lets everyone in who reaches the port, as root: it has a tcp host without tlsverify and tlscacert"
    for name in ("data-root", "exec-root"):
        if name in value and (why := why_no_engine_folder(value[name])):
            return f"has a {name} that {why}"
    return _why_no_directives(value)


def _why_no_directives(daemon: Mapping[Any, Any]) -> str:
    """Keys and types as dockerd reads them: it does not start with others. What it is given may be a login."""
    for name, value in daemon.items():
        if name not in DIRECTIVES:
            near = next(iter(difflib.get_close_matches(str(name), DIRECTIVES, 1, 0.8)), "")
            return f"has {show(name)}, which dockerd does not know{f': did you mean {near}?' if near else ''}"
        what, is_right = DIRECTIVES[name]
        if not is_right(value):
            return f"has something else than {what} for {name}"
    # The role's own driver, where none is given.
    options = daemon.get("log-opts", {}) if daemon.get("log-driver", "json-file") == "json-file" else {}
    if unknown := [key for key in options if key not in JSON_FILE_OPTIONS]:
        return f"has {show(unknown[0])} in log-opts, which json-file does not know"
    if bytes_of(options.get("max-size", "1m")) in (0, None) and options["max-size"] != "-1":
        return "has no size for max-size in log-opts"
    if not re.fullmatch("[1-9][0-9]{0,8}", options.get("max-file", "1")):
        return "has no number from 1 on for max-file in log-opts"
    return ""


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and "\0" not in value


def _is_number(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**31


def _is_truth(value: Any) -> bool:
    return isinstance(value, bool)


def _each(is_right: Callable[[Any], bool]) -> Callable[[Any], bool]:
    """A list of such."""
    return lambda value: isinstance(value, list) and all(map(is_right, value))


def _values(is_right: Callable[[Any], bool]) -> Callable[[Any], bool]:
    """A mapping from text to such."""
    return lambda value: isinstance(value, Mapping) and all(map(_is_text, value)) and all(map(is_right, value.values()))


def _is_bridge(value: Any) -> bool:
    address, _slash, prefix = str(value).partition("/")
    found = address_of(address)
    if not isinstance(found, ipaddress.IPv4Address) or not PREFIX.match(prefix) or int(prefix) > 30:
        return False
    network = ipaddress.IPv4Network((found, int(prefix)), strict=False)
    return found not in (network.network_address, network.broadcast_address)


def _is_mirror(value: Any) -> bool:
    return _is_text(value) and not why_no_url(value) and not re.search("[?#@]", value)


# https://github.com/moby/moby/blob/master/daemon/config/config.go, and what older engines have: what is wanted of each
# key, and whether a value is such.
_TEXT, _SWITCH, _NUMBER = ("text", _is_text), ("true or false", _is_truth), ("a whole number from 0 on", _is_number)
_TEXTS, _MAPPING = ("a list of texts", _each(_is_text)), ("a mapping", lambda value: isinstance(value, Mapping))
DIRECTIVES: Mapping[str, tuple[str, Callable[[Any], bool]]] = {
    **dict.fromkeys(
        (
            *("api-cors-header", "bip6", "bridge", "bridge-accept-fwmark", "cgroup-parent", "cluster-advertise"),
            *("cluster-store", "containerd", "containerd-namespace", "containerd-plugin-namespace", "data-root"),
            *("containerd-plugins-namespace", "default-cgroupns-mode", "default-gateway", "default-gateway-v6"),
            *("default-init", "default-ipc-mode", "default-runtime", "deprecated-key-path", "exec-root"),
            *("firewall-backend", "fixed-cidr", "fixed-cidr-v6", "group", "host-gateway-ip", "init-path", "ip"),
            *("log-driver", "log-format", "pidfile", "resolv-conf", "seccomp-profile", "storage-driver"),
            *("swarm-default-advertise-addr", "tlscacert", "tlscert", "tlskey", "userland-proxy-path", "userns-remap"),
        ),
        _TEXT,
    ),
    **dict.fromkeys(
        (
            *("allow-direct-routing", "cri-containerd", "debug", "experimental", "icc", "init", "ip-forward"),
            *("ip-forward-no-drop", "ip-masq", "ip6tables", "iptables", "ipv6", "live-restore", "no-new-privileges"),
            *("raw-logs", "rootless", "selinux-enabled", "tls", "tlsverify", "userland-proxy"),
        ),
        _SWITCH,
    ),
    **dict.fromkeys(
        (
            *("cpu-rt-period", "cpu-rt-runtime", "max-concurrent-downloads", "max-concurrent-uploads", "mtu"),
            *("max-download-attempts", "network-control-plane-mtu", "network-diagnostic-port", "shutdown-timeout"),
            *("swarm-raft-election-tick", "swarm-raft-heartbeat-tick"),
        ),
        _NUMBER,
    ),
    **dict.fromkeys(
        (
            *("allow-nondistributable-artifacts", "authorization-plugins", "cdi-spec-dirs", "dns-opts", "dns-search"),
            *("host-gateway-ips", "hosts", "node-generic-resources", "storage-opts"),
        ),
        _TEXTS,
    ),
    **dict.fromkeys(("builder", "default-network-opts", "default-ulimits", "runtimes"), _MAPPING),
    **dict.fromkeys(("cluster-store-opts", "log-opts", "proxies"), ("a mapping from text to text", _values(_is_text))),
    "bip": ("an address with its prefix, as 172.26.0.1/16,", _is_bridge),
    "default-address-pools": (
        "a list as [{base: 10.210.0.0/16, size: 24}]",
        _each(lambda one: not why_no_address_pool(one)),
    ),
    "default-shm-size": (
        "an amount of memory",
        lambda value: not isinstance(value, bool) and bytes_of(str(value)) is not None,
    ),
    "dns": ("a list of addresses", _each(lambda one: _is_text(one) and not why_no_address(one))),
    "exec-opts": (
        "native.cgroupdriver=systemd or =cgroupfs in a list",
        _each(lambda one: one in ("native.cgroupdriver=systemd", "native.cgroupdriver=cgroupfs")),
    ),
    "features": ("a mapping to true and false", _values(_is_truth)),
    "insecure-registries": (
        "a list of hosts and networks",
        _each(lambda one: _is_text(one) and bool(one) and not re.search(r"://|\s", one)),
    ),
    "labels": ("a list of name=text", _each(lambda one: _is_text(one) and "=" in one[1:])),
    "log-level": (
        "one of debug, info, warn, error, fatal",
        lambda value: value in ("trace", "debug", "info", "warn", "warning", "error", "fatal", "panic"),
    ),
    "metrics-addr": ("address:port", lambda value: _is_text(value) and not why_no_host_port(value)),
    "oom-score-adjust": ("a number", lambda value: isinstance(value, int) and not isinstance(value, bool)),
    "registry-mirrors": ("a list of URLs without a login", _each(_is_mirror)),
}
# moby's daemon/logger/jsonfilelog/jsonfilelog.go (read at 02e3d3c), and what a driver's buffer and cache have.
JSON_FILE_OPTIONS = (
    *("cache-compress", "cache-disabled", "cache-max-file", "cache-max-size", "compress", "env", "env-regex", "labels"),
    *("labels-regex", "max-buffer-size", "max-file", "max-size", "mode", "tag"),
)


def _is_local(host: Any) -> bool:
    return isinstance(host, str) and host.startswith(("unix://", "fd://")) and not why_no_line(host)


def why_no_engine_daemon(value: Any) -> str:
    """The same for an engine that is not ours alone: a key without a value is left to the machine."""
    if not isinstance(value, Mapping):
        return ""
    return why_no_daemon({key: one for key, one in value.items() if one is not None})


def why_no_profiles(value: Any) -> str:
    """Profiles of a load test, each in itself."""
    for name, settings in value.items() if isinstance(value, Mapping) else ():
        try:
            if why := why_no_key(name) or why_has_nothing(settings):
                return why
            if not isinstance(settings, Mapping):
                return f"has no mapping for {show(name)}"
            # The rest is told with their names.
            if not all(isinstance(one, str) and VARIABLE_NAME.match(one) for one in settings):
                return f"has what is no setting's name, in {show(name)}"
            if not DOCKER_NAME.match(name):
                return "has a profile whose name is none: letters, digits and _ . -"
            choose_profile(name, value, {})
        except PlatformError as error:
            return f"has a wrong profile: {name}: {error.message}"
    return ""


def why_has_nothing(value: Any) -> str:
    """Nothing at all below it, at any depth: an empty line in YAML is no text, and rarely meant."""
    for place, one in _leaves(value):
        if one is None:
            return f"has nothing at {place}"
        if isinstance(one, float) and not math.isfinite(one):
            return f"has no finite number at {place}"
    return ""


def _leaves(value: Any, place: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for key, one in value.items():
            yield from _leaves(one, f"{place}.{show(key)}" if place else show(key))
    elif isinstance(value, list):
        for index, one in enumerate(value):
            yield from _leaves(one, f"{place}[{index}]")
    else:
        yield place, value


def why_no_image(value: Any) -> str:
    found = IMAGE.match(str(value))
    if not found or len(found["name"]) > REPOSITORY_MAX:
        return "is not an image's name"
    # With a path behind it, what has a colon is a registry's port.
    domain, slash, _path = found["name"].partition("/")
    _host, colon, port = domain.partition(":")
    return "has no port after its registry's colon" if slash and colon and port_of(port) is None else ""


def why_no_catalog(value: Any) -> str:
    """Entries of the image catalog, each in itself."""
    for name, entry in value.items() if isinstance(value, Mapping) else ():
        try:
            pull = parse_entry(name, entry).pull
        except PlatformError as error:
            return f"has a wrong entry: {error.message}"
        if pull and why_no_image(pull):
            return f"has a wrong entry: {name}: pull is not an image's name"
    return ""


def why_no_taken(value: Any) -> str:
    """The catalog's names, and what of other registries they are to be."""
    for name, reference in value.items() if isinstance(value, Mapping) else ():
        if why_no_image_name(name) or why_no_image(reference):
            return f"has no image for a name of the catalog at {show(name)}"
    return ""


def why_no_image_name(value: Any) -> str:
    return "" if isinstance(value, str) and IMAGE_NAME.match(value) else "is not a name of the image catalog"


def why_no_login(value: Any) -> str:
    """A user whose name stands before a colon and a password."""
    return "has a colon in it" if ":" in str(value) else why_no_line(value)


def why_no_mail(value: Any) -> str:
    """Addresses with commas between them."""
    return why_no_line(value) or ("" if MAIL_LIST.match(str(value)) else "is not a mail address")


def why_no_sender(value: Any) -> str:
    """One address: Alertmanager sends nothing from several."""
    return why_no_line(value) or ("" if re.fullmatch(MAIL, str(value)) else "is not one mail address")


def why_no_sysctls(value: Any) -> str:
    """Lines of a sysctl.conf: a parameter's name, and text or a number."""
    for name, text in value.items() if isinstance(value, Mapping) else ():
        if not SYSCTL.match(str(name)):
            return f"has {show(name)}, which is not a kernel parameter's name"
        # The kernel writes several numbers with tabs between them.
        if isinstance(text, bool) or text == "" or why_no_scalar(text.expandtabs() if isinstance(text, str) else text):
            return f"has neither one line of text nor a number for {name}"
        if str(name).replace("/", ".") == "net.ipv4.ip_forward" and str(text).strip() == "0":
            return f"has 0 for {name}, and no container could be reached"
    return ""


def why_no_certificates(value: Any) -> str:
    """What lies as <name>.crt among the machine's own, and its PEM text."""
    for name, text in value.items() if isinstance(value, Mapping) else ():
        if not isinstance(name, str) or not FILE_NAME.match(name):
            return f"has {show(name)}, which is not a file's name"
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


def why_no_environment(value: Any) -> str:
    """Variables' names, each with one line of text."""
    for name, text in value.items() if isinstance(value, Mapping) else ():
        if not isinstance(name, str) or not VARIABLE_NAME.match(name):
            return f"has {show(name)}, which is not a variable's name"
        if why_no_scalar(text):
            return f"has no line of text for {name}"
    return ""


def why_no_host_lines(value: Any) -> str:
    """Host names, each with its address."""
    for name, address in value.items() if isinstance(value, Mapping) else ():
        is_name = isinstance(name, str) and not why_no_host(name) and not address_of(name)
        if not is_name or (why_no_address(address) and address != "host-gateway"):
            return f"has no host name with an address at {show(name)}"
    return ""


def why_no_bind(value: Any) -> str:
    """``folder or volume:folder``, perhaps with options."""
    source, _colon, rest = str(value).partition(":")
    target, _colon, options = rest.partition(":")
    is_volume = DOCKER_NAME.match(source) and len(source) > 1
    if (why_no_folder(source) and not is_volume) or why_no_folder(target) or not target.strip("/"):
        return "is not a mount"
    path = posixpath.normpath(target)
    if path in NODE_MOUNTS or path.startswith("/proc/"):
        return "is mounted where a node has something of its own"
    given = options.split(",")
    # A swarm takes no mark of SELinux, an engine does.
    if not all(not one or one in (*MOUNT_OPTIONS, "z", "Z") for one in given):
        return "has an option that Docker does not know"
    return "has options that contradict each other" if {"ro", "rw"} <= set(given) else ""


def why_no_binds(value: Any) -> str:
    """Of several, that each has a place of its own."""
    texts = value if isinstance(value, list) else []
    targets = [posixpath.normpath(str(one).split(":")[1]) for one in texts if not why_no_bind(one)]
    return "mounts two at the same place" if len(targets) > len(set(targets)) else ""


def why_no_address_pool(value: Any) -> str:
    """``{base: network, size: prefix}`` of the engine's networks."""
    if not isinstance(value, Mapping) or set(value) != {"base", "size"}:
        return "has not exactly base and size"
    base, size = value["base"], value["size"]
    if why := why_no_site_network(base):
        return f"has a base that {why}"
    found = network_of(base)
    if not isinstance(size, int) or isinstance(size, bool) or not found or not found.prefixlen <= size <= 30:
        return "has a size that is no prefix of networks within base"
    return ""


def why_no_engine_folder(value: Any) -> str:
    """A folder that an engine takes as its own: it gives it to root, and a mode that keeps others out."""
    if why := why_no_folder(value):
        return why
    path = posixpath.normpath(str(value))
    is_shared = path in (*HOMES, *SHARED_FOLDERS) or any(f"{path}/".startswith(f"{one}/") for one in SYSTEM_TREES)
    return "others use, too" if is_shared else ""


def why_no_place(value: Any) -> str:
    """A folder or file of a machine, and not all of it."""
    return why_no_folder(value) or ("" if str(value).strip("/.") else "is the whole machine")


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


def why_no_bases(value: Any) -> str:
    """Images, and what of the catalog stands in for each."""
    for image, name in value.items() if isinstance(value, Mapping) else ():
        if why := why_no_key(image) or why_no_image(image):
            return why if why.startswith("has") else f"has {show(image)}, which {why}"
        if not isinstance(name, str) or not name:
            return f"has no name of the catalog for {image}"
    return ""


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


@dataclass(frozen=True)
class Kind:
    """``why``: what is wrong with a value, or ''. ``hidden``: values of it may hold a login.

    ``may_be_empty``: whether empty text is the default, or stands for it.
    """

    why: Callable[[Any], str]
    cure: str
    hidden: bool = False
    may_be_empty: bool = False


def optional(kind: Kind) -> Kind:
    """The same, and empty text for none."""
    return replace(kind, may_be_empty=True)


def matching(pattern: re.Pattern[str], why: str, cure: str) -> Kind:
    """Text of a form."""
    return Kind(lambda value: "" if pattern.match(str(value)) else why, cure)


def number(
    least: float, most: float, cure: str, *, zero: bool = False, typed: bool = True, whole: bool = False
) -> Kind:
    """A finite number between two, both allowed. ``zero``: 0, too. ``whole``: no part of one.

    ``typed``: a specification says that it is one; what can't be read as a number is a wrong type, told elsewhere.
    """

    def why(value: Any) -> str:
        try:
            found = float(value)
        except (TypeError, ValueError, OverflowError):
            return "" if typed and not isinstance(value, int) else "is not a number"
        if not math.isfinite(found):
            return "is not a finite number"
        if (isinstance(value, bool) and not typed) or (isinstance(value, str) and not NUMBER.match(value)):
            return "is not a number"
        if whole and found != int(found):
            return "is not a whole number"
        if zero and found == 0:
            return ""
        if found < least:
            return f"is below {least:g}"
        return f"is above {most:g}" if found > most else ""

    return Kind(why, cure)


def cpus(least: float, cure: str) -> Kind:
    """A number of CPUs that stands in a compose file as it is given: Docker counts billionths, and reads no spaces."""
    base = number(least, CPUS_MAX, cure, typed=False)

    def why(value: Any) -> str:
        if why := base.why(value):
            return why
        text = str(value)
        if text != text.strip():
            return "has a space in it"
        return "has more than nine digits after its point" if Decimal(text) % Decimal("1e-9") else ""

    return Kind(why, cure)


def size(least: int, cure: str, *, zero: bool = False) -> Kind:
    """An amount of memory as Docker writes it. ``zero``: 0 stands for all."""

    def why(value: Any) -> str:
        found = bytes_of(str(value))
        if found is None:
            return "is not an amount of memory"
        if found < least and not (zero and found == 0):
            return f"is less than {least // MEBIBYTE}M"
        return ""

    return Kind(why, cure)


def duration(least: int, cure: str) -> Kind:
    """A time as Go writes it. ``least``: in nanoseconds."""

    def why(value: Any) -> str:
        found = nanoseconds_of(str(value))
        if found is None:
            return "is not a duration"
        if found < least:
            return "is less than 1ms"
        return "is more than 7 days" if found > 7 * DAY_SECONDS * 10**9 else ""

    return Kind(why, cure)


def one_of(names: tuple[str, ...], what: str) -> Kind:
    """A mapping with these keys only, and something for each."""

    def why(value: Any) -> str:
        if not isinstance(value, Mapping):
            return "is not a mapping"
        unknown = [show(key) for key in value if key not in names]
        if unknown:
            return f"has {unknown[0]}, which is not {what}"
        return "".join(f"has nothing for {key}" for key in [key for key in value if value[key] is None][:1])

    return Kind(why, f"any of: {', '.join(names)}")


OWN_FOLDER = Kind(why_not_own_folder, "a folder of its own, as /etc/fungap or /var/backups/fungap")
FOLDER = Kind(why_no_place, "as /srv/images")
SOCKET = Kind(why_no_place, "as /run/docker.sock")
# Of the controller, where a path may be relative and have spaces.
PATH = Kind(why_no_line, "a path on the controller")
ADDRESS = Kind(why_no_address, "as 192.0.2.10")
ADDRESS_OR_NETWORK = Kind(why_no_address_or_network, "as 192.0.2.10 or 192.0.2.0/24")
SITE_NETWORK = Kind(why_no_site_network, "a private network, as 172.30.0.0/24")
HOST = Kind(why_no_host, "as db.example.com or 192.0.2.10")
HOST_PORT = Kind(why_no_host_port, "as 192.0.2.10:8089 or [2001:db8::10]:8089")
URL = Kind(why_no_url, "as https://hooks.example.com/services/x", hidden=True, may_be_empty=True)
LINE = Kind(why_no_line, "one line")
HIDDEN_LINE = Kind(why_no_line, "one line", hidden=True)
LOGIN = Kind(why_no_login, "one line without a colon")
MAIL_SENDER = Kind(why_no_sender, "as platform@example.com, or Platform <platform@example.com>")
MAILS = Kind(why_no_mail, "as admin@example.com, or several with commas between them")
NAME = matching(DOCKER_NAME, "is not a name that Docker takes", "letters, digits and _ . -")
IMAGE_REFERENCE = Kind(why_no_image, "as registry.example.com/team/app:1")
CATALOG_NAME = Kind(why_no_image_name, "lower case letters, digits and . _ -")
CATALOG = Kind(why_no_catalog, "as {app: {build: {context: /srv/app, base: nodejs}}}")
PORT = Kind(why_no_port, "1 to 65535")
MTU = number(576, 65535, "0 for what is found out, or 576 to 65535", zero=True)
SECONDS = number(0, 7 * DAY_SECONDS, "0 or more")
# An age may be longer than anything is old: nothing goes then.
AGE_SECONDS = number(0, 2**32, "0 or more")
SECONDS_FROM_1 = number(1, 7 * DAY_SECONDS, "1 or more")
CONTAINER_MEMORY = size(CONTAINER_BYTES_MIN, "as 128M")
RESERVED_MEMORY = size(RESERVED_BYTES_MIN, "as 64M", zero=True)
CPUS = number(CPUS_MIN, CPUS_MAX, "as 0.5")
RESERVED_CPUS = number(CPUS_MIN, CPUS_MAX, "as 0.5, or 0 for none", zero=True)
REPLICAS = number(0, 10000, "0 or more")
DURATION_TEXT = duration(0, "as 10s or 1m30s")
# Docker takes 0 for its own default.
INTERVAL_TEXT = duration(10**6, "as 10s or 1m30s")
RATIO = number(0, 1, "0 to 1")
HEALTH_TEST = Kind(why_no_health_test, "as [CMD, /check]")
COMMAND = Kind(why_no_command, "as a list: [sh, -c, ...] for what a shell is to read")
TEMPLATE_TEXT = Kind(why_no_template, "as {{.Node.Hostname}}, or text without braces")
HOST_TEXT = Kind(why_no_host_text, "letters, digits, - and ., or as web-{{.Task.Slot}}")
OWNER = Kind(why_no_owner, "as 1000 or 1000:1000")
REGISTRY = Kind(why_no_registry, "as registry.example.com:5000, or docker.io")
KNOWN_HOSTS = Kind(why_no_known_hosts_line, "as: git.example.com ssh-ed25519 AAAA...", hidden=True)
ENVIRONMENT = Kind(why_no_environment, "as {http_proxy: 'http://proxy.example.com:3128'}", hidden=True)
NOTHING_EMPTY = Kind(why_has_nothing, "give it a value, or take the line away")
SERVICES = (
    "prometheus",
    "alertmanager",
    "grafana",
    "blackbox-exporter",
    "node-exporter",
    "engine-exporter",
    "swarm-exporter",
)

# A variable, or a part of it: [] stands for each element of a list, {} for each value of a mapping.
KINDS: Mapping[str, Kind] = {
    # Folders and files.
    **dict.fromkeys(
        (
            *("platform_config_dir", "platform_run_dir", "platform_secrets_dir", "reset_config_dir", "reset_run_dir"),
            *("app_stacks_dir", "monitoring_stacks_dir", "proxy_stacks_dir", "swarm_member_stacks_dir"),
            *("app_registry_config", "images_registry_config", "monitoring_registry_config", "proxy_registry_config"),
            *("registry_platform_dir", "registry_config_dir", "registry_client_dir", "registry_certs_dir"),
            *("proxy_edge_platform_dir", "proxy_edge_config_dir", "jenkins_platform_dir", "jenkins_config_dir"),
            *("swarm_node_run_dir", "swarm_node_config_dir"),
        ),
        OWN_FOLDER,
    ),
    "jenkins_backup_dir": optional(OWN_FOLDER),
    **dict.fromkeys(("images_save_dir", "images_archive_dir", "monitoring_engine_data_dir"), FOLDER),
    **dict.fromkeys(
        ("platform_trusted_ca_files[]", "images_trusted_ca_files[]"),
        Kind(why_no_place, "as /usr/local/share/ca-certificates/company.crt"),
    ),
    **dict.fromkeys(
        (
            *("app_manager_socket", "app_images_socket", "images_docker_socket", "load_test_docker_socket"),
            *("monitoring_socket", "proxy_socket"),
        ),
        SOCKET,
    ),
    **dict.fromkeys(
        (
            *("app_env_dir", "backup_dir", "backup_key_file", "load_test_ca_file", "load_test_report_dir"),
            *("jenkins_inventory_dir", "jenkins_secrets_dir", "reset_memory_file", "monitoring_rule_files[]"),
        ),
        PATH,
    ),
    **dict.fromkeys(
        (
            *("app_env_file", "backup_archive", "jenkins_vault_password_file"),
            *(f"{what}_certificate_{part}" for what in ("proxy", "jenkins") for part in ("file", "key_file")),
            *("apps{}.env_file",),
        ),
        optional(PATH),
    ),
    "swarm_node_binds": Kind(why_no_binds, "each at another one"),
    "swarm_node_binds[]": Kind(why_no_bind, "as /srv/data:/data:ro"),
    # Names.
    **dict.fromkeys(
        (
            *("app_network", "monitoring_network", "monitoring_apps_network", "proxy_network", "proxy_edge_network"),
            *("registry_network", "registry_container", "registry_volume", "registry_seen_networks[]"),
            *("proxy_edge_container", "app_absent[]", "app_older_confirmed[]", "apps_absent[]", "monitoring_node"),
            *("apps_older_confirmed[]", "backup_platform", "docker_engine_platform", "jenkins_platform"),
            *("load_test_platform", "reset_platform", "swarm_node_platform", "swarm_node_owner", "proxy_routes[].name"),
            *("proxy_routes[].upstream", "proxy_routes[].slot_prefix", "proxy_nodes[].name", "load_test_target.app"),
            "load_test_profile",
        ),
        NAME,
    ),
    **dict.fromkeys(("app_name", "app_images_host", "backup_name", "proxy_monitoring_network"), optional(NAME)),
    **dict.fromkeys(
        ("swarm_member_host", "load_test_cpu_hosts[]", "jenkins_deploy_hosts[]", "monitoring_certificates[].name"), LINE
    ),
    **dict.fromkeys(
        (
            *("app_reason", "backup_confirmed", "load_test_confirmed", "reset_confirmed", "images_generation"),
            *("proxy_routes[].source",),
        ),
        optional(LINE),
    ),
    "docker_engine_kernel_modules[]": matching(
        re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]*\Z"), "is not a kernel module's name", "as overlay"
    ),
    "images_build_packages[]": matching(PACKAGE, "is not a package's name", "as mmdebstrap"),
    "jenkins_deploy_user": matching(
        re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,31}\Z"), "is not a user's name", "as deploy"
    ),
    "proxy_routes[].cookie_flags[]": matching(re.compile(r"[a-z]+(=[a-z]+)?\Z"), "is not a flag", "as samesite=lax"),
    # Texts that land in configuration files.
    "docker_engine_sysctls": Kind(why_no_sysctls, "as {net.ipv4.ip_forward: 1}"),
    "docker_engine_trusted_ca_certificates": Kind(
        why_no_certificates, "as {company: '-----BEGIN CERTIFICATE-----...'}"
    ),
    "docker_engine_vendor_repository.uri": Kind(why_no_url, "as https://download.example.com/linux/debian"),
    "docker_engine_vendor_repository.signed_by": Kind(
        why_no_signing_key, "as https://download.example.com/linux/debian/gpg, or the key's own text", hidden=True
    ),
    "docker_engine_daemon": Kind(
        why_no_engine_daemon,
        "keys of a daemon.json; unix sockets, and SSH from elsewhere (docker context); folders of the engine's own",
    ),
    "swarm_node_daemon": Kind(why_no_daemon, "keys of a daemon.json; unix sockets, and folders of the engine's own"),
    "swarm_node_extra_hosts": Kind(why_no_host_lines, "as {registry.example.com: 192.0.2.10}"),
    "images_build_environment": ENVIRONMENT,
    "backup_sha256": optional(Kind(why_no_sha256, "the 64 hexadecimal digits that sha256sum says of the archive")),
    "swarm_member_unlock_key": replace(
        matching(re.compile(r"(SWMKEY-1-[A-Za-z0-9+/]{43})?\Z"), "is not a key", "as docker swarm unlock-key shows it"),
        hidden=True,
        may_be_empty=True,
    ),
    "swarm_member_begin_anew": optional(
        matching(re.compile(r"[a-z0-9]{25}\Z"), "is not a swarm's ID", "the one that the refusal names")
    ),
    "swarm_member_settings": one_of(tuple(SwarmSettings.__dataclass_fields__), "a setting of the swarm"),
    "swarm_member_settings.default_addr_pool[]": SITE_NETWORK,
    "swarm_member_settings.subnet_size": number(8, 29, "as 24", typed=False, whole=True),
    "swarm_member_settings.data_path_port": number(1024, 49151, "as 4789", typed=False, whole=True),
    "swarm_member_settings.task_history_limit": number(0, 10000, "as 5", typed=False, whole=True),
    "swarm_member_settings.cert_expiry_days": number(1, 36500, "as 90", typed=False, whole=True),
    "swarm_member_settings.autolock": Kind(
        lambda value: "" if isinstance(value, bool) else "is neither true nor false", "true or false"
    ),
    # Addresses.
    **dict.fromkeys(("platform_subnet", "swarm_node_subnet"), SITE_NETWORK),
    "platform_overlay_pool": Kind(why_no_site_network, "a private network, as 10.100.0.0/16"),
    "platform_node_pool": Kind(why_no_site_network, "a private network, as 10.200.0.0/16"),
    "jenkins_subnet": Kind(why_no_site_network, "a private network, as 172.31.240.0/24"),
    "registry_metrics.subnet": Kind(why_no_network, "as 169.254.92.192/29"),
    "docker_engine_address_pools[]": Kind(why_no_address_pool, "as {base: 10.200.0.0/16, size: 24}"),
    **dict.fromkeys(
        (
            *("proxy_edge_ip", "proxy_edge_nodes[]", "registry_ip", "registry_metrics.address"),
            *("registry_metrics.registry_address", "registry_metrics.nginx_address", "load_test_target.address"),
            *(f"jenkins_addresses.{name}" for name in ("controller", "agent", "proxy", "build")),
        ),
        ADDRESS,
    ),
    # Of a machine that is not known there may be none.
    **dict.fromkeys(
        ("proxy_nodes[].address", "registry_bind_address", "registry_hosts_address", "registry_resolves_to"),
        optional(ADDRESS),
    ),
    **dict.fromkeys(("load_test_address", "monitoring_probe_address", "load_test_target.host"), HOST),
    "proxy_routes[].hosts[]": Kind(why_no_host_name, "as web.example.com"),
    "monitoring_mysql_endpoints[].host": HOST,
    "monitoring_certificates[].address": HOST_PORT,
    **dict.fromkeys(("monitoring_registry_metrics", "images_registry_address"), optional(HOST_PORT)),
    "reset_registry_address": HOST_PORT,
    "monitoring_mail.smarthost": optional(Kind(why_no_host_port, "as mail.example.com:587")),
    "proxy_acme_upstream": optional(HOST_PORT),
    "docker_engine_metrics_address": optional(Kind(why_no_host_port, "as 127.0.0.1:9323")),
    **dict.fromkeys(("proxy_unlimited_addresses[]", "proxy_host_addresses[]"), ADDRESS_OR_NETWORK),
    "proxy_trusted_addresses[]": replace(ADDRESS_OR_NETWORK, why=why_not_trusted),
    "jenkins_deploy_from": Kind(why_no_from, "what it is taken from, too, as ['192.0.2.0/24', '!192.0.2.9']"),
    "jenkins_deploy_from[]": Kind(why_no_from_pattern, "as 192.0.2.10 or 192.0.2.0/24"),
    **dict.fromkeys(
        (
            *("proxy_http_port", "proxy_https_port", "jenkins_https_port", "monitoring_https_port", "app_https_port"),
            *("monitoring_mysql_endpoints[].port", "registry_published_port", "registry_metrics.port"),
            *("proxy_routes[].port", "load_test_target.port"),
        ),
        PORT,
    ),
    # URLs.
    **dict.fromkeys(
        (
            *("platform_slack_webhook_url", "app_slack_webhook_url", "jenkins_slack_webhook_url"),
            *("monitoring_slack_webhook_url", "monitoring_webhook_url", "monitoring_deadman_url"),
        ),
        URL,
    ),
    "monitoring_elasticsearch_urls[]": Kind(why_no_login_url, "as https://search.example.com:9200", hidden=True),
    "images_debian_mirror": optional(Kind(why_no_url, "as https://deb.example.com/debian")),
    "images_debian_security_mirror": optional(Kind(why_no_url, "as https://deb.example.com/debian-security")),
    "load_test_target.path": Kind(why_no_request_path, "as /"),
    # Logins.
    **dict.fromkeys(
        ("platform_source_registries", "images_take_credentials", "jenkins_registries"),
        Kind(why_no_registries, "one of them", hidden=True),
    ),
    **{
        f"{name}[].{key}": kind
        for name in ("platform_source_registries", "images_take_credentials", "jenkins_registries")
        for key, kind in (("registry", REGISTRY), ("username", LOGIN), ("password", HIDDEN_LINE))
    },
    "jenkins_git_credentials[].username": LINE,
    "jenkins_git_credentials[].password": HIDDEN_LINE,
    "jenkins_git_credentials[].private_key": Kind(
        why_no_private_key,
        "as ssh-keygen writes it, with all its lines: '-----BEGIN OPENSSH PRIVATE KEY-----...', without a passphrase",
        hidden=True,
        may_be_empty=True,
    ),
    **dict.fromkeys(("jenkins_deploy_known_hosts[]", "jenkins_git_known_hosts[]"), KNOWN_HOSTS),
    # The monitoring.
    "monitoring_mail.to": optional(MAILS),
    "monitoring_mail.from": optional(MAIL_SENDER),
    "monitoring_mail.username": optional(LINE),
    "monitoring_mail.password": optional(HIDDEN_LINE),
    "monitoring_mysql_endpoints[].username": Kind(why_no_ini_text, "one line without a backtick"),
    "monitoring_mysql_endpoints[].password": Kind(why_no_ini_text, "one line without a backtick", hidden=True),
    "monitoring_retention_time": Kind(why_no_prometheus_time, "as 15d or 12h"),
    "monitoring_retention_size": Kind(why_no_prometheus_size, "as 2GB or 500MB"),
    "monitoring_limits": one_of(
        (*SERVICES, "mysqld-exporter", "elasticsearch-exporter"), "a service of the monitoring"
    ),
    "monitoring_limits{}": one_of(("cpus", "memory"), "a limit"),
    "monitoring_limits{}.memory": CONTAINER_MEMORY,
    "monitoring_limits{}.cpus": cpus(CPUS_MIN, "as 0.5"),
    # Amounts.
    **dict.fromkeys(("proxy_memory", "proxy_edge_memory", "registry_memory", "jenkins_agent_memory"), CONTAINER_MEMORY),
    **dict.fromkeys(("jenkins_memory", "jenkins_build_memory"), size(0, "512M or more, as 2G")),
    "swarm_node_memory": size(NODE_BYTES_MIN, "0 for all, or as 2G", zero=True),
    # A container of the machine has a hundredth at least, for the kernel's sake.
    "swarm_node_cpus": number(0.01, CPUS_MAX, "0 for all, or as 1.5", zero=True),
    "proxy_cpus": cpus(0.01, "as 0.5"),
    "proxy_client_connections": number(0, 100000, "0 for no limit, or as 500"),
    "proxy_header_kilobytes": number(4, 1024, "4 to 1024"),
    **dict.fromkeys(("docker_engine_mtu", "app_network_mtu", "proxy_network_mtu", "swarm_node_mtu"), MTU),
    "app_keep": number(1, 1000, "1 or more"),
    "backup_keep": number(0, 100000, "0 for all, or as 7"),
    **dict.fromkeys(("app_rollback_to", "proxy_base_revision"), number(0, 2**31, "0, or a revision's number")),
    "proxy_routes[].slots": REPLICAS,
    "load_test_error_ratio_max": RATIO,
    "load_test_requests_max": number(1, 10**9, "1 or more"),
    "load_test_profiles": Kind(why_no_profiles, "as {load: {users: [200, 400], ramp_seconds: 10}}"),
    **dict.fromkeys(
        ("preflight_disk_free_gigabytes_min", "preflight_memory_gigabytes_min"), number(0, 2**20, "0 or more")
    ),
    # Times.
    **dict.fromkeys(
        (
            *("proxy_stop_grace_seconds",),
            *("app_deadline_seconds", "app_lock_seconds", "images_background_seconds", "proxy_background_seconds"),
            "registry_prune_quiet_seconds",
        ),
        SECONDS,
    ),
    **dict.fromkeys(("registry_prune_grace_seconds", "images_prune_grace_seconds"), AGE_SECONDS),
    **dict.fromkeys(
        (
            *("proxy_deadline_seconds", "monitoring_deadline_seconds", "registry_start_deadline_seconds"),
            *("jenkins_start_deadline_seconds", "swarm_member_deadline_seconds", "load_test_deadline_seconds"),
            *("swarm_node_start_seconds", "docker_engine_start_seconds"),
            *("load_test_timeout_seconds", "registry_prune_deadline_seconds"),
            *("proxy_health_interval_seconds", "monitoring_health_interval_seconds", "proxy_update_monitor_seconds"),
        ),
        SECONDS_FROM_1,
    ),
    # Images.
    "images_extra": CATALOG,
    "images_catalog": CATALOG,
    "images_bases": Kind(why_no_bases, "as {'node:14-alpine': nodejs}"),
    "images_take": Kind(why_no_taken, "as {web: registry.example.com/team/web:1}"),
    **dict.fromkeys((f"images_{what}[]" for what in ("names", "optional", "required", "push_names")), CATALOG_NAME),
    **dict.fromkeys(
        (
            *("images_prune_catalog[]", "images_prune_needed[]", "registry_prune_catalog[]", "load_test_image"),
            *("registry_image", "registry_metrics_image", "proxy_edge_image"),
        ),
        IMAGE_REFERENCE,
    ),
    **dict.fromkeys(
        ("proxy_image", "jenkins_image", "jenkins_agent_image", "jenkins_proxy_image", "swarm_node_image"),
        optional(IMAGE_REFERENCE),
    ),
    # Nodes.
    "swarm_node_labels": Kind(why_no_labels, "as {disk: ssd}"),
    # Apps.
    "apps{}.image": Kind(why_no_image, "an image of the catalog, as express-app"),
    "apps{}.health.path": optional(Kind(why_no_request_path, "as /healthz")),
    "apps{}.metrics.path": optional(Kind(why_no_metrics_path, "a path alone, as /metrics")),
    "apps{}.port": PORT,
    "apps{}.metrics.port": Kind(lambda value: why_no_port(value) if value else "", "1 to 65535, 0 for the app's"),
    "apps{}.env_owner": optional(OWNER),
    "apps{}.env_mode": optional(Kind(why_no_mode, "in quotes, as '0640'")),
    "apps{}.health.test": HEALTH_TEST,
    **dict.fromkeys(
        (f"apps{{}}.health.{name}_seconds" for name in ("interval", "timeout", "start_interval")), SECONDS_FROM_1
    ),
    "apps{}.health.start_period_seconds": SECONDS,
    "apps{}.health.retries": number(1, 1000, "1 or more"),
    **dict.fromkeys(("apps{}.route.upload_size", "proxy_routes[].upload_size"), Kind(why_no_upload_size, "as 10m")),
    **dict.fromkeys(
        ("apps{}.route.read_timeout_seconds", "proxy_routes[].read_timeout_seconds"),
        number(1, 7 * DAY_SECONDS, "as 60"),
    ),
    "apps{}.limits.memory": CONTAINER_MEMORY,
    "apps{}.limits.cpus": CPUS,
    "apps{}.reservations.memory": RESERVED_MEMORY,
    "apps{}.reservations.cpus": RESERVED_CPUS,
    **dict.fromkeys(("apps{}.replicas", "apps{}.update.parallelism"), REPLICAS),
    **dict.fromkeys((f"apps{{}}.update.{name}_seconds" for name in ("delay", "monitor")), SECONDS),
    "apps{}.restart.delay_seconds": SECONDS,
    "apps{}.stop_grace_seconds": SECONDS,
    "apps{}.constraints[]": Kind(why_no_constraint, "as node.role == worker, or node.labels.disk == fast"),
    "apps{}.environment": NOTHING_EMPTY,
}


def parts(path: str, value: Any, place: str = "") -> Iterator[tuple[str, Any]]:
    """The parts of a value that a path of ``KINDS`` speaks of: (where it stands, what stands there)."""
    match = re.match(r"(\[\]|\{\}|\.?[a-z0-9_]+)", path)
    if not match:
        yield place, value
        return
    step, rest = match.group(), path[match.end() :]
    if step == "[]":
        listed = _listed(value)
        for index, one in enumerate(listed if isinstance(listed, list) else ()):
            yield from parts(rest, one, f"{place}[{index}]")
    elif step == "{}":
        for key, one in value.items() if isinstance(value, Mapping) else ():
            yield from parts(rest, one, f"{place}.{show(key)}")
    elif isinstance(value, Mapping) and step.lstrip(".") in value:
        name = step.lstrip(".")
        yield from parts(rest, value[name], f"{place}.{name}" if place else name)


def check(variables: Mapping[str, Any]) -> Iterator[tuple[str, Any, str, Kind]]:
    """(where, value, what is wrong, its kind) of one host's variables."""
    for path, kind in KINDS.items():
        for place, value in parts(path, variables):
            if value is None or value == "":
                # What stands in a list, or in a mapping by a name of its own, has no default.
                if path.endswith(("[]", "{}")) or (value == "" and not kind.may_be_empty):
                    yield place, value, "is empty", kind
            elif why := kind.why(value):
                yield place, value, why, kind
