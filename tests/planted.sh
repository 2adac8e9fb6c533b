#!/usr/bin/env bash
# Plants known bugs, one at a time, and shows that the tests see each of them. Not part of .ci/run.
#
# The bugs are lines of src/ with `planted!("..")`, which are nothing in an ordinary build. Here all of them are built
# in, once, and PLANTED_BUG names the one that is alive. First the tests run without one: they must pass.
#
#   tests/planted.sh          all: a table of bug, test that failed, seconds; exit code 1 if a bug survives
#   tests/planted.sh sync     those with `sync` in their name
#
# Takes strace: three bugs live between creditd and its kernel.
set -uo pipefail
cd "$(dirname "$0")/.." || exit
export RUSTFLAGS="--cfg planted" RUST_BACKTRACE=0 CARGO_TERM_COLOR=never PROPTEST_DISABLE_FAILURE_PERSISTENCE=1
CARGO_TARGET_DIR=$(realpath -m "${CARGO_TARGET_DIR:-target}")/planted
export CARGO_TARGET_DIR
# Of the simulator, fewer than in an ordinary run.
export CREDITD_SIM_SEEDS=${CREDITD_SIM_SEEDS:-200}
# A test may do what it is to find out: never end.
seconds_max=${PLANTED_SECONDS_MAX:-300}
log=$(mktemp)
trap 'rm -f "$log"' EXIT

# Which part of the tests is to see it: words for `cargo test`, or a target of fuzz/run, which gets 60 s.
journal="--lib journal::"
ledger="--lib ledger::"
sim="--test sim"
images="--test states images"
errors="--test states errors"
bits="--test states bits"
linear="--test it linear"
bugs="
acknowledged before the sync|$sim
acknowledged before the sync|$linear
read before it is durable|$sim
read before it is durable|$linear
waiting reads leave with any commit|$sim
no sync|$errors
sync tried again after EIO|$errors
claims what is not synced|$journal
newest block first|$sim
torn block taken|$bits
torn block taken|fuzz commit_block
chain ignored|$journal
zeros mean the end|$journal
damage cut off as a torn tail|$bits
damage cut off as a torn tail|fuzz recover
stale epoch taken|$journal
super not asked for the end|$journal
one super is overwritten|$images
recovery does not sync what it reads|$images
old epoch goes on|$errors
snapshot named before the super knows|$errors
snapshot unchecked|$bits
trim above the floor|$sim
no directory sync|--test it order::
header not synced|--test it order::
page cache trusted|--test it order::
replay forgets the index|$images
replay forgets the index|$linear
snapshot without the index rule|$sim
sums count the snapshot again|$sim
trim forgets what records point to|$sim
ids forgotten at half their time|$sim
a start knows again what was forgotten|--lib shard::tests
some ids are executed twice|$sim
some ids are executed twice|$linear
decline not remembered|$ledger
slot indexed after its end|$ledger
sum of refunds forgotten|$sim
refund decided without what it refunds|$sim
capture returns nothing|$ledger
capture returns nothing|fuzz commands
holds expire a millisecond early|$ledger
expiry has the time of the tick|$ledger
a timer is dropped on its way down|$ledger
clock forgets the log|--lib clock::
timer reads the wall clock|$sim
lead asked before the hold is durable|--lib claims::
claims not resumed at a start|--lib claims::
a claim that asks again is refused|$ledger
an account gets two slots|$ledger
events shown before they are durable|$sim
first record of the next block not shown|$sim
a page goes on with the next block|$sim
an event's id has its own time|$sim
lead.full not told|$sim
end of an argument not looked at|fuzz resp_request
end of an argument not looked at|--test it abuse::thousands_of_malformed
replies leave as answers come|--test it pipelines::
a request has its time from its last byte on|--lib connection::tests
who has ended its side may leave replies unread|--lib connection::tests
strangers may send as much as others|--test it hostile::
strangers of one address have no bound|--test it hostile::
who logs in is still counted as a stranger|--test it hostile::
TLS at the plain port is answered|--test it hostile::
MONITOR shows passwords|--test it secrets::
unread replies have no bound|--test it abuse::many_that_never_read
no spare descriptor|--test it abuse::without_descriptors
handshakes have no end|--test it tls::
one address has all handshakes|--test it tls::
bell without a fence|--lib doorbell::
inbox looked at before the flag is set|--lib doorbell::
"

# try BUG TESTS [FUZZ_SECONDS]: whether the tests fail; what they said is in $log.
try() {
  # shellcheck disable=SC2086  # tests are words
  case $2 in
  fuzz*) ! PLANTED_BUG=$1 FUZZ_RUSTFLAGS=$RUSTFLAGS fuzz/run ${2#fuzz } "${3:-60}" >"$log" 2>&1 ;;
  *) ! PLANTED_BUG=$1 timeout "$seconds_max" cargo test -q --no-fail-fast $2 >"$log" 2>&1 ;;
  esac
}

bugs=$(grep -F "${1:-|}" <<<"$bugs")
missing=$(comm -3 <(grep -rhoP 'planted!\("\K[^"]+' src | sort -u) <(cut -d'|' -f1 <<<"$bugs" | sort -u))
if [ $# = 0 ] && [ -n "$missing" ]; then
  echo "planted, but without a row here, or the other way round: $missing"
  exit 1
fi
cargo test -q --no-run --lib --test sim --test states --test it || exit 1
while read -r tests; do
  if try "" "$tests" 0; then
    tail -30 "$log"
    echo "without a bug these fail: $tests"
    exit 1
  fi
done < <(cut -d'|' -f2 <<<"$bugs" | sort -u)

alive=0
printf '| bug | seen by | s |\n|---|---|---|\n'
while IFS='|' read -r bug tests; do
  started=$SECONDS
  if try "$bug" "$tests"; then
    # Cargo lists the tests that failed at the end.
    seen=$(grep -oP '^    \K[a-z_0-9]+(::[a-z_0-9]+)*$|^fuzz [a-z_]+(?=: FAILED)' "$log" | sort -u)
    more=$(($(wc -l <<<"$seen") - 1))
    seen=$(grep -m 1 nothing_ <<<"$seen" || head -1 <<<"$seen")
    # shellcheck disable=SC2016  # backticks of a table, not of a shell
    printf '| %s | `%s`%s | %s |\n' "$bug" "${seen:-hangs or aborts}" "$([ $more = 0 ] || echo " and $more more")" \
      $((SECONDS - started))
  else
    printf '| %s | **nobody** (%s) | %s |\n' "$bug" "$tests" $((SECONDS - started))
    alive=$((alive + 1))
  fi
done <<<"$bugs"
echo "$(wc -l <<<"$bugs") plants, $alive not seen"
[ "$alive" = 0 ]
