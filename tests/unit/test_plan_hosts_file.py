"""One entry of a hosts file, among those of others."""

from __future__ import annotations

import pytest

from ansible_collections.fungap.swarm.plugins.module_utils.host.hosts_file import (
    Line,
    clashes,
    parse_lines,
    with_entry,
)

LOCAL = "127.0.0.1 localhost\n"
OTHER = "# BEGIN other\n172.31.0.2 other\n# END other\n"
OLD = "# BEGIN ours\n172.30.0.2 registry\n# END ours\n"
NEW = "# BEGIN ours\n172.30.0.9 registry\n# END ours\n"
BEGIN, END = "# BEGIN ours\n", "# END ours\n"


@pytest.mark.parametrize(
    ("text", "entry", "expected"),
    [
        pytest.param(LOCAL, "172.30.0.9 registry", LOCAL + NEW, id="the first"),
        pytest.param("127.0.0.1 localhost", "172.30.0.9 registry", LOCAL + NEW, id="no line end"),
        pytest.param("", "172.30.0.9 registry", NEW, id="an empty file"),
        pytest.param(LOCAL + OLD + OTHER, "172.30.0.9 registry", LOCAL + NEW + OTHER, id="another address, same place"),
        pytest.param(LOCAL + NEW + OTHER, "172.30.0.9 registry", LOCAL + NEW + OTHER, id="as wanted"),
        pytest.param(LOCAL + OLD + OTHER, "", LOCAL + OTHER, id="gone"),
        pytest.param(LOCAL + OTHER, "", LOCAL + OTHER, id="was not there"),
        pytest.param(BEGIN + LOCAL, "172.30.0.9 registry", BEGIN + LOCAL + NEW, id="no end"),
        pytest.param(BEGIN + LOCAL + OLD, "", BEGIN + LOCAL, id="no end, and a whole one"),
        pytest.param(END + LOCAL, "172.30.0.9 registry", END + LOCAL + NEW, id="no begin"),
        pytest.param(END + LOCAL + OLD, "172.30.0.9 registry", END + LOCAL + NEW, id="no begin, and a whole one"),
    ],
)
def test_with_entry(text: str, entry: str, expected: str) -> None:
    assert with_entry(text, "ours", entry) == expected
    assert with_entry(expected, "ours", entry) == expected


LOCALHOST = Line("127.0.0.1", ("localhost",))
REGISTRY = Line("172.30.0.2", ("registry",), "ours")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(LOCAL + OLD + OTHER, [LOCALHOST, REGISTRY, Line("172.31.0.2", ("other",), "other")], id="owners"),
        pytest.param(OLD + "10.0.0.1 a b # c\n", [REGISTRY, Line("10.0.0.1", ("a", "b"))], id="nobody's"),
        pytest.param(BEGIN + LOCAL, [LOCALHOST], id="no end"),
        pytest.param(END + LOCAL, [LOCALHOST], id="no begin"),
        pytest.param("\n# 10.0.0.1 x\n10.0.0.1\n", [], id="nothing in it"),
    ],
)  # fmt: skip
def test_whose_a_line_is(text: str, expected: list[Line]) -> None:
    assert parse_lines(text) == expected


@pytest.mark.parametrize(
    ("text", "name", "said_by"),
    [
        pytest.param(LOCAL, "registry", [], id="nobody has the name"),
        pytest.param(OLD, "registry", [], id="its own, of another address"),
        pytest.param("172.30.0.9 registry\n", "registry", [], id="somebody's, of the same address"),
        pytest.param("10.0.0.1 vm registry\n", "registry", [""], id="somebody's"),
        pytest.param(OTHER, "other", ["other"], id="another owner's"),
        pytest.param(OTHER + "10.0.0.1 other\n", "other", ["other", ""], id="behind the first, too"),
    ],
)
def test_who_gives_a_name_another_address(text: str, name: str, said_by: list[str]) -> None:
    assert [line.owner for line in clashes(parse_lines(text), "ours", "172.30.0.9", name)] == said_by
