#!/usr/bin/env bash
# How a flood of output is kept: a container that prints RATE (50000) lines a second for SECONDS (60), first with
# `docker logs -f` alone, then as an app whose runtime log longshore keeps. Prints how many lines were kept, lost and
# doubled, and what it took. Exits with 1 if longshore doubled a line.
#
#   benches/runtime.sh
#
# With LONGSHORE_BIN that program is measured instead of a release build of this tree.
set -euo pipefail

# shellcheck source=benches/setup.bash
source "$(dirname "$0")/setup.bash"

rate=${RATE:-50000}
seconds=${SECONDS_OF_FLOOD:-60}
[[ $rate =~ ^[1-9][0-9]{0,6}$ && $seconds =~ ^[1-9][0-9]{0,3}$ ]] || die "RATE and SECONDS_OF_FLOOD are numbers from 1"

bench_begin benches
# A tenth of a second's lines at a time; the second's last part waits for the next second.
flood='BEGIN {
    system("sleep 5"); begin = systime()
    for (second = 0; second < seconds; second++) {
        for (part = 0; part < 10; part++) {
            for (i = 0; i < rate / 10; i++) print "line " ++n " of a program that has more to say than anybody will read"
            fflush(); if (part < 9) system("usleep 60000")
        }
        while (systime() <= begin + second) system("usleep 10000")
    }
    print "that was all in " (systime() - begin) " s"; fflush(); system("sleep 100000")
}'
# What one environment keeps is bounded; here every line is to be counted.
cat >>"$scratch/config.toml" <<CONFIG

[retention]
runtime_logs = "4GiB"

[[app]]
name = "flood"
image = "$image"
pull = "never"
command = ["awk", "-v", "rate=$rate", "-v", "seconds=$seconds", '''$flood''']
health = { stays_up = "1s" }
stop_grace = "1s"
CONFIG

baseline=$(docker run --detach --label "longshore.bench=$run" --log-driver json-file --log-opt max-size=10m --log-opt max-file=3 \
    "$image" awk -v "rate=$rate" -v "seconds=$seconds" "$flood")
docker logs --follow "$baseline" >"$scratch/baseline.txt" 2>/dev/null &
processes+=("$!")
python3 "$root/benches/runtime.py" --name "docker logs -f" --pid "$!" --file "$scratch/baseline.txt" --lines "$((rate * seconds))"
docker rm --force "$baseline" >/dev/null

daemon_start "$binary" "$scratch" "$socket"
"$binary" --socket "$socket" --quiet deploy flood
python3 "$root/benches/runtime.py" --name longshore --pid "$(<"$scratch/daemon.pid")" --directory "$scratch/data/runtime" \
    --lines "$((rate * seconds))"
if grep -E ' ERROR |panicked' "$scratch/daemon.log"; then die "the daemon complained"; fi
