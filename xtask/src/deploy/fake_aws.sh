#!/bin/sh
# Plays the part of AWS's command line in the tests: what it is asked is a line of `calls`, what it answers is in files of
# its own directory. An alias moves when its deployment has arrived.
set -eu
cd "$(dirname "$0")"
echo "$*" >> calls

# The value that follows an option.
option() {
  wanted=$1
  shift
  while [ $# -gt 1 ]; do
    if [ "$1" = "$wanted" ]; then echo "$2"; return; fi
    shift
  done
}

name=$(option --function-name "$@")
id=$(option --deployment-id "$@")
case "$1 $2" in
  "lambda get-function-configuration") cat "variables-$name" ;;
  "lambda get-alias") printf '{"FunctionVersion":"%s","RoutingConfig":%s}' "$(cat "live-$name")" "$(cat "weights-$name" 2>/dev/null || echo null)" ;;
  "lambda update-function-code") echo '{"CodeSha256":"abc="}' ;;
  "lambda wait") ;;
  "lambda publish-version") printf '{"Version":"%s"}' "$(cat "published-$name")" ;;
  "deploy create-deployment")
    group=$(option --deployment-group-name "$@")
    id="d-$(wc -l < calls | tr -d ' ')"
    echo "$group" > "group-$id"
    option --revision "$@" | sed 's/.*TargetVersion[^0-9]*\([0-9]*\).*/\1/' > "target-$id"
    printf '{"deploymentId":"%s"}' "$id"
    ;;
  "deploy get-deployment")
    group=$(cat "group-$id")
    if [ -e "stopped-$id" ]; then
      status=Stopped
    elif [ -e "fails-$group" ] && [ "$(cat "target-$id")" = "$(cat "fails-$group")" ]; then
      status=Failed
    elif [ -e "slow-$group" ] && [ "$(cat "target-$id")" = "$(cat "slow-$group")" ]; then
      status=InProgress
    else
      status=Succeeded
      cp "target-$id" "live-$group"
    fi
    printf '{"deploymentInfo":{"status":"%s","errorInformation":{"message":"an alarm is on"}}}' "$status"
    ;;
  "deploy stop-deployment") touch "stopped-$id"; echo '{"status":"Succeeded"}' ;;
  *) echo "not known: $*" >&2; exit 64 ;;
esac
