# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The shapes of a compose file's service: which values it may have where. Pure.

They are those that ``docker stack deploy`` takes, written down because a fresh docker host has no CLI to ask before the
first change. Where a CLI is, it has the last word (``compose_problems`` of the engine).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from ansible_collections.fungap.swarm.plugins.plugin_utils.compose_values import (
    CAPABILITIES,
    SIGNAL,
    ULIMITS,
    Ask,
    all_of,
    is_image,
    matching,
    of_kind,
    why_no_check,
    why_no_extra_host,
    why_no_health_test,
    why_no_logging,
    why_no_mount,
    why_no_names,
    why_no_pair,
    why_no_port,
    why_no_search,
    why_no_sysctls,
    why_no_ulimit,
    why_no_user,
    why_no_volume,
    why_twice,
)
from ansible_collections.fungap.swarm.plugins.plugin_utils.kinds import variables
from ansible_collections.fungap.swarm.plugins.plugin_utils.kinds.addresses import port_of
from ansible_collections.fungap.swarm.plugins.plugin_utils.kinds.kind import Kind, number


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


def _one_of(*words: str) -> Shape:
    return Shape((TEXT_KIND,), matching(words.__contains__, "is not one of the choices", f"one of: {', '.join(words)}"))


def _keyed(**keys: Shape) -> Shape:
    return Shape((MAPPING_KIND,), keys=keys)


TEXT = Shape((TEXT_KIND,))
COUNT = Shape((WHOLE_KIND,), of_kind(number(0, 2**63 - 1, "0 or more")))
REPLICAS = Shape((WHOLE_KIND,), of_kind(variables.REPLICAS))
NO_LIMIT_OR = of_kind(number(-1, 2**63 - 1, "-1 for no limit, or more"))
LIMIT = Shape((WHOLE_KIND,), NO_LIMIT_OR)
IMAGE_TEXT = Shape((TEXT_KIND,), matching(is_image, "is not an image's name", "as redis:7"))
ABSOLUTE = matching(lambda value: value.startswith("/"), "is not an absolute path", "as /data")
TARGET = Shape(
    (TEXT_KIND,),
    all_of(
        ABSOLUTE,
        matching(lambda value: value.strip("/."), "would hide the whole image", "as /data"),
        of_kind(variables.TEMPLATE_TEXT),
    ),
)
NUMBER = Shape((NUMBER_KIND,))
RATIO = Shape((NUMBER_KIND,), of_kind(variables.RATIO))
SWITCH = Shape((SWITCH_KIND,))
DURATION_TEXT = Shape((TEXT_KIND,), of_kind(variables.DURATION_TEXT))
INTERVAL_TEXT = Shape((TEXT_KIND,), of_kind(variables.INTERVAL_TEXT))


def _cpus(kind: Kind) -> Shape:
    is_written = matching(
        re.compile(r"([0-9]{1,4}(\.[0-9]{1,9})?|\.[0-9]{1,9})\Z").match, "is not a number of CPUs", 'as "0.5"'
    )
    return Shape((TEXT_KIND,), all_of(is_written, of_kind(kind)))


CAPABILITY = Shape(
    (TEXT_KIND,),
    matching(lambda one: one.upper().removeprefix("CAP_") in CAPABILITIES, "is not a capability", "as NET_ADMIN"),
)
# Others swarm passes over.
SPREAD = Shape(
    (TEXT_KIND,),
    matching(
        re.compile(r"(node|engine)\.labels\.[A-Za-z0-9][A-Za-z0-9_./-]*\Z").match,
        "is nothing that a swarm spreads over",
        "as node.labels.zone",
    ),
)
PORT_NUMBER = Shape((WHOLE_KIND,), matching(port_of, "is not a port", "1 to 65535"))
SCALAR = Shape((TEXT_KIND, NUMBER_KIND))
TEXTS = Shape((LIST_KIND,), elements=TEXT)
ONCE = Shape((LIST_KIND,), elements=TEXT, whole=why_twice)
ALIASES = Shape((LIST_KIND,), elements=Shape((TEXT_KIND,), of_kind(variables.HOST_TEXT)), whole=why_twice)
DOMAIN = Shape((TEXT_KIND,), why_no_search)
DOMAIN_OR_DOMAINS = Shape((TEXT_KIND, LIST_KIND), why_no_search, elements=DOMAIN, whole=why_twice)
PAIRS = Shape((LIST_KIND, MAPPING_KIND), elements=TEXT, values=SCALAR, whole=all_of(why_twice, why_no_names))
# A variable without a value is taken from the environment of whoever deploys.
ENVIRONMENT = Shape(
    (LIST_KIND, MAPPING_KIND),
    elements=Shape((TEXT_KIND,), why_no_pair),
    values=Shape((TEXT_KIND, NUMBER_KIND), of_kind(variables.TEMPLATE_TEXT)),
    whole=all_of(why_twice, why_no_names),
)
ADDRESS_OR_ADDRESSES = Shape(
    (TEXT_KIND, LIST_KIND),
    of_kind(variables.ADDRESS),
    elements=Shape((TEXT_KIND,), of_kind(variables.ADDRESS)),
    whole=why_twice,
)
ITEMS = Shape(
    (LIST_KIND,),
    elements=Shape(
        (TEXT_KIND, MAPPING_KIND),
        keys={**dict.fromkeys(("source", "target", "uid", "gid"), TEXT), "mode": NUMBER},
        needed=("source",),
    ),
)
CONSTRAINTS = Shape((LIST_KIND,), elements=Shape((TEXT_KIND,), of_kind(variables.KINDS["apps{}.constraints[]"])))


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
            cpus=_cpus(variables.CPUS), memory=Shape((TEXT_KIND,), of_kind(variables.CONTAINER_MEMORY)), pids=LIMIT
        ),
        reservations=_keyed(
            cpus=_cpus(variables.RESERVED_CPUS),
            memory=Shape((TEXT_KIND,), of_kind(variables.RESERVED_MEMORY)),
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
    user=Shape((TEXT_KIND,), why_no_user),
    hostname=Shape((TEXT_KIND,), of_kind(variables.HOST_TEXT)),
    stop_signal=Shape(
        (TEXT_KIND,),
        matching(SIGNAL.match, "is not a signal", "as SIGTERM"),
    ),
    working_dir=Shape((TEXT_KIND,), ABSOLUTE),
    **dict.fromkeys(("cap_add", "cap_drop"), Shape((LIST_KIND,), elements=CAPABILITY, whole=why_twice)),
    depends_on=ONCE,
    sysctls=replace(PAIRS, whole=all_of(why_twice, why_no_sysctls)),
    **dict.fromkeys(
        ("command", "entrypoint"), Shape((TEXT_KIND, LIST_KIND), of_kind(variables.COMMAND), elements=TEXT)
    ),
    dns=ADDRESS_OR_ADDRESSES,
    dns_search=DOMAIN_OR_DOMAINS,
    **dict.fromkeys(("init", "read_only", "stdin_open", "tty"), SWITCH),
    labels=PAIRS,
    extra_hosts=Shape(
        (LIST_KIND, MAPPING_KIND),
        elements=Shape((TEXT_KIND,), why_no_extra_host),
        values=TEXT,
        # A mapping; of a list each element was asked.
        whole=all_of(why_twice, of_kind(variables.KINDS["swarm_node_extra_hosts"])),
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
                matching(str.strip, "has no command", variables.HEALTH_TEST.cure),
                elements=TEXT,
                whole=why_no_health_test,
            ),
        ),
        whole=why_no_check,
    ),
    logging=replace(
        _keyed(
            driver=Shape((TEXT_KIND,), of_kind(variables.IMAGE_REFERENCE)),
            options=Shape((MAPPING_KIND,), values=SCALAR),
        ),
        whole=why_no_logging,
    ),
    networks=Shape(
        (LIST_KIND, MAPPING_KIND),
        elements=TEXT,
        values=Shape((MAPPING_KIND, NOTHING_KIND), keys={"aliases": ALIASES}),
        whole=why_twice,
    ),
    ports=Shape(
        (LIST_KIND,),
        elements=Shape(
            (TEXT_KIND, MAPPING_KIND),
            why_no_port,
            keys={
                "target": PORT_NUMBER,
                "published": PORT_NUMBER,
                "protocol": _one_of("tcp", "udp", "sctp"),
                "mode": _one_of("ingress", "host"),
            },
            needed=("target", "published"),
        ),
        whole=why_twice,
    ),
    stop_grace_period=DURATION_TEXT,
    ulimits=Shape(
        (MAPPING_KIND,),
        values=Shape(
            (WHOLE_KIND, MAPPING_KIND),
            NO_LIMIT_OR,
            keys={"soft": LIMIT, "hard": LIMIT},
            needed=("soft", "hard"),
            whole=why_no_ulimit,
        ),
        whole=matching(
            lambda value: all(one in ULIMITS for one in value), "has what is no ulimit", f"any of: {', '.join(ULIMITS)}"
        ),
    ),
    volumes=Shape(
        (LIST_KIND,),
        elements=Shape(
            (TEXT_KIND, MAPPING_KIND),
            why_no_volume,
            keys={
                "type": _one_of("bind", "tmpfs", "volume"),
                "source": Shape((TEXT_KIND,), of_kind(variables.TEMPLATE_TEXT)),
                "target": TARGET,
                "read_only": SWITCH,
                "consistency": TEXT,
                "bind": _keyed(propagation=_one_of("private", "rprivate", "shared", "rshared", "slave", "rslave")),
                "volume": _keyed(nocopy=SWITCH),
                "tmpfs": _keyed(size=COUNT),
            },
            needed=("type", "target"),
            whole=why_no_mount,
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
