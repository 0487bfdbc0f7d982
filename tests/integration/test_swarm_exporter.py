"""swarm-exporter on real engines: what it tells of containers, rollouts, nodes and the proxy's log; its cost."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import docker
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from ..waiting import patience, until, wait_for

ROOT = Path(__file__).resolve().parents[2]
Run = Callable[..., dict[str, Any]]
ENGINE_PORT, SWARM_PORT = 9180, 9181
SOCKET = "/var/run/docker.sock:/var/run/docker.sock"
CERTIFICATES = "/var/lib/docker/swarm/certificates"
REQUEST = {"host": "web.localhost", "status": 200, "request_time": 0.2, "uri": "/"}
REQUESTS = [
    *[REQUEST] * 20,
    *[{**REQUEST, "status": 502}] * 3,
    *[{**REQUEST, "host": "evil.example", "status": 421}] * 2,
]
TALKER = (
    f"import json, time\nfor one in {REQUESTS!r}: print(json.dumps(one), flush=True)\nprint('no request', flush=True)\n"
)
EXPORTER = {
    "user": "0:0",
    "read_only": True,
    "cap_drop": ["ALL"],
    "networks": ["monitoring"],
    "volumes": [SOCKET, f"{CERTIFICATES}:{CERTIFICATES}:ro"],
}
LABELS = {"io.fungap.metrics.port": str(ENGINE_PORT), "io.fungap.metrics.kind": "exporter"}
LIMITS = {"limits": {"cpus": "0.5", "memory": "64M"}}


def exporters(image: str) -> dict[str, Any]:
    """The exporters as a platform runs them; the ports are for this test."""

    def deploy(*constraints: str) -> dict[str, Any]:
        placement = {"constraints": list(constraints)}
        return {
            "mode": "global",
            "endpoint_mode": "dnsrr",
            "labels": LABELS,
            "placement": placement,
            "resources": LIMITS,
        }

    def port(published: int) -> list[dict[str, Any]]:
        return [{"target": ENGINE_PORT, "published": published, "mode": "host"}]

    return {
        "engine-exporter": {
            **EXPORTER,
            "image": image,
            "environment": {"MODE": "engine"},
            "ports": port(ENGINE_PORT),
            "deploy": deploy(),
        },
        "swarm-exporter": {
            **EXPORTER,
            "image": image,
            "environment": {"MODE": "swarm"},
            "ports": port(SWARM_PORT),
            "deploy": deploy("node.role == manager"),
        },
    }


def apps(image: str) -> dict[str, Any]:
    """A service that is well and busy, one that ends again and again, one that wants too much memory, and a proxy."""

    def service(code: str, memory: str = "64M", **more: Any) -> dict[str, Any]:
        deploy = {
            "endpoint_mode": "dnsrr",
            "placement": {"constraints": ["node.hostname == worker1"]},
            "restart_policy": {"delay": "1s"},
            "resources": {"limits": {"cpus": "0.25", "memory": memory}},
            **more.pop("deploy", {}),
        }
        return {"image": image, "entrypoint": ["python3", "-c", code], "networks": ["public"], "deploy": deploy, **more}

    labels = {
        "io.fungap.metrics.port": "3000",
        "io.fungap.metrics.kind": "app",
        "io.fungap.metrics.path": "/figures",
        "io.fungap.hosts": "web.localhost",
        "io.fungap.probe.path": "/health",
    }
    check = {"test": ["CMD", "test", "-d", "/tmp"], "interval": "1s"}
    return {
        "web": service(
            "while True: pass",
            healthcheck=check,
            deploy={"labels": labels, "replicas": 1, "update_config": {"failure_action": "pause", "monitor": "2s"}},
        ),
        "ending": service("import time; time.sleep(1); raise SystemExit(3)"),
        "hungry": service("x = bytearray(500_000_000)", memory="32M"),
        "proxy": service(TALKER + "time.sleep(3600)", labels={"io.fungap.access-log": "json"}),
    }


class Figures:
    """What one scrape told."""

    def __init__(self, text: str) -> None:
        families = text_string_to_metric_families(text)
        self.samples = [sample for family in families for sample in family.samples]

    def all(self, name: str, **labels: str) -> list[Any]:
        return [one for one in self.samples if one.name == name and labels.items() <= one.labels.items()]

    def __call__(self, name: str, **labels: str) -> float | None:
        """The value of the one sample with these labels; None where there is none."""
        found = self.all(name, **labels)
        assert len(found) <= 1, found
        return float(found[0].value) if found else None


def copy_image(lab: Any, image: str) -> None:
    """Load it into all nodes, with its name."""
    lab.copy_image(image, *lab.nodes)
    for node in lab.nodes.values():
        node.api.tag(lab.outer.images.get(image).id, *image.split(":"))


def get(address: str, port: int, path: str = "/metrics") -> str:
    connection = http.client.HTTPConnection(address, port, timeout=15)
    connection.request("GET", path)
    answer = connection.getresponse()
    text = answer.read().decode()
    if answer.status != 200:
        raise OSError(text)
    return text


class Site:
    """A manager and a worker with the exporters."""

    def __init__(self, lab: Any, image: str) -> None:
        self.lab, self.image = lab, image
        self.manager, self.worker = lab.start("manager1", "worker1")
        copy_image(lab, image)
        api = self.manager.api
        api.init_swarm(advertise_addr=self.manager.address, listen_addr=f"{self.manager.address}:2377")
        self.worker.api.join_swarm(
            remote_addrs=[f"{self.manager.address}:2377"],
            join_token=api.inspect_swarm()["JoinTokens"]["Worker"],
            listen_addr=f"{self.worker.address}:2377",
            advertise_addr=self.worker.address,
        )

    def deploy(self, stack: str, services: dict[str, Any]) -> None:
        own = {name: {"name": name, "driver": "overlay"} for name in {one["networks"][0] for one in services.values()}}
        compose = yaml.safe_dump({"version": "3.8", "services": services, "networks": own})
        command = ["docker", "--host", f"unix://{self.manager.socket}", "stack", "deploy", "--resolve-image", "never"]
        done = subprocess.run(
            [*command, "-c", "-", stack], input=compose, capture_output=True, text=True, check=False, timeout=60
        )
        assert done.returncode == 0, done.stderr

    def scrape(self, node: Any, port: int = ENGINE_PORT) -> Figures:
        return Figures(get(node.address, port))

    def swarm(self) -> Figures:
        return self.scrape(self.manager, SWARM_PORT)

    def discovered(self, what: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(get(self.manager.address, SWARM_PORT, f"/sd/{what}"))
        return sorted(found, key=lambda one: str(one["labels"].get("instance")))


def wait(what: Callable[[], Any], seconds: float = 60) -> Any:
    """What the answer is once it is something; a figure of two series at a moment is none yet."""

    def look() -> Any:
        with contextlib.suppress(AssertionError):
            return what()
        return None

    found = until(look, seconds)
    assert found, found
    return found


@pytest.fixture(scope="module")
def image(run_module: Run) -> str:
    """The exporter's image, by the catalog."""
    text = (ROOT / "roles/images/defaults/main.yml").read_text().replace("{{ role_path }}", str(ROOT / "roles/images"))
    made = run_module("image_catalog", {"catalog": yaml.safe_load(text)["images_catalog"], "names": ["swarm-exporter"]})
    assert "images" in made, made
    return str(made["images"]["swarm-exporter"]["image"])


@pytest.fixture(scope="module")
def site(shared_engines: Any, image: str) -> Iterator[Site]:
    site = Site(shared_engines, image)
    site.deploy("monitoring", exporters(image))
    for node, port in ((site.manager, ENGINE_PORT), (site.manager, SWARM_PORT), (site.worker, ENGINE_PORT)):
        wait(lambda node=node, port=port: site.scrape(node, port).all("swarm_exporter_scrape_duration_seconds"))
    wait(lambda: site.scrape(site.worker)("engine_info"))
    site.deploy("shop", apps(image))
    wait(lambda: site.swarm()("swarm_service_replicas_running", stack="shop", service="web") == 1)
    return site


def cpu_seconds(node: Any, service: str) -> float:
    """What a service's one container has used so far, by its engine."""
    (container,) = node.api.containers(filters={"label": f"com.docker.swarm.service.name={service}"})
    stats = node.api.stats(container["Id"], stream=False, one_shot=True)
    return float(stats["cpu_stats"]["cpu_usage"]["total_usage"] / 1e9)


def test_a_busy_container(site: Site) -> None:
    web = {"node": "worker1", "stack": "shop", "service": "web", "task": "web.1", "image": site.image}
    name = "container_cpu_usage_seconds_total"
    wait(lambda: site.scrape(site.worker)(name, **web))
    before = cpu_seconds(site.worker, "shop_web")
    used = wait(lambda: site.scrape(site.worker)(name, **web))
    assert 0 < before <= used <= cpu_seconds(site.worker, "shop_web"), "as the engine itself has it"
    wait(lambda: (site.scrape(site.worker)(name, **web) or 0) > used)
    now = site.scrape(site.worker)
    assert now("container_spec_cpu_limit_cores", **web) == 0.25
    assert now("container_spec_memory_limit_bytes", **web) == 64 * 1024**2
    assert 1e6 < now("container_memory_working_set_bytes", **web) <= now("container_memory_usage_bytes", **web) < 64e6
    assert time.time() - 120 * patience() < now("container_start_time_seconds", **web) < time.time()
    assert wait(lambda: site.scrape(site.worker)("container_healthy", **web)) == 1
    assert now("container_healthy", stack="shop", service="proxy") is None, "it has no health check"
    assert now("container_restarts_total", **web) == now("container_oom_kills_total", **web) == 0
    exporter = now.all("container_network_transmit_bytes_total", service="engine-exporter")[0]
    assert exporter.labels["task"] == "engine-exporter.worker1"
    assert exporter.value > 1000


def test_the_engine(site: Site) -> None:
    now = site.scrape(site.worker)
    version = site.worker.api.version()
    assert now("engine_info", node="worker1", version=version["Version"], api_version=version["ApiVersion"]) == 1
    assert now("engine_containers", node="worker1", state="running") >= 3
    certificate = now("swarm_node_certificate_expiry_timestamp_seconds", node="worker1")
    assert 80 * 86400 < certificate - time.time() < 91 * 86400, "swarm's own are valid for 90 days"
    size, free = (now(f"node_docker_filesystem_{what}_bytes", node="worker1") for what in ("size", "avail"))
    disk = os.statvfs("/var/lib/docker")
    assert size == disk.f_blocks * disk.f_frsize
    assert free == pytest.approx(disk.f_bavail * disk.f_frsize, rel=0.1)
    assert not now.all("swarm_exporter_errors_total", what="stats")
    assert now("process_resident_memory_bytes") < 64 * 1024**2


def test_what_ends_by_itself_is_counted(site: Site) -> None:
    task = {"stack": "shop", "service": "ending", "task": "ending.1"}
    wait(lambda: (site.scrape(site.worker)("container_restarts_total", **task) or 0) >= 2)
    # The manager hears of an end after the engine.
    wait(lambda: site.swarm()("swarm_service_tasks_failed", stack="shop", service="ending") >= 2)
    assert site.scrape(site.worker)("container_oom_kills_total", **task) == 0


def test_what_wants_too_much_memory_is_counted(site: Site) -> None:
    task = {"stack": "shop", "service": "hungry", "task": "hungry.1"}
    wait(lambda: (site.scrape(site.worker)("container_oom_kills_total", **task) or 0) >= 1)


def test_the_proxys_requests(site: Site) -> None:
    requests = {"node": "worker1", "host": "web.localhost"}
    # The last line of its log.
    wait(lambda: site.scrape(site.worker)("swarm_exporter_errors_total", what="access_log_line"))
    now = site.scrape(site.worker)
    assert now("proxy_requests_total", **requests, code="200") == 20
    assert now("proxy_requests_total", **requests, code="502") == 3
    assert now("proxy_requests_total", node="worker1", host="other", code="421") == 2
    assert now("proxy_request_duration_seconds_count", **requests) == 23
    assert now("proxy_request_duration_seconds_sum", **requests) == pytest.approx(4.6)
    assert now("proxy_request_duration_seconds_bucket", **requests, le="0.25") == 23
    assert now("proxy_request_duration_seconds_bucket", **requests, le="0.1") == 0
    assert now("swarm_exporter_errors_total", what="access_log_line") == 1


def test_the_swarm(site: Site) -> None:
    now = site.swarm()
    assert now("swarm_manager_has_leader", node="manager1") == now("swarm_node_is_leader", node="manager1") == 1
    assert now("swarm_node_info", node="worker1", role="worker", address=site.worker.address) == 1
    assert now("swarm_node_state", node="worker1", state="ready") == 1
    assert now("swarm_node_availability", node="worker1", availability="drain") == 0
    assert now("swarm_node_reachable", node="manager1") == 1
    exporter = {"stack": "monitoring", "service": "engine-exporter"}
    assert now("swarm_service_replicas_desired", **exporter) == now("swarm_service_replicas_running", **exporter) == 2
    assert now("swarm_service_tasks", **exporter, state="running") == 2
    assert now("swarm_service_update_state", **exporter, state="none") == 1
    assert now("swarm_ca_certificate_expiry_timestamp_seconds") > time.time() + 365 * 86400
    assert not now.all("swarm_exporter_errors_total")


def test_a_revision(site: Site) -> None:
    def record(number: int, verdict: str, kind: str) -> None:
        labels = {"io.fungap.stack": "shop", "io.fungap.revision": str(number), "io.fungap.verdict": verdict}
        site.manager.api.create_config(f"fungap.shop.{number}", json.dumps({"kind": kind}), labels=labels)

    record(1, "converged", "site")
    wait(lambda: site.swarm()("swarm_stack_revision", stack="shop") == 1, seconds=5)
    record(2, "converged", "deploy")
    record(3, "rolled_back", "deploy")
    wait(lambda: site.swarm()("swarm_stack_revision", stack="shop") == 2, seconds=5)
    when = site.swarm()("swarm_stack_revision_timestamp_seconds", stack="shop", kind="deploy")
    assert time.time() - 30 * patience() < when < time.time()


def test_what_is_to_be_scraped_and_probed(site: Site) -> None:
    found = site.discovered("exporters")
    nodes = {"engine-exporter.manager1", "engine-exporter.worker1", "swarm-exporter.manager1"}
    assert {one["labels"]["instance"] for one in found} == nodes
    (app,) = site.discovered("apps")
    address, port = app["targets"][0].split(":")
    assert port == "3000"
    (task,) = site.manager.api.tasks(filters={"service": "shop_web", "desired-state": "running"})
    assert task["NetworksAttachments"][0]["Addresses"] == [f"{address}/24"]
    assert app["labels"] == {
        "__metrics_path__": "/figures",
        "job": "web",
        "instance": "web.1",
        "node": "worker1",
        "stack": "shop",
        "service": "web",
        "task": "web.1",
    }
    route = {"host": "web.localhost", "stack": "shop", "path": "/health"}
    assert site.discovered("routes") == [{"targets": ["web.localhost"], "labels": route}]


def test_a_rollout_that_fails(site: Site) -> None:
    changed = apps(site.image)
    changed["web"]["entrypoint"] = ["false"]
    site.deploy("shop", changed)
    web = {"stack": "shop", "service": "web"}
    wait(lambda: site.swarm()("swarm_service_update_state", **web, state="paused") == 1)
    now = site.swarm()
    assert now("swarm_service_update_state", **web, state="updating") == 0
    assert time.time() - 60 * patience() < now("swarm_service_update_timestamp_seconds", **web) < time.time()
    assert now("swarm_service_replicas_running", **web) == 0
    assert now("swarm_service_tasks_failed", **web) >= 1


@contextmanager
def stopped(node: Any, program: str, word: str = "") -> Iterator[None]:
    """A node's only process of a program (with a word in its command line) doesn't go on meanwhile."""
    processes = docker.from_env().containers.get(node.container).top(ps_args="-ww -eo pid,args")["Processes"]
    (pid,) = [pid for pid, line in processes if Path(line.split()[0]).name.startswith(program) and word in line]
    subprocess.run(["kill", "-STOP", pid], check=True)
    try:
        yield
    finally:
        subprocess.run(["kill", "-CONT", pid], check=True)


def timed_scrape(site: Site, node: Any, port: int = ENGINE_PORT) -> Figures:
    start = time.monotonic()
    found = site.scrape(node, port)
    assert time.monotonic() - start < 9 * patience(), "Prometheus gives up after 10 s"
    return found


def errors(figures: Figures, **labels: str) -> float:
    return figures("swarm_exporter_errors_total", **labels) or 0


def test_a_container_that_does_not_answer_costs_its_own_figures(site: Site) -> None:
    (silent,) = site.worker.api.containers(filters={"label": "com.docker.swarm.service.name=shop_proxy"})
    name, proxy = "container_memory_usage_bytes", {"service": "proxy"}
    before = site.scrape(site.worker)
    assert before(name, **proxy)
    with stopped(site.worker, "containerd-shim", silent["Id"]):
        found = timed_scrape(site, site.worker)
        assert found(name, **proxy) is None
        assert found(name, service="engine-exporter"), "the others are there"
        assert found("container_restarts_total", **proxy) == 0
        error = {"node": "worker1", "mode": "engine", "what": "stats"}
        assert errors(found, **error) > errors(before, **error)
    wait(lambda: site.scrape(site.worker)(name, **proxy))


def test_an_engine_that_does_not_answer_costs_figures_not_the_scrape(site: Site) -> None:
    name = "engine_containers"
    before = site.scrape(site.worker)
    assert before(name, node="worker1", state="running")
    with stopped(site.worker, "dockerd"):
        found = timed_scrape(site, site.worker)
    assert found("engine_info", node="worker1") == 1
    assert not found.all(name)
    error = {"node": "worker1", "mode": "engine", "what": "containers"}
    assert errors(found, **error) > errors(before, **error)
    wait(lambda: site.scrape(site.worker)(name, node="worker1", state="running"), seconds=15)


def test_a_node_that_died(site: Site) -> None:
    site.lab.stop("worker1")
    wait(lambda: site.swarm()("swarm_node_state", node="worker1", state="down") == 1)
    now = site.swarm()
    assert now("swarm_node_state", node="worker1", state="ready") == 0
    exporter = {"stack": "monitoring", "service": "engine-exporter"}
    wait(lambda: site.swarm()("swarm_service_replicas_running", **exporter) == 1)
    assert [one["labels"]["instance"] for one in site.discovered("exporters")] == [
        "engine-exporter.manager1",
        "swarm-exporter.manager1",
    ]


def test_managers_without_a_leader(site: Site) -> None:
    """The worker comes back, becomes a second manager, and dies again: no quorum."""
    docker.from_env().containers.get(site.worker.container).start()
    site.lab.wait("worker1")
    wait(lambda: site.swarm()("swarm_node_state", node="worker1", state="ready") == 1)
    api = site.manager.api

    def promote() -> Any:
        (found,) = [one for one in api.nodes() if one["Description"]["Hostname"] == "worker1"]
        return api.update_node(found["ID"], found["Version"]["Index"], {**found["Spec"], "Role": "manager"})

    # Swarm may have written the node meanwhile.
    wait_for("worker1 to be promoted", promote, 10)
    wait(lambda: site.scrape(site.worker, SWARM_PORT)("swarm_manager_has_leader", node="worker1") == 1)
    follower = site.scrape(site.worker, SWARM_PORT)
    assert follower("swarm_node_is_leader", node="worker1") == 0
    assert not follower.all("swarm_node_info"), "the leader tells it"
    assert json.loads(get(site.worker.address, SWARM_PORT, "/sd/routes")) == site.discovered("routes")

    site.lab.stop("worker1")
    wait(lambda: timed_scrape(site, site.manager, SWARM_PORT)("swarm_manager_has_leader", node="manager1") == 0)
    assert timed_scrape(site, site.manager, SWARM_PORT)("swarm_node_is_leader", node="manager1") == 0


# --- the cost ---

CONTAINERS = 60
INTERVAL_SECONDS = 15
SCRAPES = 30
ENGINE_PROCESSES = ("dockerd", "containerd", "containerd-shim")


def engine_seconds(container: str) -> float:
    """CPU seconds of a node's engine so far: of its daemons and of the shims beside its containers."""
    ticks = 0
    for pid, name in docker.from_env().containers.get(container).top(ps_args="-eo pid,comm")["Processes"]:
        if name.startswith(ENGINE_PROCESSES):
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def cpu_and_memory(before: Figures, after: Figures) -> tuple[float, float]:
    """CPU seconds a scrape, and MiB."""
    name = "process_cpu_seconds_total"
    return (
        ((after(name) or 0) - (before(name) or 0)) / (SCRAPES + 1),
        (after("process_resident_memory_bytes") or 0) / 1024**2,
    )


def test_the_cost_of_sixty_containers(engines: Any, image: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Both modes on one node whose engine runs the 60 tasks of a service."""
    (node,) = engines.start("one")
    copy_image(engines, image)
    api = node.api
    api.init_swarm(advertise_addr=node.address, listen_addr=f"{node.address}:2377")
    for mode, port in (("engine", ENGINE_PORT), ("swarm", SWARM_PORT)):
        limits = api.create_host_config(
            mem_limit="64m", binds=[SOCKET], read_only=True, cap_drop=["ALL"], port_bindings={ENGINE_PORT: port}
        )
        api.start(api.create_container(image, environment={"MODE": mode}, ports=[ENGINE_PORT], host_config=limits))
    sleeper = {"Image": image, "Command": ["sleep", "3600"], "Init": False}
    resources = {"Limits": {"MemoryBytes": 16 * 1024**2}}
    api.create_service(
        {"ContainerSpec": sleeper, "Resources": resources},
        name="sleeper",
        mode={"Replicated": {"Replicas": CONTAINERS}},
    )

    def scrape(port: int) -> Figures:
        return Figures(get(node.address, port))

    def measure(port: int) -> tuple[list[Figures], float]:
        """The scrapes, and the engine's CPU seconds beyond what it needs without them."""
        idle_from = engine_seconds(node.container)
        time.sleep(SCRAPES)
        engine_from, start = engine_seconds(node.container), time.monotonic()
        found = []
        for number in range(SCRAPES + 2):
            found.append(scrape(port))
            time.sleep(max(0.0, start + (number + 1) * SCRAPES / (SCRAPES + 2) - time.monotonic()))
        return found, (engine_seconds(node.container) - engine_from - (engine_from - idle_from)) / len(found)

    running = CONTAINERS + 2
    wait(lambda: scrape(ENGINE_PORT)("engine_containers", state="running") == running, seconds=150)
    time.sleep(5)
    for mode, port, name, series in (
        ("engine", ENGINE_PORT, "container_cpu_usage_seconds_total", running),
        ("swarm", SWARM_PORT, "swarm_service_tasks", 9),
    ):
        found, engine = measure(port)
        assert len(found[-1].all(name)) == series
        # While the sixty started, a scrape may have found no time for all of them.
        counts = [[(one.labels, one.value) for one in figures.all("swarm_exporter_errors_total")] for figures in found]
        assert counts[-1] == counts[0]
        cpu, memory = cpu_and_memory(found[0], found[-1])
        durations = sorted(one("swarm_exporter_scrape_duration_seconds") or 0 for one in found)
        with capsys.disabled():
            print(
                f"\nswarm-exporter, {mode}, {CONTAINERS} containers: {cpu * 1000:.1f} ms CPU a scrape, "
                f"{cpu / INTERVAL_SECONDS:.2%} of a core at {INTERVAL_SECONDS} s; RSS {memory:.1f} MiB; "
                f"a scrape takes {durations[SCRAPES // 2] * 1000:.0f} ms; the engine spends {engine * 1000:.1f} ms CPU "
                f"a scrape, {engine / INTERVAL_SECONDS:.2%} of a core"
            )
        assert cpu / INTERVAL_SECONDS < 0.01 * patience()
        assert memory < 64


def test_the_machines_own_engine(image: str) -> None:
    """Another version than the nodes'."""
    outer = docker.from_env()
    running = outer.containers.run(
        image, detach=True, read_only=True, cap_drop=["ALL"], volumes=[SOCKET], ports={ENGINE_PORT: ("127.0.0.1", None)}
    )
    try:
        running.reload()
        port = int(running.ports[f"{ENGINE_PORT}/tcp"][0]["HostPort"])

        def scrape() -> Figures:
            return Figures(get("127.0.0.1", port))

        wait(lambda: scrape()("engine_info", version=outer.version()["Version"]))
        now = scrape()
        own = {"stack": "", "service": "", "task": running.name}
        assert now("container_cpu_usage_seconds_total", **own) > 0
        assert now("container_memory_working_set_bytes", **own) > 1e6
        assert now("container_network_receive_bytes_total", **own) > 0
        # Other tests' containers may end, or be slow to answer, while they are looked at.
        assert {one.labels["what"] for one in now.all("swarm_exporter_errors_total")} <= {"stats"}
    finally:
        running.remove(force=True)
