#!/bin/bash
# Builds every fuzz target with clang, AddressSanitizer and UBSan, and runs each for some seconds over its
# corpus, two at a time.
#   tests/fuzz/run.sh [seconds] [target...]      e.g. tests/fuzz/run.sh 60 fuzz_batch
# New inputs go to <build>/corpus/<name>, crashing ones to <build>/crash-*. BUILD names the build folder; the
# default is that of tests/sanitize.sh.
set -euo pipefail
cd "$(dirname "$0")/../.."
. script/packages.sh
seconds=${1:-10}
[ $# -gt 0 ] && shift
build=${BUILD:-build-address}

cmake -S . -B "$build" -G Ninja -DCMAKE_C_COMPILER=clang -DCMAKE_BUILD_TYPE=Sanitize -DDIGLOT_FUZZ=ON \
    -DDIGLOT_SANITIZE=address,undefined >/dev/null
log=$build/build.log
ninja -C "$build" fuzzers >"$log" 2>&1 || { tail -30 "$log"; echo "the fuzz targets do not build: $log"; exit 1; }

run_one() {
    name=$1
    corpus=tests/fuzz/corpus/${name#fuzz_}
    found=$build/corpus/${name#fuzz_}
    mkdir -p "$found"
    if [ ! -d "$corpus" ]; then
        echo "$name: FAILED: no seed inputs in $corpus" | tee "$build/$name.failed"
    elif "$build/tests/$name" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
        -artifact_prefix="$build/crash-$name-" "$found" "$corpus" >"$build/$name.log" 2>&1; then
        echo "$name: passed, $(sed -n 's/^stat::number_of_executed_units: *//p' "$build/$name.log") inputs"
    else
        touch "$build/$name.failed"
        grep -v -e '^#' -e '^INFO' "$build/$name.log" | tail -40
        echo "$name: FAILED: $build/$name.log"
    fi
}
export -f run_one
export build seconds

rm -f "$build"/fuzz_*.failed
targets=("$@")
[ ${#targets[@]} -gt 0 ] || targets=($(ls tests/fuzz/fuzz_*.c | xargs -n1 basename -s .c))
printf '%s\n' "${targets[@]}" | xargs -P2 -I{} bash -c 'run_one {}'
failed=$(find "$build" -maxdepth 1 -name 'fuzz_*.failed' | wc -l)
echo "fuzz: $((${#targets[@]} - failed)) passed, $failed failed"
[ "$failed" -eq 0 ] && [ ${#targets[@]} -gt 0 ]
