# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Jenkins' configuration: each key is one that its plugins document, no secret is in it, no text gets out of place."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jinja2
import pytest
import yaml

from ansible_collections.fungap.swarm.plugins.plugin_utils import jenkins
from ansible_collections.fungap.swarm.plugins.plugin_utils.casc import (
    FILES,
    NOTHING,
    configuration,
    groovy_string,
    secret_files,
)
from ansible_collections.fungap.swarm.plugins.plugin_utils.jenkins import known_hosts_line

ROOT = Path(__file__).resolve().parents[2]
ROLE = ROOT / "roles" / "jenkins"
SCHEMA = yaml.safe_load((Path(__file__).parent / "casc_schema.yml").read_text())
PLUGINS = (ROOT / "roles/images/files/jenkins/plugins.txt").read_text()
TYPES: dict[str, type] = {"str": str, "int": int, "bool": bool, "secret": str}
HOST_KEY = "ssh-ed25519 AAAA"

TOKEN = {"name": "team", "username": "robot", "password": "geheim"}
KEY = {"name": "ssh", "private_key": "-----BEGIN geheim\n"}
HUB = {"registry": "docker.io", "username": "team", "password": "geheim"}
OWN = {"registry": "Registry.Example:5000", "username": "team", "password": "geheim"}
BASIC: dict[str, Any] = {"url": "https://j.example/", "agent_address": "172.31.240.3", "agent_host_key": HOST_KEY}
INVENTORIES: dict[str, dict[str, Any]] = {
    "nothing": BASIC,
    "public repositories": {**BASIC, "environment": {"INVENTORY": "/srv/inventory"}},
    "a token": {**BASIC, "git_credentials": [TOKEN]},
    "a key": {**BASIC, "git_credentials": [KEY], "git_known_hosts": ["github.com ssh-ed25519 AAAA"]},
    "Docker Hub": {**BASIC, "registries": [HUB]},
    "all of it": {
        **BASIC,
        "git_credentials": [TOKEN, KEY],
        "git_known_hosts": ["a ssh-ed25519 A", "b ssh-ed25519 B"],
        "registries": [HUB, OWN],
        "environment": {"A": "1", "B": "2"},
    },
}


# path -> kind of its value.
KINDS: dict[str, str] = {
    ".".join(filter(None, [source.get("below", ""), key])): kind
    for source in SCHEMA["sources"]
    for key, (kind, _words) in source["keys"].items()
}


def complaints(value: Any, path: str = "") -> list[str]:
    """What in a configuration no source knows."""
    if isinstance(value, list):
        return [one for item in value for one in complaints(item, f"{path}[]")]
    kind = KINDS.get(path, "map" if not path else "")
    if not kind:
        return [f"{path}: unknown"]
    if kind == "one":
        value = {value: {}} if isinstance(value, str) else value
    if kind in ("map", "one"):
        if not isinstance(value, dict) or (kind == "one" and len(value) != 1):
            return [f"{path}: {value!r} is no {kind}"]
        return [one for key, item in value.items() for one in complaints(item, f"{path}.{key}".lstrip("."))]
    right = value in kind.split("|") if "|" in kind else type(value) is TYPES[kind]
    if kind == "secret" and right:
        right = bool(re.fullmatch(r"\$\{readFile(Base64)?:/run/secrets/[a-z0-9.-]+\}", value))
    return [] if right else [f"{path}: {value!r} is no {kind}"]


@pytest.mark.parametrize("name", INVENTORIES)
def test_every_key_is_documented(name: str) -> None:
    assert complaints(configuration(**INVENTORIES[name])) == []


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda c: c["jenkins"].update(remotingSecurity={"enabled": True}), "jenkins.remotingSecurity: unknown"),
        # What Jenkins 2.543 took away.
        (
            lambda c: c["jenkins"].update(crumbIssuer={"standard": {"excludeClientIPFromCrumb": True}}),
            "jenkins.crumbIssuer.standard.excludeClientIPFromCrumb: unknown",
        ),
        (lambda c: c["jenkins"].update(crumbIssuer="strict"), "jenkins.crumbIssuer.strict: unknown"),
        (lambda c: c["jenkins"].update(numExecutors="0"), "jenkins.numExecutors: '0' is no int"),
        (lambda c: c["jenkins"].update(numExecutors=True), "jenkins.numExecutors: True is no int"),
        (lambda c: c["jenkins"].update(mode="normal"), "jenkins.mode: 'normal' is no NORMAL|EXCLUSIVE"),
        (lambda c: c.update(slack={}), "slack: unknown"),
        (lambda c: c["jobs"].append({"file": "a", "script": "b"}), "jobs[]: {'file': 'a', 'script': 'b'} is no one"),
        (lambda c: c["jenkins"]["nodes"][0]["permanent"]["launcher"]["ssh"].update(hst=1), "ssh.hst: unknown"),
        (lambda c: c["jenkins"]["securityRealm"]["local"]["users"][0].update(password="x"), "'x' is no secret"),
    ],
)
def test_the_check_can_fail(spoil: Any, says: str) -> None:
    found = configuration(**BASIC)
    spoil(found)
    assert [one for one in complaints(found) if says in one]


def test_every_key_was_read_at_the_version_that_is_pinned() -> None:
    """bin/jenkins_sources.py reads the sources again, where there are repositories of them."""
    plugins = SCHEMA["plugins"]
    pins = dict(line.split(":") for line in PLUGINS.splitlines() if line and not line.startswith("#"))
    catalog = yaml.safe_load((ROOT / "roles/images/defaults/main.yml").read_text())["images_catalog"]
    core = re.fullmatch(r"jenkins/jenkins:([\d.]+)-lts-jdk21", catalog["jenkins-base"]["pull"])
    assert core
    assert {name: plugin["version"] for name, plugin in plugins.items()} == {"core": core[1], **pins}
    assert {source["plugin"] for source in SCHEMA["sources"]} <= set(plugins)
    # The core was read where its next line begins, before that had a tag of its own.
    assert all(plugin["tag"].endswith(plugin["version"]) for name, plugin in plugins.items() if name != "core")


def test_the_pins_fit_each_other() -> None:
    """By what each plugin's own build says: the oldest Jenkins, and the oldest versions of the others."""
    plugins = SCHEMA["plugins"]

    def order(version: str) -> list[int]:
        return [int(part) for part in re.match(r"[\d.]+", version)[0].strip(".").split(".")]  # type: ignore[index]

    for name, plugin in plugins.items():
        if name == "core":
            continue
        assert order(str(plugin["core"])) <= order(plugins["core"]["version"]), name
        for other, version in plugin["needs"].items():
            assert order(str(version)) <= order(plugins[other]["version"]), f"{name} needs {other} {version}"


@pytest.mark.parametrize("name", INVENTORIES)
def test_no_secret_is_in_it_and_each_has_its_file(name: str) -> None:
    given = INVENTORIES[name]
    text = json.dumps(configuration(**given))
    assert "geheim" not in text
    files = secret_files(
        directory="/s",
        owner="1000",
        generated=dict.fromkeys(("admin-password", "agent-key", "webhook-secret", "deploy-key"), "x"),
        git_credentials=given.get("git_credentials", ()),
        registries=given.get("registries", ()),
    )
    names = {file["path"].removeprefix("/s/") for file in files}
    asked = set(re.findall(r"\$\{(?:readFile(?:Base64)?:/run/secrets/)?([a-z0-9.-]+)\}", text))
    assert asked == names
    assert all(file["secret"] and file["mode"] == "0400" for file in files)


def test_what_a_pipeline_asks_for_is_always_there() -> None:
    contents = {
        file["path"]: file["content"] for file in secret_files("/s", "1000", {"slack-url": "", "deploy-key": "k"})
    }
    assert set(contents) == {f"/s/{name}" for name in FILES}
    assert contents["/s/slack-url"] == contents["/s/registry-password"] == NOTHING
    assert contents["/s/deploy-key"] == "k"
    ids = {file["path"]: file["content"] for file in secret_files("/s", "1000", {}, registries=[HUB, OWN])}
    assert ids["/s/registry-password"] == "geheim"
    assert "/s/registry-registry.example-5000" in ids


def test_the_pipelines_credentials_are_those_of_the_example() -> None:
    text = (ROOT / "examples/express-app/Jenkinsfile").read_text()
    assert set(re.findall(r"credentialsId: '([^']+)'", text)) <= set(FILES)
    label = re.search(r"agent \{ label '([^']+)' \}", text)
    assert label
    assert configuration(**BASIC)["jenkins"]["nodes"][0]["permanent"]["labelString"] == label.group(1)


REFERENCE = re.compile(r"(?s)(?<!\^)\$\{.*\}")


def test_a_text_stays_text() -> None:
    """Wherever it stands. What the plugin makes of it: tests/cicd/test_3_casc.py."""
    evil = "${admin-password}"
    found = configuration(
        url=evil,
        agent_address=evil,
        agent_host_key=evil,
        git_credentials=[{"name": "a", "username": evil, "password": evil}, {"name": "b", "private_key": evil}],
        git_known_hosts=[evil],
        registries=[{"registry": evil, "username": evil, "password": evil}],
        environment={evil: evil},
    )
    texts = list(_texts(found))
    references = [one for one in texts if re.fullmatch(r"\$\{readFile(Base64)?:/run/secrets/[^{}]+\}", one)]
    # Of the platform's own, files, and one for each credential.
    assert len(references) == 3 + 4 + 3
    assert [one for one in texts if one not in references and REFERENCE.search(one)] == []
    assert sum(one.count("^${admin-password}") for one in texts) == 9


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        yield from (text for item in value.values() for text in _texts(item))
    elif isinstance(value, list):
        yield from (text for item in value for text in _texts(item))
    elif isinstance(value, str):
        yield value


HOSTILE = [
    *("a${b}c", "${admin-password}", "^${b}", "$${b}", "${b", "$", "^"),
    *('it\'s "q"', "a\\nb", "two\nlines\n", " \u00fc\u2028\U0001f511 "),
]


@pytest.mark.parametrize("secret", HOSTILE)
def test_a_secrets_file_is_what_the_plugin_reads_as_the_secret(secret: str) -> None:
    files = secret_files(
        "/s",
        "1000",
        {"admin-password": secret, "slack-url": secret},
        git_credentials=[{"name": "team", "password": secret}],
        registries=[{"registry": "docker.io", "password": secret}],
    )
    contents = {file["path"].removeprefix("/s/"): file["content"] for file in files}
    for name in ("admin-password", "git-team", "registry-docker.io"):
        assert not REFERENCE.search(contents[name])
        assert contents[name].replace("^${b}", "${b}").replace("^${a", "${a") == secret
    # These the plugin reads as they are, for Base64.
    assert contents["slack-url"] == contents["registry-password"] == secret


def test_security_is_on() -> None:
    found = configuration(**BASIC)["jenkins"]
    assert found["numExecutors"] == 0
    assert found["slaveAgentPort"] == -1
    assert found["authorizationStrategy"] == {"loggedInUsersCanDoAnything": {"allowAnonymousRead": False}}
    assert found["crumbIssuer"] == "standard"
    # Since 2.326 agent-to-controller security can't be switched off: the pinned version is what keeps it on.
    base = yaml.safe_load((ROOT / "roles/images/defaults/main.yml").read_text())["images_catalog"]["jenkins-base"][
        "pull"
    ]
    version = re.fullmatch(r"jenkins/jenkins:(\d+)\.(\d+)\.\d+-lts-jdk21", base)
    assert version
    assert (int(version[1]), int(version[2])) >= (2, 326)


def test_plugins_are_pinned_and_those_that_are_asked_for() -> None:
    lines = [line for line in PLUGINS.splitlines() if line and not line.startswith("#")]
    assert all(re.fullmatch(r"[a-z0-9-]+:[A-Za-z0-9._-]+", line) for line in lines)
    names = [line.split(":")[0] for line in lines]
    assert names == sorted(set(names))
    needed = {"configuration-as-code", "credentials", "credentials-binding", "git", "github", "job-dsl"}
    assert needed | {"plain-credentials", "ssh-credentials", "ssh-slaves", "workflow-aggregator"} <= set(names)


# --- jobs ---

NASTY = "it's \\ $(id) ${x} \n new"


def render(apps: dict[str, Any], **more: Any) -> str:
    loader = jinja2.FileSystemLoader(ROLE / "templates")
    # As Ansible renders a template.
    environment = jinja2.Environment(
        loader=loader, trim_blocks=True, undefined=jinja2.StrictUndefined, autoescape=False
    )
    environment.filters["fungap.swarm.groovy_string"] = groovy_string
    values = {"jenkins_apps": apps, "jenkins_backup_dir": "", "__jenkins_load_test": False, **more}
    return environment.get_template("jobs.groovy.j2").render(values)


def app(repository: str = "", branch: str = "main", credentials: str = "") -> dict[str, str]:
    return {"repository": repository, "branch": branch, "repository_credentials": credentials}


def job_names(text: str) -> list[str]:
    return re.findall(r"pipelineJob\('([^']+)'\)", text)


def test_each_app_has_its_jobs() -> None:
    text = render({"web": app("https://g.example/web.git"), "api": app()})
    assert job_names(text) == ["web", "web-rollback", "web-scale", "api-rollback", "api-scale"]
    assert "url('https://g.example/web.git')" in text
    assert "branch('*/main')" in text
    assert "credentials(" not in text
    assert "githubPush()" in text
    assert "pollSCM" in text


def test_every_job_is_known_by_its_name() -> None:
    """What init.groovy is told is what there is, and the mark that it looks for is in each."""
    apps = {"web": app("https://g.example/web.git"), "api": app()}
    for load_test, backup in ((True, True), (True, False), (False, True), (False, False)):
        text = render(apps, __jenkins_load_test=load_test, jenkins_backup_dir="/b" if backup else "")
        names = job_names(text)
        assert sorted(names) == sorted(jenkins.job_names(apps, load_test=load_test, backup=backup))
        assert re.findall(r"Made by Ansible \(role jenkins\) as (\S+)\.'\)", text) == names
        assert text.count("disabled(false)") == len(names)
    assert 'endsWith("Made by Ansible (role jenkins) as ${it.fullName}.")' in (ROLE / "files/init.groovy").read_text()


def test_the_platforms_jobs() -> None:
    assert job_names(render({}, __jenkins_load_test=True, jenkins_backup_dir="/b")) == ["load-test", "backup"]
    assert "credentials('git-team')" in render({"web": app("https://g.example/w", credentials="team")})


def test_a_job_calls_the_playbook_that_a_person_types() -> None:
    text = render({"web": app()})
    for verb in ("rollback", "scale"):
        assert f'/opt/platform/run-playbook {verb} "app=$APP"' in text
        assert (ROOT / "playbooks" / f"{verb}.yml").exists()


def shell_steps(name: str) -> list[str]:
    """What the jobs of an app give to a shell."""
    scripts = re.findall(r"script\('((?:[^'\\]|\\.)*)'\)", render({name: app()}))
    texts = [re.sub(r"\\(.)", lambda found: "\n" if found[1] == "n" else found[1], script) for script in scripts]
    assert all(f"APP = {groovy_string(name)}\n" in text for text in texts)
    return [re.sub(r" +", " ", line) for text in texts for line in text.splitlines() if line.strip().startswith("sh ")]


def test_a_shell_is_given_the_app_as_a_variable() -> None:
    """Whatever an app is called, the commands are the same."""
    assert len(shell_steps("web")) == 2
    assert shell_steps("web; id") == shell_steps("web")


def test_nothing_gets_out_of_its_literal() -> None:
    """The preflight lets none of this in; if it ever did, it would stay text."""
    text = render({"web": app(repository=NASTY, branch=NASTY, credentials=NASTY)})
    literals = re.findall(r"'(?:[^'\\\n]|\\.)*'", text)
    rest = re.sub(r"'(?:[^'\\\n]|\\.)*'", "", text)
    assert "id" not in re.findall(r"\$\((\w+)\)", rest)
    assert "'" not in rest
    assert groovy_string(NASTY) in literals


@pytest.mark.parametrize(
    ("value", "literal"), [("web", "'web'"), ("it's", r"'it\'s'"), ("a\\", r"'a\\'"), ("a\nb", r"'a\nb'")]
)
def test_groovy_string(value: str, literal: str) -> None:
    assert groovy_string(value) == literal


def test_a_hosts_key_is_written_down_with_its_port() -> None:
    key = {"content": "c3NoLWVkMjU1MTkgQUFBQSByb290QHZtMQo="}  # ssh-ed25519 AAAA root@vm1
    host: dict[str, Any] = {"inventory_hostname": "vm1", "jenkins_deploy_host_key": key}
    assert known_hosts_line(host) == "vm1 ssh-ed25519 AAAA"
    assert known_hosts_line({**host, "ansible_host": "192.0.2.1"}) == "192.0.2.1 ssh-ed25519 AAAA"
    assert known_hosts_line({**host, "ansible_port": 2222}) == "[vm1]:2222 ssh-ed25519 AAAA"


# --- run-playbook ---


def run_playbook(tmp_path: Path, *arguments: str) -> tuple[int, str, str]:
    """What ansible-playbook is called with: a stand-in writes it down."""
    tool = tmp_path / "ansible-playbook"
    tool.write_text('#!/bin/sh\necho "called $1 $2"\ncat "${3#@}" >"$0.vars"\nexit 7\n')
    tool.chmod(0o755)
    done = subprocess.run(
        [sys.executable, str(ROLE / "files/run-playbook"), *arguments],
        env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    variables = Path(f"{tool}.vars")
    return done.returncode, done.stdout + done.stderr, variables.read_text() if variables.exists() else ""


def test_run_playbook_hands_text_over_as_text(tmp_path: Path) -> None:
    code, said, variables = run_playbook(
        tmp_path, "rollback", "app=web", "to=", "reason={{ lookup('pipe', 'id') }} = no"
    )
    assert code == 7
    assert "called fungap.swarm.rollback --extra-vars" in said
    assert variables == "app: !unsafe \"web\"\nreason: !unsafe \"{{ lookup('pipe', 'id') }} = no\"\n"


@pytest.mark.parametrize(
    "arguments",
    [[], ["../evil"], ["scale", "app"], ["scale", "A-b=1"], ["scale", "a=x\ny"], ["scale", "a=" + "x" * 301]],
)
def test_run_playbook_refuses(tmp_path: Path, arguments: list[str]) -> None:
    code, said, variables = run_playbook(tmp_path, *arguments)
    assert (code, variables) == (2, "")
    assert said.startswith("run-playbook: ")
