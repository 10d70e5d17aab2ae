#!/usr/bin/env bash
# What longshore costs when it does nothing: the size of the program, the memory of an idle daemon, the time of a start.
#
#   benches/footprint.sh [STARTS]      10 unless said otherwise
set -euo pipefail

# shellcheck source=benches/setup.bash
source "$(dirname "$0")/setup.bash"

starts=${1:-10}
[[ $starts =~ ^[1-9][0-9]?$ ]] || die "usage: benches/footprint.sh [STARTS, 1 to 99]"

bench_begin demo
bench_app hello
python3 "$root/benches/footprint.py" --binary "$binary" --directory "$scratch" --socket "$socket" --starts "$starts"
