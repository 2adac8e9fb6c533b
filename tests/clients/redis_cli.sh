#!/usr/bin/env bash
# redis-cli under tmux, as a person types: grey hints, the help of the group, and the account lines of an ordinary day.
# Starts its own server. SERVER_BIN names the program (default: target/release/creditd).
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
server_bin=${SERVER_BIN:-$here/../../target/release/creditd}
work=$(mktemp -d)
tmux=(tmux -L "creditd-$$" -f /dev/null)
passed=0 failed=0

cleanup() {
  "${tmux[@]}" kill-server 2>/dev/null || true
  [ -z "${server_pid:-}" ] || kill "$server_pid" 2>/dev/null || true
  rm -rf "$work"
}
trap cleanup EXIT

: >"$work/banner" # the loop below may look before the server opens it
"$server_bin" --port 0 --data-dir "$work/data" --log-level error >"$work/banner" &
server_pid=$!
for _ in $(seq 200); do
  port=$(sed -n 's/.*listening on [^ ]*:\([0-9]*\).*/\1/p;q' "$work/banner")
  [ -z "$port" ] || break
  sleep 0.05
done
[ -n "$port" ] || { echo "no banner from $server_bin"; exit 1; }

# The screen with joined lines and no trailing blanks; -e adds the colours.
screen() { "${tmux[@]}" capture-pane -t cli -pJ "$@" | sed 's/[[:space:]]*$//'; }

# sees WHAT PATTERN [-e]: waits until the screen matches the extended regular expression; lines end with ~ there.
sees() {
  for _ in $(seq 100); do
    if screen ${3:+"$3"} | tr '\n' '~' | grep -Eq -- "$2"; then
      passed=$((passed + 1))
      return
    fi
    sleep 0.05
  done
  failed=$((failed + 1))
  echo "FAILED $1: no /$2/ on this screen:"
  screen | grep -v '^$'
}

types() { "${tmux[@]}" send-keys -t cli -l -- "$1"; }
key() { "${tmux[@]}" send-keys -t cli "$1"; }

# says LINE WHAT PATTERN: types a line on a clean screen and waits for the answer.
says() {
  key C-l
  types "$1"
  key Enter
  sees "$2" "$3"
}

"${tmux[@]}" new-session -d -s cli -x 180 -y 50 "HOME=$work REDISCLI_HISTFILE=/dev/null redis-cli -p $port"
sees "prompt" "127.0.0.1:$port>"

grey=$'\e'"\\[90m"
types "CREDIT.RESERVE "
sees "grey hint" "CREDIT.RESERVE ${grey}account tx amount \[TTL milliseconds\] \[REASON text\] \[META text\]" -e
types "tradie:7 r1 "
sees "the hint follows the arguments" "tradie:7 r1 ${grey}amount \[TTL" -e
key C-u
types "CREDIT.HISTORY "
sees "hint of a range" "CREDIT.HISTORY ${grey}account \[start end\] \[COUNT count\] \[REV\] \[TYPE type \[type \.\.\.\]\]" -e
key C-u
types "CREDIT.REFUND tradie:7 f1 "
sees "hint of a refund" "f1 ${grey}of \[AMOUNT amount\] \[REASON text\]" -e
key C-u
types "LEAD.CLAIM tradie:8 "
sees "hint of a claim" "tradie:8 ${grey}tx lead cost \[REASON text\] \[META text\]" -e
key C-u

says "help @credit" "help of the group" "CREDIT.AUDIT account.*CREDIT.BALANCE account \[AT unix-milliseconds\].*CREDIT.CAPTURE account tx.*CREDIT.GRANT account tx amount.*CREDIT.HISTORY account.*CREDIT.REFUND account tx of.*CREDIT.RESERVE account tx amount.*CREDIT.TX account tx"
says "help CREDIT.RESERVE" "help of a command" "CREDIT.RESERVE account tx amount.*summary: .*group: credit"

field() { printf '%s"~ *[0-9]+\) \(integer\) %s' "$1" "$2"; }
says "CREDIT.GRANT tradie:7 pay_991 20 REASON purchase" "grant" \
  "\"status\"~ *2\) \"granted\"~ *3\) \"$(field balance 20).*$(field available 20).*$(field seq 1)"
says "CREDIT.RESERVE tradie:7 r1 10 TTL 60000" "reserve" \
  "\"active\".*$(field balance 20).*$(field available 10).*$(field seq 2).*$(field expires '[0-9]{13}')"
says "CREDIT.DEBIT tradie:7 d1 16" "decline" "\(error\) INSUFFICIENT available=10 required=16"
says "CREDIT.CAPTURE tradie:7 r1 AMOUNT 4" "capture" \
  "\"captured\".*$(field balance 16).*$(field available 16).*$(field seq 4).*$(field captured 4).*$(field returned 6)"
says "CREDIT.DEBIT tradie:7 d2 6" "debit" "\"debited\".*$(field balance 10)"
says "CREDIT.DEBIT tradie:7 d2 6" "replay" "\"debited\".*$(field balance 10).*$(field replayed 1)"
says "CREDIT.DEBIT tradie:7 d2 7" "conflict" "\(error\) TXCONFLICT field=amount have=6 given=7"
says "CREDIT.BALANCE tradie:7" "balance" "$(field balance 10).*$(field reserved 0).*$(field available 10).*$(field seq 5)"
says "CREDIT.HOLDS tradie:7" "holds" "$(field balance 10).*\"holds\"~ *12\) \(empty array\)"
says "CREDIT.REFUND tradie:7 f1 d2 AMOUNT 2 REASON late" "refund" \
  "\"refunded\".*$(field balance 12).*$(field seq 6).*$(field refundable 4)"
says "CREDIT.TX tradie:7 d2" "a transaction" "\"debit\".*\"debited\".*$(field amount 6).*$(field refunded 2).*$(field seq 5)"
says "CREDIT.TX tradie:7 nothing" "no transaction" "\(nil\)"
says "CREDIT.HISTORY tradie:7 REV COUNT 1" "history" \
  "1\) 1\) \"[0-9]{13}-6\"~ *2\)  *1\) \"type\"~ *2\) \"REFUND\".*\"delta\"~ *8\) \"2\".*\"late\""
says "CREDIT.HISTORY tradie:7 + -" "a range the wrong way round" "\(error\) ERR start must be the older end"
says "CREDIT.AUDIT tradie:7" "audit" "$(field ok 1).*$(field entries 6).*$(field balance 12).*$(field reserved 0)"
# A lead's day, from the first purchase to the refund.
says "help @lead" "help of the leads" "LEAD.CLAIM account tx lead cost.*LEAD.CLAIMS lead.*LEAD.CLOSE lead.*LEAD.GET lead.*LEAD.OPEN lead maxclaims \[TTL milliseconds\]"
says "CREDIT.GRANT tradie:8 pay_991 20 REASON purchase" "purchase" "\"granted\".*$(field balance 20).*$(field seq 1)"
says "LEAD.OPEN lead:42 3 TTL 86400000" "open" \
  "\"open\".*$(field max 3).*$(field claims 0).*$(field remaining 3).*$(field expires '[0-9]{13}')"
claimed="\"claimed\".*$(field balance 15).*$(field available 15).*$(field seq 3).*$(field claim 1).*$(field remaining 2)"
says "LEAD.CLAIM tradie:8 c_01J lead:42 5" "claim" "$claimed"
says "LEAD.CLAIM tradie:8 c_01J lead:42 5" "claim again" "$claimed.*$(field replayed 1)"
says "LEAD.CLAIM tradie:8 c_02K lead:42 5" "claimed already" "\(error\) ALREADYCLAIMED tx=c_01J claim=1"
says "CREDIT.RESERVE tradie:8 r1 10 TTL 60000" "hold" \
  "\"active\".*$(field balance 15).*$(field available 5).*$(field seq 4).*$(field expires '[0-9]{13}')"
says "CREDIT.DEBIT tradie:8 d1 6" "too much" "\(error\) INSUFFICIENT available=5 required=6"
says "CREDIT.CAPTURE tradie:8 r1 AMOUNT 4" "a part" \
  "\"captured\".*$(field balance 11).*$(field available 11).*$(field seq 6).*$(field captured 4).*$(field returned 6)"
says "CREDIT.REFUND tradie:8 f1 c_01J REASON bad-lead" "refund of a claim" \
  "\"refunded\".*$(field balance 16).*$(field available 16).*$(field seq 7).*$(field refundable 0)"
says "CREDIT.HISTORY tradie:8 - + COUNT 3 REV" "the newest three" "\"bad-lead\".*\"CAPTURE\".*\"DECLINE\".*\"INSUFFICIENT\""
says "CREDIT.BALANCE tradie:8 AT 1790000000500" "a past moment" "$(field balance 0).*$(field time 1790000000500)"
says "LEAD.CLAIMS lead:42" "claims" "$(field claim 1).*\"account\"~ *4\) \"tradie:8\".*$(field cost 5)"
says "LEAD.GET lead:43" "no lead" "\(nil\)"

# The day's events. Which shard an account is on is the server's choice, so all are asked.
shards=$(redis-cli -p "$port" INFO server | sed -n 's/^shards:\([0-9]*\).*/\1/p')
keys=$(seq -f 'credit:events:%.0f' -s ' ' 0 $((shards - 1)))
ids=$(printf '0 %.0s' $(seq "$shards"))
key C-l
types "XREAD "
sees "hint of a read" "XREAD ${grey}\[COUNT count\] \[BLOCK milliseconds\] STREAMS key \[key \.\.\.\] id \[id \.\.\.\]" -e
key C-u
says "XREAD COUNT 1 STREAMS $keys $ids" "events" "\"credit:events:[0-9]+\"~.*\"[0-9]{13}-[0-9]+\"~.*\"event\"~"
says "XREVRANGE credit:log:{tradie:8} + - COUNT 1" "the log of an account" "\"[0-9]{13}-7\"~.*\"REFUND\""
says "XADD credit:events:0 * a b" "read-only" "\(error\) ERR streams are read-only"
says "help @pubsub" "help of pub/sub" "PSUBSCRIBE pattern \[pattern \.\.\.\].*PUBLISH channel message"
: >"$work/heard" # the loop may look before redis-cli opens it
redis-cli -p "$port" SUBSCRIBE credit.granted >"$work/heard" &
listener=$!
until grep -q subscribe "$work/heard"; do sleep 0.05; done
says "CREDIT.GRANT tradie:9 g1 1" "a grant to be heard of" "\"granted\""
says "PUBLISH credit.granted x" "events are not made up" "\(error\) ERR only creditd publishes"
until grep -q tradie:9 "$work/heard"; do sleep 0.05; done
kill "$listener"
passed=$((passed + 1))

says "HELLO 3" "RESP3" "\"proto\" => \(integer\) 3"
says "CREDIT.BALANCE tradie:7" "a map in RESP3" "1# \"balance\" => \(integer\) 12~ *2# \"reserved\" => \(integer\) 0"
says "CREDIT.TX tradie:7 r1" "a transaction in RESP3" "2# \"state\" => \"captured\""
says "CREDIT.HISTORY tradie:7 - + TYPE DEBIT" "history in RESP3" "1\) 1\) \"[0-9]{13}-5\"~ *2\)  *1\) \"type\"~ *2\) \"DEBIT\""
says "SET a 1" "no cache" "\(error\) ERR accounts change only through CREDIT\.\*: creditd keeps credits, it is not a cache"
says "INFO credits" "info" "granted:41.*debited:6.*captured:13.*refunded:7.*balance:29"

# From a pipe, as scripts use it.
answer=$(printf 'CREDIT.GRANT piped g1 3\nPING\n' | redis-cli -p "$port" | tr '\n' ' ')
if [ "$answer" = "status granted balance 3 available 3 seq 1 PONG " ]; then
  passed=$((passed + 1))
else
  failed=$((failed + 1))
  echo "FAILED from a pipe: $answer"
fi

kill -TERM "$server_pid"
code=0
wait "$server_pid" || code=$?
server_pid=
if [ "$code" = 0 ]; then passed=$((passed + 1)); else failed=$((failed + 1)); echo "FAILED clean stop: exit code $code"; fi
echo "$(redis-cli --version | cut -d' ' -f1,2): $passed passed, $failed failed"
[ "$failed" = 0 ]
