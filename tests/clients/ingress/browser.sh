#!/usr/bin/env bash
# Chromium shows a page of an app behind the ingress, whose script says on it what came back over a WebSocket.
#
#   browser.sh PORT HOST
set -euo pipefail

profile=$(mktemp -d)
trap 'rm -rf "$profile"' EXIT
shown=$(timeout 60 chromium --headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking \
    --disable-component-update --disable-sync --user-data-dir="$profile" --dump-dom "http://$2:$1/page" 2>"$profile/said") || {
    tail -n 5 "$profile/said" >&2
    exit 1
}
if [[ $shown != *'came back: from the page'* ]]; then
    printf 'browser.sh: the page shows: %s\n' "$shown" >&2
    exit 1
fi
echo "the page shows what came back over its WebSocket"
