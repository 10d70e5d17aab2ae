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

# ingress_start BINARY DIRECTORY SOCKET: the same for an ingress that is a process of its own, whose socket is this one.
ingress_start() {
    local binary=$1 directory=$2 socket=$3 deadline=$((SECONDS + 30))
    setsid "$binary" ingress --config "$directory/config.toml" >>"$directory/access.log" 2>>"$directory/ingress.log" </dev/null 9<&- &
    echo $! >"$directory/ingress.pid"
    until curl --silent --fail --max-time 5 --output /dev/null --unix-socket "$socket" http://localhost/healthz; do
        if ! kill -0 "$(<"$directory/ingress.pid")" 2>/dev/null || ((SECONDS >= deadline)); then
            echo "the ingress ended or its socket $socket did not answer within 30 s; the end of its log:" >&2
            tail -n 30 "$directory/ingress.log" >&2
            return 1
        fi
        sleep 0.05
    done
}

# daemon_runs DIRECTORY [ingress]: whether the process of that directory lives. Its command line must name the directory's
# own configuration: a process id left behind by a crash may be a stranger's by now.
daemon_runs() {
    local pid file=$1/${2-daemon}.pid
    [[ -r $file ]] && pid=$(<"$file") && [[ -r /proc/$pid/cmdline ]] &&
        tr '\0' '\n' <"/proc/$pid/cmdline" 2>/dev/null | grep --quiet --line-regexp --fixed-strings -- "$1/config.toml"
}

# daemon_stop DIRECTORY [ingress]: asks it to stop, and kills it if it has not within 30 s.
daemon_stop() {
    local pid deadline=$((SECONDS + 30))
    daemon_runs "$@" || return 0
    pid=$(<"$1/${2-daemon}.pid")
    kill -TERM "$pid" 2>/dev/null || true
    while daemon_runs "$@"; do
        if ((SECONDS >= deadline)); then
            echo "the ${2-daemon} (pid $pid) did not stop within 30 s: killing it" >&2
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
