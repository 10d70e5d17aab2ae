#!/usr/bin/env bash
# How many requests a second the API answers, and how long the slowest of a hundred takes, beside a minimal server over the
# same tables, with 1,000 and with 1,000,000 deployments; then how long pages far down take.
#
#   benches/api.sh [ROUNDS [DEPLOYMENTS...]]      5 rounds with 1000 and 1000000 unless said otherwise
#
# Needs no engine: what it creates waits in its queues. Takes about ten minutes and 8 GB of disk, in TMPDIR.
set -euo pipefail
unset LONGSHORE_SOCKET LONGSHORE_TOKEN

root=$(cd "$(dirname "$0")/.." && pwd)
# shellcheck source=scripts/daemon.bash
source "$root/scripts/daemon.bash"

# So many environments that no queue comes near its limit, and still what one host may have.
apps=20
environments=5
# How many requests the token may make at once, and a minute: the most there can be, and more than there will be.
rate=1000000

die() {
    printf '%s: %s\n' "$(basename "$0")" "$@" >&2
    exit 1
}

rounds=${1:-5}
[[ $rounds =~ ^[1-9][0-9]?$ ]] || die "usage: benches/api.sh [ROUNDS, 1 to 99 [DEPLOYMENTS...]]"
shift || true
sizes=("$@")
((${#sizes[@]})) || sizes=(1000 1000000)

api_end() {
    local status=$?
    trap '' INT TERM
    minimal_stop
    [[ -n ${directory-} ]] && daemon_stop "$directory"
    rm -rf -- "$scratch"
    exit "$status"
}

minimal_stop() {
    [[ -n ${minimal_pid-} ]] || return 0
    kill -TERM "$minimal_pid" 2>/dev/null || true
    wait "$minimal_pid" 2>/dev/null || true
    minimal_pid=
}

cd "$root"
cargo bench --no-run --locked --bench api
bench=$(cargo bench --no-run --locked --bench api --message-format json 2>/dev/null |
    sed -n 's/.*"name":"api".*"executable":"\([^"]*\)".*/\1/p')
[[ -x $bench ]] || die "cargo did not say where it put the bench"
if [[ -n ${LONGSHORE_BIN-} ]]; then
    binary=$(realpath -e -- "$LONGSHORE_BIN")
else
    cargo build --release --locked
    binary=$(realpath -e -- "${CARGO_TARGET_DIR:-target}/release/longshore")
fi

scratch=$(mktemp -d)
trap api_end EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# api_config DIRECTORY: an engine that is not there, and apps that run an image.
api_config() {
    listen=127.0.0.1:$(scripts/free-port)
    cat <<CONFIG
data_dir = "$1/data"

[api]
listen = "$listen"
socket = "$1/api.sock"

[ingress]
listen = []

[docker]
host = "unix://$1/no-engine.sock"
CONFIG
    local app environment
    for ((app = 0; app < apps; app++)); do
        printf '\n[[app]]\nname = "app-%d"\nimage = "registry.example.com/acme/web"\nenvironment = "env-0"\n' "$app"
        for ((environment = 1; environment < environments; environment++)); do
            printf '[app.environments.env-%d]\n' "$environment"
        done
    done
}

seconds_since() { awk -v from="$1" -v to="$EPOCHREALTIME" 'BEGIN { printf "%.2f", to - from }'; }

for size in "${sizes[@]}"; do
    directory=$scratch/$size
    mkdir "$directory"
    api_config "$directory" >"$directory/config.toml"
    listen=$(sed -n 's/^listen = "\(.*\)"$/\1/p' "$directory/config.toml")
    # The first start makes the key, the instance and the rows of what is configured.
    daemon_start "$binary" "$directory" "$directory/api.sock"
    token=$("$binary" --socket "$directory/api.sock" token create bench --scope deploy:admin --rate "$rate" --burst "$rate" 2>/dev/null)
    daemon_stop "$directory"
    "$bench" fill "$directory/data" "$size"
    mkdir "$directory/minimal"
    cp --reflink=auto "$directory/data/longshore.db" "$directory/minimal/"
    began=$EPOCHREALTIME
    daemon_start "$binary" "$directory" "$directory/api.sock"
    printf 'the daemon answers %s s after it was started\n' "$(seconds_since "$began")"
    minimal=127.0.0.1:$(scripts/free-port)
    "$bench" minimal "$directory/minimal" "$minimal" &
    minimal_pid=$!
    until curl --silent --output /dev/null --max-time 5 "http://$minimal/v1/deployments"; do
        kill -0 "$minimal_pid" 2>/dev/null || die "the minimal server ended"
        sleep 0.05
    done
    "$bench" compare "$listen" "$minimal" "$token" "$size" "$apps" "$environments" "$rounds" "$scratch/figures"
    minimal_stop
    daemon_stop "$directory"
    if grep -E 'ERROR|panicked' "$directory/daemon.log"; then die "the daemon complained"; fi
    rm -rf -- "$directory"
    directory=
done
