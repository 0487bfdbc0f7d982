"""Which copy of an inventory is older: what is digested, recorded and compared."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.fungap.swarm.plugins.module_utils.core.digest import plain_digest, secret_digest
from ansible_collections.fungap.swarm.plugins.plugin_utils import said
from ansible_collections.fungap.swarm.plugins.plugin_utils.inventory import RawInventory, Undefined
from ansible_collections.fungap.swarm.plugins.plugin_utils.said import (
    HEAD,
    SUBJECTS,
    Row,
    dump_rows,
    older_subjects,
    parse_rows,
    subject_of,
    what_is_said,
    with_this_run,
)
from ansible_collections.fungap.swarm.plugins.plugin_utils.specs import read_specs

SPECS = read_specs(str(Path(__file__).resolve().parents[2] / "roles"))
GROUPS = {"docker_hosts": ["vm1"], "swarm_workers": ["w1", "w2"]}


def inventory(
    *, inventory_dir: str = "/inventory", groups: Any = None, w1: Any = None, **variables: Any
) -> RawInventory:
    hosts = {name: dict(variables) for name in ("vm1", "w1", "w2")}
    hosts["w1"].update(w1 or {})
    return RawInventory(hosts, {**GROUPS, **(groups or {})}, inventory_dir)


def digests(raw: RawInventory, files: Any = None) -> dict[str, str]:
    return what_is_said(raw, SPECS, files or {})


def history(*words: dict[str, str]) -> list[Row]:
    rows: list[Row] = []
    for number, word in enumerate(words, 1):
        rows = with_this_run(word, rows, f"2026-11-0{number}T10:00:00Z", f"me{number}@desk", ())
    return rows


def why(now: dict[str, str], *words: dict[str, str], confirmed: Any = (), given: Any = ()) -> dict[str, str]:
    found = older_subjects(now, history(*words), confirmed, given)
    return {one.variable: f"{one.problem}; {one.cure}" for one in found}


A, B, C = ({"proxy_http_port": one, "proxy_hsts": "same"} for one in "abc")


# --- what is said ---


def test_what_counts() -> None:
    given = {
        "proxy_http_port": 81,
        "registry_memory": "1G",
        "apps": {"web": {}},
        "apps_absent": ["old"],
        "reset_confirmed": "p",
        "load_test_host": "vm1",
        "images_prune_grace_seconds": 5,
        "swarm_member_begin_anew": "x",
        "platform_id_replaced": "x",
        "unrelated": 1,
        "proxy_hsts_seconds_": 1,
        "platform_subnet": Undefined("", "x is undefined"),
    }
    found = digests(inventory(**given, w1={"swarm_node_labels": {"zone": "attic"}}))
    groups = {"group docker_hosts", "group registry", "group swarm_managers", "group swarm_workers", "group jenkins"}
    assert set(found) == {"proxy_http_port", "registry_memory", "swarm_node_labels", *groups}
    assert {subject_of(name) for name in found} <= {*SUBJECTS}


def test_every_subject_is_one_that_an_operator_may_confirm() -> None:
    assert list(SUBJECTS) == SPECS.inventory["platform_older_confirmed"]["choices"]


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ({"proxy_http_port": 80}, {"proxy_http_port": 80}, True),
        ({"proxy_http_port": 80}, {"proxy_http_port": 81}, False),
        ({"proxy_http_port": 80}, {}, False),
        ({"monitoring_hosts": {"a": 1, "b": 2}}, {"monitoring_hosts": {"b": 2, "a": 1}}, True),
        ({"groups": {"swarm_workers": ["w2", "w1"]}}, {}, True),
        ({"groups": {"swarm_workers": ["w1"]}}, {}, False),
        ({"w1": {"swarm_node_availability": "drain"}}, {}, False),
        # Another controller has its files elsewhere.
        ({"proxy_certificate_file": "/home/a/tls.crt"}, {"proxy_certificate_file": "files/tls.crt"}, True),
        ({"monitoring_rule_files": ["a/b.yml"]}, {"monitoring_rule_files": ["/x/b.yml"]}, True),
        ({"platform_secrets_dir": "/a"}, {"platform_secrets_dir": "/b"}, True),
        (
            {"images_extra": {"web": {"build": {"context": "/inventory/web"}}}},
            {"images_extra": {"web": {"build": {"context": "/else/web"}}}, "inventory_dir": "/else"},
            True,
        ),
    ],
)
def test_what_is_the_same(one: dict[str, Any], other: dict[str, Any], same: bool) -> None:
    assert (digests(inventory(**one)) == digests(inventory(**other))) is same


def test_a_further_node_changes_no_word_that_all_hosts_have() -> None:
    raw = inventory(proxy_http_port=81)
    more = RawInventory({**raw.hosts, "w3": raw.hosts["w1"]}, {**raw.groups, "swarm_workers": ["w1", "w2", "w3"]}, "/")
    before, after = digests(raw), digests(more)
    assert {name for name in before if before[name] != after[name]} == {"group swarm_workers"}


def test_a_files_content_counts() -> None:
    one, other = (digests(inventory(), {"monitoring_rule_files": {"/x/a.yml": text}}) for text in (b"1", b"2"))
    differing = {name for name in one if one[name] != other[name]}
    assert differing == {"monitoring_rule_files: the content of a.yml"}
    assert subject_of(*differing) == "monitoring"


@pytest.mark.parametrize(
    ("variables", "name", "text"),
    [
        ({"platform_slack_webhook_url": "https://hooks.slack.com/services/x"}, "platform_slack_webhook_url", None),
        ({"monitoring_mysql_endpoints": [{"password": "hunter2"}]}, "monitoring_mysql_endpoints", None),
        ({"docker_engine_daemon": {"http-proxy": "http://me:hunter2@proxy:3128"}}, "docker_engine_daemon", None),
        ({"proxy_http_port": 81}, "proxy_http_port", "81"),
        ({"registry_address": "r:5000"}, "registry_address", None),
        ({"proxy_bind_address": "10.0.0.1"}, "proxy_bind_address", '"10.0.0.1"'),
    ],
)  # fmt: skip
def test_what_may_be_a_secret_has_a_slow_digest(variables: dict[str, Any], name: str, text: str | None) -> None:
    """A plain one of a short secret can be guessed by who reads the record."""
    found = digests(inventory(**variables))[name]
    written = json.dumps(variables[name], sort_keys=True)
    assert found == (secret_digest if text is None else plain_digest)(written.encode())
    assert text in (None, written)


def test_a_text_from_a_vault_has_a_slow_digest() -> None:
    raw = RawInventory({"vm1": {"proxy_bind_address": "swordfish"}}, GROUPS, "/", frozenset({"swordfish"}))
    assert digests(raw)["proxy_bind_address"] == secret_digest(b'"swordfish"')


# --- an older copy ---


@pytest.mark.parametrize(
    ("now", "words", "older"),
    [
        pytest.param(A, [], False, id="nothing is recorded: an older version made it"),
        pytest.param(A, [A], False, id="the same"),
        pytest.param(B, [A], False, id="new"),
        pytest.param(A, [A, B], True, id="yesterday's"),
        pytest.param(C, [A, B], False, id="new again"),
        pytest.param(A, [A, B, C], True, id="of the day before"),
        pytest.param(B, [A, B, C], True, id="of between"),
        pytest.param(B, [A, B, A], True, id="taken back meanwhile"),
        pytest.param(A, [A, B, A], False, id="what was taken back is in force"),
        pytest.param({}, [A], False, id="gone, for the first time"),
        pytest.param({}, [{"registry_memory": "x"}, A], True, id="from before it said anything of it"),
        pytest.param({**A, "proxy_new": "x"}, [A, B], False, id="an older copy with something new: it is new"),
        pytest.param({**B, "monitoring_x": "1"}, [A, B], False, id="another subject is new"),
    ],
)
def test_which_copy_is_older(now: dict[str, str], words: list[dict[str, str]], older: bool) -> None:
    found = why(now, *words)
    assert list(found) == (["proxy"] if older else [])
    assert why(now, *words, confirmed=["proxy"]) == {}


def test_it_is_said_whose_from_when_and_how_to_insist() -> None:
    nodes = {"group swarm_workers": "1"}, {"group swarm_workers": "2"}
    found = why({**A, **nodes[0]}, {**A, **nodes[0]}, {**B, **nodes[0]}, {**B, **nodes[1]})
    assert found["proxy"] == (
        "is an older copy: site.yml by me1@desk, 2026-11-01T10:00:00Z, recorded the same, and site.yml by me2@desk, "
        "2026-11-02T10:00:00Z, a newer one, which differs in proxy_http_port; run site.yml with the newer copy of the "
        "inventory; to go back on purpose, say so: -e platform_older_confirmed=nodes,proxy"
    )
    assert "differs in group swarm_workers" in found["nodes"]
    assert list(why({**A, **nodes[0]}, {**A, **nodes[0]}, {**B, **nodes[1]}, confirmed=["proxy"])) == ["nodes"]


def test_the_command_line_says_nothing_of_the_inventory() -> None:
    """Neither is a copy older for it, nor is what it says recorded."""
    rows = history(A)
    given = ["proxy_http_port"]
    assert with_this_run(B, rows, "later", "me", given) == rows
    assert why(A, A, B, given=given) == {}
    assert why({**A, "proxy_hsts": "old"}, {**A, "proxy_hsts": "old"}, B, given=given)["proxy"].count("proxy_hsts") == 1
    # What is said besides is recorded, and the word of the inventory stays.
    [*_, last] = with_this_run({**B, "proxy_hsts": "new"}, rows, "later", "me", given)
    assert last.said == {"proxy_hsts": "new"}


# --- the record ---


def test_a_run_that_says_the_same_leaves_no_row() -> None:
    rows = history(A, B)
    assert with_this_run(B, rows, "later", "me", ()) == rows
    assert [row.said for row in rows] == [A, {"proxy_http_port": "b"}]
    gone = with_this_run({"proxy_hsts": "same"}, rows, "later", "me", ())
    assert gone[-1] == Row("later", "me", {"proxy_http_port": ""})
    assert why({"proxy_hsts": "same"}, A, {"proxy_hsts": "same"}) == {}


def test_the_oldest_rows_become_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(said, "ROWS_MAX", 2)
    assert history({**A, "registry_memory": "x"}, {**B, "registry_memory": "x"}, C) == [
        Row("2026-11-02T10:00:00Z", "me2@desk", {**B, "registry_memory": "x"}),
        Row("2026-11-03T10:00:00Z", "me3@desk", {"proxy_http_port": "c", "registry_memory": ""}),
    ]


def test_a_record_is_read_as_it_was_written() -> None:
    rows = history(A, B)
    text = dump_rows(rows)
    assert parse_rows(text) == rows
    assert dump_rows(parse_rows(text)) == text
    # Ansible makes a list or a mapping of a text that looks like one.
    assert text.startswith(HEAD)


@pytest.mark.parametrize("text", ["", "{}", "x", f"{HEAD}\n{{", f"{HEAD}\n[]", f'{HEAD}\n{{"when": "x"}}'])
def test_a_part_of_a_record_is_none(text: str) -> None:
    with pytest.raises(ValueError, match="no whole record"):
        parse_rows(text)
