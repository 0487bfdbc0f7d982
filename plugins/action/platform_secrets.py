# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Makes and keeps the platform's CA, certificates, SSH keys and passwords on the controller; no module is started."""

from __future__ import annotations

import contextlib
import datetime
import fcntl
import os
import stat
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from ansible.errors import AnsibleActionFail, AnsibleError
from ansible.module_utils.common.validation import check_type_bool, check_type_dict, check_type_list
from ansible.plugins.action import ActionBase

from ansible_collections.fungap.swarm.plugins.module_utils.config_files.model import ConfigFile, Ownership
from ansible_collections.fungap.swarm.plugins.module_utils.core.errors import PlatformError
from ansible_collections.fungap.swarm.plugins.module_utils.core.lock import taken
from ansible_collections.fungap.swarm.plugins.module_utils.host import files
from ansible_collections.fungap.swarm.plugins.plugin_utils import pki
from ansible_collections.fungap.swarm.plugins.plugin_utils.secret_store import (
    CertificateRequest,
    SecretsPlan,
    SecretsRequest,
    describe,
    plan_secrets,
)

FILE = Ownership(0o600)
DIRECTORY = Ownership(0o700)
# Keys are made in a few seconds.
LOCK_SECONDS = 60.0


class ActionModule(ActionBase):
    """``fungap.swarm.platform_secrets``."""

    _requires_connection = False
    _supports_check_mode = True
    _supports_diff = True
    _VALID_ARGS = frozenset(
        {"directory", "ca_name", "certificates", "passwords", "htpasswd", "ssh_keys", "authorities", "id_replaced"}
    )

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        try:
            pki.check_libraries()
            request = self._parse(self._task.args, (task_vars or {}).get("inventory_dir") or ".")
            result.update(self._ensure(request))
        except PlatformError as error:
            raise AnsibleActionFail(error.message) from error
        return result

    def _ensure(self, request: SecretsRequest) -> dict[str, Any]:
        check = self._task.check_mode
        with contextlib.nullcontext() if check else _lock(request.directory):
            found = {name: self._read(f"{request.directory}/{name}") for name in request.files}
            known = {name: content for name, content in found.items() if content is not None}
            plan = plan_secrets(request, known, datetime.datetime.now(datetime.timezone.utc))
            loose = _loose(request, known, plan)
            for name, told in plan.facts["certificates"].items():
                told["pending"] = plan.reasons.get(f"{name}.crt", "") if check else ""
            if not check:
                _write(request, plan, loose)
        return {
            "changed": bool(plan.writes or loose),
            "actions": [f"write {name}: {reason}" for name, reason in plan.reasons.items()]
            + [f"protect {path}" for path in loose],
            "warnings": plan.warnings,
            "diff": {
                "before": "".join(describe(name, found[name]) for name in plan.writes),
                "after": "".join(
                    describe(name, content, is_made=not check).replace(
                        "(secret, not shown)", "(secret, not shown, new)"
                    )
                    for name, content in plan.writes.items()
                ),
            },
            "ansible_facts": {"platform_secrets": plan.facts},
        }

    def _read(self, path: str) -> str | None:
        """A file's text, decrypted when Ansible Vault holds it."""
        if not os.path.lexists(path):
            return None
        try:
            content: bytes = self._loader._get_file_contents(path)[0]
            return bytes(content).decode()
        except (AnsibleError, UnicodeDecodeError) as error:
            raise PlatformError(f"cannot read {path}: {error}") from error

    def _parse(self, args: Mapping[str, Any], base: str) -> SecretsRequest:
        unknown = sorted(set(args) - self._VALID_ARGS)
        if unknown:
            raise PlatformError(
                f"unknown parameter {', '.join(unknown)}; there are {', '.join(sorted(self._VALID_ARGS))}"
            )
        directory = str(args.get("directory") or "")
        if not os.path.isabs(directory):
            raise PlatformError(f"directory is {directory!r}: give an absolute path")
        try:
            certificates = check_type_dict(args.get("certificates") or {})
            return SecretsRequest(
                directory=os.path.normpath(directory),
                ca_name=str(args.get("ca_name") or "Platform CA"),
                certificates={
                    str(name): self._parse_certificate(str(name), check_type_dict(item), base)
                    for name, item in certificates.items()
                },
                passwords=[str(name) for name in check_type_list(args.get("passwords") or [])],
                htpasswd={str(k): str(v) for k, v in check_type_dict(args.get("htpasswd") or {}).items()},
                ssh_keys=[str(name) for name in check_type_list(args.get("ssh_keys") or [])],
                authorities=[str(name) for name in check_type_list(args.get("authorities") or [])],
                id_replaced=str(args.get("id_replaced") or ""),
            )
        except TypeError as error:
            raise PlatformError(f"wrong type of a parameter: {error}") from error

    def _parse_certificate(self, name: str, item: Mapping[str, Any], base: str) -> CertificateRequest:
        names = None
        if item.get("names") is not None:
            names = tuple(dict.fromkeys(str(value) for value in check_type_list(item["names"])))
        addresses = tuple(dict.fromkeys(str(value) for value in check_type_list(item.get("addresses") or [])))
        given = [str(item[key]) for key in ("certificate_file", "key_file") if item.get(key)]
        in_force = check_type_dict(item.get("in_force") or {})
        if not given:
            is_mutual = check_type_bool(item.get("mutual") or False)
            return CertificateRequest(names, addresses, in_force=in_force, is_mutual=is_mutual)
        if len(given) == 1:
            raise PlatformError(f"certificate {name!r} needs certificate_file and key_file, or neither")
        paths = [os.path.join(base, os.path.expanduser(path)) for path in given]
        contents = []
        for path in paths:
            content = self._read(path)
            if content is None:
                raise PlatformError(f"certificate {name!r}: there is no file {path}")
            contents.append(content)
        pair = pki.KeyPair(contents[0], contents[1])
        return CertificateRequest(names, addresses, pair, (paths[0], paths[1]), in_force)


@contextmanager
def _lock(directory: str) -> Iterator[None]:
    """One run at a time: two that start together must not make two CAs."""
    if not os.path.isdir(directory):
        files.make_directory(directory, DIRECTORY)
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        end = time.monotonic() + LOCK_SECONDS
        while not taken(descriptor, fcntl.LOCK_EX):
            if time.monotonic() >= end:
                raise PlatformError(
                    f"another run has had {directory} to itself for {LOCK_SECONDS:g} s, which takes a moment: was it "
                    f"stopped (fuser {directory} names it)? End it, or let it go on"
                )
            time.sleep(0.1)
        yield
    finally:
        os.close(descriptor)


def _loose(request: SecretsRequest, found: Mapping[str, str], plan: SecretsPlan) -> list[str]:
    """Paths that others than the owner may look into. A folder with none of our secrets in it is not ours to close."""
    if not found and _is_loose(request.directory) and (names := sorted(os.listdir(request.directory))):
        raise PlatformError(
            f"{request.directory} may be read by others and has {', '.join(names[:3])}, none of them a secret of ours: "
            f"choose a folder of its own, or close it yourself (chmod 700 {request.directory})"
        )
    paths = [request.directory] if os.path.isdir(request.directory) else []
    paths += [f"{request.directory}/{name}" for name in found if name not in plan.writes]
    return [path for path in paths if _is_loose(path)]


def _is_loose(path: str) -> bool:
    return os.path.exists(path) and bool(stat.S_IMODE(os.stat(path).st_mode) & 0o077)


def _write(request: SecretsRequest, plan: SecretsPlan, loose: list[str]) -> None:
    for path in loose:
        files.set_ownership(path, DIRECTORY if os.path.isdir(path) else FILE)
    for name, content in plan.writes.items():
        path = f"{request.directory}/{name}"
        files.install(files.stage(ConfigFile(path, content, FILE, secret=True)), path)
