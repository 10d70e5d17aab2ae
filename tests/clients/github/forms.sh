#!/usr/bin/env bash
# The examples of GitHub's documentation by curl: a simple deployment, one that looks at checks, a branch that is merged first
# (202), one that cannot be (409), checks that failed (409), a status. curl says that a body is a form, whatever it is.
# The variables are those of deploy.py beside this.
set -euo pipefail

repo=${GITHUB_API%/api/v3}/repos/$GITHUB_REPO
body=$(mktemp)
head=$(mktemp)
trap 'rm -f "$body" "$head"' EXIT
field() { python3 -c '
import json, sys
value = json.load(sys.stdin)
for key in sys.argv[1:]:
    value = value[int(key) if key.isdigit() else key]
print(value)' "$@" <"$body"; }
is() {
    [[ $2 == "$3" ]] || {
        echo "$1 is $2, not $3; the answer was:" >&2
        cat "$body" >&2
        exit 1
    }
}
# asks STATUS ARGUMENT…: the answer's status must be this; its body is in $body.
asks() {
    local expected=$1
    shift
    is "the status of $*" "$(curl --silent --show-error --output "$body" --dump-header "$head" --write-out '%{http_code}' \
        --header "Authorization: token $GITHUB_TOKEN" --header 'Accept: application/vnd.github.ant-man-preview+json' "$@")" "$expected"
}
# ends ID: waits until its newest status is an end, and says which.
ends() {
    local _
    for _ in {1..480}; do
        asks 200 "$repo/deployments/$1/statuses?per_page=1"
        state=$(python3 -c 'import json, sys; all = json.load(sys.stdin); print(all[0]["state"] if all else "none")' <"$body")
        case $state in success | failure | error | inactive) break ;; esac
        sleep 0.25
    done
    is "deployment $1" "$state" success
}

# The simple one. The environment and everything else are as they are unless something is said.
asks 201 "$repo/deployments" --data "{\"ref\":\"main\",\"payload\":\"{\\\"user\\\":\\\"atmos\\\",\\\"room_id\\\":123456}\",\"description\":\"Deploying my sweet branch\",\"environment\":\"$GITHUB_ENVIRONMENT\"}"
simple=$(field id)
is ref "$(field ref)" main
is payload "$(field payload)" '{"user":"atmos","room_id":123456}'
is url "$(field url)" "$repo/deployments/$simple"
grep --ignore-case --quiet "^location: $repo/deployments/$simple" "$head"
grep --ignore-case --quiet '^x-github-media-type: github.ant-man-preview; format=json' "$head"
ends "$simple"
echo "simple: $simple"

# A status of one's own.
asks 201 "$repo/deployments/$simple/statuses" --data '{"state":"success","target_url":"https://example.com/deployment/42/output","description":"Deployment finished successfully."}'
is log_url "$(field log_url)" https://example.com/deployment/42/output
status=$(field id)
asks 200 "$repo/deployments/$simple/statuses/$status"
is state "$(field state)" success

# The advanced one: the checks it names must be well, and it is not merged.
advanced() {
    echo "{\"ref\":\"main\",\"auto_merge\":false,\"payload\":\"{\\\"user\\\":\\\"atmos\\\"}\",\"description\":\"Deploying after CI tests passed\",\"required_contexts\":[\"ci/janky\",\"security/brakeman\"],\"environment\":\"$GITHUB_ENVIRONMENT\"}"
}
check() { asks 201 "$repo/statuses/$GITHUB_SHA" --data "{\"state\":\"$1\",\"context\":\"$2\",\"target_url\":\"https://example.com/build/status\",\"description\":\"The build $1\"}"; }
check pending ci/janky
check success security/brakeman
asks 409 "$repo/deployments" --data "$(advanced)"
is message "$(field message)" 'Conflict: Commit status checks failed for main.'
is 'the first context' "$(field errors 0 contexts 0 context) $(field errors 0 contexts 0 state)" 'ci/janky pending'
is 'the second context' "$(field errors 0 contexts 1 context) $(field errors 0 contexts 1 state)" 'security/brakeman success'
check failure ci/janky
asks 409 "$repo/deployments" --data "$(advanced)"
asks 200 "$repo/commits/main/status"
is 'all together' "$(field state)" failure
check success ci/janky
asks 201 "$repo/deployments" --data "$(advanced)"
ends "$(field id)"
echo "advanced: after the checks were well"

# Merged first, and deployed when it is asked again.
merged="{\"ref\":\"$GITHUB_TOPIC\",\"environment\":\"$GITHUB_ENVIRONMENT\"}"
asks 202 "$repo/deployments" --data "$merged"
is message "$(field message)" "Auto-merged main into $GITHUB_TOPIC on deployment."
asks 201 "$repo/deployments" --data "$merged"
ends "$(field id)"
asks 409 "$repo/deployments" --data "{\"ref\":\"conflicting\",\"environment\":\"$GITHUB_ENVIRONMENT\"}"
is message "$(field message)" 'Conflict merging main into conflicting.'
asks 409 "$repo/deployments" --data "{\"ref\":\"protected\",\"environment\":\"$GITHUB_ENVIRONMENT\"}"
echo "merged: $GITHUB_TOPIC; refused: $(field message)"

# Identical ones at the same moment are a deployment each, carried out one after the other.
seen=$(for _ in 1 2 3 4 5 6; do
    curl --silent --show-error --header "Authorization: Bearer $GITHUB_TOKEN" "$repo/deployments" \
        --data "{\"ref\":\"briefly\",\"auto_merge\":false,\"environment\":\"$GITHUB_ENVIRONMENT\"}" &
done | grep --only-matching '"url":"[^"]*/deployments/[0-9]*"' | grep --only-matching '[0-9]*"$' | tr -d '"' | sort -un)
is 'how many six at once made' "$(wc -l <<<"$seen")" 6
for id in $seen; do
    ends "$id"
done
echo "six at once made" $seen

# A preview, from its first deployment to its end: the environment is named nowhere but here.
asks 201 "$repo/deployments" --data '{"ref":"main","auto_merge":false,"required_contexts":[],"environment":"pr-7","transient_environment":true}'
preview=$(field id)
is transient_environment "$(field transient_environment)" True
ends "$preview"
is environment_url "$(field 0 environment_url)" http://pr-7.preview.localhost
asks 200 "$repo/environments/PR-7"
asks 422 "$repo/deployments" --data '{"ref":"main","environment":"pr-8"}'
asks 204 "$repo/environments/pr-7" --request DELETE
for _ in {1..240}; do
    code=$(curl --silent --output "$body" --write-out '%{http_code}' --header "Authorization: token $GITHUB_TOKEN" "$repo/environments/pr-7")
    [[ $code == 404 ]] && break
    sleep 0.25
done
is 'what is left of the preview' "$code" 404
asks 200 "$repo/deployments/$preview"
echo "preview: $preview, and its end"

GITHUB_TOKEN=unknown asks 401 "$repo/deployments"
asks 422 "$repo/deployments" --data ''
asks 400 "$repo/deployments" --data 'ref=main'
asks 404 "$repo/deployments/-1"
asks 404 "${GITHUB_API%/api/v3}/nothing"
