# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Stacks, by the docker CLI: nothing else reads a compose file as ``docker stack deploy`` does."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from ansible_collections.fungap.swarm.plugins.module_utils.core.errors import PlatformError
from ansible_collections.fungap.swarm.plugins.module_utils.docker import cli
from ansible_collections.fungap.swarm.plugins.module_utils.docker.client import OUT_OF_SEQUENCE, Part, again_while
from ansible_collections.fungap.swarm.plugins.module_utils.docker.relay import relay
from ansible_collections.fungap.swarm.plugins.module_utils.stack.model import without_short_names


class Stacks(Part):
    """Stacks, by the docker CLI: nothing else reads a compose file as ``docker stack deploy`` does."""

    def deploy(
        self,
        stack: str,
        compose: str,
        *,
        resolve_image: str,
        registry_config: str | None,
        full_names_on: Collection[str] = (),
        prune: bool = True,
        timeout_seconds: float = 300,
    ) -> str:
        """``docker stack deploy`` of a compose file's text; returns what the CLI printed.

        ``registry_config``: a folder of the CLI's configuration that holds the registry's credentials.
        ``full_names_on``: the networks on which services don't get their short names. ``prune``: what the stack has
        and the file doesn't is taken away.
        """
        options = [*(["--prune"] if prune else []), "--resolve-image", resolve_image]
        if registry_config:
            options.append("--with-registry-auth")
        if "--detach" in cli.run(self.socket, ["stack", "deploy", "--help"], timeout_seconds=30)[1]:
            options.append("--detach=true")
        arguments = ["stack", "deploy", "--compose-file", "-", *options, stack]

        def change(spec: dict[str, Any]) -> dict[str, Any]:
            return without_short_names(spec, full_names_on)

        def deploy() -> str:
            with relay(self.socket, change, timeout_seconds=timeout_seconds) as socket:
                code, output = cli.run(
                    self.socket,
                    arguments,
                    stdin=compose,
                    host=f"unix://{socket}",
                    registry_config=registry_config,
                    timeout_seconds=timeout_seconds,
                )
            if code:
                raise PlatformError(f"docker stack deploy of {stack} on {self.socket} failed: {output.strip()}")
            return output

        # Swarm may write a service, too, between the CLI's reading and its writing.
        return again_while(OUT_OF_SEQUENCE, deploy)

    def problems(self, stack: str, compose: str) -> list[str]:
        """What ``docker stack deploy`` would refuse in a compose file, or silently ignore.

        The CLI reads the whole file before it speaks to an engine: it is run against one that isn't there.
        """
        code, output = cli.run(
            self.socket,
            ["stack", "deploy", "--compose-file", "-", stack],
            stdin=compose,
            host="unix:///nonexistent/docker.sock",
        )
        problems = [line.strip() for line in output.splitlines() if line.strip()]
        known = ("Cannot connect to the Docker daemon", "Since --detach=false", "In a future release")
        problems = [line for line in problems if not line.startswith(known) and "connect: no such file" not in line]
        if code == 0:
            raise PlatformError("docker stack deploy succeeded without an engine: its check can't be relied on")
        return problems
