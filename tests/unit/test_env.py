# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Env files, and what can be read from an engine's lists."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.fungap.swarm.plugins.module_utils.core.digest import plain_digest, secret_digest
from ansible_collections.fungap.swarm.plugins.module_utils.core.errors import PlatformError
from ansible_collections.fungap.swarm.plugins.module_utils.env_volume import model as env


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", {}),
        ("A=1", {"A": "1"}),
        ("A=1\nB=2\n", {"A": "1", "B": "2"}),
        ("A=1\r\nB=2\r\n", {"A": "1", "B": "2"}),
        ("# A=1\n\n  # b\n \t\n", {}),
        ("export A=1", {"A": "1"}),
        ("  A = 1 ", {"A": " 1 "}),
        ("A=", {"A": ""}),
        ("A=b=c==", {"A": "b=c=="}),
        ("A='x y' # z", {"A": "'x y' # z"}),
        ("a.b-c_D1=1", {"a.b-c_D1": "1"}),
        ("A=\u00fc\u2028\x85\x0b\x0c\U0001f512", {"A": "\u00fc\u2028\x85\x0b\x0c\U0001f512"}),
    ],
)
def test_parse_env(text: str, expected: dict[str, str]) -> None:
    assert env.parse_env(text) == expected


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("hunter2", 1, "neither KEY=VALUE"),
        ("A=1\n\nhunter2\n", 3, "line 3"),
        ("A=1\r\nhunter2\r\n", 2, "line 2"),
        ("=hunter2", 1, "line 1"),
        ("1A=hunter2", 1, "line 1"),
        ("A B=hunter2", 1, "line 1"),
        ("A: hunter2", 1, "line 1"),
        ("exportA hunter2", 1, "line 1"),
        ("A=1\nB=2\nA=hunter2", 3, "first on line 1"),
        ("A=hunter2\0", 1, "NUL"),
        ("# hunter2\0", 1, "NUL"),
        ("\ufeffA=hunter2", 1, r"blank \(it starts with a byte order mark: save it as UTF-8 without one\)$"),
        ("A\ufeff", 1, "nor a comment nor blank$"),
        ("-----BEGIN hunter2", 1, "line 1"),
    ],
)
def test_parse_env_names_the_line_never_the_value(text: str, line: int, words: str) -> None:
    with pytest.raises(PlatformError, match=words) as caught:
        env.parse_env(text)
    assert caught.value.details == {"line": line}
    assert "hunter2" not in caught.value.message


PASSWD = "root:x:0:0:root:/root:/bin/sh\nnode:x:1000:1001::/home/node:/bin/sh\nbroken\n"


@pytest.mark.parametrize(
    ("user", "passwd", "expected"),
    [
        ("", None, "0:0"),
        ("0", None, "0:0"),
        ("1000", None, "1000:0"),
        ("1000:1000", None, "1000:1000"),
        ("1000:staff", None, "1000:0"),
        ("node", None, None),
        ("node", PASSWD, "1000:1001"),
        ("node:5", PASSWD, "1000:5"),
        ("node:staff", PASSWD, "1000:1001"),
        ("root", PASSWD, "0:0"),
    ],
)
def test_owner_of_user(user: str, passwd: str | None, expected: str | None) -> None:
    owner = env.owner_of_user(user, passwd)
    assert (None if owner is None else str(owner)) == expected


@pytest.mark.parametrize("user", ["nobody", "broken"])
def test_owner_of_a_user_the_image_does_not_know(user: str) -> None:
    with pytest.raises(PlatformError, match=user):
        env.owner_of_user(user, PASSWD)


@pytest.mark.parametrize(("text", "owner"), [("1000", (1000, 0)), ("1000:50", (1000, 50)), ("0:0", (0, 0))])
def test_owner(text: str, owner: tuple[int, int]) -> None:
    assert env.Owner.parse(text) == env.Owner(*owner)


@pytest.mark.parametrize("owner", ["node", "1000:node", "", "-1", "1:2:3"])
def test_owner_must_be_numeric(owner: str) -> None:
    with pytest.raises(PlatformError, match="numeric"):
        env.Owner.parse(owner)


def test_an_older_versions_volume_is_still_known() -> None:
    file = env.EnvFile(".env", b"A=1\n", env.Owner())
    assert file.is_version(file.version)
    assert file.is_version(plain_digest(b"A=1\n"))
    assert not file.is_version(plain_digest(b"A=2\n"))


def test_version() -> None:
    content = b"A=1\n"
    assert env.env_version(content, env.Owner()) == secret_digest(content)
    versions = {
        env.env_version(content, env.Owner()),
        env.env_version(content, env.Owner(1000, 1000)),
        env.env_version(content, env.Owner(), "app.env"),
        env.env_version(b"A=1\r\n", env.Owner()),
        env.env_version(content, env.Owner(), mode="0640"),
        env.env_version(content, env.Owner(1000, 1000), mode="0640"),
    }
    assert len(versions) == 6
    assert env.env_version(content, env.Owner(), mode="0600") == env.env_version(content, env.Owner())


@pytest.mark.parametrize("mode", ["", "640", "416", "0o640", "0680", "00640", "u=r"])
def test_mode_refused(mode: str) -> None:
    with pytest.raises(PlatformError, match="in quotes, as '0640'"):
        env.check_mode(mode)


@pytest.mark.parametrize("target", ["/usr/src/app/env", "/env", "/run/secrets/app", "/processed"])
def test_target(target: str) -> None:
    assert env.check_target(target) == target


@pytest.mark.parametrize(
    "target",
    ["", "env", "./env", "/", "//", "//env", "/env/", "/a/../b", "/a/./b", "/a//b", "/proc", "/sys/x", "/dev/shm"],
)
def test_target_refused(target: str) -> None:
    with pytest.raises(PlatformError, match="target"):
        env.check_target(target)


@pytest.mark.parametrize(
    ("entries", "hidden"),
    [
        ([], []),
        ([("", True), (".", True), ("./", True)], []),
        ([(".env", False)], []),
        ([(".env", False), ("key.pem", False)], ["key.pem"]),
        ([("www", True), ("www/a", False)], ["www/a"]),
        ([("uploads", True)], ["uploads/"]),
        ([("a", True), ("a/b", True)], ["a/b/"]),
        ([("sub", True), ("sub/.env", False)], ["sub/.env"]),
        ([("/", True), ("./www/", True), ("/www/a", False)], ["./www/", "www/a"]),
    ],
)
def test_hidden_by_mount(entries: list[tuple[str, bool]], hidden: list[str]) -> None:
    assert env.hidden_by_mount(entries, ".env") == hidden


@pytest.mark.parametrize(
    ("path", "size", "is_one"),
    [
        (".gitkeep", 0, True),
        ("sub/.keep", 3, True),
        (".gitignore", 20, True),
        (".env.example", 200, True),
        (".env", 0, True),
        (".env", 1, False),
        ("keep", 0, False),
        (".env.production", 0, False),
        ("key.pem", 0, False),
    ],
)
def test_placeholders(path: str, size: int, is_one: bool) -> None:
    assert env.is_placeholder(path, size) is is_one


def test_refusal_names_ten_and_counts_all() -> None:
    error = env.refusal("/usr/src/app", "web:1", [f"f{i}" for i in range(12)], complete=True)
    for words in ("12 file(s)", "f0, f1,", "f9, ...", "/usr/src/app/env", "web:1"):
        assert words in error.message
    assert "f10" not in error.message
    assert error.details["hidden_count"] == 12
    assert "more than 12" not in error.message
    assert error.details["hidden"] == [f"f{i}" for i in range(10)]
    assert "more than 12" in env.refusal("/a", "web:1", [f"f{i}" for i in range(12)], complete=False).message
    assert ": f0, f1. Those" in env.refusal("/a", "web:1", ["f0", "f1"], complete=True).message
    assert "f9. Those" in env.refusal("/a", "web:1", [f"f{i}" for i in range(10)], complete=True).message


@pytest.mark.parametrize("app", ["", "Web", "1web", "web_env", "a" * 41, "web/x"])
def test_app_name_refused(app: str) -> None:
    with pytest.raises(PlatformError):
        env.check_names(app, ".env")


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "a b"])
def test_file_name_refused(name: str) -> None:
    with pytest.raises(PlatformError):
        env.check_names("web", name)


V1, V2, V3, V4 = ("0" * 12, "1" * 12, "2" * 12, "3" * 12)


def test_labelled_versions() -> None:
    labels = {
        f"fungap.env.web.{V1}": "ready",
        f"fungap.env.web.{V2}": "",
        f"fungap.env.web2.{V2}": "ready",
        "fungap.env.web.x": "ready",
        "zone": "ready",
    }
    assert env.labelled_versions("web", labels) == {V1}


def test_volumes_of_an_app() -> None:
    volume = env.EnvVolume(V1, "2026-01-01", "1:2", "web:1", "/env", mode="0640", user="node")
    found = env.env_volumes(
        "web",
        [
            {"Name": f"web_env_{V1}", "Labels": volume.labels("web"), "CreatedAt": "x"},
            {"Name": f"web_env_{V2}", "Labels": None, "CreatedAt": "2026-01-02"},
            {"Name": f"my-web_env_{V2}", "Labels": None},
            {"Name": "web_env_data", "Labels": None},
            {"Name": f"web_env_{V3}", "Labels": {"io.fungap.app": "web", "io.fungap.env.version": V1}},
            {"Name": f"web_env_{V4}", "Labels": {"io.fungap.app": "other", "io.fungap.env.version": V4}},
        ],
    )
    assert found == {
        V1: volume,
        V2: env.EnvVolume(V2, "2026-01-02", managed=False),
        V3: env.EnvVolume(V3, managed=False),
        V4: env.EnvVolume(V4, managed=False),
    }


def test_services_that_mount_an_env_volume() -> None:
    def spec(version: str) -> dict[str, Any]:
        sources = {f"web_env_{version}": "/env", "other": "/x", f"web2_env{version}": "/x", "web_env_data": "/x"}
        mounts = [{"Source": source, "Target": target} for source, target in sources.items()]
        return {"Name": "web_web", "TaskTemplate": {"ContainerSpec": {"Image": "web:1", "Mounts": mounts}}}

    found = env.env_mounts("web", [{"Spec": spec(V2), "PreviousSpec": spec(V1)}, {"Spec": {"Name": "x"}}])
    assert found == [env.EnvMount("web_web", "web:1", "/env", version) for version in (V2, V1)]
