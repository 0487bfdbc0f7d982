"""Which folders the platform may own, which it owns, and what that lets happen to real ones."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.fungap.swarm.plugins.action.platform_secrets import _loose
from ansible_collections.fungap.swarm.plugins.module_utils.config_files.operation import InstallFiles
from ansible_collections.fungap.swarm.plugins.module_utils.core.errors import PlatformError
from ansible_collections.fungap.swarm.plugins.module_utils.folder import operation as folders
from ansible_collections.fungap.swarm.plugins.module_utils.folder.model import (
    MARKER,
    Mount,
    SeenFolder,
    marked_for,
    marked_id,
    marker_text,
    may_be_read,
    mounts_of,
    whose,
    why_not_own_folder,
)
from ansible_collections.fungap.swarm.plugins.module_utils.reset import operation as platform_reset
from ansible_collections.fungap.swarm.plugins.module_utils.reset.operation import Reset
from ansible_collections.fungap.swarm.plugins.module_utils.stack import folder as stack
from ansible_collections.fungap.swarm.plugins.plugin_utils.secret_store import SecretsPlan, SecretsRequest


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/etc/fungap", ""),
        ("/etc/fungap/", ""),
        ("/run/t1-site", ""),
        ("/srv/platform/fungap", ""),
        ("/var/backups/jenkins", ""),
        ("/opt/fungap", ""),
        ("/home/me/fungap", ""),
        ("/home/me", "home"),
        ("/", "others use it too"),
        ("/etc", "others use it too"),
        ("/etc/", "others use it too"),
        ("/etc/.", "others use it too"),
        ("/var/lib", "others use it too"),
        ("/fungap", "others use it too"),
        ("/usr/lib/fungap", "system's own"),
        ("/etc/ssh", "something else"),
        ("/etc/docker/certs.d", "something else"),
        ("/var/run/docker", "something else"),
        ("/var/lock/x", "something else"),
        ("/run/fungap-locks", "something else"),
        ("/var/run", "others use it too"),
        ("/var/run/fungap", ""),
        ("/var/lib/docker/volumes", "something else"),
        *((path, "others use it too") for path in ("/usr/local", "/usr/local/src", "/usr/local/games", "/etc/opt")),
        *((path, "others use it too") for path in ("/var/games", "/var/db", "/srv/www", "/usr/local/share/fonts")),
        *((path, "system's own") for path in ("/usr/games", "/usr/src/x", "/usr/share/fungap", "/snap/x/1")),
        *((path, "something else") for path in ("/root/.ssh", "/root/.config/fungap", "/home/me/.local/x")),
        *((path, "something else") for path in ("/etc/tmpfiles.d", "/etc/rc3.d/x", "/etc/cron.daily", "/run/x.d")),
        *((path, "something else") for path in ("/etc/python3.11", "/etc/.java", "/tmp/.X11-unix", "/etc/polkit-1")),
        *((path, "something else") for path in ("/var/lib/private", "/var/lib/private/x", "/var/log/private")),
        *((path, "") for path in ("/usr/local/fungap", "/usr/local/etc/fungap", "/usr/local/src/fungap", "/etc/opt/x")),
        *((path, "") for path in ("/root/fungap", "/var/lib/fungap", "/var/opt/fungap", "/srv/www/fungap", "/tmp/x")),
        ("/etc/x/../ssh", "has a .."),
        ("//etc/x", "two slashes"),
        ("etc/x", "not an absolute path"),
        ("", "not an absolute path"),
        ("/etc/a b", "other characters"),
        ("/etc/" + "a" * 256, "has a part that is longer than 255"),
        ("/etc" + "/aaaa" * 819, "is longer than 4095"),
        ("/etc/a\n", "other characters"),
    ],
)
def test_own_folder(path: str, words: str) -> None:
    why = why_not_own_folder(path)
    assert words in why
    assert bool(why) is bool(words)


def test_reset_takes_the_name_of_a_role_by_itself() -> None:
    with pytest.raises(PlatformError, match="cannot connect"):  # that is what comes next
        Reset(
            {
                "platform": "t1-swarm_node",
                "paths": [],
                "registry": "",
                "docker_socket": "/nowhere",
                "memory_left": "",
                "leave_swarm": False,
                "platform_ids": [],
            }
        ).plan()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"platform": ""}, "is no platform's name"),
        ({"platform": "a/b"}, "is no platform's name"),
        ({"paths": ["/etc/"]}, "/etc/ is not a folder"),
        ({"paths": ["/etc/fungap", "/etc/ssh"]}, "/etc/ssh belongs to something else"),
        ({"paths": ["/run/"]}, "nothing was removed"),
    ],
)
def test_reset_refuses_before_it_looks(changes: dict[str, object], words: str) -> None:
    params = {"platform": "fungap", "paths": [], "registry": "registry:5000", "docker_socket": "/nowhere", **changes}
    with pytest.raises(PlatformError, match=words):
        Reset(params)


# --- whose one is ---

NODE = Mount("p-manager1", "p", "/etc/p/certs.d", "/etc/docker/certs.d")
BUILD = Mount("p-jenkins-build", "p-jenkins", "/etc/p/certs.d", "/etc/docker/certs.d")


def holds(*names: str, marker: str | None = None, logins: tuple[str, ...] = ()) -> SeenFolder:
    return SeenFolder("directory", marker, names, logins)


@pytest.mark.parametrize(
    ("seen", "mounts", "proof", "state", "why"),
    [
        pytest.param(SeenFolder(), [], "", "missing", "", id="missing"),
        pytest.param(holds(), [], "", "empty", "", id="empty"),
        pytest.param(
            holds("..fungap-platform.fungap-new"), [], "", "empty", "", id="a run was killed in the middle of it"
        ),
        pytest.param(holds("images"), [], "", "empty", "", id="an operator's archives"),
        pytest.param(holds(MARKER, "x", marker=marker_text("p")), [], "", "ours", "says so", id="ours"),
        pytest.param(
            holds(MARKER, "x", marker="platform: p\n"), [], "", "ours", "says so", id="ours, an operator says"
        ),
        pytest.param(
            holds(MARKER, marker=marker_text("q")), [], "", "refused", "belongs to platform q", id="another's"
        ),
        pytest.param(
            holds(MARKER, marker=marker_text("q")),
            [NODE],
            "good",
            "refused",
            "belongs to platform q",
            id="a marker counts",
        ),
        pytest.param(holds(MARKER, marker=marker_text("p-2")), [], "", "refused", "platform p-2", id="a longer name"),
        pytest.param(holds(MARKER, marker="what?"), [], "", "refused", "names no platform", id="no name"),
        pytest.param(holds("passwd", "shadow"), [], "", "unknown", "is not empty (passwd, shadow)", id="foreign"),
        pytest.param(holds("a", "b", "c", "d"), [], "", "unknown", "(a, b, c, ...)", id="foreign, and much in it"),
        pytest.param(SeenFolder("link"), [], "good", "refused", "symbolic link", id="a link"),
        pytest.param(SeenFolder("other"), [], "good", "refused", "is not a folder", id="a file"),
        pytest.param(holds("certs.d"), [NODE], "", "proved", "container p-manager1 mounts it", id="a node's"),
        pytest.param(holds("certs.d"), [BUILD], "", "proved", "p-jenkins-build", id="the build engine's"),
        pytest.param(
            holds("manager1"), [Mount("n", "p", "/etc/p/manager1", "/run/node")], "", "proved", "n", id="socket"
        ),
        pytest.param(holds("a.tar"), [Mount("n", "p", "/etc/p", "/srv/backup")], "", "proved", "n", id="backup"),
        pytest.param(
            holds("certs.d"),
            [Mount("q-1", "q", "/etc/p/edge", "/etc/nginx/edge")],
            "good",
            "refused",
            "in use by",
            id="in use",
        ),
        pytest.param(
            holds("data"),
            [Mount("n", "p", "/etc/p/data", "/data")],
            "",
            "unknown",
            "not empty",
            id="a mount of the operator's",
        ),
        pytest.param(
            holds("data"),
            [Mount("n", "p", "/etc/p2/edge", "/etc/nginx/edge")],
            "",
            "unknown",
            "not empty",
            id="a neighbour",
        ),
        pytest.param(holds("x", logins=("r:1",)), [], "", "proved", "the login for r:1", id="the registry's login"),
        pytest.param(holds("x", logins=("s:1",)), [], "", "unknown", "not empty", id="another registry's login"),
        pytest.param(holds("x"), [], "it is so", "proved", "it is so", id="a proof of the caller's"),
    ],
)
def test_whose(seen: SeenFolder, mounts: list[Mount], proof: str, state: str, why: str) -> None:
    found = whose("/etc/p/", "p", seen, mounts=mounts, registry="r:1", proof=proof)
    assert found.state == state
    assert why in found.why


@pytest.mark.parametrize(
    ("path", "seen", "mounts", "may"),
    [
        ("/etc/p", SeenFolder(), [], True),
        ("/etc/p", holds(MARKER, marker=marker_text("p")), [], True),
        ("/etc/p", holds("x", logins=("r:1",)), [], True),
        ("/etc/p/", holds("certs.d"), [NODE], True),
        ("/etc/p", holds("x"), [], False),
        ("/etc/p", holds("x"), [Mount("n", "p", "/etc/p/data", "/data")], False),
        ("/etc/p", holds(MARKER, marker="what?"), [], False),
        ("/etc/p", SeenFolder("link"), [], False),
        ("/etc/p", SeenFolder("other"), [], False),
        # An operator did what a refusal once advised.
        ("/var/lib", holds(MARKER, "dpkg", marker=marker_text("p")), [], False),
    ],
)
def test_which_folder_may_be_read(path: str, seen: SeenFolder, mounts: list[Mount], may: bool) -> None:
    assert may_be_read(path, seen, mounts) is may


def test_a_marker_names_its_platform() -> None:
    assert marked_for(marker_text("p-1")) == "p-1"
    assert marked_for("# platform: q") == ""
    assert marked_id(marker_text("p-1")) == ""
    assert marked_id(marker_text("p-1", "abc")) == "abc"


@pytest.mark.parametrize(
    ("marked", "ids", "state", "why"),
    [
        pytest.param("a", ["a"], "ours", "says so", id="this one's"),
        pytest.param("", [], "ours", "says so", id="a role by itself, which knows no ID"),
        pytest.param("", ["a"], "older", "without an ID", id="an older version's, or an operator's own"),
        pytest.param("b", ["a"], "refused", "another platform p: its ID is b, this one's is a", id="another's"),
        pytest.param("b", [], "refused", "another platform p: its ID is b, this one has none", id="no secrets here"),
        pytest.param("b", [""], "refused", "this one has none", id="no secrets on this controller"),
        pytest.param("b", ["a", "b"], "older", "the ID b, which is replaced", id="somebody says so"),
        pytest.param("b", ["", "b"], "older", "which is replaced", id="a reset without the secrets"),
        pytest.param("c", ["a", "b"], "refused", "its ID is c", id="somebody means another one"),
        pytest.param("a", ["a", "b"], "ours", "says so", id="it is replaced already"),
    ],
)
def test_two_platforms_of_one_name(marked: str, ids: list[str], state: str, why: str) -> None:
    found = whose("/etc/p", "p", holds(MARKER, "x", marker=marker_text("p", marked)), ids=ids)
    assert (found.state, found.is_ours) == (state, state != "refused")
    assert why in found.why
    assert found.id == (marked if state == "refused" else "")
    if found.id:
        assert found.cure("/etc/p", "p").endswith(f"say so: -e platform_id_replaced={marked}")
    # The name comes first: an ID makes nobody else's folder ours.
    other = whose("/etc/p", "q", holds(MARKER, "x", marker=marker_text("p", marked)), ids=ids)
    assert (other.state, other.why, other.id) == ("refused", "belongs to platform p", "")


def test_mounts_of_containers_with_our_label() -> None:
    mounts = [{"Source": "/etc/p/edge", "Destination": "/etc/nginx/edge"}, {"Destination": "/tmp"}]
    containers = [
        {"Names": ["/p-edge"], "Labels": {"io.fungap.platform": "p"}, "Mounts": mounts},
        {"Names": ["/other"], "Labels": None, "Mounts": mounts},
    ]
    assert mounts_of(containers) == (Mount("p-edge", "p", "/etc/p/edge", "/etc/nginx/edge"),)


# --- real folders ---


@pytest.fixture(autouse=True)
def no_engine(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The containers of this machine: those that a test puts here."""
    containers: list[dict[str, Any]] = []
    monkeypatch.setattr(folders, "all_containers", lambda _socket: containers)
    return containers


def tree(path: Path) -> list[str]:
    return sorted(str(one.relative_to(path)) for one in path.rglob("*"))


def install(folder: Path, **params: Any) -> InstallFiles:
    return InstallFiles({"platform": "p", "own_folders": [str(folder)], **params})


def run(operation: Any) -> list[str]:
    plan = operation.plan()
    if plan.actions:
        operation.apply(plan)
    return [str(action) for action in plan.actions]


def test_a_folder_is_made_marked_and_known_again(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "p"
    assert folders.to_claim([str(folder)], "p") == [str(folder)]
    folders.claim(str(folder), "p")
    assert (folder / MARKER).read_text() == marker_text("p")
    assert stat.S_IMODE(folder.stat().st_mode) == 0o755
    assert folders.to_claim([str(folder)], "p") == []
    with pytest.raises(PlatformError, match=r"belongs to platform p; choose a folder that is empty or not there$"):
        folders.to_claim([str(folder)], "q")


def test_a_marker_gets_its_platforms_id_and_no_other_takes_the_folder(tmp_path: Path) -> None:
    """Made before there were IDs: adopted by the next run, as check mode says; and then it is this platform's alone."""
    folder = tmp_path / "p"
    folders.claim(str(folder), "p")
    (folder / "x").touch()
    assert run(install(folder)) == []
    first, second = (install(folder, platform_ids=[one]) for one in ("a", "b"))
    assert run(first) == [f"mark {folder} as platform p's: its {MARKER} says so, without an ID"]
    assert (folder / MARKER).read_text() == marker_text("p", "a")
    assert run(first) == []
    for other in (second, install(folder), install(folder, platform_ids=["b", "c"])):
        with pytest.raises(PlatformError, match=r"belongs to another platform p: its ID is a.*platform_id_replaced=a"):
            other.plan()
    with pytest.raises(PlatformError, match="its ID is a"):
        folders.to_claim([str(folder)], "p", ["b"])
    assert folders.to_claim([str(folder)], "p", ["a"]) == []
    assert run(install(folder, platform_ids=["b", "a"])) == [
        f"mark {folder} as platform p's: its {MARKER} has the ID a, which is replaced"
    ]
    assert run(second) == []
    assert tree(folder) == [MARKER, "x"]


def test_a_new_folder_has_the_id_at_once(tmp_path: Path) -> None:
    assert run(install(tmp_path / "p", platform_ids=["a"]))
    assert (tmp_path / "p" / MARKER).read_text() == marker_text("p", "a")
    folders.claim(str(tmp_path / "run"), "p", ["a"])
    assert (tmp_path / "run" / MARKER).read_text() == marker_text("p", "a")


def test_a_folder_of_others_is_left_as_it_is(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir(mode=0o750)
    (folder / "precious").write_text("1")
    wanted = {
        "directories": [{"path": str(folder), "mode": "0700"}],
        "files": [{"path": f"{folder}/x", "content": "x"}],
    }
    with pytest.raises(
        PlatformError, match=r"data is not empty \(precious\), and nothing shows that it is platform p's"
    ):
        install(folder, **wanted).plan()
    with pytest.raises(PlatformError, match="not one of the platform's folders"):
        InstallFiles({"directories": [{"path": str(folder), "mode": "0700"}]}).plan()
    with pytest.raises(PlatformError, match="remove it by hand"):
        InstallFiles({"absent": [str(folder)]}).plan()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o750
    assert tree(folder) == ["precious"]


def test_a_link_to_a_marked_folder_is_no_folder_of_ours(tmp_path: Path) -> None:
    folders.claim(str(tmp_path / "real"), "p")
    (tmp_path / "link").symlink_to("real")
    with pytest.raises(PlatformError, match="link is a symbolic link"):
        install(tmp_path / "link").plan()


def test_a_folder_of_an_older_version_is_taken_over_by_its_own_file(tmp_path: Path) -> None:
    folder = tmp_path / "p"
    wanted = {
        "files": [{"path": f"{folder}/login", "secret": True}, {"path": f"{folder}/new", "content": "n"}],
        "secret_contents": {f"{folder}/login": "hunter2"},
    }
    folder.mkdir()
    (folder / "login").write_text("hunter1")
    with pytest.raises(PlatformError, match="not empty"):
        install(folder, **wanted).plan()
    (folder / "login").write_text("hunter2")
    actions = run(install(folder, **wanted))
    assert actions[0] == f"mark {folder} as platform p's: {folder}/login is as this platform writes it"
    assert run(install(folder, **wanted)) == []


def test_a_folder_of_an_older_version_is_taken_over_by_its_container(
    tmp_path: Path, no_engine: list[dict[str, Any]]
) -> None:
    (tmp_path / "p" / "manager1").mkdir(parents=True)
    path = str(tmp_path / "p")
    with pytest.raises(PlatformError, match="not empty"):
        folders.to_claim([path], "p")
    mounts = [{"Source": f"{path}/manager1", "Destination": "/run/node"}]
    no_engine.append({"Names": ["/p-manager1"], "Labels": {"io.fungap.platform": "p"}, "Mounts": mounts})
    assert folders.to_claim([path], "p") == [path]
    with pytest.raises(PlatformError, match="in use by container p-manager1 of platform p"):
        folders.to_claim([path], "q")


def test_a_run_that_was_killed_goes_on(tmp_path: Path) -> None:
    folder = tmp_path / "p"
    folder.mkdir()
    (folder / f".{MARKER}.fungap-new").write_text("half")
    wanted = {"files": [{"path": f"{folder}/x", "content": "x"}]}
    assert run(install(folder, **wanted)) == [f"mark {folder} as platform p's", f"write {folder}/x"]
    assert tree(folder) == [MARKER, "x"]


def test_what_an_operator_laid_into_it_stays(tmp_path: Path) -> None:
    folder = tmp_path / "p"
    (folder / "images").mkdir(parents=True)
    (folder / "images" / "web.tar").touch()
    folders.claim(str(folder), "p")
    (folder / "registry").mkdir()
    folders.remove(str(folder))
    assert tree(folder) == ["images", "images/web.tar"]
    (folder / "images" / "web.tar").unlink()
    (folder / "images").rmdir()
    folders.claim(str(folder), "p")
    folders.remove(str(folder))
    assert not folder.exists()


def test_a_folder_that_its_name_rules_out_is_not_claimed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folders, "look", lambda _path: holds())
    for path in ("/usr/local/src", "/etc/nginx"):
        with pytest.raises(PlatformError, match=f"^{path} .*; choose a folder that is empty or not there$"):
            folders.to_claim([path], "p")
    assert folders.to_claim(["/etc/docker/certs.d/r:1", "/etc/p"], "p") == ["/etc/docker/certs.d/r:1", "/etc/p"]
    # What is the platform's already has to be left by somebody.
    monkeypatch.setattr(folders, "look", lambda _path: holds(MARKER, marker=marker_text("p")))
    assert folders.to_claim(["/usr/local/src"], "p") == []


def test_a_file_in_a_folder_of_others_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "nginx").mkdir()
    (tmp_path / "nginx" / "nginx.conf").write_text("the machine's own")
    wanted = {"path": str(tmp_path / "nginx" / "nginx.conf"), "content": "ours"}
    for directories in ([], [{"path": str(tmp_path / "nginx")}]):
        with pytest.raises(PlatformError, match=r"nginx is not empty \(nginx.conf\), and nothing shows"):
            install(tmp_path / "p", directories=directories, files=[wanted]).plan()
    assert run(install(tmp_path / "p", files=[{**wanted, "path": str(tmp_path / "p" / "edge" / "nginx.conf")}]))


def test_a_removal_that_fails_leaves_the_marker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "p"
    folders.claim(str(folder), "p")
    (folder / "a").touch()
    monkeypatch.setattr(os, "unlink", lambda _path: (_ for _ in ()).throw(OSError(16, "busy")))
    with pytest.raises(PlatformError, match="busy"):
        folders.remove(str(folder))
    assert tree(folder) == [MARKER, "a"]


# --- a stack's folder ---


def test_a_stacks_folder(tmp_path: Path) -> None:
    path = str(tmp_path / "web" / "compose.yml")
    stack.check_stack_folder(os.path.dirname(path))
    stack.write_private(path, "services: {}\n")
    assert stat.S_IMODE((tmp_path / "web").stat().st_mode) == 0o700
    stack.check_stack_folder(os.path.dirname(path))
    (tmp_path / "web" / "notes").write_text("an operator's")
    stack.remove_stack_folder(os.path.dirname(path))
    assert tree(tmp_path) == ["web", "web/notes"]


@pytest.mark.parametrize(
    ("there", "done", "left"),
    [
        pytest.param({}, [], [], id="nothing"),
        pytest.param({"compose.yml": 0o600, "in-force.json": 0o600}, ["remove {}/web/compose.yml"], [], id="ours"),
        pytest.param({"in-force.json": 0o600}, ["remove {}/web/compose.yml"], [], id="what is in force alone"),
        pytest.param(
            {"compose.yml": 0o600, "notes": 0o600, "data/db": 0o600},
            ["remove {}/web/compose.yml"],
            ["web", "web/data", "web/data/db", "web/notes"],
            id="ours, and an operator's",
        ),
        pytest.param({"compose.yml": 0o644}, [], ["web", "web/compose.yml"], id="somebody else's"),
    ],
)
def test_a_stack_is_forgotten_where_its_swarm_is_not_asked(
    tmp_path: Path, there: dict[str, int], done: list[str], left: list[str]
) -> None:
    for name, mode in there.items():
        path = tmp_path / "web" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode)
    forgetting = stack.StackFolder({"path": str(tmp_path), "name": "web"})
    assert run(forgetting) == [one.format(tmp_path) for one in done]
    assert tree(tmp_path) == left
    assert run(forgetting) == []


def test_a_link_in_the_place_of_a_stacks_folder_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "compose.yml").touch(0o600)
    (tmp_path / "web").symlink_to("mine")
    assert run(stack.StackFolder({"path": str(tmp_path), "name": "web"})) == []
    assert tree(tmp_path) == ["mine", "mine/compose.yml", "web"]


def test_a_stacks_folder_of_others(tmp_path: Path) -> None:
    (tmp_path / "ssh").mkdir()
    (tmp_path / "ssh" / "compose.yml").write_text("mine")
    (tmp_path / "link").symlink_to("ssh")
    with pytest.raises(PlatformError, match="nothing shows that it is the stack's"):
        stack.check_stack_folder(str(tmp_path / "ssh"))
    with pytest.raises(PlatformError, match="symbolic link"):
        stack.check_stack_folder(str(tmp_path / "link"))


# --- the secrets' folder on the controller ---


def test_a_folder_of_others_is_not_closed(tmp_path: Path) -> None:
    request, plan = SecretsRequest(str(tmp_path), "CA", {}, [], {}, []), SecretsPlan()
    tmp_path.chmod(0o755)
    assert _loose(request, {}, plan) == [str(tmp_path)]
    (tmp_path / "letter").touch()
    with pytest.raises(PlatformError, match="may be read by others and has letter, none of them a secret of ours"):
        _loose(request, {}, plan)
    (tmp_path / "ca.crt").write_text("ours")
    (tmp_path / "ca.crt").chmod(0o600)
    assert _loose(request, {"ca.crt": "ours"}, plan) == [str(tmp_path)]


# --- reset ---


class NoVolumes:
    def names(self, label: dict[str, Any]) -> list[str]:
        return ["web-env"] if list(label.values()) == [None] else []

    def remove(self, _name: str) -> None:
        pass


class NoEngine:
    """An engine with nothing of the platform's on it."""

    def __init__(self, _socket: str) -> None:
        self.containers = self.images = self.networks = self
        self.volumes = NoVolumes()

    def info(self) -> dict[str, Any]:
        return {"Swarm": {"LocalNodeState": "active"}}

    def __getattr__(self, _name: str) -> Any:
        return lambda *_args: []


@pytest.fixture
def reset(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(platform_reset, "Engine", NoEngine)

    def make(
        *paths: Path, registry: str = "", leave_swarm: bool = False, ids: Sequence[str] = (), **more: str
    ) -> Reset:
        params: dict[str, Any] = {"memory_file": "", "memory_left": "", "platform_ids": list(ids), **more} | {
            "platform": "p",
            "paths": list(map(str, paths)),
            "registry": registry,
            "docker_socket": "/nowhere",
        }
        return Reset({**params, "volumes": True, "images": False, "leave_swarm": leave_swarm})

    return make


def test_reset_removes_what_is_marked(reset: Any, tmp_path: Path) -> None:
    for name in ("etc", "run"):
        folders.claim(str(tmp_path / name), "p")
        (tmp_path / name / "x").touch()
    (tmp_path / "empty").mkdir()
    paths = [tmp_path / name for name in ("etc", "run", "empty", "missing")]
    listing = reset(*paths).plan().result["listing"]
    assert listing == [f"remove folders, with what is in them: {paths[0]}, {paths[1]}"]
    run(reset(*paths))
    assert tree(tmp_path) == ["empty"]
    assert run(reset(*paths)) == []


@pytest.mark.parametrize(
    "place", ["config/nas", "config/a\\040b/c", "config/images", "config/images/old", "config", "other"]
)
def test_reset_removes_nothing_of_another_filesystem(
    reset: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    config = tmp_path / "config"
    folders.claim(str(config), "p")
    mounts = tmp_path / "mountinfo"
    mounts.write_text(f"22 1 0:21 / / rw - ext4 /dev/a rw\n36 22 0:32 / {tmp_path}/{place} rw - nfs nas:/x rw\n")
    monkeypatch.setattr(folders, "MOUNTS", str(mounts))
    if "nas" in place or "040" in place:
        shown = place.replace("\\040", " ")
        with pytest.raises(PlatformError, match=f"nothing was removed: {tmp_path}/{shown} is another filesystem"):
            reset(config).plan()
    else:
        assert reset(config).plan().actions


def test_reset_leaves_no_swarm_that_nothing_shows_to_be_the_platforms(reset: Any, tmp_path: Path) -> None:
    """Another platform's name in an inventory of the same machines: its reset would have ended what runs there."""
    listing = reset(tmp_path / "etc", leave_swarm=True).plan().result["listing"]
    assert listing[1:] == ["keep the swarm of the docker host's own engine: nothing here shows that it is p's"]
    folders.claim(str(tmp_path / "etc"), "p")
    listing = reset(tmp_path / "etc", leave_swarm=True).plan().result["listing"]
    assert listing[0] == "remove volumes, with the data on them: web-env"
    assert "leave the swarm: the docker host's own engine" in listing


def test_reset_names_what_the_controller_remembers_and_leaves_what_is_none(reset: Any) -> None:
    assert run(reset(memory_file="/m")) == ["remove memory /m"]
    look = reset(memory_file="/m", memory_left="it is no regular file").plan()
    assert look.actions == []
    assert look.result["listing"][-1] == "keep /m on the controller: it is no regular file"


def test_reset_removes_nothing_where_one_folder_is_not_the_platforms(reset: Any, tmp_path: Path) -> None:
    folders.claim(str(tmp_path / "etc"), "p")
    folders.claim(str(tmp_path / "other"), "q")
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "data").touch()
    with pytest.raises(PlatformError) as error:
        reset(*(tmp_path / name for name in ("etc", "other", "lib"))).plan()
    assert error.value.message.startswith("nothing was removed: ")
    assert "other belongs to platform q" in error.value.message
    assert "lib is not empty (data)" in error.value.message


def test_reset_of_another_platform_of_the_same_name_removes_nothing(reset: Any, tmp_path: Path) -> None:
    folder = tmp_path / "etc"
    folders.claim(str(folder), "p", ["a"])
    for ids in ([], [""], ["b"]):
        with pytest.raises(PlatformError, match=r"nothing was removed: .* its ID is a, .*-e platform_id_replaced=a"):
            reset(folder, ids=ids).plan()
    assert tree(tmp_path) == ["etc", f"etc/{MARKER}"]
    # Its own controller, and one that has lost the secrets and says whose it means.
    for ids in (["a"], ["", "a"], ["b", "a"]):
        folders.claim(str(folder), "p", ["a"])
        assert run(reset(folder, ids=ids)) == [f"remove path {folder}"]
        assert tree(tmp_path) == []


def test_reset_takes_a_folder_of_an_older_version_by_its_login(reset: Any, tmp_path: Path) -> None:
    folder = tmp_path / "etc"
    (folder / "registry-client").mkdir(parents=True)
    (folder / "registry-client" / "config.json").write_text('{"auths": {"r.example:5000": {"auth": "x"}}}')
    with pytest.raises(PlatformError, match="not empty"):
        reset(folder, registry="other:5000").plan()
    assert run(reset(folder, registry="r.example:5000")) == [f"remove path {folder}"]
    assert tree(tmp_path) == []
