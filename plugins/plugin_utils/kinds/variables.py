# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a variable's value has to look like beyond its type: a folder of its own, a size, a URL, ... Pure.

Each kind is written once. ``KINDS`` says which variables are of it; a new variable belongs there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from ansible_collections.fungap.swarm.plugins.module_utils.folder.model import why_not_own_folder
from ansible_collections.fungap.swarm.plugins.module_utils.image.model import PACKAGE
from ansible_collections.fungap.swarm.plugins.module_utils.member.model import SwarmSettings
from ansible_collections.fungap.swarm.plugins.plugin_utils.kinds.addresses import (
    why_no_acme_server,
    why_no_address,
    why_no_address_or_network,
    why_no_from,
    why_no_from_pattern,
    why_no_host,
    why_no_host_lines,
    why_no_host_name,
    why_no_host_port,
    why_no_jenkins_registries,
    why_no_login_url,
    why_no_network,
    why_no_port,
    why_no_registries,
    why_no_registry,
    why_no_site_network,
    why_no_url,
    why_not_trusted,
)
from ansible_collections.fungap.swarm.plugins.plugin_utils.kinds.amounts import (
    DAY_SECONDS,
    why_no_prometheus_size,
    why_no_prometheus_time,
    why_no_upload_size,
)
from ansible_collections.fungap.swarm.plugins.plugin_utils.kinds.daemon import (
    why_no_address_pool,
    why_no_bind,
    why_no_binds,
    why_no_daemon,
    why_no_engine_daemon,
    why_no_sysctls,
)
from ansible_collections.fungap.swarm.plugins.plugin_utils.kinds.images import (
    why_no_archive_sha256,
    why_no_bases,
    why_no_catalog,
    why_no_image,
    why_no_image_name,
    why_no_taken,
)
from ansible_collections.fungap.swarm.plugins.plugin_utils.kinds.kind import (
    CPUS_MAX,
    MEBIBYTE,
    Kind,
    cpus,
    duration,
    matching,
    number,
    one_of,
    optional,
    size,
)
from ansible_collections.fungap.swarm.plugins.plugin_utils.kinds.schedules import (
    why_no_expression,
    why_no_overlap,
    why_no_schedules,
    why_no_timezone,
)
from ansible_collections.fungap.swarm.plugins.plugin_utils.kinds.secrets import (
    why_no_certificates,
    why_no_known_hosts_line,
    why_no_login,
    why_no_mail,
    why_no_plain_mail,
    why_no_private_key,
    why_no_sender,
    why_no_signing_key,
)
from ansible_collections.fungap.swarm.plugins.plugin_utils.kinds.swarm import (
    why_no_command,
    why_no_constraint,
    why_no_health_test,
    why_no_host_text,
    why_no_labels,
    why_no_template,
    why_no_words,
)
from ansible_collections.fungap.swarm.plugins.plugin_utils.kinds.texts import (
    DOCKER_NAME,
    as_list,
    why_has_nothing,
    why_no_environment,
    why_no_ini_text,
    why_no_line,
    why_no_metrics_path,
    why_no_mode,
    why_no_owner,
    why_no_place,
    why_no_profiles,
    why_no_request_path,
    why_no_sha256,
)
from ansible_collections.fungap.swarm.plugins.plugin_utils.kinds.web import (
    why_no_default_headers,
    why_no_headers,
    why_no_page,
    why_no_path,
    why_no_redirect_target,
    why_no_users,
)
from ansible_collections.fungap.swarm.plugins.plugin_utils.problem import show_key

# Docker's own least for a container; a node's engine does not start with less than its.
CONTAINER_BYTES_MIN, NODE_BYTES_MIN = 6 * MEBIBYTE, 128 * MEBIBYTE
# What the swarm takes of a service.
RESERVED_BYTES_MIN, CPUS_MIN = 4 * MEBIBYTE, 0.001
OWN_FOLDER = Kind(why_not_own_folder, "a folder of its own, as /etc/fungap or /var/backups/fungap")
FOLDER = Kind(why_no_place, "as /srv/images")
SOCKET = Kind(why_no_place, "as /run/docker.sock")
# Of the controller, where a path may be relative and have spaces.
PATH = Kind(why_no_line, "a path on the controller")
ADDRESS = Kind(why_no_address, "as 192.0.2.10")
ADDRESS_OR_NETWORK = Kind(why_no_address_or_network, "as 192.0.2.10 or 192.0.2.0/24")
SITE_NETWORK = Kind(why_no_site_network, "a private network, as 172.30.0.0/24")
HOST = Kind(why_no_host, "as db.example.com or 192.0.2.10")
HOST_PORT = Kind(why_no_host_port, "as 192.0.2.10:8089 or [2001:db8::10]:8089")
URL = Kind(why_no_url, "as https://hooks.example.com/services/x", hidden=True, may_be_empty=True)
LINE = Kind(why_no_line, "one line")
HIDDEN_LINE = Kind(why_no_line, "one line", hidden=True)
LOGIN = Kind(why_no_login, "one line without a colon")
MAIL_SENDER = Kind(why_no_sender, "as platform@example.com, or Platform <platform@example.com>")
MAILS = Kind(why_no_mail, "as admin@example.com, or several with commas between them")
NAME = matching(DOCKER_NAME, "is not a name that Docker takes", "letters, digits and _ . -")
IMAGE_REFERENCE = Kind(why_no_image, "as registry.example.com/team/app:1")
CATALOG_NAME = Kind(why_no_image_name, "lower case letters, digits and . _ -")
CATALOG = Kind(why_no_catalog, "as {app: {build: {context: /srv/app, base: nodejs}}}")
PORT = Kind(why_no_port, "1 to 65535")
MTU = number(576, 65535, "0 for what is found out, or 576 to 65535", zero=True)
SECONDS = number(0, 7 * DAY_SECONDS, "0 or more")
# nginx counts no more of one client.
CONNECTIONS_MAX = 65535
# An age may be longer than anything is old: nothing goes then.
AGE_SECONDS = number(0, 2**32, "0 or more")

SECONDS_FROM_1 = number(1, 7 * DAY_SECONDS, "1 or more")

CONTAINER_MEMORY = size(CONTAINER_BYTES_MIN, "as 128M")
RESERVED_MEMORY = size(RESERVED_BYTES_MIN, "as 64M", zero=True)
CPUS = number(CPUS_MIN, CPUS_MAX, "as 0.5")
RESERVED_CPUS = number(CPUS_MIN, CPUS_MAX, "as 0.5, or 0 for none", zero=True)
REPLICAS = number(0, 10000, "0 or more")
DURATION_TEXT = duration(0, "as 10s or 1m30s")
# Docker takes 0 for its own default.
INTERVAL_TEXT = duration(10**6, "as 10s or 1m30s")
RATIO = number(0, 1, "0 to 1")
HEALTH_TEST = Kind(why_no_health_test, "as [CMD, /check]")
COMMAND = Kind(why_no_command, "as a list: [sh, -c, ...] for what a shell is to read")
TEMPLATE_TEXT = Kind(why_no_template, "as {{.Node.Hostname}}, or text without braces")
HOST_TEXT = Kind(why_no_host_text, "letters, digits, - and ., or as web-{{.Task.Slot}}")
OWNER = Kind(why_no_owner, "as 1000 or 1000:1000")
REGISTRY = Kind(why_no_registry, "as registry.example.com:5000, or docker.io")
KNOWN_HOSTS = Kind(why_no_known_hosts_line, "as: git.example.com ssh-ed25519 AAAA...", hidden=True)
ENVIRONMENT = Kind(why_no_environment, "as {http_proxy: 'http://proxy.example.com:3128'}", hidden=True)
NOTHING_EMPTY = Kind(why_has_nothing, "give it a value, or take the line away")
SERVICES = (
    "prometheus",
    "alertmanager",
    "grafana",
    "blackbox-exporter",
    "node-exporter",
    "engine-exporter",
    "swarm-exporter",
)

# A variable, or a part of it: [] stands for each element of a list, {} for each value of a mapping.
KINDS: Mapping[str, Kind] = {
    # Folders and files.
    **dict.fromkeys(
        (
            *("platform_config_dir", "platform_run_dir", "platform_secrets_dir", "reset_config_dir", "reset_run_dir"),
            *(
                "app_stacks_dir",
                "certificates_stacks_dir",
                "cron_stacks_dir",
                "monitoring_stacks_dir",
                "proxy_stacks_dir",
                "swarm_member_stacks_dir",
            ),
            *(
                "app_registry_config",
                "certificates_registry_config",
                "cron_registry_config",
                "images_registry_config",
                "monitoring_registry_config",
                "proxy_registry_config",
            ),
            *("registry_platform_dir", "registry_config_dir", "registry_client_dir", "registry_certs_dir"),
            *("proxy_edge_platform_dir", "proxy_edge_config_dir", "jenkins_platform_dir", "jenkins_config_dir"),
            *("swarm_node_run_dir", "swarm_node_config_dir"),
        ),
        OWN_FOLDER,
    ),
    "jenkins_backup_dir": optional(OWN_FOLDER),
    **dict.fromkeys(("images_save_dir", "images_archive_dir", "monitoring_engine_data_dir"), FOLDER),
    **dict.fromkeys(
        ("platform_trusted_ca_files[]", "images_trusted_ca_files[]"),
        Kind(why_no_place, "as /usr/local/share/ca-certificates/company.crt"),
    ),
    **dict.fromkeys(
        (
            *(
                "app_manager_socket",
                "app_images_socket",
                "certificates_socket",
                "cron_socket",
                "images_docker_socket",
                "load_test_docker_socket",
            ),
            *("monitoring_socket", "proxy_socket"),
        ),
        SOCKET,
    ),
    **dict.fromkeys(
        (
            *("app_env_dir", "backup_dir", "backup_key_file", "load_test_ca_file", "load_test_report_dir"),
            *(
                "jenkins_inventory_dir",
                "jenkins_secrets_dir",
                "reset_memory_file",
                "reset_ca_file",
                "monitoring_rule_files[]",
            ),
        ),
        PATH,
    ),
    **dict.fromkeys(
        (
            *("app_memory_file", "proxy_memory_file", "app_env_file", "backup_archive", "jenkins_vault_password_file"),
            *(f"{what}_certificate_{part}" for what in ("proxy", "jenkins") for part in ("file", "key_file")),
            *("apps{}.env_file", "proxy_acme.ca_file"),
        ),
        optional(PATH),
    ),
    "swarm_node_binds": Kind(why_no_binds, "each at another one"),
    "swarm_node_binds[]": Kind(why_no_bind, "as /srv/data:/data:ro"),
    # Names.
    **dict.fromkeys(
        (
            *("app_network", "monitoring_network", "monitoring_apps_network", "proxy_network", "proxy_edge_network"),
            *("registry_network", "registry_container", "registry_volume", "registry_seen_networks[]"),
            *("proxy_edge_container", "app_absent[]", "app_older_confirmed[]", "apps_absent[]", "monitoring_node"),
            *("apps_volumes_absent[]", "apps_volumes_anew[]", "app_volumes_absent[]", "app_volumes_anew[]"),
            "swarm_member_volumes_left[]",
            *(
                "apps_older_confirmed[]",
                "app_platform",
                "backup_platform",
                "certificates_platform",
                "cron_platform",
                "docker_engine_platform",
                "images_platform",
            ),
            *("jenkins_owner", "jenkins_platform", "monitoring_platform", "proxy_platform", "registry_platform"),
            "swarm_member_platform",
            *("load_test_platform", "reset_platform", "swarm_node_platform", "swarm_node_owner", "proxy_routes[].name"),
            *("proxy_routes[].upstream", "proxy_routes[].slot_prefix", "proxy_nodes[].name", "load_test_target.app"),
            "load_test_profile",
        ),
        NAME,
    ),
    **dict.fromkeys(
        (
            "app_name",
            "app_move_volume",
            "app_move_target",
            "app_images_host",
            "backup_name",
            "certificates_monitoring_network",
            "proxy_monitoring_network",
        ),
        optional(NAME),
    ),
    **dict.fromkeys(
        (
            "swarm_member_host",
            "swarm_node_owner_ids[]",
            "load_test_cpu_hosts[]",
            "jenkins_deploy_hosts[]",
            "monitoring_certificates[].name",
        ),
        LINE,
    ),
    **dict.fromkeys(
        (
            *(
                "platform_id_replaced",
                "reset_id_replaced",
                "app_reason",
                "backup_confirmed",
                "load_test_confirmed",
                "reset_confirmed",
                "images_generation",
            ),
            *("proxy_routes[].source",),
        ),
        optional(LINE),
    ),
    "docker_engine_kernel_modules[]": matching(
        re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]*\Z"), "is not a kernel module's name", "as overlay"
    ),
    "images_build_packages[]": matching(PACKAGE, "is not a package's name", "as mmdebstrap"),
    "jenkins_deploy_user": matching(
        re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,31}\Z"), "is not a user's name", "as deploy"
    ),
    "proxy_routes[].cookie_flags[]": matching(re.compile(r"[a-z]+(=[a-z]+)?\Z"), "is not a flag", "as samesite=lax"),
    # Texts that land in configuration files.
    "docker_engine_sysctls": Kind(why_no_sysctls, "as {net.ipv4.ip_forward: 1}"),
    "docker_engine_trusted_ca_certificates": Kind(
        why_no_certificates, "as {company: '-----BEGIN CERTIFICATE-----...'}"
    ),
    "docker_engine_vendor_repository.uri": Kind(why_no_url, "as https://download.example.com/linux/debian"),
    "docker_engine_vendor_repository.signed_by": Kind(
        why_no_signing_key, "as https://download.example.com/linux/debian/gpg, or the key's own text", hidden=True
    ),
    "docker_engine_daemon": Kind(
        why_no_engine_daemon,
        "keys of a daemon.json; unix sockets, and SSH from elsewhere (docker context); folders of the engine's own",
    ),
    "swarm_node_daemon": Kind(why_no_daemon, "keys of a daemon.json; unix sockets, and folders of the engine's own"),
    "swarm_node_extra_hosts": Kind(why_no_host_lines, "as {registry.example.com: 192.0.2.10}"),
    "images_build_environment": ENVIRONMENT,
    "backup_sha256": optional(Kind(why_no_sha256, "the 64 hexadecimal digits that sha256sum says of the archive")),
    "swarm_member_unlock_key": replace(
        matching(re.compile(r"(SWMKEY-1-[A-Za-z0-9+/]{43})?\Z"), "is not a key", "as docker swarm unlock-key shows it"),
        hidden=True,
        may_be_empty=True,
    ),
    "swarm_member_begin_anew": optional(
        matching(re.compile(r"[a-z0-9]{25}\Z"), "is not a swarm's ID", "the one that the refusal names")
    ),
    "swarm_member_settings": one_of(tuple(SwarmSettings.__dataclass_fields__), "a setting of the swarm"),
    "swarm_member_settings.default_addr_pool[]": SITE_NETWORK,
    "swarm_member_settings.subnet_size": number(8, 29, "as 24", typed=False, whole=True),
    "swarm_member_settings.data_path_port": number(1024, 49151, "as 4789", typed=False, whole=True),
    "swarm_member_settings.task_history_limit": number(0, 10000, "as 5", typed=False, whole=True),
    "swarm_member_settings.cert_expiry_days": number(1, 36500, "as 90", typed=False, whole=True),
    "swarm_member_settings.autolock": Kind(
        lambda value: "" if isinstance(value, bool) else "is neither true nor false", "true or false"
    ),
    # Addresses.
    **dict.fromkeys(("platform_subnet", "swarm_node_subnet"), SITE_NETWORK),
    "platform_overlay_pool": Kind(why_no_site_network, "a private network, as 10.100.0.0/16"),
    "platform_node_pool": Kind(why_no_site_network, "a private network, as 10.200.0.0/16"),
    "jenkins_subnet": Kind(why_no_site_network, "a private network, as 172.31.240.0/24"),
    "registry_metrics.subnet": Kind(why_no_network, "as 169.254.92.192/29"),
    "docker_engine_address_pools[]": Kind(why_no_address_pool, "as {base: 10.200.0.0/16, size: 24}"),
    **dict.fromkeys(
        (
            *("proxy_edge_ip", "proxy_edge_nodes[]", "registry_ip", "registry_metrics.address"),
            *("registry_metrics.registry_address", "registry_metrics.nginx_address", "load_test_target.address"),
            *(f"jenkins_addresses.{name}" for name in ("controller", "agent", "proxy", "build")),
        ),
        ADDRESS,
    ),
    # Of a machine that is not known there may be none.
    **dict.fromkeys(
        ("proxy_nodes[].address", "registry_bind_address", "registry_hosts_address", "registry_resolves_to"),
        optional(ADDRESS),
    ),
    **dict.fromkeys(("load_test_address", "monitoring_probe_address", "load_test_target.host"), HOST),
    "proxy_routes[].hosts[]": Kind(why_no_host_name, "as web.example.com"),
    "monitoring_mysql_endpoints[].host": HOST,
    "monitoring_certificates[].address": HOST_PORT,
    **dict.fromkeys(("monitoring_registry_metrics", "images_registry_address"), optional(HOST_PORT)),
    **dict.fromkeys(("reset_registry_address", "cron_registry_address"), HOST_PORT),
    "monitoring_mail.smarthost": optional(Kind(why_no_host_port, "as mail.example.com:587")),
    "proxy_acme_upstream": optional(HOST_PORT),
    **dict.fromkeys(
        ("proxy_acme.server", "certificates_acme.server"),
        Kind(why_no_acme_server, "letsencrypt, letsencrypt-staging, or as https://ca.example.com/acme/directory"),
    ),
    **dict.fromkeys(
        ("proxy_acme.email", "certificates_acme.email"), optional(Kind(why_no_plain_mail, "one, as ops@example.com"))
    ),
    "docker_engine_metrics_address": optional(Kind(why_no_host_port, "as 127.0.0.1:9323")),
    **dict.fromkeys(("proxy_unlimited_addresses[]", "proxy_host_addresses[]"), ADDRESS_OR_NETWORK),
    "proxy_trusted_addresses[]": replace(ADDRESS_OR_NETWORK, why=why_not_trusted),
    "jenkins_deploy_from": Kind(why_no_from, "what it is taken from, too, as ['192.0.2.0/24', '!192.0.2.9']"),
    "jenkins_deploy_from[]": Kind(why_no_from_pattern, "as 192.0.2.10 or 192.0.2.0/24"),
    **dict.fromkeys(
        (
            *("proxy_http_port", "proxy_https_port", "jenkins_https_port", "monitoring_https_port", "app_https_port"),
            *("monitoring_mysql_endpoints[].port", "registry_published_port", "registry_metrics.port"),
            *("proxy_routes[].port", "load_test_target.port"),
        ),
        PORT,
    ),
    # URLs.
    **dict.fromkeys(
        (
            *("platform_slack_webhook_url", "app_slack_webhook_url", "jenkins_slack_webhook_url"),
            *("monitoring_slack_webhook_url", "monitoring_webhook_url", "monitoring_deadman_url"),
        ),
        URL,
    ),
    "monitoring_elasticsearch_urls[]": Kind(why_no_login_url, "as https://search.example.com:9200", hidden=True),
    "images_debian_mirror": optional(Kind(why_no_url, "as https://deb.example.com/debian")),
    "images_debian_security_mirror": optional(Kind(why_no_url, "as https://deb.example.com/debian-security")),
    "load_test_target.path": Kind(why_no_request_path, "as /"),
    # Logins.
    **dict.fromkeys(
        ("platform_source_registries", "images_take_credentials"), Kind(why_no_registries, "one of them", hidden=True)
    ),
    "jenkins_registries": Kind(why_no_jenkins_registries, "one of them", hidden=True),
    **{
        f"{name}[].{key}": kind
        for name in ("platform_source_registries", "images_take_credentials", "jenkins_registries")
        for key, kind in (("registry", REGISTRY), ("username", LOGIN), ("password", HIDDEN_LINE))
    },
    "jenkins_git_credentials[].username": LINE,
    "jenkins_git_credentials[].password": HIDDEN_LINE,
    "jenkins_git_credentials[].private_key": Kind(
        why_no_private_key,
        "as ssh-keygen writes it, with all its lines: '-----BEGIN OPENSSH PRIVATE KEY-----...', without a passphrase",
        hidden=True,
        may_be_empty=True,
    ),
    **dict.fromkeys(("jenkins_deploy_known_hosts[]", "jenkins_git_known_hosts[]"), KNOWN_HOSTS),
    # The monitoring.
    "monitoring_mail.to": optional(MAILS),
    "monitoring_mail.from": optional(MAIL_SENDER),
    "monitoring_mail.username": optional(LINE),
    "monitoring_mail.password": optional(HIDDEN_LINE),
    "monitoring_mysql_endpoints[].username": Kind(why_no_ini_text, "one line without a backtick"),
    "monitoring_mysql_endpoints[].password": Kind(why_no_ini_text, "one line without a backtick", hidden=True),
    "monitoring_retention_time": Kind(why_no_prometheus_time, "as 15d or 12h"),
    "monitoring_retention_size": Kind(why_no_prometheus_size, "as 2GB or 500MB"),
    "monitoring_limits": one_of(
        (*SERVICES, "mysqld-exporter", "elasticsearch-exporter"), "a service of the monitoring"
    ),
    "monitoring_limits{}": one_of(("cpus", "memory"), "a limit"),
    "monitoring_limits{}.memory": CONTAINER_MEMORY,
    "monitoring_limits{}.cpus": cpus(CPUS_MIN, "as 0.5"),
    # Amounts.
    **dict.fromkeys(("proxy_memory", "proxy_edge_memory", "registry_memory", "jenkins_agent_memory"), CONTAINER_MEMORY),
    **dict.fromkeys(("jenkins_memory", "jenkins_build_memory"), size(0, "512M or more, as 2G")),
    "swarm_node_memory": size(NODE_BYTES_MIN, "0 for all, or as 2G", zero=True),
    # A container of the machine has a hundredth at least, for the kernel's sake.
    "swarm_node_cpus": number(0.01, CPUS_MAX, "0 for all, or as 1.5", zero=True),
    "proxy_cpus": cpus(0.01, "as 0.5"),
    "proxy_client_connections": number(0, CONNECTIONS_MAX, "0 for no limit, or as 500"),
    "proxy_header_kilobytes": number(4, 1024, "4 to 1024"),
    **dict.fromkeys(
        ("docker_engine_mtu", "app_network_mtu", "certificates_network_mtu", "proxy_network_mtu", "swarm_node_mtu"), MTU
    ),
    "app_keep": number(1, 1000, "1 or more"),
    "backup_keep": number(0, 100000, "0 for all, or as 7"),
    **dict.fromkeys(("app_rollback_to", "proxy_base_revision"), number(0, 2**31, "0, or a revision's number")),
    "proxy_routes[].slots": REPLICAS,
    "load_test_error_ratio_max": RATIO,
    "load_test_requests_max": number(1, 10**9, "1 or more"),
    "load_test_profiles": Kind(why_no_profiles, "as {load: {users: [200, 400], ramp_seconds: 10}}"),
    **dict.fromkeys(
        ("preflight_disk_free_gigabytes_min", "preflight_memory_gigabytes_min"), number(0, 2**20, "0 or more")
    ),
    # Times.
    **dict.fromkeys(
        (
            *("proxy_stop_grace_seconds",),
            *("app_deadline_seconds", "app_lock_seconds", "images_background_seconds", "proxy_background_seconds"),
            "registry_prune_quiet_seconds",
        ),
        SECONDS,
    ),
    "proxy_drain_seconds": SECONDS_FROM_1,
    **dict.fromkeys(("registry_prune_grace_seconds", "images_prune_grace_seconds"), AGE_SECONDS),
    **dict.fromkeys(
        (
            *(
                "proxy_deadline_seconds",
                "monitoring_deadline_seconds",
                "certificates_deadline_seconds",
                "cron_deadline_seconds",
                "registry_start_deadline_seconds",
            ),
            *("jenkins_start_deadline_seconds", "swarm_member_deadline_seconds", "load_test_deadline_seconds"),
            *("swarm_node_start_seconds", "docker_engine_start_seconds", "app_move_deadline_seconds"),
            *("load_test_timeout_seconds", "registry_prune_deadline_seconds"),
            *("proxy_health_interval_seconds", "monitoring_health_interval_seconds", "proxy_update_monitor_seconds"),
        ),
        SECONDS_FROM_1,
    ),
    # Images.
    "images_extra": CATALOG,
    "images_catalog": CATALOG,
    "images_bases": Kind(why_no_bases, "as {'node:14-alpine': nodejs}"),
    "images_archive_sha256": Kind(why_no_archive_sha256, "as {web: 9f2c...}, the line that sha256sum prints"),
    "images_take": Kind(why_no_taken, "as {web: registry.example.com/team/web:1}"),
    **dict.fromkeys((f"images_{what}[]" for what in ("names", "optional", "required", "push_names")), CATALOG_NAME),
    **dict.fromkeys(
        (
            *("images_prune_catalog[]", "images_prune_needed[]", "registry_prune_catalog[]", "load_test_image"),
            *("registry_image", "registry_metrics_image", "proxy_edge_image"),
        ),
        IMAGE_REFERENCE,
    ),
    **dict.fromkeys(
        (
            "certificates_image",
            "cron_image",
            "proxy_image",
            "jenkins_image",
            "jenkins_agent_image",
            "jenkins_proxy_image",
            "swarm_node_image",
        ),
        optional(IMAGE_REFERENCE),
    ),
    # Nodes.
    "swarm_node_labels": Kind(why_no_labels, "as {disk: ssd}"),
    # Apps.
    "apps{}.image": Kind(why_no_image, "an image of the catalog, as express-app"),
    "apps{}.health.path": optional(Kind(why_no_request_path, "as /healthz")),
    "apps{}.metrics.path": optional(Kind(why_no_metrics_path, "a path alone, as /metrics")),
    "apps{}.port": PORT,
    "apps{}.metrics.port": Kind(lambda value: why_no_port(value) if value else "", "1 to 65535, 0 for the app's"),
    "apps{}.env_owner": optional(OWNER),
    "apps{}.env_mode": optional(Kind(why_no_mode, "in quotes, as '0640'")),
    "apps{}.health.test": HEALTH_TEST,
    **dict.fromkeys(
        (f"apps{{}}.health.{name}_seconds" for name in ("interval", "timeout", "start_interval")), SECONDS_FROM_1
    ),
    "apps{}.health.start_period_seconds": SECONDS,
    "apps{}.health.retries": number(1, 1000, "1 or more"),
    **dict.fromkeys(("apps{}.route.upload_size", "proxy_routes[].upload_size"), Kind(why_no_upload_size, "as 10m")),
    **dict.fromkeys(
        ("apps{}.route.read_timeout_seconds", "proxy_routes[].read_timeout_seconds"),
        number(1, 7 * DAY_SECONDS, "as 60"),
    ),
    **dict.fromkeys(
        ("apps{}.route.headers", "proxy_routes[].headers"),
        Kind(why_no_headers, "as {X-Frame-Options: DENY}; '' for what an answer is to go without"),
    ),
    **dict.fromkeys(
        ("apps{}.route.default_headers", "proxy_routes[].default_headers"),
        Kind(why_no_default_headers, "as {X-Content-Type-Options: nosniff}"),
    ),
    **{
        f"{route}.redirects[].{key}": kind
        for route in ("apps{}.route", "proxy_routes[]")
        for key, kind in (
            ("host", optional(Kind(why_no_host_name, "one of hosts, as www.example.com"))),
            ("path", optional(Kind(why_no_path, "as /old, or /old/ for all below it"))),
            ("to", Kind(why_no_redirect_target, "as /new, https://www.example.com/new, or one of hosts")),
        )
    },
    **{
        f"{route}.basic_auth.{key}": kind
        for route in ("apps{}.route", "proxy_routes[]")
        for key, kind in (
            ("users", Kind(why_no_users, "as {alice: $2y$08$...}, which htpasswd -nB -C 8 alice makes", hidden=True)),
            ("paths[]", Kind(why_no_path, "as /admin")),
        )
    },
    **dict.fromkeys(
        (
            f"{route}.{key}[]"
            for route in ("apps{}.route", "proxy_routes[]")
            for key in ("allow", "deny", "maintenance.allow")
        ),
        ADDRESS_OR_NETWORK,
    ),
    **{
        f"{route}.rate_limit.{key}": kind
        for route in ("apps{}.route", "proxy_routes[]")
        for key, kind in (
            ("requests_per_second", number(0.1, 100000, "0 for no limit, or as 10", zero=True)),
            ("burst", number(0, 100000, "0 or more")),
            ("paths[]", Kind(why_no_path, "as /login")),
            ("connections", number(0, CONNECTIONS_MAX, "0 for no limit, or as 20")),
        )
    },
    **dict.fromkeys(("apps{}.route.paths[]", "proxy_routes[].paths[]"), Kind(why_no_path, "as /api")),
    **dict.fromkeys(
        ("apps{}.route.error_pages[].page", "proxy_routes[].error_pages[].page"),
        Kind(why_no_page, "as '<h1>Back in a minute</h1>'; images belong onto another host"),
    ),
    **dict.fromkeys(
        (f"{route}.maintenance.retry_after_seconds" for route in ("apps{}.route", "proxy_routes[]")),
        number(1, 604800, "seconds, up to a week"),
    ),
    "apps{}.limits.memory": CONTAINER_MEMORY,
    "apps{}.limits.cpus": CPUS,
    "apps{}.reservations.memory": RESERVED_MEMORY,
    "apps{}.reservations.cpus": RESERVED_CPUS,
    **dict.fromkeys(("apps{}.replicas", "apps{}.update.parallelism"), REPLICAS),
    **dict.fromkeys((f"apps{{}}.update.{name}_seconds" for name in ("delay", "monitor")), SECONDS),
    "apps{}.restart.delay_seconds": SECONDS,
    "apps{}.stop_grace_seconds": SECONDS,
    **dict.fromkeys(
        ("apps{}.before", "apps{}.after", "apps{}.cron{}.command"),
        Kind(why_no_words, "as a list of words: [node, migrate.js], or [sh, -c, ...]"),
    ),
    "apps{}.job_deadline_seconds": SECONDS_FROM_1,
    "apps{}.cron": Kind(why_no_schedules, "as {cleanup: {schedule: '15 3 * * *', command: [node, cleanup.js]}}"),
    "apps{}.cron{}.schedule": Kind(why_no_expression, "as '15 3 * * *': minute, hour, day, month, day of the week"),
    "apps{}.cron{}.timezone": Kind(why_no_timezone, "as Asia/Seoul, or UTC"),
    "apps{}.cron{}.overlap": Kind(why_no_overlap, "forbid or allow"),
    "apps{}.cron{}.deadline_seconds": number(1, 7 * DAY_SECONDS, "1 or more", typed=False),
    "apps{}.constraints[]": Kind(why_no_constraint, "as node.role == worker, or node.labels.disk == fast"),
    "apps{}.environment": NOTHING_EMPTY,
}


def parts_of(path: str, value: Any, place: str = "") -> Iterator[tuple[str, Any]]:
    """The parts of a value that a path of ``KINDS`` speaks of: (where it stands, what stands there)."""
    match = re.match(r"(\[\]|\{\}|\.?[a-z0-9_]+)", path)
    if not match:
        yield place, value
        return
    step, rest = match.group(), path[match.end() :]
    if step == "[]":
        listed = as_list(value)
        for index, one in enumerate(listed if isinstance(listed, list) else ()):
            yield from parts_of(rest, one, f"{place}[{index}]")
    elif step == "{}":
        for key, one in value.items() if isinstance(value, Mapping) else ():
            yield from parts_of(rest, one, f"{place}.{show_key(key)}")
    elif isinstance(value, Mapping) and step.lstrip(".") in value:
        name = step.lstrip(".")
        yield from parts_of(rest, value[name], f"{place}.{name}" if place else name)


def check_values(variables: Mapping[str, Any]) -> Iterator[tuple[str, Any, str, Kind]]:
    """(where, value, what is wrong, its kind) of one host's variables."""
    for path, kind in KINDS.items():
        for place, value in parts_of(path, variables):
            if value is None or value == "":
                # What stands in a list, or in a mapping by a name of its own, has no default.
                if path.endswith(("[]", "{}")) or (value == "" and not kind.may_be_empty):
                    yield place, value, "is empty", kind
            elif why := kind.why(value):
                yield place, value, why, kind
