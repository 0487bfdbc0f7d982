# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What no problem of an inventory may show: what comes from a vault, and what a spec calls secret."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from ansible_collections.fungap.swarm.plugins.module_utils.core.harmless import SHOWN_MAX
from ansible_collections.fungap.swarm.plugins.plugin_utils.inventory import RawInventory, secrets
from ansible_collections.fungap.swarm.plugins.plugin_utils.plain import plain, texts_from_vault
from ansible_collections.fungap.swarm.plugins.plugin_utils.problem import (
    HIDDEN,
    Harmless,
    Problem,
    hide,
    show,
    show_key,
)
from ansible_collections.fungap.swarm.plugins.plugin_utils.specs import Specs


class AnsibleVaultEncryptedUnicode(list[str]):
    """As of ansible-core 2.17 and 2.18: a sequence of letters whose text is what was encrypted."""

    def __str__(self) -> str:
        return "".join(self)


class EncryptedString:
    """As since ansible-core 2.19."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __str__(self) -> str:
        return self.text


OLD, NEW = AnsibleVaultEncryptedUnicode("hunter2"), EncryptedString("hunter2")


@pytest.mark.parametrize("value", [OLD, NEW])
def test_an_encrypted_value_is_its_text(value: Any) -> None:
    assert plain({"a": [value]}) == {"a": ["hunter2"]}


class HostVars(Mapping[str, Any]):
    """As Ansible's: whoever looks at all of it has all of it resolved."""

    def __getitem__(self, name: str) -> Any:
        raise AssertionError(name)

    def __iter__(self) -> Iterator[str]:
        return iter(["manager1"])

    def __len__(self) -> int:
        return 1


VARIABLES = {
    "hostvars": HostVars(),
    "old": OLD,
    "new": NEW,
    "link": "{{ old }}",
    "circle": "{{ circle }}",
    "vault_x": "y",
    "list": ["a", NEW],
}
VAULT = [
    (OLD, "hunter2", ["hunter2"]),
    (NEW, "hunter2", ["hunter2"]),
    ("hunter2", "hunter2", []),
    ({"a": NEW, "b": "free"}, {"a": "hunter2", "b": "free"}, ["hunter2"]),
    ([NEW, "free"], ["hunter2", "free"], ["hunter2"]),
    ("x{{ old }}", "xhunter2", ["xhunter2"]),
    ("{{ link | upper }}", "HUNTER2", ["HUNTER2"]),
    ("{{ list }}", ["a", "hunter2"], ["a", "hunter2"]),
    ("{{ vault_x }}", "y", ["y"]),
    ("{{ elsewhere }}", "z", []),
    ("{{ hostvars['manager1'].address }}", "z", []),
    ("{{ hostvars['manager1'].vault_z }}", "z", ["z"]),
    ("{{ circle }}", "z", []),
    (NEW, None, []),
    ({"a": NEW}, "unlike", ["unlike"]),
]


@pytest.mark.parametrize(("written", "resolved", "texts"), VAULT)
def test_what_comes_from_a_vault(written: Any, resolved: Any, texts: list[str]) -> None:
    assert list(texts_from_vault(written, resolved, VARIABLES)) == texts


SPECS = Specs(
    inventory={
        "platform_hook": {"type": "str", "no_log": True},
        "platform_port": {"type": "int"},
        "platform_ends": {
            "type": "list",
            "options": {"host": {"type": "str"}, "login": {"type": "str", "no_log": True}},
        },
        "platform_logins": {
            "type": "list",
            "no_log": True,
            "options": {"host": {"type": "str"}, "login": {"type": "str", "no_log": True}},
        },
    },
    app={"image": {"type": "str"}, "login": {"type": "str", "no_log": True}},
    roles={},
)
SECRETS = [
    ({"platform_hook": "a"}, {"a"}),
    ({"platform_hook": ["a", {"b": 1}]}, {"a", "1"}),
    ({"platform_port": 80}, set()),
    ({"platform_ends": [{"host": "h", "login": "l"}]}, {"l"}),
    ({"platform_ends": {"login": "l"}}, {"l"}),
    # Of a secret, the parts that the spec calls so, and what it does not know.
    ({"platform_logins": [{"host": "h", "login": "l", "lgoin": ["m"]}]}, {"l", "m"}),
    ({"platform_logins": "l"}, {"l"}),
    ({"platform_passwd": "p"}, {"p"}),
    ({"apps": {"token": {"image": "i", "login": "l", "environment": {"API_TOKEN": "t", "LEVEL": "x"}}}}, {"l", "t"}),
    ({"apps": "nonsense"}, set()),
    ({"platform_hook": None}, set()),
]


@pytest.mark.parametrize(("variables", "expected"), SECRETS)
def test_what_is_called_secret(variables: dict[str, Any], expected: set[str]) -> None:
    raw = RawInventory(hosts={"vm1": variables}, groups={}, inventory_dir="/", from_vault=frozenset({"v"}))
    assert secrets(raw, SPECS) == expected | {"v"}


LONG = "https://hooks.example.com/" + "x" * 200
HIDE = [
    ("hunter2", {"hunter2"}, HIDDEN),
    ("must be the same for all hosts: hunter2 on a", {"hunter2"}, f"must be the same for all hosts: {HIDDEN} on a"),
    ("[hunter2, hunter22]", {"hunter2", "hunter22"}, f"[{HIDDEN}, {HIDDEN}]"),
    ("80", {"80"}, HIDDEN),
    ("80 is no port", {"80"}, "80 is no port"),
    ("two words", {"two\n  words"}, HIDDEN),
    # As it is read: the elements of a list, a folder without its slash.
    ("172.16.5.0/33", {"10.9.8.7, 172.16.5.0/33"}, HIDDEN),
    ("is 10.9.8.7 and no more", {"10.9.8.7,172.16.5.0/33"}, f"is {HIDDEN} and no more"),
    ("/etc/hunter22", {"/etc/hunter22/"}, HIDDEN),
    ("is platform_config_dir /etc/hunter22", {"/etc//hunter22"}, f"is platform_config_dir {HIDDEN}"),
    ("is /etc/hunter22 here", {"a, /etc/x/../hunter22/"}, f"is {HIDDEN} here"),
    ("a is no part", {"a,b"}, "a is no part"),
    (". is a dot", {"a,,b"}, ". is a dot"),
    (f"is {LONG} here", {LONG}, f"is {HIDDEN} here"),
    ("", {""}, ""),
    ("nothing", set(), "nothing"),
]


@pytest.mark.parametrize(("text", "hidden", "expected"), HIDE)
def test_a_text_without_its_secrets(text: str, hidden: set[str], expected: str) -> None:
    assert hide(text, hidden) == expected
    problem = Problem("all hosts", "platform_hook", Harmless(text), text, text).without(hidden)
    assert (problem.value, problem.problem, problem.cure) == (expected, expected, expected)


SHOWN = [
    *("80", "-1", "0.5", "100%", "8025:25/tcp", "0.0.0.0:80:8080", "8000-8010", "8000-8010:80-90/udp"),
    *("192.0.2.10", "192.0.2.999", "172.30.0.0/33", "192.0.2.10:8089", "2001:db8::/32", "::1"),
    *("128 MegaBytes", "15 days", "15d", "2GB", "512m", "100us", "1.5Gi"),
    *(
        "/",
        "/etc/ssh",
        "/run/x/../y",
        "/usr/src/app/env/",
        "//var",
        "files/web.env",
        "~/web.env",
        "../a/rules.yml",
        "ca.crt",
    ),
]
# A word, a host's name, a reference, a URL, a relative folder: a token may look like each of them.
TOKENS = [
    *("ghp_hunter22", "hunter22", "glpat-hunter22xyz", "8f14e45fceea167a5a36dedd4bea2543", "AKIAIOSFODNN7EXAMPLE"),
    *("eyJhbGciOi.eyJzdWIiOi.SflKxwRJSM", "hvs.hunter22", "110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw", "1password"),
    *(
        "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        "/services/T0/B0/hunter22",
        "sk-hunter22",
        "5f4dcc3b5aa765d61d8327deb882",
    ),
    *(
        "web.example.com",
        "https://web.localhost/",
        "registry:5000",
        "express-app",
        "x" * 40,
        "true",
        "dead:beef:hunter",
    ),
]
NOT_SHOWN = [
    *TOKENS,
    *("u:hunter22", "u:hunter22@db", "mysql://u:hunter22@db", "https://x.example/a?token=hunter22", "SALT=hunter22"),
    *(
        "https://hooks.example.com/services/hunter22",
        "two words",
        "x; id",
        "$(id)",
        "/etc/" + "x" * SHOWN_MAX,
        "a\x00b",
    ),
    *("/etc/u:hunter22@x", "/etc/$(id)", "a b.env", "x=hunter22.env", "۸۰"),
    *(["a"], {"a": 1}, {}, b"a", object()),
]


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        *((text, text) for text in SHOWN),
        *((value, HIDDEN) for value in NOT_SHOWN),
        *((value, text) for text, value in {"": None, "true": True, "80": 80, "0.5": 0.5, "nan": float("nan")}.items()),
        (Harmless("debian 11, or so"), "debian 11, or so"),
        (" /etc/ssh\n", "/etc/ssh"),
    ],
)
def test_what_is_known_to_be_harmless_is_shown_whole_and_nothing_else(value: Any, shown: str) -> None:
    assert show(value) == shown
    assert show(show(value)) == shown
    assert Problem("all hosts", "x", value, "is wrong", "mend it").value == shown


@pytest.mark.parametrize(
    ("key", "shown"),
    [
        *((name, name) for name in ("web", "LOG_LEVEL", "com.example/rack", "io.fungap.x-1")),
        *((name, HIDDEN) for name in ("pw=hunter22", "u:hunter22@x", "two words", "", "x" * 65, ("a",)) if name),
        *((80, "80"), (True, "true"), (None, ""), ("", "")),
    ],
)
def test_a_key_names_a_part_of_a_variable(key: Any, shown: str) -> None:
    assert show_key(key) == shown
