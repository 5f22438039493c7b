#!/bin/bash
# install.sh [group...]: install pinned test dependencies into .deps/ (DIGLOT_DEPS names another
# folder). Without a group: every one that script/test needs. Running it again does nothing unless
# a pin changed. Groups:
#   apt          Debian packages (packages.txt), and bin/ with links to their commands, which the tests start
#   python       virtual environment: pytest, Python clients, and Node.js for the next one
#   node         JavaScript clients
#   go           Go, and the small program in tests/interop/lib/go with franz-go in it
#   java         Java clients, and the small programs in tests/interop/lib/java compiled
#   kafka        Apache Kafka 4.4.0
#   kinesalite   kinesalite 3.3.3, to measure beside
#   kcl          Kinesis Client Library 3 and DynamoDB Local, with the programs that run them
#   librdkafka   librdkafka's source and test suite, built (about four minutes)
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
deps=${DIGLOT_DEPS:-$root/.deps}
mkdir -p "$deps/stamps" "$deps/bin"
. "$root/script/packages.sh"
export PATH=$deps/bin:$PATH

# once NAME INPUT... -- COMMAND...: run COMMAND unless it succeeded before on the same inputs.
once() {
    local name=$1 inputs=() sum
    shift
    while [ "$1" != -- ]; do inputs+=("$1"); shift; done
    shift
    sum=$(cat "${inputs[@]}" | sha256sum)
    [ "$(cat "$deps/stamps/$name" 2>/dev/null)" = "$sum" ] && return 0
    echo "test dependencies: $name" >&2
    # Not as a condition, under which no command of a step that fails would end it.
    set +e
    (set -e; "$@") >"$deps/$name.log" 2>&1
    local failed=$?
    set -e
    if [ $failed != 0 ]; then
        tail -n 20 "$deps/$name.log" >&2
        echo "could not install $name: the whole output is in $deps/$name.log" >&2
        return 1
    fi
    echo "$sum" >"$deps/stamps/$name"
}

python_install() {
    rm -rf "$deps/python"
    /usr/bin/python3 -m venv "$deps/python"
    "$deps/python/bin/pip" install --quiet --no-deps --disable-pip-version-check -r "$here/requirements.txt"
    ln -sfn "$deps"/python/bin/{node,npm,npx} "$deps/bin/"
}

# node_install FOLDER: what its package-lock.json says.
node_install() {
    mkdir -p "$deps/$1"
    cp "$here/$1/package.json" "$here/$1/package-lock.json" "$deps/$1/"
    (cd "$deps/$1" && npm ci --no-audit --no-fund)
}

go_toolchain() {
    rm -rf "$deps/go"
    "$deps/python/bin/pip" install --quiet --no-deps --disable-pip-version-check --target "$deps/go" \
        -r "$here/go/requirements.txt"
}

# With this Go and no other that the environment names; GOPROXY and its like are the environment's. Compiling the
# clients takes longer than all their tests: so without optimizing.
go_build() {
    mkdir -p "$deps/go/src"
    cp "$here/go/go.mod" "$here/go/go.sum" "$root/tests/interop/lib/go"/*.go "$deps/go/src/"
    env -u GOROOT GOTOOLCHAIN=local GOWORK=off CGO_ENABLED=0 GOFLAGS="-mod=readonly -modcacherw -buildvcs=false" \
        GOMODCACHE="$deps/go/modules" GOCACHE="$deps/go/cache" \
        "$deps/go/go/bin/go" build -C "$deps/go/src" -gcflags="all=-N -l" -o "$deps/go/fetching" .
}

# maven_jars NAME: the jars that NAME/pom.xml asks for, with what they need, into NAME/lib.
maven_jars() {
    rm -rf "${deps:?}/$1/lib"
    mvn -q -B -f "$here/$1/pom.xml" org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies \
        -DoutputDirectory="$deps/$1/lib" -DincludeScope=runtime
}

# pinned_jars NAME: the same, and each must be the one in NAME/jars.sha256.
pinned_jars() {
    maven_jars "$1"
    (cd "$deps/$1/lib" && sha256sum --quiet -c "$here/$1/jars.sha256" &&
        diff <(LC_ALL=C ls) <(awk '{ print $2 }' "$here/$1/jars.sha256"))
}

# java_compile NAME: tests/interop/lib/NAME with NAME's jars.
java_compile() {
    rm -rf "${deps:?}/$1/classes"
    javac -nowarn -cp "$deps/$1/lib/*" -d "$deps/$1/classes" "$root/tests/interop/lib/$1"/*.java
}

librdkafka_build() {
    rm -rf "$deps/librdkafka"
    mkdir -p "$deps/librdkafka"
    cd "$deps/librdkafka"
    npm pack --silent @confluentinc/kafka-javascript@1.10.1
    echo "$(cat "$here/librdkafka.sha256")  $(echo *.tgz)" | sha256sum -c -
    tar xzf ./*.tgz --strip-components=3 package/deps/librdkafka
    rm ./*.tgz
    ./configure --disable-curl --disable-sasl
    nice make -j"$(nproc)" libs
    nice make -j"$(nproc)" -C tests build
}

install_group() {
    case $1 in
    apt)    need_packages "$root/script/packages.txt" "$here/packages.txt"
            link_tools "$deps/bin" "$root/script/packages.txt" "$here/packages.txt" ;;
    python) once python "$here/requirements.txt" -- python_install ;;
    node)   install_group python
            once node "$here/node/package-lock.json" -- node_install node ;;
    kinesalite) install_group python
            once kinesalite "$here/kinesalite/package-lock.json" -- node_install kinesalite ;;
    go)     install_group python
            once go "$here/go/requirements.txt" -- go_toolchain
            once go-build "$here/go"/* "$root"/tests/interop/lib/go/*.go -- go_build ;;
    java)   once java-jars "$here/java/pom.xml" -- maven_jars java
            once java-classes "$here/java/pom.xml" "$root"/tests/interop/lib/java/*.java -- java_compile java ;;
    kcl)    for part in kcl dynamodb; do
                once $part-jars "$here/$part/pom.xml" "$here/$part/jars.sha256" -- pinned_jars $part
                once $part-classes "$here/$part/pom.xml" "$root/tests/interop/lib/$part"/*.java -- java_compile $part
            done ;;
    kafka)  once kafka "$here/kafka/pom.xml" -- maven_jars kafka ;;
    librdkafka) install_group python
            once librdkafka "$here/librdkafka.sha256" -- librdkafka_build ;;
    *)      echo "no such group: $1" >&2; return 2 ;;
    esac
}

[ $# -gt 0 ] || set -- apt python node java go kafka
for group in "$@"; do install_group "$group"; done
