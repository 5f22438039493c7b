#!/bin/bash
# Builds with clang and runs the unit tests and simulations under sanitizers.
#   tests/sanitize.sh [address|thread]     default: both
#   tests/sanitize.sh server               builds the server alone, with the first
#   tests/sanitize.sh interop [argument...]    that, and the interop tests against it: pytest's arguments, by default
#                                          those of the paths on which most is made and freed
# address: AddressSanitizer with leak check, and UBSan. thread: ThreadSanitizer on the same tests, since what
# has no threads costs nothing there, but for the sweeps: they start thousands of stores, whose threads
# the other storage tests run too, in minutes. BUILD names the build folders' common beginning; the address
# one is what tests/fuzz/run.sh uses as well.
set -euo pipefail
cd "$(dirname "$0")/.."
. script/packages.sh
build=${BUILD:-build}
here=$PWD/tests
export ASAN_OPTIONS=detect_leaks=1:abort_on_error=1:detect_stack_use_after_return=1
export LSAN_OPTIONS=suppressions=$here/lsan.supp:print_suppressions=0
export UBSAN_OPTIONS=print_stacktrace=1
export TSAN_OPTIONS=suppressions=$here/tsan.supp:halt_on_error=1:second_deadlock_stack=1

build() {
    kind=$1 flags=$2 target=$3 folder=$build-$1
    fuzz=OFF
    [ "$kind" = address ] && fuzz=ON
    cmake -S . -B "$folder" -G Ninja -DCMAKE_C_COMPILER=clang -DCMAKE_BUILD_TYPE=Sanitize \
        -DDIGLOT_SANITIZE="$flags" -DDIGLOT_FUZZ=$fuzz >/dev/null
    ninja -C "$folder" $target >"$folder/build.log" 2>&1 || {
        grep -A5 -E 'error:|FAILED' "$folder/build.log" | head -40
        echo "sanitize $kind: the build failed: $folder/build.log"
        return 1
    }
}

run() {
    local without=$3
    build "$1" "$2" all || return 1
    ctest --test-dir "$folder" -L 'unit|sim' -E "$without" -j2 --no-tests=error --output-on-failure \
          >"$folder/ctest.log" 2>&1 || {
        local wrong='ERROR: |WARNING: Thread|runtime error|SUMMARY|LINE|\(Failed\)|\(Timeout\)|SEGV|ABRT|Subprocess'
        grep -E "$wrong" "$folder/ctest.log" | head -60
        echo "sanitize $kind: FAILED, see $folder/ctest.log"
        return 1
    }
    sed -n "s/^100% tests passed, 0 tests failed out of \(.*\)/sanitize $kind: \1 passed, 0 failed/p" \
        "$folder/ctest.log"
}

failed=0
case ${1:-both} in
address) run address address,undefined nothing || failed=1 ;;
thread) run thread thread 'fault_sweep|wal_sweep' || failed=1 ;;
both)
    run address address,undefined nothing || failed=1
    run thread thread 'fault_sweep|wal_sweep' || failed=1
    ;;
server) build address address,undefined diglot || failed=1 ;;
interop)
    shift
    files=("$@")
    [ $# -gt 0 ] || files=(tests/interop/bad_*.py tests/interop/kinesis_rules.py tests/interop/kafka_produce_consume.py
        tests/interop/kafka_groups.py tests/interop/kinesis_clients.py -k "not aws-cli")        # which starts slowly
    build address address,undefined diglot &&
        "${DIGLOT_DEPS:-.deps}/python/bin/pytest" -c tests/pytest.ini -q -n 2 --dist worksteal \
            --build "$build-address" "${files[@]}" || failed=1
    ;;
*) sed -n '2,10s/^# //p' "$0"; exit 2 ;;
esac
exit $failed
