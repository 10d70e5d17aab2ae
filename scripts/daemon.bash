# shellcheck shell=bash
# A longshore daemon of our own: started, awaited, stopped, and everything it made removed. Sourced by the demo and the
# benches. Its directory holds config.toml (with data_dir = DIRECTORY/data), daemon.log and daemon.pid.

# daemon_start BINARY DIRECTORY SOCKET: starts it and returns when its socket answers.
daemon_start() {
    local binary=$1 directory=$2 socket=$3 deadline=$((SECONDS + 30))
    # In a session of its own, so that Ctrl-C reaches the script alone, which then stops the daemon in good order.
    setsid "$binary" serve --config "$directory/config.toml" >>"$directory/daemon.log" 2>&1 </dev/null 9<&- &
    echo $! >"$directory/daemon.pid"
    until curl --silent --fail --max-time 5 --output /dev/null --unix-socket "$socket" http://localhost/v1/apps; do
        if ! kill -0 "$(<"$directory/daemon.pid")" 2>/dev/null; then
            echo "the daemon ended before its socket answered; the end of its log:" >&2
            tail -n 30 "$directory/daemon.log" >&2
            return 1
        fi
        if ((SECONDS >= deadline)); then
            echo "the daemon's socket $socket did not answer within 30 s; the end of its log:" >&2
            tail -n 30 "$directory/daemon.log" >&2
            return 1
        fi
        sleep 0.05
    done
}

# daemon_runs DIRECTORY: whether the process of that directory lives. Its command line must name the directory's own
# configuration: a process id left behind by a crash may be a stranger's by now.
daemon_runs() {
    local pid
    [[ -r $1/daemon.pid ]] && pid=$(<"$1/daemon.pid") && [[ -r /proc/$pid/cmdline ]] &&
        tr '\0' '\n' <"/proc/$pid/cmdline" 2>/dev/null | grep --quiet --line-regexp --fixed-strings -- "$1/config.toml"
}

# daemon_stop DIRECTORY: asks it to stop, and kills it if it has not within 30 s.
daemon_stop() {
    local pid deadline=$((SECONDS + 30))
    daemon_runs "$1" || return 0
    pid=$(<"$1/daemon.pid")
    kill -TERM "$pid" 2>/dev/null || true
    while daemon_runs "$1"; do
        if ((SECONDS >= deadline)); then
            echo "the daemon (pid $pid) did not stop within 30 s: killing it" >&2
            kill -KILL "$pid" 2>/dev/null || true
            deadline=$((SECONDS + 5))
        fi
        sleep 0.05
    done
}

# daemon_remove_objects DIRECTORY: removes the containers, networks, volumes and images labelled with the daemon's
# instance, and nothing else. Call it when the daemon has stopped.
daemon_remove_objects() {
    local instance filter
    # The daemon writes its instance before it makes anything: no file, no objects.
    [[ -r $1/data/instance ]] || return 0
    instance=$(<"$1/data/instance")
    # An empty or strange value would make the filter match what is not ours.
    if [[ ! $instance =~ ^[0-9A-Za-z_-]{8,}$ ]]; then
        echo "$1/data/instance holds no instance id: removing no Docker objects" >&2
        return 1
    fi
    filter=label=dev.longshore.instance=$instance
    local failed=0
    docker ps --all --quiet --filter "$filter" | xargs --no-run-if-empty docker rm --force --volumes >/dev/null || failed=1
    docker network ls --quiet --filter "$filter" | xargs --no-run-if-empty docker network rm >/dev/null || failed=1
    docker volume ls --quiet --filter "$filter" | xargs --no-run-if-empty docker volume rm >/dev/null || failed=1
    docker images --all --quiet --no-trunc --filter "$filter" | sort --unique |
        xargs --no-run-if-empty docker rmi --force >/dev/null || failed=1
    return "$failed"
}
