# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What every app is to run with, by the inventory, the revisions in force, and what the operator asks for."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.module_utils.common.validation import check_type_list
from ansible.plugins.action import ActionBase

from ansible_collections.fungap.swarm.plugins.module_utils.core.digest import secret_digest
from ansible_collections.fungap.swarm.plugins.module_utils.core.errors import PlatformError
from ansible_collections.fungap.swarm.plugins.plugin_utils import release as releases
from ansible_collections.fungap.swarm.plugins.plugin_utils.app import catalog_images, resolve_app
from ansible_collections.fungap.swarm.plugins.plugin_utils.app_compose import refuse_wrong_services
from ansible_collections.fungap.swarm.plugins.plugin_utils.app_volumes import asked_of_their_node
from ansible_collections.fungap.swarm.plugins.plugin_utils.inventory import in_operators_words
from ansible_collections.fungap.swarm.plugins.plugin_utils.plain import plain
from ansible_collections.fungap.swarm.plugins.plugin_utils.preflight.checks import check_entries
from ansible_collections.fungap.swarm.plugins.plugin_utils.preflight.verdict import brought_in
from ansible_collections.fungap.swarm.plugins.plugin_utils.specs import read_specs

PAUSE_SECONDS = 2
ROLES = os.path.normpath(os.path.join(os.path.dirname(__file__), "..", "..", "roles"))


class ActionModule(ActionBase):
    """Reads through M(fungap.swarm.platform_info), once for all apps; see the module's documentation."""

    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        args = plain(self._task.args)
        asked = args.get("app") or ""
        self.apps = {
            name: resolve_app(name, entry, recorded=asked not in ("", name)) for name, entry in args["apps"].items()
        }
        if asked and asked not in self.apps:
            raise AnsibleActionFail(
                f"there is no app {asked}; the inventory has {', '.join(sorted(self.apps)) or 'none'}"
            )
        seen = self._look(args, asked, task_vars)
        if seen.get("failed"):
            return {**result, **seen}
        try:
            apps, settings = self._decide(args, asked, seen["stacks"])
        except PlatformError as error:
            raise AnsibleActionFail(error.message) from error
        # It has the apps' environment, and the hashes of their logins: nothing for a log (-v).
        result["_ansible_verbose_override"] = True
        result["apps"] = apps
        result["settings"] = settings
        result["stacks"] = {name: _in_force_alone(stack) for name, stack in seen["stacks"].items()}
        result["services"] = [service["name"] for service in seen["services"]]
        result["addresses"] = {node["name"]: node["address"] for node in seen["nodes"]}
        result["notes"] = [note for one in apps.values() for note in one["notes"]]
        if self._task.check_mode:  # else they stand in the summary
            for note in result["notes"]:
                self._display.display(f"  {note}")
        return result

    def _decide(
        self, args: dict[str, Any], asked: str, stacks: Mapping[str, Any]
    ) -> tuple[dict[str, dict[str, Any]], dict[str, Any]]:
        """(release of each app, settings of all that run then); raises for what must not be."""
        found = {name: self._release(name, args, stacks.get(name)) for name in self.apps}
        apps = {name: one for name, one in found.items() if one}
        if not asked:  # a deploy takes nothing of the inventory
            self._refuse_older_copies(args, apps, stacks)
        absent = [] if asked else check_type_list(args.get("absent") or [])
        others = releases.strangers(self.apps, stacks, absent)
        settings = {**others, **{name: one["release"]["app"] for name, one in apps.items()}}
        # A release leaves the pages as they are, whatever this copy of the inventory says of them.
        pages = releases.pages_in_force(stacks) if asked else {}
        releases.refuse_shared_hosts(settings, {**(args.get("other_hosts") or {}), **pages}, others)
        self._refuse_wrong_entries(args, settings, apps, stacks)
        return apps, settings

    def _refuse_older_copies(self, args: dict[str, Any], apps: Mapping[str, Any], stacks: Mapping[str, Any]) -> None:
        said = {name: one["release"]["inventory"] for name, one in apps.items()}
        confirmed = check_type_list(args.get("older_confirmed") or [])
        if problems := releases.older_copies(said, stacks, confirmed):
            raise PlatformError("\n".join(["No app was changed.", *map(str, problems)]))

    def _refuse_wrong_entries(
        self, args: dict[str, Any], entries: Mapping[str, Any], found: Mapping[str, Any], stacks: Mapping[str, Any]
    ) -> None:
        """By the checks of the inventory. What is in force was accepted once, and what the inventory says already."""
        specs, asked, back = read_specs(ROLES), args.get("app") or "", bool(args.get("rollback"))
        now = {
            name: releases.with_defaults(row["release"]["app"], self.apps.get(name, {}))
            for name, stack in stacks.items()
            if name in entries and (row := releases.row_in_force(stack)) and row["release"].get("app")
        }
        said = {name: one["release"]["inventory"]["app"] for name, one in found.items()}
        accepted = [now] if asked else [now, {**entries, **said}]
        if entries in accepted:
            return
        before = [problem for one in accepted for problem in check_entries(one, specs, ran_before=back)]
        after = check_entries(entries, specs, ran_before=back)
        words = (asked, {} if back else args.get("settings") or {})
        if problems := [in_operators_words(one, *words) for one in brought_in(before, after)]:
            raise PlatformError("\n".join(["No app was changed.", *map(str, problems)]))

    def _look(self, args: dict[str, Any], app: str, task_vars: dict[str, Any] | None) -> dict[str, Any]:
        """As the platform is once nobody else changes the app."""
        start, told = time.monotonic(), ""
        while True:
            seen: dict[str, Any] = self._execute_module(
                "fungap.swarm.platform_info",
                {key: args[key] for key in ("manager_sockets", "stacks_dir", "keep") if key in args},
                task_vars=task_vars,
            )
            other = (seen.get("stacks") or {}).get(app, {}).get("locked_by") or ""
            if not other or self._task.check_mode:
                return seen
            if time.monotonic() - start >= float(args.get("lock_seconds") or 900):
                raise AnsibleActionFail(f"{other} is still at work: wait for its end, or look at what holds it up")
            if other != told:
                self._display.display(f"  waiting for {other}")
                told = other
            time.sleep(PAUSE_SECONDS)

    def _release(self, name: str, args: dict[str, Any], stack: dict[str, Any] | None) -> dict[str, Any] | None:
        """None for another app than the one that is asked for, as long as it was never deployed."""
        app, asked = self.apps[name], args.get("app") or ""
        stack = stack or {"in_force": 0, "revisions": []}
        row = releases.row_in_force(stack)
        if not row and asked not in ("", name):
            return None
        recorded = row["release"] if row else None
        if asked and recorded is not None:
            release = releases.in_force(app, recorded)
        else:
            release = releases.resolve(self._of_inventory(app, args), recorded)
        env_file = self._env_file(name, args)
        if name == asked and args.get("rollback"):
            release = releases.rollback(name, stack, release["inventory"], args.get("to"))
            release["app"] = releases.with_defaults(release["app"], app)
        elif name == asked:
            release = self._changed(name, release, env_file, args)
        if asked in ("", name):  # another app runs on as it is
            ran = release if args.get("rollback") else recorded or {}
            refuse_wrong_services(resolve_app(name, release["app"], recorded=True), ran.get("app"))
        return {
            "release": release,
            "env_file": releases.env_source(release, env_file, self._digest(env_file)),
            "env_versions": sorted({v for row in stack["revisions"] if (v := _env_version(row["release"]))}),
            "volumes": self._volumes(name, release, stack),
            "new_target": releases.has_new_target(release, recorded),
            "base_revision": stack["in_force"],
            "changes": release != recorded,
            "notes": releases.inventory_differences(name, release, row),
        }

    @staticmethod
    def _volumes(name: str, release: Mapping[str, Any], stack: Mapping[str, Any]) -> dict[str, list[str]]:
        """For app_volume. ``begun``: those that a revision knows: if they are nowhere, they are lost."""
        app = resolve_app(name, release["app"], recorded=True)
        recorded = [row["release"].get("app") or {} for row in stack["revisions"]]
        return {
            "names": sorted(app["volumes"]),
            "begun": sorted({volume for one in recorded for volume in one.get("volumes") or {}}),
            "constraints": asked_of_their_node(app),
        }

    def _of_inventory(self, app: Mapping[str, Any], args: dict[str, Any]) -> dict[str, Any]:
        image, digest = self._image(app["image"], args), self._digest(_path_of(args, app["env_file"]))
        return releases.of_inventory(app, image, digest, self._images(app["services"], args))

    def _env_file(self, name: str, args: dict[str, Any]) -> str:
        """Where the env file lies that the app is to run with; empty: it has none, or what it has lies on the nodes."""
        asked, path = args.get("app") or "", _path_of(args, self.apps[name]["env_file"])
        if asked == "":
            return path
        if name != asked:
            return ""
        if args.get("env_file") and not args.get("rollback"):
            return _path_of(args, args["env_file"])
        return path if os.path.isfile(path) else ""  # what a rollback or a scaling goes back to lies on the nodes

    def _changed(self, name: str, release: dict[str, Any], env_file: str, args: dict[str, Any]) -> dict[str, Any]:
        """The release with the settings that are asked for."""
        settings = args.get("settings") or {}
        return releases.change(
            name,
            release,
            settings,
            read_specs(ROLES).app,
            image=self._image(settings.get("image"), args),
            images=self._images(settings.get("services"), args),
            digest=self._digest(env_file),
            env_file=args.get("env_file") or "",
        )

    def _image(self, name: str | None, args: dict[str, Any]) -> str:
        """An image of the catalog in the registry, by digest; by tag where check mode would push it first."""
        if not name:
            return ""
        if "ref" not in args["images"].get(name, {}):
            raise PlatformError(f"image {name} is not in the platform's registry: run site.yml, which takes it there")
        return str(args["images"][name]["ref"])

    def _images(self, services: Any, args: dict[str, Any]) -> dict[str, str]:
        """The same of further services, by their names; what is a reference to another registry stays one."""
        found = catalog_images({"services": services if isinstance(services, Mapping) else {}})
        return {place.split(".")[1]: self._image(image, args) for place, image in found.items()}

    def _digest(self, path: str) -> str:
        """Of an env file's content, which may be encrypted with Ansible Vault."""
        if not path:
            return ""
        with open(self._loader.get_real_file(path), "rb") as file:
            return secret_digest(file.read())


def _env_version(release: Mapping[str, Any]) -> str:
    return str((release.get("env") or {}).get("version") or "")


def _path_of(args: Mapping[str, Any], env_file: str) -> str:
    return os.path.join(args["env_dir"], env_file) if env_file else ""


def _in_force_alone(stack: Mapping[str, Any]) -> dict[str, Any]:
    """A stack with the one revision that is in force."""
    return {**stack, "revisions": [row for row in stack["revisions"] if row["number"] == stack["in_force"]]}
