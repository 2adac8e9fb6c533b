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
cd "$(dirname "$0")/.."
export RUSTFLAGS="--cfg planted" RUST_BACKTRACE=0 CARGO_TERM_COLOR=never PROPTEST_DISABLE_FAILURE_PERSISTENCE=1
CARGO_TARGET_DIR=$(realpath -m "${CARGO_TARGET_DIR:-target}")/planted
export CARGO_TARGET_DIR
# A test may do what it is to find out: never end.
seconds_max=${PLANTED_SECONDS_MAX:-300}
log=$(mktemp)
trap 'rm -f "$log"' EXIT

# Which part of the tests is to see it: words for `cargo test`, or a target of fuzz/run, which gets 60 s.
lib="--lib"
journal="--lib journal::"
ledger="--lib ledger::"
sim="--test sim"
states="--test states"
linear="--test it linear"
pipelines="--test it pipelines::"
order="--test it order::"
bugs="
acknowledged before the sync|$sim
acknowledged before the sync|$linear
read before it is durable|$sim
read before it is durable|$linear
waiting reads leave with any commit|$sim
no sync|$states
sync tried again after EIO|$states
claims what is not synced|$journal
newest block first|$sim
torn block taken|$states
chain ignored|$journal
zeros mean the end|$journal
damage cut off as a torn tail|$states
stale epoch taken|$journal
super not asked for the end|$journal
one super is overwritten|$states
recovery does not sync what it reads|$states
old epoch goes on|$states
snapshot named before the super knows|$states
snapshot unchecked|$states
trim above the floor|$sim
no directory sync|$order
header not synced|$order
page cache trusted|$order
replay forgets the index|$states
replay forgets the index|$linear
snapshot without the index rule|$sim
sums count the snapshot again|$sim
trim forgets what records point to|$sim
ids forgotten at half their time|$sim
some ids are executed twice|$sim
some ids are executed twice|$linear
decline not remembered|$ledger
slot indexed after its end|$ledger
sum of refunds forgotten|$sim
refund decided without what it refunds|$sim
capture returns nothing|$ledger
holds expire a millisecond early|$ledger
expiry has the time of the tick|$ledger
a timer is dropped on its way down|$lib
clock forgets the log|$lib
timer reads the wall clock|$sim
replies leave as answers come|$pipelines
bell without a fence|$lib
end of an argument not looked at|fuzz resp_request
torn block taken|fuzz commit_block
damage cut off as a torn tail|fuzz recover
capture returns nothing|fuzz commands
inbox looked at before the flag is set|$lib
"

# try BUG TESTS: whether the tests fail; what they said is in $log.
try() {
  # shellcheck disable=SC2086  # tests are words
  case $2 in
  fuzz*) ! PLANTED_BUG=$1 FUZZ_RUSTFLAGS=$RUSTFLAGS fuzz/run ${2#fuzz } 60 >"$log" 2>&1 ;;
  *) ! PLANTED_BUG=$1 timeout "$seconds_max" cargo test -q --no-fail-fast $2 >"$log" 2>&1 ;;
  esac
}

bugs=$(grep -F "${1:-|}" <<<"$bugs")
missing=$(comm -23 <(grep -rhoP 'planted!\("\K[^"]+' src | sort -u) <(cut -d'|' -f1 <<<"$bugs" | sort -u))
if [ $# = 0 ] && [ -n "$missing" ]; then
  echo "planted, and no test is named for it: $missing"
  exit 1
fi
cargo test -q --no-run --lib --test sim --test states --test it || exit 1
while read -r tests; do
  if try "" "$tests"; then
    tail -30 "$log"
    echo "without a bug these fail: cargo test $tests"
    exit 1
  fi
done < <(cut -d'|' -f2 <<<"$bugs" | sort -u)

alive=0
printf '| bug | seen by | s |\n|---|---|---|\n'
while IFS='|' read -r bug tests; do
  started=$SECONDS
  if try "$bug" "$tests"; then
    # Cargo lists the tests that failed at the end; there is none if they did not end.
    seen=$(grep -oP '^    \K[a-z_0-9]+(::[a-z_0-9]+)*$|^fuzz [a-z_]+(?=: FAILED)' "$log" | sort -u)
    more=$(($(wc -l <<<"$seen") - 1))
    seen=$(grep -m 1 nothing_ <<<"$seen" || head -1 <<<"$seen")
    printf '| %s | `%s`%s | %s |\n' "$bug" "${seen:-does not end}" "$([ $more = 0 ] || echo " and $more more")" \
      $((SECONDS - started))
  else
    printf '| %s | **nobody** (%s) | %s |\n' "$bug" "$tests" $((SECONDS - started))
    alive=$((alive + 1))
  fi
done <<<"$bugs"
echo "$(wc -l <<<"$bugs") plants, $alive not seen"
[ "$alive" = 0 ]
