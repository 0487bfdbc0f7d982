# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The operation behind ``swarm_member``."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from ansible_collections.fungap.swarm.plugins.module_utils.core import runner
from ansible_collections.fungap.swarm.plugins.module_utils.core.errors import PlatformError
from ansible_collections.fungap.swarm.plugins.module_utils.core.parallel import each
from ansible_collections.fungap.swarm.plugins.module_utils.core.waiting import wait_until
from ansible_collections.fungap.swarm.plugins.module_utils.docker.engine import Engine
from ansible_collections.fungap.swarm.plugins.module_utils.member.actions import Action
from ansible_collections.fungap.swarm.plugins.module_utils.member.difference import describe
from ansible_collections.fungap.swarm.plugins.module_utils.member.model import (
    SWARM_PORT,
    Circumstances,
    EngineMembership,
    Entry,
    Swarm,
    SwarmSettings,
    WantedNode,
    platform_labels,
)
from ansible_collections.fungap.swarm.plugins.module_utils.member.plan import (
    MembersPlan,
    NodePlan,
    choose_swarm,
    plan_members,
)
from ansible_collections.fungap.swarm.plugins.module_utils.member.settling import unsettled
from ansible_collections.fungap.swarm.plugins.module_utils.memory.model import Memory
from ansible_collections.fungap.swarm.plugins.module_utils.memory.operation import forget, loss, recall

# For how long a node that was just restarted may take to be back before it is taken for lost.
SETTLE_SECONDS = 30
# A plan whose end shows only on the way (unlock first, then see) is made anew this often at most.
ROUNDS = 4


@dataclass
class Seen:
    """What the engines and the managers say at one moment.

    ``controllers``: {node name or socket: engine} of the swarm's managers that can be spoken to from here.
    """

    wanted: list[WantedNode] = field(default_factory=list)
    memberships: dict[str, EngineMembership] = field(default_factory=dict)
    swarm: Swarm = field(default_factory=Swarm)
    controllers: dict[str, Engine] = field(default_factory=dict)
    silent_managers: list[str] = field(default_factory=list)
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Target:
    """An engine to ask. ``name``: the node's, or the socket of a manager that is none of the nodes."""

    name: str
    socket: str
    may_be_silent: bool


class Members:
    """One call: look at all nodes, plan, act, look again until nothing is left to do."""

    def __init__(self, params: dict[str, Any]) -> None:
        self.params = params
        self.wanted = [WantedNode.parse(node) for node in params["nodes"]]
        names = [node.name for node in self.wanted]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise PlatformError(f"nodes: {', '.join(twice)} is listed more than once")
        self.settings = SwarmSettings.parse(params["settings"])
        self.tokens: dict[str, str] = {key: value for key, value in (params["join_tokens"] or {}).items() if value}
        self.remote_addrs: list[str] = params["remote_addrs"]
        self.given_rows = [Entry.from_row(row) for row in params["swarm_nodes"] or ()]
        self.deadline: int = params["deadline_seconds"]
        self.circumstances = Circumstances(
            can_unlock=bool(params["unlock_key"]),
            can_join_elsewhere=bool(self.tokens),
            recover_quorum=params["recover_quorum"],
            prune=params["prune"],
            dissolve=params["dissolve"],
            drain=params["drain"],
            volumes_left=tuple(params["volumes_left"]),
        )
        self.engines: dict[str, Engine] = {}
        self.missing_sockets: list[str] = []
        self.stacks_dir: str | None = params["stacks_dir"]
        self.forgets = False
        self.seen = Seen()
        self.members = MembersPlan()

    # --- look ---

    def plan(self) -> runner.Plan:
        self._look()
        settings = self._settings_differences()
        before, after = describe(self.seen.wanted, self.seen.memberships, self.seen.swarm, self.members)
        changed_settings = {key: new for key, (_old, new) in settings.items()}
        if settings:
            before["swarm settings"] = {key: old for key, (old, _new) in settings.items()}
            after["swarm settings"] = dict(changed_settings)
        actions: list[Any] = [f"forget what swarm {self.params['begin_anew']} held"] if self.forgets else []
        actions += self.members.actions
        if settings:
            actions.append(
                "set " + ", ".join(f"{key} {value}" for key, value in changed_settings.items()) + " of the swarm"
            )
        return runner.Plan(actions, before, after, self._result(), self._warnings())

    def _look(self) -> None:
        """See what is, and plan; nodes that are just coming back are given time to."""
        end = time.monotonic() + min(SETTLE_SECONDS, self.deadline)
        while True:
            self.seen = self._observe()
            waiting = unsettled(self.seen.wanted, self.seen.memberships, self.seen.swarm)
            if not waiting or time.monotonic() >= end:
                break
            time.sleep(0.5)
        self.members = plan_members(self.seen.wanted, self.seen.memberships, self.seen.swarm, self.circumstances)
        self._check_memory()
        starts = any(action.kind == "init" for action in self.members.actions)
        if starts and self.seen.silent_managers:
            raise PlatformError(
                f"no manager is in a live swarm, but {', '.join(self.seen.silent_managers)} doesn't answer: a new "
                "swarm is only made when every manager can be asked. Start that engine, or take it out of "
                "manager_sockets"
            )

    def _check_memory(self) -> None:
        """Refuse a swarm that holds less than it was known to: it would be filled with the inventory's first images."""
        here = recall(self.stacks_dir) if self.stacks_dir else []
        elsewhere = [Memory.of(fields) for fields in self.params["remembered"]]
        self.forgets = self.params["begin_anew"] in {memory.cluster_id for memory in here}
        starts = any(action.kind == "init" for action in self.members.actions)
        if not (starts or self.seen.controllers):
            return
        manager = None if starts else next(iter(self.seen.controllers.values()))
        if lost := loss(manager, here, elsewhere, self.params["begin_anew"]):
            raise PlatformError(lost)

    def _observe(self) -> Seen:
        own_sockets = {node.socket for node in self.wanted}
        further = [socket for socket in self.params["manager_sockets"] if socket not in own_sockets]
        answers = self._ask_all(further)
        memberships = {name: answer for name, answer in answers.items() if name not in further}
        wanted = [_as_its_engine_calls_it(node, memberships.get(node.name)) for node in self.wanted]
        swarms = self._live_swarms(answers)
        chosen = choose_swarm(wanted, memberships, swarms)
        rows = swarms[chosen] if chosen is not None else None
        managers = {row.id for row in rows or () if row.is_manager}
        self.cluster_id = answers[chosen].cluster_id if chosen is not None else ""
        seen = Seen(
            wanted,
            memberships,
            self._swarm_of(rows),
            controllers={name: self.engines[name] for name in swarms if answers[name].node_id in managers},
            silent_managers=[socket for socket in further if socket not in answers],
        )
        if chosen is not None and self.settings.can_differ():
            seen.settings = self.engines[chosen].swarm.inspect()
        self.addresses = {name: answers[name].address for name in seen.controllers}
        return seen

    def _ask_all(self, further: Sequence[str]) -> dict[str, EngineMembership]:
        """What the nodes' engines say, and those of further managers by their sockets, as far as they answer."""
        targets = [Target(node.name, node.socket, node.state == "absent") for node in self.wanted if node.socket]
        targets += [Target(socket, socket, may_be_silent=True) for socket in further]
        answers = zip(targets, each(self._ask, targets, workers=16), strict=True)
        return {target.name: answer for target, answer in answers if answer}

    def _ask(self, target: Target) -> EngineMembership | None:
        """What an engine says of itself; None: it doesn't answer, and need not."""
        if not (target.may_be_silent or os.path.exists(target.socket)):
            # In check mode its node is still to come; without, apply() refuses.
            self.missing_sockets.append(target.socket)
            return EngineMembership()
        try:
            if target.name not in self.engines:
                self.engines[target.name] = Engine(target.socket)
            return self.engines[target.name].membership(with_log=self.circumstances.recover_quorum)
        except PlatformError:
            if target.may_be_silent:
                return None
            raise

    def _live_swarms(self, answers: Mapping[str, EngineMembership]) -> dict[str, list[Entry]]:
        """What each manager lists. Where rows of the swarm to join were given, only managers in them count."""
        swarms = {}
        for name, answer in answers.items():
            if answer.is_manager and answer.state == "active":
                with suppress(PlatformError):  # it has no leader: no manager to count on
                    swarms[name] = [Entry.parse(node) for node in self.engines[name].swarm.nodes()]
        if not self.given_rows:
            return swarms
        given = {row.id for row in self.given_rows}
        return {name: rows for name, rows in swarms.items() if answers[name].node_id in given}

    def _swarm_of(self, rows: Sequence[Entry] | None) -> Swarm:
        """The swarm to be in: the one that a manager here lists these rows of, or one elsewhere, or none yet."""
        if rows is not None:
            return Swarm(
                rows,
                exists=True,
                manageable=True,
                cluster_id=self.cluster_id,
                roles_elsewhere=bool(self.given_rows),
            )
        if self.given_rows or self.tokens or self.params["cluster_id"]:
            return Swarm(self.given_rows, exists=True, manageable=False, cluster_id=self.params["cluster_id"])
        return Swarm()

    def _settings_differences(self) -> dict[str, tuple[Any, Any]]:
        return self.settings.differences(self.seen.settings) if self.seen.settings else {}

    def _warnings(self) -> list[str]:
        fixed = self.settings.fixed_differences(self.seen.settings) if self.seen.settings else []
        return [*self.members.warnings, *(f"can't be changed any more in a living swarm: {phrase}" for phrase in fixed)]

    def _result(self) -> dict[str, Any]:
        return {"cluster_id": self.cluster_id, "nodes": [entry.as_row() for entry in self.seen.swarm.entries]}

    # --- act ---

    def apply(self, plan: runner.Plan) -> Mapping[str, Any]:  # noqa: ARG002  self.members is the same, in full
        if self.missing_sockets:
            raise PlatformError(
                f"no engine listens on {', '.join(sorted(set(self.missing_sockets)))}: role swarm_node brings up the "
                "nodes' engines"
            )
        if self.forgets and self.stacks_dir:
            forget(self.stacks_dir)
        for _round in range(ROUNDS):
            if self.members.nodes:
                self._carry_out(self.members)
                self._look()
            if not self.members.nodes:
                break
        else:
            left = ", ".join(map(str, self.members.actions))
            raise PlatformError(f"the nodes did not come into the wanted state; still to be done: {left}")
        if self._settings_differences():
            self._controller().swarm.update(self.settings.spec)
        return self._result()

    def _carry_out(self, members: MembersPlan) -> None:
        for stage in (0, 1, 2):
            plans = [plan for plan in members.nodes if plan.stage == stage]
            failures: list[PlatformError] = []
            each(partial(self._carry_out_node, failures=failures), plans, workers=8 if stage == 1 else 1)
            if failures:
                details: dict[str, Any] = {}
                for failure in failures:
                    details.update(failure.details)
                raise PlatformError("; ".join(failure.message for failure in failures), **details)

    def _carry_out_node(self, plan: NodePlan, failures: list[PlatformError]) -> None:
        """Do one node's actions in order; a failure is kept, so that other nodes are not stopped half-way."""
        node = next((node for node in self.seen.wanted if node.name == plan.name), WantedNode(plan.name, "absent"))
        for action in plan.actions:
            if failures and plan.stage != 1:
                return
            try:
                steps: dict[str, Callable[[Action, WantedNode], None]] = {
                    "unlock": self._unlock,
                    "init": self._init,
                    "force_new_cluster": self._force_new_cluster,
                    "leave": self._leave,
                    "join": self._join,
                    "promote": self._promote,
                    "demote": self._demote,
                    "drain": self._drain,
                    "remove": self._remove,
                    "update": self._update,
                }
                steps[action.kind](action, node)
            except PlatformError as error:
                failures.append(PlatformError(f"{action}: {error.message}", **error.details))
                return

    def _controller(self, *, rather_not: str = "") -> Engine:
        """A manager's engine, another one than the given node's if there is one."""
        names = sorted(self.seen.controllers, key=lambda name: name == rather_not)
        if not names:
            raise PlatformError("no manager of the swarm can be reached from here")
        return self.seen.controllers[names[0]]

    def _membership(self, name: str) -> EngineMembership:
        return self.engines[name].membership()

    def _row(self, controller: Engine, node_id: str) -> Entry | None:
        """The managers' row of a node; None also while the managers have no leader."""
        try:
            node = controller.swarm.node(node_id)
        except PlatformError:
            return None
        return Entry.parse(node) if node else None

    def _wait(self, ready: Callable[[], bool], failure: Callable[[], str]) -> None:
        wait_until(ready, deadline_seconds=self.deadline, failure=failure, interval_seconds=0.05)

    def _unlock(self, action: Action, node: WantedNode) -> None:  # noqa: ARG002  one signature for all steps
        self.engines[action.node].swarm.unlock(self.params["unlock_key"])
        self._wait(
            lambda: self._membership(action.node).state != "locked",
            lambda: f"it is still locked after {self.deadline} s",
        )

    def _init(self, action: Action, node: WantedNode) -> None:
        body: dict[str, Any] = {
            "DefaultAddrPool": list(self.settings.default_addr_pool),
            "SubnetSize": self.settings.subnet_size,
            "DataPathPort": self.settings.data_path_port,
            "Spec": self.settings.spec(),
        }
        self.engines[action.node].swarm.init({**body, **self._addresses_of(node)})
        self._becomes_controller(node)

    def _force_new_cluster(self, action: Action, node: WantedNode) -> None:
        self.engines[action.node].swarm.init({"ForceNewCluster": True, "Spec": {}, **self._addresses_of(node)})
        self._becomes_controller(node)

    def _addresses_of(self, node: WantedNode) -> dict[str, str]:
        addresses = {"AdvertiseAddr": node.address, "DataPathAddr": node.data_path_address}
        return {key: value for key, value in addresses.items() if value}

    def _becomes_controller(self, node: WantedNode) -> None:
        engine = self.engines[node.name]

        def leads() -> bool:
            try:
                return bool(engine.swarm.nodes())
            except PlatformError:
                return False

        self._wait(leads, lambda: f"it has no leader after {self.deadline} s: {self._membership(node.name).error}")
        self.seen.controllers[node.name] = engine
        self.addresses[node.name] = self._membership(node.name).address

    def _leave(self, action: Action, node: WantedNode) -> None:  # noqa: ARG002  one signature for all steps
        self.seen.controllers.pop(action.node, None)
        self.addresses.pop(action.node, None)
        engine = self.engines[action.node]
        engine.swarm.leave()
        self._wait(
            lambda: self._membership(action.node).state == "inactive",
            lambda: f"it is still in its swarm after {self.deadline} s",
        )

    def _join(self, action: Action, node: WantedNode) -> None:
        token = self.tokens.get(action.role)
        if not token:
            if not self.seen.controllers:
                raise PlatformError(
                    f"join_tokens has no token for a {action.role}, and no manager can be reached from here"
                )
            token = str(self._controller().swarm.inspect()["JoinTokens"][action.role.capitalize()])
        engine = self.engines[action.node]
        engine.swarm.join(
            {
                "RemoteAddrs": self.remote_addrs or self._manager_addresses(),
                "JoinToken": token,
                **({"Availability": node.availability} if node.availability else {}),
                **self._addresses_of(node),
            }
        )
        self._wait_until_member(action, node)

    def _manager_addresses(self) -> list[str]:
        own = [f"{address}:{SWARM_PORT}" for address in self.addresses.values() if address]
        return own or [
            entry.manager_address for entry in self.seen.swarm.entries if entry.manager_address and entry.reachable
        ]

    def _wait_until_member(self, action: Action, node: WantedNode) -> None:
        """Until the engine and (where one can be asked) the managers call the node a ready member of its role."""
        last = EngineMembership()

        def is_member() -> bool:
            nonlocal last
            last = self._membership(node.name)
            if last.state != "active" or (action.role == "manager" and not last.is_manager):
                return False
            if not self.seen.controllers:
                return True
            row = self._row(self._controller(rather_not=node.name), last.node_id)
            return row is not None and row.state == "ready" and (action.role != "manager" or row.reachable)

        self._wait(
            is_member, lambda: f"it isn't ready after {self.deadline} s, its engine says: {last.error or last.state}"
        )
        if not self.seen.controllers:
            # The managers are elsewhere and their list was given: what is new in it is known here alone.
            role, address = action.role, last.address
            self.given_rows.append(
                Entry(last.node_id, last.hostname, role=role, address=address, reachable=role == "manager")
            )
        if action.role == "manager":
            self._becomes_controller(node)

    def _set_role(self, node_id: str, role: str, node: WantedNode) -> Engine:
        controller = self._controller(rather_not=node.name)
        controller.swarm.update_node(node_id, lambda spec: {**spec, "Role": role})
        return controller

    def _promote(self, action: Action, node: WantedNode) -> None:
        controller = self._set_role(action.node_id, "manager", node)

        def effective() -> bool:
            row = self._row(controller, action.node_id)
            if row is None or not row.reachable:
                return False
            return node.name not in self.engines or self._membership(node.name).is_manager

        self._wait(effective, lambda: f"it isn't a reachable manager after {self.deadline} s")
        if node.name in self.engines:
            self._becomes_controller(node)

    def _demote(self, action: Action, node: WantedNode) -> None:
        controller = self._set_role(action.node_id, "worker", node)
        is_own = node.name in self.engines and self._membership(node.name).node_id == action.node_id
        asks_itself = is_own and controller is self.engines[node.name]

        def effective() -> bool:
            if is_own and self._membership(node.name).is_manager:
                return False
            if asks_itself:
                return True
            row = self._row(controller, action.node_id)
            return row is not None and not row.manager_address

        if is_own:
            self.seen.controllers.pop(node.name, None)
            self.addresses.pop(node.name, None)
        self._wait(effective, lambda: f"it is still a manager after {self.deadline} s")

    def _drain(self, action: Action, node: WantedNode) -> None:
        controller = self._controller(rather_not=node.name)
        controller.swarm.update_node(action.node_id, lambda spec: {**spec, "Availability": "drain"})
        self._wait(
            lambda: not controller.swarm.busy_tasks(action.node_id),
            lambda: f"{len(controller.swarm.busy_tasks(action.node_id))} tasks still run on it after {self.deadline} s",
        )

    def _remove(self, action: Action, node: WantedNode) -> None:
        controller = self._controller(rather_not=node.name)
        if not action.gone:

            def is_down() -> bool:
                row = self._row(controller, action.node_id)
                return row is None or row.state == "down"

            self._wait(
                is_down, lambda: f"another live node has this name: {action.node_id}. Names of nodes must differ"
            )
        # A manager that was demoted a moment ago can be removed only when the raft group has let it go.
        last = PlatformError("")

        def removed() -> bool:
            nonlocal last
            try:
                controller.swarm.remove_node(action.node_id)
            except PlatformError as error:
                last = error
                return False
            return True

        self._wait(removed, lambda: last.message)

    def _update(self, action: Action, node: WantedNode) -> None:
        controller = self._controller(rather_not=node.name)
        node_id = action.node_id or self._joined_id(controller, node)

        def change(spec: dict[str, Any]) -> dict[str, Any]:
            changed = dict(spec)
            current = dict(spec.get("Labels") or {})
            if action.labels is not None:
                current = {**platform_labels(current), **action.labels}
            changed["Labels"] = {**current, **action.carried_labels}
            if action.availability:
                changed["Availability"] = action.availability
            return changed

        controller.swarm.update_node(node_id, change)

    def _joined_id(self, controller: Engine, node: WantedNode) -> str:
        if node.name in self.engines:
            return self._membership(node.name).node_id
        found: list[Entry] = []

        def listed() -> bool:
            rows = Swarm([Entry.parse(row) for row in controller.swarm.nodes()]).by_hostname(node.swarm_name)
            found[:] = [row for row in rows if row.state == "ready"]
            return bool(found)

        self._wait(
            listed,
            lambda: f"{node.swarm_name} has not joined the swarm: run this for the machine that its engine is on first",
        )
        return found[0].id


def _as_its_engine_calls_it(node: WantedNode, engine: EngineMembership | None) -> WantedNode:
    return replace(node, hostname=engine.hostname or node.hostname) if engine else node
