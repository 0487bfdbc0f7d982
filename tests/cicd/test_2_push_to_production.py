"""From a push to an answer over HTTPS, on real parts: world.py says what they are, and what stands in for what.

The trigger is not GitHub's webhook: the test polls the git server, as Jenkins does where a webhook can't reach it.
"""

from __future__ import annotations

import base64
import io
import json
import socket
import ssl
import subprocess
import tarfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.client import HTTPSConnection
from typing import Any

import pytest
import requests

from ..steps import tell
from ..waiting import patience, wait_for
from .harness import Build, Scm
from .world import (
    AGENT_ENVIRONMENT,
    AGENT_NAME,
    CI,
    HOST,
    NAME,
    REGISTRY,
    REPOSITORY,
    SSH_PORT,
    USER,
    WORKSPACE,
    World,
    world,
)

BROKEN = "console.error('the database does not answer'); process.exit(3);\n"


@dataclass
class Story:
    """What the tests have done so far, in their order."""

    world: World
    builds: list[tuple[Scm, Build]] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)

    def push(self, message: str) -> Build:
        """A developer's push, and the pipeline that it sets off."""
        began = time.monotonic()
        scm = self.world.push(message)
        self.seconds["seen"] = time.monotonic() - began
        build = self.world.harness.run(self.world.work / "Jenkinsfile", scm, environment=AGENT_ENVIRONMENT)
        self.seconds["push"] = time.monotonic() - began
        self.builds.append((scm, build))
        steps = ", ".join(f"{stage} {build.seconds(stage):.1f} s" for stage in build.stages)
        what = f"from the push to the end of build {len(self.builds)}, {build.result}"
        tell(f"{self.seconds['push']:6.1f} s  {what}: {steps}")
        return build

    @property
    def tag(self) -> str:
        return f"{len(self.builds)}-{self.builds[-1][0].commit[:12]}"


@pytest.fixture(scope="module")
def story() -> Iterator[Story]:
    with world() as around:
        yield Story(around)


def version(story: Story) -> str:
    """What the app says over HTTPS."""
    where = story.world.live.where
    host, _, port = where.address.partition(":")
    context = ssl.create_default_context(cafile=where.ca)
    connection = HTTPSConnection(host, int(port), timeout=5 * patience(), context=context)
    # The name that the certificate is for, at the address where the port is.
    connection._create_connection = lambda *_args, **_more: _connect(host, int(port))  # type: ignore[attr-defined]
    connection.host = where.host
    try:
        connection.request("GET", "/")
        answer = connection.getresponse()
        if answer.status != 200:
            raise ConnectionError(f"status {answer.status}")
        return str(json.loads(answer.read())["version"])
    finally:
        connection.close()


def _connect(host: str, port: int) -> Any:
    return socket.create_connection((host, port), timeout=5 * patience())


@contextmanager
def asked(story: Story) -> Iterator[Counter[str]]:
    """The app is asked all the while; how often it gave which answer."""
    counted: Counter[str] = Counter()
    enough = threading.Event()

    def ask() -> None:
        while not enough.wait(0.1):
            try:
                counted[version(story)] += 1
            except OSError as error:
                counted[f"no answer: {error}"] += 1

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    try:
        yield counted
    finally:
        enough.set()
        thread.join()


def tags(story: Story) -> list[str]:
    """What "Docker Hub" has of the app."""
    answer = requests.get(
        f"https://{REGISTRY}/v2/team/web/tags/list",
        auth=(USER, story.world.secrets["registry"]),
        verify=str(story.world.hub_ca),
        timeout=10,
    )
    answer.raise_for_status()
    return list(answer.json()["tags"])


def test_a_push_is_in_production(story: Story) -> None:
    assert version(story) == "1.0.0"
    build = story.push("the first version of the pipeline")
    assert build.result == "SUCCESS", build.console[-6000:]
    assert build.stages == ["Checkout", "Test", "Build", "Push", "Deploy"]
    assert build.scripts == ["ci/test", "ci/build", "ci/push", "ci/deploy"]
    assert "# fail 0" in build.console  # the app's own tests ran
    # It answers, it is what was pushed, and the tag says of which build and commit it is.
    wait_for("the new version", lambda: version(story) == story.tag, 10)
    tell(f"{story.seconds['push']:6.1f} s  from the push to the new version over HTTPS")
    assert tags(story) == [story.tag]
    revision = story.world.live.revision()
    assert revision["release"]["app"]["image"].startswith(f"{REPOSITORY}:{story.tag}@sha256:")
    # Every node has it from the platform's own registry, by digest, whether it runs there or not.
    image = story.world.live.image()
    assert image.startswith(f"{NAME}-registry:5000/app-web@sha256:")
    for node in story.world.live.nodes:
        assert image in story.world.live.engine(node).inspect_image(image)["RepoDigests"]
    told = story.world.messages[-1]
    assert told.startswith(":white_check_mark: *web*: revision 2 runs (deploy, converged)")
    assert f"{REPOSITORY}:{story.tag}" in told
    assert "reason web 1" in told


def test_a_broken_version_stays_out(story: Story) -> None:
    before, messages = story.tag, len(story.world.messages)
    app = story.world.work / "app.js"
    app.write_text(app.read_text() + BROKEN)
    with asked(story) as answers:
        build = story.push("a version that its own tests don't find broken")
    assert build.result == "FAILURE"
    assert build.stages == ["Checkout", "Test", "Build", "Push", "Deploy"]
    assert build.scripts[-1] == "ci/notify"
    # Only the layers behind what changed are made anew.
    assert build.console.count("---> Using cache") >= 5
    assert "process.exit(3)" not in build.console
    # Nobody noticed.
    assert set(answers) == {before}, answers
    assert version(story) == before
    tell(f"        {sum(answers.values())} requests meanwhile, all answered by the version before")
    # The task's own words, in the build's log and in Slack.
    assert "the database does not answer" in build.console
    verdict, stage = story.world.messages[messages:]
    assert verdict.startswith(":x: *web*: deploy failed")
    assert "the database does not answer" in verdict
    assert stage.startswith(":x: *web 2*: ci/deploy failed")


def test_the_rollback_job(story: Story) -> None:
    began = time.monotonic()
    scm = story.builds[-1][0]
    build = story.world.harness.run(
        story.world.work / "Jenkinsfile.rollback",
        scm,
        environment=AGENT_ENVIRONMENT,
        # The failed one was rolled back already, so nobody but the operator can know how far back is meant.
        parameters={"TO": "1", "REASON": "the first one was better {{ 1 + 1 }}"},
        job="web-rollback",
    )
    story.builds.append((scm, build))
    assert build.result == "SUCCESS", build.console[-6000:]
    assert build.scripts == ["ci/rollback"]
    wait_for("the version before", lambda: version(story) == "1.0.0", 10)
    tell(f"{time.monotonic() - began:6.1f} s  the rollback job")
    told = story.world.messages[-1]
    assert told.startswith(":white_check_mark: *web*")
    assert "reason the first one was better {{ 1 + 1 }}" in told


def test_another_host_key_is_refused(story: Story) -> None:
    """Whoever answers at the deploy host's address without its key gets no command.

    Just after a build that got through: nothing of its connection may be left.
    """
    known = f"{WORKSPACE}@tmp/another"
    line = f"[{HOST}]:{SSH_PORT} {story.world.public('launcher')}"
    written = f"mkdir -p {WORKSPACE}@tmp && echo '{line}' >{known}\n".encode()
    subprocess.run(story.world.harness.shell, input=written, check=True)
    build = story.world.harness.run(
        story.world.work / "Jenkinsfile.rollback",
        story.builds[-1][0],
        environment={**AGENT_ENVIRONMENT, "DEPLOY_KNOWN_HOSTS_FILE": known},
        job="web-rollback",
    )
    story.builds.append((story.builds[-1][0], build))
    assert build.result == "FAILURE"
    assert "Host key verification failed" in build.console
    assert "*web-rollback 4*: ci/rollback failed" in story.world.messages[-1]


def test_no_secret_is_found(story: Story) -> None:
    """By searching for its value in what every process was started with, wrote, and left behind."""
    around = story.world
    wanted = {name: value.encode() for name, value in around.secrets.items()}
    wanted["login"] = base64.b64encode(f"{USER}:{around.secrets['registry']}".encode())
    # The first lines of a key are the same in every key.
    wanted["deploy key"] = (around.folder / "deploy").read_bytes().splitlines()[4]
    found: list[str] = []
    searched = Counter[str]()

    def search(where: str, content: bytes, kind: str) -> None:
        searched[kind] += 1
        found.extend(f"{name} in {where}" for name, value in wanted.items() if value in content)

    for text in around.sampler.seen:
        search(f"a process: {text[:60]!r}", text, "command lines and environments")
    for _scm, build in story.builds:
        search("a build's console", build.raw.encode(), "logs")
        search("a build's report", json.dumps([build.events, build.calls]).encode(), "logs")
    for message in around.messages:
        search("Slack", message.encode(), "messages")
    search("sshd's log", (around.folder / "sshd.log").read_bytes(), "logs")
    for container in around.outer.containers.list(all=True, ignore_removed=True):
        if str(container.name).startswith((f"{NAME}-", f"{CI}-")):
            search(f"inspect {container.name}", json.dumps(container.attrs).encode(), "containers")
            search(f"log of {container.name}", container.logs(), "logs")
    for service in around.live.manager.services():  # type: ignore[no-untyped-call]
        search("a service", json.dumps(service).encode(), "services")
    agent = around.outer.containers.get(AGENT_NAME)
    for folder in ("/home/jenkins", "/tmp"):
        stream, _ = agent.get_archive(folder)
        with tarfile.open(fileobj=io.BytesIO(b"".join(stream))) as tar:
            for member in tar:
                search(f"the agent's {member.name}", member.name.encode(), "names")
                with suppress(KeyError):
                    content = tar.extractfile(member)
                    if content:
                        search(f"the agent's {member.name}", content.read(), "files of the agent")
    for image in around.builder.images.list(name=REPOSITORY):
        search(f"history of {image.tags}", json.dumps(image.history()).encode(), "images")
        search(f"inspect {image.tags}", json.dumps(image.attrs).encode(), "images")
        search(f"layers of {image.tags}", b"".join(image.save()), "images")
    tell("        searched: " + ", ".join(f"{count} {kind}" for kind, count in sorted(searched.items())))
    assert found == []
    # That nothing was found because nothing was looked at would prove nothing.
    assert any(WORKSPACE.encode() in text for text in around.sampler.seen)
    assert searched["files of the agent"] > 500
    assert searched["images"] >= 6
