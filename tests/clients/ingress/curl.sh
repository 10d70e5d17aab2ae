#!/usr/bin/env bash
# curl against an app behind the ingress: HTTP/1.1 and HTTP/2, IPv4 and IPv6, an upload that asks before it is sent.
#
#   curl.sh PORT HOST
set -euo pipefail

port=$1 host=$2
url=http://$host:$port
die() {
    printf 'curl.sh: %s\n' "$@" >&2
    exit 1
}
ask() { curl --silent --show-error --max-time 20 "$@"; }

upload=$(mktemp)
trap 'rm -f "$upload"' EXIT
head -c 3000000 /dev/urandom >"$upload"
digest=$(sha256sum <"$upload" | cut -d ' ' -f 1)

for family in --ipv4 --ipv6; do
    for version in --http1.1 --http2-prior-knowledge; do
        [[ $(ask --fail $family $version "$url/up") == up ]] || die "$family $version: not served"
        [[ $(ask --fail $family $version --data-binary @"$upload" --header 'Expect: 100-continue' "$url/digest") == "$digest" ]] ||
            die "$family $version: the upload did not arrive whole"
        [[ $(ask --fail $family $version --data-binary @"$upload" "$url/echo" | sha256sum | cut -d ' ' -f 1) == "$digest" ]] ||
            die "$family $version: what was sent did not come back whole"
        [[ $(ask --fail $family $version "$url/large" | wc -c) == 1048576 ]] || die "$family $version: a large answer is not whole"
        [[ $(ask --fail $family $version "$url/slow" | wc -l) == 10 ]] || die "$family $version: a slow answer is not whole"
        echo "$family $version: a page, an upload of 3 MB and back, a large and a slow answer"
    done
done

# The upload is asked for before it is sent.
ask --http1.1 --verbose --output /dev/null --data-binary @"$upload" --header 'Expect: 100-continue' "$url/digest" 2>&1 |
    grep --quiet '< HTTP/1.1 100' || die "no 100 came before the upload"
[[ $(ask --http1.1 --no-buffer --header 'Transfer-Encoding: chunked' --data-binary @"$upload" "$url/digest") == "$digest" ]] ||
    die "a chunked upload did not arrive whole"
[[ $(ask --output /dev/null --write-out '%{http_code}' --header 'Host: nobody.localhost' "$url/") == 404 ]] ||
    die "a host that nobody has is not answered with 404"
echo "100 Continue, a chunked upload, 404 for a strange host"
