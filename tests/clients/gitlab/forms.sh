#!/usr/bin/env bash
# GitLab's deployments API as its pages show it with curl: fields as forms, the token as a header, the project by its path.
# The variables are those of deploy.py beside this.
set -euo pipefail

project=$GITLAB_URL/api/v4/projects/$(python3 -c 'import os, urllib.parse; print(urllib.parse.quote(os.environ["GITLAB_PROJECT"], safe=""))')
field() { python3 -c 'import json, sys; print(json.load(sys.stdin)[sys.argv[1]])' "$1"; }
ask() { curl --silent --show-error --fail-with-body "$@"; }
is() {
    [[ $2 == "$3" ]] || {
        echo "$1 is $2, not $3" >&2
        exit 1
    }
}

told=$(ask --data "environment=forms&sha=$GITLAB_SHA&ref=main&tag=false&status=running" \
    --header "PRIVATE-TOKEN: $GITLAB_TOKEN" "$project/deployments")
id=$(field id <<<"$told")
is status "$(field status <<<"$told")" running
is deployable "$(field deployable <<<"$told")" None
is status "$(ask --request PUT --data "status=success" --header "PRIVATE-TOKEN: $GITLAB_TOKEN" "$project/deployments/$id" | field status)" success
is status "$(ask --header "Authorization: Bearer $GITLAB_TOKEN" "$project/deployments/$id" | field status)" success
echo "reported as a form: $id"

# Multipart, JSON and the query say the same; the token may be a parameter, which no Link header repeats.
multipart=$(ask --request POST --form environment=forms --form "sha=$GITLAB_SHA" --form ref=main --form tag=no --form status=failed \
    --form "private_token=$GITLAB_TOKEN" "$project/deployments" | field id)
json=$(ask --request POST --header "Content-Type: application/json" --header "private-token: $GITLAB_TOKEN" \
    --data "{\"environment\":\"forms\",\"sha\":\"$GITLAB_SHA\",\"ref\":\"main\",\"tag\":false,\"status\":\"failed\"}" "$project/deployments" | field id)
query=$(ask --request POST --header "PRIVATE-TOKEN: $GITLAB_TOKEN" \
    "$project/deployments?environment=forms&sha=$GITLAB_SHA&ref=main&tag=0&status=failed" | field id)
headers=$(mktemp)
trap 'rm -f "$headers"' EXIT
listed=$(ask --dump-header "$headers" \
    "$project/deployments?environment=forms&order_by=updated_at&sort=desc&status=failed&per_page=2&private_token=$GITLAB_TOKEN")
[[ $listed == *"\"id\":$query,"* && $listed == *"\"id\":$json,"* && $listed != *"\"id\":$multipart,"* ]]
link=$(grep --ignore-case '^link:' "$headers")
[[ $link == *'rel="next"'* && $link == *order_by=updated_at* && $link == *environment=forms* && $link != *"$GITLAB_TOKEN"* ]]
grep --ignore-case --quiet --extended-regexp '^x-total: 3.?$' "$headers"
grep --ignore-case --quiet --extended-regexp '^x-prev-page:[[:space:]]*$' "$headers"
echo "listed: $link"

answer=$(curl --silent --show-error --write-out '%{http_code}' --request DELETE --header "PRIVATE-TOKEN: $GITLAB_TOKEN" "$project/deployments/$multipart")
is "what is deleted answers with" "$answer" 204
refused() {
    local status=$1 body=$2 answer
    shift 2
    answer=$(curl --silent --show-error --write-out '\n%{http_code}' "$@")
    is "the answer" "$answer" "$body"$'\n'"$status"
    echo "refused: $status $body"
}
refused 400 '{"error":"environment is missing, sha is missing, ref is missing, tag is missing, status is missing, status does not have a valid value"}' \
    --request POST --header "PRIVATE-TOKEN: $GITLAB_TOKEN" "$project/deployments"
refused 401 '{"message":"401 Unauthorized"}' "$project/deployments"
refused 404 '{"error":"404 Not Found"}' --header "PRIVATE-TOKEN: $GITLAB_TOKEN" "$GITLAB_URL/api/v4/nothing"
