# What the scripts beside this one share; each begins with `. ci/lib.sh`. POSIX sh.

# A refusal that says what is wrong and what to do about it.
refuse() {
    printf '%s: %s\n    problem: %s\n    cure:    %s\n' "$script" "$1" "$2" "$3" >&2
    exit 2
}

# need NAME PROBLEM CURE: a variable that must not be empty.
need() {
    eval "value=\${$1:-}"
    [ -n "$value" ] || refuse "$1 is not set" "$2" "$3"
}

# need_file NAME PROBLEM CURE: a variable that names a file with something in it. The content is never shown.
need_file() {
    need "$1" "$2" "$3"
    if [ ! -r "$value" ] || [ ! -s "$value" ]; then
        refuse "$1 = $value" "there is no such file, or it is empty or not ours to read" "$3"
    fi
}

need_command() {
    command -v "$1" >/dev/null || refuse "$1 is not in PATH = $PATH" "$2" "run this on the agent, or install $1"
}

# What Docker calls the repository, and the registry that it is in: as `docker login` and `docker push` know them.
need_repository() {
    need IMAGE_REPOSITORY "nobody knows where the image belongs" \
        "IMAGE_REPOSITORY=docker.io/team/web, or registry.example.com/team/web"
    case $IMAGE_REPOSITORY in
    *[!a-z0-9./:_-]* | *@*) refuse "IMAGE_REPOSITORY = $IMAGE_REPOSITORY" "is no name of a repository" "lower case, without tag" ;;
    docker.io/*) registry=docker.io repository=${IMAGE_REPOSITORY#docker.io/} ;;
    *.*/* | *:*/* | localhost/*) registry=${IMAGE_REPOSITORY%%/*} repository=$IMAGE_REPOSITORY ;;
    *) registry=docker.io repository=$IMAGE_REPOSITORY ;;
    esac
}

# The tag says which build and which commit; nothing else ever gets it.
need_image() {
    need_repository
    need BUILD_NUMBER "the tag would say nothing" "Jenkins sets it; by hand: BUILD_NUMBER=$(date -u +%s)"
    commit=${GIT_COMMIT:-$(git rev-parse HEAD)}
    tag=$BUILD_NUMBER-$(printf %.12s "$commit")
    image=$repository:$tag
}

# The engine that builds; not the agent's own (it has none), and no swarm node's.
need_engine() {
    need_command docker "this step speaks to the build engine"
    docker version --format '{{.Server.Version}}' >/dev/null 2>&1 ||
        refuse "DOCKER_HOST = ${DOCKER_HOST:-}" "no engine answers there" "start the build engine, or name its socket: unix:///run/build/docker.sock"
}

# A login of this step's own, which is gone when it ends. The password goes through standard input.
log_in() {
    need REGISTRY_USERNAME "$registry takes images from users only" "the name of the user (a robot's, not a person's)"
    need_file REGISTRY_PASSWORD_FILE "$registry takes images from users only" "a file with the password or token alone"
    DOCKER_CONFIG=$scratch/docker
    export DOCKER_CONFIG
    mkdir "$DOCKER_CONFIG"
    server=$registry
    [ "$registry" != docker.io ] || server=
    docker login --username "$REGISTRY_USERNAME" --password-stdin $server <"$REGISTRY_PASSWORD_FILE" >/dev/null 2>"$scratch/login" ||
        refuse "REGISTRY_USERNAME = $REGISTRY_USERNAME" "$registry refuses the login: $(tail -n 1 "$scratch/login")" "the file REGISTRY_PASSWORD_FILE has to hold this user's password or token"
}

# play PLAYBOOK NAME=VALUE...: what a person types, with the key and the host keys that this build was given. Values go
# through a file, and are text to Ansible, not templates.
play() {
    need APP "no app is named" "APP=web, as in apps of the inventory"
    need_command ansible-playbook "this step is a playbook"
    need INVENTORY "nobody knows which platform is meant" "the folder of the inventory"
    [ -e "$INVENTORY" ] || refuse "INVENTORY = $INVENTORY" "there is no such folder" "the folder of the inventory, as the agent sees it"
    need_file DEPLOY_KEY_FILE "the deploy host lets nobody in without a key" "the private key that the deploy host knows"
    need_file DEPLOY_KNOWN_HOSTS_FILE "an unknown host is not to be trusted" "the deploy host's line: ssh-keyscan -t ed25519 HOST, compared with the host's own"
    [ -z "${VAULT_PASSWORD_FILE:-}" ] || need_file VAULT_PASSWORD_FILE "" "a file with the password of Ansible Vault alone"
    playbook=$1
    shift
    python3 - "app=$APP" "$@" >"$scratch/variables.yml" <<'PYTHON'
import json, sys

for name, _, value in (argument.partition("=") for argument in sys.argv[1:]):
    print(f"{name}: !unsafe {json.dumps(value)}")
PYTHON
    export ANSIBLE_PRIVATE_KEY_FILE="$DEPLOY_KEY_FILE"
    export ANSIBLE_HOST_KEY_CHECKING=true
    export ANSIBLE_SSH_COMMON_ARGS="-o 'UserKnownHostsFile=\"$DEPLOY_KNOWN_HOSTS_FILE\"' -o GlobalKnownHostsFile=/dev/null -o IdentitiesOnly=yes -o BatchMode=yes"
    # Ansible leaves its connections open for the next run. That run may be another job's, which was given no key.
    export ANSIBLE_SSH_CONTROL_PATH_DIR="$scratch/ssh"
    if [ -n "${VAULT_PASSWORD_FILE:-}" ]; then export ANSIBLE_VAULT_PASSWORD_FILE="$VAULT_PASSWORD_FILE"; fi
    ansible-playbook --inventory "$INVENTORY" --extra-vars "@$scratch/variables.yml" "$playbook"
}

# For ci/notify: which step it was that failed.
end() {
    status=$?
    # One that has ended by itself meanwhile is no failure of the script's.
    for connection in "$scratch"/ssh/*; do
        [ ! -S "$connection" ] || ssh -o ControlPath="$connection" -O exit deploy-host 2>/dev/null || true
    done
    rm -rf "$scratch"
    [ "$status" -eq 0 ] || printf '%s\n' "$script" >.ci-failed
}

script=ci/$(basename "$0")
rm -f .ci-failed
scratch=$(mktemp -d)
trap end EXIT
trap 'exit 143' HUP INT TERM
