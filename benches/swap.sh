#!/usr/bin/env bash
# The same load on an app that nobody touches and on one that is deployed and rolled back again and again, on a real engine.
#
#   benches/swap.sh [CASE…]     all of them unless said otherwise
#
#   control    no deployment
#   swap       DEPLOYMENTS (50) deployments and rollbacks; nothing may fail
#   recreate   a fifth as many with strategy = "recreate" of an app that takes 4 s to get ready, longer than requests wait for
#              it: there must be failures, or the load sees nothing
#   kill       the daemon killed in each deployment and started again; the ingress is a process of its own
#   ingress    the ingress, whose sockets somebody else holds, as systemd does, is restarted in between
#   deaf       an app that ignores SIGTERM
#   slow       an app that takes 5 s to get ready
#   never      an app that never gets ready; the one before it serves on
#   two        two environments deployed at once
#   engine     an engine with live-restore, in namespaces of its own, restarted again and again
#
# RATE (100) small requests a second, every second one on a connection of its own, besides slow uploads, slow answers and
# WebSockets. Everything together takes about twelve minutes with 50 deployments. Exits with 1 if a case did not end as it
# must.
set -euo pipefail

# shellcheck source=benches/setup.bash
source "$(dirname "$0")/setup.bash"
# shellcheck source=benches/ingress.bash
source "$root/benches/ingress.bash"

deployments=${DEPLOYMENTS:-50}
rate=${RATE:-100}
few=$((deployments / 5 < 3 ? 3 : deployments / 5))
cases=("$@")
((${#cases[@]})) || cases=(control swap recreate kill ingress deaf slow never two engine)
for case in "${cases[@]}"; do
    [[ " control swap recreate kill ingress deaf slow never two engine " == *" $case "* ]] || die "there is no case $case"
done
[[ $deployments =~ ^[1-9][0-9]{0,3}$ && $rate =~ ^[1-9][0-9]{0,3}$ ]] || die "DEPLOYMENTS and RATE are 1 to 9999"

say() { printf '%s\n' "$*"; }

# load_begin CASE HOSTS [OPTIONS…]: puts the app under load until load_end.
load_begin() {
    results=${SWAP_RESULTS:-$scratch/results}
    mkdir -p "$results"
    setsid "$load" load --target "$target" --host "$2" --rate "$rate" --seconds 1800 --output "$results/$1.json" \
        "${@:3}" 2>"$results/$1.txt" &
    load_pid=$!
    processes+=("$load_pid")
    sleep 1
}

load_end() {
    # What came last is given a moment to go wrong.
    sleep 1
    kill -TERM "$load_pid"
    wait "$load_pid" || { cat "$results/$1.txt"; die "the load ended by itself"; }
    processes=()
    cat "$results/$1.txt"
}

# up CASE [KEYS…]: a daemon with the app `web`, version v1 of which serves. KEYS are lines of the app.
up() {
    directory=$scratch/$1
    ingress_daemon "$directory"
    ingress_app "$directory" web web.localhost "$v1" 'drain_timeout = "3s"' "${@:2}"
    daemon_start "$binary" "$directory" "$socket"
    longshore --quiet deploy web
    await_served web.localhost v1
}

down() {
    daemon_stop "$directory"
    daemon_stop "$directory" ingress
    if grep -E ' ERROR |panicked' "$directory/daemon.log"; then die "the daemon complained"; fi
    daemon_remove_objects "$directory"
}

# change NUMBER [OPTIONS…]: one of a row of deployments and rollbacks that each change the version, which is served when the
# command returns.
change() {
    local image=$v1 wanted=v1
    if [[ $(served web.localhost) == v1 ]]; then image=$v2 wanted=v2; fi
    if (($1 % 5 == 4)); then
        # The release before the live one is always of the other version.
        longshore --quiet rollback web >/dev/null
    else
        longshore --quiet deploy web --image "$image" "${@:2}" >/dev/null
    fi
    local now
    now=$(served web.localhost)
    [[ $now == "$wanted" ]] || die "after change $1 '$now' is served and not $wanted"
}

in_control() {
    up control
    load_begin control web.localhost
    sleep "${CONTROL_SECONDS:-60}"
    load_end control
    down
}

in_swap() {
    up swap 'strategy = "swap"'
    load_begin swap web.localhost
    for ((i = 1; i <= deployments; i++)); do change "$i"; done
    load_end swap
    down
}

in_recreate() {
    # An app that comes back at once would be waited for: what is asked meanwhile would come late, but would come.
    up recreate 'strategy = "recreate"' 'env = { APP_READY_AFTER = "4000" }'
    load_begin recreate web.localhost
    for ((i = 1; i <= few; i++)); do change "$i"; done
    load_end recreate
    down
}

# apart CASE [KEYS…]: like up, with an ingress of its own process.
apart() {
    directory=$scratch/$1
    control=$directory/control.sock
    ingress_daemon "$directory" 'embedded = false' "socket = \"$control\"" "data_dir = \"$directory/ingress\"" 'access_log = "json"'
    ingress_app "$directory" web web.localhost "$v1" 'drain_timeout = "3s"' "${@:2}"
}

in_kill() {
    apart kill
    ingress_start "$binary" "$directory" "$control"
    daemon_start "$binary" "$directory" "$socket"
    longshore --quiet deploy web
    await_served web.localhost v1
    load_begin kill web.localhost
    for ((i = 1; i <= few; i++)); do
        local image=$v1 wanted=v1 id
        if [[ $(served web.localhost) == v1 ]]; then image=$v2 wanted=v2; fi
        id=$(longshore deploy web --image "$image" --no-wait)
        # Somewhere between the acceptance and the drain's end.
        sleep "$(printf '0.%03d' $((RANDOM % 900)))"
        kill -KILL "$(<"$directory/daemon.pid")"
        # The shell would say that it was killed.
        wait "$(<"$directory/daemon.pid")" 2>/dev/null || true
        daemon_start "$binary" "$directory" "$socket"
        await_end "$id"
        await_served web.localhost "$wanted"
    done
    load_end kill
    down
}

# await_end ID: until the deployment has succeeded.
await_end() {
    local status deadline=$((SECONDS + 60))
    until status=$(longshore --json show "$1" | python3 -c 'import json, sys; print(json.load(sys.stdin)["status"])') &&
        [[ $status == success ]]; do
        [[ $status != failed && $status != cancelled ]] || die "deployment $1 ended as $status"
        ((SECONDS < deadline)) || die "deployment $1 is $status after 60 s"
        sleep 0.05
    done
}

# The sockets are held by a process that is not the ingress, as systemd holds them.
in_ingress() {
    apart ingress
    setsid python3 "$root/benches/held.py" "$directory/starts" "$target" "$control" -- \
        "$binary" ingress --config "$directory/config.toml" >"$directory/access.log" 2>"$directory/ingress.log" </dev/null &
    holder=$!
    processes+=("$holder")
    daemon_start "$binary" "$directory" "$socket"
    longshore --quiet deploy web
    await_served web.localhost v1
    # A WebSocket that lives longer than shutdown_timeout cannot end in good order: the ingress is not its other side.
    load_begin ingress web.localhost --sockets 0
    for ((i = 1; i <= few; i++)); do
        kill -HUP "$holder"
        if ((i % 2)); then change "$i"; fi
        for ((looked = 0; $(wc -l <"$directory/starts") != i + 1; looked++)); do
            ((looked < 600)) || die "the ingress did not restart within 30 s"
            sleep 0.05
        done
    done
    load_end ingress
    kill -TERM "$holder"
    wait "$holder"
    processes=()
    down
}

in_deaf() {
    up deaf 'env = { APP_DEAF = "true" }' 'stop_grace = "1s"'
    # A WebSocket that lives longer than drain_timeout cannot end in good order with an app that is killed.
    load_begin deaf web.localhost --sockets 0
    for ((i = 1; i <= few; i++)); do change "$i"; done
    load_end deaf
    down
}

in_slow() {
    up slow 'env = { APP_READY_AFTER = "5000" }'
    load_begin slow web.localhost
    for ((i = 1; i <= (few + 1) / 2; i++)); do change "$i"; done
    load_end slow
    down
}

in_never() {
    up never 'deadlines = { rollout = "1m" }'
    sed -i 's/timeout = "20s"/timeout = "3s"/' "$directory/config.toml"
    longshore reload >/dev/null
    load_begin never web.localhost
    for ((i = 1; i <= (few + 1) / 2; i++)); do
        if longshore --quiet deploy web --image "$v2" --env APP_NEVER_READY=true >/dev/null 2>&1; then
            die "a version that never gets ready was deployed"
        fi
        [[ $(served web.localhost) == v1 ]] || die "the version before it does not serve"
    done
    load_end never
    down
}

in_two() {
    up two "[app.environments.staging]" 'domains = ["staging.localhost"]'
    longshore --quiet deploy web --environment staging
    await_served staging.localhost v1
    load_begin two web.localhost,staging.localhost
    local environment pids=()
    for environment in production staging; do
        for ((i = 1; i <= few; i++)); do
            if ((i % 2)); then image=$v2; else image=$v1; fi
            longshore --quiet deploy web --environment "$environment" --image "$image" >/dev/null
        done &
        pids+=($!)
    done
    for pid in "${pids[@]}"; do wait "$pid" || die "a deployment failed"; done
    load_end two
    down
}

# An engine of the bench's own: this script again, as the first process of namespaces of their own, where everything that
# it starts ends with it.
in_engine() {
    mkdir -p "$scratch/results"
    ((EUID == 0)) || die "the case engine starts an engine of its own in namespaces of their own, which only root can"
    # Short: below it are unix sockets, whose paths are limited.
    local own status=0
    own=$(mktemp -d /tmp/ls.XXXXXX)
    SWAP_RESULTS=$scratch/results LONGSHORE_BIN=$binary INGRESS_BENCH=$load SWAP_INSIDE=$own RATE=$rate DEPLOYMENTS=$deployments \
        unshare --net --pid --mount --fork --kill-child --mount-proc "$0" engine || status=$?
    rm -rf -- "$own"
    find /sys/fs/cgroup -depth -type d -path "*/longshore-bench-${own##*.}*" -exec rmdir {} + 2>/dev/null || true
    return "$status"
}

in_engine_inside() {
    up engine
    load_begin engine web.localhost
    for ((i = 1; i <= few; i++)); do
        own_engine_stop
        own_engine_start
        if ((i % 2)); then change "$i"; fi
    done
    load_end engine
    down
}

own_engine_start() {
    setsid dockerd --data-root "$own/e" --exec-root "$own/x" --pidfile "$own/x.pid" --config-file "$own/engine.json" \
        --cgroup-parent "/longshore-bench-${own##*.}" --host "unix://$own/d.sock" >>"$own/engine.log" 2>&1 </dev/null &
    local deadline=$((SECONDS + 60))
    until docker version >/dev/null 2>&1; do
        ((SECONDS < deadline)) || die "the bench's own engine did not answer within 60 s" "$(tail -n 20 "$own/engine.log")"
        sleep 0.05
    done
}

own_engine_stop() {
    local pid deadline=$((SECONDS + 30))
    pid=$(<"$own/x.pid")
    kill -TERM "$pid"
    while kill -0 "$pid" 2>/dev/null; do
        ((SECONDS < deadline)) || die "the bench's own engine did not stop"
        sleep 0.02
    done
}

if [[ -n ${SWAP_INSIDE-} ]]; then
    own=$SWAP_INSIDE
    ip link set lo up
    echo '{"live-restore": true}' >"$own/engine.json"
    export DOCKER_HOST=unix://$own/d.sock
    own_engine_start
fi

bench_begin demo
engine=$(docker context inspect --format '{{.Endpoints.docker.Host}}')
load_program
v1=$(app_image v1)
v2=$(app_image v2)
images+=("$v1" "$v2")
if [[ -n ${SWAP_INSIDE-} ]]; then
    in_engine_inside
    exit
fi
for case in "${cases[@]}"; do
    say "" "== $case"
    "in_$case"
done
python3 "$root/benches/swap.py" "$scratch/results" "${cases[@]}"
