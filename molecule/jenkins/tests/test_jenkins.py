"""Jenkins' host from outside: who gets where, with which key, and what is nowhere to be found."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.fungap.swarm.plugins.module_utils.core.errors import PlatformError
from ansible_collections.fungap.swarm.plugins.module_utils.jenkins.agent_connection import judge, parse_answers
from tests import checkout

PLATFORM = checkout.name("jenkins")
JENKINS = f"{PLATFORM}-jenkins"
CONFIG = Path(f"/etc/{PLATFORM}/jenkins")
SECRETS = Path(f"/etc/{PLATFORM}/secrets")
PORT = checkout.port("jenkins", 0)
URL = f"https://jenkins.localhost:{PORT}"
with_jenkins = pytest.mark.skipif(
    not os.environ.get("FUNGAP_JENKINS_IMAGE"),
    reason="no image of Jenkins with its plugins is given (FUNGAP_JENKINS_IMAGE): the controller is not tried",
)


def curl(host: Any, path: str, options: str = "") -> str:
    where = f"--cacert {SECRETS}/ca.crt --resolve jenkins.localhost:{PORT}:127.0.0.1"
    return str(host.check_output(f"curl --noproxy '*' -sS --max-time 10 {where} {options} '{URL}{path}'"))


def status(host: Any, path: str, options: str = "") -> str:
    return curl(host, path, f"-o /dev/null -w '%{{http_code}}' {options}")


def inspect(host: Any, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(host.check_output(f"docker inspect {name}"))[0]
    return found


def agent_address(host: Any) -> str:
    return str(inspect(host, f"{JENKINS}-agent")["NetworkSettings"]["Networks"][JENKINS]["IPAddress"])


@pytest.fixture
def ssh(host: Any, tmp_path: Path) -> Any:
    """Run a command on the agent as the controller would, with its key and the one host key that it knows."""
    address = agent_address(host)
    key = tmp_path / "key"
    key.write_bytes((SECRETS / "jenkins-agent.ssh").read_bytes())
    key.chmod(0o600)
    casc = (CONFIG / "casc/jenkins.yaml").read_text()
    pinned = next(line.split("key: ")[1] for line in casc.splitlines() if "key: ssh-" in line)
    known = tmp_path / "known"
    known.write_text(f"{address} {pinned}\n")

    def run(command: str, key: Path = key, known: Path = known, user: str = "jenkins") -> Any:
        options = (
            f"-o BatchMode=yes -o IdentitiesOnly=yes -o UserKnownHostsFile={known} -o GlobalKnownHostsFile=/dev/null"
        )
        return host.run(f"ssh -i {key} {options} -o StrictHostKeyChecking=yes {user}@{address} {command!r}")

    return run


# --- the proxy ---


def test_only_the_proxy_is_published(host: Any) -> None:
    names = host.check_output(
        f"docker ps --filter label=io.fungap.platform={JENKINS} --format '{{{{.Names}}}}'"
    ).split()
    published = {name: list(inspect(host, name)["HostConfig"]["PortBindings"] or {}) for name in names}
    assert {name for name, ports in published.items() if ports} == {f"{JENKINS}-proxy"}
    assert inspect(host, f"{JENKINS}-proxy")["HostConfig"]["PortBindings"] == {
        "443/tcp": [{"HostIp": "127.0.0.1", "HostPort": str(PORT)}]
    }


def test_tls_is_by_the_platforms_ca_and_new(host: Any) -> None:
    assert status(host, "/") in ("502", "403")
    assert host.run(f"curl --noproxy '*' -sS --resolve jenkins.localhost:{PORT}:127.0.0.1 {URL}/").rc == 60
    assert host.run(f"openssl s_client -connect 127.0.0.1:{PORT} -tls1_1 </dev/null").rc != 0
    assert "max-age=63072000" in curl(host, "/", "-o /dev/null -D -")


def test_another_name_is_nobodys(host: Any) -> None:
    assert status(host, "/", "--header 'Host: other.localhost'") == "421"


@pytest.mark.skipif(bool(os.environ.get("FUNGAP_JENKINS_IMAGE")), reason="there is a controller that answers")
def test_without_a_controller_the_proxy_says_so(host: Any) -> None:
    assert status(host, "/login") == "502"


# --- the agent ---


def test_the_controllers_key_opens_the_agent_for_jenkins(ssh: Any) -> None:
    done = ssh("id -un; java -version 2>&1 | head -1")
    assert done.stdout.split()[0] == "jenkins", done.stderr
    assert "openjdk" in done.stdout


def test_nobody_else_gets_in(ssh: Any, tmp_path: Path) -> None:
    for name in ("jenkins-deploy.ssh", "deploy-host.ssh"):
        key = tmp_path / name
        key.write_bytes((SECRETS / name).read_bytes())
        key.chmod(0o600)
        done = ssh("true", key=key)
        assert done.rc == 255
        assert "Permission denied (publickey)" in done.stderr
    assert "Permission denied" in ssh("true", user="root").stderr


def test_another_machine_is_not_taken_for_the_agent(host: Any, ssh: Any, tmp_path: Path) -> None:
    known = tmp_path / "other"
    other = (CONFIG / "agent/known-hosts").read_text().split(" ", 1)[1]
    known.write_text(f"{agent_address(host)} {other}")
    done = ssh("true", known=known)
    assert done.rc == 255
    assert "Host key verification failed" in done.stderr


def test_builds_run_on_an_engine_of_their_own(host: Any, ssh: Any) -> None:
    assert ssh("docker info --format '{{.Name}}'").stdout.strip() == "build"
    done = ssh("printf 'FROM scratch\\nLABEL mol=jenkins\\n' | docker build -q -t t-jenkins-built -")
    assert done.rc == 0, done.stderr
    assert host.run("docker image inspect t-jenkins-built").rc != 0
    binds = inspect(host, f"{JENKINS}-agent")["HostConfig"]["Binds"]
    assert not [bind for bind in binds if "docker.sock" in bind]


def test_the_agent_deploys_with_its_own_key_and_no_other(ssh: Any) -> None:
    """Whatever key the inventory names; converge has proved the connection as the role does."""
    done = ssh("ANSIBLE_INVENTORY=/srv/inventory ansible deploy -m ansible.builtin.ping")
    assert "SUCCESS" in done.stdout, done.stdout + done.stderr


def test_what_is_in_the_way_is_named_with_its_cure(host: Any) -> None:
    """By what Ansible and ssh really say in the agent's container."""
    common = "-o UserKnownHostsFile=%s -o GlobalKnownHostsFile=/dev/null -o StrictHostKeyChecking=%s -o BatchMode=yes"
    for variables, cause in (
        ({"ansible_ssh_common_args": common % ("/dev/null", "yes")}, "another SSH key than the pinned one"),
        ({"ansible_ssh_private_key_file": "/srv/inventory/hosts.yml"}, "does not accept the agent's key"),
        ({"ansible_port": 1}, "no SSH server listens there"),
        ({"ansible_host": "nowhere.invalid"}, "is not known in the agent's container"),
        ({"ansible_become": True}, "may not become root"),
    ):
        environment = "-e PATH=/opt/fungap/.venv/bin:/usr/bin:/bin -e ANSIBLE_INVENTORY=/srv/inventory"
        environment += " -e 'ANSIBLE_SSH_ARGS=-o ControlPath=none'"
        said = host.run(
            f"docker exec -u jenkins {environment} {JENKINS}-agent "
            f"ansible deploy -m ansible.builtin.ping -T 5 -e '{json.dumps(variables)}'"
        ).stdout
        with pytest.raises(PlatformError) as error:
            judge(parse_answers(said, ["deploy"]))
        assert cause in error.value.message, said


def test_a_job_runs_the_playbook_that_a_person_types(ssh: Any) -> None:
    """Without a platform behind it the playbook refuses the inventory: it was found, read and run."""
    command = "ANSIBLE_INVENTORY=/srv/inventory /opt/platform/run-playbook rollback app=web to= 'reason=it was slow'"
    done = ssh(command)
    assert 'fungap.swarm.rollback {"app": "web", "reason": "it was slow"}' in done.stdout
    assert "The inventory has" in done.stdout + done.stderr
    assert done.rc != 0


# --- secrets ---


def test_files_are_for_whom_they_are(host: Any) -> None:
    assert host.file(str(CONFIG)).mode == 0o700
    assert host.file(str(CONFIG)).user == "root"
    for name in (
        "admin-password",
        "agent-key",
        "deploy-key",
        "git-team",
        "registry-password",
        "slack-url",
        "webhook-secret",
    ):
        found = host.file(str(CONFIG / "secrets" / name))
        assert (found.mode, found.uid) == (0o400, 1000), name
    assert host.file(str(CONFIG / "agent/ssh_host_ed25519_key")).mode == 0o600
    assert host.file(str(CONFIG / "proxy/tls.key")).mode == 0o600


def test_no_secret_is_in_configuration_or_containers(host: Any) -> None:
    names = host.check_output(f"docker ps -aq --filter label=io.fungap.platform={JENKINS}")
    texts = {"containers": host.check_output(f"docker inspect {names.replace(chr(10), ' ')}")}
    texts.update({str(path): path.read_text() for path in (CONFIG / "casc").iterdir()})
    secrets = ["git-not-to-be-seen", "hub-not-to-be-seen", "slack-not-to-be-seen"]
    secrets += [(SECRETS / f"{name}.password").read_text().strip() for name in ("jenkins", "jenkins-webhook")]
    for where, text in texts.items():
        assert "PRIVATE KEY" not in text, where
        for secret in secrets:
            assert secret not in text, where


def test_the_agent_has_no_secret_of_jenkins_own(host: Any) -> None:
    password = (SECRETS / "jenkins.password").read_text().strip()
    found = host.run(f"docker exec -u jenkins {JENKINS}-agent grep -rls {password} /run/secrets /srv /etc /home")
    assert found.stdout == ""
    theirs = {path.name for path in (CONFIG / "platform-secrets").iterdir()}
    assert "registry.password" in theirs
    # Nor the key that signs archives: here it makes none.
    assert {name for name in theirs if name.startswith(("jenkins", "backup-"))} == set()


# --- the controller ---


@with_jenkins
def test_nobody_gets_in_without_a_login(host: Any) -> None:
    assert status(host, "/") == "403"
    assert status(host, "/api/json") == "403"


@with_jenkins
def test_the_admin_gets_in_and_finds_the_jobs(host: Any) -> None:
    password = (SECRETS / "jenkins.password").read_text().strip()
    found = json.loads(curl(host, "/api/json", f"--user admin:{password}"))
    assert {job["name"] for job in found["jobs"]} >= {"web", "web-rollback", "web-scale", "api-rollback", "api-scale"}
    assert found["numExecutors"] == 0


@with_jenkins
def test_a_webhook_without_a_signature_is_refused(host: Any) -> None:
    options = "--request POST --header 'X-GitHub-Event: push' --json '{}'"
    assert status(host, "/github-webhook/", options) == "400"
