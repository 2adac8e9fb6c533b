# shellcheck shell=bash
# For scripts that check a server of their own with clients: its start, its end, and how checks are counted. To be sourced.
# SERVER_BIN names the server (default: target/release/creditd).
work=$(mktemp -d)
passed=0 failed=0

cleanup() {
  [ -z "${server_pid:-}" ] || kill "$server_pid" 2>/dev/null || true
  rm -rf "$work"
}
trap cleanup EXIT

# start FLAG..: a server that lives in $work; $port is in its first line.
start() {
  : >"$work/banner" # the loop below may look before the server opens it
  "${SERVER_BIN:-../../target/release/creditd}" --shards 1 --data-dir "$work/data" "$@" >"$work/banner" 2>>"$work/log" &
  server_pid=$!
  port=
  for _ in $(seq 200); do
    port=$(sed -n 's/.*listening on [^ ]*:\([0-9]*\).*/\1/p;q' "$work/banner" 2>/dev/null)
    [ -z "$port" ] || return 0
    sleep 0.05
  done
  echo "no banner"
  cat "$work/log"
  exit 1
}

# stop: the server ends as it should.
stop() {
  kill -TERM "$server_pid"
  says "clean stop" '^0~$' eval "tail --pid=$server_pid -f /dev/null; grep -c panicked $work/log"
  server_pid=
}

# says WHAT PATTERN COMMAND..: the output of the command matches the extended regular expression; lines end with ~.
says() {
  local what=$1 pattern=$2 output
  shift 2
  output=$("$@" 2>&1 </dev/null | tr '\r\n' '~~') || true
  if grep -Eq -- "$pattern" <<<"$output"; then
    passed=$((passed + 1))
  else
    failed=$((failed + 1))
    echo "FAILED $what: no /$pattern/ in: $output"
  fi
}

# client COMMAND..: a program that counts for itself.
client() { timeout 60 "$@" || failed=$((failed + 1)); }

# close NAME: the closing line.
close() {
  echo "$1: $passed passed, $failed failed"
  [ "$failed" = 0 ]
}
