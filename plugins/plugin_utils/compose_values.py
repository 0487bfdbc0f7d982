# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is asked of the values in a compose file's service, beyond their type. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from ansible_collections.fungap.swarm.plugins.module_utils.env_volume.model import ID_MAX
from ansible_collections.fungap.swarm.plugins.plugin_utils.compose_forms import SHORT_PORT, pairs
from ansible_collections.fungap.swarm.plugins.plugin_utils.kinds import variables
from ansible_collections.fungap.swarm.plugins.plugin_utils.kinds.addresses import (
    port_of,
    why_no_host,
    why_no_host_lines,
)
from ansible_collections.fungap.swarm.plugins.plugin_utils.kinds.daemon import JSON_FILE_OPTIONS, MOUNT_OPTIONS, SYSCTL
from ansible_collections.fungap.swarm.plugins.plugin_utils.kinds.images import why_no_image
from ansible_collections.fungap.swarm.plugins.plugin_utils.kinds.kind import Kind
from ansible_collections.fungap.swarm.plugins.plugin_utils.problem import show_key
from ansible_collections.fungap.swarm.plugins.plugin_utils.sizes import bytes_of

Json = dict[str, Any]
# What is asked of a value of the right kind: what is wrong with it and the cure, or nothing.
Ask = Callable[[Any], "tuple[str, str] | None"]


def matching(is_right: Callable[[Any], object], problem: str, cure: str) -> Ask:
    return lambda value: None if is_right(value) else (problem, cure)


def of_kind(kind: Kind) -> Ask:
    """The check that the inventory's own variables of that kind have."""

    def ask(value: Any) -> tuple[str, str] | None:
        why = kind.why(value)
        return (why, kind.cure) if why else None

    return ask


def all_of(*asks: Ask) -> Ask:
    return lambda value: next((wrong for ask in asks if (wrong := ask(value))), None)


def why_no_pair(value: str) -> tuple[str, str] | None:
    if "=" not in value.lstrip("="):
        return "has no value", "as NAME=value"
    return of_kind(variables.TEMPLATE_TEXT)(value.partition("=")[2])


def why_no_volume(value: str) -> tuple[str, str] | None:
    if wrong := of_kind(variables.TEMPLATE_TEXT)(value):
        return wrong
    parts = value.split(":")
    if len(parts) > 3 or not all(parts) or not parts[min(len(parts), 2) - 1].startswith("/"):
        return "is not a volume", "as /srv/data:/data:ro"
    if not parts[min(len(parts), 2) - 1].strip("/."):
        return "would hide the whole image", "as /srv/data:/data:ro"
    is_known = all(one in MOUNT_OPTIONS for one in (parts[2].split(",") if len(parts) == 3 else ()))
    return None if is_known else ("has an option that Docker ignores", "ro, rw or nocopy")


def why_no_mount(value: Json) -> tuple[str, str] | None:
    """In the long form: the docker CLI refuses what belongs to another type."""
    others = [one for one in ("bind", "tmpfs", "volume") if one in value and one != value["type"]]
    if value["type"] == "tmpfs" and value.get("source"):
        return "has a source, which a tmpfs has not", "take the source away, or another type"
    if others:
        return f"has {others[0]}, which is nothing for the type {value['type']}", "take it away"
    return None


def is_image(value: str) -> bool:
    return not why_no_image(value) or "$" in value  # which is told apart


def why_no_health_test(value: list[Any]) -> tuple[str, str] | None:
    if not value:
        return "has no command", variables.HEALTH_TEST.cure
    return None if value == ["NONE"] else of_kind(variables.HEALTH_TEST)(value)


def why_no_ulimit(value: Json) -> tuple[str, str] | None:
    soft, hard = value["soft"], value["hard"]
    is_more = hard != -1 and (soft > hard or soft == -1)
    return ("has a soft limit above the hard one", "a hard one of at least that") if is_more else None


def why_twice(value: list[Any] | Json) -> tuple[str, str] | None:
    """The docker CLI refuses lists of these in which something is there twice."""
    is_twice = isinstance(value, list) and any(one in value[:index] for index, one in enumerate(value))
    return ("has an element twice", "once") if is_twice else None


def why_no_names(value: list[Any] | Json) -> tuple[str, str] | None:
    """Of pairs: a name has no = in it, and is there."""
    names = value if isinstance(value, Mapping) else pairs(value)
    return None if all(name and "=" not in name for name in names) else ("has a value without a name", "as NAME=value")


def why_no_search(value: str) -> tuple[str, str] | None:
    """It becomes a word of a resolv.conf; a dot stands for none."""
    is_right = value == "." or not why_no_host(value.removesuffix("."))
    return None if is_right else ("is not a domain", "as example.com")


def why_no_sysctls(value: list[Any] | Json) -> tuple[str, str] | None:
    """Those that a container has for itself: with another one it does not start."""
    names = [name.replace("/", ".") for name in pairs(value)]
    if not all(map(SYSCTL.match, names)):
        return "has what is no kernel parameter's name", "as net.core.somaxconn"
    if not all(name in SYSCTLS or name.startswith(("net.", "fs.mqueue.")) for name in names):
        return "has a parameter that is the whole machine's", "net.* or fs.mqueue.*, or docker_engine_sysctls"
    return None


def why_no_user(value: str) -> tuple[str, str] | None:
    """A user, perhaps with a group, each by name or number."""
    parts = value.split(":")
    is_right = len(parts) <= 2 and all(
        int(one) <= ID_MAX if re.fullmatch("[0-9]{1,20}", one) else USER.match(one) for one in parts
    )
    return None if is_right or not value else ("is not a user", 'as node, "1000" or "1000:1000"')


def why_no_logging(value: Json) -> tuple[str, str] | None:
    """Of the drivers that are everywhere: options that they know, with what they can read."""
    driver, options = value.get("driver"), value.get("options") or {}
    known = LOG_OPTIONS.get(driver or "")
    if known and (unknown := [show_key(name) for name in options if name not in known]):
        return f"has the option {unknown[0]}, which {driver} does not know", f"any of: {', '.join(known)}"
    if known and "max-size" in options and str(options["max-size"]) != "-1" and not bytes_of(str(options["max-size"])):
        return "has a max-size that is no size", "as 10m"
    if known and "max-file" in options and not re.fullmatch("[1-9][0-9]{0,8}", str(options["max-file"])):
        return "has a max-file that is no number above 0", 'as "3"'
    return None


def why_no_check(value: Json) -> tuple[str, str] | None:
    is_both = value.get("disable") and value.get("test")
    return ("has a test and is disabled", "take one of them away") if is_both else None


def why_no_extra_host(value: str) -> tuple[str, str] | None:
    name, _colon, address = value.partition(":") if "=" not in value else value.partition("=")
    why = why_no_host_lines({name: address.removeprefix("[").removesuffix("]")})
    return ("is not a host name with its address", "as db.example.com:192.0.2.10") if why else None


PORT_CURE = "as 8025:25/tcp, or {target: 25, published: 8025}"


def why_no_port(value: Any) -> tuple[str, str] | None:
    match = SHORT_PORT.fullmatch(str(value))
    if match and port_of(match.group("published")) and port_of(match.group("target")):
        return None
    return "is not a port to publish", PORT_CURE


# https://github.com/docker/go-units/blob/master/ulimit.go
ULIMITS = (
    *("core", "cpu", "data", "fsize", "locks", "memlock", "msgqueue", "nice", "nofile", "nproc", "rss", "rtprio"),
    *("rttime", "sigpending", "stack"),
)
# Those of capabilities(7), with CAP_ or without.
CAPABILITIES = (
    *("ALL", "AUDIT_CONTROL", "AUDIT_READ", "AUDIT_WRITE", "BLOCK_SUSPEND", "BPF", "CHECKPOINT_RESTORE", "CHOWN"),
    *("DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "IPC_LOCK", "IPC_OWNER", "KILL", "LEASE"),
    *("LINUX_IMMUTABLE", "MAC_ADMIN", "MAC_OVERRIDE", "MKNOD", "NET_ADMIN", "NET_BIND_SERVICE", "NET_BROADCAST"),
    *("NET_RAW", "PERFMON", "SETFCAP", "SETGID", "SETPCAP", "SETUID", "SYSLOG", "SYS_ADMIN", "SYS_BOOT"),
    *("SYS_CHROOT", "SYS_MODULE", "SYS_NICE", "SYS_PACCT", "SYS_PTRACE", "SYS_RAWIO", "SYS_RESOURCE", "SYS_TIME"),
    *("SYS_TTY_CONFIG", "WAKE_ALARM"),
)
# https://github.com/moby/sys/blob/main/signal/signal_linux.go
SIGNAL = re.compile(
    r"((SIG)?(ABRT|ALRM|BUS|CHLD|CLD|CONT|FPE|HUP|ILL|INT|IO|IOT|KILL|PIPE|POLL|PROF|PWR|QUIT|SEGV|STKFLT|STOP|SYS|TERM"
    r"|TRAP|TSTP|TTIN|TTOU|URG|USR1|USR2|VTALRM|WINCH|XCPU|XFSZ|RTMIN(\+([1-9]|1[0-5]))?|RTMAX(-([1-9]|1[0-4]))?)"
    r"|[1-9]|[1-5][0-9]|6[0-4])\Z",
    re.IGNORECASE,
)
# Those that are each container's own: https://github.com/opencontainers/runc/blob/main/libcontainer/configs/validate
SYSCTLS = (
    *("kernel.domainname", "kernel.msgmax", "kernel.msgmnb", "kernel.msgmni", "kernel.sem", "kernel.shm_rmid_forced"),
    *("kernel.shmall", "kernel.shmmax", "kernel.shmmni"),
)
USER = re.compile(r"[A-Za-z_][A-Za-z0-9_.@-]*\$?\Z")
LOG_OPTIONS = {
    "json-file": JSON_FILE_OPTIONS,
    "local": tuple(one for one in JSON_FILE_OPTIONS if not one.startswith(("env", "labels", "tag"))),
}
