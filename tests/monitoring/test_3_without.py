"""Whom monitoring lets in, and an inventory without it: the stack goes, and what it has gathered stays."""

from __future__ import annotations

from ..load.live import SERVICE, Live
from ..waiting import wait_for


def names(live: Live) -> set[str]:
    return {service["Spec"]["Name"].partition("_")[0] for service in live.manager.services()}


def resolves(live: Live, name: str) -> bool:
    """Whether an app's container finds it."""
    engine, label = live.engine(live.managers[0]), f"com.docker.swarm.service.name={SERVICE}"
    container = engine.containers(filters={"label": label})[0]["Id"]
    run = engine.exec_create(container, ["getent", "hosts", name])["Id"]
    engine.exec_start(run)
    return bool(engine.exec_inspect(run)["ExitCode"] == 0)


def test_an_app_finds_nothing_that_it_could_change(live: Live) -> None:
    assert resolves(live, f"tasks.{SERVICE}")
    for service in ("alertmanager", "swarm-exporter", "blackbox-exporter"):
        assert not resolves(live, f"tasks.monitoring_{service}")


def test_it_goes_when_it_is_switched_off(live: Live) -> None:
    figures = f"{live.where.name}-registry-metrics"
    assert "monitoring" in names(live)
    assert live.outer.containers.list(filters={"name": f"^{figures}$"})
    live.play("site.yml", "-e", "monitoring_enabled=false")
    assert names(live) == {"cron", "proxy", "web"}
    # What shows the registry's figures, and the network between the two.
    assert not live.outer.containers.list(all=True, filters={"name": f"^{figures}$"})
    assert not live.outer.networks.list(names=[figures])
    volumes = {volume["Name"] for volume in live.manager.volumes()["Volumes"]}
    assert volumes >= {"monitoring_prometheus", "monitoring_alertmanager"}
    wait_for("three replicas", lambda: len(live.running()) == 3)
