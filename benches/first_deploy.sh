#!/usr/bin/env bash
# How much longer a first deployment of an image takes than the same container made by hand through the engine's API.
#
#   benches/first_deploy.sh [ROUNDS]      10 unless said otherwise
#
# One round is a first deployment of a fresh app and, beside it, a network, a container and a start by hand; which of the
# two comes first alternates. Both end with the first HTTP 200 that the container's own address gives.
set -euo pipefail

# shellcheck source=benches/setup.bash
source "$(dirname "$0")/setup.bash"

rounds=${1:-10}
[[ $rounds =~ ^[1-9][0-9]?$ ]] || die "usage: benches/first_deploy.sh [ROUNDS, 1 to 99]"

bench_begin demo
# App number 0 warms up and is not counted.
for ((i = 0; i <= rounds; i++)); do bench_app "bench-$i"; done
daemon_start "$binary" "$scratch" "$socket"

pool=$(sed -n 's/^address_pool = "\(.*\)"$/\1/p' "$scratch/config.toml")
python3 "$root/benches/first_deploy.py" \
    --engine "$(sed -n 's/^host = "\(.*\)"$/\1/p' "$scratch/config.toml")" --socket "$socket" --instance "$scratch/data/instance" \
    --image "$image" --run "$run" --pool "$("$root/scripts/free-pool" "$pool")" --rounds "$rounds"
