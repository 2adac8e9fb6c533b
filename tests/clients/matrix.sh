#!/usr/bin/env bash
# The same calls (calls.txt) through every version of the clients, and what redis-cli and redis-benchmark can do besides,
# against one server, which must not complain. SERVER_BIN names it (default: target/release/creditd).
#
#   matrix.sh              all of it
#   matrix.sh COMMAND ..   only this check; the port follows as its last word
set -euo pipefail
cd "$(dirname "$0")"
# shellcheck source=tests/clients/server.sh
. ./server.sh
start --port 0

cli() { redis-cli -p "$port" "$@"; }

clients() {
  for package in ioredis ioredis-5 redis redis-5; do client node calls.mjs "$package" "$port"; done
  for python in .venv .redis-py/*; do
    PYTHONPATH=$([ "$python" = .venv ] || echo "$python") client .venv/bin/python calls.py "$port"
  done
}

tools() {
  says "RESP3" '1# "balance" => \(integer\) 0~2# "reserved" => \(integer\) 0' cli --no-raw -3 CREDIT.BALANCE nobody
  printf 'CREDIT.GRANT piped g%s 3\r\n' $(seq 1000) >"$work/pipe"
  for protocol in "" -3; do
    # shellcheck disable=SC2206 # a word or none
    local flags=($protocol -p "$port")
    says "--pipe $protocol" 'errors: 0, replies: 1000' eval "redis-cli ${flags[*]} --pipe <$work/pipe"
    says "--scan $protocol" '^piped~$' redis-cli "${flags[@]}" --scan --pattern 'pip*'
    says "--bigkeys $protocol" 'Biggest +hash found.*[1-9][0-9]* hashs with' redis-cli "${flags[@]}" --bigkeys
    says "--memkeys $protocol" 'Biggest +hash found.*[1-9][0-9]* hashs with' redis-cli "${flags[@]}" --memkeys
    says "--latency $protocol" '^[0-9]+ [0-9]+ [0-9.]+ [0-9]+~$' redis-cli "${flags[@]}" --latency
    says "--stat $protocol" 'data ------.*keys +mem +clients.*~[1-9][0-9]* +[0-9.]+[KMG] +[1-9]' \
      timeout 2 stdbuf -oL redis-cli "${flags[@]}" --stat
    : >"$work/monitor"
    timeout 60 redis-cli "${flags[@]}" MONITOR >"$work/monitor" &
    until grep -q OK "$work/monitor"; do sleep 0.05; done
    says "a password" 'ERR' cli AUTH hidden
    cli CREDIT.GRANT watched "g$protocol" 3 >/dev/null
    until grep -q watched "$work/monitor"; do sleep 0.05; done
    kill %% 2>/dev/null || true
    says "MONITOR $protocol" "\\[0 127.0.0.1:[0-9]+\\] \"CREDIT.GRANT\" \"watched\" \"g$protocol\" \"3\"~" cat "$work/monitor"
    says "MONITOR tells no password" '^0~$' grep -c hidden "$work/monitor"
  done
  for protocol in "" -3; do
    # shellcheck disable=SC2086 # a word or none
    says "redis-benchmark $protocol" 'CREDIT.GRANT bench \* 1: [0-9.]+ requests per second' \
      redis-benchmark -p "$port" $protocol -n 2000 -c 10 -P 4 -q CREDIT.GRANT bench '*' 1
  done
  says "redis-benchmark ping" 'PING_MBULK: [0-9.]+ requests' redis-benchmark -p "$port" -n 2000 -q -t ping
  says "all of it arrived" '^balance~4000~' cli CREDIT.BALANCE bench
}

if [ $# = 0 ]; then clients && tools; else client "$@" "$port"; fi
says "the server's log" '^$' grep -E ' (WARN|ERROR) ' "$work/log"
stop
close matrix
