# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What dockerd takes from its daemon.json, and a machine's kernel from sysctl."""

from __future__ import annotations

import difflib
import ipaddress
import posixpath
import re
from collections.abc import Callable, Mapping
from typing import Any

from ansible_collections.fungap.swarm.plugins.module_utils.folder.model import (
    SHARED_FOLDERS,
    SYSTEM_TREES,
    why_no_folder,
)
from ansible_collections.fungap.swarm.plugins.plugin_utils.kinds.addresses import (
    PREFIX,
    address_of,
    network_of,
    why_no_address,
    why_no_host_port,
    why_no_site_network,
    why_no_url,
)
from ansible_collections.fungap.swarm.plugins.plugin_utils.kinds.texts import (
    DOCKER_NAME,
    why_has_nothing,
    why_no_line,
    why_no_scalar,
)
from ansible_collections.fungap.swarm.plugins.plugin_utils.problem import show_key
from ansible_collections.fungap.swarm.plugins.plugin_utils.sizes import bytes_of

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

SYSCTL = re.compile(r"[a-z0-9_]+([./][A-Za-z0-9_:@-]+)+\Z")


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
            return f"has {show_key(name)}, which dockerd does not know{f': did you mean {near}?' if near else ''}"
        what, is_right = DIRECTIVES[name]
        if not is_right(value):
            return f"has something else than {what} for {name}"
    # The role's own driver, where none is given.
    options = daemon.get("log-opts", {}) if daemon.get("log-driver", "json-file") == "json-file" else {}
    if unknown := [key for key in options if key not in JSON_FILE_OPTIONS]:
        return f"has {show_key(unknown[0])} in log-opts, which json-file does not know"
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


def why_no_sysctls(value: Any) -> str:
    """Lines of a sysctl.conf: a parameter's name, and text or a number."""
    for name, text in value.items() if isinstance(value, Mapping) else ():
        if not SYSCTL.match(str(name)):
            return f"has {show_key(name)}, which is not a kernel parameter's name"
        # The kernel writes several numbers with tabs between them.
        if isinstance(text, bool) or text == "" or why_no_scalar(text.expandtabs() if isinstance(text, str) else text):
            return f"has neither one line of text nor a number for {name}"
        if str(name).replace("/", ".") == "net.ipv4.ip_forward" and str(text).strip() == "0":
            return f"has 0 for {name}, and no container could be reached"
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
