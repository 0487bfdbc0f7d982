# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The folders of a platform: its own, lasting, and apart from each other's."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping

from ansible_collections.fungap.swarm.plugins.module_utils.folder.model import (
    Mount,
    SeenFolder,
    cure_of_another,
    marked_for,
    marked_id,
    own_id,
    real_path,
    whose,
    why_not_lasting,
    why_not_own_folder,
)
from ansible_collections.fungap.swarm.plugins.plugin_utils import pki, renewal
from ansible_collections.fungap.swarm.plugins.plugin_utils.kinds.daemon import why_no_engine_folder
from ansible_collections.fungap.swarm.plugins.plugin_utils.preflight.inputs import (
    ALL_HOSTS,
    PreflightInput,
    ca_file,
    is_given,
    platform_ids,
)
from ansible_collections.fungap.swarm.plugins.plugin_utils.problem import HIDDEN, Harmless, Problem
from ansible_collections.fungap.swarm.plugins.plugin_utils.verbs import kind_of

OWN_FOLDERS = ("platform_config_dir", "platform_run_dir", "jenkins_backup_dir")


def check_folders_by_name(inputs: PreflightInput) -> Iterator[Problem]:
    """The folders that follow from the platform's name. Those that are given, their kind judges."""
    for variable in OWN_FOLDERS:
        value = str(inputs.variable(variable))
        if value and not is_given(inputs, variable) and (why := why_not_own_folder(value)):
            problem = f"makes {variable} {value}, which {why}"
            cure = f"another name, or {variable}: {value}-platform"
            yield Problem(ALL_HOSTS, "platform_name", Harmless(inputs.inventory.name), problem, cure)


def check_identity(inputs: PreflightInput) -> Iterator[Problem]:
    """No platform is taken for another one of its name: the secrets of the one that is there are here."""
    if pki.MISSING_LIBRARY:
        return  # platform_secrets says so
    name, ids = inputs.inventory.name, platform_ids(inputs)
    others: dict[str, list[str]] = {}
    for host, _facts in inputs.facts():
        for other in sorted(_ids_there(inputs, host) - {*ids}):
            others.setdefault(other, []).append(host)
    path = ca_file(inputs.inventory)
    for other, hosts in others.items():
        mine = (
            f"has the secrets of one whose ID is {own_id(ids)}" if own_id(ids) else f"has no {posixpath.basename(path)}"
        )
        problem = f"{mine}, and the platform {name} there has the ID {other}"
        where = ALL_HOSTS if set(hosts) == set(inputs.inventory.docker_hosts) else ", ".join(hosts)
        yield Problem(where, "platform_secrets_dir", Harmless(posixpath.dirname(path)), problem, cure_of_another(other))


def _ids_there(inputs: PreflightInput, host: str) -> set[str]:
    """The IDs of the platform of this name that a docker host has.

    A marker of an older version has none: the CA in the platform's folder tells it then.
    """
    look = inputs.looks[host]
    markers = {
        posixpath.normpath(path): one["marker"]
        for path, one in (look.facts or {}).get("own_folders", {}).items()
        if one["marker"] and marked_for(one["marker"]) == inputs.inventory.name
    }
    folder = posixpath.normpath(str(inputs.variable("platform_config_dir")))
    found = {marked_id(marker) for marker in markers.values()} - {""}
    if found or folder not in markers:
        return found
    authority = f"{folder}/certs.d/{inputs.variable('registry_address')}/ca.crt"
    return {*renewal.authority(look.trees, authority)}


def check_own_folders(inputs: PreflightInput) -> Iterator[Problem]:
    """A folder stays from boot to boot; one that is there already and is not this platform's is left alone."""
    name, ids = inputs.inventory.name, platform_ids(inputs)
    for variable in ("platform_config_dir", "jenkins_backup_dir"):
        value = str(inputs.variable(variable))
        if not why_not_own_folder(value) and (why := why_not_lasting(value)):
            cure = "a folder that stays, as /etc/fungap or /var/backups/fungap"
            yield Problem(ALL_HOSTS, variable, Harmless(value), why, cure, kind_of(variable))
    for host, facts in inputs.facts():
        seen = {posixpath.normpath(path): one for path, one in facts.get("own_folders", {}).items()}
        docker = facts["docker"]
        mounts = [Mount(**mount) for mount in docker.get("mounts", ())]
        # An engine that is down can't say which containers mount it: the roles ask once it is up.
        is_silent = docker["present"] and not docker["answering"]
        for variable in OWN_FOLDERS:
            path = posixpath.normpath(str(inputs.variable(variable)))
            # What its name alone rules out is a problem already, and no marker would make it right.
            if path not in seen or why_not_own_folder(path):
                continue
            folder = SeenFolder(**seen[path])
            registry = str(inputs.variable("registry_address"))
            found = whose(path, name, folder, ids=ids, mounts=mounts, registry=registry)
            if found.id:
                continue  # check_identity's
            if found.is_refused and not (found.state == "unknown" and is_silent):
                yield Problem(host, variable, Harmless(path), found.why, found.cure(path, name))


def check_folders_apart(inputs: PreflightInput) -> Iterator[Problem]:
    """No folder of the platform lies in another: each is removed whole, and has modes of its own."""
    paths = _paths(inputs)
    for number, name in enumerate(paths):
        for other in list(paths)[:number]:
            yield from _check_apart(inputs, paths, name, other)
    for host in inputs.inventory.docker_hosts:
        yield from _check_apart_from_engine(inputs, host, paths)


def _paths(inputs: PreflightInput) -> dict[str, str]:
    """The folders that are to lie apart on a docker host, by their variables. What can't be one is told as that."""
    # The secrets lie on the controller, and stay when a docker host is reset.
    names = (*OWN_FOLDERS, "platform_secrets_dir") if _is_controller_docker_host(inputs) else OWN_FOLDERS
    paths = {name: real_path(value) for name in names if (value := inputs.variable(name))}
    return {name: path for name, path in paths.items() if not why_not_own_folder(path)}


def _is_controller_docker_host(inputs: PreflightInput) -> bool:
    return any(
        variables.get("ansible_connection") == "local" and host in inputs.inventory.docker_hosts
        for host, variables in inputs.raw.hosts.items()
    )


def _check_apart(inputs: PreflightInput, paths: Mapping[str, str], name: str, other: str) -> Iterator[Problem]:
    inner, outer = (other, name) if len(paths[name]) < len(paths[other]) else (name, other)
    if not _is_within(paths[inner], paths[outer]):
        return
    is_same = paths[inner] == paths[outer]
    # Of two that are one, what the operator has written is told.
    if is_same and not is_given(inputs, inner):
        inner, outer = outer, inner
    problem = f"{'is' if is_same else 'lies in'} {outer} {paths[outer]}"
    yield Problem(ALL_HOSTS, inner, Harmless(paths[inner]), problem, "a folder apart from it")


def _check_apart_from_engine(inputs: PreflightInput, host: str, paths: Mapping[str, str]) -> Iterator[Problem]:
    """What an engine was told to keep its own data in."""
    daemon = inputs.raw.hosts.get(host, {}).get("docker_engine_daemon")
    if not isinstance(daemon, Mapping):
        return
    for key in ("data-root", "exec-root"):
        path = real_path(daemon.get(key) or "/")
        shared = [name for name, one in paths.items() if _is_within(path, one) or _is_within(one, path)]
        if shared and not why_no_engine_folder(path):
            problem = f"has a {key} that is {shared[0]}, lies in it or holds it"
            yield Problem(host, "docker_engine_daemon", HIDDEN, problem, "a folder apart from it")


def _is_within(path: str, folder: str) -> bool:
    """Whether a path is the folder, or lies in it."""
    return f"{path}/".startswith(f"{folder}/")
