"""Byte-for-byte comparison of our codec with Kafka's, over random messages of every version.

    kafka_bytes.py LIB_DIR PROGRAM [ROUNDS]      LIB_DIR holds kafka-clients-*.jar and slf4j-api

PROGRAM is the built tests/conformance/kafka_bytes.c; the messages come from KafkaBytes.java, run with
the JDK's source launcher. DIGLOT_SEED replays a run. Also holds the Kafka codes and names of the
error table in base/err.h to those of Kafka's Errors class. Exits 1 on any difference.
"""
import glob
import os
import random
import re
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(ROOT, "tests/interop"))

from lib import server  # noqa: E402,F401  for the PATH in which java is the checked one


def keys():
    found = []
    for path in glob.glob(os.path.join(ROOT, "protocol/schema/kafka/*.msg")):
        with open(path, encoding="utf-8") as file:
            found.append(re.search(r"^api \w+ (\d+)", file.read(), re.M)[1])
    return sorted(found, key=int)


def java(lib, *args, **options):
    command = ["java", "-XX:+UseSerialGC", "-cp", os.path.join(lib, "*"),
               os.path.join(HERE, "KafkaBytes.java"), *map(str, args)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, **options)


def compare_errors(lib):
    theirs = {}
    for line in java(lib, "errors").communicate()[0].splitlines():
        code, name = line.split()
        theirs[name] = int(code)
    with open(os.path.join(ROOT, "base/err.h"), encoding="utf-8") as file:
        ours = {name: int(code) for name, code in re.findall(r"^ +E\((\w+), \w+, (-?\d+),", file.read(), re.M)}
    shared = ours.keys() & theirs.keys()
    wrong = [name for name in sorted(shared) if ours[name] != theirs[name]]
    wrong += [f"code {code} of {name}" for name, code in ours.items() if code not in theirs.values()]
    print(f"{len(shared)} error codes compared, wrong: {', '.join(wrong) or 'none'}")
    return bool(wrong) or not shared


def compare_bytes(lib, program, rounds):
    seed = os.environ.get("DIGLOT_SEED") or str(random.randrange(2**31))
    print(f"DIGLOT_SEED={seed}", flush=True)
    source = java(lib, seed, rounds, 3, *keys())
    checked = subprocess.run([program], stdin=source.stdout, check=False)
    source.stdout.close()
    return source.wait() != 0 or checked.returncode != 0


if __name__ == "__main__":
    if len(sys.argv) not in (3, 4):
        sys.exit(__doc__)
    failed = compare_errors(sys.argv[1])
    failed |= compare_bytes(sys.argv[1], sys.argv[2], sys.argv[3] if len(sys.argv) == 4 else "30")
    sys.exit(1 if failed else 0)
