#!/bin/bash
# Builds the server with AddressSanitizer and UBSan and asks it whole requests at both doors: see wire.py.
#   tests/fuzz/wire.sh [seconds] [flag of wire.py...]
set -euo pipefail
cd "$(dirname "$0")/../.."
. script/packages.sh
seconds=${1:-60}
[ $# -gt 0 ] && shift
tests/sanitize.sh server
exec "${DIGLOT_DEPS:-.deps}/python/bin/python" tests/fuzz/wire.py --build "${BUILD:-build}-address" \
    --seconds "$seconds" "$@"
