# shellcheck shell=bash
# What every bench needs: a release build, an engine, a directory of its own with the head of a configuration, and an end
# that removes all of it. Sourced; sets `root`, `run`, `scratch`, `binary`, `image`, `socket`. Images that a bench adds to
# `images`, directories of daemons that it adds to `directories` and its own children in `processes` go at the end, too.
unset LONGSHORE_SOCKET LONGSHORE_TOKEN

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
images=()
processes=()
directories=()
# shellcheck source=scripts/daemon.bash
source "$root/scripts/daemon.bash"

die() {
    printf '%s: %s\n' "$(basename "$0")" "$@" >&2
    exit 1
}

bench_end() {
    local status=$? ids name directory
    trap '' INT TERM
    if ((${#processes[@]})); then kill -TERM "${processes[@]}" 2>/dev/null || true; fi
    for directory in "$scratch" "${directories[@]}"; do
        daemon_stop "$directory"
        daemon_stop "$directory" ingress
    done
    # The label says that it was made by hand in this run, by first_deploy.
    docker ps --all --quiet --filter "label=longshore.bench=$run" | xargs --no-run-if-empty docker rm --force >/dev/null
    docker network ls --quiet --filter "label=longshore.bench=$run" | xargs --no-run-if-empty docker network rm >/dev/null
    for directory in "$scratch" "${directories[@]}"; do
        daemon_remove_objects "$directory" || status=1
    done
    # The images were imported for this run: every name they have, a release's tag too, is this run's.
    for name in "$image" "${images[@]}"; do
        ids=$(docker image inspect --format '{{.Id}}' "$name" 2>/dev/null || true)
        if [[ -n $ids ]]; then docker rmi --force "$ids" >/dev/null || status=1; fi
    done
    rm -rf -- "$scratch"
    exit "$status"
}

# bench_begin demo|benches: with the programs the demo needs, or with those that some benches need besides.
bench_begin() {
    command -v python3 >/dev/null || die "the benches measure with python3, which is not here"
    "$root/scripts/engine-up" "--for-$1"
    if [[ -n ${LONGSHORE_BIN-} ]]; then
        binary=$(realpath -e -- "$LONGSHORE_BIN")
    else
        printf '%s: cargo build --release --locked\n' "$(basename "$0")"
        cd "$root" || exit
        cargo build --release --locked
        binary=$(realpath -e -- "${CARGO_TARGET_DIR:-target}/release/longshore")
    fi
    run=$(od -An -N4 -tx1 /dev/urandom | tr -d ' \n')
    image=longshore-bench/busybox:$run
    scratch=$(mktemp -d)
    socket=$scratch/api.sock
    trap bench_end EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM
    "$root/scripts/base-image" "$image"
    cat >"$scratch/config.toml" <<CONFIG
data_dir = "$scratch/data"

[api]
listen = "127.0.0.1:$("$root/scripts/free-port")"
socket = "$socket"

[ingress]
listen = []

[docker]
host = "$(docker context inspect --format '{{.Endpoints.docker.Host}}')"
address_pool = "$("$root/scripts/free-pool")"
CONFIG
}

# bench_app NAME: adds an app that serves files from the image made above.
bench_app() {
    cat >>"$scratch/config.toml" <<CONFIG

[[app]]
name = "$1"
image = "$image"
pull = "never"
command = ["httpd", "-f", "-p", "8080", "-h", "/etc"]
port = 8080
health = { tcp = true }
CONFIG
}
