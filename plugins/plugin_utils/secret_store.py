# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which secret files there have to be: pure, from what was found to what is to be written."""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.fungap.swarm.plugins.module_utils.core.errors import PlatformError
from ansible_collections.fungap.swarm.plugins.module_utils.folder.model import REPLACED
from ansible_collections.fungap.swarm.plugins.plugin_utils import pki

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")


@dataclass(frozen=True)
class CertificateRequest:
    """One wanted certificate. ``given``: the user's own, which wins over ours.

    ``names`` None: for the names that the one there has, and none where there is none. ``in_force``: what is recorded
    of the one that is served, for who is not to put another's in its place: ``given``, and ``until`` (ISO 8601).
    ``is_mutual``: both ends of a connection within the platform show it.
    """

    names: tuple[str, ...] | None
    addresses: tuple[str, ...] = ()
    given: pki.KeyPair | None = None
    given_files: tuple[str, str] | None = None
    in_force: Mapping[str, Any] = field(default_factory=dict)
    is_mutual: bool = False

    @property
    def is_given(self) -> bool:
        """Whether the user's own is wanted: where ours is in force, it stays."""
        return self.given is not None and bool(self.in_force.get("given", True))


@dataclass(frozen=True)
class SecretsRequest:
    """All that the store has to hold. ``htpasswd``: user by the password's name. ``ssh_keys``: names of key pairs.

    ``authorities``: the IDs of the keys of the CAs that are in force, one of which ours has to be; none: any.
    ``id_replaced``: of the platform that this one takes the place of.
    """

    directory: str
    ca_name: str
    certificates: Mapping[str, CertificateRequest] = field(default_factory=dict)
    passwords: Sequence[str] = ()
    htpasswd: Mapping[str, str] = field(default_factory=dict)
    ssh_keys: Sequence[str] = ()
    authorities: Sequence[str] = ()
    id_replaced: str = ""

    def __post_init__(self) -> None:
        for name in (*self.certificates, *self.passwords, *self.htpasswd, *self.ssh_keys):
            if not _NAME.fullmatch(name) or name == "ca":
                raise PlatformError(f"{name!r} is no name for a secret: lower-case letters, digits, '-', '_', not 'ca'")
        unknown = sorted(set(self.htpasswd) - set(self.passwords))
        if unknown:
            raise PlatformError(f"htpasswd names {', '.join(unknown)}, which is not in passwords")

    @property
    def files(self) -> list[str]:
        """Names of the files that decide what is to be done."""
        names = ["ca.key", "ca.crt"]
        for name, request in self.certificates.items():
            names += [] if request.is_given else [f"{name}.key", f"{name}.crt"]
        names += [f"{name}.password" for name in self.passwords]
        names += [f"{name}.ssh" for name in self.ssh_keys]
        return names + [f"{name}.htpasswd" for name in self.htpasswd]


@dataclass
class SecretsPlan:
    """What to write, in this order (a key before its certificate), why, and what the roles are told."""

    writes: dict[str, str] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)

    def write(self, name: str, content: str, reason: str) -> None:
        self.writes[name] = content
        self.reasons[name] = reason


def plan_secrets(request: SecretsRequest, found: Mapping[str, str], now: datetime.datetime) -> SecretsPlan:
    """``found``: contents by file name, of the files that are there.

    The facts hold certificates, fingerprints and paths; no key and no password.
    """
    plan = SecretsPlan()
    ca = _plan_ca(request, found, now, plan)
    _refuse_another_ca(request, ca)
    certificates = {
        name: _plan_certificate(name, wanted, ca, request, found, now, plan)
        for name, wanted in request.certificates.items()
        if wanted.names is not None or wanted.is_given or f"{name}.crt" in found
    }
    passwords = {name: _plan_password(name, request, found, plan) for name in request.passwords}
    plan.facts = {
        "directory": request.directory,
        "ids": pki.platform_ids(ca.certificate, request.id_replaced),
        "ca": _certificate_facts(ca.certificate, f"{request.directory}/ca.crt"),
        "certificates": certificates,
        "passwords": passwords,
        "ssh_keys": {name: _plan_ssh_key(name, request, found, plan) for name in request.ssh_keys},
    }
    return plan


def _plan_ca(
    request: SecretsRequest, found: Mapping[str, str], now: datetime.datetime, plan: SecretsPlan
) -> pki.KeyPair:
    key, certificate = found.get("ca.key"), found.get("ca.crt")
    if certificate is not None and key is None:
        raise PlatformError(
            f"{request.directory}/ca.key is missing beside ca.crt: put it back, or remove ca.crt to start with a new "
            "CA that every client has to be told of"
        )
    if key is None:
        key = pki.new_key()
        plan.write("ca.key", key, "there is none")
    reason = "there is none" if certificate is None else pki.ca_renewal_reason(pki.KeyPair(certificate, key), now)
    if reason or certificate is None:
        name = request.ca_name if certificate is None else pki.common_name(certificate)
        certificate = pki.make_ca(name, key, now)
        plan.write("ca.crt", certificate, reason or "")
    return pki.KeyPair(certificate, key)


def _refuse_another_ca(request: SecretsRequest, ca: pki.KeyPair) -> None:
    """A controller without the platform's secrets would make others, and give them to whatever it comes by."""
    if request.authorities and pki.key_id(ca.certificate) not in request.authorities:
        raise PlatformError(
            f"{request.directory} (platform_secrets_dir) is not where the platform's secrets are: the docker hosts "
            "trust another CA than the one there, or there is none. Run it where they are, or bring a copy of that "
            "folder; to give the platform a new CA, which every client has to trust, run site.yml with -e "
            f"{REPLACED}={request.authorities[0]}"
        )


def _plan_certificate(
    name: str,
    wanted: CertificateRequest,
    ca: pki.KeyPair,
    request: SecretsRequest,
    found: Mapping[str, str],
    now: datetime.datetime,
    plan: SecretsPlan,
) -> dict[str, Any]:
    _refuse_less_than_in_force(name, wanted)
    if wanted.is_given and wanted.given and wanted.given_files:
        plan.warnings += pki.check_given(wanted.given, wanted.names or (), now, what=f"certificate {name!r}")
        certificate_file, key_file = wanted.given_files
        return {**_certificate_facts(wanted.given.certificate, certificate_file), "key_file": key_file, "given": True}
    key, certificate = found.get(f"{name}.key"), found.get(f"{name}.crt")
    leaf = pki.KeyPair(certificate, key) if key is not None and certificate is not None else None
    names = wanted.names
    if names is None:
        names = tuple(sorted(pki.certificate_names(certificate or "") - {*wanted.addresses}))
    is_mutual = wanted.is_mutual
    reason = pki.leaf_renewal_reason(leaf, ca.certificate, names, wanted.addresses, now, is_mutual=is_mutual)
    if reason or certificate is None:
        key = pki.new_key()
        certificate = pki.issue(ca, key, names, wanted.addresses, now, is_mutual=is_mutual)
        plan.write(f"{name}.key", key, reason or "")
        plan.write(f"{name}.crt", certificate, reason or "")
    facts = _certificate_facts(certificate, f"{request.directory}/{name}.crt")
    return {**facts, "key_file": f"{request.directory}/{name}.key", "given": False}


def _refuse_less_than_in_force(name: str, wanted: CertificateRequest) -> None:
    """The user's own that is served can't be read back: neither ours nor an older one of theirs takes its place."""
    if not wanted.in_force.get("given"):
        return
    until, variable = str(wanted.in_force.get("until", "")), f"{name}_certificate_file"
    if wanted.given is None:
        problem = f"{variable} is not set, while a certificate of your own, valid until {until}, is in force"
    elif (mine := pki.not_after(wanted.given.certificate)) < until:
        problem = f"{variable} is valid until {mine}, the one in force until {until}: this is an older copy"
    else:
        return
    raise PlatformError(
        f"{problem}. Set {variable} and {name}_certificate_key_file to the one in force, or a newer one; to put "
        "another in its place on purpose, run site.yml"
    )


def _certificate_facts(certificate: str, path: str) -> dict[str, Any]:
    return {
        "certificate": certificate,
        "certificate_file": path,
        "fingerprint": pki.fingerprint(certificate),
        "not_after": pki.not_after(certificate),
        "names": sorted(pki.certificate_names(certificate)),
    }


def _plan_password(name: str, request: SecretsRequest, found: Mapping[str, str], plan: SecretsPlan) -> dict[str, Any]:
    password = found.get(f"{name}.password", "").strip()
    if not password:
        password = pki.new_password()
        plan.write(f"{name}.password", password + "\n", "there is none")
    facts = {"file": f"{request.directory}/{name}.password"}
    user = request.htpasswd.get(name)
    if user is None:
        return facts
    line = found.get(f"{name}.htpasswd")
    if line is None:
        plan.write(f"{name}.htpasswd", pki.htpasswd_line(user, password), "there is none")
    elif not pki.htpasswd_matches(line, user, password):
        plan.write(f"{name}.htpasswd", pki.htpasswd_line(user, password), "user or password changed")
    return {**facts, "user": user, "htpasswd_file": f"{request.directory}/{name}.htpasswd"}


def _plan_ssh_key(name: str, request: SecretsRequest, found: Mapping[str, str], plan: SecretsPlan) -> dict[str, Any]:
    key = found.get(f"{name}.ssh")
    if key is None:
        key = pki.new_ssh_key()
        plan.write(f"{name}.ssh", key, "there is none")
    path = f"{request.directory}/{name}.ssh"
    return {"file": path, "public_key": pki.ssh_public_key(key, path)}


def describe(name: str, content: str | None, *, is_made: bool = True) -> str:
    """One line about a file for a diff: what it is for, never what is in it.

    ``is_made`` false: ``content`` stands for what a run would make, whose fingerprint nobody can know.
    """
    if content is None:
        return ""
    if name.endswith(".crt"):
        try:
            names = ", ".join(sorted(pki.certificate_names(content)))
            shown = f"SHA-256 {pki.fingerprint(content)}" if is_made else "to be made"
        except PlatformError:
            return f"{name}: unreadable\n"
        return f"{name}: {names + ', ' if names else ''}until {pki.not_after(content)}, {shown}\n"
    return f"{name}: (secret, not shown)\n"
