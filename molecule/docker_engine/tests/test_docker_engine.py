"""The engine as one meets it on the machine."""

from __future__ import annotations

import json

from testinfra.host import Host


def test_service_runs_and_comes_back_after_a_boot(host: Host) -> None:
    assert host.service("docker").is_running
    assert host.service("docker").is_enabled


def test_configuration_is_valid_and_rotates_logs(host: Host) -> None:
    assert host.run("dockerd --validate --config-file /etc/docker/daemon.json").succeeded
    daemon = json.loads(host.file("/etc/docker/daemon.json").content_string)
    assert daemon["log-driver"] == "json-file"
    assert daemon["log-opts"] == {"labels": "owner", "max-size": "10m", "max-file": "3"}


def test_keys_of_others_stay_and_ours_that_are_not_wanted_go(host: Host) -> None:
    file = host.file("/etc/docker/daemon.json")
    daemon = json.loads(file.content_string)
    assert file.mode == 0o640
    assert daemon["data-root"] == "/var/lib/docker/theirs"
    assert daemon["registry-mirrors"] == ["https://theirs.example.com", "https://ours.example.com"]
    assert "debug" not in daemon
    info = json.loads(host.check_output("docker info --format '{{json .}}'"))
    assert info["DockerRootDir"] == "/var/lib/docker/theirs"
    assert not info["Debug"]
    assert host.file("/var/lib/docker").listdir() == ["theirs"]


def test_the_operator_s_file_is_kept_and_ours_are_known(host: Host) -> None:
    assert json.loads(host.file("/etc/docker/daemon.json.original").content_string) == {
        "data-root": "/var/lib/docker/theirs",
        "registry-mirrors": ["https://theirs.example.com"],
        "log-opts": {"labels": "owner"},
    }
    memory = host.file("/etc/docker/fungap-swarm.json")
    assert memory.mode == 0o600
    added = json.loads(memory.content_string)["added"]
    assert added["registry-mirrors"] == ["https://ours.example.com"]
    assert added["log-opts"] == {"max-size": "10m", "max-file": "3"}
    assert "data-root" not in added


def test_what_others_run_runs_again(host: Host) -> None:
    assert host.check_output("docker inspect --format '{{.State.Running}}' theirs") == "true"


def test_engine_works_with_that_configuration(host: Host) -> None:
    info = json.loads(host.check_output("docker info --format '{{json .}}'"))
    assert info["Driver"] == "overlay2"
    assert info["LoggingDriver"] == "json-file"
    assert info["DefaultAddressPools"] == [{"Base": "10.210.0.0/16", "Size": 24}]


def test_metrics_are_private(host: Host) -> None:
    assert host.socket("tcp://127.0.0.1:9323").is_listening
    assert not host.socket("tcp://0.0.0.0:9323").is_listening


def test_kernel_limits_are_raised_for_good(host: Host) -> None:
    assert host.sysctl("fs.inotify.max_user_instances") == 8192
    assert "fs.inotify.max_user_instances = 8192" in host.file("/etc/sysctl.d/60-fungap-swarm.conf").content_string


def test_python_sdk_is_there_for_the_modules(host: Host) -> None:
    assert host.run("/usr/bin/python3 -c 'import docker'").succeeded
