#!/usr/bin/env bash
# From the request for a deployment to the first answer of the new version through the ingress, beside the engine's own
# create, start and first answer, in turn; then the same change by longshore and by `docker-compose up -d` under load.
#
#   benches/trigger.sh [ROUNDS]      20 unless said otherwise
#
# RATE (100) small requests a second in the second part, CHANGES (10) of them each way. Takes about three minutes.
set -euo pipefail

# shellcheck source=benches/setup.bash
source "$(dirname "$0")/setup.bash"
# shellcheck source=benches/ingress.bash
source "$root/benches/ingress.bash"

rounds=${1:-20}
rate=${RATE:-100}
changes=${CHANGES:-10}
[[ $rounds =~ ^[1-9][0-9]?$ && $changes =~ ^[1-9][0-9]?$ ]] || die "usage: [CHANGES=1 to 99] benches/trigger.sh [ROUNDS, 1 to 99]"

bench_begin benches
engine=$(docker context inspect --format '{{.Endpoints.docker.Host}}')
load_program
v1=$(app_image v1)
v2=$(app_image v2)
images+=("$v1" "$v2")
directory=$scratch/trigger
ingress_daemon "$directory"
ingress_app "$directory" web web.localhost "$v1" 'strategy = "swap"' 'drain_timeout = "3s"'
daemon_start "$binary" "$directory" "$socket"
longshore --quiet deploy web
await_served web.localhost v1

python3 "$root/benches/trigger.py" serving --engine "$engine" --socket "$socket" --instance "$directory/data/instance" \
    --ingress "$target" --host web.localhost --images "$v1" "$v2" --run "$run" --rounds "$rounds"

compose=$scratch/compose
published=127.0.0.1:$("$root/scripts/free-port")
mkdir "$compose"
# compose_file IMAGE
compose_file() {
    cat >"$compose/docker-compose.yml" <<COMPOSE
version: "3"
services:
  web:
    image: "$1"
    labels: { longshore.bench: "$run" }
    ports: ["$published:8080"]
    networks: [web]
networks:
  web:
    labels: { longshore.bench: "$run" }
COMPOSE
}
compose_up() { (cd "$compose" && docker-compose --project-name "bench$run" up --detach >"$compose/said" 2>&1) || die "$(<"$compose/said")"; }

# under_load NAME TARGET CHANGE: so many changes of the version, each by the command CHANGE with the image, under load.
under_load() {
    local name=$1 address=$2 change=$3 i image wanted load_pid
    "$load" load --target "$address" --host web.localhost --rate "$rate" --seconds 600 --output "$scratch/$name.json" 2>/dev/null &
    load_pid=$!
    sleep 1
    for ((i = 1; i <= changes; i++)); do
        if ((i % 2)); then image=$v2 wanted=v2; else image=$v1 wanted=v1; fi
        python3 "$root/benches/trigger.py" change --ingress "$address" --host web.localhost --version "$wanted" \
            --times "$scratch/$name.times" -- "$change" "$image"
    done
    sleep 1
    kill -TERM "$load_pid"
    wait "$load_pid"
}
cat >"$scratch/by-longshore" <<SCRIPT
#!/bin/sh
exec "$binary" --socket "$socket" --quiet deploy web --image "\$1"
SCRIPT
cat >"$scratch/by-compose" <<SCRIPT
#!/bin/sh
cd "$compose" && sed -i "s|image: .*|image: \"\$1\"|" docker-compose.yml
exec docker-compose --project-name "bench$run" up --detach
SCRIPT
chmod +x "$scratch/by-longshore" "$scratch/by-compose"

longshore --quiet deploy web --image "$v1"
under_load longshore "$target" "$scratch/by-longshore"
compose_file "$v1"
compose_up
under_load compose "$published" "$scratch/by-compose"
python3 "$root/benches/trigger.py" told --results "$scratch" longshore compose
