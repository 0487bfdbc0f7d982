# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A daemon.json that is not ours alone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.fungap.swarm.plugins.module_utils.config_files.model import PathState
from ansible_collections.fungap.swarm.plugins.module_utils.core.errors import PlatformError
from ansible_collections.fungap.swarm.plugins.module_utils.daemon_config.model import (
    Config,
    Engine,
    Memory,
    config_text,
    memory_text,
    parse_daemon_config,
    parse_flags,
    parse_memory,
)
from ansible_collections.fungap.swarm.plugins.module_utils.daemon_config.plan import (
    DaemonPlan,
    describe,
    merge,
    plan_daemon_config,
    restart_warning,
    wanted_config,
)
from ansible_collections.fungap.swarm.plugins.module_utils.daemon_config.shown import without_values

PATH = "/etc/docker/daemon.json"
LOGS: Config = {"log-driver": "json-file", "log-opts": {"max-size": "10m"}}
OURS: Config = {**LOGS, "mtu": 1500}
THEIRS: Config = {"data-root": "/srv/docker", "userns-remap": "default", "registry-mirrors": ["https://theirs"]}
MIRROR: Config = {"registry-mirrors": ["https://ours"]}
ENGINE = Engine(answering=True, identity="42 7 boot")
FOREIGN = replace(ENGINE, foreign=("db", "web"))


def remembered(added: Config, **more: Any) -> Memory:
    return Memory(added=added, **more)


NEVER = Memory(known=False)


@pytest.mark.parametrize(
    ("found", "memory", "wanted", "config", "added"),
    [
        pytest.param({}, NEVER, OURS, OURS, OURS, id="nothing there"),
        pytest.param(THEIRS, NEVER, {}, THEIRS, {}, id="theirs only, nothing wanted"),
        pytest.param(THEIRS, NEVER, OURS, {**THEIRS, **OURS}, OURS, id="theirs, and ours beside it"),
        pytest.param(OURS, remembered(OURS), OURS, OURS, OURS, id="ours only, as wanted"),
        pytest.param({**THEIRS, **OURS}, remembered(OURS), OURS, {**THEIRS, **OURS}, OURS, id="both, as wanted"),
        pytest.param({"mtu": 1500}, NEVER, OURS, OURS, LOGS, id="theirs, and we want the same"),
        # What was ours
        pytest.param({**THEIRS, **OURS}, remembered(OURS), LOGS, {**THEIRS, **LOGS}, LOGS, id="ours, unwanted now"),
        pytest.param({**THEIRS, **OURS}, remembered(LOGS), LOGS, {**THEIRS, **OURS}, LOGS, id="theirs, never wanted"),
        pytest.param(
            {"mtu": 1500},
            remembered({"mtu": 1500}),
            {"mtu": 1400},
            {"mtu": 1400},
            {"mtu": 1400},
            id="ours, another value",
        ),
        pytest.param(
            {"mtu": 1450}, remembered({"mtu": 1500}), {}, {"mtu": 1450}, {}, id="ours, changed by them, unwanted"
        ),
        pytest.param(
            {"mtu": 1400},
            remembered({"mtu": 1500}),
            {"mtu": 1400},
            {"mtu": 1400},
            {},
            id="ours, changed by them to what we want now",
        ),
        pytest.param(THEIRS, remembered(OURS), OURS, {**THEIRS, **OURS}, OURS, id="ours, taken out by them, wanted"),
        pytest.param(THEIRS, remembered(OURS), {}, THEIRS, {}, id="ours, taken out by them, unwanted"),
        # Maps
        pytest.param(
            {"log-opts": {"labels": "a"}},
            NEVER,
            LOGS,
            {"log-opts": {"labels": "a", "max-size": "10m"}, "log-driver": "json-file"},
            LOGS,
            id="a map of theirs, with a key of ours",
        ),
        pytest.param(
            {"log-opts": {"labels": "a", "max-size": "10m"}},
            remembered({"log-opts": {"max-size": "10m"}}),
            {},
            {"log-opts": {"labels": "a"}},
            {},
            id="a map of theirs, without ours again",
        ),
        pytest.param(
            {"log-opts": {"max-size": "10m"}},
            remembered({"log-opts": {"max-size": "10m"}}),
            {},
            {},
            {},
            id="a map of ours goes",
        ),
        pytest.param(
            {"log-opts": {"max-size": "10m"}},
            remembered({"log-opts": {"max-size": "10m"}}, were_empty=(("log-opts",),)),
            {},
            {"log-opts": {}},
            {},
            id="an empty map of theirs stays",
        ),
        pytest.param(
            {"builder": {"gc": {"enabled": True}}},
            NEVER,
            {"builder": {"gc": {"defaultKeepStorage": "9GB"}}},
            {"builder": {"gc": {"enabled": True, "defaultKeepStorage": "9GB"}}},
            {"builder": {"gc": {"defaultKeepStorage": "9GB"}}},
            id="nested",
        ),
        # Lists
        pytest.param(
            {"registry-mirrors": ["https://theirs"]},
            NEVER,
            MIRROR,
            {"registry-mirrors": ["https://theirs", "https://ours"]},
            MIRROR,
            id="a list that is united",
        ),
        pytest.param(
            {"registry-mirrors": ["https://theirs", "https://ours"]},
            remembered(MIRROR),
            {},
            {"registry-mirrors": ["https://theirs"]},
            {},
            id="ours leaves it",
        ),
        pytest.param(
            {"registry-mirrors": ["https://ours", "https://theirs"]},
            remembered(MIRROR),
            MIRROR,
            {"registry-mirrors": ["https://ours", "https://theirs"]},
            MIRROR,
            id="theirs came behind ours: the order stays",
        ),
        pytest.param(
            {"registry-mirrors": ["https://ours"]},
            NEVER,
            MIRROR,
            MIRROR,
            {},
            id="it was in their list already",
        ),
        pytest.param({"registry-mirrors": ["https://ours"]}, remembered(MIRROR), {}, {}, {}, id="a list of ours goes"),
        pytest.param(
            {"registry-mirrors": ["https://ours"]},
            remembered(MIRROR, were_empty=(("registry-mirrors",),)),
            {},
            {"registry-mirrors": []},
            {},
            id="an empty list of theirs stays",
        ),
        pytest.param(
            {},
            NEVER,
            {"hosts": ["unix:///a", "unix:///a"]},
            {"hosts": ["unix:///a", "unix:///a"]},
            {"hosts": ["unix:///a", "unix:///a"]},
            id="a list of ours, as it is",
        ),
        pytest.param(
            {"dns": ["192.0.2.1"]}, NEVER, {"dns": ["192.0.2.1"]}, {"dns": ["192.0.2.1"]}, {}, id="a list as one value"
        ),
        # A run that was killed between its writes
        pytest.param(
            {"mtu": 1500},
            remembered({"mtu": 1400}, added_before={"mtu": 1500}),
            {"mtu": 1400},
            {"mtu": 1400},
            {"mtu": 1400},
            id="killed before the file was written",
        ),
        pytest.param(
            {"mtu": 1400},
            remembered({"mtu": 1400}, added_before={"mtu": 1500}),
            {"mtu": 1400},
            {"mtu": 1400},
            {"mtu": 1400},
            id="killed after it",
        ),
    ],
)
def test_merge(found: Config, memory: Memory, wanted: Config, config: Config, added: Config) -> None:
    merged = merge(found, memory, wanted)
    assert not merged.conflicts
    assert merged.config == config
    assert merged.added == added
    again = merge(config, Memory(added=added, were_empty=merged.were_empty), wanted)
    assert (again.config, again.added, again.were_empty) == (config, added, merged.were_empty)
    # And away again: theirs is as it was, without what earlier runs had added.
    assert merge(config, Memory(added=added, were_empty=merged.were_empty), {}).config == merged.theirs


def test_their_order_stays() -> None:
    found = {"mtu": 1500, "data-root": "/srv", "log-driver": "json-file"}
    config = merge(found, remembered({"mtu": 1500}), {"log-driver": "json-file", "mtu": 1400, "debug": True}).config
    assert list(config) == ["mtu", "data-root", "log-driver", "debug"]


@pytest.mark.parametrize(
    ("found", "memory", "wanted", "told"),
    [
        ({"mtu": 1450}, NEVER, OURS, "mtu is 1450, and 1500 is wanted: set docker_engine_mtu to what is there"),
        ({"mtu": "1500"}, NEVER, OURS, 'mtu is "1500", and 1500 is wanted'),
        ({"live-restore": 1}, NEVER, {"live-restore": True}, "live-restore is 1, and true is wanted"),
        ({"log-driver": "journald"}, NEVER, OURS, "leave it alone with docker_engine_daemon: {log-driver: null}"),
        (
            {"log-opts": {"max-size": "50m"}},
            NEVER,
            OURS,
            'log-opts.max-size is "50m", and "10m" is wanted: set docker_engine_daemon.log-opts.max-size',
        ),
        ({"log-opts": "none"}, NEVER, OURS, 'log-opts is "none", and {"max-size": "10m"} is wanted'),
        ({"log-driver": None}, NEVER, OURS, "log-driver is null"),
        ({"hosts": "fd://"}, NEVER, {"hosts": ["unix:///a"]}, 'hosts is "fd://"'),
        ({"dns": ["192.0.2.1"]}, NEVER, {"dns": ["192.0.2.2"]}, 'dns is ["192.0.2.1"], and ["192.0.2.2"] is wanted'),
        (
            {"default-address-pools": [{"base": "10.0.0.0/8", "size": 24}]},
            NEVER,
            {"default-address-pools": [{"base": "10.2.0.0/16", "size": 24}]},
            "set docker_engine_address_pools to what is there",
        ),
        ({"mtu": 1450}, remembered({"mtu": 1500}), {"mtu": 1400}, "mtu is 1450, and 1400 is wanted"),
        ({"x": {"hosts": ["1"]}}, NEVER, {"x": {"hosts": ["2"]}}, 'x.hosts is ["1"], and ["2"] is wanted'),
        (
            {"labels": ["a=hunter22", "b=c"]},
            NEVER,
            {"labels": ["b=c"]},
            'labels is ["(not shown)", "(not shown, 2)"], and ["(not shown, 2)"] is wanted',
        ),
        (
            {"log-opts": {"hunter22@x": "a"}},
            NEVER,
            {"log-opts": {"hunter22@x": "b"}},
            'log-opts.(not shown) is "(not shown)", and "(not shown, 2)" is wanted: '
            "set docker_engine_daemon.log-opts.(not shown)",
        ),
    ],
)
def test_conflicts_are_named(found: Config, memory: Memory, wanted: Config, told: str) -> None:
    with pytest.raises(PlatformError) as refused:
        plan(found, memory, wanted)
    assert "Nothing was changed" in refused.value.message
    assert told in refused.value.message
    assert "hunter22" not in refused.value.message


# What may stand in a daemon.json and has a login in it.
LOGINS: list[Config] = [
    {"proxies": {"http-proxy": "http://u:x@hunter22@p:3128"}},
    {"proxies": {"http-proxy": "http://u:hun/hunter22@p:3128"}},
    {"proxies": {"http-proxy": "http://u:hunter22@p:1"}},
    {"labels": ["api=hunter22"]},
    {"log-opts": {"splunk-token": "hunter22"}},
    {"log-opts": {"splunk-token": {"a": ["hunter22"]}}},
    {"log-opts": {"gelf-address": "tcp://x?auth=hunter22"}},
    {"log-opts": {"tag": "hunter22"}},
    {"log-opts": {"u:hunter22@x": "1"}},
    {"runtimes": {"a": {"path": "/usr/bin/a", "runtimeArgs": ["--auth", "hunter22"]}}},
    {"registry-mirrors": ["https://mirror.example/hunter22"]},
    {"hunter22 is the key": 1},
]


@pytest.mark.parametrize("config", LOGINS)
def test_no_login_is_shown_and_yet_that_it_changes(config: Config) -> None:
    other = json.loads(json.dumps(config).replace("hunter22", "hunter222"))
    for found, wanted in ((config, other), (config, {}), ({}, config)):
        before, after = describe(found, wanted)
        assert before != after
        assert "hunter22" not in json.dumps([before, after])
        assert "hunter22" not in restart_warning([*found, *wanted], ["db"])
    assert "hunter22" not in without_values(f"invalid: {', '.join(_texts(config))}", config)
    key = next(iter(config))
    with pytest.raises(PlatformError) as refused:
        plan({"mtu": 1, **config}, NEVER, {"mtu": 2, key: "theirs" if config[key] != 1 else 2})
    assert refused.value.message.count(" is wanted") == 2
    assert "hunter22" not in refused.value.message


def _texts(value: Any) -> Iterator[str]:
    """Every key and text of a value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from value
        yield from _texts(list(value.values()))
    elif isinstance(value, list):
        for one in value:
            yield from _texts(one)


def test_what_the_engine_s_own_words_are_is_shown() -> None:
    config = {
        "data-root": "/srv/docker",
        "debug": True,
        "dns": ["192.0.2.1"],
        "hosts": ["fd://"],
        "log-driver": "journald",
        "log-opts": {"max-size": "10m", "compress": "true", "tag": ""},
        "mtu": 1500,
        "storage-driver": "overlay2",
    }
    assert describe({}, config) == ({}, config)
    assert without_values("unknown log driver: journald, 10m", config) == "unknown log driver: journald, 10m"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{", "is not JSON"),
        ("{} {}", "is not JSON"),
        ("# mine\n{}", "is not JSON"),
        ('{"mtu": NaN}', "NaN is no number"),
        ('{"mtu": 1e999}', "1e999 is no number"),
        ('{"u:x@y": 1, "u:x@y": 2}', "the key (not shown) is there twice"),
        ('{"mtu": 1, "mtu": 2}', "the key 'mtu' is there twice"),
        ('{"log-opts": {"a": "1", "a": "2"}}', "the key 'a' is there twice"),
        ("[]", "but no object"),
        ("null", "but no object"),
        ('"daemon"', "but no object"),
        ("[" * 100_000, "nested too deeply"),
    ],
)
def test_what_is_no_object_is_refused(text: str, told: str) -> None:
    with pytest.raises(PlatformError) as refused:
        parse_daemon_config(PATH, PathState("file", text))
    assert PATH in refused.value.message
    assert told in refused.value.message
    assert "Nothing was changed" in refused.value.message


@pytest.mark.parametrize(
    ("state", "told"),
    [
        (PathState("file", None), "not UTF-8"),
        (PathState("other"), "no regular file"),
        (PathState("directory"), "no regular file"),
    ],
)
def test_what_is_no_text_file_is_refused(state: PathState, told: str) -> None:
    with pytest.raises(PlatformError, match=told):
        parse_daemon_config(PATH, state)


@pytest.mark.parametrize(
    "state", [PathState(), PathState("file", ""), PathState("file", " \n"), PathState("file", "\ufeff{}")]
)
def test_no_file_and_an_empty_one_say_nothing(state: PathState) -> None:
    assert parse_daemon_config(PATH, state) == {}


@pytest.mark.parametrize(
    "memory",
    [
        Memory(wanted=OURS, added=LOGS),
        Memory(
            wanted=OURS,
            added=LOGS,
            were_empty=(("log-opts",),),
            added_before=OURS,
            due="restart",
            due_engine="boot 1 2",
        ),
    ],
)
def test_what_is_remembered_is_read_again(memory: Memory) -> None:
    assert parse_memory("/m", PathState("file", memory_text(memory))) == memory


def test_what_is_remembered_says_what_it_is() -> None:
    assert "docker_engine" in json.loads(memory_text(Memory()))["about"]
    assert not parse_memory("/m", PathState()).known


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"wanted": 1, "added": {}}', '{"wanted": {}, "added": [], "were_empty": 1}']
)
def test_a_broken_memory_is_refused(text: str) -> None:
    with pytest.raises(PlatformError, match="/m can't be read"):
        parse_memory("/m", PathState("file", text))


@pytest.mark.parametrize(
    ("own", "given", "wanted"),
    [
        (LOGS, {}, LOGS),
        (LOGS, {"mtu": 1400}, {**LOGS, "mtu": 1400}),
        (LOGS, {"log-opts": {"max-size": "50m"}}, {"log-driver": "json-file", "log-opts": {"max-size": "50m"}}),
        (LOGS, {"log-driver": None}, {}),
        (LOGS, {"log-opts": None}, {"log-driver": "json-file"}),
        (LOGS, {"log-driver": "journald"}, {"log-driver": "journald"}),
        (LOGS, {"log-driver": "json-file"}, LOGS),
        (
            LOGS,
            {"log-driver": "local", "log-opts": {"max-size": "5m"}},
            {"log-driver": "local", "log-opts": {"max-size": "5m"}},
        ),
    ],
)
def test_wanted_config(own: Config, given: Config, wanted: Config) -> None:
    assert wanted_config(own, given) == wanted


@pytest.mark.parametrize(
    ("arguments", "keys", "config_file"),
    [
        ([], set(), ""),
        (["/usr/bin/dockerd", "-H", "fd://", "--containerd=/run/c.sock"], {"hosts", "containerd"}, ""),
        (
            ["dockerd", "-Hfd://", "--log-opt", "max-size=1m", "--live-restore"],
            {"hosts", "log-opts", "live-restore"},
            "",
        ),
        (["dockerd", "--insecure-registry=a", "--config-file", "/srv/d.json"], {"insecure-registries"}, "/srv/d.json"),
        (["dockerd", "--config-file=/srv/d.json", "-D"], {"debug"}, "/srv/d.json"),
    ],
)
def test_flags_of_dockerd(arguments: list[str], keys: set[str], config_file: str) -> None:
    assert parse_flags(arguments) == (keys, config_file)


def plan(
    found: Config | None, memory: Memory, wanted: Config, engine: Engine = ENGINE, text: str | None = None, **more: Any
) -> DaemonPlan:
    content = text if text is not None or found is None else json.dumps(found)
    return plan_daemon_config(PATH, found or {}, content, memory, wanted, engine, **more)


@pytest.mark.parametrize(
    ("found", "memory", "wanted", "engine", "effect"),
    [
        pytest.param({}, NEVER, OURS, ENGINE, "restart", id="keys that are read at the start"),
        pytest.param({}, NEVER, OURS, Engine(), "", id="no engine yet"),
        pytest.param({}, NEVER, MIRROR, ENGINE, "reload", id="a key that can be reloaded"),
        pytest.param(THEIRS, NEVER, MIRROR, FOREIGN, "reload", id="a reload stops nobody"),
        pytest.param({}, NEVER, MIRROR, replace(ENGINE, identity=""), "restart", id="nobody knows whom to tell"),
        pytest.param({}, NEVER, {**MIRROR, "mtu": 1}, ENGINE, "restart", id="one that can, one that can't"),
        pytest.param(MIRROR, remembered(MIRROR), {}, ENGINE, "restart", id="what is gone is not reloaded"),
        pytest.param(OURS, remembered(OURS, wanted=OURS), OURS, FOREIGN, "", id="as wanted"),
        pytest.param(OURS, NEVER, OURS, FOREIGN, "", id="as wanted before we came"),
        pytest.param(
            OURS,
            remembered(OURS, due="restart", due_engine="42 7 boot"),
            OURS,
            ENGINE,
            "restart",
            id="an earlier run was killed before the restart",
        ),
        pytest.param(
            OURS,
            remembered(OURS, due="restart", due_engine="41 7 boot"),
            OURS,
            FOREIGN,
            "",
            id="another engine runs since",
        ),
        pytest.param(
            OURS,
            remembered(OURS, due="reload", due_engine="42 7 boot"),
            OURS,
            FOREIGN,
            "reload",
            id="killed before the reload",
        ),
        pytest.param(
            {},
            remembered({}, due="restart", due_engine="42 7 boot"),
            MIRROR,
            ENGINE,
            "restart",
            id="a restart is due besides",
        ),
    ],
)
def test_what_the_engine_has_to_do(found: Config, memory: Memory, wanted: Config, engine: Engine, effect: str) -> None:
    planned = plan(found, memory, wanted, engine)
    assert planned.effect == effect
    if effect:
        assert (planned.memory.due, planned.memory.due_engine) == (effect, engine.identity)
    # Once it has: the same engine after a reload, another one after a restart.
    after = replace(engine, identity="43 9 boot") if engine.identity else engine
    if planned.config is not None and engine.answering:
        again = plan(planned.config, planned.memory, wanted, after)
        assert (again.keys, again.effect, again.remember, again.config) == ((), "", False, None)


@pytest.mark.parametrize(
    ("found", "memory", "told"),
    [
        (THEIRS, NEVER, "for log-driver, log-opts, mtu of its daemon.json"),
        (OURS, remembered(OURS, due="restart", due_engine="42 7 boot"), "an earlier run was ended before it did"),
    ],
)
def test_a_restart_that_stops_others_needs_a_confirmation(found: Config, memory: Memory, told: str) -> None:
    with pytest.raises(PlatformError) as refused:
        plan(found, memory, OURS, FOREIGN)
    for part in (told, "db, web", "Nothing was changed", "-e docker_engine_restart_confirmed=true"):
        assert part in refused.value.message
    assert plan(found, memory, OURS, FOREIGN, restart_confirmed=True).effect == "restart"
    assert plan(found, memory, OURS, ENGINE).effect == "restart"


def test_a_restart_is_announced() -> None:
    assert "db, web" in restart_warning(["mtu"], ["db", "web"])


def test_a_key_on_the_command_line_would_keep_the_engine_down() -> None:
    with pytest.raises(PlatformError) as refused:
        plan({}, NEVER, OURS, replace(ENGINE, flags=frozenset({"hosts", "mtu"})))
    assert "mtu is given on dockerd's command line" in refused.value.message
    assert "docker_engine_daemon: {mtu: null}" in refused.value.message
    assert "log-driver" not in refused.value.message


def test_an_engine_with_another_file_is_refused() -> None:
    with pytest.raises(PlatformError, match="dockerd reads /srv/d"):
        plan({}, NEVER, OURS, replace(ENGINE, config_file="/srv/d.json"))


@pytest.mark.parametrize(
    ("found", "memory", "text", "kept", "keep"),
    [
        pytest.param(None, NEVER, None, False, False, id="nothing there"),
        pytest.param({}, NEVER, "", False, True, id="an empty file"),
        pytest.param(THEIRS, NEVER, None, False, True, id="theirs"),
        pytest.param(THEIRS, NEVER, None, True, False, id="kept already"),
        pytest.param({"mtu": 1400}, remembered({"mtu": 1400}), None, False, False, id="ours alone"),
        pytest.param({**THEIRS, "mtu": 1400}, remembered({"mtu": 1400}), None, False, True, id="theirs came later"),
        pytest.param(OURS, NEVER, None, False, False, id="nothing to write"),
    ],
)
def test_their_file_is_kept_once(
    found: Config | None, memory: Memory, text: str | None, kept: bool, keep: bool
) -> None:
    assert plan(found, memory, OURS, text=text, original_kept=kept).keep_original is keep


def test_what_an_older_version_wrote_is_ours() -> None:
    wanted = wanted_config({"log-opts": {"max-size": "10m", "max-file": "3"}, "mtu": 1500}, {"debug": True})
    text = json.dumps(wanted, indent=2, sort_keys=True) + "\n"
    assert config_text(wanted) == text
    adopted = plan(wanted, NEVER, wanted, text=text)
    assert (adopted.config, adopted.effect, adopted.keep_original) == (None, "", False)
    assert adopted.memory.added == wanted
    # Written by anybody else, even with the same keys: theirs.
    assert plan(wanted, NEVER, wanted, text=json.dumps(wanted)).memory.added == {}


def test_only_what_changes_is_shown() -> None:
    found = {**THEIRS, "http-proxy": "http://u:hunter2@proxy", "log-opts": {"labels": "a", "max-size": "5m"}}
    config = {**found, "log-opts": {"labels": "a", "max-size": "10m"}, "mtu": 1500}
    assert describe(found, config) == ({"log-opts": {"max-size": "5m"}}, {"log-opts": {"max-size": "10m"}, "mtu": 1500})
