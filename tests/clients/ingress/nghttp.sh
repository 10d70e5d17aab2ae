#!/usr/bin/env bash
# nghttp and h2load against an app behind the ingress, over HTTP/2 without TLS.
#
#   nghttp.sh ADDRESS HOST
set -euo pipefail

address=$1 host=$2
die() {
    printf 'nghttp.sh: %s\n' "$@" >&2
    exit 1
}

upload=$(mktemp)
trap 'rm -f "$upload"' EXIT
head -c 300000 /dev/urandom >"$upload"
digest=$(sha256sum <"$upload" | cut -d ' ' -f 1)
[[ $(nghttp --timeout=20 --header=":authority: $host" "http://$address/up") == up ]] || die "nghttp was not served"
[[ $(nghttp --timeout=20 --header=":authority: $host" --data="$upload" "http://$address/digest") == "$digest" ]] ||
    die "nghttp's upload did not arrive whole"
# An upload with a trailer.
[[ $(nghttp --timeout=20 --header=":authority: $host" --data="$upload" --trailer='x-after: all' "http://$address/digest") == "$digest" ]] ||
    die "nghttp's upload with a trailer did not arrive whole"
echo "nghttp: a page, an upload, an upload with a trailer"

# A large answer is a megabyte.
for path_and_count in /small:1000 /large:100; do
    path=${path_and_count%:*} count=${path_and_count#*:}
    said=$(h2load --requests="$count" --clients=8 --max-concurrent-streams=10 --connect-to="$address" "http://$host$path")
    [[ $said == *"$count succeeded, 0 failed, 0 errored, 0 timeout"* && $said == *"$count 2xx"* ]] || die "h2load of $path: $said"
    said=$(h2load --h1 --requests="$count" --clients=8 --connect-to="$address" "http://$host$path")
    [[ $said == *"$count succeeded, 0 failed, 0 errored, 0 timeout"* && $said == *"$count 2xx"* ]] || die "h2load --h1 of $path: $said"
    echo "h2load: $count of $path over HTTP/2, as many over HTTP/1.1"
done
