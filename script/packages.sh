# Sourced by the scripts beside it, from the top of the tree.

# need_packages FILE... makes sure that the Debian packages listed there are installed. As
# root it installs what is missing; otherwise it prints the one line that does, and fails.
# A line is "package" or "package command": with a command, its presence is enough.
need_packages() {
    local package command missing=()
    while read -r package command; do
        case $package in ''|'#'*) continue ;; esac
        [ -n "$command" ] && command -v "$command" >/dev/null && continue
        dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed && continue
        missing+=("$package")
    done < <(cat "$@")
    [ ${#missing[@]} -eq 0 ] && return 0
    if [ "$(id -u)" != 0 ]; then
        echo "missing packages; run this first:" >&2
        echo "  sudo apt-get update && sudo apt-get install -y --no-install-recommends ${missing[*]}" >&2
        return 1
    fi
    echo "installing ${#missing[@]} Debian packages: ${missing[*]}" >&2
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq >&2 && apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}

# build_diglot [CMake option...]: an optimised binary in build/. Quiet unless it fails.
build_diglot() {
    mkdir -p build
    [ -x build/diglot ] || echo "building Diglot: a minute or two the first time" >&2
    { cmake -S . -B build -G Ninja -DCMAKE_BUILD_TYPE=Release -DDIGLOT_TESTS=OFF "$@" &&
        ninja -C build; } >build/build.log 2>&1 || {
        grep -E -A5 'error|FAILED' build/build.log | head -40 >&2
        echo "the build failed: build/build.log has it all" >&2
        return 1
    }
}
