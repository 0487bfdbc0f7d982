"""One entry of a hosts file, among those of others."""

from __future__ import annotations

import pytest

from ansible_collections.fungap.swarm.plugins.module_utils.plan.hosts_file import with_entry

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
