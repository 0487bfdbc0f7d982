#!/usr/bin/env python3
# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Read again what tests/unit/casc_schema.yml says of the sources of Jenkins and its plugins; names what is not so.

Takes a folder with git repositories of github.com/jenkinsci, each as ``<name>`` or ``<name>.git``, with their tags:

    for name in $(bin/jenkins_sources.py --repositories); do
        git clone --bare https://github.com/jenkinsci/$name SOURCES/$name.git
    done
    bin/jenkins_sources.py SOURCES
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]
SCHEMA = ROOT / "tests" / "unit" / "casc_schema.yml"
BOM = "bom"


def main(arguments: list[str]) -> int:
    """The exit code: 1 where something is not as it is written down."""
    schema = yaml.safe_load(SCHEMA.read_text())
    names = [plugin["repository"].split("/")[1] for plugin in schema["plugins"].values()]
    if arguments == ["--repositories"]:
        print("\n".join([*names, BOM]))
        return 0
    if len(arguments) != 1:
        print(__doc__, file=sys.stderr)
        return 2
    sources = Sources(Path(arguments[0]))
    found = [*wrong_keys(schema, sources), *wrong_needs(schema, sources)]
    keys = sum(len(source["keys"]) for source in schema["sources"])
    print("\n".join(found) or f"{keys} keys and the needs of {len(names) - 1} plugins are as the sources say")
    return 1 if found else 0


class Sources:
    """Files of the repositories, at their tags."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def git(self, repository: str, *arguments: str) -> str:
        """What git says; nothing where it fails."""
        name = repository.split("/")[-1]
        paths = [self.folder / name, self.folder / f"{name}.git"]
        where = next((path for path in paths if path.exists()), None)
        if where is None:
            raise SystemExit(f"{paths[0]} is not there: clone {repository}, with its tags")
        done = subprocess.run(["git", "-C", where, *arguments], capture_output=True, text=True, check=False)
        return done.stdout

    def read(self, repository: str, tag: str, path: str) -> str:
        """A file's text with single spaces."""
        return " ".join(self.git(repository, "show", f"refs/tags/{tag}:{path}").split())


def wrong_keys(schema: Mapping[str, Any], sources: Sources) -> Iterator[str]:
    """Keys, and what else is used, whose words are not in their file. "..." among the words: anything."""
    for source in [*schema["sources"], *schema["uses"]]:
        plugin = schema["plugins"][source["plugin"]]
        text = sources.read(plugin["repository"], plugin["tag"], source["file"])
        words_of = {key: words for key, (_kind, words) in source.get("keys", {}).items()}
        words_of.update({f"use {number}": words for number, words in enumerate(source.get("words", []))})
        for key, words in words_of.items():
            if not re.search(".*".join(map(re.escape, words.split(" ... "))), text):
                path = ".".join(filter(None, [source.get("below", ""), key]))
                yield f"{path}: {source['file']} of {plugin['tag']} does not say: {words}"


def wrong_needs(schema: Mapping[str, Any], sources: Sources) -> Iterator[str]:
    """Plugins that need another core, or other versions of the others, than it is written down."""
    for name, plugin in schema["plugins"].items():
        if name == "core":
            continue
        poms = [
            sources.git(plugin["repository"], "show", f"refs/tags/{plugin['tag']}:{path}")
            for path in ("pom.xml", "plugin/pom.xml", "job-dsl-plugin/pom.xml")
        ]
        pom = re.sub(r"<scope>test</scope>.*?</dependency>", "<test/></dependency>", "".join(poms), flags=re.DOTALL)
        line, core = (_one(rf"<jenkins\.{what}>([^<]+)<", pom) for what in ("baseline", "version"))
        core = core.replace("${jenkins.baseline}", line)
        if core != plugin["core"]:
            yield f"{name}: needs Jenkins {core}, not {plugin['core']}"
        asked = {
            dependency: _one(r"<version>([^<]+)<", block)
            for block in re.findall(r"<dependency>(.*?)</dependency>", pom, re.DOTALL)
            if "<test/>" not in block
            and (dependency := _one(r"<artifactId>([^<]+)<", block)) in schema["plugins"]
            and dependency != name
        }
        needs = {other: asked[other] or bom_version(sources, plugin["bom"], line, other) for other in sorted(asked)}
        if plugin["bom"] not in pom or needs != plugin["needs"]:
            yield f"{name}: needs {needs} (of the set {plugin['bom']}), not {plugin['needs']}"


def bom_version(sources: Sources, tag: str, line: str, plugin: str) -> str:
    """The version of a plugin in a set, for a line of Jenkins. A line's file says what differs from the next line."""
    folders = sources.git(BOM, "ls-tree", "--name-only", f"refs/tags/{tag}").split()
    lines = sorted((tuple(map(int, re.findall(r"\d+", name))), name) for name in folders if re.match(r"bom-\d", name))
    wanted = tuple(map(int, line.split(".")))
    for name in [*(name for number, name in lines if number >= wanted), "bom-weekly"]:
        pom = sources.git(BOM, "show", f"refs/tags/{tag}:{name}/pom.xml")
        version = _one(rf"<artifactId>{re.escape(plugin)}</artifactId>\s*<version>([^<]+)<", pom)
        if version.startswith("${"):
            version = _one(rf"<{re.escape(version[2:-1])}>([^<]+)<", pom)
        if version:
            return version
    return ""


def _one(pattern: str, text: str) -> str:
    found = re.search(pattern, text)
    return found[1] if found else ""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
