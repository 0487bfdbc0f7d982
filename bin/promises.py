# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Break each promise of the README's first screen by one line, and see a unit test fail.

``python bin/promises.py [WORD ...]``: all promises, or those that contain one of the words. Works on a copy.
"""

from __future__ import annotations

import importlib
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
UNIT = "tests/unit"
SUBJECTS, UTILS = "plugins/module_utils", "plugins/plugin_utils"


@dataclass(frozen=True)
class Promise:
    """``old`` stands once in ``file``; with ``new`` in its place, ``test`` (a file or test of tests/unit) must fail."""

    says: str
    file: str
    old: str
    new: str
    test: str


PROMISES = (
    Promise(
        "Nothing needs Docker Hub",
        "inventories/local/group_vars/all.yml",
        "images_source: auto",
        "images_source: pull",
        "test_inventories.py",
    ),
    Promise(
        "Images are built from the distribution's packages",
        f"{SUBJECTS}/image/plan.py",
        'elif source == "pull" and entry.pull:',
        "elif entry.pull:",
        "test_plan_image.py",
    ),
    Promise(
        "Only the inventory differs",
        "inventories/prod/group_vars/all.yml",
        "images_missing: fail\n",
        "",
        "test_inventories.py",
    ),
    Promise(
        "Env files never hide code: what a mount would hide is refused",
        f"{SUBJECTS}/env_volume/model.py",
        "if path != file_name and not (is_folder and path in parents)",
        "if path == file_name and not (is_folder and path in parents)",
        "test_env.py",
    ),
    Promise(
        "Env files never hide code: they have a directory of their own",
        f"{UTILS}/app_compose.py",
        '"target": app["env_target"] or DEFAULT_TARGET,',
        '"target": "/usr/src/app",',
        "test_app.py",
    ),
    Promise(
        "Nodes have fixed addresses",
        f"{SUBJECTS}/node/model.py",
        '{"IPAMConfig": {"IPv4Address": node.address}}',
        "{}",
        "test_plan_node.py",
    ),
    Promise(
        "Nodes have named volumes",
        f"{SUBJECTS}/node/model.py",
        'f"{name}:/var/lib/docker"',
        '"/var/lib/docker"',
        "test_plan_node.py",
    ),
    Promise(
        "Nodes come back after a reboot",
        f"{SUBJECTS}/node/model.py",
        '"RestartPolicy": {"Name": "unless-stopped"},',
        '"RestartPolicy": {"Name": "no"},',
        "test_plan_node.py",
    ),
    Promise(
        "Nodes stay the same swarm members",
        f"{SUBJECTS}/member/node_plan.py",
        'entry = swarm.by_id(engine.node_id) if engine.state != "inactive" else None\n    if entry is None:',
        "entry = None\n    if entry is None:",
        "test_plan_member.py",
    ),
    Promise(
        "Engines listen on a unix socket and on no port",
        "roles/swarm_node/vars/main.yml",
        "'unix:///run/node/docker.sock']",
        "'tcp://0.0.0.0:2375']",
        "test_templates.py",
    ),
    Promise(
        "The registry has TLS",
        "roles/registry/templates/config.yml.j2",
        "    certificate: /etc/docker/registry/tls.crt\n",
        "",
        "test_templates.py",
    ),
    Promise(
        "The registry has a login",
        "roles/registry/templates/config.yml.j2",
        "  htpasswd:\n",
        "  silly:\n",
        "test_templates.py",
    ),
    Promise(
        "Nodes pull by digest: from the registry",
        f"{SUBJECTS}/image/plan.py",
        'return f"{registry_address}/{name}@{digest}"',
        'return f"{registry_address}/{name}:latest"',
        "test_plan_image.py",
    ),
    Promise(
        "Nodes pull by digest: what comes from another registry",
        f"{SUBJECTS}/image/model.py",
        "return f\"{path}{slash}{last.partition(':')[0]}@{digest}\"",
        "return name",
        "test_model_image.py",
    ),
    Promise(
        "Nodes pull by digest: a tag is warned of",
        f"{SUBJECTS}/stack/operation.py",
        'if "@sha256:" not in definition.get("image", ""):',
        "if False:",
        "test_stack.py",
    ),
    Promise(
        "A proxy is on every node",
        "roles/proxy/templates/compose.yml.j2",
        "      mode: global\n      endpoint_mode: dnsrr\n      resources:\n",
        "      mode: replicated\n      endpoint_mode: dnsrr\n      resources:\n",
        "test_templates.py",
    ),
    Promise(
        "Sticky sessions",
        f"{UTILS}/routes.py",
        'if route.get("sticky"):',
        "if False:",
        "test_routes.py",
    ),
    Promise(
        "Deploys wait for the verdict: a task that starts does not count",
        f"{SUBJECTS}/stack/rollout.py",
        'task.desired == "running" and task.state == "running"]',
        'task.desired == "running"]',
        "test_plan_rollout.py::test_assess",
    ),
    Promise(
        "Deploys wait for the verdict: a task of another version does not count",
        f"{SUBJECTS}/stack/rollout.py",
        "current = [task for task in own if task.template == service.template]",
        "current = own",
        "test_plan_rollout.py::test_assess",
    ),
    Promise(
        "Deploys wait for the verdict: the engine's health check is there to wait for",
        f"{UTILS}/app_compose.py",
        'if health.get("enabled") is False:\n        return {"disable": True}',
        'if True:\n        return {"disable": True}',
        "test_app.py",
    ),
    Promise(
        "Deploys wait for the verdict: a replica is asked where the proxy comes to",
        f"{UTILS}/health.py",
        "for address in ${own:-127.0.0.1}; do",
        "for address in 127.0.0.1; do",
        "test_health.py::test_every_address_of_the_replica_is_asked",
    ),
    Promise(
        "Deploys wait for the verdict: what no health check asks has to be reached",
        f"{SUBJECTS}/stack/operation.py",
        "doubt=doubt,",
        "doubt=None,",
        "test_stack.py",
    ),
    Promise(
        "Deploys wait for the verdict: and go by it",
        f"{SUBJECTS}/stack/operation.py",
        "            if outcome.verdict == CONVERGED:\n",
        "            if outcome.verdict:\n",
        "test_stack.py",
    ),
    Promise(
        "Deploys say why a task failed",
        f"{SUBJECTS}/stack/failures.py",
        "lines.append(f\"  {tasks}: {failure['state']}: {failure['error']}{code}\")",
        "lines.append(f\"  {tasks}: {failure['state']}{code}\")",
        "test_stack.py",
    ),
    Promise(
        "Deploys roll back: a failed rollout, with the env",
        f"{SUBJECTS}/stack/operation.py",
        "self._deploy(target.compose, counts)",
        "self._deploy({**target.compose, 'services': self.desired.compose['services']}, counts)",
        "test_stack.py",
    ),
    Promise(
        "Deploys roll back: the env too",
        f"{UTILS}/release.py",
        'return {**kept, "inventory": dict(inventory)}',
        'return {**kept, "env": stack["revisions"][0]["release"]["env"], "inventory": dict(inventory)}',
        "test_release.py::test_a_rollback_brings_all_of_a_release_back",
    ),
    Promise(
        "Deploys roll back: to a revision whose env alone differs",
        f"{UTILS}/release.py",
        "{key: release.get(key) or {} for key in RELEASE_KEYS}",
        '{key: release.get(key) or {} for key in ("app", "image")}',
        "test_release.py::test_rollback_target",
    ),
    Promise(
        "Deploys roll back: the env as it was, not as the file is now",
        f"{UTILS}/release.py",
        'return path if path and digest == release["env"]["digest"] else ""',
        "return path",
        "test_release.py::test_env_source",
    ),
    Promise(
        "Deploys roll back: swarm itself does where a task fails",
        f"{UTILS}/app_compose.py",
        '"failure_action": "rollback",',
        '"failure_action": "continue",',
        "test_app.py",
    ),
    Promise(
        "Prometheus finds apps by itself",
        "roles/images/files/swarm-exporter/swarm_exporter/discovery.py",
        'labels.get(KIND_LABEL, "app") != kind:',
        "True:",
        "test_swarm_exporter.py",
    ),
    Promise(
        "Prometheus finds services by itself",
        "roles/monitoring/templates/prometheus.yml.j2",
        "http://swarm-exporter:9180/sd/exporters",
        "http://swarm-exporter:9180/sd/apps",
        "test_templates.py",
    ),
    Promise(
        "Apps are found by their labels",
        f"{UTILS}/app_compose.py",
        'labels[METRICS_LABEL + "path"] = metrics["path"]',
        "pass",
        "test_app.py",
    ),
    Promise(
        "Slack is told of alerts",
        "roles/monitoring/templates/alertmanager.yml.j2",
        "  receiver: people\n",
        "  receiver: deadman\n",
        "test_templates.py",
    ),
    Promise(
        "Slack is told of rollouts",
        f"{UTILS}/message.py",
        'str(result.get("msg")) if failed',
        'str(result.get("msg")) if not failed',
        "test_release.py::test_messages",
    ),
    Promise(
        "Jenkins is set up as code",
        f"{UTILS}/casc.py",
        '"allowAnonymousRead": False',
        '"allowAnonymousRead": True',
        "test_casc.py",
    ),
    Promise(
        "--check writes nothing",
        f"{SUBJECTS}/core/runner.py",
        "if check or not (plan.actions or plan.upkeep):",
        "if not (plan.actions or plan.upkeep):",
        "test_runner.py",
    ),
    Promise(
        "--check writes nothing: no secret on the controller",
        "plugins/action/platform_secrets.py",
        "            if not check:\n",
        "            if True:\n",
        "test_platform_secrets.py",
    ),
    Promise(
        "--check says what would change",
        f"{SUBJECTS}/core/runner.py",
        "changed=bool(plan.actions),",
        "changed=bool(plan.actions) and not module.check_mode,",
        "test_runner.py",
    ),
    Promise(
        "--diff shows it",
        f"{SUBJECTS}/core/runner.py",
        'diff={"before": plan.before, "after": plan.after} if plan.actions else {},',
        "diff={},",
        "test_runner.py",
    ),
    Promise(
        "A preflight refuses a wrong inventory",
        f"{UTILS}/preflight/checks.py",
        '    (check_quorum, ""),\n',
        "",
        "test_preflight.py::test_a_wrong_inventory_is_named",
    ),
    Promise(
        "A preflight comes before any change",
        "playbooks/site.yml",
        "import_playbook: preflight.yml",
        "import_playbook: engine.yml",
        "test_playbooks.py",
    ),
    Promise(
        "The summary tells whether all services run as wanted",
        f"{SUBJECTS}/stack/status.py",
        'if service["running"] < service["wanted"]:',
        "if False:",
        "test_status.py",
    ),
)


NOT_THERE = -1
VERDICTS = {0: "NOT NOTICED", 1: "noticed", NOT_THERE: "NO SUCH LINE"}


def main(words: Sequence[str]) -> int:
    chosen = [one for one in PROMISES if not words or any(word in one.says for word in words)]
    start, kept = time.monotonic(), 0
    with tempfile.TemporaryDirectory(prefix="fungap-promises-") as folder:
        copy = Path(folder) / "checkout"
        shutil.copytree(ROOT, copy, symlinks=True, ignore=shutil.ignore_patterns(".*", "__pycache__"))
        preload(copy)
        if run_tests(copy, dict.fromkeys(one.test for one in chosen)) != 0:
            print("The tests fail without any change: fix that first (make unit).")
            return 1
        # What is compiled by now is taken from the cache; what is broken from now on is younger, and is compiled.
        sys.dont_write_bytecode = True
        for one in chosen:
            code = run_broken(copy, one)
            kept += code == 1
            print(f"{VERDICTS.get(code, f'pytest: {code}'):<12} {one.says} ({one.test})", flush=True)
    print(f"\n{kept} passed, {len(chosen) - kept} failed, {time.monotonic() - start:.0f} s")
    return int(kept < len(chosen))


def preload(copy: Path) -> None:
    """Import once what every run of the tests imports, none of it ours; each run is a fork."""
    os.environ |= {"ANSIBLE_CONFIG": str(copy / "ansible.cfg"), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    for name in ("docker", "yaml", "ansible.module_utils.basic", "ansible.template", "ansible.parsing.dataloader"):
        importlib.import_module(name)


def run_broken(copy: Path, promise: Promise) -> int:
    """pytest's exit code with the promise broken: 1 when tests failed."""
    path = copy / promise.file
    text = path.read_text()
    if text.count(promise.old) != 1:
        return NOT_THERE
    path.write_text(text.replace(promise.old, promise.new))
    try:
        return run_tests(copy, [promise.test])
    finally:
        path.write_text(text)


def run_tests(copy: Path, tests: Iterable[str]) -> int:
    child = os.fork()
    if child == 0:
        try:
            os.chdir(copy)
            silence = os.open(os.devnull, os.O_WRONLY)
            os.dup2(silence, 1)
            os.dup2(silence, 2)
            os._exit(
                pytest.main(["-x", "-q", "--tb=no", "-p", "no:cacheprovider", *(f"{UNIT}/{test}" for test in tests)])
            )
        finally:
            os._exit(70)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
