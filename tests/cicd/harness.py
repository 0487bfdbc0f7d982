"""Jenkinsfiles executed outside of Jenkins, by JenkinsPipelineUnit (harness/run.groovy); every `sh` step is real."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..java import libraries

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
PROGRAM = HERE / "harness" / "run.groovy"
POM = HERE / "harness" / "pom.xml"
APP_SOURCE = ROOT / "examples" / "express-app"


@dataclass(frozen=True)
class Scm:
    """Where a pipeline gets its sources."""

    url: str
    commit: str
    branch: str = "main"
    username: str = ""
    password_file: str = ""


@dataclass(frozen=True)
class Build:
    """A pipeline's run. ``console``: as Jenkins would show it; ``raw``: before paths of secrets were masked."""

    result: str
    console: str
    raw: str
    events: list[dict[str, Any]]
    calls: list[dict[str, Any]]

    @property
    def stages(self) -> list[str]:
        return [event["stage"] for event in self.events if event["step"] == "stage"]

    @property
    def skipped(self) -> list[str]:
        return [event["stage"] for event in self.events if event["step"] == "skipped"]

    @property
    def scripts(self) -> list[str]:
        """What `sh` ran, in its order."""
        return [event["script"] for event in self.events if event["step"] == "sh"]

    def sh(self, script: str) -> dict[str, Any]:
        return next(event for event in self.events if event["step"] == "sh" and event["script"] == script)

    def seconds(self, stage: str) -> float:
        """From the stage's beginning to that of what follows."""
        started = next(index for index, event in enumerate(self.events) if event.get("stage") == stage)
        following = next(event for event in self.events[started:] if event.get("stage") != stage and "time" in event)
        return float(following["time"] - self.events[started]["time"])


class Harness:
    """``shell``: a command that reads a script from its standard input, on whatever is the agent."""

    def __init__(self, folder: Path, shell: Sequence[str], workspace: str, credentials: Mapping[str, Path]) -> None:
        self.folder, self.shell, self.workspace = folder, list(shell), workspace
        self.credentials = {name: str(path) for name, path in credentials.items()}
        self.number = 0

    def run(
        self,
        jenkinsfile: Path,
        scm: Scm,
        *,
        environment: Mapping[str, str] | None = None,
        parameters: Mapping[str, str] | None = None,
        job: str = "web",
    ) -> Build:
        self.number += 1
        folder = self.folder / f"build-{self.number}"
        folder.mkdir(parents=True)
        url = f"https://jenkins.example.com/job/{job}/{self.number}/"
        given = {"BUILD_NUMBER": str(self.number), "JOB_NAME": job, "BUILD_URL": url, **(environment or {})}
        settings = {
            "jenkinsfile": str(jenkinsfile),
            "workspace": self.workspace,
            "shell": self.shell,
            "environment": given,
            "credentials": self.credentials,
            "scm": vars(scm),
            "parameters": dict(parameters or {}),
            **{name: str(folder / name) for name in ("console", "raw", "report")},
        }
        (folder / "settings").write_text(json.dumps(settings))
        done = _start(PROGRAM, str(folder / "settings"))
        written = folder / "report"
        report: dict[str, Any] = json.loads(written.read_text()) if written.exists() else {"result": "ERROR"}
        assert report["result"] in ("SUCCESS", "FAILURE"), done.stdout[-3000:] + done.stderr[-3000:]
        texts = [(folder / name).read_text() for name in ("console", "raw")]
        return Build(report["result"], texts[0], texts[1], report["events"], report["calls"])


def groovy(program: Path, *arguments: str, environment: Mapping[str, str] | None = None) -> str:
    """What a program of Groovy prints."""
    done = _start(program, *arguments, environment=environment)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


def _start(
    program: Path, *arguments: str, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    # Without the second compiler: it costs more than it saves in a run of two seconds.
    fast = ["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Dfile.encoding=UTF-8"]
    command = ["java", *fast, "-cp", f"{libraries(POM)}/*", "groovy.ui.GroovyMain", str(program), *arguments]
    return subprocess.run(
        command,
        text=True,
        capture_output=True,
        stdin=subprocess.DEVNULL,
        env={**os.environ, **(environment or {})},
        check=False,
    )


def sources(folder: Path) -> Path:
    """The example app as a repository of its own would have it: the files that git knows or would take."""
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z", "."]
    names = subprocess.run(listed, cwd=APP_SOURCE, capture_output=True, text=True, check=True).stdout.split("\0")
    for name in filter(None, names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(APP_SOURCE / name, folder / name)
    git(folder, "init", "--quiet", "--initial-branch=main")
    commit(folder, "the example app")
    return folder


def git(folder: Path, *arguments: str) -> str:
    """Run git; what it says."""
    who = ["-c", "user.name=A developer", "-c", "user.email=developer@example.com"]
    done = subprocess.run(["git", "-C", str(folder), *who, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def commit(folder: Path, message: str) -> str:
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", message)
    return git(folder, "rev-parse", "HEAD")
