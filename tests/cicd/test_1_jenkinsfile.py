"""The Jenkinsfiles are executed: the order of what they do, what each step is given, and what becomes of a failure.

Steps run on this machine in a real checkout, the app's scripts are the real ones. Only what they call (docker,
ansible-playbook, corepack) is a stand-in here, which writes down how it was called; test_2 has the real ones.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from .harness import ROOT, Build, Harness, Scm, git, sources
from .slack import slack

STAGES = ["Checkout", "Test", "Build", "Push", "Deploy"]
SCRIPTS = ["ci/test", "ci/build", "ci/push", "ci/deploy"]
DIGEST = "sha256:" + "ab" * 32
SECRETS = {"registry-password": "pw-REGISTRY", "deploy-key": "key-DEPLOY", "vault-password": "pw-VAULT"}
# What each step has beside what every step has.
BOUND = {
    "ci/test": set(),
    "ci/build": {"REGISTRY_PASSWORD_FILE"},
    "ci/push": {"REGISTRY_PASSWORD_FILE"},
    "ci/deploy": {"DEPLOY_KEY_FILE", "VAULT_PASSWORD_FILE"},
    "ci/notify": {"SLACK_URL_FILE"},
}
STAND_IN = """#!/bin/sh
# How it was called, with what a login gets on its standard input; then as the real one would answer.
echo "$(basename $0) $*" >>"$CALLS"
case "$(basename $0) $*" in
*--password-stdin*) echo "stdin $(cat)" >>"$CALLS.stdin" ;;
*RepoDigests*) for last; do :; done; echo "${last%%:*}@DIGEST" ;;
ansible-playbook*) echo "key $ANSIBLE_PRIVATE_KEY_FILE" ; cat "$(echo "$*" | sed 's/.*@\\([^ ]*\\).*/\\1/')" ;;
esac
case "$(basename $0) $*" in *${FAIL:-no such thing}*) echo "it broke"; exit 7 ;; esac
""".replace("DIGEST", DIGEST)


@dataclass
class Bench:
    """A repository, an agent (this machine), and who listens."""

    harness: Harness
    scm: Scm
    folder: Path
    messages: list[str]

    def run(self, jenkinsfile: Path, parameters: dict[str, str] | None = None, **environment: str) -> Build:
        (self.folder / "calls").write_text("")
        given = {
            "PATH": f"{self.folder}/bin:{os.environ['PATH']}",
            "CALLS": str(self.folder / "calls"),
            "INVENTORY": str(self.folder),
            "DEPLOY_KNOWN_HOSTS_FILE": __file__,
            **environment,
        }
        return self.harness.run(jenkinsfile, self.scm, environment=given, parameters=parameters)

    @property
    def calls(self) -> list[str]:
        return (self.folder / "calls").read_text().splitlines()


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    folder = tmp_path_factory.mktemp("cicd")
    repository = sources(folder / "repository")
    (folder / "bin").mkdir()
    for name in ("docker", "ansible-playbook", "corepack"):
        (folder / "bin" / name).write_text(STAND_IN)
        (folder / "bin" / name).chmod(0o755)
    with slack("/services/T0/B0/url-SLACK") as (url, messages):
        credentials = {}
        for name, value in {**SECRETS, "slack-url": url}.items():
            credentials[name] = folder / name
            credentials[name].write_text(value + "\n")
        # A space, as the name of a job may have one.
        harness = Harness(folder, ["sh", "-s"], str(folder / "work space" / "web"), credentials)
        yield Bench(harness, Scm(str(repository), git(repository, "rev-parse", "HEAD")), folder, messages)


@pytest.fixture(scope="module")
def good(bench: Bench) -> Build:
    build = bench.run(ROOT / "examples/express-app/Jenkinsfile")
    assert build.result == "SUCCESS", build.console
    return build


def find_secrets(bench: Bench, build: Build) -> list[str]:
    """Where a secret's value stands, among all that the run printed, was given or left behind."""
    texts = {"console": build.console, "raw": build.raw, "events": str(build.events), "calls": "\n".join(bench.calls)}
    texts |= {"Slack": str(bench.messages)}
    for path in (bench.folder / "work space").rglob("*"):
        if path.is_file():
            texts[str(path)] = path.read_bytes().decode(errors="replace")
    secrets = [*SECRETS.values(), "url-SLACK"]
    return [f"{secret} in {name}" for name, text in texts.items() for secret in secrets if secret in text]


def test_the_order(good: Build, bench: Bench) -> None:
    assert good.stages == STAGES
    assert good.scripts == SCRIPTS
    assert good.skipped == []
    # As JenkinsPipelineUnit itself counted the steps.
    steps = [call["name"] for call in good.calls if call["name"] in ("checkout", "sh", "withCredentials")]
    assert steps == ["checkout", "sh", *["withCredentials", "sh"] * 3]
    assert [event["condition"] for event in good.events if event["step"] == "post"] == []
    assert bench.messages == []  # the playbook tells of a deploy, nobody of a build that went well


@pytest.mark.parametrize("script", SCRIPTS)
def test_what_a_step_is_given(good: Build, bench: Bench, script: str) -> None:
    event = good.sh(script)
    assert set(event["bound"]) == BOUND[script]
    given = event["environment"]
    assert {name for name in given if name.endswith("_FILE")} == BOUND[script] | {"DEPLOY_KNOWN_HOSTS_FILE"}
    assert given["GIT_COMMIT"] == bench.scm.commit
    assert given["STAGE_NAME"] == script.removeprefix("ci/").capitalize()
    wanted = {"APP": "web", "IMAGE_REPOSITORY": "docker.io/team/web", "REGISTRY_USERNAME": "team"}
    assert wanted.items() <= given.items()


def test_what_is_called(good: Build, bench: Bench) -> None:
    number = good.sh("ci/build")["environment"]["BUILD_NUMBER"]
    tag = f"{number}-{bench.scm.commit[:12]}"
    pushed = [event for event in good.raw.splitlines() if event.startswith("docker.io/team/web:")]
    assert pushed == [f"docker.io/team/web:{tag}@{DIGEST}"]
    assert f'image: !unsafe "docker.io/team/web:{tag}@{DIGEST}"' in good.raw


def test_credentials_are_files_masked_and_gone(good: Build, bench: Bench) -> None:
    key = good.sh("ci/deploy")["environment"]["DEPLOY_KEY_FILE"]
    assert f"key {key}" in good.raw
    assert key not in good.console
    assert "key ****" in good.console
    assert list((bench.folder / "work space").rglob("secretFiles/*")) == []
    # Each login was given the password, on its standard input, and nothing else ever was.
    assert set((bench.folder / "calls.stdin").read_text().split()) == {"stdin", SECRETS["registry-password"]}
    assert find_secrets(bench, good) == []


@pytest.mark.parametrize(
    ("fail", "stage"), [("corepack npm test", 1), ("docker build", 2), ("docker push", 3), ("ansible-playbook", 4)]
)
def test_a_failing_stage_stops_what_follows(bench: Bench, fail: str, stage: int) -> None:
    before = len(bench.messages)
    build = bench.run(ROOT / "examples/express-app/Jenkinsfile", FAIL=fail)
    assert build.result == "FAILURE"
    assert (build.stages, build.skipped) == (STAGES[: stage + 1], STAGES[stage + 1 :])
    assert build.scripts == [*SCRIPTS[:stage], "ci/notify"]
    assert set(build.sh("ci/notify")["bound"]) == BOUND["ci/notify"]
    told = bench.messages[before:]
    assert len(told) == 1
    number = build.sh("ci/notify")["environment"]["BUILD_NUMBER"]
    assert f"*web {number}*: {SCRIPTS[stage - 1]} failed" in told[0]
    assert bench.scm.commit[:12] in told[0]
    assert find_secrets(bench, build) == []


def test_the_rollback(bench: Bench) -> None:
    reason = 'it\'s "slow" {{ 7 * 6 }}'
    build = bench.run(ROOT / "examples/express-app/Jenkinsfile.rollback", {"TO": "7", "REASON": reason})
    assert build.result == "SUCCESS", build.console
    assert build.scripts == ["ci/rollback"]
    # A text to Ansible, never a template.
    assert 'reason: !unsafe "it\'s \\"slow\\" {{ 7 * 6 }}"' in build.raw
    assert 'to: !unsafe "7"' in build.raw


def test_the_template_orders_the_same(bench: Bench) -> None:
    """It differs from the example's in comments and in the values that are the app's."""
    build = bench.run(ROOT / "examples/Jenkinsfile")
    assert (build.result, build.stages, build.scripts) == ("SUCCESS", STAGES, SCRIPTS), build.console
    assert build.sh("ci/deploy")["environment"]["APP"] == "my-app"


@pytest.mark.parametrize(
    ("script", "variable", "value", "told"),
    [
        (
            "build",
            "IMAGE_REPOSITORY",
            "",
            "IMAGE_REPOSITORY is not set\n    problem: nobody knows where the image belongs",
        ),
        ("build", "IMAGE_REPOSITORY", "team/web:1@x", "IMAGE_REPOSITORY = team/web:1@x\n    problem: is no name"),
        ("push", "REGISTRY_PASSWORD_FILE", "", "REGISTRY_PASSWORD_FILE is not set\n    problem: docker.io takes"),
        ("deploy", "INVENTORY", "", "INVENTORY is not set\n    problem: nobody knows which platform"),
        ("deploy", "INVENTORY", "/nowhere", "INVENTORY = /nowhere\n    problem: there is no such folder"),
        ("deploy", "DEPLOY_KEY_FILE", "/nowhere", "DEPLOY_KEY_FILE = /nowhere\n    problem: there is no such file"),
        ("deploy", "DEPLOY_KNOWN_HOSTS_FILE", "", "DEPLOY_KNOWN_HOSTS_FILE is not set\n    problem: an unknown host"),
        ("rollback", "TO", "7; ls", "TO = 7; ls\n    problem: is no revision"),
        ("notify", "SLACK_URL_FILE", "", "SLACK_URL_FILE is not set\n    problem: nobody can be told"),
    ],
)
def test_what_is_missing_is_named(
    bench: Bench, tmp_path: Path, script: str, variable: str, value: str, told: str
) -> None:
    """By the scripts alone, as a person runs them."""
    copy = sources(tmp_path / "app")
    (copy / "image.ref").write_text("team/web:1@sha256:0\n")
    given = {
        "PATH": f"{bench.folder}/bin:{os.environ['PATH']}",
        "CALLS": str(tmp_path / "calls"),
        "APP": "web",
        "BUILD_NUMBER": "1",
        "IMAGE_REPOSITORY": "team/web",
        "REGISTRY_USERNAME": "team",
        "INVENTORY": str(tmp_path),
        **{name: str(bench.folder / "deploy-key") for name in ("REGISTRY_PASSWORD_FILE", "DEPLOY_KEY_FILE")},
        "DEPLOY_KNOWN_HOSTS_FILE": __file__,
        variable: value,
    }
    done = subprocess.run([copy / "ci" / script], env=given, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert f"ci/{script}: {told}" in done.stderr
    assert "\n    cure:    " in done.stderr
    calls = (tmp_path / "calls").read_text() if (tmp_path / "calls").exists() else ""
    assert not {"docker push", "docker build", "ansible-playbook"} & {
        " ".join(line.split()[:2]) for line in calls.splitlines()
    }
