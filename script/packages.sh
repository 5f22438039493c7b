# Sourced by the scripts of this project, from the top of the tree.

# What the scripts use is what Debian's packages bring, whatever version of it stands first in PATH or is named by
# the environment.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
unset JAVA_HOME PYTHONHOME PYTHONPATH

# each_tool FILE...: the commands listed there, each as "PACKAGE VERSION PATH". A PATH may be that of no file.
each_tool() {
    local package version commands command
    while read -r package version commands; do
        case $package in ''|'#'*) continue ;; esac
        # Not quoted: one may be a pattern.
        for command in $commands; do
            case $command in /*) ;; *) command=/usr/bin/$command ;; esac
            echo "$package $version $command"
        done
    done < <(cat "$@")
}

# version_of COMMAND: the first version in what it says of itself; nothing when it does not run.
version_of() {
    { "$1" --version 2>&1 || "$1" -V 2>&1; } </dev/null | grep -m 1 -oE '[0-9]+(\.[0-9]+)+' | head -n 1
}

# is_at_least VERSION LEAST
is_at_least() { [ "$(printf '%s\n' "$2" "$1" | sort -V | head -n 1)" = "$2" ]; }

# check_tools FILE...: whether each command listed there runs and is of the version listed or a later one.
check_tools() {
    local package least command found failed=0
    while read -r package least command; do
        found=$(version_of "$command") || true
        [ -n "$found" ] && is_at_least "$found" "$least" && continue
        echo "$command is of version ${found:-unknown}, and $least or later is needed, as Debian 12 has it:" >&2
        echo "  sudo apt-get install -y --reinstall $package; update-alternatives --query ${command##*/}" >&2
        failed=1
    done < <(each_tool "$@")
    return $failed
}

# need_packages FILE... makes sure that the Debian packages listed there are installed and that their commands
# are what is needed. As root it installs what is missing; otherwise it prints the one line that does, and fails.
# A line is "package [version command...]": the version that each command must have at least.
need_packages() {
    local package missing=()
    while read -r package _; do
        case $package in ''|'#'*) continue ;; esac
        dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed && continue
        missing+=("$package")
    done < <(cat "$@")
    if [ ${#missing[@]} -gt 0 ]; then
        if [ "$(id -u)" != 0 ]; then
            echo "missing packages; run this first:" >&2
            echo "  sudo apt-get update && sudo apt-get install -y --no-install-recommends ${missing[*]}" >&2
            return 1
        fi
        echo "installing ${#missing[@]} Debian packages: ${missing[*]}" >&2
        export DEBIAN_FRONTEND=noninteractive
        apt-get update -qq >&2 &&
            apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null || return 1
    fi
    check_tools "$@"
}

# link_tools FOLDER FILE...: links to the commands listed there, for those who start them by name.
link_tools() {
    local folder=$1 command
    shift
    mkdir -p "$folder"
    while read -r _ _ command; do ln -sfn "$command" "$folder/${command##*/}"; done < <(each_tool "$@")
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
