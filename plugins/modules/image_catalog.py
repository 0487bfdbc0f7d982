#!/usr/bin/python
# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: image_catalog
short_description: Have all images of a catalog on a docker host, and in the platform's registry
version_added: 1.0.0
author:
  - The fungap.swarm authors (@fungap)
description:
  - Pulls, builds or loads every image of a catalog that a docker host lacks, in parallel, and pushes those that the
    platform's registry lacks.
  - What an image is made of is its recipe. The recipe's hash is the image's tag (C(fungap/<name>:<first 12
    digits>)) and,
    for what is built, its label C(io.fungap.recipe). An image is made once, and made again only when its recipe has
      changed.
  - Sources that can't give an image are all named in one failure, before anything is changed.
  - On a docker host and a registry that have everything this is one start of a Python module.
requirements:
  - Docker SDK for Python
extends_documentation_fragment:
  - fungap.swarm.docker
attributes:
  check_mode:
    support: full
    description: Says which images would be made and pushed; changes nothing. The id of an image that would be made is
      its name, and the reference of one that would be pushed is by tag.
  diff_mode:
    support: full
    description: Lists the images by name and recipe.
  idempotent:
    support: full
    description: As long as neither the catalog nor a build's files change.
options:
  catalog:
    description:
      - Name of an image to where it comes from. An entry has at least one of C(pull) and C(build); for
        O(source=archive) it needs neither.
      - C(pull) is the pinned reference of an official image.
      - C(build) is a dictionary. Either C(bootstrap), a Debian suite, with C(packages) makes an image from packages
        alone; or C(context),
        a folder with a Dockerfile on the controller, with C(base), the name of the entry that the Dockerfile gets
          as build argument C(BASE), and C(args), more build arguments. C(include) adds files or folders of the
          controller to the context, by their paths in it.
        An entry without C(pull) is built for O(source=pull) too.
      - C(source) overrides O(source) for one image.
      - C(internal=true) is a base of others; it is only made when one of them is built, never pushed, and needs no
        archive.
      - C(optional=true) is had only where O(optional) or O(names) names it.
      - C(missing) overrides O(missing) for one image.
      - C(push=false) keeps an image out of the registry.
      - C(follow=true) asks on every call which digest the tag in C(pull) has now, and takes another image when that
        changed. Without it a reference is taken once. With O(push=true) what the registry has of it already is pushed
        again (its manifest alone), so that it counts as pushed now and a clean-up leaves it.
    type: dict
    required: true
  platform:
    description:
      - Name of the platform that images are built for; a label of what is built says so. The image's name is the same
        for every platform on the machine, so what one has built, another doesn't build again.
    type: str
    default: fungap
  bases:
    description:
      - Images that an entry of O(catalog) stands in for in a Dockerfile, as C(FROM) or C(COPY --from) says them, and
        that entry's name. A name without a tag means C(latest).
      - The Dockerfile stays as it is; another one is sent to the builder. Variables of C(FROM) have the value that
        C(ARG) or the build's arguments give them. C(--platform) with the builder's own variables goes with the image.
      - Another base, or another recipe of it, makes the image anew.
    type: dict
    default: {}
  names:
    description: The images to have. By default all that are neither internal nor optional, and those that O(optional)
      names.
    type: list
    elements: str
  optional:
    description: The optional images to have too, where O(names) is not given.
    type: list
    elements: str
    default: []
  required:
    description: Images that are asked for by name. They are had like those of O(optional), and never left out,
      whatever O(missing) says.
    type: list
    elements: str
    default: []
  source:
    description:
      - Where images come from. V(auto) is decided image by image. What the docker host has stays what it is; of
        the others, the official one is pulled where its registry answers within 5 s, and else the image is built.
      - What the catalog has one way for goes that way.
    type: str
    choices: [auto, pull, build, archive]
    default: build
  archive_dir:
    description:
      - The folder on the docker host with the archives, for O(source=archive).
      - An image's archive is C(<name>.tar), C(<name>.tar.gz) or C(<name>.tar.zst), made by C(docker save). Another
        size or time of change is another image.
    type: path
  archive_sha256:
    description:
      - What the SHA-256 of archives has to be, by the image's name, from where no writer of an archive can change it.
      - With any, an archive without one is not loaded. What an archive is known by is its SHA-256 then, not its size
        and time.
    type: dict
    default: {}
  missing:
    description: What to do about images that their source can't give. V(skip) leaves them out with a warning.
    type: str
    choices: [fail, skip]
    default: fail
  generation:
    description: Any text. Another text builds everything anew, for example to get newer packages.
    type: str
    default: ""
  trusted_ca_files:
    description:
      - Certificates in PEM on the docker host that builds trust in addition, for networks that inspect TLS.
      - By default all of C(/usr/local/share/ca-certificates/*.crt).
    type: list
    elements: path
  debian_mirror:
    description: The mirror for what is built. By default the one that the docker host uses itself, if that is
      Debian; else Debian's own.
    type: str
  debian_security_mirror:
    description: The same for security updates.
    type: str
  build_environment:
    description: Build arguments for every build, for example C(http_proxy). They must not hold credentials.
    type: dict
    default: {}
  build_packages:
    description: Packages that the docker host needs to bootstrap a base; installed only if one has to be, and
      C(mmdebstrap) is missing.
    type: list
    elements: str
    default: [mmdebstrap, debian-archive-keyring]
  push_names:
    description: With O(push=true), the images to push. By default all that belong there.
    type: list
    elements: str
  push:
    description: Push to the registry what it lacks.
    type: bool
    default: false
  registry_address:
    description:
      - The registry as C(host:port). It is trusted through C(/etc/docker/certs.d/<address>/ca.crt).
      - With O(push=false) it is only asked for what it has; it need not be there yet.
    type: str
  registry_config:
    description: The folder with the C(config.json) of a Docker CLI that has the registry's credentials.
    type: path
  credentials:
    description: For the registries that images are pulled from.
    type: list
    elements: dict
    default: []
    suboptions:
      registry:
        description: The registry's host, with its port where it has one; C(docker.io) for Docker Hub.
        type: str
        required: true
      username:
        description: The user.
        type: str
        required: true
      password:
        description: The password, or a token.
        type: str
        required: true
  certs_dir:
    description: Where the engine finds its registries' certificates.
    type: path
    default: /etc/docker/certs.d
  contexts:
    description: Set by the action plugin. The builds' contexts, by name.
    type: dict
  progress:
    description: Set by the action plugin. The file in which it is told how many images are pushed.
    type: path
seealso:
  - module: community.docker.docker_image_build
"""

EXAMPLES = r"""
- name: Have all images on the docker host
  fungap.swarm.image_catalog:
    catalog:
      base: {internal: true, build: {bootstrap: trixie, packages: [ca-certificates]}}
      registry: {pull: "registry:3.1.2", build: {context: "{{ role_path }}/files/registry", base: base}}

- name: Build an app whose Dockerfile says FROM node:20-alpine
  fungap.swarm.image_catalog:
    catalog:
      base: {internal: true, build: {bootstrap: trixie, packages: [ca-certificates]}}
      nodejs: {internal: true, build: {context: "{{ role_path }}/files/nodejs", base: base}}
      web: {build: {context: /srv/web}}
    bases: {"node:20-alpine": nodejs}

- name: Push them to the platform's registry
  fungap.swarm.image_catalog:
    catalog: "{{ images_catalog }}"
    push: true
    registry_address: registry:5000
    registry_config: /etc/fungap/registry-client
"""

RETURN = r"""
images:
  description: The images by name, without internal ones.
  returned: always
  type: dict
  contains:
    id:
      description: The image's id on the docker host.
      type: str
      sample: sha256:0d1d1f...
    image:
      description: The image's name on the docker host.
      type: str
      sample: fungap/registry:4b5f1d0c9a7e
    recipe:
      description: What it is made of.
      type: str
    ref:
      description: The image in the platform's registry, by digest. Missing as long as the registry doesn't have it.
      type: str
      sample: registry:5000/registry@sha256:9f2c...
tags:
  description: The names that the images have on the docker host once they are there, internal ones too.
  returned: always
  type: list
  elements: str
ansible_facts:
  description: What was had and what was left out, as facts.
  returned: always
  type: dict
  contains:
    platform_images:
      description: The same as RV(images).
      type: dict
    platform_images_missing:
      description: The same as RV(skipped_images).
      type: dict
    platform_images_sources:
      description: The same as RV(sources).
      type: dict
actions:
  description: What was done, or would be.
  returned: always
  type: list
  elements: str
sources:
  description: Name to V(pull), V(build), V(bootstrap) or V(load), how each image is had.
  returned: always
  type: dict
skipped_images:
  description: Name to reason, of the images that their source can't give and that may be missing.
  returned: always
  type: dict
durations_seconds:
  description: How long each image took to make and to push.
  returned: when something was made or pushed
  type: dict
"""

from ansible_collections.fungap.swarm.plugins.module_utils.core.options import DOCKER
from ansible_collections.fungap.swarm.plugins.module_utils.core.runner import run
from ansible_collections.fungap.swarm.plugins.module_utils.image.operation import ImageCatalog


def main() -> None:
    run(
        ImageCatalog,
        {
            **DOCKER,
            "platform": {"type": "str", "default": "fungap"},
            "catalog": {"type": "dict", "required": True},
            "bases": {"type": "dict", "default": {}},
            "names": {"type": "list", "elements": "str"},
            "optional": {"type": "list", "elements": "str", "default": []},
            "required": {"type": "list", "elements": "str", "default": []},
            "source": {"type": "str", "choices": ["auto", "pull", "build", "archive"], "default": "build"},
            "archive_dir": {"type": "path"},
            "archive_sha256": {"type": "dict", "default": {}},
            "missing": {"type": "str", "choices": ["fail", "skip"], "default": "fail"},
            "generation": {"type": "str", "default": ""},
            "trusted_ca_files": {"type": "list", "elements": "path"},
            "debian_mirror": {"type": "str"},
            "debian_security_mirror": {"type": "str"},
            "build_environment": {"type": "dict", "default": {}},
            "build_packages": {
                "type": "list",
                "elements": "str",
                "default": ["mmdebstrap", "debian-archive-keyring"],
            },
            "push": {"type": "bool", "default": False},
            "push_names": {"type": "list", "elements": "str"},
            "registry_address": {"type": "str"},
            "registry_config": {"type": "path"},
            # The password alone is no_log: what is, is blotted out wherever it occurs in the result.
            "credentials": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {
                    "registry": {"type": "str", "required": True},
                    "username": {"type": "str", "required": True},
                    "password": {"type": "str", "required": True, "no_log": True},
                },
            },
            "certs_dir": {"type": "path", "default": "/etc/docker/certs.d"},
            "contexts": {"type": "dict"},
            "progress": {"type": "path"},
        },
        required_if=[("push", True, ("registry_address",)), ("source", "archive", ("archive_dir",))],
    )


if __name__ == "__main__":
    main()
