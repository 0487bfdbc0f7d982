"""Every query of every dashboard, asked of a Prometheus that watches a running platform, returns something."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path

from ..load.live import Live
from ..steps import tell
from ..waiting import patience
from .prometheus import Prometheus
from .queries import Query, dashboards, queries

# For the first scrapes after the platform has come up, and for rates over a minute.
WAIT_SECONDS = 150
ROLLBACK = "nobody has rolled back what is in force"
NO_FAILURE = "no rollout has failed"
# Query -> why nothing is right for it.
MAY_BE_EMPTY = {
    f"{dashboard['title']}: annotation {mark}": reason
    for dashboard in dashboards().values()
    for mark, reason in (("Rollbacks", ROLLBACK), ("Failed rollouts", NO_FAILURE))
}
MAY_BE_EMPTY |= {
    "Platform: Alerts": "no alert fires",
    "Platform: Lack replicas": "all replicas run",
    "Services and rollouts: Lack replicas": "all replicas run",
}
if not Path("/proc/pressure/cpu").exists():
    MAY_BE_EMPTY |= {
        f"Manager node: Pressure ({{{{node}}}} {what})": "the kernel does not measure pressure"
        for what in ("CPU", "memory", "disk")
    }


def all_queries() -> list[Query]:
    return [query for dashboard in dashboards().values() for query in queries(dashboard)]


def ask(prometheus: Prometheus) -> dict[str, int]:
    """Query -> number of series."""
    return {query.where: len(prometheus.query(query.expression)) for query in all_queries()}


def empty(counts: dict[str, int]) -> list[str]:
    return [where for where, count in counts.items() if count == 0 and where not in MAY_BE_EMPTY]


def test_every_query_returns_series(live: Live, prometheus: Prometheus) -> None:
    assert MAY_BE_EMPTY.keys() <= {query.where for query in all_queries()}
    started, counts = time.monotonic(), dict[str, int]()
    with live.load("what the dashboards show", factor=0.3):
        while (not counts or empty(counts)) and time.monotonic() - started < WAIT_SECONDS * patience():
            time.sleep(5)
            with suppress(OSError):  # an answer that is late
                counts = ask(prometheus)
    assert counts, "Prometheus does not answer"
    width = max(map(len, counts))
    for where, count in counts.items():
        tell(f"{where:<{width}} {count:4}  {MAY_BE_EMPTY.get(where, '') if count == 0 else ''}".rstrip())
    tell(f"{len(counts)} queries, {sum(counts.values())} series, after {time.monotonic() - started:.0f} s")
    assert empty(counts) == []


def test_each_rule_can_be_evaluated(prometheus: Prometheus) -> None:
    rules = [rule for group in prometheus.get("rules")["groups"] for rule in group["rules"]]
    assert {rule["name"]: rule.get("lastError") for rule in rules if rule["health"] == "err"} == {}
    slowest = max(rules, key=lambda rule: rule["evaluationTime"])
    tell(f"{len(rules)} rules; the slowest, {slowest['name']}, takes {slowest['evaluationTime'] * 1000:.1f} ms")


def test_nothing_is_told_while_all_is_well(prometheus: Prometheus) -> None:
    alerts = [series["metric"] for series in prometheus.query('ALERTS{alertstate="firing"}')]
    told = [f"{alert['alertname']} {alert}" for alert in alerts if alert["alertname"] != "Deadman"]
    # The machine that tests run on may be short of anything: that is not the platform's fault.
    assert [line for line in told if not line.startswith(("Host", "NodeCpu", "Disk"))] == []
    assert "Deadman" in {alert["alertname"] for alert in alerts}
