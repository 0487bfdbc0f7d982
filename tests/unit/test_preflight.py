"""Wrong inventories, one row each: what is reported names the variable, its value and the cure."""
# ruff: noqa: E501 -- a table reads best with one row a line

from __future__ import annotations

import copy
import datetime
import ipaddress
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.release import __version__ as ansible_version
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from ansible_collections.fungap.swarm.plugins.module_utils.config_files.model import PathState, digested
from ansible_collections.fungap.swarm.plugins.module_utils.core.digest import secret_digest
from ansible_collections.fungap.swarm.plugins.module_utils.folder.model import marker_text
from ansible_collections.fungap.swarm.plugins.module_utils.memory.model import Memory
from ansible_collections.fungap.swarm.plugins.plugin_utils import pki
from ansible_collections.fungap.swarm.plugins.plugin_utils.app import DEFAULTS, REQUIRED, resolve_app
from ansible_collections.fungap.swarm.plugins.plugin_utils.inventory import (
    RawInventory,
    Undefined,
    asked_for,
    in_operators_words,
    parse,
    refused,
    secrets,
    with_settings,
)
from ansible_collections.fungap.swarm.plugins.plugin_utils.jenkins import PIPELINE_SETTINGS
from ansible_collections.fungap.swarm.plugins.plugin_utils.preflight.apps import check_settings_together
from ansible_collections.fungap.swarm.plugins.plugin_utils.preflight.checks import check, check_for_reset, of_kind
from ansible_collections.fungap.swarm.plugins.plugin_utils.preflight.inputs import (
    FileContent,
    HostFacts,
    PreflightInput,
    parse_images,
)
from ansible_collections.fungap.swarm.plugins.plugin_utils.preflight.resolve import resolve
from ansible_collections.fungap.swarm.plugins.plugin_utils.preflight.verdict import brought_in, judge, warnings
from ansible_collections.fungap.swarm.plugins.plugin_utils.problem import Harmless, Problem, show_key, summary
from ansible_collections.fungap.swarm.plugins.plugin_utils.release import in_force, of_inventory
from ansible_collections.fungap.swarm.plugins.plugin_utils.routes import app_routes
from ansible_collections.fungap.swarm.plugins.plugin_utils.said import dump_rows, parse_rows, with_this_run
from ansible_collections.fungap.swarm.plugins.plugin_utils.sizes import bytes_of
from ansible_collections.fungap.swarm.plugins.plugin_utils.specs import Specs, complete, read_specs
from ansible_collections.fungap.swarm.plugins.plugin_utils.verbs import KINDS, VERBS

ROOT = Path(__file__).resolve().parents[2]
BASIC = ("prometheus", "alertmanager", "grafana", "node-exporter", "blackbox-exporter", "swarm-exporter")
NOW = datetime.datetime(2026, 11, 22, 12, 0, tzinfo=datetime.timezone.utc)
SPECS: Specs = read_specs(str(ROOT / "roles"))
GIGABYTE = 1024**3

FACTS: dict[str, Any] = {
    "hostname": "vm",
    "architecture": "x86_64",
    "boot_id": "one",
    "distribution": {"id": "debian", "version": "13", "codename": "trixie"},
    "kernel": {"release": "6.12.0", "ipvs": True, "modules": {"overlay": "loaded", "vxlan": "loadable"}},
    "mtu": 1500,
    "interface": "eth0",
    "address": "192.0.2.10",
    "addresses": ["192.0.2.10", "172.17.0.1"],
    "routes": ["172.17.0.0/16", "192.0.2.0/24"],
    "listening": [{"port": 22, "address": "0.0.0.0", "process": "sshd"}],
    "disk": {"path": "/var/lib/docker", "total_bytes": 40 * GIGABYTE, "free_bytes": 20 * GIGABYTE},
    "memory": {"total_bytes": 4 * GIGABYTE, "available_bytes": 3 * GIGABYTE},
    "cpus": 2,
    "trusted_ca_files": ["/usr/local/share/ca-certificates/company.crt"],
    "files": {},
    "folders": {},
    "docker": {
        "present": True,
        "socket": "/run/docker.sock",
        "answering": True,
        "version": "26.1.5",
        "storage_driver": "overlay2",
        "root_dir": "/var/lib/docker",
        "swarm": "inactive",
        "containers": [],
        "ports": [],
        "networks": [{"name": "bridge", "platform": "", "scope": "local", "subnets": ["172.17.0.0/16"]}],
    },
}
OUR_NETWORK = {"name": "fungap", "platform": "fungap", "scope": "local", "subnets": ["172.30.0.0/24"]}
CATALOG = {
    "base": {"internal": True, "build": {"bootstrap": "trixie"}},
    "nodejs": {"internal": True, "build": {"context": "x"}},
    "node": {"pull": "docker:dind", "build": {"context": "x"}},
    "registry": {"pull": "registry:2", "build": {"context": "x"}},
    "proxy": {"pull": "nginx:1", "build": {"context": "x"}},
    "express-app": {"build": {"context": "x"}},
    "vendor-app": {"pull": "vendor/app:1"},
    "nowhere": {},
}
ENV = "/inventory/files/web.env"


class Scenario:
    """The local inventory, right until a row spoils it."""

    def __init__(self) -> None:
        self.all: dict[str, Any] = {
            "platform_name": "fungap",
            "platform_subnet": "172.30.0.0/24",
            "images_source": "build",
            "apps": {
                "web": {
                    "image": "express-app",
                    "port": 3000,
                    "hosts": ["web.localhost"],
                    "replicas": 3,
                    "env_file": "files/web.env",
                    "env_target": "/usr/src/app/env",
                }
            },
        }
        self.hosts: dict[str, dict[str, Any]] = {
            "vm1": {"ansible_host": "192.0.2.10"},
            "manager1": {"swarm_node_host": "vm1", "swarm_node_address": "172.30.0.11"},
            "worker1": {"swarm_node_host": "vm1", "swarm_node_address": "172.30.0.21"},
            "worker2": {"swarm_node_host": "vm1", "swarm_node_address": "172.30.0.22"},
        }
        self.groups: dict[str, list[str]] = {
            "docker_hosts": ["vm1"],
            "registry": ["vm1"],
            "swarm_managers": ["manager1"],
            "swarm_workers": ["worker1", "worker2"],
        }
        self.facts = {"vm1": copy.deepcopy(FACTS)}
        self.looks: dict[str, HostFacts] = {}
        self.catalog = dict(CATALOG)
        self.files = {ENV: FileContent(b"GREETING=hello\n")}
        # What an operator asks for besides.
        self.changes: dict[str, Any] = {}
        self.said: dict[str, str] = {}
        self.given: set[str] = set()

    @property
    def web(self) -> dict[str, Any]:
        app: dict[str, Any] = self.all["apps"]["web"]
        return app

    @property
    def vm(self) -> dict[str, Any]:
        return self.facts["vm1"]

    def add_node(self, name: str, group: str, **variables: Any) -> None:
        self.hosts[name] = {"swarm_node_host": "vm1", **{f"swarm_node_{key}": v for key, v in variables.items()}}
        self.groups[group].append(name)

    def cluster(self) -> None:
        """Three machines that are nodes themselves."""
        names = [f"vm{number}" for number in (1, 2, 3)]
        self.hosts = {name: {"ansible_host": f"192.0.2.1{name[-1]}"} for name in names}
        self.groups = {"docker_hosts": names, "registry": ["vm1"], "swarm_managers": list(names), "swarm_workers": []}
        for name in names:
            address = f"192.0.2.1{name[-1]}"
            own = {"hostname": name, "boot_id": name, "address": address, "addresses": [address]}
            self.facts[name] = {**copy.deepcopy(FACTS), **own}

    def inputs(self) -> tuple[PreflightInput, list[Problem]]:
        raw = RawInventory(
            hosts={name: {**self.all, **variables} for name, variables in self.hosts.items()},
            groups={"all": list(self.hosts), "ungrouped": [], **self.groups},
            inventory_dir="/inventory",
        )
        if self.changes:
            raw = with_settings(raw, *asked_for(self.changes), SPECS.app)
        inventory, problems = parse(raw, SPECS)
        looks = {**{name: HostFacts(facts=facts) for name, facts in self.facts.items()}, **self.looks}
        inputs = PreflightInput(raw, inventory, looks, parse_images(self.catalog), self.files, NOW)
        return replace(inputs, said=self.said, given=frozenset(self.given), who="me@desk"), problems

    def problems(self) -> list[Problem]:
        inputs, problems = self.inputs()
        return problems + check(inputs, [check_settings_together] if self.changes else [])


def alternative_name(name: str) -> x509.GeneralName:
    return x509.IPAddress(ipaddress.ip_address(name)) if name.replace(".", "").isdigit() else x509.DNSName(name)


def certificate(
    *names: str, days: int = 90, start: int = 0, key: ec.EllipticCurvePrivateKey | None = None
) -> tuple[bytes, bytes]:
    key = key or ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    builder = x509.CertificateBuilder(
        subject_name=name,
        issuer_name=name,
        public_key=key.public_key(),
        serial_number=1,
        not_valid_before=NOW + datetime.timedelta(days=start),
        not_valid_after=NOW + datetime.timedelta(days=days),
    ).add_extension(x509.SubjectAlternativeName([alternative_name(one) for one in names]), critical=False)
    pem = builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)
    return pem, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def authority(pem: bytes, server: str = "https://ca.example.com/dir") -> Change:
    """One of one's own for proxy_acme, known by a file."""

    def change(scenario: Scenario) -> None:
        scenario.all.update(proxy_acme={"server": server, "ca_file": "files/ca.pem"})
        scenario.files["/inventory/files/ca.pem"] = FileContent(pem)

    return change


def with_certificate(scenario: Scenario, pem: bytes, key: bytes) -> None:
    scenario.all.update(proxy_certificate_file="files/tls.pem", proxy_certificate_key_file="files/tls.key")
    scenario.files.update({"/inventory/files/tls.pem": FileContent(pem), "/inventory/files/tls.key": FileContent(key)})


Change = Callable[[Scenario], Any]


def platform(**variables: Any) -> Change:
    return lambda s: s.all.update(variables)


def app(**settings: Any) -> Change:
    return lambda s: s.web.update(settings)


def node(name: str, **variables: Any) -> Change:
    return lambda s: s.hosts[name].update({f"swarm_node_{key}": value for key, value in variables.items()})


def group(name: str, *hosts: str) -> Change:
    return lambda s: s.groups.update({name: list(hosts)})


def host(**facts: Any) -> Change:
    return lambda s: s.vm.update(facts)


def docker(**facts: Any) -> Change:
    return lambda s: s.vm["docker"].update(facts)


def listening(port: int, process: str = "nginx", address: str = "0.0.0.0") -> Change:
    return lambda s: s.vm["listening"].append({"port": port, "address": address, "process": process})


def published(port: int, container: str, platform_name: str = "", service: str = "") -> Change:
    return lambda s: s.vm["docker"]["ports"].append(
        {"port": port, "address": "0.0.0.0", "container": container, "platform": platform_name, "service": service}
    )


def env_file(content: bytes = b"", error: str = "") -> Change:
    return lambda s: s.files.update({ENV: FileContent(content, error)})


def with_shop(**service: Any) -> Change:
    """Another app, with a service of its own; and what the first one's says."""

    def change(s: Scenario) -> None:
        s.web["service"] = service
        s.all["apps"]["shop"] = {"image": "express-app", "port": 1, "services": {"queue": {"image": "a:1"}}}

    return change


def both(*changes: Change) -> Change:
    return lambda s: [change(s) for change in changes]


def without(*keys: str) -> Change:
    return lambda s: [s.web.pop(key) for key in keys]


def in_cluster(*changes: Change) -> Change:
    return both(Scenario.cluster, *changes)


def named(**names: str) -> Change:
    """Machines with other host names than the inventory's."""

    def change(s: Scenario) -> None:
        for host, name in names.items():
            s.facts[host]["hostname"] = name

    return change


def archive(*names: str) -> Change:
    folders = {"/etc/fungap/images": list(names)} if names else {"/etc/fungap/images": None}
    return both(platform(images_source="archive"), host(folders=folders))


def second_docker_host(s: Scenario) -> None:
    s.hosts["vm2"] = {"ansible_host": "192.0.2.20"}
    s.groups["docker_hosts"].append("vm2")
    s.facts["vm2"] = {**copy.deepcopy(FACTS), "boot_id": "two"}


def tls(*names: str, **how: Any) -> Change:
    return lambda s: with_certificate(s, *certificate(*names, **how))


def newer_in_force(env: str = "", **settings: Any) -> Change:
    """What the inventory says is in revision 1, as site.yml records it, and a newer copy in revision 2."""

    def change(s: Scenario) -> None:
        app = resolve(s.inputs()[0])["apps"]["web"]
        digest = secret_digest(s.files[ENV].content) if app["env_file"] else ""
        older = of_inventory(resolve_app("web", app), "registry:5000/web@sha256:1", digest)
        newer = {**older, "env": env or digest, "app": {**older["app"], **settings}}
        by = {"who": "me@here", "kind": "site", "verdict": "converged"}
        rows = [
            {**by, "number": number, "when": f"2026-11-0{number}", "release": {"inventory": word}}
            for number, word in ((2, newer), (1, older))
        ]
        manager = s.groups["docker_hosts"][-1]
        s.looks[manager] = HostFacts(facts=s.facts[manager], stacks={"web": {"revisions": rows}})

    return change


def foreign_key(s: Scenario) -> None:
    with_certificate(s, certificate("web.localhost")[0], certificate("web.localhost")[1])


# Of a kind that nobody knows: no library calls that a ValueError.
UNKNOWN_KEY = b"""-----BEGIN PRIVATE KEY-----
MCcCAQAwBQYDKgMEBBswGQIBAQQUAQEBAQEBAQEBAQEBAQEBAQEBAQE=
-----END PRIVATE KEY-----
"""


def jenkins_key(key: bytes) -> Change:
    def change(s: Scenario) -> None:
        with_jenkins(jenkins_certificate_file="files/j.pem", jenkins_certificate_key_file="files/j.key")(s)
        pem = certificate("jenkins.example.com")[0]
        s.files.update({"/inventory/files/j.pem": FileContent(pem), "/inventory/files/j.key": FileContent(key)})

    return change


IN_FORCE = Memory("web", 7, "c1", "2026-11-28T10:00:00Z", ("manager1", "worker1")).dump().encode()


def remembers(content: bytes = b"", error: str = "") -> Change:
    return lambda s: s.files.update({"/inventory/.secrets/in-force-fungap.json": FileContent(content, error)})


GITHUB = "https://github.com/team/web.git"


def with_jenkins(*changes: Change, **variables: Any) -> Change:
    """Jenkins on a machine of its own, vm9, and then what a row spoils."""

    def change(s: Scenario) -> None:
        s.hosts["vm9"] = {"ansible_host": "192.0.2.90"}
        s.groups["docker_hosts"].append("vm9")
        s.groups["jenkins"] = ["vm9"]
        own = {"boot_id": "nine", "address": "192.0.2.90", "addresses": ["192.0.2.90"]}
        s.facts["vm9"] = {**copy.deepcopy(FACTS), **own}
        s.all.update({"jenkins_host": "jenkins.example.com", **variables})
        for one in changes:
            one(s)

    return change


def jenkins_network(name: str, subnet: str) -> Change:
    return lambda s: s.facts["vm9"]["docker"]["networks"].append(
        {"name": name, "platform": "" if name == "lab" else name, "scope": "local", "subnets": [subnet]}
    )


MOUNT = {"container": "fungap-manager1", "platform": "fungap"}


def own_folder(path: str, *, host: str = "vm1", **seen: Any) -> Change:
    folder = {"kind": "directory", "marker": None, "names": [], "registry_logins": [], **seen}
    return lambda s: s.facts[host].setdefault("own_folders", {}).update({path: folder})


CERTIFICATES = "/etc/docker/certs.d/registry:5000"
CA, OTHER_CA = (pki.make_ca("fungap platform CA", pki.new_key(), NOW) for _ in range(2))
ID, OTHER_ID = pki.key_id(CA), pki.key_id(OTHER_CA)


def marked(platform_id: str = "", *, path: str = "/etc/fungap", ca: str = "", **variables: Any) -> Change:
    """The platform's folder on the docker host, and the controller's CA. ``ca``: the one that the host trusts."""
    tree = {"/etc/fungap": {"/etc/fungap/certs.d/registry:5000/ca.crt": {"certificate": ca, "digest": "x"}}}
    return both(
        platform(**variables),
        own_folder(path, names=[".fungap-platform", "x"], marker=marker_text("fungap", platform_id)),
        lambda s: s.looks.update(vm1=HostFacts(facts=s.vm, trees=tree if ca else {})),
        lambda s: s.files.update({"/inventory/.secrets/ca.crt": FileContent(CA.encode())}),
    )


def record(text: str, host: str = "vm1") -> Change:
    return lambda s: s.looks.update({host: HostFacts(facts=s.facts[host], record=text)})


def said_before(**said: str) -> Change:
    """What this copy says, which was in force before something newer."""
    rows = with_this_run(said, [], "2026-11-01T10:00:00Z", "me@desk", ())
    newer = dict.fromkeys(said, "newer")
    text = dump_rows(with_this_run(newer, rows, "2026-11-02T10:00:00Z", "you@laptop", ()))
    return both(record(text), lambda s: s.said.update(said))


def without_secrets(change: Change) -> Change:
    return both(change, lambda s: s.files.pop("/inventory/.secrets/ca.crt"))


THEIRS = {"names": [".fungap-platform", "ca.crt"], "marker": "platform: two\n"}


def hosts_line(address: str, *names: str, owner: str = "", host: str = "vm1") -> Change:
    line = {"address": address, "names": list(names), "owner": owner}
    return lambda s: s.facts[host].setdefault("hosts_lines", []).append(line)


def same_ca(digest: str = "x") -> Change:
    """The machine's CA of the registry, and the one in the platform's folder."""
    there = {"/etc/docker": {f"{CERTIFICATES}/ca.crt": {"digest": "x"}}}
    own = {"/etc/fungap": {"/etc/fungap/certs.d/registry:5000/ca.crt": {"digest": digest}}}
    return lambda s: s.looks.update(vm1=HostFacts(facts=s.vm, trees={**there, **own}))


def containers(*found: tuple[str, str]) -> Change:
    return docker(containers=[{"name": name, "platform": owner} for name, owner in found])


GIT = {"name": "github", "username": "git", "password": "geheim"}
SSH = {
    "name": "github",
    "private_key": "-----BEGIN OPENSSH PRIVATE KEY-----\ngeheim\n-----END OPENSSH PRIVATE KEY-----\n",
}
MYSQL = {"name": "main", "host": "db.example", "username": "u", "password": "geheim"}


def monitoring_image(entry: dict[str, Any], **variables: Any) -> Change:
    return both(platform(**variables), lambda s: s.catalog.update(prometheus=entry))


def mysql(**settings: Any) -> Change:
    return platform(monitoring_mysql_endpoints=[{**MYSQL, **settings}])


# (what is wrong, where, variable, value, part of the problem, part of the cure)
def moved(*redirects: dict[str, Any]) -> Change:
    """Of an app with two host names."""
    return app(hosts=["a.io", "w.io"], route={"redirects": list(redirects)})


def beside(web: dict[str, Any], shop: dict[str, Any]) -> Change:
    """Two apps with one host name, with their routes."""

    def change(scenario: Scenario) -> None:
        scenario.all["apps"]["shop"] = {**copy.deepcopy(scenario.web), "route": shop}
        scenario.web["route"] = web

    return change


CASES: list[tuple[Change, str, str, str, str, str]] = [
    # names
    (platform(platfrom_subnet="172.31.0.0/24"), "all hosts", "platfrom_subnet", "(not shown)", "not a variable", "did you mean platform_subnet?"),
    (platform(platform_colour="red"), "all hosts", "platform_colour", "(not shown)", "not a variable", "take it away"),
    (platform(proxy_http_prot=8080), "all hosts", "proxy_http_prot", "(not shown)", "not a variable", "did you mean proxy_http_port?"),
    (node("worker1", adress="172.30.0.21"), "worker1", "swarm_node_adress", "(not shown)", "not a variable", "did you mean swarm_node_address?"),
    (platform(image_source="pull"), "all hosts", "image_source", "(not shown)", "not a variable", "did you mean images_source?"),
    (platform(registry_adress="r:5000"), "all hosts", "registry_adress", "(not shown)", "not a variable", "did you mean registry_address?"),
    (platform(registry_passwort="geheim"), "all hosts", "registry_passwort", "(not shown)", "not a variable", ""),
    (group("swarm_manager", "manager1"), "inventory", "group swarm_manager", "manager1", "not a group of ours", "did you mean swarm_managers?"),
    (both(with_shop(), lambda s: s.all["apps"].update({"w" * 30: {"image": "express-app", "port": 1, "cron": {"cleanup-nights": {"schedule": "* * * * *", "command": ["x"]}}}})), "all hosts", f"apps.{'w' * 30}.cron.cleanup-nights", "cleanup-nights", "is too long beside the app's: together they have 44", "at most 41"),
    (app(replica=2), "all hosts", "apps.web.replica", "(not shown)", "not a known setting", "did you mean replicas?"),
    (app(health={"pth": "/"}), "all hosts", "apps.web.health.pth", "(not shown)", "not a known setting", "did you mean path?"),
    (platform(platform_name="Fun Gap"), "all hosts", "platform_name", "(not shown)", "can't be part of", "as fungap"),
    (platform(platform_run_dir="/run"), "all hosts", "platform_run_dir", "/run", "not a folder", "as /etc/fungap"),
    (platform(platform_run_dir="/run/" + "x" * 100), "manager1", "platform_run_dir", "/run/xxx", "longer than 107", "shorter"),
    # whose a folder is that is there already
    (own_folder("/etc/fungap", names=["passwd"]), "vm1", "platform_config_dir", "/etc/fungap", "is not empty (passwd)", "echo 'platform: fungap' > /etc/fungap/.fungap-platform"),
    (both(own_folder("/etc/fungap", names=["passwd"]), docker(present=False, answering=False)), "vm1", "platform_config_dir", "/etc/fungap", "is not empty (passwd)", "choose a folder"),
    (own_folder("/etc/fungap", marker="platform: other\n"), "vm1", "platform_config_dir", "/etc/fungap", "belongs to platform other", "choose a folder"),
    (both(platform(platform_config_dir="/var/lib"), own_folder("/var/lib", names=["dpkg"])), "all hosts", "platform_config_dir", "/var/lib", "others use it too", "as /etc/fungap"),
    (both(platform(platform_run_dir="/srv/x/"), own_folder("/srv/x", kind="link")), "vm1", "platform_run_dir", "/srv/x", "is a symbolic link", "choose a folder"),
    (both(with_jenkins(jenkins_backup_dir="/srv/b"), own_folder("/srv/b", names=["a"], host="vm9")), "vm9", "jenkins_backup_dir", "/srv/b", "is not empty (a)", "choose a folder"),
    (both(platform(platform_secrets_dir="/etc/fungap/secrets"), lambda s: s.hosts["vm1"].update(ansible_connection="local")), "all hosts", "platform_secrets_dir", "/etc/fungap/secrets", "lies in platform_config_dir /etc/fungap", "a folder apart"),
    # another platform of the same name is there
    (marked(OTHER_ID), "all hosts", "platform_secrets_dir", "/inventory/.secrets", f"has the secrets of one whose ID is {ID}, and the platform fungap there has the ID {OTHER_ID}", f"-e platform_id_replaced={OTHER_ID}"),
    (marked(OTHER_ID, path=CERTIFICATES), "all hosts", "platform_secrets_dir", "/inventory/.secrets", f"the ID {OTHER_ID}", "bring a copy of its folder"),
    (without_secrets(marked(OTHER_ID)), "all hosts", "platform_secrets_dir", "/inventory/.secrets", f"has no ca.crt, and the platform fungap there has the ID {OTHER_ID}", "run it where that platform's secrets are"),
    (marked(ca=OTHER_CA), "all hosts", "platform_secrets_dir", "/inventory/.secrets", f"the ID {OTHER_ID}", "bring a copy of its folder"),
    (without_secrets(marked(ca=OTHER_CA)), "all hosts", "platform_secrets_dir", "/inventory/.secrets", "has no ca.crt", "bring a copy of its folder"),
    (marked(OTHER_ID, platform_id_replaced=ID), "all hosts", "platform_secrets_dir", "/inventory/.secrets", f"the ID {OTHER_ID}", f"={OTHER_ID}"),
    # an older copy of the inventory
    (said_before(proxy_http_port="a"), "all hosts", "proxy", "", "site.yml by me@desk, 2026-11-01T10:00:00Z, recorded the same, and site.yml by you@laptop, 2026-11-02T10:00:00Z, a newer one, which differs in proxy_http_port", "-e platform_older_confirmed=proxy"),
    (both(said_before(proxy_http_port="a"), platform(platform_older_confirmed="nodes")), "all hosts", "proxy", "", "is an older copy", "say so"),
    (platform(platform_older_confirmed="prox"), "all hosts", "platform_older_confirmed", "prox", "is not one of the choices", "did you mean proxy?"),
    (record("x"), "vm1", "platform_config_dir", "/etc/fungap", "has said, which tells what inventories said and is broken", "put it back from a copy"),
    # types
    (platform(platform_subnet=["172.30.0.0/24"]), "all hosts", "platform_subnet", "(not shown)", "must be text, not a list", "write text"),
    (platform(proxy_http_port="eighty"), "all hosts", "proxy_http_port", "(not shown)", "must be a whole number, not text", "write a whole number"),
    (platform(proxy_http_port=True), "all hosts", "proxy_http_port", "true", "must be a whole number", "write a whole number"),
    (platform(apps=["web"]), "all hosts", "apps", "(not shown)", "must be a mapping, not a list", "write a mapping"),
    (platform(platform_subnet=None), "all hosts", "platform_subnet", "", "is empty", "take the line away"),
    (platform(images_source="dockerhub"), "all hosts", "images_source", "(not shown)", "not one of the choices", "one of: auto, pull, build, archive"),
    (node("worker1", driver="dnid"), "worker1", "swarm_node_driver", "(not shown)", "not one of the choices", "did you mean dind?"),
    (node("worker1", availability="on"), "worker1", "swarm_node_availability", "on", "not one of the choices", "active, pause, drain"),
    (app(replicas="three"), "all hosts", "apps.web.replicas", "(not shown)", "must be a whole number", "how many containers"),
    (app(update={"order": "start_first"}), "all hosts", "apps.web.update.order", "(not shown)", "not one of the choices", "did you mean start-first?"),
    (app(route={"sticky": "perhaps"}), "all hosts", "apps.web.route.sticky", "(not shown)", "must be true or false", ""),
    (app(route={"cookie_flags": ["secur"]}), "all hosts", "apps.web.route.cookie_flags", "= (not shown)\n", "not one of the choices", "did you mean secure?"),
    (platform(apps={"web": "express-app"}), "all hosts", "apps.web", "(not shown)", "must be a mapping", "image, port"),
    (platform(monitoring_retention_time=Undefined("", "'x' is undefined"), platform_colour="red"), "all hosts", "platform_colour", "(not shown)", "not a variable", "take it away"),
    (with_jenkins(app(repository="https://ghp_geheim@x.example/a")), "all hosts", "apps.web.repository", "(not shown)", "not a repository's address", "without a password"),
    (platform(platform_subnet=Undefined("{{ nett }}", "'nett' is undefined")), "all hosts", "platform_subnet", "{{ nett }}", "can't be resolved: 'nett' is undefined", "define"),
    (node("worker1", memory="lots"), "worker1", "swarm_node_memory", "(not shown)", "not an amount of memory", "as 2G"),
    (lambda s: s.hosts["worker1"].update(platform_name="other"), "inventory", "platform_name", "(not shown)", "must be the same for all hosts", "group_vars/all.yml"),
    # monitoring
    (platform(monitoring_enable=True), "all hosts", "monitoring_enable", "(not shown)", "not a variable", "did you mean monitoring_enabled?"),
    (platform(monitoring_retention="15d"), "all hosts", "monitoring_retention", "(not shown)", "not a variable", ""),
    (platform(monitoring_enabled="perhaps"), "all hosts", "monitoring_enabled", "(not shown)", "must be true or false", ""),
    (platform(monitoring_hosts={"promtheus": "a.example"}), "all hosts", "monitoring_hosts.promtheus", "(not shown)", "not a known setting", "did you mean prometheus?"),
    (platform(monitoring_hosts={"grafana": "https://g.example/"}), "all hosts", "monitoring_hosts.grafana", "(not shown)", "is not a host name", "no scheme"),
    (platform(monitoring_hosts={"grafana": "web.localhost"}), "all hosts", "monitoring_hosts.grafana", "web.localhost", "host name of the app web too", "one of them"),
    (platform(monitoring_hosts={"grafana": "m.example", "prometheus": "m.example"}), "all hosts", "monitoring_hosts.grafana", "m.example", "host name of prometheus too", "one of them"),
    (platform(monitoring_mysql_endpoints=[{"name": "main", "host": "db", "username": "u"}]), "all hosts", "monitoring_mysql_endpoints[0].password", "", "is missing", "add it"),
    (platform(monitoring_mail={"to": "ops@example.com", "from": "swarm@example.com"}), "all hosts", "monitoring_mail.smarthost", "", "is missing", "belong together"),
    (platform(monitoring_alerts={"HostCpuHihg": {"above": 0.9}}), "all hosts", "monitoring_alerts", "HostCpuHihg", "is not an alert of the platform", "did you mean HostCpuHigh?"),
    (platform(monitoring_alerts={"HostCpuHigh": {"above": 90}}), "all hosts", "monitoring_alerts.HostCpuHigh.above", "90", "is not a part of the whole", "less than 1"),
    (platform(monitoring_rule_files=["files/shop.yml"]), "all hosts", "monitoring_rule_files[0]", "files/shop.yml", "can't be read: it was not read", "correct the path"),
    (platform(monitoring_alert_routes=[{"receiver": "dba"}]), "all hosts", "monitoring_alert_routes[0].receiver", "(not shown)", "is not a receiver", "one of: people, deadman"),
    (mysql(name="a b"), "all hosts", "monitoring_mysql_endpoints[0].name", "(not shown)", "is not a name", "letters"),
    (mysql(port=0), "all hosts", "monitoring_mysql_endpoints[0].port", "0", "is not a port", "1 to 65535"),
    (platform(monitoring_mysql_endpoints=[MYSQL, MYSQL]), "all hosts", "monitoring_mysql_endpoints[1].name", "main", "is there twice", "its own"),
    (platform(monitoring_elasticsearch_urls=["user:geheim@search"]), "all hosts", "monitoring_elasticsearch_urls[0]", "(not shown)", "is not a URL", "as https://"),
    (app(metrics={"pth": "/metrics"}), "all hosts", "apps.web.metrics.pth", "(not shown)", "not a known setting", "did you mean path?"),
    (app(metrics={"path": "metrics"}), "all hosts", "apps.web.metrics.path", "metrics", "does not begin with /", "as /metrics"),
    (app(metrics={"path": "/metrics", "port": 70000}), "all hosts", "apps.web.metrics.port", "70000", "is not a port", "1 to 65535"),
    (app(metrics={"port": 9000}), "all hosts", "apps.web.metrics.port", "9000", "without metrics.path", "name the path"),
    (monitoring_image({"pull": "prom/prometheus:v2"}), "all hosts", "images_source", "build", "how to build prometheus", "images_source: pull"),
    # jenkins
    (both(with_jenkins(), second_docker_host, group("jenkins", "vm9", "vm2")), "inventory", "group jenkins", "vm9, vm2", "more than one", "leave one"),
    (with_jenkins(group("docker_hosts", "vm1")), "vm9", "group jenkins", "vm9", "is not in docker_hosts", "put it in docker_hosts too"),
    (with_jenkins(group("jenkins", "vm1")), "vm1", "group jenkins", "vm1", "carries the registry too: Jenkins' memory use once took the app down", "jenkins_shares_host: true"),
    (in_cluster(with_jenkins(group("jenkins", "vm2"))), "vm2", "group jenkins", "vm2", "carries the node vm2 too", "a machine of its own"),
    (group("jenkinss", "vm1"), "inventory", "group jenkinss", "vm1", "not a group of ours", "did you mean jenkins?"),
    (with_jenkins(jenkins_memry="2G"), "all hosts", "jenkins_memry", "(not shown)", "not a variable", "did you mean jenkins_memory?"),
    (with_jenkins(jenkins_host=""), "all hosts", "jenkins_host", "", "is missing", "as jenkins.example.com"),
    (with_jenkins(jenkins_host="https://j.example/"), "all hosts", "jenkins_host", "(not shown)", "is not a host name", "no scheme"),
    (with_jenkins(jenkins_host="web.localhost"), "all hosts", "jenkins_host", "web.localhost", "host name of the app web too", "another one"),
    (with_jenkins(jenkins_https_port=0), "all hosts", "jenkins_https_port", "0", "is not a port", "1 to 65535"),
    (with_jenkins(jenkins_bind_address="here"), "all hosts", "jenkins_bind_address", "(not shown)", "not an IPv4 address", "0.0.0.0"),
    (with_jenkins(lambda s: s.facts["vm9"]["listening"].append({"port": 443, "address": "0.0.0.0", "process": "apache2"})), "vm9", "jenkins_https_port", "443", "held by the process apache2", "another jenkins_https_port"),
    (with_jenkins(group("jenkins", "vm1"), jenkins_shares_host=True), "all hosts", "jenkins_https_port", "443", "is proxy_https_port of the same machine", "as 8443"),
    (with_jenkins(jenkins_subnet="nonsense"), "all hosts", "jenkins_subnet", "(not shown)", "not an IPv4 network", "as 172.31.240.0/24"),
    (with_jenkins(jenkins_subnet="8.8.8.0/24"), "all hosts", "jenkins_subnet", "8.8.8.0/24", "is not private", "a private network"),
    (with_jenkins(jenkins_subnet="172.31.240.0/30"), "all hosts", "jenkins_subnet", "172.31.240.0/30", "has no room", "as 172.31.240.0/24"),
    (with_jenkins(jenkins_subnet="172.30.0.0/16"), "all hosts", "jenkins_subnet", "172.30.0.0/16", "overlaps platform_subnet", "apart from it"),
    (with_jenkins(jenkins_network("lab", "172.31.0.0/16")), "all hosts", "jenkins_subnet", "172.31.240.0/24", "overlaps 172.31.0.0/16 on vm9 (docker network lab)", "nothing uses there"),
    (with_jenkins(jenkins_network("fungap-jenkins", "172.31.9.0/24")), "all hosts", "jenkins_subnet", "172.31.240.0/24", "is 172.31.9.0/24 on vm9 already", "set it back"),
    (with_jenkins(jenkins_memory="lots"), "all hosts", "jenkins_memory", "(not shown)", "not an amount of memory", "as 2G"),
    (with_jenkins(jenkins_memory="256M"), "all hosts", "jenkins_memory", "256M", "less than it starts with", "as 2G"),
    (with_jenkins(jenkins_build_memory="lots"), "all hosts", "jenkins_build_memory", "(not shown)", "not an amount of memory", "as 2G"),
    (with_jenkins(jenkins_build_memory="9G"), "all hosts", "jenkins_build_memory", "9G", "more than the 4.0 GB of vm9", "bigger machine"),
    (platform(backup_sha256="abc"), "all hosts", "backup_sha256", "(not shown)", "is not a SHA-256", "64 hexadecimal digits"),
    (platform(backup_sha256="z" * 64), "all hosts", "backup_sha256", "(not shown)", "is not a SHA-256", "64 hexadecimal digits"),
    (with_jenkins(jenkins_backup_dir="backup"), "all hosts", "jenkins_backup_dir", "backup", "not an absolute path", "a folder of its own"),
    (with_jenkins(jenkins_memory="8G"), "all hosts", "jenkins_memory", "8G", "more than the 4.0 GB of vm9", "bigger machine"),
    (with_jenkins(lambda s: s.hosts["vm1"].update(ansible_connection="local")), "vm1", "ansible_connection", "local", "agent reaches it by SSH only", "an SSH server"),
    (platform(platform_name="fungap-jenkins"), "all hosts", "platform_name", "fungap-jenkins", "Jenkins' own containers", "another name"),
    (app(repository=GITHUB), "all hosts", "apps.web.repository", GITHUB, "there is no Jenkins", "in the group jenkins"),
    (with_jenkins(app(repository="github.com/team/web")), "all hosts", "apps.web.repository", "github.com/team/web", "not a repository's address", "as https://github.com"),
    (with_jenkins(app(repository="https://x.example/a'); evil('")), "all hosts", "apps.web.repository", "(not shown)", "not a repository's address", "as https://github.com"),
    (with_jenkins(app(repository="https://x.example/$(id)")), "all hosts", "apps.web.repository", "(not shown)", "not a repository's address", "as https://github.com"),
    (with_jenkins(app(repository="https://me:hunter2@x.example/a")), "all hosts", "apps.web.repository", "(not shown)", "not a repository's address", "without a password"),
    (with_jenkins(app(repository="git@github.com:team/web.git")), "all hosts", "apps.web.repository", "git@github.com:team/web.git", "key of github.com is not known", "ssh-keyscan github.com"),
    (with_jenkins(app(repository=GITHUB, branch="--upload-pack=x")), "all hosts", "apps.web.branch", "(not shown)", "not a branch's name", "as main"),
    (with_jenkins(app(repository=GITHUB, branch="a/../b")), "all hosts", "apps.web.branch", "(not shown)", "not a branch's name", "as main"),
    (with_jenkins(app(branch="dev")), "all hosts", "apps.web.branch", "(not shown)", "without repository", "name that too"),
    (with_jenkins(app(repository=GITHUB, repository_credentials="hub")), "all hosts", "apps.web.repository_credentials", "(not shown)", "not among jenkins_git_credentials", "Ansible Vault"),
    (with_jenkins(app(repository=GITHUB, repository_credentials="github"), jenkins_git_credentials=[SSH]), "all hosts", "apps.web.repository_credentials", "github", "is a private key, which", "for https"),
    (with_jenkins(jenkins_git_credentials=[{"name": "Git Hub", "password": "geheim"}]), "all hosts", "jenkins_git_credentials[0].name", "(not shown)", "is not a name", "lower case"),
    (with_jenkins(jenkins_git_credentials=[GIT, GIT]), "all hosts", "jenkins_git_credentials[1].name", "github", "is there twice", "its own"),
    (with_jenkins(jenkins_git_credentials=[{**GIT, **SSH}]), "all hosts", "jenkins_git_credentials[0]", "github", "only one of them", "leave one"),
    (with_jenkins(lambda s: s.all["apps"].update({"load-test": {"image": "express-app", "port": 1, "repository": GITHUB}})), "all hosts", "apps.load-test", "load-test", "called load-test, as one of the platform", "another name"),
    (with_jenkins(lambda s: s.all["apps"].update({"web-scale": {"image": "express-app", "port": 1, "repository": GITHUB}})), "all hosts", "apps.web-scale", "web-scale", "called web-scale, as one of the app web", "another name"),
    (with_jenkins(jenkins_certificate_file="files/j.pem"), "all hosts", "jenkins_certificate_key_file", "", "missing beside", "name both"),
    (with_jenkins(lambda s: s.catalog.update({"jenkins-agent": {"pull": "x/y:1"}})), "all hosts", "images_source", "build", "how to build jenkins-agent", "images_source: pull"),
    # groups and nodes
    (group("swarm_managers"), "inventory", "group swarm_managers", "", "has no host", "one node in it, or three"),
    (lambda s: s.add_node("manager2", "swarm_managers", address="172.30.0.12"), "inventory", "group swarm_managers", "manager1, manager2", "2 managers survive no more", "1 or 3"),
    (lambda s: s.groups["swarm_workers"].append("manager1"), "manager1", "group swarm_workers", "manager1", "is in swarm_managers too", "leave it in one"),
    (group("docker_hosts"), "inventory", "group docker_hosts", "", "has no host", "the machine"),
    (group("registry"), "inventory", "group registry", "", "has no host", "one docker host"),
    (both(second_docker_host, group("registry", "vm1", "vm2")), "inventory", "group registry", "vm1, vm2", "more than one", "leave one"),
    (group("registry", "manager1"), "manager1", "group registry", "manager1", "is not in docker_hosts", "one of: vm1"),
    (node("worker1", host="vm9"), "worker1", "swarm_node_host", "(not shown)", "is not in docker_hosts", "did you mean vm1?"),
    (lambda s: s.hosts.update(worker1={"swarm_node_driver": "dind", "swarm_node_address": "172.30.0.21"}), "worker1", "swarm_node_host", "", "is missing", "name its docker host: vm1"),
    (lambda s: s.hosts.update(worker1={}), "worker1", "swarm_node_host", "", "not in docker_hosts", "give it swarm_node_host"),
    (both(second_docker_host, node("worker2", host="vm2")), "inventory", "swarm_node_host", "vm1, vm2", "can't reach", "the driver engine"),
    (lambda s: s.groups["swarm_workers"].append("vm1"), "inventory", "swarm_node_driver", "dind, engine", "can't reach each other", "one driver"),
    (node("worker1", driver="engine"), "worker1", "swarm_node_host", "vm1", "driver engine means the host itself", "take one"),
    (lambda s: s.hosts["vm1"].update(swarm_node_host="vm1"), "vm1", "swarm_node_host", "(not shown)", "not a node", "put vm1 in"),
    (lambda s: s.add_node("Worker_3", "swarm_workers", address="172.30.0.23"), "Worker_3", "inventory host", "Worker_3", "can't be a container's host name", "lower case"),
    (lambda s: s.add_node("registry", "swarm_workers", address="172.30.0.23"), "registry", "inventory host", "registry", "another container", "another name"),
    (lambda s: s.add_node("WORKER1", "swarm_workers", address="172.30.0.23"), "WORKER1", "inventory host", "WORKER1", "same name as worker1", "another name"),
    (in_cluster(node("vm2", memory="2G")), "vm2", "swarm_node_memory", "2G", "limits only nodes that are containers", "take it away"),
    (node("worker1", cpus=8), "worker1", "swarm_node_cpus", "8", "more than the 2 of vm1", "0 for all"),
    (node("worker1", memory="64G"), "worker1", "swarm_node_memory", "64G", "more than the 4.0 GB of vm1", "0 for all"),
    (lambda s: [s.hosts[name].update(swarm_node_availability="drain") for name in ("manager1", "worker1", "worker2")], "inventory", "swarm_node_availability", "manager1, worker1, worker2", "no node takes tasks", "active for one"),
    # addresses
    (node("worker1", address="172.30.0.11"), "worker1", "swarm_node_address", "172.30.0.11", "address of manager1 too", "its own"),
    (node("worker1", address="10.9.0.21"), "worker1", "swarm_node_address", "10.9.0.21", "outside platform_subnet", "172.30.0.0/24"),
    (node("worker1", address="172.30.0.1"), "worker1", "swarm_node_address", "172.30.0.1", "the gateway", "172.30.0.11"),
    (node("worker1", address="172.30.0.2"), "worker1", "swarm_node_address", "172.30.0.2", "the registry", "another"),
    (node("worker1", address="172.30.0.3"), "worker1", "swarm_node_address", "172.30.0.3", "the edge", "another"),
    (node("worker1", address="172.30.0.4"), "worker1", "swarm_node_address", "172.30.0.4", "the registry's figures", "another"),
    (node("worker1", address="172.30.0.255"), "worker1", "swarm_node_address", "172.30.0.255", "not a machine's address", "another"),
    (node("worker1", address="172.30.0.300"), "worker1", "swarm_node_address", "172.30.0.300", "not an IPv4 address", "as 172.30.0.11"),
    (lambda s: s.hosts["worker1"].pop("swarm_node_address"), "worker1", "swarm_node_address", "", "is missing", "172.30.0.11"),
    (in_cluster(node("vm2", address="192.0.2.99")), "vm2", "swarm_node_address", "192.0.2.99", "not an address of this machine", "one of: 192.0.2.12"),
    (platform(platform_subnet="172.30.0.0/33"), "all hosts", "platform_subnet", "172.30.0.0/33", "not an IPv4 network", "as 172.30.0.0/24"),
    (platform(platform_subnet="172.30.0.7/24"), "all hosts", "platform_subnet", "172.30.0.7/24", "the network is 172.30.0.0/24", "as 172.30.0.0/24"),
    (platform(platform_subnet="172.30.0.0/30"), "all hosts", "platform_subnet", "172.30.0.0/30", "no room", "as 172.30.0.0/24"),
    (platform(platform_subnet="8.8.8.0/24"), "all hosts", "platform_subnet", "8.8.8.0/24", "not private", "a private network"),
    (platform(platform_overlay_pool="172.30.0.0/16"), "all hosts", "platform_overlay_pool", "172.30.0.0/16", "overlaps platform_subnet", "apart"),
    (lambda s: s.vm["docker"]["networks"].append({**OUR_NETWORK, "name": "wide", "subnets": ["169.254.0.0/16"]}), "all hosts", "monitoring_enabled", "true", "needs a /29 of 169.254.64.0/18 on vm1", "remove one of them"),
    (platform(platform_node_bridge="10.199.0.1/40"), "all hosts", "platform_node_bridge", "10.199.0.1/40", "not an address with prefix", "10.199.0.1/24"),
    (lambda s: s.vm["routes"].append("172.30.0.0/20"), "all hosts", "platform_subnet", "172.30.0.0/24", "overlaps 172.30.0.0/20 on vm1 (a route", "no docker host uses"),
    (lambda s: s.vm["docker"]["networks"].append({**OUR_NETWORK, "name": "shop_default", "platform": ""}), "all hosts", "platform_subnet", "172.30.0.0/24", "docker network shop_default", "remove that one"),
    (lambda s: s.vm["docker"]["networks"].append({**OUR_NETWORK, "subnets": ["172.28.0.0/24"]}), "all hosts", "platform_subnet", "172.30.0.0/24", "is 172.28.0.0/24 on vm1", "set it back"),
    (lambda s: s.vm["routes"].append("10.100.4.0/24"), "all hosts", "platform_overlay_pool", "10.100.0.0/16", "overlaps 10.100.4.0/24", "choose a network"),
    (lambda s: s.vm["routes"].append("10.199.0.0/16"), "all hosts", "platform_node_bridge", "10.199.0.0/24", "overlaps 10.199.0.0/16", "choose a network"),
    # docker hosts
    (lambda s: s.looks.update(vm1=HostFacts(error="too old", old_python="3.9.2")), "vm1", "ansible_python_interpreter", "3.9.2", "is too old for the modules", "3.10 or newer"),
    (lambda s: s.looks.update(vm1=HostFacts(error="Connection refused")), "vm1", "ansible_host", "192.0.2.10", "can't be looked at: Connection refused", "SSH key"),
    (in_cluster(named(vm3="vm2")), "vm3", "host name", "vm2", "the name of vm2's machine too", "hostnamectl"),
    (in_cluster(named(vm2="debian"), app(constraints=["node.hostname == vm2"])), "all hosts", "apps.web.constraints[0]", "node.hostname == (not shown)", "no node can run it", "did you mean debian?"),
    (both(second_docker_host, lambda s: s.facts["vm2"].update(boot_id="one")), "vm2", "ansible_host", "192.0.2.20", "same machine as vm1", "once"),
    (both(second_docker_host, lambda s: s.facts["vm2"].update(architecture="aarch64")), "inventory", "group docker_hosts", "x86_64, aarch64", "mixes", "one architecture"),
    (host(distribution={"id": "fedora", "version": "41", "codename": ""}), "vm1", "distribution", "fedora 41", "not supported", "docker_engine_source: present"),
    (host(distribution={"id": "debian", "version": "11", "codename": "bullseye"}), "vm1", "distribution", "debian 11", "not supported", "debian 12 and 13"),
    (both(platform(docker_engine_source="present"), docker(answering=False)), "vm1", "docker_engine_source", "present", "no engine answers", "install and start one"),
    (host(disk={"path": "/var/lib/docker", "total_bytes": 9 * GIGABYTE, "free_bytes": 3 * GIGABYTE}), "vm1", "disk at /var/lib/docker", "3.0 GB", "8 GB are needed", "free some"),
    (host(memory={"total_bytes": GIGABYTE, "available_bytes": GIGABYTE}), "vm1", "memory", "1.0 GB", "1.8 GB", "a bigger machine"),
    (docker(version="18.09.1"), "vm1", "Docker Engine", "18.09.1", "too old", "20.10"),
    (docker(storage_driver="vfs"), "vm1", "storage driver", "vfs", "copies every layer", "overlay2"),
    (host(kernel={"release": "5.0", "ipvs": False, "modules": {"overlay": "loaded", "vxlan": "missing"}}), "vm1", "kernel", "5.0", "has no vxlan", "a kernel"),
    (both(platform(platform_trusted_ca_files=["/ca.pem"]), host(files={"/ca.pem": False})), "vm1", "platform_trusted_ca_files", "/ca.pem", "not there", "put it there"),
    # ports
    (platform(proxy_http_port=0), "all hosts", "proxy_http_port", "0", "not a port", "1 to 65535"),
    (platform(proxy_https_port=80), "all hosts", "proxy_https_port", "80", "is proxy_http_port too", "two different"),
    (platform(proxy_bind_address="localhost"), "all hosts", "proxy_bind_address", "(not shown)", "not an IPv4 address", "0.0.0.0"),
    (platform(proxy_bind_address="192.0.2.77"), "vm1", "proxy_bind_address", "192.0.2.77", "not an address of this machine", "192.0.2.10"),
    (listening(80, "apache2"), "vm1", "proxy_http_port", "80", "held by the process apache2", "another proxy_http_port"),
    # Whatever the ports are that clients use.
    (in_cluster(platform(proxy_http_port=8080), listening(80, "apache2")), "vm1", "proxy_http_port", "80", "held by the process apache2", "stop it"),
    (both(published(443, "shop-web"), listening(443, "docker-proxy")), "vm1", "proxy_https_port", "443", "held by the container shop-web", "stop it"),
    (in_cluster(listening(5000, "python3")), "vm1", "registry_address", "5000", "held by the process python3", "another registry_address"),
    (in_cluster(listening(2377, "etcd")), "vm1", "swarm port", "2377", "held by the process etcd", "stop it"),
    (platform(registry_address="registry"), "all hosts", "registry_address", "registry", "not name:port", "as registry:5000"),
    # what machines share with other platforms
    (hosts_line("172.31.0.2", "registry", owner="two-registry"), "vm1", "registry_address", "registry:5000", "is 172.31.0.2 in /etc/hosts there (two-registry)", "as registry-fungap:5000"),
    (hosts_line("10.0.0.5", "vm", "registry"), "vm1", "registry_address", "registry:5000", "10.0.0.5 in /etc/hosts there (a line of its own)", "as registry-fungap:5000"),
    (both(hosts_line("10.0.0.5", "registry"), hosts_line("10.0.0.6", "registry-fungap")), "vm1", "registry_address", "registry:5000", "10.0.0.5", "as registry-fungap-2:5000"),
    (both(hosts_line("172.30.0.2", "registry", owner="fungap-registry"), hosts_line("172.31.0.2", "registry", owner="two-registry")), "vm1", "registry_address", "registry:5000", "two-registry", "a name that nothing else there has"),
    (both(platform(registry_address="registry:5443"), hosts_line("172.31.0.2", "registry", owner="two-registry")), "vm1", "registry_address", "registry:5443", "two-registry", "as registry-fungap:5443"),
    (in_cluster(hosts_line("192.0.2.12", "registry", host="vm2")), "vm2", "registry_address", "registry:5000", "192.0.2.12", "as registry-fungap:5000"),
    (own_folder(CERTIFICATES, **THEIRS), "vm1", "registry_address", "registry:5000", f"certificates there already: {CERTIFICATES} belongs to platform two", "as registry-fungap:5000"),
    (own_folder(CERTIFICATES, names=["ca.crt"]), "vm1", "registry_address", "registry:5000", "nothing shows that it is platform fungap's", "as registry-fungap:5000"),
    (both(own_folder(CERTIFICATES, names=["ca.crt"]), same_ca("y")), "vm1", "registry_address", "registry:5000", "nothing shows", "as registry-fungap:5000"),
    (with_jenkins(own_folder(CERTIFICATES, host="vm9", **THEIRS)), "vm9", "registry_address", "registry:5000", "belongs to platform two", "as registry-fungap:5000"),
    (containers(("fungap-manager1", "fungap-manager1")), "vm1", "platform_name", "fungap", "a container fungap-manager1 already, which is platform fungap-manager1's", "another name, as fungap-2"),
    (docker(others=["fungap-registry"]), "vm1", "platform_name", "fungap", "a container fungap-registry already, which is no platform's", "or remove it"),
    (docker(volumes=[{"name": "fungap-worker1", "platform": "two"}]), "vm1", "platform_name", "fungap", "a volume fungap-worker1 already, which is platform two's", "as fungap-2"),
    (docker(networks=[{"name": "fungap", "platform": "", "scope": "local", "subnets": []}]), "vm1", "platform_name", "fungap", "a network fungap already, which is no platform's", "as fungap-2"),
    (docker(others=["fungap-registry-metrics"]), "vm1", "platform_name", "fungap", "a container fungap-registry-metrics already, which is no platform's", "as fungap-2"),
    (both(platform(monitoring_enabled=False), docker(others=["fungap-registry-metrics"])), "vm1", "platform_name", "fungap", "a container fungap-registry-metrics already, which is no platform's", "as fungap-2"),
    (docker(networks=[{"name": "fungap-registry-metrics", "platform": "fungap-registry-metrics", "scope": "local", "subnets": []}]), "vm1", "platform_name", "fungap", "a network fungap-registry-metrics already, which is platform fungap-registry-metrics's", "as fungap-2"),
    (both(containers(("fungap-edge", "fungap-2")), docker(others=["x"])), "vm1", "platform_name", "fungap", "which is platform fungap-2's", "as fungap-2-2"),
    (with_jenkins(lambda s: s.facts["vm9"]["docker"].update(others=["fungap-jenkins-agent"])), "vm9", "platform_name", "fungap", "a container fungap-jenkins-agent already", "as fungap-2"),
    (docker(networks=[{"name": "two", "platform": "two", "scope": "local", "subnets": ["172.30.0.0/24"]}]), "all hosts", "platform_subnet", "172.30.0.0/24", "overlaps 172.30.0.0/24 on vm1 (docker network two)", "as 172.30.1.0/24"),
    (published(80, "two-edge", "two"), "vm1", "proxy_http_port", "80", "held by the container two-edge", "another proxy_http_port, as 8080"),
    (both(published(443, "two-edge", "two"), listening(8443, "java")), "vm1", "proxy_https_port", "443", "held by the container two-edge", "another proxy_https_port, as 8444"),
    (in_cluster(published(5000, "two-registry", "two")), "vm1", "registry_address", "5000", "held by the container two-registry", "another registry_address, as registry:5002"),
    # images
    (app(image="expres-app"), "all hosts", "apps.web.image", "(not shown)", "not in the image catalog", "did you mean express-app?"),
    (app(image="vendor-app"), "all hosts", "apps.web.image", "vendor-app", "does not say how to build", "images_source: pull"),
    (both(app(image="nowhere"), platform(images_source="pull")), "all hosts", "apps.web.image", "nowhere", "neither where to pull", "add pull or build"),
    (app(image="base"), "all hosts", "apps.web.image", "base", "only a base", "the image of an app"),
    (archive(), "vm1", "images_archive_dir", "/etc/fungap/images", "not there", "put the bundle's files there"),
    (archive("node.tar", "registry.tar.gz", "proxy.tar.zst"), "vm1", "images_archive_dir", "/etc/fungap/images", "no archive of the image express-app", "express-app.tar"),
    (both(archive("node.tar", "registry.tar.gz", "proxy.tar.zst", "express-app.tar"), platform(images_archive_sha256=dict.fromkeys(("node", "registry", "proxy"), "0" * 64))), "all hosts", "images_archive_sha256", "3 of them", "has none of the image express-app", "that of express-app.tar too"),
    (platform(images_bases={"node:14-alpine": "nodjs"}), "all hosts", "images_bases.node:14-alpine", "(not shown)", "not in the image catalog", "did you mean nodejs?"),
    (platform(images_bases={"node:14-alpine": "zzz"}), "all hosts", "images_bases.node:14-alpine", "(not shown)", "not in the image catalog", "nodejs, nowhere, proxy"),
    (platform(images_bases={"node": "nodejs", "library/node:latest": "base"}), "all hosts", "images_bases.library/node:latest", "base", "for which nodejs stands in", "one of them"),
    (platform(images_bases={"node 14": "nodejs"}), "all hosts", "images_bases", "(not shown)", "is not an image", "as {'node:14-alpine': nodejs}"),
    (platform(images_bases={"node:14": None}), "all hosts", "images_bases", "node:14", "no name of the catalog", "as {'node:14-alpine': nodejs}"),
    # apps
    (lambda s: s.all["apps"].update(Web_2=s.web), "all hosts", "apps.Web_2", "Web_2", "not an app's name", "lower case"),
    (lambda s: s.all["apps"].update(proxy={**s.web, "hosts": []}), "all hosts", "apps.proxy", "proxy", "a stack of the platform", "another name"),
    (without("image"), "all hosts", "apps.web.image", "", "is missing", "image catalog"),
    (without("port"), "all hosts", "apps.web.port", "", "is missing", "the port that the container listens on"),
    (app(port=70000), "all hosts", "apps.web.port", "70000", "not a port", "1 to 65535"),
    (app(replicas=-1), "all hosts", "apps.web.replicas", "-1", "below 0", "0 or more"),
    (app(hosts=["https://web.localhost/"]), "all hosts", "apps.web.hosts[0]", "(not shown)", "not a host name", "no scheme"),
    (app(hosts=["web.localhost", "web.localhost"]), "all hosts", "apps.web.hosts", "web.localhost", "there twice", "once"),
    (lambda s: s.all["apps"].update(shop=copy.deepcopy(s.web)), "all hosts", "apps.shop.hosts", "web.localhost", "of the app web too", "one of them"),
    (app(environment={"LOG LEVEL": "info"}), "all hosts", "apps.web.environment", "(not shown)", "is not a variable's name, as number 1", "LOG_LEVEL"),
    (app(environment={"PORTS": [1, 2]}), "all hosts", "apps.web.environment.PORTS", "(not shown)", "must be text", "quote it"),
    (app(health={"path": "healthz"}), "all hosts", "apps.web.health.path", "healthz", "does not begin with /", "as /healthz"),
    (app(health={"test": ["curl", "-f"]}), "all hosts", "apps.web.health.test", "(not shown)", "CMD", "[CMD"),
    (app(health={"retries": 0}), "all hosts", "apps.web.health.retries", "0", "below 1", "1 or more"),
    (app(update={"monitor_seconds": 10}), "all hosts", "apps.web.update.monitor_seconds", "10", "15 s (interval x retries)", "at least 15"),
    (app(update={"parallelism": -1}), "all hosts", "apps.web.update.parallelism", "-1", "below 0", "0 or more"),
    (app(update={"delay_seconds": -1}), "all hosts", "apps.web.update.delay_seconds", "-1", "below 0", "0 or more"),
    (app(limits={"memory": "128 MegaBytes"}), "all hosts", "apps.web.limits.memory", "128 MegaBytes", "not an amount", "as 128M"),
    (app(limits={"memory": "1M"}, reservations={"memory": "1M"}), "all hosts", "apps.web.limits.memory", "1M", "less than 6M", "as 128M"),
    (app(limits={"memory": "32M"}), "all hosts", "apps.web.limits.memory", "32M", "less than reservations.memory 64M", "at least that"),
    (app(limits={"cpus": 0.05}), "all hosts", "apps.web.limits.cpus", "0.05", "less than reservations.cpus 0.1", "at least that"),
    (app(replicas=100), "all hosts", "apps.*.reservations.memory", "6.2 GB", "more than the machines' 4.0 GB", "fewer replicas"),
    (app(replicas=30), "all hosts", "apps.*.reservations.cpus", "3", "more than the machines' 2 CPUs", "fewer replicas"),
    (app(route={"upload_size": "ten"}), "all hosts", "apps.web.route.upload_size", "(not shown)", "not a size", "as 10m"),
    (app(route={"headers": {"X-A": "a$b"}}), "all hosts", "apps.web.route.headers", "(not shown)", "has a wrong text for X-A: it has a $ in it", "'' for what an answer is to go without"),
    (app(route={"headers": {"X-A": "x" * 3501}}), "all hosts", "apps.web.route.headers", "(not shown)", "for X-A: it is too long", "DENY"),
    (app(route={"headers": {"Content-Type": "text/html"}}), "all hosts", "apps.web.route.headers", "(not shown)", "has Content-Type, which is not a header to set here", "DENY"),
    (app(route={"default_headers": {"Strict-Transport-Security": "max-age=1"}}), "all hosts", "apps.web.route.default_headers", "(not shown)", "belongs into headers", "nosniff"),
    (moved({"host": "w.io", "path": "/x", "to": "/a"}), "all hosts", "apps.web.route.redirects[0]", "", "has both a host and a path", "path: /old"),
    (moved({"to": "/a"}), "all hosts", "apps.web.route.redirects[0]", "", "has neither a host nor a path", "path: /old"),
    (moved({"path": "/x", "to": "/a"}, {"path": "/x", "to": "/b"}), "all hosts", "apps.web.route.redirects[1]", "/x", "is redirected twice", "once"),
    (moved({"path": "/x", "to": "w.io"}), "all hosts", "apps.web.route.redirects[0].to", "w.io", "is no place of a path", "as https://w.io/x"),
    (moved({"path": "/x", "to": "/x"}), "all hosts", "apps.web.route.redirects[0].to", "/x", "leads back to where it began", "another place"),
    *(
        (moved({"path": path, "to": to}), "all hosts", "apps.web.route.redirects[0].to", re.split("[?#]", to)[0], "leads back to where it began", "another place")
        for path, to in (
            ("/a", "/%61"),
            ("/a", "/./a"),
            ("/a", "/b/../a?x"),
            ("/a", "/b/%2e%2E%2fa"),
            ("/a", "https://w.io/%61#x"),
            ("/a/b", "/a//b"),
            ("/a/", "/a/./"),
            ("/a/", "/a/b/.."),
            ("/", "/."),
        )
    ),
    (
        moved({"path": "/x", "to": "https://w.io/"}, {"host": "w.io", "to": "https://a.io/%78"}),
        "all hosts", "apps.web.route.redirects[0].to", "https://w.io/", "leads back to where it began", "another place",
    ),
    (moved({"path": "/x/", "to": "https://w.io/x/y/"}), "all hosts", "apps.web.route.redirects[0].to", "https://w.io/x/y/", "leads back to where it began", "another place"),
    (moved({"host": "other.io", "to": "a.io"}), "all hosts", "apps.web.route.redirects[0].host", "other.io", "is not one of hosts: it has no certificate", "which has a.io, w.io"),
    (moved({"host": "a.io", "to": "w.io"}), "all hosts", "apps.web.route.redirects[0].host", "a.io", "is the first of hosts", "put another one before it"),
    (moved({"host": "w.io", "to": "/x"}), "all hosts", "apps.web.route.redirects[0].to", "/x", "is no place of a host", "as https://a.io/x"),
    (moved({"host": "w.io", "to": "b.io"}), "all hosts", "apps.web.route.redirects[0].to", "b.io", "is not one of hosts", "a URL: https://b.io/"),
    (moved({"host": "w.io", "to": "https://w.io/"}), "all hosts", "apps.web.route.redirects[0].to", "https://w.io/", "leads back to itself", "as a.io"),
    (moved({"path": "/a b", "to": "/x"}), "all hosts", "apps.web.route.redirects[0].path", "(not shown)", "is no path of letters", "/old/ for all below it"),
    (moved({"path": "/a", "to": "//x"}), "all hosts", "apps.web.route.redirects[0].to", "(not shown)", "begins with //, which leads to another host", "one of hosts"),
    (app(route={"basic_auth": {"users": {"alice": "hunter22"}}}), "all hosts", "apps.web.route.basic_auth.users", "(not shown)", "has no bcrypt hash for alice", "htpasswd -nB -C 8 alice"),
    (app(route={"basic_auth": {"users": {"alice": "$2y$10$" + "a" * 53}}}), "all hosts", "apps.web.route.basic_auth.users", "(not shown)", "costs the proxy too much at each request: 10", "-C 8"),
    (app(route={"basic_auth": {"paths": ["/admin"]}}), "all hosts", "apps.web.route.basic_auth", "", "has paths and no users", "add users"),
    (app(route={"allow": ["office"]}), "all hosts", "apps.web.route.allow[0]", "(not shown)", "is neither an address nor a network", "192.0.2.0/24"),
    (app(route={"rate_limit": {"requests_per_second": 0.05}}), "all hosts", "apps.web.route.rate_limit.requests_per_second", "0.05", "is below 0.1", "0 for no limit"),
    (app(route={"rate_limit": {"paths": ["/login"]}}), "all hosts", "apps.web.route.rate_limit", "", "has paths and no requests_per_second", "take the paths away"),
    (app(route={"paths": ["/api", "/api/"]}), "all hosts", "apps.web.route.paths", "/api", "is there twice", "once"),
    (app(route={"strip_path": True}), "all hosts", "apps.web.route.strip_path", "true", "the app has no paths", "as paths: [/api]"),
    (app(health={"path": ""}, route={"paths": ["/a.B"], "protocol": "grpc", "strip_path": True}), "all hosts", "apps.web.route.strip_path", "true", "is nothing for gRPC", "take it away"),
    (app(route={"paths": ["/api"], "redirects": [{"path": "/old", "to": "/api"}]}), "all hosts", "apps.web.route.redirects[0].path", "/old", "is none of the app's (route.paths)", "below one of: /api"),
    (app(route={"paths": ["/api"], "basic_auth": {"users": {"alice": "$2y$08$" + "a" * 53}, "paths": ["/admin"]}}), "all hosts", "apps.web.route.basic_auth.paths[0]", "/admin", "is none of the app's", "below one of: /api"),
    (app(route={"paths": ["/api"], "rate_limit": {"requests_per_second": 1, "paths": ["/apis"]}}), "all hosts", "apps.web.route.rate_limit.paths[0]", "/apis", "is none of the app's", "below one of: /api"),
    (beside({"paths": ["/x/"]}, {"paths": ["/y", "/x"]}), "all hosts", "apps.shop.route.paths", "web.localhost/x", "is a path of the app web too (apps.web.route.paths)", "leave it with one of them"),
    (beside({}, {"paths": ["/"]}), "all hosts", "apps.shop.hosts", "web.localhost", "is a host name of the app web too (apps.web.hosts)", "give one of them route.paths"),
    (beside({"redirects": [{"path": "/x/", "to": "/y"}]}, {"paths": ["/x"]}), "all hosts", "apps.web.route.redirects[0].path", "/x/", "is a path of the app shop (apps.shop.route.paths)", "leave it to that app"),
    (app(route={"error_pages": [{"status": [500], "page": "x"}]}), "all hosts", "apps.web.route.error_pages[0].status", "500", "not one of the choices", "one of: 401, 403, 413, 429, 502, 503, 504"),
    (app(route={"maintenance": {"allow": ["office"]}}), "all hosts", "apps.web.route.maintenance.allow[0]", "(not shown)", "is neither an address nor a network", "as 192.0.2.10 or 192.0.2.0/24"),
    (app(route={"error_pages": [{"status": [], "page": "x"}]}), "all hosts", "apps.web.route.error_pages[0].status", "", "the page is for nothing", "as [502, 504]"),
    (app(route={"error_pages": [{"status": [429, 502], "page": "x"}, {"status": [502], "page": "y"}]}), "all hosts", "apps.web.route.error_pages[1].status", "502", "has a page twice", "once"),
    (app(route={"error_pages": [{"status": [502], "page": "é" * 32769}]}), "all hosts", "apps.web.route.error_pages[0].page", "(not shown)", "is over 64 KiB", "images belong onto another host"),
    (app(route={"protocol": "http2"}), "all hosts", "apps.web.route.protocol", "(not shown)", "not one of the choices", "one of: http, grpc, https"),
    (app(route={"protocol": "https"}), "all hosts", "apps.web.route.protocol", "https", "asks for health.path by plain HTTP", "a health.test of its own"),
    (app(health={"path": ""}, route={"protocol": "grpc", "sticky": True}), "all hosts", "apps.web.route.sticky", "true", "by a cookie, which clients of gRPC don't keep", "take it away"),
    (app(route={"cookie_flags": ["samesite=none"]}), "all hosts", "apps.web.route.cookie_flags", "samesite=none", "browsers refuse", "add secure"),
    (app(ports=["8025:25:tcp"]), "all hosts", "apps.web.ports", "(not shown)", "not a port to publish", "as 8025:25/tcp"),
    (app(ports=["99999:25"]), "all hosts", "apps.web.ports", "99999:25", "not a port to publish", "published: 8025"),
    (app(ports=["443:3000"]), "all hosts", "apps.web.ports", "443:3000", "a port of the proxy too", "once"),
    (both(app(ports=[25]), lambda s: s.all["apps"].update(mail={"image": "express-app", "port": 1, "ports": ["25:2525"]})), "all hosts", "apps.mail.ports", "25:2525", "a port of the app web too", "once"),
    (in_cluster(app(ports=[25]), listening(25, "exim4")), "vm1", "apps.web.ports", "25", "held by the process exim4", "publish another"),
    (
        app(services={"web": {"image": "x:1"}}),
        "all hosts", "apps.web.services.web", "", "the service that is the app itself", "apps.web.service",
    ),
    (app(service={"environment": "A=1"}), "all hosts", "apps.web.service.environment", "", "must be a list", "write a"),
    (app(services={"x": {"image": "a:1", "configs": 5}}), "all hosts", "apps.web.services.x.configs", "", "must be a", ""),
    (app(service={"environment": {"P": "${X:-y}"}}), "all hosts", "apps.web.service.environment.P", "", "lone $", "$$"),
    (
        app(services={"db": {"image": "nowhere:1", "volumes": ["data:/data"]}}),
        "all hosts", "apps.web.services.db.volumes[0]", "", "is a named volume", "declare it in apps.web.volumes",
    ),
    (app(volumes={"data": "/data"}, replicas=2), "all hosts", "apps.web.replicas", "", "is more than 1", "1; for more, keep"),
    (app(volumes={"data": "/data"}, service={"deploy": {"mode": "global"}}), "all hosts", "apps.web.service.deploy.mode", "", "one on each node", "one replica"),
    (
        app(volumes={"data": ""}, services={"db": {"image": "r/x:1", "volumes": ["data:/d"], "deploy": {"replicas": 2}}}),
        "all hosts", "apps.web.services.db.deploy.replicas", "", "is more than 1", "1; for more",
    ),
    (
        app(volumes={"data": "/data"}, service={"deploy": {"update_config": {"order": "start-first"}}}),
        "all hosts", "apps.web.service.deploy.update_config.order", "", "two tasks write", "stop-first",
    ),
    (app(volumes={"data": ""}), "all hosts", "apps.web.volumes.data", "", "is mounted by no service", "as /srv/uploads"),
    (app(volumes={"a_b": "/data"}), "all hosts", "apps.web.volumes.a_b", "", "not a volume's name", "lower case letters"),
    (app(volumes={"env": "/data"}), "all hosts", "apps.web.volumes.env", "", "not a volume's name", "and not env"),
    (app(volumes={"data": "data"}), "all hosts", "apps.web.volumes.data", "", "is not an absolute path", "as /srv/uploads"),
    (app(volumes={"data": 5}), "all hosts", "apps.web.volumes.data", "", "must be a folder", "as /srv/uploads"),
    (app(volumes={"a": "/data", "b": "/data/x"}), "all hosts", "apps.web.volumes.b", "", "the folder of the volume a", "a folder"),
    (platform(apps_volumes_absent=["wiki"]), "all hosts", "apps_volumes_absent", "(not shown)", "is not a volume of an app", "as wiki_uploads"),
    (
        both(app(volumes={"data": "/data"}), platform(apps_volumes_absent=["web_data"])),
        "all hosts", "apps_volumes_absent", "web_data", "that an app declares", "take it out",
    ),
    (platform(apps_volumes_anew=["web_data"]), "all hosts", "apps_volumes_anew", "(not shown)", "that an app declares", "there are: none"),
    (
        app(services={"cache": {"image": "redis"}}),
        "all hosts", "apps.web.services.cache.image", "redis", "is not in the image catalog", "redis:7",
    ),
    (
        app(services={"cache": {"image": "nowhere"}}),
        "all hosts", "apps.web.services.cache.image", "nowhere", "does not say how to build", "images_source",
    ),
    (
        both(
            app(services={"cache": {"image": "vendor:1", "deploy": {"endpoint_mode": "vip"}}}),
            host(kernel={**FACTS["kernel"], "ipvs": False}),
        ),
        "all hosts", "apps.web.services.cache.deploy.endpoint_mode", "", "needs IPVS", "take it away",
    ),
    (app(service={"deploy": {"mode": "global"}}), "all hosts", "apps.web.replicas", "", "one on each node", "take it"),
    (
        app(services={"x": {"image": "a:1", "ports": ["443:25"]}}),
        "all hosts", "apps.web.services.x.ports", "443:25", "publishes a port of the proxy", "once",
    ),
    (app(ports=["8025:25"], service={"ports": ["8025:26/tcp"]}), "all hosts", "apps.web.ports", "8025:25", "publishes a port of the app web", "once"),
    (app(service={"deploy": {"placement": {"constraints": ["node.role == wroker"]}}}), "all hosts", "apps.web.service.deploy.placement.constraints[0]", "node.role == (not shown)", "no node can run it", "did you mean worker?"),
    (app(services={"x": {"image": "a:1", "deploy": {"placement": {"constraints": ["node.hostname == vm1"]}}}}), "all hosts", "apps.web.services.x.deploy.placement.constraints[0]", "node.hostname == (not shown)", "no node can run it", "one of: manager1"),
    (app(restart={"condition": "always"}), "all hosts", "apps.web.restart.condition", "(not shown)", "not one of the choices", "none, on-failure, any"),
    # names on the network that all apps share
    (app(services={"web_web": {"image": "express-app"}}), "all hosts", "apps.web.services", "web_web", "a name of the app web", "as web-web-own"),
    (app(services={"proxy_proxy": {}}), "all hosts", "apps.web.services", "proxy_proxy", "a name of the proxy", "a short name"),
    (app(services={"proxy-worker1": {}}), "all hosts", "apps.web.services", "proxy-worker1", "a name of the proxy", "a short name"),
    (app(services={"web-slot-2": {}}), "all hosts", "apps.web.services", "web-slot-2", "a name of the app web", "a short name"),
    (app(service={"networks": {"public": {"aliases": ["web"]}}}), "all hosts", "apps.web.service.networks.public.aliases", "web", "a name of every app's own service", "as web-web"),
    (app(service={"networks": {"public": {"aliases": ["monitoring_prometheus"]}}}), "all hosts", "apps.web.service.networks.public.aliases", "monitoring_prometheus", "a name of Prometheus", "a name of its own"),
    (both(app(services={"mq": {"networks": {"public": {"aliases": ["queue"]}}}}), lambda s: s.all["apps"].update(shop={"image": "express-app", "port": 1, "services": {"queue": {}}})), "all hosts", "apps.web.services.mq.networks.public.aliases", "queue", "every app's own", "as web-queue"),
    (both(app(service={"networks": {"public": {"aliases": ["mail"]}}}), lambda s: s.all["apps"].update(shop={"image": "express-app", "port": 1, "service": {"networks": {"public": {"aliases": ["mail"]}}}})), "all hosts", "apps.shop.service.networks.public.aliases", "mail", "a name of the app web", "as shop-mail"),
    (with_shop(networks={"public": {"aliases": ["Tasks.Shop_web"]}}), "all hosts", "apps.web.service.networks.public.aliases", "Tasks.Shop_web", "a name of the app shop", "as web-shop_web"),
    (with_shop(networks={"public": {"aliases": ["shop_queue"]}}), "all hosts", "apps.web.service.networks.public.aliases", "shop_queue", "a name of the app shop", "as web-shop_queue"),
    (app(service={"networks": {"public": {"aliases": ["tasks.monitoring_grafana"]}}}), "all hosts", "apps.web.service.networks.public.aliases", "tasks.monitoring_grafana", "a name of Grafana", "a name of its own"),
    (with_shop(hostname="queue"), "all hosts", "apps.web.service.hostname", "queue", "a name of every app's own service", "as web-queue"),
    (with_shop(hostname="shop-slot-{{.Task.Slot}}"), "all hosts", "apps.web.service.hostname", "shop-slot-{{.Task.Slot}}", "a name of the app shop", "a name of its own"),
    (app(services={"mq": {"image": "a:1", "networks": ["public"], "hostname": "proxy-worker1"}}), "all hosts", "apps.web.services.mq.hostname", "proxy-worker1", "a name of the proxy", "a name of its own"),
    # env files
    (env_file(error="No such file or directory"), "all hosts", "apps.web.env_file", "files/web.env", "No such file or directory (/inventory/files/web.env)", "put it there"),
    (env_file(error="Permission denied"), "all hosts", "apps.web.env_file", "files/web.env", "Permission denied", "readable"),
    (env_file(b"GREETING=hello\nhunter2\n"), "all hosts", "apps.web.env_file", "files/web.env", "line 2", "NAME=value"),
    (env_file(b"GREETING=\xff\xfe\n"), "all hosts", "apps.web.env_file", "files/web.env", "not UTF-8", "UTF-8"),
    (both(app(env_delivery="secret"), env_file(b"A=" + b"x" * 600_000)), "all hosts", "apps.web.env_file", "files/web.env", "over 500 kB", "env_delivery: volume"),
    (app(env_delivery="bind"), "all hosts", "apps.web.env_delivery", "(not shown)", "not one of the choices", "volume, secret"),
    (without("env_file"), "all hosts", "apps.web.env_target", "/usr/src/app/env", "without env_file", "take env_target away"),
    (platform(apps_absent=["web"]), "all hosts", "apps_absent", "web", "is one of apps, too", "take it out of apps"),
    (platform(apps_older_confirmed=["true"]), "all hosts", "apps_older_confirmed", "(not shown)", "is not an app of the inventory", "there are: web"),
    (newer_in_force(replicas=5), "all hosts", "apps.web", "", "differs in replicas", "-e apps_older_confirmed=web"),
    (in_cluster(newer_in_force(replicas=5)), "all hosts", "apps.web", "", "revision 1 (site by me@here, 2026-11-01) recorded the same", "newer copy"),
    (newer_in_force(env="e2"), "all hosts", "apps.web", "", "revision 2 (site by me@here, 2026-11-02) a newer one, which differs in the env file's content", "newer copy"),
    (both(without("env_file", "env_target"), newer_in_force(env="e2")), "all hosts", "apps.web", "", "differs in the env file's content", "newer copy"),
    (platform(apps_absent=["proxy"]), "all hosts", "apps_absent", "(not shown)", "is no app's name", "make status"),
    (app(env_target="env"), "all hosts", "apps.web.env_target", "env", "not an absolute path", "of its own"),
    (app(env_owner="node"), "all hosts", "apps.web.env_owner", "(not shown)", "not a numeric owner", "as 1000 or 1000:1000"),
    (app(restart={"condition": False}), "all hosts", "apps.web.restart.condition", "false", "must be text in quotes, not true", "write text in quotes: "),
    (platform(load_test_profiles={"load": None}), "all hosts", "load_test_profiles", "(not shown)", "has nothing at load", "as {load:"),
    (platform(load_test_profiles={"load": {"users": "many"}}), "all hosts", "load_test_profiles", "(not shown)", "load: users must be a whole number", "as {load:"),
    (app(route={"redirects": [{"path": "/a", "to": "/a?t=x"}]}), "all hosts", "apps.web.route.redirects[0].to", "/a", "leads back", "another place"),
    (app(env_mode=0o640), "all hosts", "apps.web.env_mode", "416", "not a mode in octal", "in quotes, as '0640'"),
    (both(app(env_owner="1500"), without("env_file", "env_target")), "all hosts", "apps.web.env_owner", "1500", "without env_file", "take env_owner away"),
    (both(app(env_mode="0640"), without("env_file", "env_target")), "all hosts", "apps.web.env_mode", "0640", "without env_file", "take env_mode away"),
    (app(env_owner="1500", service={"user": "2000"}), "all hosts", "apps.web.env_owner", "1500", "nobody but it may read the file, and service.user is 2000", "'2000'"),
    (app(env_owner="0:0", env_mode="0400", service={"user": "2000:3"}), "all hosts", "apps.web.env_owner", "0:0", "service.user is 2000:3", "an env_mode that lets it read"),
    (app(env_target="/"), "all hosts", "apps.web.env_target", "/", "hide the whole image", "of its own"),
    (app(env_target="/etc"), "all hosts", "apps.web.env_target", "/etc", "would hide what the image has", "of its own"),
    # certificates
    (platform(proxy_certificate_file="files/tls.pem"), "all hosts", "proxy_certificate_key_file", "", "missing beside", "name both"),
    (both(tls("web.localhost"), lambda s: s.files.update({"/inventory/files/tls.pem": FileContent(error="No such file or directory")})), "all hosts", "proxy_certificate_file", "files/tls.pem", "No such file", "correct the path"),
    (lambda s: with_certificate(s, b"hello", certificate("x")[1]), "all hosts", "proxy_certificate_file", "files/tls.pem", "not a PEM certificate", "BEGIN CERTIFICATE"),
    (tls("web.localhost", start=-90, days=-1), "all hosts", "proxy_certificate_file", "files/tls.pem", "expired on 2026-11-21", "renew it"),
    (tls("web.localhost", start=2), "all hosts", "proxy_certificate_file", "files/tls.pem", "not valid before 2026-11-24", "clock"),
    (tls("*.example.com"), "all hosts", "proxy_certificate_file", "files/tls.pem", "does not cover web.localhost", "with these names"),
    # several docker hosts, and what they have on their interfaces
    (both(second_docker_host, group("registry", "vm2")), "vm2", "group registry", "vm2", "is another docker host than the nodes'", "the nodes' own: vm1"),
    (host(addresses=["192.0.2.10", "172.30.0.1"]), "all hosts", "platform_subnet", "172.30.0.0/24", "overlaps 172.30.0.1 on vm1 (an address of the machine)", "choose a network"),
    (in_cluster(host(addresses=["10.100.7.7"])), "all hosts", "platform_overlay_pool", "10.100.0.0/16", "overlaps 10.100.7.7 on vm1 (an address of the machine)", "choose a network"),
    (platform(platform_subnet="10.199.0.0/24"), "all hosts", "platform_subnet", "10.199.0.0/24", "overlaps platform_node_bridge", "apart from it"),
    (lambda s: s.catalog.update(base={"build": {"context": "x", "base": "nodejs"}}, nodejs={"build": {"context": "x", "base": "base"}}), "all hosts", "images_extra.nodejs.build.base", "base", "is built on this one itself", "another base"),
    # what the controller remembers
    (remembers(b""), "all hosts", "platform_secrets_dir", "/inventory/.secrets", "in-force-fungap.json, which tells what the swarm was known to hold and is broken: it is empty", "from a copy; or, where the swarm has what it should have (make status), remove it"),
    (remembers(IN_FORCE[:-20]), "all hosts", "platform_secrets_dir", "/inventory/.secrets", "no whole memory of a stack", "from a copy"),
    (remembers(IN_FORCE + IN_FORCE[:30]), "all hosts", "platform_secrets_dir", "/inventory/.secrets", "no whole memory of a stack", "from a copy"),
    (remembers(b"\xff"), "all hosts", "platform_secrets_dir", "/inventory/.secrets", "can't decode", "from a copy"),
    (remembers(error="Permission denied"), "all hosts", "platform_secrets_dir", "/inventory/.secrets", "broken: Permission denied", "from a copy"),
    (both(tls("web.localhost"), platform(proxy_acme={"server": "letsencrypt"})), "all hosts", "proxy_certificate_file", "", "are another way to them", "one of the two"),
    (platform(proxy_acme={"server": "letsencrypt"}, proxy_acme_upstream="192.0.2.1:80"), "all hosts", "proxy_acme_upstream", "", "are another way to them", "one of the two"),
    (platform(proxy_acme={"server": "http://ca.example.com/dir"}), "all hosts", "proxy_acme.server", "(not shown)", "no URL with https", "letsencrypt-staging"),
    (platform(proxy_acme={"server": "https://ca.example.com/dir", "ca_file": "files/ca.pem"}), "all hosts", "proxy_acme.ca_file", "files/ca.pem", "it was not read", "correct the path"),
    (authority(b"hello"), "all hosts", "proxy_acme.ca_file", "files/ca.pem", "has no PEM certificates", "BEGIN CERTIFICATE"),
    (authority(CA.encode() + b"-----BEGIN EC PRIVATE KEY-----"), "all hosts", "proxy_acme.ca_file", "files/ca.pem", "others beside them", "BEGIN CERTIFICATE"),
    (authority(CA.encode(), "letsencrypt"), "all hosts", "proxy_acme.ca_file", "files/ca.pem", "nobody else trusts", "leave it out"),
    (app(hosts=["*.example.com"]), "all hosts", "apps.web.hosts[0]", "(not shown)", "is a wildcard", "name each"),
    (foreign_key, "all hosts", "proxy_certificate_key_file", "files/tls.key", "is not the key of proxy_certificate_file", "made for"),
    (jenkins_key(b"hello"), "all hosts", "jenkins_certificate_key_file", "files/j.key", "is not a PEM private key", "the key of jenkins_certificate_file"),
    (jenkins_key(UNKNOWN_KEY), "all hosts", "jenkins_certificate_key_file", "files/j.key", "is not a PEM private key", "the key of jenkins_certificate_file"),
]  # fmt: skip


def name_of(case: tuple[Any, ...]) -> str:
    """Without the ID of a key that each process makes anew: those that share the tests have to name them alike."""
    return re.sub(r"[0-9a-f]{40}", "...", f"{case[2]}: {case[4] or case[3]}")[:70]


@pytest.mark.parametrize(
    ("change", "where", "variable", "value", "problem", "cure"),
    CASES,
    ids=map(name_of, CASES),
)
def test_a_wrong_inventory_is_named(
    change: Change, where: str, variable: str, value: str, problem: str, cure: str
) -> None:
    scenario = Scenario()
    change(scenario)
    found = [
        one for one in scenario.problems() if (one.where, one.variable) == (where, variable) and problem in one.problem
    ]
    assert len(found) == 1, "\n".join(map(str, scenario.problems())) or "no problem found"
    text = str(found[0])
    for part in (variable, value, cure):
        assert part in text
    assert found[0].cure
    assert "hunter2" not in text
    assert "geheim" not in text


REGISTRY = {"registry": "r.io", "username": "u"}
WIDE, DIGITS = 10**400, "9" * 5000
# YAML reads hexadecimal numbers that Python does not write.
UNWRITABLE = 16**5000


@pytest.mark.parametrize(
    ("change", "variable"),
    [
        (platform(proxy_cpus=WIDE), "proxy_cpus"),
        (platform(load_test_error_ratio_max=WIDE), "load_test_error_ratio_max"),
        (platform(monitoring_alerts={"HostCpuHigh": {"above": WIDE}}), "monitoring_alerts.HostCpuHigh.above"),
        (node("worker1", cpus=WIDE), "swarm_node_cpus"),
        (app(replicas=WIDE), "apps.web.replicas"),
        (platform(load_test_requests_max=DIGITS), "load_test_requests_max"),
        (app(replicas=1e300), "apps.web.replicas"),
        (
            app(route={"error_pages": [{"status": f"502,{DIGITS}", "page": "x"}]}),
            "apps.web.route.error_pages[0].status",
        ),
        (platform(monitoring_retention_time=f"{DIGITS}d"), "monitoring_retention_time"),
        (platform(platform_name=UNWRITABLE), "platform_name"),
        (
            platform(platform_source_registries=[{**REGISTRY, "password": UNWRITABLE}]),
            "platform_source_registries[0].password",
        ),
        (node("worker1", labels={"disk": UNWRITABLE}), "swarm_node_labels.disk"),
        (app(port=UNWRITABLE), "apps.web.port"),
        (app(hosts=["web.localhost", UNWRITABLE]), "apps.web.hosts[1]"),
        (app(environment={UNWRITABLE: "a"}), "apps.web.environment"),
        (app(service={"ulimits": {"nofile": UNWRITABLE}}), "apps.web.service.ulimits.nofile"),
        (lambda s: s.changes.update(web={"limits": {"cpus": UNWRITABLE}}), "apps.web.limits.cpus"),
    ],
)
def test_a_number_that_python_fails_at_is_named(change: Change, variable: str) -> None:
    scenario = Scenario()
    change(scenario)
    (problem,) = scenario.problems()
    assert (problem.variable, problem.value) == (variable, "(not shown)" if variable.endswith("time") else "")
    assert problem.problem
    assert problem.cure
    assert not secrets(scenario.inputs()[0].raw, SPECS)


def test_there_are_enough_cases() -> None:
    assert len(CASES) >= 45


def rerun(s: Scenario) -> None:
    """The platform is there already."""
    s.vm["docker"]["networks"].append(OUR_NETWORK)
    s.vm["routes"].append("172.30.0.0/24")
    s.vm["docker"]["containers"].append({"name": "fungap-edge", "platform": "fungap"})
    both(published(80, "fungap-edge", "fungap"), listening(80, "docker-proxy"))(s)
    both(published(443, "fungap-edge", "fungap"), listening(443, "docker-proxy"))(s)
    s.vm["disk"]["free_bytes"] = 3 * GIGABYTE


def mesh(s: Scenario) -> None:
    """A cluster whose swarm is up: the daemon itself holds the mesh's ports."""
    s.cluster()
    for facts in s.facts.values():
        facts["docker"]["swarm"] = "active"
        facts["listening"] += [{"port": port, "address": "::", "process": "dockerd"} for port in (80, 443, 2377, 7946)]
        facts["docker"]["networks"].append(
            {"name": "docker_gwbridge", "platform": "", "scope": "local", "subnets": ["10.200.0.0/24"]}
        )
        facts["routes"].append("10.200.0.0/24")


@pytest.mark.parametrize(
    "change",
    [
        lambda _s: None,
        rerun,
        Scenario.cluster,
        mesh,
        in_cluster(lambda s: s.groups.update(swarm_managers=["vm1"], swarm_workers=["vm2", "vm3"])),
        tls("web.localhost"),
        tls("*.localhost", "web.localhost"),
        platform(platform_subnet="172.30.0.0/24", unrelated_variable=1, _platform_x=1),
        platform(platform_trusted_ca_files=None),
        platform(backup_sha256="0A" * 32),
        platform(backup_sha256=""),
        app(env_delivery="secret", port="3000", hosts="web.localhost"),
        without("env_file", "env_target"),
        without("env_target"),
        app(update={"delay_seconds": 0}),
        app(env_owner="1500", env_mode="0640", service={"user": "1500:1500"}),
        app(env_owner="0:1500", env_mode="0640", service={"user": "2000:1500"}),
        app(env_owner="0:0", env_mode="0644", service={"user": "2000"}),
        app(env_owner="1500", service={"user": "node"}),
        app(service={"user": "2000"}),
        app(health={"path": '/a?c="d"&e=f#g'}),
        app(health={"path": ""}),
        app(health={"enabled": False}, update={"monitor_seconds": 1}, ports=["8025:25", "8025:25/udp", {"target": 9}]),
        archive("node.tar", "registry.tar.gz", "proxy.tar.zst", "express-app.tar"),
        platform(images_extra={"express-app": {"pull": "x/y:1"}}),
        platform(images_bases={"node:14-alpine": "nodejs", f"hub.example:5000/team/node@sha256:{'0' * 64}": "base"}),
        lambda s: s.all["apps"].clear(),
        lambda s: s.looks.update(vm1=HostFacts(skipped=True)),
        newer_in_force(),
        both(newer_in_force(replicas=5), app(replicas=6)),
        both(newer_in_force(replicas=5), app(replicas=5)),
        both(newer_in_force(replicas=5), env_file(b"GREETING=again\n")),
        both(newer_in_force(replicas=5), platform(apps_older_confirmed="web")),
        both(
            platform(docker_engine_source="present"), host(distribution={"id": "arch", "version": "", "codename": ""})
        ),
        monitoring_image({"pull": "prom/prometheus:v2"}, images_missing="skip"),
        monitoring_image({"pull": "prom/prometheus:v2", "missing": "skip"}),
        monitoring_image({"pull": "prom/prometheus:v2"}, monitoring_enabled=False),
        with_jenkins(),
        with_jenkins(app(repository=GITHUB)),
        with_jenkins(
            app(repository=GITHUB, branch="release/2.x", repository_credentials="github"), jenkins_git_credentials=[GIT]
        ),
        with_jenkins(
            app(repository="git@github.com:team/web.git", repository_credentials="github"),
            jenkins_git_credentials=[SSH],
            jenkins_git_known_hosts=["github.com ssh-ed25519 AAAA"],
        ),
        with_jenkins(jenkins_network("fungap-jenkins", "172.31.240.0/24")),
        with_jenkins(jenkins_backup_dir="/var/backups/jenkins"),
        own_folder("/etc/fungap", names=["images"]),
        both(said_before(proxy_http_port="a"), platform(platform_older_confirmed="nodes,proxy")),
        both(said_before(proxy_http_port="a"), lambda s: s.given.add("proxy_http_port")),
        both(said_before(proxy_http_port="a"), lambda s: s.said.update(proxy_http_port="new")),
        record(""),
        marked(ID),
        marked(ID, path=CERTIFICATES),
        # Made by an older version.
        marked(),
        marked(ca=CA),
        without_secrets(marked()),
        marked(OTHER_ID, platform_id_replaced=OTHER_ID),
        marked(ca=OTHER_CA, platform_id_replaced=OTHER_ID),
        without_secrets(marked(OTHER_ID, platform_id_replaced=OTHER_ID)),
        own_folder("/etc/fungap", names=[".fungap-platform", "x"], marker="platform: fungap\n"),
        own_folder("/etc/fungap", names=["registry-client"], registry_logins=["registry:5000"]),
        both(own_folder("/run/fungap", names=["manager1"]), docker(present=True, answering=False)),
        both(
            own_folder("/run/fungap", names=["manager1"]),
            docker(mounts=[{**MOUNT, "source": "/run/fungap/manager1", "target": "/run/node"}]),
        ),
        with_jenkins(group("jenkins", "vm1"), jenkins_shares_host=True, jenkins_https_port=8443),
        in_cluster(with_jenkins()),
        # Another platform on the machine, with names of its own; and one's own, there already.
        both(
            hosts_line("172.31.0.2", "registry-two", owner="two-registry"),
            own_folder("/etc/docker/certs.d/registry-two:5000", **THEIRS),
            containers(("two-manager1", "two"), ("fungap-manager1", "fungap")),
            docker(others=["web"], volumes=[{"name": "two-manager1", "platform": "two"}]),
        ),
        app(
            services={"proxy": {"image": "a:1"}, "web-slot-x": {"image": "a:1"}},
            service={"networks": {"public": {"aliases": ["web-too", "web_web"]}}},
        ),
        # Where nobody else is, it may be called anything.
        with_shop(hostname="web-slot-{{.Task.Slot}}"),
        app(services={"mq": {"image": "a:1", "hostname": "mq"}}, service={"hostname": "{{.Node.Hostname}}"}),
        hosts_line("172.30.0.2", "registry", owner="fungap-registry"),
        hosts_line("172.30.0.77", "registry", owner="fungap-registry"),
        hosts_line("172.30.0.2", "registry"),
        own_folder(CERTIFICATES, names=[".fungap-platform", "ca.crt"], marker="platform: fungap\n"),
        both(own_folder(CERTIFICATES, names=["ca.crt"]), same_ca()),
        own_folder(CERTIFICATES),
        remembers(IN_FORCE + IN_FORCE.replace(b"web", b"proxy")),
        remembers(error="No such file or directory"),
        both(app(hosts=["127.0.0.1"]), tls("127.0.0.1")),
        in_cluster(platform(proxy_http_port=8080), listening(8080, "java")),
        # Skipped, it does not say what it is called.
        in_cluster(lambda s: s.looks.update(vm3=HostFacts(skipped=True)), app(constraints=["node.hostname == db3"])),
        in_cluster(lambda s: s.looks.update(vm3=HostFacts(skipped=True)), app(constraints=["node.hostname == vm1"])),
        in_cluster(hosts_line("192.0.2.11", "registry", host="vm2")),
        with_jenkins(containers(("fungap-jenkins", "fungap-jenkins"))),
        # What the machine of Jenkins has on its networks is no clash with the nodes'.
        with_jenkins(jenkins_network("lab", "172.30.0.0/16")),
        with_jenkins(lambda s: s.looks.update(vm9=HostFacts(skipped=True))),
        with_jenkins(lambda s: s.catalog.update({"jenkins": {"pull": "x/y:1", "missing": "skip"}})),
    ],
)
def test_a_right_inventory_has_no_problem(change: Change) -> None:
    scenario = Scenario()
    change(scenario)
    assert scenario.problems() == []


@pytest.mark.parametrize(
    ("change", "variables"),
    [
        (platform(), []),
        (platform(platform_name=""), ["platform_name"]),
        (platform(platform_name=["a"]), ["platform_name"]),
        (platform(platform_config_dir="/var/lib"), ["platform_config_dir"]),
        (platform(platform_config_dir="/run/fungap"), ["platform_config_dir"]),
        (platform(registry_address="registry"), ["registry_address"]),
        (platform(platfrom_name="x"), ["platfrom_name"]),
        (platform(reset_volume=True), ["reset_volume"]),
        (group("docker_host", "vm1"), ["group docker_host"]),
        # What a reset doesn't need can't stop it.
        (both(app(port=0), platform(platform_subnet="nonsense", proxy_http_prot=1), env_file(error="gone")), []),
        (lambda s: s.looks.update(vm1=HostFacts(error="unreachable")), []),
    ],
)
def test_a_reset_looks_at_what_it_goes_by(change: Change, variables: list[str]) -> None:
    scenario = Scenario()
    change(scenario)
    assert [problem.variable for problem in check_for_reset(scenario.inputs()[0].raw, SPECS)] == variables


def test_a_controller_without_cryptography_is_told_so_by_who_needs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pki, "MISSING_LIBRARY", "No module named 'cryptography'")
    monkeypatch.delattr(pki, "x509")
    scenario = Scenario()
    assert scenario.problems() == []
    assert warnings(scenario.inputs()[0]) == []


def test_every_problem_is_told_at_once() -> None:
    scenario = Scenario()
    both(
        platform(platfrom_name="x", platform_subnet="nonsense"),
        node("worker1", host="vm9"),
        app(port=0, replica=2, limits={"memory": "x", "cpu": 1}),
        without("image"),
        env_file(error="Permission denied"),
        listening(80, "apache2"),
    )(scenario)
    variables = {problem.variable for problem in scenario.problems()}
    assert variables >= {
        "platfrom_name",
        "platform_subnet",
        "swarm_node_host",
        "apps.web.port",
        "apps.web.replica",
        "apps.web.limits.memory",
        "apps.web.limits.cpu",
        "apps.web.image",
        "apps.web.env_file",
        "proxy_http_port",
    }


def test_one_mistake_is_one_problem() -> None:
    for change in (
        platform(platform_subnet="nonsense"),
        app(port="x"),
        platform(proxy_http_port="x"),
        without("image"),
        app(env_file="a\0b"),
        app(health={"interval_seconds": ["x"]}),
        platform(monitoring_rule_files=["a\0b"]),
        platform(platform_slack_webhook_url=["x"]),
        platform(load_test_profile="a b"),
        platform(apps_absent=["a b"]),
        platform(platform_trusted_ca_files=["a b"]),
        platform(images_names=["a b"]),
        platform(swarm_member_unlock_key={"a": "b"}),
        platform(platform_source_registries=[{"registry": "r.example", "username": "u", "pasword": "p"}]),
        with_jenkins(jenkins_vault_password_file=["x"]),
        with_jenkins(jenkins_host=["x"]),
        with_jenkins(jenkins_registries=[{"registry": ["r.example"], "username": "u", "password": "p"}]),
    ):
        scenario = Scenario()
        change(scenario)
        assert len(scenario.problems()) == 1, scenario.problems()


def test_the_platform_tells_which_certificates_end_soon() -> None:
    scenario = Scenario()
    pem, _key = certificate("registry", days=29)
    path = "/etc/fungap/registry/tls.crt"
    trees = {"/etc/fungap": {path: digested(PathState("file", pem.decode(), 0o644), "key")}}
    scenario.looks["vm1"] = HostFacts(facts=scenario.vm, trees=trees)
    assert resolve(scenario.inputs()[0])["certificates"] == {"registry": {"until": "2026-12-21T12:00:00Z", "due": True}}
    assert resolve(Scenario().inputs()[0])["certificates"] == {}


@pytest.mark.parametrize(("own", "days", "due"), [("", 31, False), ("", 29, True), ("mine.crt", 29, None)])
def test_the_platform_tells_of_the_proxys_own_certificate(own: str, days: int, due: bool | None) -> None:
    """It is in the swarm's secrets, and on the controller. One that is given is watched by its own check."""
    scenario = Scenario()
    pem, _key = certificate("web.example", days=days)
    if own:
        platform(proxy_certificate_file=own, proxy_certificate_key_file="mine.key")(scenario)
    inputs = scenario.inputs()[0]
    path = f"{inputs.variable('platform_secrets_dir')}/proxy.crt"
    found = resolve(replace(inputs, files={**inputs.files, path: FileContent(content=pem)}))["certificates"]
    assert found.get("proxy", {}).get("due") is due


def test_the_platform_of_the_local_inventory() -> None:
    platform_ = resolve(Scenario().inputs()[0])
    assert platform_["name"] == "fungap"
    assert platform_["config_dir"] == "/etc/fungap"
    assert platform_["run_dir"] == "/run/fungap"
    assert platform_["secrets_dir"] == "/inventory/.secrets"
    assert platform_["registry"] == {
        "host": "vm1",
        "address": "registry:5000",
        "name": "registry",
        "port": 5000,
        "ip": "172.30.0.2",
        "container_ip": "172.30.0.2",
        "bind_address": "",
        "metrics": {
            "port": 5001,
            "address": "172.30.0.4",
            "subnet": "169.254.92.192/29",
            "registry_address": "169.254.92.194",
            "nginx_address": "169.254.92.195",
        },
    }
    assert platform_["edge"] == {"host": "vm1", "ip": "172.30.0.3"}
    assert platform_["monitoring"] == {"enabled": True, "images": list(BASIC), "hosts": {}}
    assert platform_["mtu"] == 1500
    assert platform_["ipvs"] is True
    assert [(node["name"], node["role"]) for node in platform_["nodes"]] == [
        ("manager1", "manager"),
        ("worker1", "worker"),
        ("worker2", "worker"),
    ]
    assert platform_["nodes"][0] == {
        "hostname": "manager1",
        "name": "manager1",
        "host": "vm1",
        "driver": "dind",
        "role": "manager",
        "address": "172.30.0.11",
        "socket": "/run/fungap/manager1/docker.sock",
        "container": "fungap-manager1",
        "labels": {"fungap.monitoring.host": "true"},
        "availability": "active",
        "cpus": 0,
        "memory": "0",
    }
    web = platform_["apps"]["web"]
    assert web["env_file"] == ENV
    assert web["health"]["path"] == "/healthz"
    assert web["limits"] == {"cpus": 0.5, "memory": "128M"}
    assert web["route"]["cookie_flags"] == ["secure", "samesite=lax"]
    assert platform_["trusted_ca_files"] == {"vm1": ["/usr/local/share/ca-certificates/company.crt"]}


def test_a_nodes_labels_are_those_of_the_inventory() -> None:
    scenario = Scenario()
    given = {"disk": "x" * 130, "rack": "a  b", "fast": True, "height": 1.5, "none": ""}
    scenario.hosts["worker1"]["swarm_node_labels"] = given
    labels = {node["name"]: node["labels"] for node in resolve(scenario.inputs()[0])["nodes"]}["worker1"]
    assert labels == {
        "disk": "x" * 130,
        "rack": "a  b",
        "fast": "true",
        "height": "1.5",
        "none": "",
    }


def test_the_platform_with_jenkins() -> None:
    scenario = Scenario()
    assert resolve(scenario.inputs()[0])["jenkins"] == {"host": "", "images": []}
    with_jenkins(
        app(repository=GITHUB),
        lambda s: s.facts["vm9"].update(mtu=1280),
        lambda s: s.facts["vm9"]["kernel"].update(ipvs=False),
        lambda s: s.catalog.update({"jenkins-agent": {"build": {"context": "x"}}}),
        jenkins_certificate_file="files/j.pem",
    )(scenario)
    platform_ = resolve(scenario.inputs()[0])
    assert platform_["jenkins"] == {
        "host": "vm9",
        "apart": True,
        "platform": "fungap-jenkins",
        "name": "jenkins.example.com",
        "subnet": "172.31.240.0/24",
        "addresses": {
            "controller": "172.31.240.2",
            "agent": "172.31.240.3",
            "build": "172.31.240.4",
            "proxy": "172.31.240.5",
        },
        "images": ["jenkins-agent"],
        "deploy_hosts": ["vm1"],
        "https_port": 443,
        "bind_address": "0.0.0.0",
        "build_memory": "2G",
        "certificate_file": "/inventory/files/j.pem",
        "certificate_key_file": "",
        "apps": {"web": {"repository": GITHUB, "branch": "main", "repository_credentials": ""}},
    }
    assert platform_["optional_images"] == ["node", *BASIC]
    scenario.groups["jenkins"] = ["vm1"]
    assert resolve(scenario.inputs()[0])["optional_images"] == ["node", *BASIC, "jenkins-agent"]
    # No part of what is rolled out, and Jenkins' machine says nothing of the nodes' network.
    assert "repository" not in platform_["apps"]["web"]
    assert (platform_["mtu"], platform_["ipvs"]) == (1500, True)


def test_an_apps_defaults_are_those_that_it_is_deployed_with() -> None:
    completed = complete(SPECS.app, {"image": "x", "port": 1})
    no_part_of_a_rollout = {*REQUIRED, *PIPELINE_SETTINGS}
    assert {key: value for key, value in completed.items() if key not in no_part_of_a_rollout} == DEFAULTS


def test_the_platform_of_a_cluster() -> None:
    scenario = Scenario()
    scenario.cluster()
    scenario.facts["vm2"]["mtu"] = 1460
    scenario.facts["vm3"]["kernel"]["ipvs"] = False
    scenario.facts["vm3"]["hostname"] = "debian"
    platform_ = resolve(scenario.inputs()[0])
    assert [(node["name"], node["hostname"]) for node in platform_["nodes"]][1:] == [("vm2", "vm2"), ("vm3", "debian")]
    assert [node["address"] for node in platform_["nodes"]] == ["192.0.2.11", "192.0.2.12", "192.0.2.13"]
    assert {node["socket"] for node in platform_["nodes"]} == {"/run/docker.sock"}
    assert platform_["registry"]["ip"] == "192.0.2.11"
    assert platform_["registry"]["metrics"] == {}
    assert [node["labels"] for node in platform_["nodes"]] == [{"fungap.monitoring.host": "true"}] * 3
    assert platform_["edge"] == {"host": "", "ip": ""}
    assert platform_["proxy"]["address"] == "192.0.2.11"
    assert platform_["optional_images"] == list(BASIC)
    scenario.all["monitoring_enabled"] = False
    scenario.web["cron"] = {"clean": {"schedule": "0 3 * * *", "command": ["clean"]}}
    assert resolve(scenario.inputs()[0])["optional_images"] == ["swarm-exporter"]
    assert platform_["mtu"] == 1460
    assert platform_["ipvs"] is False


@pytest.mark.parametrize(
    ("reach", "bound", "address"),
    [
        ({"ansible_connection": "local"}, "0.0.0.0", "127.0.0.1"),
        ({"ansible_connection": "local"}, "198.51.100.4", "198.51.100.4"),
        ({"ansible_host": "203.0.113.7"}, "0.0.0.0", "203.0.113.7"),
        # What a name stands for on the controller is not known here; the machine knows its own address.
        ({"ansible_host": "vm1.example.com"}, "0.0.0.0", FACTS["address"]),
        ({}, "0.0.0.0", FACTS["address"]),
    ],
)
def test_where_the_proxy_is_reached(reach: dict[str, str], bound: str, address: str) -> None:
    scenario = Scenario()
    scenario.hosts["vm1"] = reach
    scenario.all["proxy_bind_address"] = bound
    assert resolve(scenario.inputs()[0])["proxy"]["address"] == address


@pytest.mark.parametrize(
    ("text", "size"),
    [("128M", 128 * 1024**2), ("1.5g", 1536 * 1024**2), ("64 KiB", 65536), ("100", 100), ("x", None), ("128bb", None)],
)
def test_bytes_of(text: str, size: int | None) -> None:
    assert bytes_of(text) == size


def test_summary_and_values() -> None:
    problem = Problem("a", "b", Harmless("c"), "d", "e")
    assert summary([problem]) == "The inventory has 1 problem; nothing was changed."
    assert problem.line == "a: b = c d; cure: e"


HOSTILE: list[dict[str, Any]] = yaml.safe_load((ROOT / "tests" / "unit" / "hostile.yml").read_text())
FILES = {"a FIFO": FileContent(error="it is not a regular file"), "an empty file": FileContent(b"")}


@pytest.mark.parametrize(
    "row", HOSTILE, ids=lambda row: str({key: row[key] for key in row if key not in ("becomes", "since", "note")})
)
def test_a_hostile_inventory(row: dict[str, Any]) -> None:
    if row.get("since", []) > [int(part) for part in ansible_version.split(".")[:2]]:
        pytest.skip("of a later ansible-core")
    scenario = Scenario()
    if row.get("jenkins"):
        with_jenkins()(scenario)
    if row.get("nodes_are") == "cluster":
        scenario.cluster()
    scenario.files.update({f"/inventory/{name}": file for name, file in FILES.items()})
    scenario.all.update(row.get("all", {}))
    scenario.web.update(row.get("app", {}))
    scenario.hosts["worker1" if "worker1" in scenario.hosts else "vm1"].update(row.get("node", {}))
    if "add_node" in row:
        scenario.add_node(row["add_node"], "swarm_workers", address="172.30.0.29")
    problems = scenario.problems()
    assert ("refused" if problems else "accepted") == row["becomes"], problems
    variables = [
        *row.get("all", {}),
        *row.get("node", {}),
        *(f"apps.web.{show_key(key)}" for key in row.get("app", {})),
    ]
    names = variables or ["inventory host"]
    assert all(any(one.variable.startswith(name) for name in names) or "apps.*" in one.variable for one in problems), (
        problems
    )
    assert all(one.problem and one.cure for one in problems)
    assert "hunter22" not in "\n".join(map(str, problems))


# As a forge or a cloud makes one. It is no image's name, no host's and no path.
TOKEN = "ghp_hunter22"


def misplaced(spec: Mapping[str, Any]) -> Iterator[Any]:
    """Values of a variable, each with a token at another place where text may stand."""
    nested, is_list = spec.get("options") or {}, spec.get("type") == "list"
    inner = [{key: value} for key, one in nested.items() for value in misplaced(one)]
    if spec.get("type") == "dict" and not nested:
        inner = [{"a": TOKEN}, {"a": {"b": TOKEN}}]
    yield TOKEN
    yield from ([value] for value in (TOKEN, *inner)) if is_list else inner


def chunks(options: Mapping[str, Any]) -> list[list[dict[str, Any]]]:
    """Values of all variables, of some at once: each of the one problem that it is, and in no other's way."""
    names = [name for name in options if name != "apps"]
    found = []
    for first in range(0, len(names), 12):
        values = {name: list(misplaced(options[name])) for name in names[first : first + 12]}
        longest = max(map(len, values.values()))
        found.append(
            [{name: one[min(index, len(one) - 1)] for name, one in values.items()} for index in range(longest)]
        )
    return found


@pytest.mark.parametrize("chunk", chunks(SPECS.known), ids=lambda chunk: next(iter(chunk[0])))
def test_a_token_in_the_wrong_variable_is_not_shown(chunk: list[dict[str, Any]]) -> None:
    for variables in chunk:
        scenario = Scenario()
        with_jenkins()(scenario)
        scenario.all.update(variables)
        problems = scenario.problems()
        assert problems
        assert "hunter22" not in "\n".join(map(str, problems)), variables


@pytest.mark.parametrize("name", list(SPECS.app))
def test_a_token_in_the_wrong_setting_of_an_app_is_not_shown(name: str) -> None:
    for value in misplaced(SPECS.app[name]):
        scenario = Scenario()
        with_jenkins()(scenario)
        scenario.web[name] = value
        assert "hunter22" not in "\n".join(map(str, scenario.problems())), value


SECOND = {"image": "express-app", "port": 3000, "hosts": ["second.localhost"]}


@pytest.mark.parametrize(
    ("settings", "variable", "problem"),
    [
        ({"update": {"monitor_second": 120}}, "settings.update.monitor_second", "is not a known setting"),
        ({"hosts": ["prometheus.localhost"]}, "", "prometheus.localhost"),
        ({"hosts": "no host"}, "settings.hosts[0]", "is not a host name"),
        ({"replicas": "many"}, "replicas", "must be a whole number"),
        ({"replicas": -1}, "replicas", "0 or more"),
        ({"image": "nothing"}, "image", "is not in the image catalog"),
        ({"env_file": "files/none.env"}, "env_file", "was not read"),
        ({"health": {"path": "no path"}}, "settings.health.path", ""),
        ({"route": {"upload_size": "1 mega"}}, "settings.route.upload_size", ""),
        ({"limits": {"memory": "1k"}}, "settings.limits.memory", ""),
    ],
)
def test_what_an_operator_asks_for_is_judged_like_the_inventory(
    settings: dict[str, Any], variable: str, problem: str
) -> None:
    scenario = Scenario()
    scenario.all["apps"]["second"] = SECOND
    scenario.all["monitoring_hosts"] = {"prometheus": "prometheus.localhost"}
    scenario.changes = {"web": settings}
    found = [in_operators_words(one, "web", settings) for one in scenario.problems()]
    assert [
        one
        for one in found
        if one.variable == (variable or one.variable) and problem in f"{one.value} {one.problem} {one.cure}"
    ], "\n".join(map(str, found))


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"hosts": "www.localhost"},
        {"replicas": "6"},
        {"update": {"monitor_seconds": 60}},
        {"limits": {"memory": "256M"}},
        # What is in force may be another limit, interval, env file, or owner of a host name than this copy's.
        {"reservations": {"memory": "512M"}},
        {"update": {"monitor_seconds": 10}},
        {"env_file": "", "env_target": "/srv/env"},
        {"hosts": ["second.localhost"]},
    ],
)
def test_what_an_operator_may_ask_for(settings: dict[str, Any]) -> None:
    scenario = Scenario()
    scenario.all["apps"]["second"] = SECOND
    scenario.changes = {"web": settings}
    assert scenario.problems() == []


@pytest.mark.parametrize(
    ("changes", "variable", "problem"),
    [
        ({"wbe": {}}, "app", "is not an app of the inventory"),
        ({"web": "replicas=3"}, "settings", "must be a mapping"),
        ({"web": {}, "api": {}}, "app", "is not one app"),
        ({"web": {}}, "", ""),
    ],
)
def test_what_is_asked_for_is_of_an_app(changes: Any, variable: str, problem: str) -> None:
    found = [(one.variable, one.problem) for one in refused(changes, {"web": {}})]
    assert found == ([(variable, problem)] if variable else [])


@pytest.mark.parametrize("set_as", [True, "true", "Yes", "on", 1])
def test_what_is_allowed_and_not_to_be_forgotten(set_as: Any) -> None:
    scenario = Scenario()
    scenario.hosts["vm1"]["swarm_member_recover_quorum"] = ["true"]
    assert warnings(scenario.inputs()[0]) == []
    scenario.hosts["vm1"]["swarm_member_recover_quorum"] = set_as
    assert warnings(scenario.inputs()[0]) == [
        "swarm_member_recover_quorum is set for vm1: a manager that misses the others may start the swarm again "
        "without them; take it away once that is done"
    ]


def test_a_drained_node_that_alone_may_run_an_app_is_mentioned() -> None:
    scenario = Scenario()
    scenario.web["constraints"] = ["node.hostname == worker1"]
    assert warnings(scenario.inputs()[0]) == []
    scenario.hosts["worker1"]["swarm_node_availability"] = "drain"
    assert scenario.problems() == []
    assert warnings(scenario.inputs()[0]) == [
        "apps.web.constraints leave worker1 alone to run it, which takes no tasks as long as it is not active"
    ]


@pytest.mark.parametrize(
    ("common_name", "said"),
    [("fungap platform CA", False), ("two platform CA", True), ("Company CA", False), ("", False)],
)
def test_another_platforms_secrets_are_mentioned(common_name: str, said: bool) -> None:
    scenario = Scenario()
    content = pki.make_ca(common_name, pki.new_key(), NOW).encode() if common_name else b"no certificate"
    scenario.files["/inventory/.secrets/ca.crt"] = FileContent(content)
    found = warnings(scenario.inputs()[0])
    assert [" has the CA of platform two: " in text and text.endswith("/.secrets-fungap") for text in found] == [
        True
    ] * said


def dead(*names: str) -> Change:
    return lambda s: s.looks.update({name: HostFacts(error="no route to host") for name in names})


def limited(*names: str) -> Change:
    return lambda s: s.looks.update({name: HostFacts(skipped=True, limited=True) for name in names})


def full(*names: str) -> Change:
    return lambda s: [s.facts[name]["disk"].update(free_bytes=GIGABYTE // 2) for name in names]


def two_managers(s: Scenario) -> None:
    """The third is taken out of the inventory, as its machine is dead."""
    for hosts in s.groups.values():
        hosts[:] = [name for name in hosts if name != "vm3"]
    del s.hosts["vm3"]


# (what is wrong, the verb, whether it goes on, the manager that is asked)
DEAD_MANAGER = both(mesh, dead("vm1"))
ON_THE_WAY: list[tuple[Change, str, bool, str]] = [
    (DEAD_MANAGER, "site", False, ""),
    (DEAD_MANAGER, "deploy", True, "vm2"),
    (DEAD_MANAGER, "deploy_image", False, ""),
    (DEAD_MANAGER, "rollback", True, "vm2"),
    (DEAD_MANAGER, "scale", True, "vm2"),
    (DEAD_MANAGER, "status", True, "vm2"),
    (DEAD_MANAGER, "logs", True, "vm2"),
    (DEAD_MANAGER, "history", True, "vm2"),
    (DEAD_MANAGER, "prune", True, "vm2"),
    (both(mesh, dead("vm3")), "deploy_image", True, "vm1"),
    # By --limit.
    (both(mesh, limited("vm1")), "status", True, "vm2"),
    (both(mesh, limited("vm1")), "deploy_image", False, ""),
    (both(mesh, limited("vm1", "vm2", "vm3")), "deploy", False, ""),
    (both(mesh, limited("vm1", "vm2"), dead("vm3")), "status", False, ""),
    (both(mesh, limited("vm1", "vm2")), "site", True, "vm3"),
    (both(mesh, with_jenkins(limited("vm9"))), "backup", False, ""),
    (both(mesh, with_jenkins(limited("vm9"))), "restore", False, ""),
    (both(mesh, dead("vm1", "vm2")), "status", True, "vm3"),
    (both(mesh, dead("vm1", "vm2", "vm3")), "status", False, ""),
    (both(mesh, with_jenkins(dead("vm1", "vm2", "vm3"))), "backup", True, "vm1"),
    (both(mesh, with_jenkins(dead("vm9"))), "backup", False, ""),
    (both(mesh, with_jenkins(dead("vm9"))), "prune", True, "vm1"),
    (both(rerun, full("vm1")), "prune", True, "manager1"),
    (both(rerun, full("vm1")), "rollback", True, "manager1"),
    (both(rerun, full("vm1")), "deploy_image", False, ""),
    (both(rerun, full("vm1")), "site", False, ""),
    (tls("web.localhost", start=-90, days=-1), "rollback", True, "manager1"),
    (tls("web.localhost", start=-90, days=-1), "status", True, "manager1"),
    (tls("web.localhost", start=-90, days=-1), "site", False, ""),
    (tls("*.example.com"), "deploy", True, "manager1"),
    (foreign_key, "deploy", False, ""),
    (env_file(error="No such file or directory"), "rollback", True, "manager1"),
    (env_file(error="No such file or directory"), "deploy", False, ""),
    (listening(80, "apache2"), "deploy", True, "manager1"),
    (platform(monitoring_hosts={"grafana": "https://g.example/"}), "status", True, "manager1"),
    (platform(monitoring_hosts={"grafana": "https://g.example/"}), "deploy", False, ""),
    (platform(monitoring_hsots={"grafana": "g.example"}), "deploy", False, ""),
    *(
        (change, verb, True, "manager1")
        for verb in ("deploy", "rollback", "scale", "prune")
        for change in (
            platform(monitoring_retention_time="15 days"),
            platform(monitoring_rule_files=["files/gone.yml"]),
            platform(monitoring_retention_tme="15d"),
            platform(load_test_host="nowhere"),
            platform(images_debian_mirror="http://x/ y"),
            lambda s: s.all["apps"].update(b="x"),
            lambda s: s.all["apps"].update(B_={"image": "express-app", "port": 1}),
        )
    ),
    *((both(mesh, two_managers), verb, True, "vm1") for verb in ("deploy", "rollback", "scale", "prune")),
    (both(mesh, two_managers), "site", False, ""),
    (platform(load_test_host="nowhere"), "load_test", False, ""),
    (platform(images_debian_mirror="http://x/ y"), "deploy_image", False, ""),
    (platform(images_prune_grace_seconds=-1), "prune", False, ""),
    (lambda s: s.all["apps"].update(web="x"), "rollback", False, ""),
    (platform(platform_name="Fun Gap"), "status", False, ""),
]


@pytest.mark.parametrize(("change", "verb", "goes_on", "manager"), ON_THE_WAY)
def test_a_problem_blocks_what_it_concerns_alone(change: Change, verb: str, goes_on: bool, manager: str) -> None:
    scenario = Scenario()
    change(scenario)
    inputs, problems = scenario.inputs()
    found = list(dict.fromkeys([*map(of_kind, problems), *check(inputs)]))
    blocking, others = judge(inputs, found, verb, "web")
    assert (not blocking) is goes_on, blocking
    assert sorted([*blocking, *others]) == sorted(found)
    if goes_on:
        assert others
        assert resolve(inputs)["manager"]["name"] == manager


def test_an_apps_entry_that_is_none_leaves_its_route_to_what_is_in_force() -> None:
    """Another app's deploy takes it for one that changes nothing."""
    scenario = Scenario()
    scenario.all["apps"]["b"] = "x"
    entry = resolve_app("b", resolve(scenario.inputs()[0])["apps"]["b"], recorded=True)
    running = {**entry, "hosts": ["b.localhost"], "port": 80, "image": "express-app"}
    release = in_force(entry, {"app": running, "image": "i", "env": {}, "inventory": {}})
    assert app_routes({"b": release["app"]})[0]["hosts"] == ["b.localhost"]


def with_managers(*states: str) -> Change:
    """So many managers in containers of one machine, as its engine shows them."""

    def change(s: Scenario) -> None:
        for number, state in enumerate(states, start=1):
            if number > 1:
                s.add_node(f"manager{number}", "swarm_managers", address=f"172.30.0.1{number}")
            s.vm["docker"]["containers"].append(
                {"name": f"fungap-manager{number}", "platform": "fungap", "state": state}
            )

    return change


@pytest.mark.parametrize(
    ("change", "manager"),
    [
        (lambda _s: None, "manager1"),
        (with_managers("running", "running", "running"), "manager1"),
        (with_managers("exited", "exited", "running"), "manager3"),
        (with_managers("exited", "exited", "exited"), "manager1"),
        (mesh, "vm1"),
        (both(mesh, lambda s: s.facts["vm1"]["docker"].update(swarm="inactive")), "vm2"),
        (both(mesh, dead("vm1")), "vm2"),
        (both(mesh, dead("vm1", "vm2")), "vm3"),
    ],
)
def test_the_manager_that_is_asked_is_one_that_answers(change: Change, manager: str) -> None:
    scenario = Scenario()
    change(scenario)
    assert resolve(scenario.inputs()[0])["manager"]["name"] == manager


def test_what_a_silent_machine_is_said_to_be() -> None:
    scenario = Scenario()
    both(mesh, dead("vm1"))(scenario)
    platform_ = resolve(scenario.inputs()[0])
    assert platform_["answering"] == ["vm2", "vm3"]
    assert platform_["silent"] == {"vm1": "no route to host"}
    assert platform_["proxy"]["address"] == "192.0.2.12"
    # Nobody is told a wrong one: the swarm knows it.
    assert [node["address"] for node in platform_["nodes"]] == ["", "192.0.2.12", "192.0.2.13"]
    assert platform_["registry"]["ip"] == ""


@pytest.mark.parametrize("case", CASES, ids=map(name_of, CASES))
def test_what_is_in_nobodys_way_can_be_gone_on_with(case: tuple[Change, str, str, str, str, str]) -> None:
    """Whatever is wrong, as long as it does not block a verb there is a platform for it."""
    scenario = Scenario()
    case[0](scenario)
    inputs, problems = scenario.inputs()
    found = [*map(of_kind, problems), *check(inputs)]
    assert all(one.kind in KINDS for one in found)
    for verb in VERBS:
        if not judge(inputs, found, verb, "second")[0]:
            assert resolve(inputs)["manager"]["socket"]


def test_what_is_asked_for_answers_for_what_it_brings_in_alone() -> None:
    scenario = Scenario()
    scenario.all["apps"]["second"] = {**SECOND, "port": 0}
    before = scenario.problems()
    assert before
    scenario.changes = {"web": {"replicas": 2}}
    assert brought_in(before, scenario.problems()) == []
    scenario.changes = {"web": {"hosts": ["no host"]}}
    assert [one.problem for one in brought_in(before, scenario.problems())] == ["is not a host name"]


def test_the_latest_word_on_any_docker_host_counts_and_each_gets_it() -> None:
    """One that is new, or was left out by --limit, lacks the last rows."""
    scenario = Scenario()
    scenario.cluster()
    rows = with_this_run({"proxy_hsts": "a"}, [], "2026-11-01T10:00:00Z", "me@desk", ())
    more = with_this_run({"proxy_hsts": "b"}, rows, "2026-11-02T10:00:00Z", "you@laptop", ())
    record(dump_rows(rows), "vm1")(scenario)
    record(dump_rows(more), "vm2")(scenario)
    scenario.said = {"proxy_hsts": "b"}
    assert parse_rows(resolve(scenario.inputs()[0])["record"]) == more
    scenario.said = {"proxy_hsts": "c"}
    [*_, last] = parse_rows(resolve(scenario.inputs()[0])["record"])
    assert (last.who, last.said) == ("me@desk", {"proxy_hsts": "c"})
    # No other verb takes anything of the inventory.
    scenario.said = {}
    assert resolve(scenario.inputs()[0])["record"] == ""


@pytest.mark.parametrize("role", sorted(SPECS.roles))
def test_no_role_has_to_check_its_variables_after_the_preflight(role: str) -> None:
    """Each of a wrong type stops site.yml, whose plays switch the roles' own check off (rolespec_validate)."""
    wrong = {"dict": "text", "list": {"a": 1}, "bool": "maybe", "int": "many", "float": "many"}
    entries = yaml.safe_load((ROOT / "roles" / role / "meta" / "argument_specs.yml").read_text())["argument_specs"]
    parts = ("inventory", "app") if role == "preflight" else ()
    specs = {name: one for entry in entries if entry not in parts for name, one in entries[entry]["options"].items()}
    for name, spec in specs.items():
        known = SPECS.known[name]
        assert known.get("type", "str") == spec.get("type", "str"), name
        assert set(known.get("choices", [])) == set(spec.get("choices", [])), name
    scenario = Scenario()
    typed = {name: spec.get("type", "str") for name, spec in specs.items() if spec.get("type") != "raw"}
    scenario.hosts["vm1"].update({name: wrong.get(kind, ["a", "list"]) for name, kind in typed.items()})
    _inputs, problems = scenario.inputs()
    assert set(typed) <= {one.variable for one in map(of_kind, problems) if one.kind in VERBS["site"].sound}
