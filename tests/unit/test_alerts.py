# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What an inventory says of alerts: which rule comes of it, and what is refused."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from swarm_exporter import metrics
from swarm_exporter.metrics import Row

from ansible_collections.fungap.swarm.plugins.plugin_utils.alerts import (
    ALERTS,
    RED,
    check_alerts,
    check_receivers,
    check_rule_files,
    duration_words,
    monitoring_dashboards,
    monitoring_rules,
)
from ansible_collections.fungap.swarm.plugins.plugin_utils.kinds.amounts import DAY_SECONDS
from tests.monitoring.queries import dashboards, queries
from tests.promql import Selector, jobs, selectors
from tests.promql import rules as rules_of_files

ROOT = Path(__file__).resolve().parents[2]
FILES = {file.name: file.read_text() for file in sorted((ROOT / "roles/monitoring/files/rules").glob("*.yml"))}


def rules(files: dict[str, str]) -> dict[str, dict[str, Any]]:
    groups = [group for text in files.values() for group in yaml.safe_load(text)["groups"]]
    return {rule["alert"]: rule for group in groups for rule in group["rules"] if "alert" in rule}


def test_the_table_has_every_alert_and_its_default() -> None:
    found = rules(FILES)
    assert found.keys() == ALERTS.keys()
    for name, threshold in ALERTS.items():
        if threshold:
            expression = re.escape(threshold.expression(threshold.value))
            assert len(re.findall(rf"{expression}(?![\d.])", found[name]["expr"])) == 1, name


def test_the_docs_have_them_all() -> None:
    """Name, threshold, duration, severity."""
    text = (ROOT / "docs/monitoring.md").read_text()
    rows = re.findall(r"^\| \[(\w+)\]\(#\w+\) \| (?:`(.+)` )?\| (?:(\S+) )?\| (\w+) \|$", text, re.MULTILINE)
    assert rows == [
        (
            name,
            f"{threshold.setting}: {threshold.value}" if threshold else "",
            rules(FILES)[name].get("for", ""),
            rules(FILES)[name]["labels"]["severity"],
        )
        for name, threshold in ALERTS.items()
    ]


def test_without_changes_the_files_are_as_they_are() -> None:
    assert monitoring_rules(FILES, {}, {"/x/shop.yml": "groups: []"}) == {**FILES, "own-shop.yml": "groups: []"}
    changed = monitoring_rules(FILES, {"HostCpuHigh": {"above": 0.9}}, {})
    assert [name for name in FILES if changed[name] != FILES[name]] == ["hosts.yml"]


def test_thresholds_durations_and_severities() -> None:
    wanted: dict[str, dict[str, Any]] = {
        "HostCpuHigh": {"above": 0.9, "for": "10m", "severity": "warning"},
        "ContainerCpuHigh": {"enabled": False},
        "CertificateExpiresSoon": {"below": "30d", "for": "1h"},
        "ContainerRestarting": {"above": 5},
        "UpdatePaused": {"for": "1m"},
    }
    before, found = rules(FILES), rules(monitoring_rules(FILES, wanted, {}))
    assert before.keys() - found.keys() == {"ContainerCpuHigh"}
    assert {name for name in found if found[name] != before[name]} == wanted.keys() - {"ContainerCpuHigh"}
    cpu = found["HostCpuHigh"]
    assert (cpu["expr"], cpu["for"], cpu["labels"]) == (
        'host:cpu_busy:ratio{job=""} > 0.9',
        "10m",
        {"severity": "warning"},
    )
    assert "has been above 90 % CPU for 10 minutes (now {{ $value" in cpu["annotations"]["description"]
    assert found["CertificateExpiresSoon"]["expr"] == f'route:certificate_left:seconds{{job=""}} < 30 * {DAY_SECONDS}'
    assert found["ContainerRestarting"]["expr"].endswith("> 5")
    assert (before["UpdatePaused"].get("for"), found["UpdatePaused"]["for"]) == (None, "1m")


@pytest.mark.parametrize("name", ALERTS)
def test_a_description_says_no_number_that_is_not_in_force(name: str) -> None:
    """Each alert with other numbers: the old ones stand nowhere in what people read."""
    rule, threshold = rules(FILES)[name], ALERTS[name]
    settings: dict[str, Any] = {"for": "7h"} if "for" in rule else {}
    if threshold:
        settings[threshold.setting] = {"ratio": 0.77, "count": 77, "days": "77d"}[threshold.unit]
    if not settings:
        return
    changed = rules(monitoring_rules(FILES, {name: settings}, {}))[name]
    old, new = " ".join(rule["annotations"].values()), " ".join(changed["annotations"].values())
    if "for" in rule:
        words = re.compile(rf"(for|more than) {re.escape(duration_words(rule['for']))}")
        assert not words.search(new)
        assert len(words.findall(old)) == new.count("7 hours")
    if threshold and threshold.unit == "ratio":
        assert new.count("77 %") == old.count(threshold.words(threshold.value))
        assert not re.search(r"\d %", new.replace("77 %", ""))


DASHBOARDS = {
    file.name: file.read_text() for file in sorted((ROOT / "roles/monitoring/files/dashboards").glob("*.json"))
}


def drawn(files: dict[str, str]) -> list[tuple[str, str, list[float]]]:
    """Dashboard and panel, the alert that it names, and its limits."""
    return [
        (f"{name}: {panel['title']}", said[1], [step["value"] for step in steps if step["value"] is not None])
        for name, text in files.items()
        for panel in json.loads(text)["panels"]
        if (said := RED.search(panel.get("description", "")))
        for steps in [panel["fieldConfig"]["defaults"]["thresholds"]["steps"]]
    ]


def test_dashboards_draw_the_limits_of_the_rules() -> None:
    assert monitoring_dashboards(DASHBOARDS, {}) == DASHBOARDS
    assert monitoring_dashboards(DASHBOARDS, {"HostCpuHigh": {"for": "9m"}}) == DASHBOARDS
    for where, alert, limits in drawn(DASHBOARDS):
        if threshold := ALERTS[alert]:
            assert limits == [threshold.number(threshold.value)], where


def test_dashboards_draw_the_limits_of_the_inventory() -> None:
    value = {"ratio": 0.77, "count": 77, "days": "77d"}
    wanted = {name: {one.setting: value[one.unit]} for name, one in ALERTS.items() if one}
    number = {"ratio": 0.77, "count": 77, "days": 77 * DAY_SECONDS}
    before, after = drawn(DASHBOARDS), drawn(monitoring_dashboards(DASHBOARDS, wanted))
    assert len(before) > 15
    assert {alert for _, alert, _ in before} >= {"HostCpuHigh", "CertificateExpiresSoon", "HttpErrorsHigh"}
    for old, new in zip(before, after, strict=True):
        threshold = ALERTS[old[1]]
        assert new == (old[0], old[1], [number[threshold.unit]] if threshold else old[2])


def test_only_what_is_set_is_drawn_anew() -> None:
    after = monitoring_dashboards(DASHBOARDS, {"NodeCpuHigh": {"above": 0.9}})
    assert [name for name in DASHBOARDS if after[name] != DASHBOARDS[name]] == ["manager.json", "workers.json"]
    changed = [new for old, new in zip(drawn(DASHBOARDS), drawn(after), strict=True) if old != new]
    assert changed == [
        ("manager.json: CPU of the node's containers", "NodeCpuHigh", [0.9]),
        ("workers.json: CPU by node", "NodeCpuHigh", [0.9]),
    ]


def test_a_group_without_rules_goes() -> None:
    found = monitoring_rules(FILES, {"MysqlDown": {"enabled": False}, "ElasticsearchUnhealthy": {"enabled": False}}, {})
    assert [group["name"] for group in yaml.safe_load(found["monitoring.yml"])["groups"]] == ["monitoring"]


@pytest.mark.parametrize(
    ("alerts", "said"),
    [
        ({}, []),
        ({"HostCpuHigh": {"above": 0.9, "for": "1h30m", "severity": "info", "enabled": False}}, []),
        ({"HostCpuHihg": {}}, ["monitoring_alerts: is not an alert of the platform; did you mean HostCpuHigh?"]),
        ({"Shop": {}}, ["monitoring_alerts: is not an alert of the platform; the alerts are in docs/monitoring.md"]),
        ({"HostCpuHigh": True}, ["monitoring_alerts.HostCpuHigh: is not a mapping"]),
        ({"HostCpuHigh": {"above": 90}}, ["monitoring_alerts.HostCpuHigh.above: is not a part of the whole"]),
        ({"HostCpuHigh": {"above": "0.9"}}, ["monitoring_alerts.HostCpuHigh.above: is not a part of the whole"]),
        (
            {"HostCpuHigh": {"below": 0.9}},
            ["monitoring_alerts.HostCpuHigh: is not a setting of HostCpuHigh; any of: above"],
        ),
        ({"NodeDown": {"above": 1}}, ["monitoring_alerts.NodeDown: is not a setting of NodeDown; any of: for"]),
        (
            {"ContainerRestarting": {"above": 0}},
            ["monitoring_alerts.ContainerRestarting.above: is not a number above 0"],
        ),
        (
            {"ContainerRestarting": {"above": math.inf}},
            ["monitoring_alerts.ContainerRestarting.above: is not a number above 0"],
        ),
        ({"PlatformCaExpires": {"below": 30}}, ["monitoring_alerts.PlatformCaExpires.below: is not a number of days"]),
        (
            {"PlatformCaExpires": {"below": "0d"}},
            ["monitoring_alerts.PlatformCaExpires.below: is not a number of days"],
        ),
        (
            {"PlatformCaExpires": {"below": "\u0663d"}},
            ["monitoring_alerts.PlatformCaExpires.below: is not a number of days"],
        ),
        ({"NodeDown": {"for": "\u0663m"}}, ["monitoring_alerts.NodeDown.for: is not a time as Prometheus writes it"]),
        (
            {"NodeDown": {"for": "10 minutes"}},
            ["monitoring_alerts.NodeDown.for: is not a time as Prometheus writes it"],
        ),
        ({"NodeDown": {"for": 5}}, ["monitoring_alerts.NodeDown.for: is not a time as Prometheus writes it"]),
        ({"NodeDown": {"for": ""}}, ["monitoring_alerts.NodeDown.for: is not a time as Prometheus writes it"]),
        (
            {"NodeDown": {"severity": "page"}},
            ["monitoring_alerts.NodeDown.severity: is not a severity; one of: critical"],
        ),
        ({"NodeDown": {"enabled": "no"}}, ["monitoring_alerts.NodeDown.enabled: is neither true nor false"]),
        ({"Deadman": {"for": "1m"}}, ["monitoring_alerts.Deadman: is not a setting of Deadman"]),
    ],
)
def test_alerts_are_refused(alerts: dict[str, Any], said: list[str]) -> None:
    found = [f"{at}: {what}; {cure}" for at, _value, what, cure in check_alerts(alerts)]
    assert len(found) == len(said)
    assert all(one.startswith(start) for one, start in zip(found, said, strict=True)), found


@pytest.mark.parametrize(
    ("paths", "contents", "said"),
    [
        (["files/shop.yml", "/etc/x/own.yaml"], {"files/shop.yml": b"groups: []"}, []),
        (["rules"], {}, ["is not the name of a rule file"]),
        (["r" * 33 + ".yml"], {}, ["is not the name of a rule file"]),
        (["a/x.yml", "b/x.yml"], {}, ["is called as a/x.yml"]),
        (["x.yml"], {"x.yml": b"groups: [\n"}, ["is not YAML (line 2)"]),
        (["x.yml"], {"x.yml": b"\xff"}, ["is not YAML"]),
        (["x.yml"], {"x.yml": b"groups: 2020-13-45\n"}, ["is not YAML"]),
        (["x.yml"], {"x.yml": b"groups: !!bool x\n"}, ["is not YAML"]),
        (["x.yml"], {"x.yml": b"[" * 5000}, ["is not YAML"]),
        (["x.yml"], {"x.yml": b"- alert: A\n"}, ["has no groups of rules"]),
        (["x.yml"], {"x.yml": b"groups: [a]"}, ["has no group of rules at groups[0]"]),
        (["x.yml"], {"x.yml": b"groups: [{rules: []}]"}, ["has no name for groups[0]"]),
        (["x.yml"], {"x.yml": b"groups: [{name: a}, {name: a}]"}, ["has a name twice, at groups[1]"]),
        (["x.yml"], {"x.yml": b"groups: [{name: a, rules: [b]}]"}, ["has no rule at groups[0].rules[0]"]),
        (["x.yml"], {"x.yml": b"groups: [{name: a, rules: [{alert: A}]}]"}, ["has no expr at groups[0].rules[0]"]),
        (["x.yml"], {"x.yml": b"groups: [{name: a, rules: [{expr: up}]}]"}, ["has not one of alert and record"]),
        (
            ["x.yml"],
            {"x.yml": b"groups: [{name: a, rules: [{alert: A, expr: up, for: 5 min}]}]"},
            ["has a time at groups[0].rules[0].for that is not a time"],
        ),
        (
            ["x.yml"],
            {"x.yml": b"groups: [{name: a, rules: [{record: 'a:b', expr: up, annotations: {}}]}]"},
            ["has annotations at groups[0].rules[0], which Prometheus does not know"],
        ),
        (
            ["x.yml"],
            {"x.yml": b"groups: [{name: a, interval: 1m, rules: [{record: 'a:b', expr: 1, labels: {x: y}}]}]"},
            [],
        ),
    ],
)
def test_rule_files_are_refused(paths: list[str], contents: dict[str, bytes], said: list[str]) -> None:
    found = [what for _at, _value, what, _cure in check_rule_files(paths, contents)]
    assert len(found) == len(said)
    assert all(one.startswith(start) for one, start in zip(found, said, strict=True)), found


PAGER = {"name": "dba", "pagerduty_configs": [{"routing_key_file": "/run/secrets/pager"}]}


@pytest.mark.parametrize(
    ("routes", "receivers", "secrets", "said"),
    [
        ([], [], {}, []),
        (
            [{"receiver": "dba", "matchers": ['alertname="MysqlDown"']}, {"receiver": "people"}],
            [PAGER],
            {"pager": "x"},
            [],
        ),
        ([], [PAGER], {}, ["monitoring_alert_receivers[0]: will not be there"]),
        ([{"receiver": "dbb"}], [PAGER], {"pager": "x"}, ["monitoring_alert_routes[0].receiver: is not a receiver"]),
        (
            [{"routes": [{"receiver": "x"}]}],
            [],
            {},
            ["monitoring_alert_routes[0].routes[0].receiver: is not a receiver"],
        ),
        ([], [{"name": "people"}], {}, ["monitoring_alert_receivers[0].name: is a receiver already"]),
        ([], [PAGER, PAGER], {"pager": "x"}, ["monitoring_alert_receivers[1].name: is a receiver already"]),
        ([], [{"webhook_configs": []}], {}, ["monitoring_alert_receivers[0]: has no name"]),
        (
            [],
            [{"name": "a", "pagerduty_configs": [{"routing_key": "s3cret"}]}],
            {},
            ["monitoring_alert_receivers[0].pagerduty_configs[0].routing_key: would be in a file that is no secret"],
        ),
        (
            [],
            [{"name": "a", "webhook_configs": [{"url": "https://me:s3cret@pager.example/hook"}]}],
            {},
            ["monitoring_alert_receivers[0].webhook_configs[0].url: would be in a file that is no secret"],
        ),
        ([], [{"name": "a", "webhook_configs": [{"url": "https://pager.example/hook?to=me@example.com"}]}], {}, []),
        ([], [{"name": "a", "opsgenie_configs": [{"details": {"key": "x", "values": "y", "url": "z"}}]}], {}, []),
        (
            [],
            [{"name": "a", "webhook_configs": [{"http_config": {"oauth2": {"client_secret": "s3cret"}}}]}],
            {},
            [
                "monitoring_alert_receivers[0].webhook_configs[0].http_config.oauth2.client_secret: "
                "would be in a file that is no secret"
            ],
        ),
        # Alertmanager has those of its own receivers, and not those of other services.
        ([], [{"name": "a", "webhook_configs": [{"url_file": "/run/secrets/webhook_url"}]}], {}, []),
        (
            [],
            [{"name": "a", "webhook_configs": [{"url_file": "/run/secrets/grafana_password"}]}],
            {},
            ["monitoring_alert_receivers[0]: will not be there"],
        ),
        ([], [], {"slack_url": "x"}, ["monitoring_alert_secrets: is a secret of the platform's own"]),
        ([], [], {"registry_password": "x"}, ["monitoring_alert_secrets: is a secret of the platform's own"]),
        ([], [], {"elasticsearch-1": "x"}, ["monitoring_alert_secrets: is a secret of the platform's own"]),
        ([], [], {"../x": "x"}, ["monitoring_alert_secrets: is not a name"]),
        (
            [],
            [],
            {"x": "", "y": 1, "z": "1"},
            ["monitoring_alert_secrets.x: is no text", "monitoring_alert_secrets.y: is no text"],
        ),
    ],
)
def test_receivers_are_refused(
    routes: list[Any], receivers: list[Any], secrets: dict[str, Any], said: list[str]
) -> None:
    found = list(check_receivers(routes, receivers, secrets))
    assert [f"{at}: {what}" for at, _value, what, _cure in found] == said
    assert "s3cret" not in str(found)


SIGN = {"url_file": "/run/secrets/webhook_url"}


@pytest.mark.parametrize(
    ("place", "receiver", "cure"),
    [
        (
            "webhook_configs[0].http_config.tls_config.key",
            {"webhook_configs": [{**SIGN, "http_config": {"tls_config": {"key": "-----BEGIN s3cret"}}}]},
            "key_file: ",
        ),
        (
            "webhook_configs[0].http_config.oauth2.tls_config.key",
            {"webhook_configs": [{**SIGN, "http_config": {"oauth2": {"tls_config": {"key": "s3cret"}}}}]},
            "key_file: ",
        ),
        (
            "webhook_configs[0].http_config.http_headers.X-Auth.secrets",
            {"webhook_configs": [{**SIGN, "http_config": {"http_headers": {"X-Auth": {"secrets": ["s3cret"]}}}}]},
            "files: ",
        ),
        (
            "webhook_configs[0].http_config.proxy_connect_header",
            {"webhook_configs": [{**SIGN, "http_config": {"proxy_connect_header": {"Proxy-Auth": ["s3cret"]}}}]},
            "take it away",
        ),
        ("rocketchat_configs[0].token_id", {"rocketchat_configs": [{"token_id": "s3cret"}]}, "token_id_file: "),
        ("slack_configs[0].app_token", {"slack_configs": [{"app_token": "s3cret"}]}, "app_token_file: "),
        ("pushover_configs[0].token", {"pushover_configs": [{"token": ["s3cret"]}]}, "token_file: "),
        ("email_configs[0].tls_config.key", {"email_configs": [{"tls_config": {"key": "s3cret"}}]}, "key_file: "),
    ],
)
def test_a_secret_of_a_receiver_is_to_be_in_a_file(place: str, receiver: dict[str, Any], cure: str) -> None:
    [(at, value, problem, said)] = check_receivers([], [{"name": "a", **receiver}], {})
    assert at == f"monitoring_alert_receivers[0].{place}"
    assert (value, problem) == (None, "would be in a file that is no secret")
    assert said.startswith(cure)


@pytest.mark.parametrize(
    ("duration", "words"),
    [
        ("1m", "a minute"),
        ("5m", "5 minutes"),
        ("1h", "an hour"),
        ("2d", "2 days"),
        ("30s", "30 seconds"),
        ("1h30m", "1h30m"),
    ],
)
def test_duration_words(duration: str, words: str) -> None:
    assert duration_words(duration) == words


X_OF_A = Selector("x_total", {"job": ("=", "a")})


@pytest.mark.parametrize(
    ("expression", "found"),
    [
        ("vector(1)", []),
        ("time() - max by (a, b) (x_seconds) < 20 * 86400", [Selector("x_seconds")]),
        ('rate(x_total{job="a"}[1m]) / on (node) group_left(y) z:z', [X_OF_A, Selector("z:z")]),
        ('absent(x_total{job="a"}) unless bool x offset 5m', [X_OF_A, Selector("x")]),
        ('count_values("size", x_total{job="a"}) by (size)', [X_OF_A]),
        ('{__name__="up", code=~"5..|}"}', [Selector("", {"__name__": ("=", "up"), "code": ("=~", "5..|}")})]),
        ('x{job!="a"}', [Selector("x", {"job": ("!=", "a")})]),
    ],
)
def test_what_an_expression_asks_for(expression: str, found: list[Selector]) -> None:
    assert list(selectors(expression)) == found


def job_of(name: str) -> str:
    """Who tells a figure. What a rule records has no job, which an app's figure of the same name always has."""
    told: dict[str, list[Row]] = {"engine-exporter": metrics.ENGINE, "swarm-exporter": metrics.SWARM}
    if name == "up":
        return ".+"  # Prometheus' own, of every target
    if ":" in name:
        return ""
    for job, families in told.items():
        if name in [family[0] for family in families]:
            return job
    if name in ("certificate_seen", "probe_ssl_earliest_cert_expiry", "probe_success"):
        return {"certificate_seen": "certificates", "probe_success": "routes"}.get(name, "routes|certificates")
    if name.startswith("certificate_"):
        return "acme"
    return {"node": "node-exporter"}.get(kind := name.partition("_")[0], kind)


def test_every_rule_selects_the_job_whose_figures_it_reads() -> None:
    """So an app's series of the same name is another one, even if the scrape would let it through."""
    found = [selector for rule in rules_of_files() for selector in selectors(rule["expr"])]
    assert len(found) > 60
    assert {(one.name, one.job) for one in found if one.job != job_of(one.name)} == set()
    assert {job for one in found for job in str(one.job).split("|")} - jobs() == {"", ".+"}


def variables() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / "roles/monitoring/vars/main.yml").read_text())
    return found


def test_no_app_has_a_job_of_the_platform() -> None:
    assert set(variables()["__monitoring_own_jobs"].strip().split("|")) == {*jobs(), "exporters"}


def test_nothing_asks_for_what_an_app_may_call_a_figure_of_its_own() -> None:
    """The scrape of apps drops what the platform's figures are called, so none of theirs gets into an alert or a panel.

    A dashboard decides nothing and tells nobody: what it reads is kept clean by the scrape alone.
    """
    own = re.compile(variables()["__monitoring_own_names"].strip())
    asked = [rule["expr"] for rule in rules_of_files()]
    asked += [query.expression for dashboard in dashboards().values() for query in queries(dashboard)]
    found = [one for expression in asked for one in selectors(expression)]
    assert len({one.name for one in found}) > 60
    # Whatever the name, an app's series has another job.
    assert {one.name for one in found if not own.fullmatch(one.name) and one.job not in jobs()} == set()


def test_an_app_tells_no_more_than_prometheus_can_bear() -> None:
    template = (ROOT / "roles/monitoring/templates/prometheus.yml.j2").read_text()
    job = template.partition("job_name: apps\n")[2].partition("job_name:")[0]
    limits = ("sample", "label", "label_name_length", "label_value_length", "body_size")
    assert [one for one in limits if not re.search(rf"^    {one}_limit: [1-9]", job, re.MULTILINE)] == []
    assert "honor_labels" not in job
