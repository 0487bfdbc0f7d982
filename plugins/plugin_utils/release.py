# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which image, env and settings an app is to run with. Pure.

A release is what a revision records of an app::

    app:        the whole entry of `apps` in force, with every default; its `image` is what was asked for
    image:      that image in the platform's registry, by digest
    images:     the same of its further services whose image is one of the catalog, by their names
    env:        {digest: of the env file's content ("" for none), version: of the env volume ("" for none)}
    inventory:  app, image, images and env digest as the inventory had them at that time

Each setting has three values: the inventory's of now, the inventory's at the last revision, and the deployed one. If
the inventory's value changed since the last revision, it applies. Otherwise the deployed value stays. So a run of
site.yml never undoes a deploy, and a change of the inventory is never lost.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from itertools import product
from os.path import basename
from typing import Any

from ansible_collections.fungap.swarm.plugins.module_utils.core.errors import PlatformError
from ansible_collections.fungap.swarm.plugins.module_utils.stack.model import ACTIVE_VERDICTS, CONVERGED, Node
from ansible_collections.fungap.swarm.plugins.module_utils.stack.rollout import satisfies
from ansible_collections.fungap.swarm.plugins.plugin_utils.app import DEFAULTS, REQUIRED, is_global, route_paths
from ansible_collections.fungap.swarm.plugins.plugin_utils.kinds.images import why_no_image
from ansible_collections.fungap.swarm.plugins.plugin_utils.problem import Problem
from ansible_collections.fungap.swarm.plugins.plugin_utils.specs import (
    Options,
    check_options,
    complete,
    merged,
)

Json = Mapping[str, Any]
RELEASE_KEYS = ("app", "image", "images", "env")
CURE = "run site.yml with the newer copy of the inventory; to go back on purpose, say so"


def of_inventory(app: Json, image: str, digest: str, images: Mapping[str, str] | None = None) -> dict[str, Any]:
    """What the inventory says. ``app``: with every default. ``image``, ``images``: in the registry, by digest.

    Of the env file's path the name alone: another controller has it elsewhere, and the digest tells whether it changed.
    """
    settings = {key: value for key, value in app.items() if key != "name"}
    entry = {**settings, "env_file": basename(app.get("env_file") or "")}
    return {"app": entry, "image": image, **_if_any(images), "env": digest}


def _if_any(images: Mapping[str, str] | None) -> dict[str, dict[str, str]]:
    """``images`` where there are any: what an app without further services has recorded stays as it is."""
    return {"images": dict(images)} if images else {}


def older_copies(said: Mapping[str, Json], stacks: Mapping[str, Json], confirmed: Collection[str]) -> list[Problem]:
    """The apps of which a newer copy of the inventory was in force already, but for those that are confirmed.

    ``said``: by app, what this copy says, as of ``of_inventory``; its image is empty where it is not known yet.
    ``stacks``: of platform_info. What no revision has recorded is new.
    """
    found = {name: why for name, now in said.items() if (why := _why_older(now, stacks.get(name) or {}))}
    names = ",".join(sorted(found))
    return [
        Problem("all hosts", f"apps.{name}", "", why, f"{CURE}: -e apps_older_confirmed={names}")
        for name, why in sorted(found.items())
        if name not in confirmed
    ]


def _why_older(now: Json, stack: Json) -> str:
    """Which revision has what is said now, and which one something newer; empty where nothing newer is in force."""
    said: list[Json] = []
    latest: Json = {}
    for row in sorted(stack.get("revisions") or [], key=lambda row: int(row["number"])):
        word = row["release"].get("inventory")
        if not word:
            continue
        # A deploy, a rollback and a scaling hand on what was said before. What failed was said all the same.
        if not latest or _word(word) != _word(latest):
            said.append(row)
        if row["verdict"] in ACTIVE_VERDICTS:
            latest = word
    if not latest:
        return ""
    # An image that was built anew makes nothing of an older entry new.
    view = _word if now["image"] and _entry(now) == _entry(latest) else _entry
    newest, mine = (_last_said(said, view, word) for word in (latest, now))
    if newest is None or mine is None or mine["number"] >= newest["number"]:
        return ""
    before, after = view(now), view(latest)
    differing = [key for key in {**before, **after} if before.get(key) != after.get(key)]
    return (
        f"is an older copy: {_origin(mine)} recorded the same, and {_origin(newest)} a newer one, which differs in "
        f"{', '.join(differing)}"
    )


def _last_said(said: Sequence[Json], view: Callable[[Json], Json], word: Json) -> Json | None:
    return next((row for row in reversed(said) if view(row["release"]["inventory"]) == view(word)), None)


def _entry(word: Json) -> dict[str, Any]:
    """What is said, but for the image's content, by setting. A setting that a record does not know has its default."""
    settings: dict[str, Any] = {}
    for key in (*REQUIRED, *DEFAULTS):
        default, value = DEFAULTS.get(key), word["app"].get(key)
        if isinstance(default, dict):
            settings.update({f"{key}.{part}": item for part, item in {**default, **(value or {})}.items()})
        else:
            settings[key] = default if value is None else value
    return {**settings, "the env file's content": word["env"]}


def _word(word: Json) -> dict[str, Any]:
    images = {f"the content of the image of {name}": image for name, image in (word.get("images") or {}).items()}
    return {**_entry(word), "the image's content": word["image"], **images}


def _origin(row: Json) -> str:
    by = f" by {row['who']}" if row["who"] else ""
    return f"revision {row['number']} ({row['kind'] or 'deploy'}{by}, {row['when']})"


def resolve(inventory: Json, recorded: Json | None) -> dict[str, Any]:
    """The release that the inventory and the revision in force come to."""
    image, env = inventory["image"], {"digest": inventory["env"], "version": ""}
    if not recorded or inventory["app"].get("pinned"):
        said = _if_any(inventory.get("images"))
        return {"app": dict(inventory["app"]), "image": image, **said, "env": env, "inventory": dict(inventory)}
    then, app = recorded["inventory"], {}
    before, running = (with_defaults(one["app"], inventory["app"]) for one in (then, recorded))
    for key, value in inventory["app"].items():
        unchanged = key in running and before.get(key) == value
        app[key] = running[key] if unchanged else value
    is_unchanged = _maintenance(before) == _maintenance(inventory["app"])
    if is_unchanged and _maintenance(app) != _maintenance(running):
        app["route"] = _with_maintenance(app["route"], _maintenance(running))
    # Compare images by digest: a rebuilt image keeps its name.
    app["image"] = inventory["app"]["image"]
    if then["image"] == image:
        image, app["image"] = recorded["image"], recorded["app"]["image"]
    if then["env"] == inventory["env"]:
        env = dict(recorded["env"])
    images = _images(app.get("services") or {}, inventory, recorded)
    return {"app": app, "image": image, **_if_any(images), "env": env, "inventory": dict(inventory)}


def with_defaults(recorded: Json, app: Json) -> dict[str, Any]:
    """A recorded entry with the default of each setting that it does not know: an older version recorded it.

    ``app``: an entry of now, for what there is to know.
    """
    found = dict(recorded)
    for key, value in app.items():
        if key in DEFAULTS and key not in found:
            found[key] = DEFAULTS[key]
        elif isinstance(DEFAULTS.get(key), dict) and isinstance(value, Mapping):
            parts = {part: default for part, default in DEFAULTS[key].items() if part in value}
            found[key] = {**parts, **(found[key] or {})}
    return found


def _maintenance(app: Json) -> bool:
    """Whether visitors get a page in place of the app. An older version has recorded nothing of it."""
    return bool(((app.get("route") or {}).get("maintenance") or {}).get("enabled"))


def _with_maintenance(route: Json, enabled: bool) -> dict[str, Any]:
    """Whoever changes a route otherwise, or goes back to an earlier one, leaves this as it is."""
    maintenance = route.get("maintenance") or DEFAULTS["route"]["maintenance"]
    return {**route, "maintenance": {**maintenance, "enabled": enabled}}


def _images(services: Json, inventory: Json, recorded: Json) -> dict[str, str]:
    """Those of ``services``: what is in force, but where the inventory's name leads to another one by now."""
    word, then = ((one.get("images") or {}) for one in (inventory, recorded["inventory"]))
    said, found = inventory["app"].get("services") or {}, {}
    for name, definition in services.items():
        is_said = _image_of(definition) == _image_of(said.get(name) or {})
        kept = (recorded.get("images") or {}).get(name)
        if is_said and (not kept or word.get(name) != then.get(name)):
            kept = word.get(name)
        if kept:
            found[name] = kept
    return found


def _image_of(definition: Any) -> Any:
    return definition.get("image") if isinstance(definition, Mapping) else None


def in_force(app: Json, recorded: Json) -> dict[str, Any]:
    """The release that runs, whatever this copy of the inventory says.

    A deploy, a rollback or a scaling changes what was asked for and nothing else: an older copy undoes nothing.
    ``app``: the inventory's entry. Of what is a setting of apps and no record knows yet, the default is in force.
    """
    settings = {key: value for key, value in app.items() if key != "name"}
    running = with_defaults(recorded["app"], settings)
    return {
        "app": {**settings, **running, "pinned": app.get("pinned") or running.get("pinned", False)},
        "image": recorded["image"],
        **_if_any(recorded.get("images")),
        "env": dict(recorded["env"]),
        "inventory": dict(recorded["inventory"]),
    }


def change(
    name: str,
    release: Json,
    settings: Json,
    options: Options,
    *,
    image: str = "",
    images: Mapping[str, str] | None = None,
    digest: str = "",
    env_file: str = "",
) -> dict[str, Any]:
    """The release with what an operator asked for.

    ``settings``: of the app's entry; dictionaries among them change only the keys that they have. ``options``: the spec
    that an entry has to fit. ``image``: the one that ``settings["image"]`` names, in the registry, by digest.
    ``images``: those that ``settings["services"]`` names, by the services' names. ``digest``: of the content of
    ``env_file``, another env file.
    """
    app = release["app"]
    if app.get("pinned"):
        raise PlatformError(
            f"apps.{name}.pinned is true: what runs is what the inventory says. Change it there and run site.yml, "
            "or take the pin off"
        )
    optional = {key: {**spec, "required": False} for key, spec in options.items() if key in app}
    if problems := check_options(f"app {name}", "settings", optional, settings):
        raise PlatformError("\n".join(map(str, problems)))
    changed = dict(app)
    for key, value in settings.items():
        given = merged(optional, {key: app.get(key)}, {key: value})[key]
        # As text and lists of one become numbers and lists in the inventory.
        changed[key] = complete({key: optional[key]}, {key: given})[key]
    if "replicas" in settings and is_global(changed):
        raise PlatformError(
            f"apps.{name}: service.deploy.mode is global, which is one replica on each node: there is no number of "
            "them to change. More or fewer come with nodes, or with constraints"
        )
    env = release["env"]
    if env_file:
        changed["env_file"], env = basename(env_file), {"digest": digest, "version": ""}
    # A service that is given anew has the image that it names now, of the catalog or not.
    others = {one: ref for one, ref in (release.get("images") or {}).items() if one not in settings.get("services", ())}
    kept = {one: ref for one, ref in {**others, **(images or {})}.items() if one in (changed.get("services") or {})}
    found = {key: value for key, value in release.items() if key != "images"}
    return {**found, "app": changed, "image": image or release["image"], **_if_any(kept), "env": env}


def row_in_force(stack: Json) -> Json | None:
    """The row of the revision in force, where it records a release. ``stack``: of platform_info."""
    rows: Sequence[Json] = stack["revisions"]
    return next((row for row in rows if row["number"] == stack["in_force"] and row["release"]), None)


def strangers(apps: Collection[str], stacks: Mapping[str, Json], absent: Collection[str]) -> dict[str, Json]:
    """The entries in force of apps that run and that this copy of the inventory does not know: they keep their routes.

    ``apps``: those it knows. ``stacks``: of platform_info. ``absent``: apps that are taken away in this run.
    """
    found: dict[str, Json] = {}
    for name, stack in stacks.items():
        row = row_in_force(stack)
        if name not in {*apps, *absent} and stack["services"] and row and row["release"].get("app"):
            found[name] = row["release"]["app"]
    return found


def pages_in_force(stacks: Mapping[str, Json]) -> dict[str, str]:
    """The host names of the platform's pages that the proxy has recorded, each with the variable that says so."""
    row = row_in_force(stacks["proxy"]) if "proxy" in stacks else None
    pages = row["release"].get("pages", ()) if row else ()
    return {host: page["source"] for page in pages for host in page["hosts"]}


def refuse_shared_hosts(apps: Mapping[str, Json], others: Mapping[str, str], unknown: Collection[str] = ()) -> None:
    """Nobody else ever has an app's host name, or a path of it: each would take the other's visitors.

    ``apps``: name -> entry in force. ``others``: host name -> the variable by which the platform itself has it.
    ``unknown``: those of the apps that this copy of the inventory does not have.
    """
    owners: dict[tuple[str, str], str] = {}
    for name, app in sorted(apps.items(), key=lambda item: (item[0] in unknown, item[0])):
        for host, path in product(app["hosts"], route_paths(app)):
            if variable := others.get(host):
                raise PlatformError(
                    f"{host} would be a host name of the app {name} and of {variable}: take it from one of them first"
                )
            if (owner := owners.setdefault((host, path), name)) == name:
                continue
            where, word, setting = (
                (host, "host name", '{"hosts": [...]}')
                if path == "/"
                else (f"{host}{path}", "path", '{"route": {"paths": [...]}}')
            )
            if name in unknown:
                raise PlatformError(
                    f"{where} would be a {word} of the app {owner}, and is one of the app {name}, which runs and is "
                    f"not in this copy of the inventory: take it from {name} with a copy that has it, or take {name} "
                    f"""away (site.yml -e '{{"apps_absent": ["{name}"]}}')"""
                )
            raise PlatformError(
                f"{where} would be a {word} of two apps, {owner} and {name}: take it from one of them first "
                f"""(-e '{{"app": "{owner}", "settings": {setting}}}')"""
            )


def rollback(name: str, stack: Json | None, inventory: Json, to: int | None = None) -> dict[str, Any]:
    """The release of an earlier revision. ``stack``: of platform_info. ``to``: a number, None: the last healthy.

    An app that is in maintenance stays so: it is ended by the one who began it.
    """
    target = rollback_target(name, stack, to)
    kept = {key: target["release"][key] for key in RELEASE_KEYS if key in target["release"]}
    now = row_in_force(stack or {})
    app = kept["app"]
    if (is_on := _maintenance(now["release"]["app"]) if now else False) != _maintenance(app):
        kept["app"] = {**app, "route": _with_maintenance(app.get("route") or {}, is_on)}
    return {**kept, "inventory": dict(inventory)}


def _parts(release: Json) -> Json:
    """What a release consists of, which a rollback brings back."""
    parts = {key: release.get(key) or {} for key in RELEASE_KEYS}
    app = parts["app"]
    return {**parts, "app": {**app, "route": {**(app.get("route") or {}), "maintenance": None}}}


def rollback_target(name: str, stack: Json | None, to: int | None = None) -> Json:
    """The row of the revision to go back to."""
    rows: Sequence[Json] = (stack or {}).get("revisions") or []
    in_force = next((row for row in rows if row["number"] == (stack or {}).get("in_force")), None)
    if in_force is None:
        raise PlatformError(f"app {name} has no revision in force: there is nothing to roll back")
    healthy = [row for row in rows if row["verdict"] in ACTIVE_VERDICTS and row["release"]]
    if to is not None:
        return _chosen(name, rows, healthy, to)
    if rows[0]["verdict"] not in ACTIVE_VERDICTS:
        raise PlatformError(
            f"revision {rows[0]['number']} of app {name} failed and was rolled back already: revision "
            f"{in_force['number']} is in force. To go further back, say to which: -e to=N, one of {_numbers(healthy)}"
        )
    return _last_other(name, healthy, in_force)


def _chosen(name: str, rows: Sequence[Json], healthy: Sequence[Json], number: int) -> Json:
    """The row of a revision that somebody asks for by its number."""
    found = next((row for row in rows if row["number"] == number), None)
    if found is None or found not in healthy:
        why = f"ended as {found['verdict']}" if found else "is not kept"
        raise PlatformError(f"revision {number} of app {name} {why}: there are {_numbers(healthy)}")
    return found


def _last_other(name: str, healthy: Sequence[Json], in_force: Json) -> Json:
    """The row of the last revision before the one in force that ran something else."""
    for row in healthy:
        is_older = row["number"] < in_force["number"] and row["verdict"] == CONVERGED
        if is_older and _parts(row["release"]) != _parts(in_force["release"]):
            return row
    raise PlatformError(f"app {name} has no earlier healthy revision than {in_force['number']}, which is in force")


def _numbers(rows: Iterable[Json]) -> str:
    return ", ".join(str(row["number"]) for row in rows) or "none"


def has_new_target(release: Json, recorded: Json | None) -> bool:
    """Whether an env volume comes to a folder of an image that none was mounted on, or to another user.

    It might hide what is there, or the image might not know the user.
    """
    app = release["app"]
    if not release["env"]["digest"] or app["env_delivery"] != "volume":
        return False
    before = with_defaults(recorded["app"], app) if recorded else {}
    if not recorded or not recorded["env"]["digest"] or before["env_delivery"] != "volume":
        return True
    return bool(
        release["image"] != recorded["image"]
        or app["env_target"] != before["env_target"]
        or app.get("env_owner", "") != before.get("env_owner", "")
        or app.get("service", {}).get("user") != before.get("service", {}).get("user")
    )


def env_source(release: Json, path: str, digest: str) -> str:
    """``path`` if the file holds the env of the release, else "": then the nodes hold its version.

    ``digest``: of the file's content.
    """
    return path if path and digest == release["env"]["digest"] else ""


def inventory_differences(name: str, release: Json, row: Json | None) -> list[str]:
    """Where what runs is not what the inventory says, and since when. ``row``: of the revision in force."""
    inventory = release["inventory"]
    differing = [key for key, value in inventory["app"].items() if release["app"].get(key) != value]
    if release["image"] != inventory["image"] and "image" not in differing:
        differing.append("image")
    if (release.get("images") or {}) != (inventory.get("images") or {}) and "services" not in differing:
        differing.append("the services' images")
    if release["env"]["digest"] != inventory["env"]:
        differing.append("the env file's content")
    if not differing or row is None:
        return []
    return [f"App {name} keeps {', '.join(differing)} of {_origin(row)}, which the inventory has otherwise"]


def eligible_nodes(nodes: Iterable[Json], constraints: Sequence[str]) -> list[Json]:
    """The platform's nodes that may run an app. What only the swarm knows of a node is no reason to leave it out."""
    found = []
    for node in nodes:
        facts = {"node.role": node["role"], "node.hostname": node["hostname"]}
        facts.update({f"node.labels.{key}": str(value) for key, value in (node.get("labels") or {}).items()})
        known = [one for one in constraints if re.split(r"[\s=!]", one.strip())[0] in facts]
        seen = Node(id="", name=node["name"], ready=True, active=True, facts=facts)
        if node.get("availability", "active") == "active" and satisfies(seen, known):
            found.append(node)
    return found


def taken_images(references: Mapping[str, str]) -> dict[str, Any]:
    """Entries of the image catalog for images that come from other registries, by the name that each gets here."""
    for name, reference in references.items():
        # What is none may have a login in it: it is not shown.
        if why := why_no_image(reference):
            raise PlatformError(f"{name}: what image says {why}: write it as hub.example.com/team/web:42")
        if ":" not in reference.rpartition("/")[2]:  # of a tag or of a digest
            raise PlatformError(
                f"{name}: image {reference} names no version: add a tag or a digest, as in {reference}:42"
            )
    return {name: {"pull": reference, "source": "pull", "follow": True} for name, reference in references.items()}


def images_to_pull(release: Json) -> list[dict[str, Any]]:
    """Every image that a release runs, with the constraints of the service that does, each once."""
    app, found = release["app"], []
    services = {"": app.get("service") or {}, **(app.get("services") or {})}
    for name, definition in services.items():
        image = (release.get("images") or {}).get(name) or definition.get("image") if name else release["image"]
        asked = ((definition.get("deploy") or {}).get("placement") or {}).get("constraints") or []
        one = {"image": image, "constraints": [*([] if name else app.get("constraints") or []), *asked]}
        if one not in found:
            found.append(one)
    return found
