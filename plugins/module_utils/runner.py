# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The only layer that knows AnsibleModule.

Every module of this collection is one ``Operation``: it looks (``plan``) and it acts (``apply``). What ``changed``, the
diff and check mode mean is written here, once: changed = the plan has actions, diff = the plan's before and
after, check = the plan is not applied.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.fungap.swarm.plugins.module_utils.errors import PlatformError


@dataclass(frozen=True)
class Plan:
    """What is to be done, in order.

    ``actions``: any objects whose ``str()`` is a phrase for the operator ("join worker1 as worker").
    ``before``, ``after``: text, or a mapping that is shown as YAML; no secret. ``result``: keys of the module's
    result that are known without acting. ``upkeep``: what is done besides, and is no change: a time gets newer.
    """

    actions: Sequence[Any] = ()
    before: str | Mapping[str, Any] = ""
    after: str | Mapping[str, Any] = ""
    result: Mapping[str, Any] = field(default_factory=dict)
    warnings: Sequence[str] = ()
    upkeep: Sequence[Any] = ()


class Operation(Protocol):
    """One module call."""

    def plan(self) -> Plan:
        """Look at the engine, write nothing, say what is to be done."""

    def apply(self, plan: Plan) -> Mapping[str, Any]:
        """Carry out ``plan.actions`` and ``plan.upkeep``; return the result's keys (they override ``plan.result``).

        ``warnings`` among them: what there is to warn of besides the plan's.
        """


def run(factory: Callable[[dict[str, Any]], Operation], argument_spec: Mapping[str, Any], **spec: Any) -> None:
    """Be an Ansible module: ``factory`` makes the operation from the module's parameters.

    ``spec`` goes to AnsibleModule (``required_if``, ``mutually_exclusive``, ...).
    """
    module = AnsibleModule(argument_spec=dict(argument_spec), supports_check_mode=True, **spec)
    try:
        operation = factory(module.params)
        plan = operation.plan()
        result = dict(plan.result)
        if (plan.actions or plan.upkeep) and not module.check_mode:
            result.update(operation.apply(plan))
    except PlatformError as error:
        module.fail_json(msg=error.message, **error.details)
    for warning in dict.fromkeys([*plan.warnings, *result.pop("warnings", ())]):
        module.warn(warning)
    module.exit_json(
        changed=bool(plan.actions),
        actions=[str(action) for action in plan.actions],
        diff={"before": plan.before, "after": plan.after} if plan.actions else {},
        **result,
    )
