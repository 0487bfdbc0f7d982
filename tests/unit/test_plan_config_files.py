"""Which actions follow from which states: config_files."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible.plugins.action import ActionBase

from ansible_collections.fungap.swarm.plugins.action.config_files import ActionModule
from ansible_collections.fungap.swarm.plugins.module_utils.config_files.model import (
    ConfigDirectory,
    ConfigFile,
    Ownership,
    PathState,
    digested,
    parse_config_set,
)
from ansible_collections.fungap.swarm.plugins.module_utils.config_files.plan import changed_files, describe, plan_files
from ansible_collections.fungap.swarm.plugins.module_utils.core.errors import PlatformError
from ansible_collections.fungap.swarm.plugins.module_utils.folder.model import Belonging, marker_text
from ansible_collections.fungap.swarm.plugins.plugin_utils.config_files import nothing_to_do, split_secrets
from ansible_collections.fungap.swarm.plugins.plugin_utils.run_key import run_key

DIRECTORY = PathState("directory", None, 0o755, "root", "root")
FILE = PathState("file", "one\n", 0o644, "root", "root")
MARKED = PathState("file", marker_text("p"), 0o644, "root", "root")
KEY = "of this run"
OPEN = {"files": [{"path": "/etc/x/a", "content": "one\n"}]}
SECRET = {"files": [{"path": "/etc/x/a", "secret": True}], "secret_contents": {"/etc/x/a": "hunter2\n"}}
AFTER = {"after_change": ["reload", "it"], "pending_marker": "/etc/x/.pending"}


def plan(params: dict[str, Any], found: dict[str, PathState]) -> tuple[list[str], str, str, list[str]]:
    wanted = parse_config_set(params)
    states = {path: found.get(path, PathState()) for path in wanted.paths}
    actions = plan_files(wanted, states)
    before, after = describe(states, actions)
    return [str(action) for action in actions], before, after, changed_files(wanted, actions)


@pytest.mark.parametrize(
    ("params", "found", "actions"),
    [
        pytest.param({}, {}, [], id="nothing wanted"),
        pytest.param(OPEN, {"/etc/x": DIRECTORY, "/etc/x/a": FILE}, [], id="as wanted"),
        pytest.param(OPEN, {"/etc/x": DIRECTORY}, ["write /etc/x/a"], id="file missing"),
        pytest.param(OPEN, {}, ["create directory /etc/x", "write /etc/x/a"], id="directory missing"),
        pytest.param(
            OPEN, {"/etc/x": DIRECTORY, "/etc/x/a": replace(FILE, content="two")}, ["write /etc/x/a"], id="content"
        ),
        pytest.param(
            OPEN, {"/etc/x": DIRECTORY, "/etc/x/a": replace(FILE, content=None)}, ["write /etc/x/a"], id="binary"
        ),
        pytest.param(OPEN, {"/etc/x": DIRECTORY, "/etc/x/a": PathState("other")}, ["write /etc/x/a"], id="link"),
        pytest.param(
            OPEN,
            {"/etc/x": DIRECTORY, "/etc/x/a": replace(FILE, mode=0o600)},
            ["set mode 0644 on /etc/x/a"],
            id="mode",
        ),
        pytest.param(
            OPEN, {"/etc/x": DIRECTORY, "/etc/x/a": replace(FILE, owner="app")}, [], id="an owner nobody asked for"
        ),
        pytest.param(
            {"files": [{"path": "/etc/x/a", "content": "one\n", "owner": "root", "group": "adm"}]},
            {"/etc/x": DIRECTORY, "/etc/x/a": FILE},
            ["set mode 0644, owner root, group adm on /etc/x/a"],
            id="group",
        ),
        pytest.param(
            SECRET,
            {"/etc/x": DIRECTORY, "/etc/x/a": replace(FILE, content="hunter2\n")},
            ["set mode 0600 on /etc/x/a"],
            id="a secret is 0600 without being asked",
        ),
        pytest.param(
            {
                "platform": "p",
                "directories": [{"path": "/etc/x/b", "mode": "0700"}, {"path": "/etc/x", "mode": "0700"}],
            },
            {"/etc/x": DIRECTORY, "/etc/x/.fungap-platform": MARKED},
            ["set mode 0700 on /etc/x", "create directory /etc/x/b"],
            id="directories, parents first",
        ),
        pytest.param({"absent": ["/etc/x/a"]}, {}, [], id="gone already"),
        pytest.param(
            {"platform": "p", "own_folders": ["/etc/x"], "absent": ["/etc/x/a"]}, {}, [], id="gone, and no folder"
        ),
        pytest.param(
            {"platform": "p", "own_folders": ["/etc/x"], "absent": ["/etc/x/a"]},
            {"/etc/x": DIRECTORY, "/etc/x/theirs": FILE},
            [],
            id="nothing is taken from a folder of others",
        ),
        pytest.param(
            {"platform": "p", "own_folders": ["/etc/x"], "absent": ["/etc/x/d"]},
            {"/etc/x": DIRECTORY, "/etc/x/.fungap-platform": MARKED, "/etc/x/d": DIRECTORY},
            ["remove /etc/x/d"],
            id="a folder in the platform's own",
        ),
        pytest.param(
            {**OPEN, "platform": "p", "own_folders": ["/etc/x"]},
            {},
            ["mark /etc/x as platform p's", "create directory /etc/x", "write /etc/x/a"],
            id="a folder of the platform is marked before anything is put into it",
        ),
        pytest.param(
            {**OPEN, "platform": "p", "own_folders": ["/etc/x"]},
            {"/etc/x": DIRECTORY, "/etc/x/a": FILE, "/etc/x/.fungap-platform": MARKED},
            [],
            id="a marked folder as wanted",
        ),
        pytest.param(
            {"platform": "p", "own_folders": ["/etc/x"], "directories": [{"path": "/etc/x/b"}, {"path": "/srv/c"}]},
            {"/etc/x": DIRECTORY, "/etc/x/.fungap-platform": MARKED},
            ["mark /srv/c as platform p's", "create directory /etc/x/b", "create directory /srv/c"],
            id="a folder that lies in none of the platform's is one itself",
        ),
        pytest.param({"absent": ["/etc/x/a"]}, {"/etc/x/a": FILE}, ["remove /etc/x/a"], id="to be removed"),
        pytest.param({**OPEN, **AFTER}, {"/etc/x": DIRECTORY, "/etc/x/a": FILE}, [], id="no change, no command"),
        pytest.param(
            {**OPEN, **AFTER}, {"/etc/x": DIRECTORY}, ["write /etc/x/a", "run reload it"], id="change, command"
        ),
        pytest.param(
            {**OPEN, **AFTER},
            {"/etc/x": DIRECTORY, "/etc/x/a": FILE, "/etc/x/.pending": FILE},
            ["run reload it"],
            id="an earlier run was killed before the command",
        ),
    ],
)
def test_actions(params: dict[str, Any], found: dict[str, PathState], actions: list[str]) -> None:
    assert plan(params, found)[0] == actions
    # An earlier look, which brought digests only, says the same.
    trees = {"/etc": {path: digested(state, KEY) for path, state in found.items()}}
    assert nothing_to_do(params, trees, KEY) == (not actions)


def test_a_set_is_read_whole() -> None:
    wanted = parse_config_set(
        {
            "files": [{"path": "/etc/x/a", "content": "one", "validate": "check %s", "owner": "app", "mode": "0640"}],
            "directories": [{"path": "/etc/x"}],
            "absent": ["/etc/x/b"],
            **AFTER,
        }
    )
    assert wanted.files == (ConfigFile("/etc/x/a", "one", Ownership(0o640, "app"), "check %s"),)
    assert wanted.directories == (ConfigDirectory("/etc/x", Ownership(0o755)),)
    assert wanted.paths == ("/etc/x", "/etc/x/a", "/etc/x/b", "/etc/x/.pending")


@pytest.mark.parametrize("owner", ["app", "1000"])
def test_an_earlier_look_tells_owners_by_name_and_number(owner: str) -> None:
    wanted = {"files": [{"path": "/etc/x/a", "content": "one\n", "owner": owner, "group": owner}]}
    state = replace(FILE, owner="app", group="app", owner_id="1000", group_id="1000")
    for seen, as_wanted in ((state, True), (FILE, False)):
        trees = {"/etc/": {"/etc/x": digested(DIRECTORY, KEY), "/etc/x/a": digested(seen, KEY)}}
        assert nothing_to_do(wanted, trees, KEY) is as_wanted


def test_what_was_not_looked_at_is_left_to_the_module() -> None:
    trees = {"/etc": {"/etc/x": digested(DIRECTORY, KEY), "/etc/x/a": digested(FILE, KEY)}}
    assert nothing_to_do(OPEN, trees, KEY)
    assert not nothing_to_do(OPEN, {"/opt": trees["/etc"]}, KEY)
    assert not nothing_to_do({**OPEN, "directories": [{"path": "/opt/y"}]}, trees, KEY)
    assert not nothing_to_do({"files": "nonsense"}, trees, KEY)


def test_a_digest_says_nothing_without_the_key() -> None:
    trees = {"/etc": {"/etc/x": digested(DIRECTORY, KEY), "/etc/x/a": digested(FILE, KEY)}}
    assert nothing_to_do(OPEN, trees, KEY)
    assert not nothing_to_do(OPEN, trees, "of another run")
    assert hashlib.sha256(b"one\n").hexdigest() not in str(trees)


def test_processes_of_a_run_have_one_key(tmp_path: Path) -> None:
    first = run_key(str(tmp_path))
    assert run_key(str(tmp_path)) == first
    assert [(path.name, path.stat().st_mode & 0o777) for path in tmp_path.iterdir()] == [("fungap-digest-key", 0o600)]
    (tmp_path / "other").mkdir()
    assert run_key(str(tmp_path / "other")) != first


@pytest.mark.parametrize(
    ("params", "found", "says"),
    [
        (OPEN, {"/etc/x": DIRECTORY, "/etc/x/a": DIRECTORY}, "/etc/x/a is a directory"),
        ({"directories": [{"path": "/etc/x"}]}, {"/etc/x": FILE}, "/etc/x is not a directory"),
        ({"files": [{"path": "etc/x", "content": ""}]}, {}, "absolute"),
        ({"files": [{"path": "/etc/../x", "content": ""}]}, {}, "absolute"),
        ({"files": [{"path": "/etc/x"}]}, {}, "no content"),
        ({"files": [{"path": "/etc/x", "content": "", "mode": "420"}]}, {}, "quoted octal"),
        ({"files": [{"path": "/etc/x", "content": "", "validate": "true"}]}, {}, "%s"),
        ({"files": [{"path": "/etc/x", "content": "a", "secret": True}]}, {}, "secret_contents"),
        ({"secret_contents": {"/etc/x": "a"}}, {}, "no secret file"),
        ({"files": [{"path": "/etc/x", "content": ""}], "absent": ["/etc/x"]}, {}, "more than once"),
        ({"absent": ["/etc"]}, {}, "refusing to remove /etc"),
        ({"absent": ["/etc/ssh"]}, {"/etc/ssh": DIRECTORY}, "/etc/ssh is a folder, and not one of the platform's"),
        (
            {"directories": [{"path": "/root/x", "mode": "0700", "owner": "app"}]},
            {"/root/x": DIRECTORY},
            "has mode 0755, owner root, wanted is mode 0700, owner app. It is not one of the platform's",
        ),
        ({"own_folders": ["/etc/x"]}, {}, "say in 'platform' whose they are"),
        ({"after_change": ["true"]}, {}, "pending_marker"),
    ],
)
def test_refusals(params: dict[str, Any], found: dict[str, PathState], says: str) -> None:
    with pytest.raises(PlatformError) as error:
        plan(params, found)
    assert says in error.value.message


def test_diff_shows_content_and_mode() -> None:
    _, before, after, changed = plan(OPEN, {"/etc/x": DIRECTORY, "/etc/x/a": replace(FILE, content="two", mode=0o640)})
    assert before == "# /etc/x/a: mode 0640\ntwo\n"
    assert after == "# /etc/x/a: mode 0644\none\n"
    assert changed == ["/etc/x/a"]


def test_diff_shows_owner_and_group_where_they_are_asked_for() -> None:
    params = {"files": [{"path": "/etc/x/a", "content": "one\n", "owner": "app", "group": "adm"}]}
    _, before, after, _ = plan(params, {"/etc/x": DIRECTORY, "/etc/x/a": FILE})
    assert before == "# /etc/x/a: mode 0644, owner root, group root\n"
    assert after == "# /etc/x/a: mode 0644, owner app, group adm\n"


def test_diff_of_a_new_directory_and_its_file() -> None:
    _, before, after, _ = plan(OPEN, {})
    assert (before, after) == ("", "# /etc/x/: mode 0755\n# /etc/x/a: mode 0644\none\n")


def test_diff_of_what_is_no_text() -> None:
    _, before, _, _ = plan(OPEN, {"/etc/x": DIRECTORY, "/etc/x/a": replace(FILE, content=None)})
    assert before == "# /etc/x/a: mode 0644\n(binary)\n"


def test_diff_never_shows_a_secret() -> None:
    _, before, after, changed = plan(SECRET, {"/etc/x": DIRECTORY, "/etc/x/a": replace(FILE, content="old secret")})
    assert before == "# /etc/x/a: mode 0644\n(secret, not shown)\n"
    assert after == "# /etc/x/a: mode 0600\n(secret, not shown, new)\n"
    assert changed == ["/etc/x/a"]


def test_diff_hides_what_root_alone_could_read() -> None:
    _, before, _, _ = plan(OPEN, {"/etc/x": DIRECTORY, "/etc/x/a": replace(FILE, content="old secret", mode=0o600)})
    assert "old secret" not in before


def test_diff_of_a_removed_file_shows_its_name_only() -> None:
    _, before, after, changed = plan({"absent": ["/etc/x/a"]}, {"/etc/x/a": FILE})
    assert (before, after, changed) == ("# /etc/x/a: file\n", "", ["/etc/x/a"])


def test_a_directory_is_no_changed_file() -> None:
    params = {"platform": "p", "directories": [{"path": "/etc/x", "mode": "0700"}]}
    assert plan(params, {"/etc/x": DIRECTORY, "/etc/x/.fungap-platform": MARKED})[3] == []


def test_the_controller_takes_secrets_out_of_files() -> None:
    args = {"files": [{"path": "/a/b", "content": "open"}, {"path": "/a/c", "content": "hunter2", "secret": "yes"}]}
    assert split_secrets(args, is_true=lambda value: value in (True, "yes")) == {
        "files": [{"path": "/a/b", "content": "open"}, {"path": "/a/c", "secret": "yes"}],
        "secret_contents": {"/a/c": "hunter2"},
    }
    assert split_secrets({"files": "nonsense"}) == {"files": "nonsense"}


@pytest.mark.parametrize(
    ("belonging", "actions"),
    [
        (Belonging("missing"), ["mark /etc/x as platform p's", "create directory /etc/x", "write /etc/x/a"]),
        (Belonging("empty"), ["mark /etc/x as platform p's", "write /etc/x/a"]),
        (Belonging("proved", "it is so"), ["mark /etc/x as platform p's: it is so", "write /etc/x/a"]),
        (Belonging("ours"), ["write /etc/x/a"]),
    ],
)
def test_a_folder_without_a_marker(belonging: Belonging, actions: list[str]) -> None:
    wanted = parse_config_set({**OPEN, "platform": "p", "own_folders": ["/etc/x"]})
    found = {path: PathState() for path in wanted.paths}
    if belonging.state != "missing":
        found["/etc/x"] = DIRECTORY
    assert [str(action) for action in plan_files(wanted, found, {"/etc/x": belonging})] == actions


@pytest.mark.parametrize("asked", [OPEN, {"absent": ["/etc/x/a"]}])
def test_a_folder_of_somebody_else_is_refused(asked: dict[str, Any]) -> None:
    wanted = parse_config_set({**asked, "platform": "p", "own_folders": ["/etc/x"]})
    found = {path: PathState() for path in wanted.paths} | {"/etc/x": DIRECTORY, "/etc/x/a": FILE}
    with pytest.raises(PlatformError, match=r"/etc/x is not yours; .* echo 'platform: p' > /etc/x/.fungap-platform"):
        plan_files(wanted, found, {"/etc/x": Belonging("unknown", "is not yours")})


LOOKED_AT = {"/etc": {"/etc/x": digested(DIRECTORY, KEY), "/etc/x/a": digested(FILE, KEY)}}


@pytest.mark.parametrize(
    ("variables", "is_started"),
    [
        ({"preflight_host": {"trees": LOOKED_AT}}, False),
        ({"preflight_host": {"trees": {"/opt": LOOKED_AT["/etc"]}}}, True),
        # It failed, was skipped, or nobody looked: the role is used alone.
        ({"preflight_host": {"failed": True, "msg": "no route to host"}}, True),
        ({"preflight_host": {"skipped": True}}, True),
        ({}, True),
        (None, True),
    ],
)
def test_the_action_knows_by_itself_what_the_look_has_shown(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, Any] | None, is_started: bool
) -> None:
    started: list[Any] = []

    def module(_self: ActionModule, **told: Any) -> dict[str, Any]:
        started.append(told["module_args"])
        return {"changed": True}

    monkeypatch.setattr(ActionBase, "run", lambda *_args: {})
    monkeypatch.setattr(ActionModule, "_execute_module", module)
    monkeypatch.setattr("ansible_collections.fungap.swarm.plugins.action.config_files.run_key", lambda _folder: KEY)
    action = ActionModule.__new__(ActionModule)
    action._task = SimpleNamespace(args=OPEN)
    assert action.run(task_vars=variables)["changed"] is is_started
    assert started == ([OPEN] if is_started else [])
