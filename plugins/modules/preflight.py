# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action plugin of the same name; there is nothing to run on a host."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: preflight
short_description: Refuse a wrong inventory before anything is changed
version_added: 1.0.0
description:
  - Checks the inventory as a whole, together with what M(fungap.swarm.docker_host_info) found on the docker hosts and
    with the files that it names on the controller. Every problem is reported at once, with the host or group, the
    variable, its value, what is wrong and the cure.
  - Returns the platform that the inventory describes as the fact C(platform), every default filled in.
  - Runs on the controller and connects to no host. Call it once, for all hosts (O(ignore:run_once)).
  - A variable that begins like one of this collection's and is none of them is refused. The known ones are those of the
    roles' argument specs.
author:
  - The fungap.swarm authors (@fungap)
attributes:
  check_mode:
    description: Reads only, so it does the same in check mode.
    support: full
  diff_mode:
    description: Changes nothing, so there is nothing to show.
    support: none
  idempotent:
    description: Changes nothing.
    support: full
options:
  disk_free_gigabytes_min:
    description: What must be free on the filesystem of Docker's data where the platform is not installed yet.
    type: float
    default: 8
  memory_gigabytes_min:
    description: The memory that a docker host must have.
    type: float
    default: 1.8
  verb:
    description:
      - What the run is for. A problem that this has no need of is told as a warning, and of the docker hosts that don't
        answer only those are a problem without which it can't be done. V(site) needs all. For V(reset), the names and
        folders by which a platform is removed are judged, and nothing else; no fact is returned then.
    type: str
    choices:
      - reset
      - site
      - deploy
      - deploy_image
      - rollback
      - scale
      - maintenance
      - status
      - logs
      - history
      - run
      - exec
      - move
      - prune
      - load_test
      - backup
      - restore
    default: site
  changes:
    description:
      - What an operator asks for besides, as a mapping from one app to settings of it. It is judged as if the inventory
        said it, and refused in the same words. What RV(ansible_facts.platform) says stays the inventory's.
    type: raw
"""

EXAMPLES = r"""
- name: Check the whole inventory and resolve the platform
  fungap.swarm.preflight:
  run_once: true
"""

RETURN = r"""
ansible_facts:
  description: Facts of every host of the play.
  returned: when there is no problem
  type: dict
  contains:
    platform:
      description: The platform.
      returned: always
      type: dict
      contains:
        name: {description: Its name., type: str, returned: always}
        config_dir: {description: On docker hosts., type: str, returned: always}
        run_dir: {description: On docker hosts., type: str, returned: always}
        secrets_dir: {description: On the controller., type: str, returned: always}
        memory_file:
          description: The file on the controller in which it is remembered what is in force.
          type: str
          returned: always
        remembered:
          description: What is in it, an entry for each stack.
          type: list
          elements: dict
          returned: always
          sample: [{stack: web, revision: 7, cluster_id: x, since: "2026-11-28T10:00:00Z", nodes: [manager1]}]
        subnet: {description: Of nodes that are containers., type: str, returned: always}
        gateway: {description: Of that subnet., type: str, returned: always}
        overlay_pool: {description: For overlay networks., type: str, returned: always}
        node_pool: {description: For bridge networks within nodes., type: str, returned: always}
        node_bridge: {description: Address and prefix of the default bridge within nodes., type: str, returned: always}
        mtu: {description: The smallest of the docker hosts' uplinks., type: int, returned: always}
        ipvs: {description: Whether every docker host has IPVS., type: bool, returned: always}
        nodes:
          description: The nodes, managers first. C(cpus) and C(memory) 0 mean all.
          type: list
          elements: dict
          returned: always
          sample:
            - name: manager1
              host: vm1
              driver: dind
              role: manager
              address: 172.30.0.11
              socket: /run/fungap/manager1/docker.sock
              container: fungap-manager1
              labels: {}
              availability: active
              cpus: 0
              memory: "0"
        manager:
          description:
            - The one of C(nodes) that is asked where a manager is needed, one that answers. For V(site), the first.
          type: dict
          returned: always
        hosts:
          description:
            - What each docker host is to the platform. C(nodes) are those that stand on it, C(dind_nodes) those of them
              that are containers, C(sockets) their sockets by name, C(images) what the role images is told.
            - C(is_manager), C(is_registry), C(is_edge), C(is_jenkins), C(has_network), C(has_images) say what it has.
          type: dict
          returned: always
        swarm_nodes:
          description: The nodes by the names that the swarm has for them.
          type: list
          elements: dict
          returned: always
        answering_nodes:
          description: Those of them whose docker host answers.
          type: list
          elements: dict
          returned: always
        node_hosts:
          description: The docker hosts with a node that answer.
          type: list
          elements: str
          returned: always
        manager_sockets:
          description: The manager's socket, and those of the other managers on its docker host.
          type: list
          elements: str
          returned: always
        entry_address: {description: "Where clients come in, as nodes reach it.", type: str, returned: always}
        network_mtu: {description: The MTU of overlay networks., type: int, returned: always}
        other_hosts:
          description: Host names that are no app's -> the variable that says so.
          type: dict
          returned: always
        node_daemon: {description: The daemon.json of nodes that are containers., type: dict, returned: always}
        due:
          description: "Whether certificates are to be renewed: C(registry), C(proxy), C(jenkins)."
          type: dict
          returned: always
        authorities:
          description: The CA's certificates that the docker hosts have.
          type: list
          elements: str
          returned: always
        answering: {description: The docker hosts that were looked at., type: list, elements: str, returned: always}
        silent: {description: Docker host -> why it could not be looked at., type: dict, returned: always}
        registry:
          description:
            - The registry. C(address) is name and port, C(ip) where the name leads.
            - C(metrics) is what its role knows as C(registry_metrics).
          type: dict
          returned: always
          sample: {host: vm1, address: "registry:5000", name: registry, port: 5000, ip: 172.30.0.2}
        monitoring:
          description: Whether there is monitoring, which images it wants, and its pages' host names.
          type: dict
          returned: always
          sample: {enabled: true, images: [prometheus, alertmanager], hosts: {prometheus: prometheus.localhost}}
        edge:
          description: The TCP edge; both are empty where nodes are not containers.
          type: dict
          returned: always
          sample: {host: vm1, ip: 172.30.0.3}
        proxy:
          description: What the proxy publishes, and the certificate for it, absolute paths on the controller or empty.
          type: dict
          returned: always
          sample:
            http_port: 80
            https_port: 443
            bind_address: 0.0.0.0
            certificate_file: ""
            certificate_key_file: ""
        trusted_ca_files: {description: Docker host -> certificates on it., type: dict, returned: always}
        apps:
          description: The apps with every setting. C(env_file) is an absolute path or empty.
          type: dict
          returned: always
"""
