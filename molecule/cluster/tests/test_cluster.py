"""Three machines as one platform: what a client and an operator see of it, and what happens when one is gone."""

from __future__ import annotations

import datetime
import json
import os
import re
import ssl
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from socket import create_connection
from typing import Any

import docker
import yaml

from ansible_collections.fungap.swarm.plugins.plugin_utils import pki
from tests import checkout
from tests.waiting import wait_for

ROOT = Path(__file__).resolve().parents[3]
# The agent gets a copy of it: the one that converge used.
INVENTORY = Path(os.environ.get("MOLECULE_EPHEMERAL_DIRECTORY", ROOT / "molecule" / "cluster")) / "inventory"
PREFIX = f"t{checkout.SLOT}-"
FOLDER = Path("/var/tmp", checkout.name("cluster"))
CA = FOLDER / "secrets/ca.crt"
BACKUPS = FOLDER / "backup"
MACHINES = {f"cluster{number}": f"{checkout.subnet('cluster')}.1{number}" for number in (1, 2, 3)}
FIRST = "cluster1"
# The host name of a machine that the inventory calls otherwise.
NAMES = {"debian": "cluster3"}
CI = "cluster-ci"
JENKINS = "cluster-jenkins"
HOME = f"/var/lib/docker/volumes/{JENKINS}-home/_data"
HOST = "web.localhost"
NEW_HOST = "new.localhost"
ONE_MANAGER = {
    "swarm_managers": {"hosts": {FIRST: {}}},
    "swarm_workers": {"hosts": {name: {} for name in MACHINES if name != FIRST}},
}
SSH = {
    "ANSIBLE_PRIVATE_KEY_FILE": f"{FOLDER}/ssh/key",
    "ANSIBLE_SSH_COMMON_ARGS": f"-o UserKnownHostsFile={FOLDER}/ssh/known_hosts -o StrictHostKeyChecking=yes",
}
outer = docker.from_env()


# --- the operator ---


def play(playbook: str, *arguments: str, inventory: Path = INVENTORY) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["ansible-playbook", "-i", str(inventory), str(ROOT / playbook), *arguments],
        cwd=ROOT,
        env={**os.environ, **SSH, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        check=False,
    )


def run(playbook: str = "site.yml", *arguments: str, inventory: Path = INVENTORY) -> str:
    """A playbook that has to succeed; what it says."""
    done = play(playbook, *arguments, inventory=inventory)
    assert done.returncode == 0, done.stdout[-6000:]
    return done.stdout


def changes(output: str) -> int:
    return sum(int(number) for number in re.findall(r"\bchanged=(\d+)", output))


# --- the engines ---


def on(machine: str, *command: str) -> str:
    """What a command says there. While a machine starts its engine doesn't answer."""
    code, output = outer.containers.get(PREFIX + machine).exec_run(command)
    if code:
        raise ConnectionError(f"{machine}: {' '.join(command)}: {output.decode()}")
    return str(output.decode())


def members(by: str = FIRST) -> dict[str, dict[str, str]]:
    """The swarm's nodes by their names in the inventory: Status, ManagerStatus, Availability."""
    rows = map(json.loads, on(by, "docker", "node", "ls", "--format", "{{json .}}").splitlines())
    return {NAMES.get(row["Hostname"], row["Hostname"]): row for row in rows}


def all_ready() -> bool:
    return [row["Status"] for row in members().values()] == ["Ready"] * 3


def replicas(service: str, by: str = FIRST) -> str:
    listing = on(by, "docker", "service", "ls", "--filter", f"name={service}", "--format", "{{.Replicas}}")
    return listing.strip()


# --- the client ---


def get(address: str) -> dict[str, Any]:
    """What the app answers over HTTPS by one machine's address. Another status than 200 is no answer."""
    status, body = ask(address, HOST)
    if status != 200:
        raise ConnectionError(f"status {status}")
    answer: dict[str, Any] = json.loads(body)
    return answer


def ask(address: str, host: str) -> tuple[int, bytes]:
    trust = ssl.create_default_context(cafile=str(CA))
    connection = HTTPConnection(host, 443, timeout=5)
    raw = create_connection((address, 443), timeout=5)
    connection.sock = trust.wrap_socket(raw, server_hostname=host)
    try:
        connection.request("GET", "/")
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def with_new_route(address: str) -> int:
    """The status of an answer; a proxy that knows nothing of the route has an old certificate, too, and means 421."""
    try:
        return ask(address, NEW_HOST)[0]
    except ssl.SSLCertVerificationError:
        return 421


def answered(addresses: Mapping[str, str], requests: int = 40) -> int:
    """How many of that many requests by each address were answered well."""
    return sum("version" in get(address) for _ in range(requests) for address in addresses.values())


# --- as it came up ---


def test_every_machine_is_a_manager() -> None:
    assert {name: row["Status"] for name, row in members().items()} == dict.fromkeys(MACHINES, "Ready")
    assert sorted(row["ManagerStatus"] for row in members().values()) == ["Leader", "Reachable", "Reachable"]


def test_every_machine_answers_for_all_replicas() -> None:
    for address in MACHINES.values():
        assert len({get(address)["replica"] for _ in range(60)}) == 3
        assert get(address)["greeting"] == "Hello from three machines"


def test_replicas_are_on_different_machines() -> None:
    assert running(FIRST) == 3
    assert placed() == set(MACHINES)


def test_no_machine_carries_more_than_it_needs() -> None:
    for machine in MACHINES:
        assert "172.30.0." not in on(machine, "ip", "route") or machine == FIRST
        repositories = on(machine, "docker", "image", "ls", "--format", "{{.Repository}}").split()
        assert not any(name.endswith("/node") for name in repositories)


def test_check_mode_finds_nothing_to_do() -> None:
    assert changes(run("site.yml", "--check", "--diff")) == 0


# --- what is done to it ---


def test_a_volume_is_moved_to_another_machine_with_what_uses_it() -> None:
    """By the controller: no machine has access to another one."""
    assert have_notes() == {FIRST}
    in_notes(FIRST, "echo kept >/srv/notes/note && chown 1234:2345 /srv/notes/note && chmod 0640 /srv/notes/note")
    said = " ".join(run("playbooks/move.yml", "-e", "volume=web_notes", "-e", "to=cluster2").split())
    assert "web_notes: from cluster1 to cluster2" in said
    assert "The app was away for" in said
    assert have_notes() == {"cluster2"}
    assert in_notes("cluster2", "cat /srv/notes/note; stat -c '%u:%g %a' /srv/notes/note") == "kept\n1234:2345 640\n"


def have_notes() -> set[str]:
    return {machine for machine in MACHINES if "web_notes" in on(machine, "docker", "volume", "ls", "--quiet").split()}


def in_notes(machine: str, command: str) -> str:
    by = ["--filter", "label=com.docker.swarm.service.name=web_notes", "--filter", "status=running"]
    container = on(machine, "docker", "ps", "--quiet", *by).strip()
    return on(machine, "docker", "exec", "--user", "0", container, "sh", "-ec", command)


def test_deploy_and_rollback_reach_every_machine(tmp_path: Path) -> None:
    """A disk that is full and a certificate that has ended stop what they concern, and nothing else."""
    other = tmp_path / "other.env"
    other.write_text("GREETING=Hello again\n")
    run("playbooks/deploy.yml", "-e", "app=web", "-e", f"env_file={other}")
    assert greetings() == {"Hello again"}
    given = ended_certificate(tmp_path)
    ended = "expired on"
    with nearly_full("cluster3") as full:
        refused = play("site.yml", *given)
        assert told(refused, full, ended) == [True, True]
        assert (refused.returncode, changes(refused.stdout)) == (2, 0)
        refused = play("playbooks/deploy.yml", "-e", "app=web", "-e", "image=express-app")
        assert told(refused, full, ended) == [True, False]
        assert (refused.returncode, changes(refused.stdout)) == (2, 0)
        status = play("playbooks/status.yml", *given)
        assert told(status, full, ended) == [True, True]
        assert shown(status.stdout) == "3/3"
        rollback = play("playbooks/rollback.yml", "-e", "app=web", *given)
        assert told(rollback, full, ended) == [True, True]
        assert rollback.returncode == 0
        # By the certificate that is served.
        assert greetings() == {"Hello from three machines"}
        prune = play("playbooks/prune.yml", "-e", "images_prune_grace_seconds=0")
        assert told(prune, full, ended) == [True, False]
        assert prune.returncode == 0
        # That was the cure.
        run("playbooks/deploy.yml", "-e", "app=web", "-e", "image=express-app")


def greetings(addresses: Mapping[str, str] = MACHINES) -> set[str]:
    """What the app greets with, by each machine's address."""
    return {get(address)["greeting"] for address in addresses.values() for _ in range(12)}


def told(done: subprocess.CompletedProcess[str], *problems: str) -> list[bool]:
    said = " ".join(done.stdout.split())  # Ansible breaks long lines
    return [problem in said for problem in problems]


@contextmanager
def nearly_full(machine: str) -> Iterator[str]:
    """Its engine's disk has less than the 1 GB that is wanted, for an image that nothing needs. How that is told."""
    data, spare, image = "/var/lib/docker", 950 * 2**20, 150 * 2**20
    content = f"mkdir /tmp/spare; head -c {image} /dev/zero >/tmp/spare/content; tar -c -C /tmp/spare ."
    on(machine, "sh", "-ec", f"({content}) | docker import - registry:5000/spare:1; rm -r /tmp/spare")
    free = int(on(machine, "df", "--block-size=1", "--output=avail", data).split()[-1])
    on(machine, "fallocate", "--length", str(free - spare), f"{data}/filler")
    try:
        yield f"{machine}: disk at {data} = 0.9 GB"
    finally:
        on(machine, "rm", f"{data}/filler")


def ended_certificate(folder: Path) -> list[str]:
    """One of the operator's own, which expired yesterday: as options of ansible-playbook."""
    key = pki.new_key()
    yesterday = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(days=pki.LEAF_DAYS + 1)
    authority = pki.KeyPair(pki.make_ca("somebody", key, yesterday), key)
    (folder / "own.crt").write_text(pki.issue(authority, key, [HOST, "*.localhost"], [], yesterday))
    (folder / "own.key").write_text(key)
    files = {"certificate_file": "own.crt", "certificate_key_file": "own.key"}
    return [word for name, file in files.items() for word in ("-e", f"proxy_{name}={folder / file}")]


def test_roles_follow_the_inventory(tmp_path: Path) -> None:
    """Three managers become one, and three again; the same members throughout."""
    before = {name: row["ID"] for name, row in members().items()}
    for path in ("group_vars", "files"):
        (tmp_path / path).symlink_to(INVENTORY / path)
    hosts = yaml.safe_load((ROOT / ".cache/inventories/cluster.yml").read_text())
    del hosts["swarm_managers"], hosts["swarm_workers"]
    (tmp_path / "hosts.yml").write_text(json.dumps(hosts))
    (tmp_path / "roles.yml").write_text(json.dumps(ONE_MANAGER))
    run(inventory=tmp_path)
    assert {name: row["ManagerStatus"] for name, row in members().items()} == {
        **dict.fromkeys(MACHINES, ""),
        FIRST: "Leader",
    }
    assert answered(MACHINES) == 40 * 3
    # What the inventory said before is an older copy of it, until somebody says that it is meant.
    refused = play("site.yml")
    assert refused.returncode != 0
    assert "differs in group swarm_managers, group swarm_workers" in refused.stdout
    run("site.yml", "-e", "platform_older_confirmed=nodes")
    assert sorted(row["ManagerStatus"] for row in members().values()) == ["Leader", "Reachable", "Reachable"]
    assert {name: row["ID"] for name, row in members().items()} == before


# --- Jenkins, on a machine of its own ---


def home(name: str) -> list[str]:
    return on(CI, "cat", f"{HOME}/{name}").split()


def test_jenkins_host_carries_nothing_else() -> None:
    assert on(CI, "docker", "info", "--format", "{{.Swarm.LocalNodeState}}").strip() == "inactive"
    names = on(CI, "docker", "ps", "--format", "{{.Names}}").split()
    assert sorted(names) == [JENKINS, f"{JENKINS}-agent", f"{JENKINS}-build", f"{JENKINS}-proxy"]
    for machine in MACHINES:
        assert JENKINS not in on(machine, "docker", "ps", "--all", "--format", "{{.Names}}")


def test_its_agent_does_what_a_person_types() -> None:
    """By the key, the inventory and the host keys that site.yml gave it, from its machine to the others."""
    environment = ["-e", "PATH=/opt/fungap/.venv/bin:/usr/bin:/bin", "-e", "ANSIBLE_INVENTORY=/srv/inventory"]
    exec_ = ["docker", "exec", "--user", "jenkins", *environment, "-e", "LC_ALL=C.UTF-8", f"{JENKINS}-agent"]
    said = on(CI, *exec_, "ansible-playbook", "fungap.swarm.status").partition("  Platform ")[2]
    assert "All nodes are ready, all services run as wanted." in said, said
    # The agent has no way onto the machine that it is on.
    assert CI not in on(CI, *exec_, "sh", "-c", "cut -d' ' -f1 /run/secrets/known-hosts")


def backed_up() -> Path:
    """The one archive that there is."""
    (archive,) = BACKUPS.glob("*.tar")
    return archive


def restore() -> subprocess.CompletedProcess[str]:
    """Jenkins' home, from that archive."""
    which = (f"backup_dir={BACKUPS}", "backup_name=jenkins", f"backup_archive={backed_up().name}")
    options = [word for variable in (*which, "backup_confirmed=cluster") for word in ("-e", variable)]
    return play("playbooks/restore.yml", *options)


def test_backup_and_restore() -> None:
    on(CI, "sh", "-c", f"echo before >{HOME}/job")
    run("playbooks/backup.yml", "-e", f"backup_dir={BACKUPS}")
    assert backed_up().stat().st_mode & 0o777 == 0o600
    on(CI, "sh", "-c", f"echo after >{HOME}/job")
    done = restore()
    assert done.returncode == 0, done.stdout[-6000:]
    assert home("job") == ["before"]
    # It runs on the restored home, and what was there before is gone.
    assert home("starts") == ["1.0", "1.0"]
    assert f"{JENKINS}-home" in on(CI, "docker", "volume", "ls", "--quiet").split()
    assert f"{JENKINS}-home-aside" not in on(CI, "docker", "volume", "ls", "--quiet").split()
    # Nothing else was touched; the upgrade ends with a run of everything.
    assert changes(run("site.yml", "--tags", "jenkins")) == 0


def test_a_restore_of_what_anybody_can_have_written_is_refused() -> None:
    checksum = Path(f"{backed_up()}.sha256")
    signed = checksum.read_text()
    checksum.write_text(signed.splitlines(keepends=True)[0])
    try:
        done = restore()
    finally:
        checksum.write_text(signed)
    said = " ".join(done.stdout.split())  # Ansible breaks long lines
    assert done.returncode != 0
    assert f"{checksum.name} is not signed" in said
    assert "-e backup_sha256=" in said
    assert changes(done.stdout) == 0
    assert JENKINS in on(CI, "docker", "ps", "--format", "{{.Names}}").split()


def test_a_restore_without_jenkins_image_stops_nothing() -> None:
    image = FOLDER / "images/jenkins.tar"
    image.rename(f"{image}.away")
    try:
        done = restore()
    finally:
        Path(f"{image}.away").rename(image)
    assert done.returncode != 0
    assert "There is no image of Jenkins" in done.stdout
    assert changes(done.stdout) == 0
    assert JENKINS in on(CI, "docker", "ps", "--format", "{{.Names}}").split()


def test_an_upgrade_keeps_the_home_of_the_version_before() -> None:
    image = FOLDER / "images/jenkins.tar"
    subprocess.run(["docker", "save", "--output", image, f"{checkout.name('cluster')}-jenkins:2.0"], check=True)
    run("site.yml", "--tags", "jenkins")
    assert home("starts")[-1] == "2.0"
    kept = f"{JENKINS}-home-before-1.0"
    assert kept in on(CI, "docker", "volume", "ls", "--quiet").split()
    assert "2.0" not in on(CI, "cat", f"/var/lib/docker/volumes/{kept}/_data/starts")
    assert changes(run()) == 0


# --- what happens to it ---


def test_the_others_go_on_without_one(tmp_path: Path) -> None:
    """The one that dies is the leader's, the registry's and the monitoring's machine. Every verb works without it."""
    others = {name: address for name, address in MACHINES.items() if name != FIRST}
    by = next(iter(others))
    before = {name: row["ID"] for name, row in members().items()}
    machine = outer.containers.get(PREFIX + FIRST)
    machine.kill()
    wait_for("another leader", lambda: "Leader" in [row["ManagerStatus"] for row in members(by).values()], 60)
    wait_for("its end to be known", lambda: members(by)[FIRST]["Status"] == "Down", 60)
    wait_for("its replica on another machine", lambda: placed(by) == set(others) and running(by) == 3, 90)
    wait_for("good answers alone", lambda: answered(others) == 40 * 2, 60)
    verbs_work_by(by, others, tmp_path)

    machine.start()
    # Its proxy has never heard of the route that came meanwhile.
    first: list[int] = []
    wait_for("an answer of its proxy", lambda: first or first.append(with_new_route(MACHINES[FIRST])) or first, 120)
    assert first[0] != 421
    wait_for("its return", all_ready, 120)
    assert {name: row["ID"] for name, row in members().items()} == before
    wait_for("the proxy on it", lambda: answered(MACHINES) == 40 * 3, 90)
    # It lacks the env file that came meanwhile, and so gets no replica. Those who were there have it, nobody else does.
    assert FIRST not in placed()
    (tmp_path / "new.env").unlink()
    # A container's /etc/hosts, unlike a machine's, is made anew when it starts: the registry's name has to be put back.
    assert "TASK [fungap.swarm.app : Copy it there" in run()
    on(FIRST, "docker", "service", "update", "--force", "--detach", "web_web")
    wait_for("a replica on it", lambda: FIRST in placed() and replicas("web_web") == "4/4", 90)
    assert greetings() == {"Hello without one"}
    run()
    assert changes(run()) == 0


def placed(by: str = FIRST) -> set[str]:
    """The machines that run a replica of the app."""
    listing = on(by, "docker", "service", "ps", "--filter", "desired-state=running", "--format", "{{.Node}}", "web_web")
    return {NAMES.get(node, node) for node in listing.split()}


def running(by: str) -> int:
    """How many replicas of the app run."""
    wanted = ["--filter", "desired-state=running", "--format", "{{.CurrentState}}"]
    return on(by, "docker", "service", "ps", *wanted, "web_web").count("Running")


def shown(status: str) -> str:
    """The app's replicas as status.yml shows them. Docker's own count has those of a dead machine, too."""
    return next(line.split()[1] for line in status.splitlines() if line.split()[:1] == ["web_web"])


def verbs_work_by(by: str, others: Mapping[str, str], folder: Path) -> None:
    """What an operator does while the first machine is dead; ``by``: a manager that is not."""
    status = play("playbooks/status.yml")
    assert status.returncode == 2
    assert f"Not asked    {FIRST}: " in status.stdout
    assert shown(status.stdout) == "3/3"
    assert "* in force" in run("playbooks/history.yml", "-e", "app=web")
    assert "web.1" in run("playbooks/logs.yml", "-e", "app=web", "-e", "lines=20")
    asked = run("playbooks/logs.yml", "-e", "app=web", "-e", "access=true")
    assert f"GET https://{HOST}/" in asked
    assert "REPLICA" in asked
    assert "The machine of the registry does not answer" in " ".join(run("playbooks/prune.yml").split())
    # Jenkins' machine lives.
    run("playbooks/backup.yml", "-e", f"backup_dir={folder}")
    assert len(list(folder.glob("*.tar.sha256"))) == 1
    # An image would have to go there.
    refused = play("playbooks/deploy.yml", "-e", "app=web", "-e", "image=express-app")
    assert refused.returncode == 2
    assert "can't be looked at" in refused.stdout
    assert changes(refused.stdout) == 0
    run("playbooks/rollback.yml", "-e", "app=web")
    assert greetings(others) == {"Hello again"}
    (folder / "new.env").write_text("GREETING=Hello without one\n")
    run("playbooks/deploy.yml", "-e", "app=web", "-e", f"env_file={folder / 'new.env'}")
    assert greetings(others) == {"Hello without one"}
    run("playbooks/scale.yml", "-e", "app=web", "-e", "replicas=4")
    assert shown(play("playbooks/status.yml").stdout) == "4/4"
    assert placed(by) == set(others)
    # Two managers of three say what the route is.
    run("playbooks/deploy.yml", "-e", "app=web", "-e", json.dumps({"settings": {"hosts": [HOST, NEW_HOST]}}))
    assert {ask(address, NEW_HOST)[0] for address in others.values()} == {200}


def test_reset_takes_all_of_it_away() -> None:
    run("playbooks/reset.yml", "-e", "reset_confirmed=cluster", "-e", "reset_volumes=true")
    for machine in [*MACHINES, CI]:
        assert on(machine, "docker", "info", "--format", "{{.Swarm.LocalNodeState}}").strip() == "inactive"
        assert on(machine, "docker", "ps", "--all", "--quiet") == ""
        assert on(machine, "docker", "volume", "ls", "--quiet") == ""
        networks = on(machine, "docker", "network", "ls", "--filter", "type=custom", "--format", "{{.Name}}").split()
        assert networks in ([], ["docker_gwbridge"])
        assert "registry" not in on(machine, "cat", "/etc/hosts")
