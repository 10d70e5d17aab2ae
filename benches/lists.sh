#!/usr/bin/env bash
# How long the store takes for the first page of a list and for one past 500,000, in every order and with every filter of
# GitLab's, with 1,000 and with 1,000,000 deployments; and what keeping the orders costs each write.
#
#   benches/lists.sh [DEPLOYMENTS...]      1000 and 1000000 unless said otherwise; the first is what the others are compared with
#
# Needs no engine. Takes about five minutes and 8 GB of disk, in TMPDIR.
set -euo pipefail

cd "$(dirname "$0")/.."

sizes=("$@")
((${#sizes[@]})) || sizes=(1000 1000000)
for size in "${sizes[@]}"; do
    [[ $size =~ ^[1-9][0-9]*$ ]] || {
        printf 'usage: benches/lists.sh [DEPLOYMENTS...]\n' >&2
        exit 1
    }
done

cargo bench --no-run --locked --bench api
bench=$(cargo bench --no-run --locked --bench api --message-format json 2>/dev/null |
    sed -n 's/.*"name":"api".*"executable":"\([^"]*\)".*/\1/p')
[[ -x $bench ]] || {
    printf 'cargo did not say where it put the bench\n' >&2
    exit 1
}
scratch=$(mktemp -d)
trap 'rm -rf -- "$scratch"' EXIT
"$bench" lists "$scratch" "${sizes[@]}"
