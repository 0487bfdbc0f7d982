# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Jenkins' whole configuration, for its plugin Configuration as Code. Pure; no secret is in it.

Secrets are named as the plugin reads them: ``${readFile:/run/secrets/name}`` stands for that file of the controller's
container. The plugin replaces ``${...}`` in what a file holds, too, and leaves ``^${...}`` as ``${...}``
(SecretSourceResolver.java). So every text is escaped, in the configuration and in secret files, but our references.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

Json = dict[str, Any]

ADMIN = "admin"
AGENT_LABEL = "fungap"
AGENT_HOME = "/home/jenkins"
AGENT_EXECUTORS = 2
SECRETS_DIR = "/run/secrets"
JOBS_FILE = "/run/casc/jobs.groovy"
# Names of Jenkins' credentials, which pipelines ask for, and of secret files alike.
AGENT_KEY, WEBHOOK_SECRET, REGISTRY_PASSWORD = "agent-key", "webhook-secret", "registry-password"
ADMIN_PASSWORD = "admin-password"
# Those that a pipeline gets as files, and what each is. They are always there: one without a value says so.
FILES = {
    REGISTRY_PASSWORD: "The password of the registry that images are pushed to, in a file",
    "deploy-key": "The private key for the deploy hosts, in a file",
    "vault-password": "The password of Ansible Vault, in a file",
    "slack-url": "Slack's incoming webhook, in a file",
}
NOTHING = "(none is given in the inventory)"


class _Reference(str):
    """A text that the plugin is to replace."""

    __slots__ = ()


def text(value: Any) -> str:
    """A text in which the plugin finds nothing to replace. Where there is no ``}``, it would leave the escape, too."""
    return re.sub(r"(?s)\$\{(?=.*\})", "^${", str(value))


def _escaped(value: Any) -> Any:
    """The same data, with every text as the plugin has to read it."""
    if isinstance(value, Mapping):
        return {key: _escaped(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_escaped(item) for item in value]
    if isinstance(value, _Reference):
        return str(value)
    return text(value) if isinstance(value, str) else value


def git_credential(name: str) -> str:
    """The name of the credential that a repository is read with."""
    return f"git-{name}"


def registry_credential(registry: str) -> str:
    """The name of the credential for a registry that images are pushed to."""
    return f"registry-{re.sub(r'[^a-z0-9.-]+', '-', registry.lower())}"


def secret_files(
    directory: str,
    owner: str,
    generated: Mapping[str, str],
    git_credentials: Iterable[Mapping[str, Any]] = (),
    registries: Sequence[Mapping[str, Any]] = (),
) -> list[Json]:
    """The controller's secret files, as ``config_files`` takes them. ``generated``: content by name.

    ``FILES`` are read as Base64, in which there is nothing to escape.
    """
    contents = {
        **dict.fromkeys(FILES, NOTHING),
        # A key ends with its line; nothing else may have one more.
        **{
            git_credential(one["name"]): str(one.get("password") or str(one.get("private_key") or "").strip() + "\n")
            for one in git_credentials
        },
        **{registry_credential(one["registry"]): str(one["password"]) for one in registries},
        **({REGISTRY_PASSWORD: str(registries[0]["password"])} if registries else {}),
        **{name: content for name, content in generated.items() if content},
    }
    return [
        {
            "path": f"{directory}/{name}",
            "content": content if name in FILES else text(content),
            "owner": owner,
            "group": owner,
            "mode": "0400",
            "secret": True,
        }
        for name, content in contents.items()
    ]


def configuration(
    url: str,
    agent_address: str,
    agent_host_key: str,
    git_credentials: Sequence[Mapping[str, Any]] = (),
    git_known_hosts: Sequence[str] = (),
    registries: Sequence[Mapping[str, Any]] = (),
    environment: Mapping[str, str] | None = None,
) -> Json:
    """What ``jenkins.yaml`` says.

    ``url``: as browsers see it, with / at its end. ``agent_host_key``: the one key by which the agent is known.
    ``environment``: of the builds. Passwords among the credentials are not looked at.
    """
    found: Json = {
        "jenkins": {
            "systemMessage": "Configured by Ansible (role jenkins): what is changed here is lost at the next start.",
            # Nothing is built on the controller, and no agent comes in by a port of it.
            "numExecutors": 0,
            "mode": "EXCLUSIVE",
            "slaveAgentPort": -1,
            "markupFormatter": "plainText",
            "securityRealm": {
                "local": {"allowsSignup": False, "users": [{"id": ADMIN, "password": _secret(ADMIN_PASSWORD)}]}
            },
            "authorizationStrategy": {"loggedInUsersCanDoAnything": {"allowAnonymousRead": False}},
            # The crumb is bound to the session, not to an address: the proxy is in between.
            "crumbIssuer": "standard",
            "nodes": [_agent(agent_address, agent_host_key, environment or {})],
        },
        "security": {
            "apiToken": {
                "creationOfLegacyTokenEnabled": False,
                "tokenGenerationOnCreationEnabled": False,
                "usageStatisticsEnabled": True,
            },
            "globalJobDslSecurityConfiguration": {"useScriptSecurity": True},
            "gitHostKeyVerificationConfiguration": {
                "sshHostKeyVerificationStrategy": {
                    "manuallyProvidedKeyVerificationStrategy": {
                        "approvedHostKeys": "".join(f"{line}\n" for line in git_known_hosts)
                    }
                }
            },
        },
        "credentials": {"system": {"domainCredentials": [{"credentials": _credentials(git_credentials, registries)}]}},
        "unclassified": {
            "location": {"url": url},
            "gitHubPluginConfig": {"hookSecretConfigs": [{"credentialsId": WEBHOOK_SECRET}]},
        },
        "jobs": [{"file": JOBS_FILE}],
    }
    escaped: Json = _escaped(found)
    return escaped


def _agent(address: str, host_key: str, environment: Mapping[str, str]) -> Json:
    return {
        "permanent": {
            "name": "agent",
            "labelString": AGENT_LABEL,
            "numExecutors": AGENT_EXECUTORS,
            "mode": "EXCLUSIVE",
            "remoteFS": AGENT_HOME,
            "retentionStrategy": "always",
            "launcher": {
                "ssh": {
                    "host": address,
                    "port": 22,
                    "credentialsId": AGENT_KEY,
                    "launchTimeoutSeconds": 60,
                    "maxNumRetries": 10,
                    "retryWaitTime": 5,
                    "sshHostKeyVerificationStrategy": {"manuallyProvidedKeyVerificationStrategy": {"key": host_key}},
                }
            },
            "nodeProperties": [
                {"envVars": {"env": [{"key": key, "value": str(value)} for key, value in environment.items()]}}
            ],
        }
    }


def _credentials(git_credentials: Sequence[Mapping[str, Any]], registries: Sequence[Mapping[str, Any]]) -> list[Json]:
    found: list[Json] = [
        {
            "basicSSHUserPrivateKey": {
                # Jenkins itself alone may use it, no job.
                "scope": "SYSTEM",
                "id": AGENT_KEY,
                "description": "The controller's key to the agent",
                "username": "jenkins",
                "privateKeySource": {"directEntry": {"privateKey": _secret(AGENT_KEY)}},
            }
        },
        _secret_text(WEBHOOK_SECRET, "What GitHub signs its webhooks with", scope="SYSTEM"),
    ]
    for one in git_credentials:
        name = git_credential(one["name"])
        common = {
            "scope": "GLOBAL",
            "id": name,
            "description": f"Repositories: {one['name']}",
            "username": str(one.get("username") or "git"),
        }
        if one.get("private_key"):
            source = {"directEntry": {"privateKey": _secret(name)}}
            found.append({"basicSSHUserPrivateKey": {**common, "privateKeySource": source}})
        else:
            found.append({"usernamePassword": {**common, "password": _secret(name)}})
    for one in registries:
        name = registry_credential(one["registry"])
        found.append(
            {
                "usernamePassword": {
                    "scope": "GLOBAL",
                    "id": name,
                    "description": f"Registry {one['registry']}",
                    "username": str(one["username"]),
                    "password": _secret(name),
                }
            }
        )
    return found + [_secret_file(name, description) for name, description in FILES.items()]


def _secret(name: str) -> _Reference:
    """A secret file's content, byte for byte; ``${name}`` would leave out spaces and lines' ends around it."""
    return _Reference(f"${{readFile:{SECRETS_DIR}/{name}}}")


def _secret_text(name: str, description: str, *, scope: str) -> Json:
    return {"string": {"scope": scope, "id": name, "description": description, "secret": _secret(name)}}


def _secret_file(name: str, description: str) -> Json:
    return {
        "file": {
            "scope": "GLOBAL",
            "id": name,
            "description": description,
            "fileName": name,
            "secretBytes": _Reference(f"${{readFileBase64:{SECRETS_DIR}/{name}}}"),
        }
    }


def groovy_string(value: Any) -> str:
    """A text as Groovy's literal in single quotes, in which nothing is replaced."""
    escaped = str(value).replace("\\", "\\\\").replace("'", "\\'")
    return "'" + escaped.replace("\r", "\\r").replace("\n", "\\n") + "'"
