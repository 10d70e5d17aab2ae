#!/usr/bin/env bash
# Requests a second and the slowest of a hundred through the ingress and through nginx, in turn, with the same upstream.
#
#   benches/proxy.sh [ROUNDS]      3 unless said otherwise
#
# SECONDS_EACH (5) for each measurement, CONNECTIONS ("8 32 128"); PERF=1 also shows where the ingress spends its time.
# Takes about four minutes. The load is wrk's: a closed loop over kept connections that costs little beside a proxy and
# knows its percentiles; HTTP/2 is h2load's. Both proxies have a worker a core, kept connections to the upstream and an
# access log; the ingress also counts for its metrics. The upstream is a third nginx that answers from memory.
set -euo pipefail
unset LONGSHORE_SOCKET LONGSHORE_TOKEN

root=$(cd "$(dirname "$0")/.." && pwd)
# shellcheck source=scripts/daemon.bash
source "$root/scripts/daemon.bash"

die() {
    printf '%s: %s\n' "$(basename "$0")" "$@" >&2
    exit 1
}

rounds=${1:-3}
each=${SECONDS_EACH:-5}
[[ $rounds =~ ^[1-9][0-9]?$ && $each =~ ^[1-9][0-9]?$ ]] || die "usage: [SECONDS_EACH=1 to 99] benches/proxy.sh [ROUNDS, 1 to 99]"
PATH=$PATH:/usr/sbin
"$root/scripts/engine-up" --for-benches

proxy_end() {
    local status=$? pid
    trap '' INT TERM
    for pid in "${nginxes[@]}"; do
        kill -TERM "$pid" 2>/dev/null || true
        wait "$pid" 2>/dev/null || true
    done
    [[ ! -e $scratch/config.toml ]] || daemon_stop "$scratch" ingress
    rm -rf -- "$scratch"
    exit "$status"
}

cd "$root"
if [[ -n ${LONGSHORE_BIN-} ]]; then
    binary=$(realpath -e -- "$LONGSHORE_BIN")
else
    # perf wants the names of functions.
    if [[ -n ${PERF-} ]]; then export CARGO_PROFILE_RELEASE_STRIP=none; fi
    cargo build --release --locked
    binary=$(realpath -e -- "${CARGO_TARGET_DIR:-target}/release/longshore")
fi
scratch=$(mktemp -d)
nginxes=()
trap proxy_end EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

cores=$(nproc)
upstream=127.0.0.1:$(scripts/free-port)
theirs=127.0.0.1:$(scripts/free-port)
ours=127.0.0.1:$(scripts/free-port)
mkdir "$scratch/files"
head -c 1048576 /dev/zero | tr '\0' x >"$scratch/files/large"
small=$(printf 'x%.0s' {1..120})

# nginx_start NAME: with the server of standard input.
nginx_start() {
    local directory=$scratch/$1 deadline=$((SECONDS + 10))
    mkdir "$directory"
    {
        cat <<CONF
daemon off;
user $(id -un) $(id -gn);
worker_processes $cores;
pid $directory/pid;
error_log $directory/error.log;
events { worker_connections 8192; }
http {
    client_body_temp_path $directory/body;
    proxy_temp_path $directory/proxy;
    fastcgi_temp_path $directory/fastcgi;
    uwsgi_temp_path $directory/uwsgi;
    scgi_temp_path $directory/scgi;
    default_type text/plain;
    sendfile on;
    tcp_nopush on;
    keepalive_requests 1000000000;
CONF
        cat
        echo "}"
    } >"$directory/nginx.conf"
    nginx -e "$directory/error.log" -p "$directory" -c "$directory/nginx.conf" &
    nginxes+=($!)
    until curl --silent --max-time 2 --output /dev/null "http://$2/small"; do
        ((SECONDS < deadline)) || die "nginx did not start" "$(tail -n 5 "$directory/error.log")"
        sleep 0.05
    done
}

nginx_start upstream "$upstream" <<CONF
    access_log off;
    open_file_cache max=10;
    server {
        listen $upstream reuseport;
        location = /small { return 200 "$small"; }
        location = /large { root $scratch/files; }
    }
CONF
nginx_start proxy "$theirs" <<CONF
    access_log $scratch/proxy.log combined;
    upstream app { server $upstream; keepalive 256; keepalive_requests 1000000000; }
    server {
        listen $theirs reuseport;
        location / {
            proxy_pass http://app;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Host \$host;
            proxy_set_header X-Forwarded-For \$proxy_add_x_forwarded_for;
            proxy_set_header X-Forwarded-Proto \$scheme;
        }
    }
CONF
cat >"$scratch/config.toml" <<CONFIG
[ingress]
embedded = false
listen = ["$ours"]
socket = "$scratch/control.sock"
data_dir = "$scratch/ingress"
access_log = "common"
CONFIG
ingress_start "$binary" "$scratch" "$scratch/control.sock"
cat >"$scratch/table.json" <<TABLE
{"instance": "$(</proc/sys/kernel/random/uuid)", "generation": 1, "routes": [{"domain": "bench.localhost",
 "service": {"app": "web", "environment": "production"}, "target": {"container": "$upstream"}}]}
TABLE
curl --silent --show-error --fail --max-time 5 --output /dev/null --unix-socket "$scratch/control.sock" --request PUT \
    --header 'Content-Type: application/json' --data @"$scratch/table.json" http://localhost/table

python3 benches/proxy.py --ours "$ours" --ours-pid "$(<"$scratch/ingress.pid")" --theirs "$theirs" --theirs-pid "${nginxes[1]}" \
    --rounds "$rounds" --seconds "$each" --connections "${CONNECTIONS:-8 32 128}" ${PERF:+--perf} \
    --scratch "$scratch"
if grep -E ' ERROR |panicked' "$scratch/ingress.log"; then die "the ingress complained"; fi
