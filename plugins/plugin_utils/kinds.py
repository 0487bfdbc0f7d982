# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a variable's value has to look like beyond its type: a folder of its own, a size, a URL, ... Pure.

Each kind is written once. ``KINDS`` says which variables are of it; a new variable belongs there.
"""

from __future__ import annotations

import ipaddress
import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any
from urllib.parse import urlsplit

from ansible_collections.fungap.swarm.plugins.module_utils.errors import PlatformError
from ansible_collections.fungap.swarm.plugins.module_utils.model.env import Owner, check_mode
from ansible_collections.fungap.swarm.plugins.module_utils.model.folder import why_no_folder, why_not_own_folder
from ansible_collections.fungap.swarm.plugins.plugin_utils.problem import show
from ansible_collections.fungap.swarm.plugins.plugin_utils.sizes import bytes_of

MEBIBYTE = 1024**2
# Docker's own least for a container; a node's engine does not start with less than its.
CONTAINER_BYTES_MIN, NODE_BYTES_MIN = 6 * MEBIBYTE, 128 * MEBIBYTE
DAY_SECONDS = 86400
# nginx and Docker count in 64 bits; nobody uploads more.
UPLOAD_BYTES_MAX = 1024**4

LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
HOST_NAME = re.compile(rf"(?=.{{1,253}}\Z){LABEL}(\.{LABEL})*\Z")
PORT_DIGITS = re.compile(r"[1-9][0-9]{0,4}\Z")
PREFIX = re.compile(r"(0|[1-9][0-9]{0,2})\Z")
LABEL_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_./-]*\Z")
CONTROL = re.compile(r"[\x00-\x1f\x7f]")
URL_REST = re.compile(r"[A-Za-z0-9._~%/?&=:@!$+,-]*\Z")
UPLOAD_SIZE = re.compile(r"([0-9]+)([kmg]?)\Z", re.IGNORECASE)
PROMETHEUS_TIME = re.compile(r"([0-9]+y)?([0-9]+w)?([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?([0-9]+ms)?\Z")
PROMETHEUS_SIZE = re.compile(r"[0-9]+(B|KB|MB|GB|TB|PB|EB)\Z")
CONSTRAINT = re.compile(
    r"(node\.(id|hostname|role|ip|platform\.(os|arch)|labels\.[A-Za-z0-9][A-Za-z0-9_./-]*)"
    r"|engine\.labels\.[A-Za-z0-9][A-Za-z0-9_./-]*) *(==|!=) *[A-Za-z0-9_.:/-][A-Za-z0-9_.:/ -]*\Z"
)
KNOWN_HOSTS_LINE = re.compile(
    r"(@(cert-authority|revoked) )?[^\s#]+ [a-z0-9@.-]+ [A-Za-z0-9+/]+={0,3}( [^\x00-\x1f]*)?\Z"
)
IMAGE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(:[0-9]+/)?[a-z0-9._/-]*(:[A-Za-z0-9._-]+)?(@sha256:[0-9a-f]{64})?\Z")
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
    """A host name or an IP address."""
    if address_of(value) or HOST_NAME.match(str(value).lower()):
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
    return why_no_host(name)


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


def why_no_line(value: Any) -> str:
    return "has a line break or another control character in it" if CONTROL.search(str(value)) else ""


def why_no_sha256(value: Any) -> str:
    return "" if SHA256.match(str(value)) else "is not a SHA-256"


def why_no_ini_text(value: Any) -> str:
    """As it stands between backticks in a my.cnf that Go reads."""
    return "has a backtick in it" if "`" in str(value) else why_no_line(value)


def why_no_request_path(value: Any) -> str:
    text = str(value)
    if not text.startswith("/"):
        return "does not begin with /"
    return "has a space or a control character in it" if CONTROL.search(text) or " " in text else ""


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
    return "" if CONSTRAINT.match(str(value)) else "is not a constraint"


def why_no_from_pattern(value: Any) -> str:
    return "" if FROM_PATTERN.match(str(value)) else "is not an address or a pattern of addresses"


def why_no_known_hosts_line(value: Any) -> str:
    return "" if KNOWN_HOSTS_LINE.match(str(value)) else "is not one line of a known_hosts file"


def why_no_upload_size(value: Any) -> str:
    match = UPLOAD_SIZE.match(str(value))
    if not match or len(match.group(1)) > 15:
        return "is not a size"
    size = int(match.group(1)) * 1024 ** " kmg".index(match.group(2).lower() or " ")
    return "" if size <= UPLOAD_BYTES_MAX else "is more than 1024g"


def why_no_prometheus_time(value: Any) -> str:
    return "" if str(value) and PROMETHEUS_TIME.match(str(value)) else "is not a time as Prometheus writes it"


def why_no_prometheus_size(value: Any) -> str:
    return "" if PROMETHEUS_SIZE.match(str(value)) else "is not a size as Prometheus writes it"


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
    return ""


def why_no_labels(value: Any) -> str:
    """A node's labels: names that a constraint can name, with text."""
    for name, text in value.items() if isinstance(value, Mapping) else ():
        if not LABEL_NAME.match(str(name)):
            return f"has the label {show(name)}, which no constraint can name"
        if text is None or isinstance(text, (list, Mapping)) or CONTROL.search(str(text)):
            return f"has no text for {name}"
    return ""


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
    return ""


def _is_local(host: Any) -> bool:
    return isinstance(host, str) and host.startswith(("unix://", "fd://")) and not why_no_line(host)


def why_no_engine_daemon(value: Any) -> str:
    """The same for an engine that is not ours alone: a key without a value is left to the machine."""
    if not isinstance(value, Mapping):
        return ""
    return why_no_daemon({key: one for key, one in value.items() if one is not None})


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


def why_no_mapping(value: Any) -> str:
    return "" if isinstance(value, Mapping) else "is not a mapping"


def why_no_bases(value: Any) -> str:
    """Images, and what of the catalog stands in for each."""
    for image, name in value.items() if isinstance(value, Mapping) else ():
        if not IMAGE.match(str(image)):
            return f"has {show(image)}, which is not an image"
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


@dataclass(frozen=True)
class Kind:
    """``why``: what is wrong with a value, or ''. ``hidden``: values of it may hold a login.

    ``may_be_empty``: whether nothing, or empty text, stands for the default.
    """

    why: Callable[[Any], str]
    cure: str
    hidden: bool = False
    may_be_empty: bool = True


def number(least: float, most: float, cure: str) -> Kind:
    """A finite number between two, both allowed. What can't be read as a number is a wrong type, told elsewhere."""

    def why(value: Any) -> str:
        try:
            found = float(value)
        except (TypeError, ValueError):
            return ""
        if not math.isfinite(found):
            return "is not a finite number"
        if found < least:
            return f"is below {least:g}"
        return f"is above {most:g}" if found > most else ""

    return Kind(why, cure)


def size(least: int, cure: str, *, zero: bool = False) -> Kind:
    """An amount of memory as Docker writes it. ``zero``: 0 stands for all."""

    def why(value: Any) -> str:
        found = bytes_of(str(value))
        if found is None or found >= 2**63:
            return "is not an amount of memory"
        if found < least and not (zero and found == 0):
            return f"is less than {least // MEBIBYTE}M"
        return ""

    return Kind(why, cure)


def one_of(names: tuple[str, ...], what: str) -> Kind:
    """A mapping with these keys only."""

    def why(value: Any) -> str:
        unknown = [show(key) for key in value if key not in names] if isinstance(value, Mapping) else []
        return f"has {unknown[0]}, which is not {what}" if unknown else ""

    return Kind(why, f"any of: {', '.join(names)}")


# A file on the controller.
FILE = Kind(why_no_line, "a path in one line")
OWN_FOLDER = Kind(why_not_own_folder, "a folder of its own, as /etc/fungap or /var/backups/fungap", may_be_empty=False)
FOLDER = Kind(why_no_folder, "as /srv/images", may_be_empty=False)
HOST = Kind(why_no_host, "as db.example.com or 192.0.2.10")
URL = Kind(why_no_url, "as https://hooks.example.com/services/x", hidden=True)
LINE = Kind(why_no_line, "one line")
HIDDEN_LINE = Kind(why_no_line, "one line", hidden=True)
PORT = Kind(why_no_port, "1 to 65535")
SECONDS = number(0, 7 * DAY_SECONDS, "0 or more")
# An age may be longer than anything is old: nothing goes then.
AGE_SECONDS = number(0, 2**32, "0 or more")
SECONDS_FROM_1 = number(1, 7 * DAY_SECONDS, "1 or more")
CONTAINER_MEMORY = size(CONTAINER_BYTES_MIN, "as 128M")
CPUS = number(0, 4096, "as 0.5")
REGISTRY = Kind(why_no_registry, "as registry.example.com:5000, or docker.io")
KNOWN_HOSTS = Kind(why_no_known_hosts_line, "as: git.example.com ssh-ed25519 AAAA...")
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
    **dict.fromkeys(
        ("platform_config_dir", "platform_run_dir", "platform_secrets_dir", "jenkins_backup_dir"), OWN_FOLDER
    ),
    "backup_sha256": Kind(why_no_sha256, "the 64 hexadecimal digits that sha256sum says of the archive"),
    **dict.fromkeys(
        (
            *(f"{what}_certificate_{part}" for what in ("proxy", "jenkins") for part in ("file", "key_file")),
            *("apps{}.env_file", "monitoring_rule_files[]", "jenkins_vault_password_file", "load_test_ca_file"),
            "backup_key_file",
        ),
        FILE,
    ),
    "images_save_dir": FOLDER,
    "images_archive_dir": FOLDER,
    "platform_trusted_ca_files[]": Kind(why_no_folder, "as /usr/local/share/ca-certificates/company.crt"),
    **dict.fromkeys(
        (
            *("platform_slack_webhook_url", "app_slack_webhook_url", "jenkins_slack_webhook_url"),
            *("monitoring_slack_webhook_url", "monitoring_webhook_url", "monitoring_deadman_url"),
        ),
        URL,
    ),
    "monitoring_elasticsearch_urls[]": Kind(why_no_url, "as https://search.example.com:9200", hidden=True),
    "images_debian_mirror": Kind(why_no_url, "as https://deb.example.com/debian"),
    "images_debian_security_mirror": Kind(why_no_url, "as https://deb.example.com/debian-security"),
    "monitoring_mail.to": LINE,
    "monitoring_mail.from": LINE,
    "monitoring_mail.username": LINE,
    "monitoring_mail.password": HIDDEN_LINE,
    "monitoring_mail.smarthost": Kind(why_no_host_port, "as mail.example.com:587"),
    "monitoring_mysql_endpoints[].host": HOST,
    "monitoring_mysql_endpoints[].username": Kind(why_no_ini_text, "one line without a backtick"),
    "monitoring_mysql_endpoints[].password": Kind(why_no_ini_text, "one line without a backtick", hidden=True),
    "monitoring_mysql_endpoints[].port": PORT,
    "monitoring_retention_time": Kind(why_no_prometheus_time, "as 15d or 12h"),
    "monitoring_retention_size": Kind(why_no_prometheus_size, "as 2GB or 500MB"),
    "monitoring_limits": one_of(
        (*SERVICES, "mysqld-exporter", "elasticsearch-exporter"), "a service of the monitoring"
    ),
    "monitoring_limits{}": one_of(("cpus", "memory"), "a limit"),
    "monitoring_limits{}.memory": CONTAINER_MEMORY,
    "monitoring_limits{}.cpus": number(0.001, 4096, "as 0.5"),
    **dict.fromkeys(("proxy_memory", "proxy_edge_memory", "registry_memory", "jenkins_agent_memory"), CONTAINER_MEMORY),
    **dict.fromkeys(("proxy_http_port", "proxy_https_port", "jenkins_https_port", "monitoring_https_port"), PORT),
    "proxy_cpus": number(0.01, 4096, "as 0.5"),
    "proxy_acme_upstream": Kind(why_no_host_port, "as 192.0.2.10:8089"),
    "proxy_trusted_addresses[]": Kind(why_no_address_or_network, "as 172.30.0.3 or 172.30.0.0/24"),
    "proxy_unlimited_addresses[]": Kind(why_no_address_or_network, "as 192.0.2.10 or 192.0.2.0/24"),
    "proxy_client_connections": number(0, 100000, "0 for no limit, or as 500"),
    "proxy_header_kilobytes": number(4, 1024, "4 to 1024"),
    **dict.fromkeys(("proxy_stop_grace_seconds", "swarm_node_start_seconds", "docker_engine_start_seconds"), SECONDS),
    **dict.fromkeys(("registry_prune_grace_seconds", "images_prune_grace_seconds"), AGE_SECONDS),
    **dict.fromkeys(
        (
            *("proxy_deadline_seconds", "monitoring_deadline_seconds", "registry_start_deadline_seconds"),
            *("jenkins_start_deadline_seconds", "swarm_member_deadline_seconds", "load_test_deadline_seconds"),
            *("load_test_timeout_seconds", "registry_prune_deadline_seconds"),
            *("proxy_health_interval_seconds", "monitoring_health_interval_seconds", "proxy_update_monitor_seconds"),
        ),
        SECONDS_FROM_1,
    ),
    "swarm_node_labels": Kind(why_no_labels, "as {disk: ssd}"),
    "swarm_node_cpus": number(0, 4096, "0 for all, or as 1.5"),
    "swarm_node_memory": size(NODE_BYTES_MIN, "0 for all, or as 2G", zero=True),
    "load_test_address": HOST,
    "platform_source_registries[].registry": REGISTRY,
    "images_take_credentials[].registry": REGISTRY,
    "jenkins_registries[].registry": REGISTRY,
    "docker_engine_daemon": Kind(
        why_no_engine_daemon, "unix sockets; reach the engine from elsewhere by SSH (docker context)"
    ),
    "swarm_node_daemon": Kind(why_no_daemon, "unix sockets"),
    "docker_engine_metrics_address": Kind(why_no_host_port, "as 127.0.0.1:9323"),
    "docker_engine_vendor_repository.uri": Kind(why_no_url, "as https://download.example.com/linux/debian"),
    "images_extra{}": Kind(why_no_mapping, "as {build: {context: /srv/app, base: nodejs}}", hidden=True),
    "images_bases": Kind(why_no_bases, "as {'node:14-alpine': nodejs}"),
    "images_catalog{}": Kind(why_no_mapping, "as {build: {context: /srv/app, base: nodejs}}", hidden=True),
    "jenkins_deploy_from[]": Kind(why_no_from_pattern, "as 192.0.2.10 or 192.0.2.0/24"),
    "jenkins_deploy_known_hosts[]": KNOWN_HOSTS,
    "jenkins_git_known_hosts[]": KNOWN_HOSTS,
    "apps{}.health.path": Kind(why_no_request_path, "as /healthz"),
    "apps{}.env_owner": Kind(why_no_owner, "as 1000 or 1000:1000"),
    "apps{}.env_mode": Kind(why_no_mode, "in quotes, as '0640'"),
    "apps{}.health.test": Kind(why_no_health_test, "as [CMD, /check]"),
    **dict.fromkeys(
        (f"apps{{}}.health.{name}_seconds" for name in ("interval", "timeout", "start_interval")), SECONDS_FROM_1
    ),
    "apps{}.health.start_period_seconds": SECONDS,
    "apps{}.health.retries": number(1, 1000, "1 or more"),
    "apps{}.metrics.path": Kind(why_no_request_path, "as /metrics"),
    "apps{}.image": Kind(why_no_line, "an image of the catalog, as express-app", may_be_empty=False),
    "apps{}.route.upload_size": Kind(why_no_upload_size, "as 10m", may_be_empty=False),
    "apps{}.route.read_timeout_seconds": number(1, 7 * DAY_SECONDS, "as 60"),
    **dict.fromkeys((f"apps{{}}.{where}.cpus" for where in ("limits", "reservations")), CPUS),
    "apps{}.replicas": number(0, 10000, "0 or more"),
    "apps{}.update.parallelism": number(0, 10000, "0 or more"),
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
                # An element of a list has no default.
                if path.endswith("[]") or (value == "" and not kind.may_be_empty):
                    yield place, value, "is empty", kind
            elif why := kind.why(value):
                yield place, value, why, kind
