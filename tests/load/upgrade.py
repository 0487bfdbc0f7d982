"""A platform that an older release has brought up, and the checkout brings forward under load."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from ansible_collections.fungap.swarm.plugins.module_utils.memory.model import controllers_file

from .live import Live, Load, Run

RELEASE = "1.0.0"


@dataclass(frozen=True)
class State:
    """What an upgrade has to keep. ``secrets``: the controller's files by their path, as digests."""

    image: str
    env_volumes: list[str]
    revisions: list[dict[str, Any]]
    members: dict[str, str]
    cluster: str
    secrets: dict[str, str]


class Older(Live):
    """Each playbook is a program of its own: what a warm Ansible keeps of plugins and modules is the checkout's."""

    def run(self, playbook: str, *arguments: str) -> Run:
        return self.launch(playbook, *arguments).wait()


@dataclass
class Upgrade:
    """``release``: the folder where the older one is installed. The rest is there once the platform is up."""

    release: Path
    before: State = field(init=False)
    after: State = field(init=False)
    load: Load = field(init=False)
    run: Run = field(init=False)

    def bring_up(self, live: Live) -> None:
        """In place of ``Live.up``."""
        older = Older(replace(live.where, installed=str(self.release)))
        try:
            older.up()
            second = older.operate("deploy", env_file=older.env_file("GREETING=Hello from before\n"))
            assert second.code == 0, second.output[-4000:]
            self.before = state(older)
        finally:
            older.close()
        with live.load(f"upgrade of a platform of {RELEASE}", settle_seconds=1) as self.load:
            self.run = live.play("site.yml")
        self.after = state(live)


def state(live: Live) -> State:
    container = live.service()["Spec"]["TaskTemplate"]["ContainerSpec"]
    folder = Path(live.where.ca).parent
    memory = controllers_file(live.where.name)  # of what is in force: it goes on
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != memory)
    return State(
        image=container["Image"],
        env_volumes=[mount["Source"] for mount in container["Mounts"]],
        revisions=live.revisions(),
        members={name: member["ID"] for name, member in live.members().items()},
        cluster=live.manager.inspect_swarm()["ID"],
        secrets={str(path.relative_to(folder)): sha256(path.read_bytes()).hexdigest() for path in files},
    )
