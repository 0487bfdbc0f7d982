# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A service of a compose file: which values it may have where, and two of them merged. Pure.

The shapes are those that ``docker stack deploy`` takes, written down because a fresh docker host has no CLI to ask
before the first change. Where a CLI is, it has the last word (``compose_problems`` of the engine).
Merging follows https://github.com/compose-spec/compose-spec/blob/main/13-merge.md.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ansible_collections.fungap.swarm.plugins.module_utils.core.errors import PlatformError
from ansible_collections.fungap.swarm.plugins.module_utils.env_volume.model import ID_MAX
from ansible_collections.fungap.swarm.plugins.plugin_utils.kinds import variables
from ansible_collections.fungap.swarm.plugins.plugin_utils.kinds.addresses import (
    port_of,
    why_no_host,
    why_no_host_lines,
)
from ansible_collections.fungap.swarm.plugins.plugin_utils.kinds.daemon import JSON_FILE_OPTIONS, MOUNT_OPTIONS, SYSCTL
from ansible_collections.fungap.swarm.plugins.plugin_utils.kinds.images import why_no_image
from ansible_collections.fungap.swarm.plugins.plugin_utils.kinds.kind import Kind, number
from ansible_collections.fungap.swarm.plugins.plugin_utils.kinds.swarm import why_no_argument
from ansible_collections.fungap.swarm.plugins.plugin_utils.problem import show_key
from ansible_collections.fungap.swarm.plugins.plugin_utils.sizes import bytes_of
from ansible_collections.fungap.swarm.plugins.plugin_utils.specs import nearest

Json = dict[str, Any]


@dataclass(frozen=True)
class Wrong:
    """``place``: as ``deploy.labels`` or ``volumes[0].type``. ``is_ours``: Docker may take it, we don't."""

    place: str
    problem: str
    cure: str
    is_ours: bool = False


# What is asked of a value of the right kind: what is wrong with it and the cure, or nothing.
Ask = Callable[[Any], "tuple[str, str] | None"]


@dataclass(frozen=True)
class Shape:
    """``kinds``: what may stand there, in words. ``ask``: of text and numbers. ``elements``: of a list. ``keys``: of a
    mapping, of which those in ``needed`` have to be there; ``values``: of a mapping of any keys. ``whole``: asked of a
    list or a mapping in which all is right by itself.
    """

    kinds: tuple[str, ...]
    ask: Ask | None = None
    elements: Shape | None = None
    values: Shape | None = None
    keys: Mapping[str, Shape] = field(default_factory=dict)
    needed: tuple[str, ...] = ()
    whole: Ask | None = None


TEXT_KIND, WHOLE_KIND, NUMBER_KIND, SWITCH_KIND = "text", "a whole number", "a number", "true or false"
LIST_KIND, MAPPING_KIND, NOTHING_KIND, DATE_KIND = "a list", "a mapping", "nothing", "a date"


def _matching(is_right: Callable[[Any], object], problem: str, cure: str) -> Ask:
    return lambda value: None if is_right(value) else (problem, cure)


def _one_of(*words: str) -> Shape:
    return Shape(
        (TEXT_KIND,), _matching(words.__contains__, "is not one of the choices", f"one of: {', '.join(words)}")
    )


def _keyed(**keys: Shape) -> Shape:
    return Shape((MAPPING_KIND,), keys=keys)


def _of_kind(kind: Kind) -> Ask:
    """The check that the inventory's own variables of that kind have."""

    def ask(value: Any) -> tuple[str, str] | None:
        why = kind.why(value)
        return (why, kind.cure) if why else None

    return ask


def _all_of(*asks: Ask) -> Ask:
    return lambda value: next((wrong for ask in asks if (wrong := ask(value))), None)


def _why_no_pair(value: str) -> tuple[str, str] | None:
    if "=" not in value.lstrip("="):
        return "has no value", "as NAME=value"
    return _of_kind(variables.TEMPLATE_TEXT)(value.partition("=")[2])


def _why_no_volume(value: str) -> tuple[str, str] | None:
    if wrong := _of_kind(variables.TEMPLATE_TEXT)(value):
        return wrong
    parts = value.split(":")
    if len(parts) > 3 or not all(parts) or not parts[min(len(parts), 2) - 1].startswith("/"):
        return "is not a volume", "as /srv/data:/data:ro"
    if not parts[min(len(parts), 2) - 1].strip("/."):
        return "would hide the whole image", "as /srv/data:/data:ro"
    is_known = all(one in MOUNT_OPTIONS for one in (parts[2].split(",") if len(parts) == 3 else ()))
    return None if is_known else ("has an option that Docker ignores", "ro, rw or nocopy")


def _why_no_mount(value: Json) -> tuple[str, str] | None:
    """In the long form: the docker CLI refuses what belongs to another type."""
    others = [one for one in ("bind", "tmpfs", "volume") if one in value and one != value["type"]]
    if value["type"] == "tmpfs" and value.get("source"):
        return "has a source, which a tmpfs has not", "take the source away, or another type"
    if others:
        return f"has {others[0]}, which is nothing for the type {value['type']}", "take it away"
    return None


def _is_image(value: str) -> bool:
    return not why_no_image(value) or "$" in value  # which is told apart


def _why_no_health_test(value: list[Any]) -> tuple[str, str] | None:
    if not value:
        return "has no command", variables.HEALTH_TEST.cure
    return None if value == ["NONE"] else _of_kind(variables.HEALTH_TEST)(value)


def _why_no_ulimit(value: Json) -> tuple[str, str] | None:
    soft, hard = value["soft"], value["hard"]
    is_more = hard != -1 and (soft > hard or soft == -1)
    return ("has a soft limit above the hard one", "a hard one of at least that") if is_more else None


def _why_twice(value: list[Any] | Json) -> tuple[str, str] | None:
    """The docker CLI refuses lists of these in which something is there twice."""
    is_twice = isinstance(value, list) and any(one in value[:index] for index, one in enumerate(value))
    return ("has an element twice", "once") if is_twice else None


def _why_no_names(value: list[Any] | Json) -> tuple[str, str] | None:
    """Of pairs: a name has no = in it, and is there."""
    names = value if isinstance(value, Mapping) else pairs(value)
    return None if all(name and "=" not in name for name in names) else ("has a value without a name", "as NAME=value")


def _why_no_search(value: str) -> tuple[str, str] | None:
    """It becomes a word of a resolv.conf; a dot stands for none."""
    is_right = value == "." or not why_no_host(value.removesuffix("."))
    return None if is_right else ("is not a domain", "as example.com")


def _why_no_sysctls(value: list[Any] | Json) -> tuple[str, str] | None:
    """Those that a container has for itself: with another one it does not start."""
    names = [name.replace("/", ".") for name in pairs(value)]
    if not all(map(SYSCTL.match, names)):
        return "has what is no kernel parameter's name", "as net.core.somaxconn"
    if not all(name in SYSCTLS or name.startswith(("net.", "fs.mqueue.")) for name in names):
        return "has a parameter that is the whole machine's", "net.* or fs.mqueue.*, or docker_engine_sysctls"
    return None


def _why_no_user(value: str) -> tuple[str, str] | None:
    """A user, perhaps with a group, each by name or number."""
    parts = value.split(":")
    is_right = len(parts) <= 2 and all(
        int(one) <= ID_MAX if re.fullmatch("[0-9]{1,20}", one) else USER.match(one) for one in parts
    )
    return None if is_right or not value else ("is not a user", 'as node, "1000" or "1000:1000"')


def _why_no_logging(value: Json) -> tuple[str, str] | None:
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


def _why_no_check(value: Json) -> tuple[str, str] | None:
    is_both = value.get("disable") and value.get("test")
    return ("has a test and is disabled", "take one of them away") if is_both else None


def _why_no_extra_host(value: str) -> tuple[str, str] | None:
    name, _colon, address = value.partition(":") if "=" not in value else value.partition("=")
    why = why_no_host_lines({name: address.removeprefix("[").removesuffix("]")})
    return ("is not a host name with its address", "as db.example.com:192.0.2.10") if why else None


PORT_CURE = "as 8025:25/tcp, or {target: 25, published: 8025}"


def _why_no_port(value: Any) -> tuple[str, str] | None:
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
SHORT_PORT = re.compile(r"(?P<published>[0-9]+):(?P<target>[0-9]+)(?:/(?P<protocol>tcp|udp|sctp))?")

TEXT = Shape((TEXT_KIND,))
COUNT = Shape((WHOLE_KIND,), _of_kind(number(0, 2**63 - 1, "0 or more")))
REPLICAS = Shape((WHOLE_KIND,), _of_kind(variables.REPLICAS))
NO_LIMIT_OR = _of_kind(number(-1, 2**63 - 1, "-1 for no limit, or more"))
LIMIT = Shape((WHOLE_KIND,), NO_LIMIT_OR)
IMAGE_TEXT = Shape((TEXT_KIND,), _matching(_is_image, "is not an image's name", "as redis:7"))
ABSOLUTE = _matching(lambda value: value.startswith("/"), "is not an absolute path", "as /data")
TARGET = Shape(
    (TEXT_KIND,),
    _all_of(
        ABSOLUTE,
        _matching(lambda value: value.strip("/."), "would hide the whole image", "as /data"),
        _of_kind(variables.TEMPLATE_TEXT),
    ),
)
NUMBER = Shape((NUMBER_KIND,))
RATIO = Shape((NUMBER_KIND,), _of_kind(variables.RATIO))
SWITCH = Shape((SWITCH_KIND,))
DURATION_TEXT = Shape((TEXT_KIND,), _of_kind(variables.DURATION_TEXT))
INTERVAL_TEXT = Shape((TEXT_KIND,), _of_kind(variables.INTERVAL_TEXT))


def _cpus(kind: Kind) -> Shape:
    is_written = _matching(
        re.compile(r"([0-9]{1,4}(\.[0-9]{1,9})?|\.[0-9]{1,9})\Z").match, "is not a number of CPUs", 'as "0.5"'
    )
    return Shape((TEXT_KIND,), _all_of(is_written, _of_kind(kind)))


CAPABILITY = Shape(
    (TEXT_KIND,),
    _matching(lambda one: one.upper().removeprefix("CAP_") in CAPABILITIES, "is not a capability", "as NET_ADMIN"),
)
# Others swarm passes over.
SPREAD = Shape(
    (TEXT_KIND,),
    _matching(
        re.compile(r"(node|engine)\.labels\.[A-Za-z0-9][A-Za-z0-9_./-]*\Z").match,
        "is nothing that a swarm spreads over",
        "as node.labels.zone",
    ),
)
PORT_NUMBER = Shape((WHOLE_KIND,), _matching(port_of, "is not a port", "1 to 65535"))
SCALAR = Shape((TEXT_KIND, NUMBER_KIND))
TEXTS = Shape((LIST_KIND,), elements=TEXT)
ONCE = Shape((LIST_KIND,), elements=TEXT, whole=_why_twice)
ALIASES = Shape((LIST_KIND,), elements=Shape((TEXT_KIND,), _of_kind(variables.HOST_TEXT)), whole=_why_twice)
DOMAIN = Shape((TEXT_KIND,), _why_no_search)
DOMAIN_OR_DOMAINS = Shape((TEXT_KIND, LIST_KIND), _why_no_search, elements=DOMAIN, whole=_why_twice)
PAIRS = Shape((LIST_KIND, MAPPING_KIND), elements=TEXT, values=SCALAR, whole=_all_of(_why_twice, _why_no_names))
# A variable without a value is taken from the environment of whoever deploys.
ENVIRONMENT = Shape(
    (LIST_KIND, MAPPING_KIND),
    elements=Shape((TEXT_KIND,), _why_no_pair),
    values=Shape((TEXT_KIND, NUMBER_KIND), _of_kind(variables.TEMPLATE_TEXT)),
    whole=_all_of(_why_twice, _why_no_names),
)
ADDRESS_OR_ADDRESSES = Shape(
    (TEXT_KIND, LIST_KIND),
    _of_kind(variables.ADDRESS),
    elements=Shape((TEXT_KIND,), _of_kind(variables.ADDRESS)),
    whole=_why_twice,
)
ITEMS = Shape(
    (LIST_KIND,),
    elements=Shape(
        (TEXT_KIND, MAPPING_KIND),
        keys={**dict.fromkeys(("source", "target", "uid", "gid"), TEXT), "mode": NUMBER},
        needed=("source",),
    ),
)
CONSTRAINTS = Shape((LIST_KIND,), elements=Shape((TEXT_KIND,), _of_kind(variables.KINDS["apps{}.constraints[]"])))


def _update(*actions: str) -> Shape:
    return _keyed(
        parallelism=REPLICAS,
        delay=DURATION_TEXT,
        failure_action=_one_of(*actions),
        monitor=DURATION_TEXT,
        max_failure_ratio=RATIO,
        order=_one_of("start-first", "stop-first"),
    )


DEPLOY = _keyed(
    mode=_one_of("replicated", "global", "replicated-job", "global-job"),
    endpoint_mode=_one_of("vip", "dnsrr"),
    replicas=REPLICAS,
    labels=PAIRS,
    update_config=_update("continue", "pause", "rollback"),
    rollback_config=_update("continue", "pause"),
    resources=_keyed(
        limits=_keyed(
            cpus=_cpus(variables.CPUS), memory=Shape((TEXT_KIND,), _of_kind(variables.CONTAINER_MEMORY)), pids=LIMIT
        ),
        reservations=_keyed(
            cpus=_cpus(variables.RESERVED_CPUS),
            memory=Shape((TEXT_KIND,), _of_kind(variables.RESERVED_MEMORY)),
            generic_resources=Shape(
                (LIST_KIND,), elements=_keyed(discrete_resource_spec=_keyed(kind=TEXT, value=NUMBER))
            ),
        ),
    ),
    restart_policy=_keyed(
        condition=_one_of("none", "on-failure", "any"), delay=DURATION_TEXT, max_attempts=COUNT, window=DURATION_TEXT
    ),
    placement=_keyed(
        constraints=CONSTRAINTS,
        preferences=Shape((LIST_KIND,), elements=replace(_keyed(spread=SPREAD), needed=("spread",))),
        max_replicas_per_node=REPLICAS,
    ),
)
SERVICE = _keyed(
    image=IMAGE_TEXT,
    user=Shape((TEXT_KIND,), _why_no_user),
    hostname=Shape((TEXT_KIND,), _of_kind(variables.HOST_TEXT)),
    stop_signal=Shape(
        (TEXT_KIND,),
        _matching(SIGNAL.match, "is not a signal", "as SIGTERM"),
    ),
    working_dir=Shape((TEXT_KIND,), ABSOLUTE),
    **dict.fromkeys(("cap_add", "cap_drop"), Shape((LIST_KIND,), elements=CAPABILITY, whole=_why_twice)),
    depends_on=ONCE,
    sysctls=replace(PAIRS, whole=_all_of(_why_twice, _why_no_sysctls)),
    **dict.fromkeys(
        ("command", "entrypoint"), Shape((TEXT_KIND, LIST_KIND), _of_kind(variables.COMMAND), elements=TEXT)
    ),
    dns=ADDRESS_OR_ADDRESSES,
    dns_search=DOMAIN_OR_DOMAINS,
    **dict.fromkeys(("init", "read_only", "stdin_open", "tty"), SWITCH),
    labels=PAIRS,
    extra_hosts=Shape(
        (LIST_KIND, MAPPING_KIND),
        elements=Shape((TEXT_KIND,), _why_no_extra_host),
        values=TEXT,
        # A mapping; of a list each element was asked.
        whole=_all_of(_why_twice, _of_kind(variables.KINDS["swarm_node_extra_hosts"])),
    ),
    environment=ENVIRONMENT,
    configs=ITEMS,
    secrets=ITEMS,
    deploy=DEPLOY,
    healthcheck=replace(
        _keyed(
            **dict.fromkeys(("interval", "timeout", "start_interval"), INTERVAL_TEXT),
            start_period=DURATION_TEXT,
            disable=SWITCH,
            retries=COUNT,
            test=Shape(
                (TEXT_KIND, LIST_KIND),
                _matching(str.strip, "has no command", variables.HEALTH_TEST.cure),
                elements=TEXT,
                whole=_why_no_health_test,
            ),
        ),
        whole=_why_no_check,
    ),
    logging=replace(
        _keyed(
            driver=Shape((TEXT_KIND,), _of_kind(variables.IMAGE_REFERENCE)),
            options=Shape((MAPPING_KIND,), values=SCALAR),
        ),
        whole=_why_no_logging,
    ),
    networks=Shape(
        (LIST_KIND, MAPPING_KIND),
        elements=TEXT,
        values=Shape((MAPPING_KIND, NOTHING_KIND), keys={"aliases": ALIASES}),
        whole=_why_twice,
    ),
    ports=Shape(
        (LIST_KIND,),
        elements=Shape(
            (TEXT_KIND, MAPPING_KIND),
            _why_no_port,
            keys={
                "target": PORT_NUMBER,
                "published": PORT_NUMBER,
                "protocol": _one_of("tcp", "udp", "sctp"),
                "mode": _one_of("ingress", "host"),
            },
            needed=("target", "published"),
        ),
        whole=_why_twice,
    ),
    stop_grace_period=DURATION_TEXT,
    ulimits=Shape(
        (MAPPING_KIND,),
        values=Shape(
            (WHOLE_KIND, MAPPING_KIND),
            NO_LIMIT_OR,
            keys={"soft": LIMIT, "hard": LIMIT},
            needed=("soft", "hard"),
            whole=_why_no_ulimit,
        ),
        whole=_matching(
            lambda value: all(one in ULIMITS for one in value), "has what is no ulimit", f"any of: {', '.join(ULIMITS)}"
        ),
    ),
    volumes=Shape(
        (LIST_KIND,),
        elements=Shape(
            (TEXT_KIND, MAPPING_KIND),
            _why_no_volume,
            keys={
                "type": _one_of("bind", "tmpfs", "volume"),
                "source": Shape((TEXT_KIND,), _of_kind(variables.TEMPLATE_TEXT)),
                "target": TARGET,
                "read_only": SWITCH,
                "consistency": TEXT,
                "bind": _keyed(propagation=_one_of("private", "rprivate", "shared", "rshared", "slave", "rslave")),
                "volume": _keyed(nocopy=SWITCH),
                "tmpfs": _keyed(size=COUNT),
            },
            needed=("type", "target"),
            whole=_why_no_mount,
        ),
    ),
)
# What compose has and a swarm does not carry out, and what does.
CURES = {
    "build": "an image of the catalog (images_extra)",
    "container_name": "services find each other by their names",
    "credential_spec": "nothing: it is Windows'",
    "cpus": "deploy.resources.limits.cpus",
    "devices": "a node with the device, and a bind mount",
    "env_file": "environment",
    "expose": "nothing: services of one network reach each other's ports",
    "extends": "write it out",
    "isolation": "nothing: it is Windows'",
    "links": "services find each other by their names",
    "mem_limit": "deploy.resources.limits.memory",
    "network_mode": "networks",
    "privileged": "cap_add",
    "restart": "deploy.restart_policy",
    "scale": "deploy.replicas",
    "shm_size": "a volume of type tmpfs at /dev/shm",
    "tmpfs": "a volume of type tmpfs, as {type: tmpfs, target: /run}",
}


def _kind_of(value: Any) -> str:
    if value is None:
        return NOTHING_KIND
    if isinstance(value, bool):
        return SWITCH_KIND
    if isinstance(value, (int, float)):
        return WHOLE_KIND if isinstance(value, int) else NUMBER_KIND
    if isinstance(value, str):
        return TEXT_KIND
    if isinstance(value, (Mapping, list)):
        return MAPPING_KIND if isinstance(value, Mapping) else LIST_KIND
    return DATE_KIND


def misshapen(value: Any, place: str = "", shape: Shape = SERVICE) -> Iterator[Wrong]:
    """What stands where it can't, of everything in a service."""
    kind = _kind_of(value)
    if kind not in shape.kinds and not (kind == WHOLE_KIND and NUMBER_KIND in shape.kinds):
        wanted = " or ".join(kind for kind in shape.kinds if kind != NOTHING_KIND)
        if kind == NOTHING_KIND:
            yield Wrong(place, "is empty", "give it a value, or take the line away")
        else:
            quote = TEXT_KIND in shape.kinds and kind in (WHOLE_KIND, NUMBER_KIND, SWITCH_KIND, DATE_KIND)
            yield Wrong(place, f"must be {wanted}, not {kind}", "quote it" if quote else f"write {wanted}")
        return
    wrong = list(_below_it(value, place, shape))
    yield from wrong
    ask = shape.whole if kind in (LIST_KIND, MAPPING_KIND) else shape.ask
    if wrong or kind in (NOTHING_KIND, SWITCH_KIND):
        return
    if kind not in (LIST_KIND, MAPPING_KIND) and (problem := why_no_argument(value)):
        yield Wrong(place, problem, "another value")
    elif ask and (why := ask(value)):
        yield Wrong(place, *why)


def _below_it(value: Any, place: str, shape: Shape) -> Iterator[Wrong]:
    if isinstance(value, Mapping):
        for key, one in value.items():
            at = _below(place, key)
            known = shape.values or shape.keys.get(key)
            if not isinstance(key, str):
                yield Wrong(at, "has a name that is no text: YAML reads yes, no, on, off and numbers", "quote it")
            elif known:
                yield from misshapen(one, at, known)
            elif not key.startswith("x-"):
                yield _unknown(at, key, shape)
        for key in shape.needed:
            if key not in value:
                yield Wrong(_below(place, key), "is missing", "add it")
    elif isinstance(value, list):
        for index, one in enumerate(value):
            yield from misshapen(one, f"{place}[{index}]", shape.elements or TEXT)


def _below(place: str, key: Any) -> str:
    return f"{place}.{show_key(key)}" if place else show_key(key)


def _unknown(place: str, key: str, shape: Shape) -> Wrong:
    if shape is SERVICE and key in CURES:
        return Wrong(place, "is not carried out by a swarm", CURES[key], is_ours=True)
    near = nearest(key, shape.keys)
    cure = f"did you mean {near}?" if near else f"it may have: {', '.join(sorted(shape.keys))}"
    return Wrong(place, "is not a known setting", cure, is_ours=True)


def interpolated(value: Any, place: str = "") -> Iterator[Wrong]:
    """Texts that a compose file would fill in from a shell's environment, which nobody has here."""
    if isinstance(value, str):
        if "$" in value.replace("$$", ""):
            problem = "has a lone $, which a compose file fills in from a shell's environment; there is none here"
            yield Wrong(place, problem, "the value itself; $$ for a $ that is meant")
    elif isinstance(value, Mapping):
        for key, one in value.items():
            yield from interpolated(one, _below(place, key))
    elif isinstance(value, list):
        for index, one in enumerate(value):
            yield from interpolated(one, f"{place}[{index}]")


def plain_dollars(value: Any) -> Any:
    """A part of a compose file with ``$$`` as the ``$`` that it means.

    Keys are in the order of the alphabet, in which a revision's record has them: the text is the same from either.
    """
    if isinstance(value, str):
        return value.replace("$$", "$")
    if isinstance(value, Mapping):
        return {key: plain_dollars(value[key]) for key in sorted(value, key=str)}
    return [plain_dollars(one) for one in value] if isinstance(value, list) else value


# --- merging ---


def pairs(value: Any) -> Json:
    """``NAME=value`` lines, or a mapping, as a mapping."""
    if isinstance(value, Mapping):
        return dict(value)
    return {name: text for name, _equal, text in (str(line).partition("=") for line in value)}


def volume(value: Any) -> Json:
    """A volume in the long form."""
    if isinstance(value, Mapping):
        return dict(value)
    parts = str(value).split(":")
    if len(parts) == 1:
        return {"type": "volume", "target": parts[0]}
    found: Json = {"type": "bind" if parts[0][0] in "./~" else "volume", "source": parts[0], "target": parts[1]}
    for option in parts[2].split(",") if len(parts) > 2 else ():
        if option == "ro":
            found["read_only"] = True
        elif option == "nocopy":
            found["volume"] = {"nocopy": True}
        elif option in ("consistent", "cached", "delegated"):
            found["consistency"] = option
        elif option != "rw":
            found["bind"] = {"propagation": option}
    return found


def item(value: Any) -> Json:
    """A config or a secret in the long form."""
    return dict(value) if isinstance(value, Mapping) else {"source": value}


def item_target(value: Any) -> str:
    one = item(value)
    return str(one.get("target") or one.get("source"))


def port(value: Any, *, ipvs: bool = True) -> Json:
    """A published port in the long form. Without IPVS there is no routing mesh: the port is each node's own."""
    if isinstance(value, Mapping):
        given = dict(value)
    else:
        match = re.fullmatch(rf"(?:{SHORT_PORT.pattern}|(?P<only>[0-9]+)(?:/(?P<same>tcp|udp|sctp))?)", str(value))
        if not match:
            raise PlatformError(f"port {value!r} must look like 8025:25/tcp or be a dict with target and published")
        found = match.groupdict()
        target, protocol = found["target"] or found["only"], found["protocol"] or found["same"]
        given = {"target": int(target), **({"published": int(found["published"])} if found["published"] else {})}
        given.update({"protocol": protocol} if protocol else {})
    published = given.get("published", given["target"])
    mode = given.get("mode", "ingress") if ipvs else "host"
    # The docker CLI takes no text for a number.
    target, published = int(given["target"]), int(published)
    return {"target": target, "published": published, "protocol": given.get("protocol", "tcp"), "mode": mode}


def _texts(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list) else [value]


# Forms of which there are two: the one in which they are merged.
_FORMS: Mapping[str, Callable[[Any], Any]] = {
    **dict.fromkeys(("environment", "labels", "sysctls", "deploy.labels"), pairs),
    **dict.fromkeys(("dns", "dns_search"), _texts),
}
_REPLACED = ("command", "entrypoint", "healthcheck.test")
# Lists in which each thing is there once: its long form, and what it is known by.
_UNIQUE: Mapping[str, tuple[Callable[[Any], Json], Callable[[Json], Any]]] = {
    "volumes": (volume, lambda one: one.get("target")),
    "configs": (item, item_target),
    "secrets": (item, item_target),
    "ports": (port, lambda one: (one["target"], one["published"], one["protocol"])),
}


def merged(base: Mapping[str, Any], extra: Mapping[str, Any], place: str = "") -> Json:
    """``extra`` on top of ``base``, by compose's rules: mappings are merged, lists are appended.

    Commands are replaced, and so is, in lists of mounts and ports, what has the same target.
    """
    result = dict(base)
    for key, value in extra.items():
        at = _below(place, key)
        old = result.get(key)
        if old is None or value is not None:
            result[key] = value if old is None else _both(at, old, value)
    return result


def _both(at: str, old: Any, value: Any) -> Any:
    if at in _REPLACED:
        return value
    if at in _UNIQUE:
        long, known_by = _UNIQUE[at]
        found: dict[Any, Json] = {}
        for one in map(long, (*old, *value)):
            found[known_by(one)] = {**found.get(known_by(one), {}), **one}
        return list(found.values())
    if at in _FORMS:
        old, value = _FORMS[at](old), _FORMS[at](value)
    elif isinstance(old, list) != isinstance(value, list) and at in ("networks", "extra_hosts"):
        old, value = _same_form(at, old), _same_form(at, value)
    if isinstance(old, Mapping) and isinstance(value, Mapping):
        return merged(old, value, at)
    if isinstance(old, list) and isinstance(value, list):
        return [*old, *(one for one in value if one not in old)]
    return value


def _same_form(at: str, value: Any) -> Any:
    """A list beside a mapping: networks as a mapping, for their aliases; hosts as a list, where one may be twice."""
    if at == "networks":
        return dict(value) if isinstance(value, Mapping) else dict.fromkeys(value)
    return value if isinstance(value, list) else [f"{name}:{address}" for name, address in value.items()]
