#!/usr/bin/env python3
"""librdkafka's own test suite against a running broker: one process a number, because a test that
fails ends its process. Prints a report card and "N passed, N failed"; fails when one failed or none ran.

    tests/conformance/librdkafka.py [number...]     against a fresh Diglot
        --server apache-kafka                       against Apache Kafka 4.4.0 instead
        --address HOST:PORT                         against what runs there
        --smoke                                     the short list alone
        --all                                       also the numbers that are not expected to pass
        --report docs/librdkafka.md                 write the report card there
"""
import argparse
import concurrent.futures
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "interop"))

from lib import server as servers  # noqa: E402

SUITE = servers.DEPS / "librdkafka" / "tests"
SMOKE = ["0000", "0001", "0004", "0012", "0017", "0022", "0030", "0039"]
# Tests that the suite's quick mode leaves out, though they are quick enough.
WHOLE = {"0053", "0082", "0098"}
# Tests that measure time or load the machine: run one by one after the others.
ALONE = {"0000", "0036", "0038", "0055", "0093", "0123", "0125"}
FAILURES = ("failed", "timed out")
# The delay: 0118 wants two consumers that start together to share their first generation.
DIGLOT_OPTIONS = ["--num-partitions", "4", "--accept-replication-factor",
                  "--group-initial-rebalance-delay-ms", "300"]


def read_list():
    """{number: reason not to run it, or None}"""
    rows = (line.split(None, 1) for line in (HERE / "librdkafka.list").read_text().splitlines()
            if line and not line.startswith("#"))
    return {row[0]: row[1].removeprefix("not:").strip() if len(row) > 1 else None for row in rows}


def title(number):
    """A number's name, as its source file calls it."""
    for file in sorted(SUITE.glob(f"{number}-*.c*")):
        return file.stem[5:].replace("_", " ")
    return ""


def run(number, address, timeout_s, logs):
    """(outcome, seconds): passed, failed, skipped (the suite ran nothing) or timed out."""
    conf = logs / f"{number}.conf"
    conf.write_text(f"bootstrap.servers={address}\ntest.timeout.multiplier=4\n")
    environment = {**os.environ, "TESTS": number, "TEST_KAFKA_VERSION": "4.4.0", "RDKAFKA_TEST_CONF": str(conf),
                   "TEST_CONSUMER_GROUP_PROTOCOL": "classic", "LD_LIBRARY_PATH": "../src:../src-cpp"}
    command = ["nice", "./test-runner", "-p1", "-E", *([] if number in WHOLE else ["-Q"])]
    start = time.monotonic()
    with open(logs / f"{number}.log", "wb") as log:
        try:
            status = subprocess.run(command, cwd=SUITE, env=environment,
                                    stdin=subprocess.DEVNULL, stdout=log, stderr=log, timeout=timeout_s).returncode
        except subprocess.TimeoutExpired:
            status = None
    text = (logs / f"{number}.log").read_text(errors="replace")
    # The suite's own summary has a line for each entry of the number: | name | PASSED | 1.2s |
    rows = re.findall(r"\|(?:\x1b\[\d+m)?\s*(\d{4}\S*)\s*\|\s*(\w+)", text)
    states = {state for name, state in rows if name.startswith(number)}
    if status is None:
        outcome = "timed out"
    elif status != 0 or "FAILED" in states:
        outcome = "failed"
    else:
        outcome = "passed" if "PASSED" in states else "skipped"
    return outcome, time.monotonic() - start


def run_all(numbers, address, arguments, logs):
    results = {}
    groups = [([n for n in numbers if n not in ALONE], arguments.parallel), ([n for n in numbers if n in ALONE], 1)]
    for group, at_once in groups:
        with concurrent.futures.ThreadPoolExecutor(at_once) as pool:
            futures = {pool.submit(run, n, address, arguments.timeout, logs): n for n in group}
            for future in concurrent.futures.as_completed(futures):
                number = futures[future]
                results[number] = future.result()
                show(number, *results[number])
    # Some of these races are the suite's own: what failed beside others gets a second try alone.
    for number in sorted(n for n, (outcome, _) in results.items() if outcome in FAILURES):
        outcome, seconds = run(number, address, arguments.timeout, logs)
        results[number] = "passed at the second try" if outcome == "passed" else outcome, seconds
        show(number, *results[number])
    return results


def show(number, outcome, seconds):
    print(f"{number}  {outcome:9} {seconds:6.1f} s  {title(number)}", flush=True)


def count(results):
    """(passed, failed)"""
    outcomes = [outcome for outcome, _ in results.values()]
    return sum(o.startswith("passed") for o in outcomes), sum(o in FAILURES for o in outcomes)


def report(path, name, rows, results):
    passed, _ = count(results)
    lines = ["# librdkafka's test suite", "",
             f"librdkafka 2.15.1's own tests against {name}, one process each, classic group protocol: "
             f"{passed} of {len(results)} passed.", "",
             "Made by `tests/conformance/librdkafka.py --report docs/librdkafka.md`; the list, with what is left out,",
             "is `tests/conformance/librdkafka.list`.", "",
             "| number | test | result |", "|---|---|---|"]
    for number in sorted(set(rows) | set(results)):
        outcome = results[number][0] if number in results else f"not run: {rows[number] or 'not asked for'}"
        lines.append(f"| {number} | {title(number)} | {outcome} |")
    pathlib.Path(path).write_text("\n".join(lines) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("numbers", nargs="*")
    parser.add_argument("--server", choices=("diglot", "apache-kafka"), default="diglot")
    parser.add_argument("--address")
    parser.add_argument("--smoke", action="store_true")
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--parallel", type=int, default=3)
    parser.add_argument("--timeout", type=int, default=360)
    parser.add_argument("--report")
    parser.add_argument("--logs", help="keep every test's output in this folder")
    arguments = parser.parse_args()
    if not (SUITE / "test-runner").exists():
        sys.exit("run tests/deps/install.sh librdkafka first")
    rows = read_list()
    numbers = arguments.numbers or (SMOKE if arguments.smoke else
                                    [n for n, reason in rows.items() if arguments.all or reason is None])
    with tempfile.TemporaryDirectory() as own:
        logs = pathlib.Path(arguments.logs or own)
        logs.mkdir(parents=True, exist_ok=True)
        if arguments.address:
            name, results = arguments.address, run_all(numbers, arguments.address, arguments, logs)
        else:
            kafka = arguments.server == "apache-kafka"
            name = "Apache Kafka 4.4.0" if kafka else "Diglot"
            with servers.ApacheKafka() if kafka else servers.Diglot(DIGLOT_OPTIONS) as server:
                results = run_all(numbers, server.kafka, arguments, logs)
                if not server.running():
                    sys.exit(f"the server ended:\n{server.output()[-4000:]}")
        for number, (outcome, _) in results.items():
            if outcome in FAILURES:
                tail = (logs / f"{number}.log").read_text(errors="replace").splitlines()[-15:]
                print(f"--- {number} {outcome}", *tail, sep="\n")
    if arguments.report:
        report(arguments.report, name, rows, results)
    passed, failed = count(results)
    for number, (outcome, _) in sorted(results.items()):
        if outcome == "skipped":
            print(f"{number} skipped: the suite ran nothing")
    print(f"librdkafka suite: {passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
