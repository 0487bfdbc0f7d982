# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What membership of a swarm is made of: what an engine says of itself, what the managers list, what is wanted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.fungap.swarm.plugins.module_utils.app_volume.model import LABEL_PREFIX as VOLUME_LABELS
from ansible_collections.fungap.swarm.plugins.module_utils.core.errors import PlatformError
from ansible_collections.fungap.swarm.plugins.module_utils.member.raft import RaftLog

# Labels that say which env versions and which apps' volumes a node holds: those of env_volume and app_volume. They are
# taken along where a node joins again, and never touched here otherwise.
PLATFORM_LABELS = ("fungap.env.", VOLUME_LABELS)
SWARM_PORT = 2377
NANOSECONDS = 1_000_000_000

STATES = ("manager", "worker", "absent")
AVAILABILITIES = ("active", "pause", "drain")


def platform_labels(labels: Mapping[str, str]) -> dict[str, str]:
    """What of a node's labels says what it holds."""
    return {key: value for key, value in labels.items() if key.startswith(PLATFORM_LABELS)}


def without_platform_labels(labels: Mapping[str, str]) -> dict[str, str]:
    """What of a node's labels is the inventory's."""
    return {key: value for key, value in labels.items() if not key.startswith(PLATFORM_LABELS)}


@dataclass(frozen=True)
class SwarmData:
    """What lies in the folder in which an engine keeps its part of a swarm, whether it can make use of it or not.

    ``is_managers``: a manager's, that is services, secrets, configs and the node list of the whole swarm. The IDs are
    those of the node's certificate. ``unreadable``: why it can't be told whether it is a manager's.
    """

    is_managers: bool = False
    node_id: str = ""
    cluster_id: str = ""
    unreadable: str = ""


@dataclass(frozen=True)
class EngineMembership:
    """What a node's own engine says (``Swarm`` of ``GET /info``), and what lies in its folder.

    ``state``: inactive, pending, active, error or locked. ``address``: the advertised one. ``is_manager``: it has a
    manager's data (but perhaps no leader). ``managers``: the managers that it knows, {node id: ``host:port``}.
    ``holds_data``: a manager's data lies on its disk. ``log``: how far that goes, where it was asked for and can be
    told.
    """

    state: str = "inactive"
    hostname: str = ""
    node_id: str = ""
    address: str = ""
    is_manager: bool = False
    cluster_id: str = ""
    error: str = ""
    managers: Mapping[str, str] = field(default_factory=dict)
    holds_data: bool = False
    log: RaftLog | None = None

    @property
    def holds_a_swarm(self) -> bool:
        """Whether a manager's data is on this engine, though it doesn't lead now."""
        return self.holds_data or (bool(self.node_id) and (self.is_manager or self.node_id in self.managers))

    @classmethod
    def parse(cls, info: Mapping[str, Any], data: SwarmData = SwarmData()) -> EngineMembership:
        """From the JSON of ``GET /info``. An engine that can't read its data doesn't know who it is: its disk does."""
        swarm = info.get("Swarm") or {}
        state = swarm.get("LocalNodeState") or "inactive"
        known = data if state != "inactive" else SwarmData()
        # What can't be looked at is there, unless the engine itself says how it is.
        unseen = data.unreadable if state not in ("active", "inactive") else ""
        return cls(
            state=state,
            hostname=info.get("Name") or "",
            node_id=swarm.get("NodeID") or known.node_id,
            address=swarm.get("NodeAddr") or "",
            is_manager=bool(swarm.get("ControlAvailable")),
            cluster_id=(swarm.get("Cluster") or {}).get("ID") or known.cluster_id,
            holds_data=data.is_managers or bool(unseen),
            error=swarm.get("Error") or (f"its data can't be looked at: {unseen}" if unseen else ""),
            managers={peer["NodeID"]: peer["Addr"] for peer in swarm.get("RemoteManagers") or ()},
        )


@dataclass(frozen=True)
class Entry:
    """One row of the managers' node list.

    ``state``: ready, down, unknown or disconnected. ``manager_address``: ``host:port`` of a member of the raft group,
    empty for a worker. ``role`` is the wanted one: it becomes effective a moment later.
    """

    id: str
    hostname: str
    role: str = "worker"
    availability: str = "active"
    state: str = "ready"
    address: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    manager_address: str = ""
    reachable: bool = False
    leader: bool = False
    created: str = ""

    @property
    def is_manager(self) -> bool:
        """Whether it counts as a manager: it is wanted as one, or still a member of the raft group."""
        return self.role == "manager" or bool(self.manager_address)

    @classmethod
    def parse(cls, node: Mapping[str, Any]) -> Entry:
        """From one element of ``GET /nodes``."""
        spec, status, manager = node.get("Spec") or {}, node.get("Status") or {}, node.get("ManagerStatus") or {}
        return cls(
            id=node["ID"],
            hostname=(node.get("Description") or {}).get("Hostname") or "",
            role=spec.get("Role") or "worker",
            availability=spec.get("Availability") or "active",
            state=status.get("State") or "unknown",
            address=status.get("Addr") or "",
            labels=dict(spec.get("Labels") or {}),
            manager_address=manager.get("Addr") or "",
            reachable=manager.get("Reachability") == "reachable",
            leader=bool(manager.get("Leader")),
            created=node.get("CreatedAt") or "",
        )

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Entry:
        """From what ``as_row`` gave (it may have travelled through a playbook)."""
        try:
            return cls(**{key: row[key] for key in cls.__dataclass_fields__ if key in row})
        except TypeError as error:
            raise PlatformError(
                f"swarm_nodes: {dict(row)!r} is no row of a node list: give `nodes` of swarm_join_token_info"
            ) from error

    def as_row(self) -> dict[str, Any]:
        """As a plain mapping."""
        return {**{key: getattr(self, key) for key in self.__dataclass_fields__}, "labels": dict(self.labels)}


@dataclass(frozen=True)
class Swarm:
    """The swarm that the nodes are to be members of.

    ``exists``: false when it is still to be made. ``manageable``: one of its managers can be spoken to from here, so
    roles, labels, availability and the node list can be changed. ``cluster_id``: empty where it isn't known.
    ``roles_elsewhere``: another docker host changes the roles, one after the other. Two managers that are demoted at
    once, each from its own host, leave the raft group without a quorum, and swarm refuses the second.
    """

    entries: Sequence[Entry] = ()
    exists: bool = False
    manageable: bool = False
    cluster_id: str = ""
    roles_elsewhere: bool = False

    def by_id(self, node_id: str) -> Entry | None:
        """The row with this node ID."""
        return next((entry for entry in self.entries if entry.id == node_id), None) if node_id else None

    def by_hostname(self, hostname: str) -> list[Entry]:
        """All rows of this name: the live one first, then the newest."""
        rows = [entry for entry in self.entries if entry.hostname == hostname]
        rows.sort(key=lambda entry: entry.created, reverse=True)
        return sorted(rows, key=lambda entry: entry.state != "ready")

    def row_of(self, node: WantedNode, engine: EngineMembership | None) -> Entry | None:
        """A node's own row: that of its engine; where its engine can't be asked, the first of its name."""
        return self.by_id(engine.node_id) if engine else next(iter(self.by_hostname(node.swarm_name)), None)


@dataclass(frozen=True)
class WantedNode:
    """One node as the inventory wants it.

    ``hostname``: what the swarm calls it, when that isn't ``name``. ``labels`` and ``availability`` None: left as they
    are.
    """

    name: str
    state: str = "worker"
    hostname: str = ""
    socket: str | None = None
    address: str | None = None
    data_path_address: str | None = None
    labels: Mapping[str, str] | None = None
    availability: str | None = None
    bootstrap: bool = False

    @property
    def swarm_name(self) -> str:
        """The name in the managers' list."""
        return self.hostname or self.name

    def has_moved(self, engine: EngineMembership) -> bool:
        """Whether its engine still advertises another address than the one that it is to have."""
        return bool(self.address and engine.address and self.address != engine.address)

    @classmethod
    def parse(cls, params: Mapping[str, Any]) -> WantedNode:
        """From one element of the module's ``nodes``.

        Raises PlatformError on a label of env_volume's.
        """
        labels = params.get("labels")
        if labels is not None:
            labels = {str(key): "" if value is None else str(value) for key, value in labels.items()}
            for key in labels:
                if key.startswith(PLATFORM_LABELS):
                    raise PlatformError(
                        f"{params['name']}: label {key} can't be set here: labels that start with "
                        f"{' or '.join(PLATFORM_LABELS)} say what a node holds"
                    )
        return cls(
            name=params["name"],
            state=params["state"],
            hostname=params.get("hostname") or "",
            socket=params.get("socket"),
            address=params.get("address"),
            data_path_address=params.get("data_path_address"),
            labels=labels,
            availability=params.get("availability"),
            bootstrap=bool(params.get("bootstrap")),
        )


@dataclass(frozen=True)
class Circumstances:
    """What a plan may count on besides the nodes; the options of the module of the same names.

    ``can_join_elsewhere``: the swarm's managers run on another machine, tokens are given. ``volumes_left``: volumes of
    apps that may stay behind on a node that goes or is drained.
    """

    can_unlock: bool = False
    can_join_elsewhere: bool = False
    recover_quorum: bool = False
    prune: bool = False
    dissolve: bool = False
    drain: bool = True
    volumes_left: tuple[str, ...] = ()


USUAL = Circumstances()


@dataclass(frozen=True)
class SwarmSettings:
    """Settings of the swarm itself.

    The first three are fixed when it is made; the others can change, None: left alone.
    """

    default_addr_pool: Sequence[str] = ("10.100.0.0/16",)
    subnet_size: int = 24
    data_path_port: int = 4789
    task_history_limit: int | None = None
    cert_expiry_days: int | None = None
    autolock: bool | None = None

    @classmethod
    def parse(cls, params: Mapping[str, Any] | None) -> SwarmSettings:
        """From the module's ``settings``."""
        given = {key: value for key, value in (params or {}).items() if value is not None}
        return cls(**given)

    def spec(self, current: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """The Engine API's swarm ``Spec`` with these settings laid over ``current``."""
        current = current or {}
        wanted: dict[str, dict[str, Any]] = {}
        if self.task_history_limit is not None:
            wanted["Orchestration"] = {"TaskHistoryRetentionLimit": self.task_history_limit}
        if self.cert_expiry_days is not None:
            wanted["CAConfig"] = {"NodeCertExpiry": self.cert_expiry_days * 86400 * NANOSECONDS}
        if self.autolock is not None:
            wanted["EncryptionConfig"] = {"AutoLockManagers": self.autolock}
        return {**current, **{key: {**(current.get(key) or {}), **value} for key, value in wanted.items()}}

    def differences(self, swarm: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
        """{setting: (as it is, as wanted)} against ``GET /swarm``, for the settings that can change."""
        spec = swarm.get("Spec") or {}
        expiry = (spec.get("CAConfig") or {}).get("NodeCertExpiry")
        is_now = {
            "task_history_limit": (spec.get("Orchestration") or {}).get("TaskHistoryRetentionLimit"),
            "cert_expiry_days": expiry and expiry / 86400 / NANOSECONDS,
            "autolock": bool((spec.get("EncryptionConfig") or {}).get("AutoLockManagers")),
        }
        return {
            key: (value, getattr(self, key))
            for key, value in is_now.items()
            if getattr(self, key) is not None and getattr(self, key) != value
        }

    def fixed_differences(self, swarm: Mapping[str, Any]) -> list[str]:
        """Phrases on those that can't change any more and differ."""
        is_now = {
            "default_addr_pool": list(swarm.get("DefaultAddrPool") or ()),
            "subnet_size": swarm.get("SubnetSize"),
            "data_path_port": swarm.get("DataPathPort"),
        }
        return [
            f"{key} is {value}, wanted {wanted}"
            for key, value in is_now.items()
            if value
            and value != (wanted := list(self.default_addr_pool) if key == "default_addr_pool" else getattr(self, key))
        ]

    def can_differ(self) -> bool:
        """Whether a setting that can change is given at all."""
        return any(value is not None for value in (self.task_history_limit, self.cert_expiry_days, self.autolock))
