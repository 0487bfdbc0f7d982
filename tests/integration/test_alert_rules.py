# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The alert rules, judged by promtool of the catalog's image: valid, and each shown firing, silent, resolved."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest
import yaml

from ansible_collections.fungap.swarm.plugins.plugin_utils.alerts import ALERTS as THRESHOLDS
from ansible_collections.fungap.swarm.plugins.plugin_utils.alerts import monitoring_rules

from ..images import image

ROOT = Path(__file__).resolve().parents[2]
RULES, TESTS, DOCS = "roles/monitoring/files/rules", "tests/rules", ROOT / "docs" / "monitoring.md"
FILES = sorted(file.name for file in (ROOT / RULES).glob("*.yml"))
GROUPS = [group for name in FILES for group in yaml.safe_load((ROOT / RULES / name).read_text())["groups"]]
ALERTS = {rule["alert"]: rule for group in GROUPS for rule in group["rules"] if "alert" in rule}
# It always fires, and that is its purpose.
ALWAYS = "Deadman"


def promtool(*arguments: str, changed: Path | None = None, newer: str = "") -> str:
    """Run promtool on the rules and their tests, which lie to each other as in the checkout; what it says.

    ``changed``: a folder with rules as an inventory has changed them. ``newer``: another image than the catalog's.
    """
    volumes = {str(ROOT / folder): {"bind": f"/checkout/{folder}", "mode": "ro"} for folder in (RULES, TESTS)}
    if changed:
        volumes[str(changed)] = {"bind": "/changed", "mode": "ro"}
    try:
        output: bytes = docker.from_env().containers.run(
            newer or image("prometheus"),
            list(arguments),
            entrypoint="promtool",
            volumes=volumes,
            working_dir="/checkout",
            remove=True,
            stderr=True,
            # Else the volume that the image declares stays: docker-py takes the container alone away.
            tmpfs={"/prometheus": ""},
            network_mode="none",
        )
    except docker.errors.ContainerError as error:
        raise AssertionError(str(error).replace("\\n", "\n")) from None
    return output.decode()


def outcomes() -> Iterator[tuple[str, list[bool]]]:
    """(alert, whether it is expected to fire at each time that a test looks), test by test."""
    for file in (ROOT / TESTS).glob("*.yml"):
        for test in yaml.safe_load(file.read_text())["tests"]:
            looks: dict[str, list[tuple[float, bool]]] = {}
            for look in test.get("alert_rule_test", []):
                when = seconds(look["eval_time"])
                looks.setdefault(look["alertname"], []).append((when, bool(look.get("exp_alerts"))))
            yield from ((alert, [fires for _, fires in sorted(found)]) for alert, found in looks.items())


def seconds(duration: str) -> float:
    units = {"s": 1, "m": 60, "h": 3600, "d": 86400}
    return sum(int(number) * units[unit] for number, unit in re.findall(r"(\d+)([smhd])", duration))


def test_promtool_takes_the_rules() -> None:
    output = promtool("check", "rules", *(f"{RULES}/{name}" for name in FILES))
    assert output.count("SUCCESS") == len(FILES), output


@pytest.mark.parametrize("name", FILES)
def test_alerts_fire_when_they_should(name: str) -> None:
    assert "SUCCESS" in promtool("test", "rules", f"{TESTS}/{name}")


def test_an_inventory_changes_thresholds_durations_and_severities(tmp_path: Path) -> None:
    alerts: dict[str, dict[str, object]] = {
        "HostCpuHigh": {"above": 0.9, "for": "10m", "severity": "warning"},
        "ContainerCpuHigh": {"enabled": False},
        "CertificateExpiresSoon": {"below": "30d"},
    }
    tmp_path.chmod(0o755)
    for name, text in monitoring_rules({name: (ROOT / RULES / name).read_text() for name in FILES}, alerts, {}).items():
        (tmp_path / name).write_text(text)
    assert "SUCCESS" in promtool("test", "rules", f"{TESTS}/changed/alerts.yml", changed=tmp_path)


@pytest.mark.parametrize("setting", ["everything", "disabled"])
def test_promtool_takes_whatever_is_changed(setting: str, tmp_path: Path) -> None:
    changes: dict[str, dict[str, object]] = {name: {"enabled": False} for name in ALERTS}
    if setting == "everything":
        values = {"ratio": 0.123, "count": 7, "days": "45d"}
        changes = {name: {"severity": "info", "for": "1h30m"} for name in ALERTS if name != ALWAYS}
        for name, threshold in THRESHOLDS.items():
            if threshold:
                changes[name][threshold.setting] = values[threshold.unit]
    files = monitoring_rules({name: (ROOT / RULES / name).read_text() for name in FILES}, changes, {})
    tmp_path.chmod(0o755)
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    output = promtool("check", "rules", *(f"/changed/{name}" for name in files), changed=tmp_path)
    assert output.count("SUCCESS") == len(files), output


def test_each_alert_is_shown_firing_silent_and_resolved() -> None:
    shown: dict[str, set[str]] = {}
    for alert, fires in outcomes():
        kinds = shown.setdefault(alert, set())
        if any(fires):
            kinds.add("firing")
        if not fires[0]:
            kinds.add("silent")
        if any(before and not after for before, after in itertools.pairwise(fires)):
            kinds.add("resolved")
    assert shown.keys() == ALERTS.keys()
    for alert, kinds in shown.items():
        assert kinds == ({"firing"} if alert == ALWAYS else {"firing", "silent", "resolved"}), alert


@pytest.mark.parametrize("alert", ALERTS)
def test_an_alert_says_what_to_do(alert: str) -> None:
    rule = ALERTS[alert]
    assert re.fullmatch(r"([A-Z][a-z]+)+", alert)
    assert rule["labels"]["severity"] in ("critical", "warning", "info")
    assert rule["annotations"]["summary"]
    assert rule["annotations"]["description"].endswith(".")
    file, _, anchor = rule["annotations"]["runbook"].partition("#")
    assert ROOT / file == DOCS
    assert anchor == alert.lower()
    assert re.search(rf"^### {alert}\n\n\S", DOCS.read_text(), re.MULTILINE), f"no section {alert} in {file}"


def test_there_is_no_section_of_an_alert_that_is_gone() -> None:
    text = DOCS.read_text().partition("\n## Alerts\n")[2].partition("\n## ")[0]
    assert set(re.findall(r"^### (\w+)$", text, re.MULTILINE)) == ALERTS.keys()
