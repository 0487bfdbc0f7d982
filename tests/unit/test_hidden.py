# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What no problem of an inventory may show: what comes from a vault, and what a spec calls secret."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from ansible_collections.fungap.swarm.plugins.plugin_utils.inventory import RawInventory, secrets
from ansible_collections.fungap.swarm.plugins.plugin_utils.plain import plain, texts_from_vault
from ansible_collections.fungap.swarm.plugins.plugin_utils.problem import (
    HIDDEN,
    SHOWN_MAX,
    Harmless,
    Problem,
    hide,
    show,
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
    *("web.example.com", "https://web.localhost/", "registry:5000", "8025:25/tcp", "2001:db8::/32", "172.30.0.0/33"),
    *("/run/x/../y", "files/web.env", "~/web.env", "128 MegaBytes", "15 days", "x" * SHOWN_MAX, "Web_2"),
]
NOT_SHOWN = [
    *("u:hunter22", "u:hunter22@db", "mysql://u:hunter22@db", "https://x.example/a?token=hunter22", "SALT=hunter22"),
    *("https://hooks.example.com/services/hunter22", "two words", "x; id", "$(id)", "x" * (SHOWN_MAX + 1), "a\x00b"),
    *(["a"], {"a": 1}, {}, b"a", object()),
]


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        *((text, text) for text in SHOWN),
        *((value, HIDDEN) for value in NOT_SHOWN),
        *((value, text) for text, value in {"": None, "true": True, "80": 80, "0.5": 0.5, "nan": float("nan")}.items()),
        (Harmless("debian 11, or so"), "debian 11, or so"),
        (" a.example\n", "a.example"),
    ],
)
def test_what_is_known_to_be_harmless_is_shown_whole_and_nothing_else(value: Any, shown: str) -> None:
    assert show(value) == shown
    assert show(show(value)) == shown
    assert Problem("all hosts", "x", value, "is wrong", "mend it").value == shown
