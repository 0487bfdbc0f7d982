# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a scrape answers: the engine's figures, or the swarm's, from what is asked for now and what is remembered."""

from __future__ import annotations

import os
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from prometheus_client import Metric as Family
from prometheus_client.registry import Collector

from swarm_exporter import containers as c
from swarm_exporter import metrics, swarm
from swarm_exporter.access_log import AccessLog, take_lines
from swarm_exporter.certificate import expiry
from swarm_exporter.cron.model import STATE_LABEL, parse_states
from swarm_exporter.cron.samples import cron_samples
from swarm_exporter.engine import Engine, EngineError
from swarm_exporter.metrics import Sample

# For so long after a scrape's begin another container is asked about; Prometheus itself gives up after 10 s.
BUDGET_SECONDS = 5.0
WORKERS = 4
# A manager without quorum takes 20 s to say who it is.
PATIENCE_SECONDS = 30.0
# What hardly ever changes, and says so by an event if at all, is asked for so seldom.
SLOW_SECONDS = 600.0
SAMPLES = {name: (metric, labels) for metric in metrics.ALL for name, labels in metric.samples.items()}


@dataclass(frozen=True)
class Identity:
    """Who the engine is."""

    node: str
    node_id: str
    version: str
    api_version: str


class Exporter(Collector):
    """Common to both modes. ``event_filter``: the events that are followed, as ``GET /events`` takes it."""

    mode = ""
    event_filter: dict[str, list[str]] = {}

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.identity: Identity | None = None
        self.errors: Counter[str] = Counter()
        self._scrape = threading.Lock()
        threading.Thread(target=self._follow_events, daemon=True).start()

    def collect(self) -> Iterator[Family]:
        families: dict[str, Family] = {}
        with self._scrape:
            for name, values, value in list(self._all_samples()):
                metric, labels = SAMPLES[name]
                family = families.get(metric.name)
                if family is None:
                    plain = metric.name.removesuffix("_total")
                    family = families[metric.name] = Family(plain, metric.help, metric.kind)
                family.add_sample(name, dict(zip(labels, values, strict=True)), float(value))
        yield from families.values()

    def _all_samples(self) -> Iterator[Sample]:
        start, node = time.monotonic(), ""
        if self.identity:
            node = self.identity.node
            with self.counted("scrape"):
                yield from self.samples(self.identity)
        seconds = time.monotonic() - start
        yield Sample("swarm_exporter_scrape_duration_seconds", (node, self.mode), seconds)
        for what, count in list(self.errors.items()):
            yield Sample("swarm_exporter_errors_total", (node, self.mode, what), count)

    def samples(self, identity: Identity) -> Iterator[Sample]:
        raise NotImplementedError

    def on_event(self, event: c.Json, identity: Identity) -> None:
        raise NotImplementedError

    def forget(self) -> None:
        """Events may have been missed: nothing that is remembered counts any more."""

    @contextmanager
    def counted(self, what: str) -> Iterator[None]:
        """Whatever goes wrong inside is counted and costs only what is inside."""
        try:
            yield
        except Exception as error:  # an answer that nobody expected is no reason to lose the others
            self.errors[what] += 1
            print(f"{what}: {type(error).__name__}: {error}", flush=True)

    def _follow_events(self) -> None:
        since = ""
        while True:
            with self.counted("events"):
                self.identity = self._identify()
                for event in self.engine.events(self.event_filter, since):
                    if not event:
                        self.forget()
                        continue
                    # Where to go on after a break: just behind this one.
                    seconds, nanoseconds = divmod(event["timeNano"] + 1, 10**9)
                    since = f"{seconds}.{nanoseconds:09}"
                    with self.counted("event"):
                        self.on_event(event, self.identity)
            time.sleep(1)

    def _identify(self) -> Identity:
        info = self.engine.get("/info", timeout_seconds=PATIENCE_SECONDS)
        version = self.engine.get("/version")
        node_id = (info.get("Swarm") or {}).get("NodeID") or ""
        return Identity(info["Name"], node_id, version["Version"], version["ApiVersion"])


class EngineExporter(Exporter):
    """The figures of one engine and its containers."""

    mode = "engine"
    event_filter = {
        "type": ["container"],
        "event": ["start", "update", "kill", "oom", "die", "destroy", "health_status"],
    }

    def __init__(self, engine: Engine, certificate: Path) -> None:
        self.certificate = certificate
        self.mishaps = c.Mishaps()
        self.access_log = AccessLog()
        self._fixed: dict[str, c.Fixed] = {}
        self._following: set[str] = set()
        self._known: set[str] | None = None  # whose log was followed before, or was there before
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(WORKERS)
        super().__init__(engine)

    def on_event(self, event: c.Json, identity: Identity) -> None:
        self._fixed.pop(event["Actor"]["ID"], None)
        self.mishaps.feed(event, identity.node)
        if event["Action"] == "start" and event["Actor"]["Attributes"].get(c.ACCESS_LOG_LABEL) == "json":
            self._follow_log(event["Actor"]["ID"])

    def forget(self) -> None:
        self._fixed.clear()

    def samples(self, identity: Identity) -> Iterator[Sample]:
        node, deadline = identity.node, time.monotonic() + BUDGET_SECONDS
        yield Sample("engine_info", (node, identity.version, identity.api_version), 1)
        with self.counted("certificate"):
            if self.certificate.exists():
                end = expiry(self.certificate.read_text())
                yield Sample("swarm_node_certificate_expiry_timestamp_seconds", (node,), end)
        with self.counted("filesystem"):
            # A container's own root lies on the file system that holds the engine's data.
            root = os.statvfs("/")
            yield Sample("node_docker_filesystem_size_bytes", (node,), root.f_blocks * root.f_frsize)
            yield Sample("node_docker_filesystem_avail_bytes", (node,), root.f_bavail * root.f_frsize)
        yield from self.access_log.samples(node)
        with self.counted("containers"):
            rows = self.engine.get("/containers/json", all=1)
            found = [c.parse_container(row, node) for row in rows]
            self._follow_logs(found)
            yield from c.state_samples(found, node)
            tasks = c.newest(found)
            yield from self.mishaps.samples(tasks, node)
            running = [one for one in tasks if one.state == "running"]
            for samples in self._pool.map(lambda one: self._usage(one, node, deadline), running):
                yield from samples

    def _usage(self, container: c.Container, node: str, deadline: float) -> Iterable[Sample]:
        with self.counted("stats"):
            if time.monotonic() > deadline:
                raise EngineError(f"no time left for {container.id}")
            path = f"/containers/{container.id}"
            try:
                fixed = self._fixed.get(container.id)
                if fixed is None:
                    fixed = self._fixed[container.id] = c.parse_fixed(self.engine.get(f"{path}/json"))
                stats = self.engine.get(f"{path}/stats?stream=false&one-shot=true")
            except EngineError as error:
                if " 404 " in str(error) or not self._runs(path):  # it has gone, or ended, meanwhile
                    return ()
                raise
            return list(c.usage_samples(container, fixed, stats, node))
        return ()

    def _runs(self, path: str) -> bool:
        """Whether a container runs; of one that nothing can be said of, that it does."""
        try:
            return bool(self.engine.get(f"{path}/json")["State"]["Running"])
        except EngineError as error:
            return " 404 " not in str(error)

    def _follow_logs(self, found: Iterable[c.Container]) -> None:
        """What ran before is followed from now on; of what came later nothing is left out."""
        logs = {one.id: one for one in found if one.has_access_log}
        with self._lock:
            self._known = set(logs) if self._known is None else self._known & (set(logs) | self._following)
        for one in logs.values():
            if one.state == "running":
                self._follow_log(one.id)

    def _follow_log(self, container_id: str) -> None:
        with self._lock:
            if self._known is None or container_id in self._following:
                return
            tail = "0" if container_id in self._known else "all"
            self._known.add(container_id)
            self._following.add(container_id)
        threading.Thread(target=self._read_log, args=(container_id, tail), daemon=True).start()

    def _read_log(self, container_id: str, tail: str) -> None:
        buffer = bytearray()
        with self.counted("access_log"):
            for chunk in self.engine.stream(f"/containers/{container_id}/logs", stdout=1, follow=1, tail=tail):
                buffer += chunk
                for line in take_lines(buffer):
                    if not self.access_log.add(line):
                        self.errors["access_log_line"] += 1
        with self._lock:
            self._following.discard(container_id)


class SwarmExporter(Exporter):
    """The swarm's state, told by the leader alone; any manager tells what is to be scraped."""

    mode = "swarm"
    event_filter = {"type": ["config"]}

    def __init__(self, engine: Engine, platform_ca: Path) -> None:
        self.platform_ca = platform_ca
        self._slow: list[Sample] = []
        self._slow_until = 0.0
        super().__init__(engine)

    def on_event(self, event: c.Json, identity: Identity) -> None:  # noqa: ARG002  any will do
        self.forget()

    def forget(self) -> None:
        self._slow_until = 0.0

    def samples(self, identity: Identity) -> Iterator[Sample]:
        with self.counted("platform_ca"):
            if self.platform_ca.exists():
                end = expiry(self.platform_ca.read_text())
                yield Sample("swarm_platform_ca_certificate_expiry_timestamp_seconds", (identity.node,), end)
        leads = None
        with self.counted("leader"):
            leads = swarm.is_leader(self.engine.get(f"/nodes/{identity.node_id}"))
        yield Sample("swarm_manager_has_leader", (identity.node,), leads is not None)
        yield Sample("swarm_node_is_leader", (identity.node,), bool(leads))
        if leads:
            with self.counted("swarm"):
                state = self.state()
                yield from swarm.node_samples(state.nodes)
                yield from swarm.service_samples(state)
                yield from self._slow_samples()
            with self.counted("cron"):
                configs = self.engine.get("/configs", filters={"label": [STATE_LABEL]})
                yield from cron_samples(state.services, parse_states(configs))

    def state(self) -> swarm.Swarm:
        return swarm.Swarm(*(self.engine.get(path) for path in ("/nodes", "/services", "/tasks")))

    def _slow_samples(self) -> list[Sample]:
        if time.monotonic() >= self._slow_until:
            # Before it is asked for: an event that comes meanwhile must not be lost.
            self._slow_until = time.monotonic() + SLOW_SECONDS
            try:
                configs = self.engine.get("/configs", filters={"label": [swarm.STACK_LABEL]})
                authority = self.engine.get("/swarm")["TLSInfo"]["TrustRoot"]
                self._slow = [
                    *swarm.revision_samples(swarm.revisions_in_force(configs)),
                    Sample("swarm_ca_certificate_expiry_timestamp_seconds", (), expiry(authority)),
                ]
            except Exception:  # asked for again next time, and counted by the caller
                self.forget()
                raise
        return self._slow
