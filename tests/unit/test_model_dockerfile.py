# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a Dockerfile asks for, and what is sent to the builder in its place."""

from __future__ import annotations

import pytest

from ansible_collections.fungap.swarm.plugins.module_utils.core.errors import PlatformError
from ansible_collections.fungap.swarm.plugins.module_utils.image.dockerfile import images_of, with_images
from ansible_collections.fungap.swarm.plugins.module_utils.image.model import full_reference

NODE = "docker.io/library/node:14-alpine"
HUB = "docker.io/library"
DIGEST = "sha256:" + "0" * 64


@pytest.mark.parametrize(
    ("text", "args", "images"),
    [
        ("FROM node:14-alpine\nRUN npm install\n", {}, [NODE]),
        ("from node:14-alpine", {}, [NODE]),
        ("FROM node", {}, [f"{HUB}/node:latest"]),
        (f"FROM node:14-alpine@{DIGEST}", {}, [f"{HUB}/node@{DIGEST}"]),
        ("FROM hub.example:5000/team/web:1", {}, ["hub.example:5000/team/web:1"]),
        ("FROM scratch\nCOPY a /", {}, []),
        # several stages
        ("FROM node:14 AS build\nFROM node:14-alpine\nCOPY --from=build /a /a", {}, [f"{HUB}/node:14", NODE]),
        ("FROM node:14-alpine as Build\nFROM build\nCOPY --from=BUILD /a /a\nCOPY --from=0 /b /b", {}, [NODE]),
        ("FROM a AS one\nFROM one AS a\nFROM a", {}, [f"{HUB}/a:latest"]),
        ("FROM a\nCOPY --chown=1:1 --from=node:14-alpine /a /b", {}, [f"{HUB}/a:latest", NODE]),
        ('FROM a\nONBUILD COPY --from=node:14-alpine ["/a", "/b"]', {}, [f"{HUB}/a:latest", NODE]),
        ("FROM a\nCOPY a --from=node:14-alpine /b", {}, [f"{HUB}/a:latest"]),
        ("FROM --platform=linux/amd64 node:14-alpine AS x", {}, [NODE]),
        # variables
        ("ARG V=14-alpine\nFROM node:${V}", {}, [NODE]),
        ("ARG V=14-alpine\nFROM node:$V", {"V": "20"}, [f"{HUB}/node:20"]),
        ('ARG A=14\nARG V="${A}-alpine"\nARG I=node:$V\nFROM ${I}', {}, [NODE]),
        ("ARG BASE\nFROM ${BASE}", {"BASE": "fungap/base:1"}, ["docker.io/fungap/base:1"]),
        ("arg A=14 B=alpine\nFROM node:$A-${B}", {}, [NODE]),
        ("FROM node:${V:-14-alpine}", {}, [NODE]),
        ("FROM node:${V:-14-alpine}", {"V": "20"}, [NODE]),
        ("ARG V=\nFROM node:${V:-14-alpine}\nFROM node${V-x}:1", {}, [NODE, f"{HUB}/node:1"]),
        ("ARG V=1\nFROM node:14${V:+-alpine}\nFROM node:14${W+-alpine}", {}, [NODE, f"{HUB}/node:14"]),
        ("ARG V=14-alpine\nFROM node:$V\nARG V=20\nFROM node:$V", {}, [NODE]),
        # as it is written
        ("# syntax=docker/dockerfile:1\n\nFROM \\\n  # a comment\n\n  node:14-alpine \\\n  AS x\n", {}, [NODE]),
        ("# escape=`\nFROM `\n node:14-alpine\nRUN a `\n FROM b", {}, [NODE]),
        ("FROM node:14-alpine\r\nRUN a \\\r\n FROM b\r\n", {}, [NODE]),
        ("# FROM a\nFROM node:14-alpine\nRUN echo \\\nFROM b\nLABEL x=FROM\n", {}, [NODE]),
        # the engine's to refuse
        ("FROM\nFROM a b c\nNONSENSE", {}, []),
        ("", {}, []),
        ("FROM node:14-alpine \\", {}, [NODE]),
    ],
)
def test_what_a_dockerfile_asks_for(text: str, args: dict[str, str], images: list[str]) -> None:
    assert images_of(text, args) == images


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("FROM node:${V}", "FROM node:${V} in its Dockerfile: V has no value. Give it one in build.args"),
        ("ARG V\nFROM node:$V", "FROM node:$V in its Dockerfile: V has no value"),
        ("ARG V=${W}\nFROM node:$V", "V has no value"),
        ("FROM a\nARG V=14\nFROM node:$V", "V has no value"),
        ("ARG V=14.1\nFROM node:${V%.*}", "FROM node:${V%.*} in its Dockerfile can't be read: use ${NAME}"),
    ],
)
def test_a_variable_without_a_value_is_refused(text: str, said: str) -> None:
    with pytest.raises(PlatformError) as caught:
        images_of(text, {})
    assert said in caught.value.message


@pytest.mark.parametrize(
    ("text", "sent"),
    [
        ("FROM node:14-alpine\nRUN a\n", "FROM fungap/nodejs:1\nRUN a\n"),
        ("ARG V=14-alpine\nfrom docker.io/node:$V  As x", "ARG V=14-alpine\nfrom fungap/nodejs:1  As x"),
        ("FROM --platform=$BUILDPLATFORM node:14-alpine AS x", "FROM fungap/nodejs:1 AS x"),
        ("FROM --platform=${TARGETPLATFORM} node:14-alpine", "FROM fungap/nodejs:1"),
        ("FROM --platform=linux/arm64 node:14-alpine", "FROM --platform=linux/arm64 fungap/nodejs:1"),
        (
            'FROM other\nCOPY --chown=1:1 --from=node:14-alpine --chmod=1 ["a",  "b"]\n',
            'FROM other\nCOPY --chown=1:1 --from=fungap/nodejs:1 --chmod=1 ["a",  "b"]\n',
        ),
        ("FROM \\\n  # why\n node:14-alpine \\\n AS x\nRUN a", "FROM fungap/nodejs:1  AS x\n\n\n\nRUN a"),
        # What nothing stands in for stays as it is.
        ("FROM --platform=$BUILDPLATFORM node:14 AS node\nRUN a \\\n  b", None),
        ("FROM node:20 AS node:14-alpine\nFROM node:14-alpine\nCOPY --from=node:14-alpine a b", None),
        (f"FROM node:14-alpine@{DIGEST}", None),
    ],
)
def test_what_is_sent_to_the_builder(text: str, sent: str | None) -> None:
    assert with_images(text, {NODE: "fungap/nodejs:1"}, {}) == (text if sent is None else sent)


@pytest.mark.parametrize(
    ("reference", "full"),
    [
        ("node", f"{HUB}/node:latest"),
        ("library/node:14", f"{HUB}/node:14"),
        ("index.docker.io/library/node:14", f"{HUB}/node:14"),
        ("docker.io/node:14", f"{HUB}/node:14"),
        ("team/web", "docker.io/team/web:latest"),
        ("localhost/web", "localhost/web:latest"),
        ("hub:5000/web", "hub:5000/web:latest"),
        ("hub.example/team/web:1", "hub.example/team/web:1"),
        (f"node:14@{DIGEST}", f"{HUB}/node@{DIGEST}"),
    ],
)
def test_a_reference_is_completed_as_the_engine_does(reference: str, full: str) -> None:
    assert full_reference(reference) == full
