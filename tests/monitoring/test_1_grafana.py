"""A real Grafana, where its image can be had: what is provisioned is there, and nobody gets in without a login.

Where Docker Hub can be reached, FUNGAP_GRAFANA_IMAGE=grafana/grafana:<tag> makes the tests' inventory pull it.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from ..load.live import Live
from ..waiting import wait_for
from .prometheus import Page
from .queries import dashboards

SERVICE = "monitoring_grafana"


class Grafana(Page):
    """With a session of its own, as a browser has after the form."""

    def __init__(self, live: Live) -> None:
        super().__init__(live, "grafana")
        self.session: dict[str, str] = {}

    def log_in(self, password: str) -> int:
        status, _, headers = self.ask("/login", body={"user": "admin", "password": password})
        cookies = [value.partition(";")[0] for value in headers.get_all("Set-Cookie", [])]
        self.session = {"Cookie": "; ".join(cookies)}
        return status

    def get(self, path: str) -> Any:
        status, body, _ = self.ask(path, headers=self.session)
        assert status == 200, (status, body[:300])
        return json.loads(body)


@pytest.fixture(scope="module")
def grafana(live: Live) -> Grafana:
    if SERVICE not in {service["Spec"]["Name"] for service in live.manager.services()}:
        pytest.skip("no image of Grafana can be had here: Debian has no package of it, and Docker Hub is out of reach")
    wait_for("Grafana", lambda: len(live.running(SERVICE)) == 1, 120)
    return Grafana(live)


def test_nobody_gets_in_without_a_login(grafana: Grafana) -> None:
    assert grafana.ask("/api/search")[0] == 401
    assert grafana.log_in("wrong") == 401
    assert grafana.log_in(grafana.password("grafana")) == 200


def test_data_source_and_dashboards_are_there(grafana: Grafana) -> None:
    assert grafana.log_in(grafana.password("grafana")) == 200
    (source,) = grafana.get("/api/datasources")
    assert (source["uid"], source["type"], source["readOnly"]) == ("prometheus", "prometheus", True)
    assert grafana.get("/api/datasources/uid/prometheus/health")["status"] == "OK"
    found = {one["uid"]: one["folderTitle"] for one in grafana.get("/api/search?type=dash-db")}
    assert found == {dashboard["uid"]: "Platform" for dashboard in dashboards().values()}
    for uid in found:
        assert grafana.get(f"/api/dashboards/uid/{uid}")["meta"]["provisioned"] is True
