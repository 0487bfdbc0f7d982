"""From something that goes wrong to a message in Slack, and to the one that says it is over.

In Slack's place is a real HTTP server. The CPU is burnt from the first test on: the others use the five minutes for
which its rule waits.
"""

from __future__ import annotations

import datetime
import json
import os
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.fungap.swarm.plugins.plugin_utils import pki

from ..load.live import Live
from ..steps import tell
from ..waiting import patience, wait_for
from .conftest import ADDRESS, SLACK_PORT, WEBHOOK_SECRET
from .prometheus import Prometheus

# Promised: from the end of the rule's own "for" to Slack.
PROMISED_SECONDS = 90
BURNER = "burner"
BURN = """
const { existsSync } = require('fs')
const burn = () => {
  if (existsSync('/tmp/enough')) return setTimeout(burn, 1000)
  const end = Date.now() + 200
  while (Date.now() < end);
  setImmediate(burn)
}
burn()
"""


@dataclass
class Slack:
    """What was posted, with the time that it came."""

    messages: list[tuple[float, dict[str, Any]]] = field(default_factory=list)
    signs_of_life: list[float] = field(default_factory=list)

    def find(self, *words: str) -> float | None:
        """When a message came that has all the words."""
        texts = ((when, json.dumps(message)) for when, message in self.messages)
        return next((when for when, text in texts if all(word in text for word in words)), None)

    def wait(self, *words: str, seconds: float) -> float:
        """The time at which a message with all the words came."""
        wait_for(f"a message with {', '.join(words)}", lambda: self.find(*words) is not None, seconds)
        found = self.find(*words)
        assert found
        return found


@pytest.fixture(scope="module")
def slack(live: Live) -> Iterator[Slack]:  # noqa: ARG001  # its bridge has the address
    seen = Slack()

    class Webhook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.path == "/deadman":
                seen.signs_of_life.append(time.time())
            else:
                seen.messages.append((time.time(), json.loads(body)))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer((ADDRESS, SLACK_PORT), Webhook)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield seen
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def burner(live: Live, slack: Slack) -> Iterator[str]:  # noqa: ARG001  # who listens before it burns
    """A service that uses all of its tenth of a CPU."""
    spec = {"Image": live.image(), "Command": ["node", "-e", BURN], "TTY": False}
    task = {
        "ContainerSpec": spec,
        "Resources": {"Limits": {"NanoCPUs": 100_000_000, "MemoryBytes": 96 * 1024**2}},
        "Placement": {"Constraints": [f"node.hostname == {live.managers[0]}"]},
    }
    live.manager.create_service(task, name=BURNER)
    yield BURNER
    live.manager.remove_service(BURNER)


def alert(prometheus: Prometheus, name: str, **labels: str) -> dict[str, Any] | None:
    """The alert as Prometheus has it, pending or firing."""
    alerts: list[dict[str, Any]] = prometheus.get("alerts")["alerts"]
    wanted = {"alertname": name, **labels}.items()
    return next((one for one in alerts if wanted <= one["labels"].items()), None)


def wait_alert(prometheus: Prometheus, name: str, seconds: float, **labels: str) -> tuple[float, float]:
    """Wait until a rule's condition is met: since when (Unix time) it is, and for how many seconds it has to be."""
    wait_for(f"the condition of {name}", lambda: alert(prometheus, name, **labels) is not None, seconds)
    found = alert(prometheus, name, **labels)
    assert found
    rules = (rule for group in prometheus.get("rules")["groups"] for rule in group["rules"])
    needed = next(rule["duration"] for rule in rules if rule["name"] == name)
    return datetime.datetime.fromisoformat(found["activeAt"]).timestamp(), float(needed)


def told_in_time(what: str, since: float, needed: float, told: float) -> None:
    late = told - since - needed
    tell(
        f"{what}: condition met, {needed:.0f} s later firing, "
        f"{late:.0f} s after that in Slack (promised: {PROMISED_SECONDS})"
    )
    assert late <= PROMISED_SECONDS * patience()


def test_a_burning_container_is_pending_first(live: Live, prometheus: Prometheus, burner: str) -> None:
    wait_for("the burner", lambda: len(live.running(burner)) == 1)
    since, _ = wait_alert(prometheus, "ContainerCpuHigh", 180, service=burner)
    found = alert(prometheus, "ContainerCpuHigh", service=burner)
    assert found
    assert found["state"] == "pending"
    tell(f"ContainerCpuHigh is pending {time.time() - since:.0f} s after its condition was met")


def test_a_broken_rollout(live: Live, slack: Slack, prometheus: Prometheus) -> None:
    image = live.image_from("broken", """CMD ["node", "-e", "console.error('no database'); process.exit(3)"]""")
    run = live.operate("deploy", image=image)
    assert run.code != 0
    since, needed = wait_alert(prometheus, "UpdateRolledBack", 60, stack="web", service="web")
    told_in_time("UpdateRolledBack", since, needed, slack.wait("UpdateRolledBack", "web_web", seconds=120))


def test_a_certificate_near_its_end(live: Live, slack: Slack, prometheus: Prometheus, tmp_path: Path) -> None:
    folder = Path(live.where.ca).parent
    authority = pki.KeyPair((folder / "ca.crt").read_text(), (folder / "ca.key").read_text())
    names = sorted(pki.certificate_names((folder / "proxy.crt").read_text()))
    key, ten_days = pki.new_key(), datetime.timedelta(days=pki.LEAF_DAYS - 10)
    (tmp_path / "key.pem").write_text(key)
    now = datetime.datetime.now(datetime.timezone.utc)
    (tmp_path / "certificate.pem").write_text(pki.issue(authority, key, names, [], now - ten_days))
    os.chmod(tmp_path / "key.pem", 0o600)
    files = {
        "proxy_certificate_file": str(tmp_path / "certificate.pem"),
        "proxy_certificate_key_file": str(tmp_path / "key.pem"),
    }
    live.play("site.yml", "--tags", "proxy", "-e", json.dumps(files))
    try:
        since, needed = wait_alert(prometheus, "CertificateExpiresSoon", 120, host=live.where.host)
        told = slack.wait("CertificateExpiresSoon", live.where.host, "firing", seconds=needed + 120)
        told_in_time("CertificateExpiresSoon", since, needed, told)
        assert slack.find("CertificateExpiresVerySoon") is None
    finally:
        live.play("site.yml", "--tags", "proxy")


def test_a_scheduled_run_that_fails(live: Live, slack: Slack, prometheus: Prometheus) -> None:
    """A deploy brings the schedule; two minutes after its first slot at the latest somebody knows that it failed."""
    fails = {"schedule": "* * * * *", "command": ["node", "-e", "process.exit(3)"], "timezone": "Asia/Seoul"}
    before = live.running("web_web")
    done = live.operate("deploy", settings={"cron": {"fails": fails}})
    assert done.code == 0, done.output[-4000:]
    assert {task["ID"] for task in live.running("web_web")} == {task["ID"] for task in before}, "for a label"
    try:
        slot = (time.time() // 60 + 1) * 60
        told = slack.wait("CronRunFailed", "The scheduled run fails of web failed", seconds=60 + 120)
        tell(f"CronRunFailed: in Slack {told - slot:.0f} s after the slot (promised: 120)")
        assert told - slot <= 120 * patience()
        assert prometheus.query('swarm_cron_runs_total{schedule="fails",result="failed"}')
        history = live.operate("history").output
        assert "cron fails" in history
        assert "exit code 3" in history
    finally:
        live.operate("rollback")
    over = slack.wait("CronRunFailed", "resolved", seconds=240)
    tell(f"CronRunFailed: resolved {over - told:.0f} s later, without its schedule")


def test_a_dead_worker_is_named(live: Live, slack: Slack, prometheus: Prometheus) -> None:
    worker = live.workers[0]
    killed = time.time()
    live.container(worker).kill()
    try:
        since, needed = wait_alert(prometheus, "NodeDown", 120, node=worker)
        tell(f"the swarm missed {worker} {since - killed:.0f} s after it was killed")
        told_in_time(
            "NodeDown", since, needed, slack.wait("NodeDown", f"Node {worker} is down", "firing", seconds=needed + 120)
        )
    finally:
        live.container(worker).start()
        live.settle()


def test_a_burning_container_is_told_and_that_it_is_over(
    live: Live, slack: Slack, prometheus: Prometheus, burner: str
) -> None:
    since, needed = wait_alert(prometheus, "ContainerCpuHigh", 60, service=burner)
    assert needed == 300
    told = slack.wait("ContainerCpuHigh", f"{burner}.1", "firing", seconds=since + needed - time.time() + 120)
    told_in_time("ContainerCpuHigh", since, needed, told)
    (task,) = live.running(burner)
    container = task["Status"]["ContainerStatus"]["ContainerID"]
    engine = live.engine(live.managers[0])
    engine.exec_start(engine.exec_create(container, ["touch", "/tmp/enough"])["Id"])
    stopped = time.time()
    over = slack.wait("ContainerCpuHigh", f"{burner}.1", "resolved", seconds=240)
    tell(f"ContainerCpuHigh: resolved in Slack {over - stopped:.0f} s after the burning stopped")


def test_the_dead_man_switch_gives_a_sign_of_life_each_minute(slack: Slack) -> None:
    wait_for("signs of life", lambda: len(slack.signs_of_life) >= 3, 200)
    pauses = [later - earlier for earlier, later in zip(slack.signs_of_life, slack.signs_of_life[1:], strict=False)]
    tell(f"{len(slack.signs_of_life)} signs of life, at most {max(pauses):.0f} s apart")
    assert max(pauses) < 130
    assert slack.find("Deadman") is None


def test_the_webhook_is_nowhere_to_be_read(live: Live) -> None:
    """Not in what the swarm shows, nor in any process' arguments or environment."""
    for items in (live.manager.services(), live.manager.configs(), live.manager.tasks(), live.manager.secrets()):
        assert WEBHOOK_SECRET not in json.dumps(items)
    for process in Path("/proc").glob("[0-9]*"):
        for file in ("cmdline", "environ"):
            try:
                text = (process / file).read_bytes()
            except OSError:
                continue
            assert WEBHOOK_SECRET.encode() not in text, (process / "cmdline").read_bytes()
