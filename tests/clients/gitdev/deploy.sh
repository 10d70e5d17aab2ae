#!/usr/bin/env bash
# git.dev's API as its page shows it with curl: create a deployment, look at it, list, read the log.
# GITDEV_API, GITDEV_TOKEN, GITDEV_PROJECT and GITDEV_COMMIT say where, as whom, what.
set -euo pipefail

created=$(curl --silent --show-error --fail-with-body -X POST "$GITDEV_API/deployments" \
    -H "Authorization: Bearer $GITDEV_TOKEN" \
    -H "Content-Type: application/json" \
    -d '{
      "project_id": "'"$GITDEV_PROJECT"'",
      "branch": "main",
      "commit_sha": "'"${GITDEV_COMMIT:0:12}"'",
      "env_vars": { "NODE_ENV": "production" }
    }')
echo "created: $created"
field() { python3 -c 'import json, sys; print(json.load(sys.stdin)[sys.argv[1]])' "$1"; }
id=$(field id <<<"$created")
[[ $(field status <<<"$created") == queued ]]
[[ $(field commit_sha <<<"$created") == "${GITDEV_COMMIT:0:12}" ]]

for _ in $(seq 120); do
    found=$(curl --silent --show-error --fail-with-body "$GITDEV_API/deployments/$id" -H "Authorization: Bearer $GITDEV_TOKEN")
    status=$(field status <<<"$found")
    case $status in
        success) break ;;
        failed | cancelled)
            echo "it ended as $status: $found" >&2
            exit 1
            ;;
        *) sleep 0.5 ;;
    esac
done
[[ $status == success ]]
echo "success: build_duration $(field build_duration <<<"$found"), deploy_url $(field deploy_url <<<"$found")"

curl --silent --show-error --fail-with-body "$(field logs_url <<<"$found")" -H "Authorization: Bearer $GITDEV_TOKEN" | grep --quiet 'Checked out'
curl --silent --show-error --fail-with-body "$GITDEV_API/deployments?limit=5&status=success" -H "Authorization: Bearer $GITDEV_TOKEN" |
    grep --quiet "$id"

# Refusals: their status, and the rate limit's headers on them too.
headers=$(mktemp)
trap 'rm -f "$headers"' EXIT
refused() {
    local expected=$1 code=$2 answer status
    shift 2
    answer=$(curl --silent --show-error --dump-header "$headers" "$@")
    status=$(sed -n '1s/^HTTP[^ ]* \([0-9]*\).*/\1/p' "$headers")
    [[ $status == "$expected" && $answer == *"\"$code\""* ]] || {
        echo "expected $expected $code, got $status: $answer" >&2
        exit 1
    }
    for name in limit remaining reset; do
        [[ $(grep --ignore-case --count --extended-regexp "^x-ratelimit-$name: [0-9]+.?$" "$headers") == 1 ]] || {
            echo "$status has no x-ratelimit-$name, or more than one" >&2
            exit 1
        }
    done
    echo "refused: $status $code"
}
refused 409 deployment_not_cancellable -X POST "$GITDEV_API/deployments/$id/cancel" -H "Authorization: Bearer $GITDEV_TOKEN"
refused 401 invalid_token "$GITDEV_API/deployments" -H "Authorization: Bearer sk_live_xxxx"
refused 401 missing_token "$GITDEV_API/deployments"
refused 404 deployment_not_found "$GITDEV_API/deployments/dep_9x2m4p" -H "Authorization: Bearer $GITDEV_TOKEN"
refused 400 missing_field -X POST "$GITDEV_API/deployments" -H "Authorization: Bearer $GITDEV_TOKEN" -d "{\"project_id\":\"$GITDEV_PROJECT\"}"
refused 400 invalid_branch -X POST "$GITDEV_API/deployments" -H "Authorization: Bearer $GITDEV_TOKEN" \
    -d "{\"project_id\":\"$GITDEV_PROJECT\",\"branch\":\"develop\"}"
refused 403 insufficient_scope -X DELETE "$GITDEV_API/deployments/$id" -H "Authorization: Bearer $GITDEV_TOKEN"
