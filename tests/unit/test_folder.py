"""Which folders the platform may own, and so remove whole."""

from __future__ import annotations

import pytest

from ansible_collections.fungap.swarm.plugins.module_utils.errors import PlatformError
from ansible_collections.fungap.swarm.plugins.module_utils.model.folder import why_not_own_folder
from ansible_collections.fungap.swarm.plugins.modules.platform_reset import Reset


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
        ("/var/run", "others use it too"),
        ("/var/run/fungap", ""),
        ("/var/lib/docker/volumes", "something else"),
        ("/etc/x/../ssh", "has a .."),
        ("//etc/x", "two slashes"),
        ("etc/x", "not an absolute path"),
        ("", "not an absolute path"),
        ("/etc/a b", "other characters"),
        ("/etc/a\n", "other characters"),
    ],
)
def test_own_folder(path: str, words: str) -> None:
    why = why_not_own_folder(path)
    assert words in why
    assert bool(why) is bool(words)


def test_reset_takes_the_name_of_a_role_by_itself() -> None:
    with pytest.raises(PlatformError, match="cannot connect"):  # that is what comes next
        Reset({"platform": "t1-swarm_node", "paths": [], "registry": "", "docker_socket": "/nowhere"})


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
