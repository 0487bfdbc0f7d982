# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The platform's registry, asked over HTTPS what it holds, and told what to delete. Layer: engine."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from typing import Any

from ansible_collections.fungap.swarm.plugins.module_utils.core.errors import PlatformError
from ansible_collections.fungap.swarm.plugins.module_utils.core.parallel import each

with contextlib.suppress(ImportError):  # it comes with the Docker SDK, whose absence Engine reports
    import requests

_MANIFESTS = ", ".join(
    (
        "application/vnd.docker.distribution.manifest.v2+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.oci.image.index.v1+json",
    )
)


class RegistrySilentError(PlatformError):
    """The registry doesn't answer; it may be about to start."""


class RegistryReadOnlyError(PlatformError):
    """The registry takes nothing for now; it may be collecting its garbage."""


class Registry:
    """A registry at ``address`` (host:port), trusted through ``ca_file``, that lets ``auth`` (user, password) in."""

    def __init__(
        self, address: str, *, ca_file: str, auth: tuple[str, str] | None = None, timeout_seconds: float = 5
    ) -> None:
        self._address = address
        self._ca_file = ca_file
        self._auth = auth
        self._timeout_seconds = timeout_seconds

    def digests(self, tags: dict[str, str]) -> dict[str, str]:
        """Repository -> digest, of those ``tags`` (repository -> tag) that the registry has.

        Raises RegistrySilentError when it doesn't answer, PlatformError when it can't be asked.
        """
        if not tags:
            return {}
        self._refuse_without_ca()
        found = each(lambda item: self._digest(*item), tags.items())
        return {repository: digest for repository, digest in zip(tags, found, strict=True) if digest}

    def renew(self, repository: str, tag: str) -> bool:
        """Push a manifest again that the registry has, so that it counts as pushed now.

        False when it, or a part of its image, is gone: then the image has to be pushed. Raises RegistryReadOnlyError
        or RegistrySilentError when it has to be tried again.
        """
        self._refuse_without_ca()
        with self._session() as session:
            found = self._ask(session, "GET", repository, tag)
            if found.status_code == 404:
                return False
            if found.status_code == 200:
                headers = {"Content-Type": found.headers["Content-Type"]}
                found = self._ask(session, "PUT", repository, tag, data=found.content, headers=headers)
            if found.status_code == 405:
                raise RegistryReadOnlyError(f"the registry {self._address} is read-only")
            if found.status_code not in (201, 400):
                raise PlatformError(
                    f"the registry {self._address} answers {found.status_code} to {repository}:{tag} pushed again"
                )
            return bool(found.status_code == 201)

    def delete(self, manifests: Iterable[tuple[str, str]]) -> None:
        """Delete manifests, (repository, digest) each, with the tags that they have; those that are gone are fine."""
        self._refuse_without_ca()
        with self._session() as session:
            for repository, digest in manifests:
                answer = self._ask(session, "DELETE", repository, digest)
                if answer.status_code not in (202, 404):
                    raise PlatformError(
                        f"the registry {self._address} answers {answer.status_code} to the deletion of "
                        f"{repository}@{digest}"
                    )

    def is_writable(self) -> bool:
        """Whether it would take a push or a deletion. It is asked to delete what nobody has.

        Raises RegistrySilentError when it doesn't answer.
        """
        self._refuse_without_ca()
        with self._session() as session:
            answer = self._ask(session, "DELETE", "fungap/nothing", "sha256:" + 64 * "0")
        if answer.status_code not in (202, 404, 405):
            raise RegistrySilentError(f"the registry {self._address} answers {answer.status_code}")
        return bool(answer.status_code != 405)

    def _refuse_without_ca(self) -> None:
        if not os.path.exists(self._ca_file):
            raise PlatformError(f"the registry {self._address} can't be trusted: there is no {self._ca_file}")

    def _session(self) -> Any:
        session = requests.Session()
        session.trust_env = False  # the platform's own registry is never behind a proxy or in a .netrc
        return session

    def _ask(self, session: Any, method: str, repository: str, reference: str, **request: Any) -> Any:
        """The answer to a request for a manifest, whatever it is, but for a refused login."""
        try:
            answer = session.request(
                method,
                f"https://{self._address}/v2/{repository}/manifests/{reference}",
                **{"headers": {"Accept": _MANIFESTS}, **request},
                auth=self._auth,
                verify=self._ca_file,
                timeout=self._timeout_seconds,
            )
        except requests.exceptions.RequestException as error:
            raise RegistrySilentError(
                f"the registry {self._address} can't be asked for {repository}: {error}"
            ) from None
        if answer.status_code == 401:
            raise PlatformError(f"the registry {self._address} refuses the credentials it was asked with")
        return answer

    def _digest(self, repository: str, tag: str) -> str | None:
        with self._session() as session:
            answer = self._ask(session, "HEAD", repository, tag)
        if answer.status_code == 404:
            return None
        if answer.status_code != 200:
            raise PlatformError(f"the registry {self._address} answers {answer.status_code} for {repository}:{tag}")
        digest: str | None = answer.headers.get("Docker-Content-Digest")
        return digest
