# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Collect what the inventory says and what is known, let the pure core judge, tell the result."""

from __future__ import annotations

import getpass
import os
import re
import socket
import stat
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import yaml
from ansible.errors import AnsibleError, AnsibleUndefinedVariable
from ansible.parsing.vault import AnsibleVaultError
from ansible.plugins.action import ActionBase
from ansible.utils.vars import load_extra_vars

from ansible_collections.fungap.swarm.plugins.plugin_utils.early_look import LOOK
from ansible_collections.fungap.swarm.plugins.plugin_utils.inventory import (
    DOCKER_HOSTS,
    RawInventory,
    Undefined,
    asked_for,
    in_operators_words,
    parse,
    refused,
    secrets,
    with_settings,
)
from ansible_collections.fungap.swarm.plugins.plugin_utils.plain import plain, texts_from_vault
from ansible_collections.fungap.swarm.plugins.plugin_utils.preflight.apps import check_settings_together
from ansible_collections.fungap.swarm.plugins.plugin_utils.preflight.checks import check, check_for_reset, of_kind
from ansible_collections.fungap.swarm.plugins.plugin_utils.preflight.inputs import (
    FileContent,
    HostFacts,
    Image,
    PreflightInput,
    Thresholds,
    named_files,
    parse_images,
    utc_now,
    wanted_files,
)
from ansible_collections.fungap.swarm.plugins.plugin_utils.preflight.resolve import resolve
from ansible_collections.fungap.swarm.plugins.plugin_utils.preflight.verdict import brought_in, judge, warnings
from ansible_collections.fungap.swarm.plugins.plugin_utils.preflight.views import with_views
from ansible_collections.fungap.swarm.plugins.plugin_utils.problem import Problem, summary
from ansible_collections.fungap.swarm.plugins.plugin_utils.said import what_is_said
from ansible_collections.fungap.swarm.plugins.plugin_utils.specs import Specs, is_number, read_specs
from ansible_collections.fungap.swarm.plugins.plugin_utils.verbs import VERBS

UNDEFINED_NAME = re.compile(r"'[A-Za-z_]\w*'(?= is undefined)")
ONLY_NAMES = re.compile(r"\s*\{\{[\w\s.|]*\}\}\s*")
ROLES = os.path.normpath(os.path.join(os.path.dirname(__file__), "..", "..", "roles"))


class ActionModule(ActionBase):
    """The action ``fungap.swarm.preflight``."""

    _requires_connection = False
    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        variables = task_vars or {}
        _validation, params = self.validate_argument_spec(
            {
                # Numbers; what is none is named with the others.
                "disk_free_gigabytes_min": {"type": "raw"},
                "memory_gigabytes_min": {"type": "raw"},
                "changes": {"type": "raw"},
                "verb": {"type": "str", "choices": ["reset", *VERBS], "default": "site"},
            }
        )
        changes, verb = params.pop("changes"), params.pop("verb")
        specs = read_specs(ROLES)
        raw = self._raw_inventory(specs, variables)
        hidden = secrets(raw, specs)
        if verb == "reset":
            return {**result, **_told(problem.without(hidden) for problem in check_for_reset(raw, specs))}
        numbers = {name: float(value) for name, value in params.items() if is_number(value)}
        looks, thresholds = self._looks(variables, raw), Thresholds(**numbers)
        inputs, found = self._look(raw, specs, looks, thresholds, records=verb == "site")
        problems = refused(changes, inputs.inventory.apps) if changes else []
        app = asked_for(changes)[0] if changes and not problems else ""
        blocking, others = judge(inputs, found, verb, app)
        if app and not blocking:
            asked = with_settings(raw, *asked_for(changes), specs.app)
            # What is in force, and not this copy of the inventory, says what it comes to: app_releases judges that.
            _changed, after = self._look(asked, specs, looks, thresholds, without=[check_settings_together])
            # Whatever it is about: it is what was asked for that brings it in.
            blocking = [in_operators_words(one, *asked_for(changes)) for one in brought_in(found, after)]
        problems = [*blocking, *problems]
        result["warnings"] = warnings(inputs)
        result["warnings"] += [f"not in the way of this: {problem.without(hidden).line}" for problem in others]
        if not problems:
            # It has the apps' environment, and the hashes of their logins: nothing for a log (-v).
            result["_ansible_verbose_override"] = True
            result["ansible_facts"] = {
                "platform": with_views(resolve(inputs, starts_all=verb == "site"), inputs.inventory.docker_hosts)
            }
        return {**result, **_told(problem.without(hidden) for problem in problems)}

    def _look(
        self,
        raw: RawInventory,
        specs: Specs,
        looks: Mapping[str, HostFacts],
        thresholds: Thresholds,
        without: Collection[Callable[[PreflightInput], Iterator[Problem]]] = (),
        *,
        records: bool = False,
    ) -> tuple[PreflightInput, list[Problem]]:
        inventory, problems = parse(raw, specs)
        inputs = PreflightInput(
            raw=raw,
            inventory=inventory,
            looks=looks,
            images=self._catalog(raw),
            files={path: self._read(path) for path in wanted_files(raw, inventory)},
            now=utc_now(),
            thresholds=thresholds,
        )
        if records:
            inputs = replace(
                inputs,
                said=what_is_said(raw, specs, named_files(inputs)),
                given=frozenset(map(str, load_extra_vars(self._loader))),
                who=f"{getpass.getuser()}@{socket.gethostname()}",
            )
        return inputs, list(dict.fromkeys([*map(of_kind, problems), *check(inputs, without)]))

    def _raw_inventory(self, specs: Specs, variables: Mapping[str, Any]) -> RawInventory:
        """Of every host, the variables that are ours or look like it, resolved."""
        groups = plain(variables["groups"])
        hosts: dict[str, dict[str, Any]] = {}
        for host in groups["all"]:
            written = {**variables["hostvars"].raw_get(host), "hostvars": variables["hostvars"]}
            facts = written.get("ansible_facts", {})
            names = [str(name) for name in written if name not in facts and name != LOOK]
            wanted = {name for name in names if name in specs.known} | {name for name, _near in specs.unknown(names)}
            wanted |= {"ansible_host", "ansible_connection"} & set(names)
            templar = self._templar.copy_with_new_env(available_variables=written)
            hosts[host] = {name: _resolved(templar, written[name]) for name in names if name in wanted}
        raw = RawInventory(hosts, groups, inventory_dir=str(variables.get("inventory_dir") or os.getcwd()))
        from_vault: set[str] = set()
        for host, readable in raw.hosts.items():
            written = variables["hostvars"].raw_get(host)
            for name, value in readable.items():
                from_vault.update(texts_from_vault(written[name], value, written))
        return replace(raw, from_vault=frozenset(from_vault))

    def _looks(self, variables: Mapping[str, Any], raw: RawInventory) -> dict[str, HostFacts]:
        """What the docker hosts' facts say, or what was said in their place."""
        looks = {}
        for host in variables["groups"].get(DOCKER_HOSTS, ()):
            values = variables["hostvars"].raw_get(host)
            answer = values.get(LOOK) or {}
            limited = host not in variables.get("ansible_play_hosts_all", ())
            # What the role has just seen, or failed to see, before facts that may come from a cache.
            facts = (answer or values).get("ansible_facts", {}).get("docker_host")
            if facts:
                looks[str(host)] = HostFacts(
                    facts=plain(facts),
                    limited=limited,
                    stacks=plain(answer.get("stacks") or {}),
                    trees=answer.get("trees") or {},
                    record=str(plain(answer.get("record") or "")),
                )
            elif answer.get("skipped") or limited:
                looks[str(host)] = HostFacts(skipped=True, limited=limited)
            elif not answer.get("unreachable") and any(isinstance(one, Undefined) for one in raw.hosts[host].values()):
                # Ansible's words have pieces of the template.
                looks[str(host)] = HostFacts(error="a variable that can't be resolved may be what it is looked at by")
            elif answer.get("old_python"):
                looks[str(host)] = HostFacts(error=str(answer["msg"]), old_python=str(answer["old_python"]))
            else:
                looks[str(host)] = HostFacts(error=" ".join(str(answer.get("msg") or "it was not looked at").split()))
        return looks

    def _read(self, path: str) -> FileContent:
        """A file on the controller; one that ansible-vault has encrypted, decrypted."""
        try:
            # A pipe would be waited for, a device read without end.
            if not stat.S_ISREG(os.stat(path).st_mode):
                return FileContent(error="it is not a regular file")
            with open(path, "rb") as file:
                content = file.read()
            if content.startswith(b"$ANSIBLE_VAULT;"):
                real = self._loader.get_real_file(path)
                try:
                    with open(real, "rb") as file:
                        content = file.read()
                finally:
                    self._loader.cleanup_tmp_file(real)
        except OSError as error:
            return FileContent(error=error.strerror or str(error))
        except ValueError:
            return FileContent(error="its path is none")
        except AnsibleError as error:
            return FileContent(error=" ".join(str(error.message).split()))
        return FileContent(content=content)

    def _catalog(self, raw: RawInventory) -> dict[str, Image]:
        """The images that the role and the inventory know."""
        own = None
        path = os.path.join(ROLES, "images", "defaults", "main.yml")
        if os.path.exists(path):
            with open(path, encoding="utf-8") as file:
                own = yaml.safe_load(file).get("images_catalog")
        variables = next((raw.hosts[host] for host in raw.group(DOCKER_HOSTS) if host in raw.hosts), {})
        return parse_images(variables.get("images_catalog", own), variables.get("images_extra"))


def _told(problems: Iterable[Problem]) -> dict[str, Any]:
    """The result that names the problems, each once."""
    problems = list(dict.fromkeys(problems))
    if not problems:
        return {"changed": False}
    return {"failed": True, "msg": summary(problems), "problems": [str(problem) for problem in problems]}


def _resolved(templar: Any, written: Any) -> Any:
    try:
        return plain(templar.template(written))
    except Exception as error:  # whatever a filter or a lookup raises
        # What else is in it may be a secret, and Ansible's words have pieces of it.
        template = written if isinstance(written, str) and ONLY_NAMES.fullmatch(written) else ""
        return Undefined(template=" ".join(plain(template).split()), reason=_reason(error))


def _reason(error: BaseException) -> str:
    """Why a template can't be resolved, in words of ours."""
    if isinstance(error, AnsibleUndefinedVariable):
        name = UNDEFINED_NAME.search(str(error.message))
        return f"{name[0] if name else 'something in it'} is undefined"
    return "it can't be decrypted" if isinstance(error, AnsibleVaultError) else "its template fails"
