#!/usr/bin/env python3
"""kinesalite's mocha suite, recorded against Amazon Kinesis, against a running server: one process a
file. Prints a report card and "N passed, N failed"; fails when one failed or none ran.

    tests/conformance/kinesalite.py [FOLDER]   against a fresh Diglot
        --address HOST:PORT                    against what runs there
        --full                                 also the test that waits 300 s for an iterator to expire
        --report docs/kinesalite.md            write the report card there

FOLDER is a checkout of the suite. No package registry carries its tests, so without one the suite is
reported as skipped, never as passed.
"""
import argparse
import concurrent.futures
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "interop"))

from lib import server as servers  # noqa: E402

BESIDE = servers.ROOT.parent / "shared" / "suites" / "kinesalite"
MOCHA = "mocha@10.8.2"
# Limits off, short-lived states shown and every web page allowed, as the suite expects of a fresh account.
OPTIONS = ["--limits", "off", "--stream-create-ms", "500", "--shard-limit", "50", "--cors-origins", "*"]
EXPIRY = "if iterator has expired"


def known_differences():
    """{title: reason}: where AWS of today differs from what the suite recorded."""
    rows = (line.split("\t", 1) for line in (HERE / "kinesalite.known").read_text().splitlines()
            if line.strip() and not line.startswith("#"))
    return {title.strip(): reason.strip() for title, reason in rows}


def prepare(folder, where):
    suite = where / "kinesalite"
    shutil.copytree(folder, suite, ignore=shutil.ignore_patterns("node_modules"))
    subprocess.run(["chmod", "-R", "u+w", str(suite)], check=True)
    for command in (["npm", "install", "--no-audit", "--no-fund"],
                    ["npm", "install", "--no-audit", "--no-fund", "--no-save", MOCHA]):
        subprocess.run(command, cwd=suite, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL)
    return suite


def run_file(suite, name, address, full):
    """[(title, error or None)] of one file; a file that cannot be run counts as one failure."""
    host, _, port = address.rpartition(":")
    environment = {**os.environ, "KHOST": host, "KPORT": port, "AWS_ACCOUNT_ID": "000000000000",
                   "AWS_REGION": "us-east-1"}
    command = ["npx", "mocha", "--require", "should", "--timeout", "8s", "--reporter", "json", f"test/{name}"]
    if not full:
        command += ["--grep", EXPIRY, "--invert"]
    done = subprocess.run(["nice", *command], cwd=suite, env=environment, stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=600)
    start = done.stdout.find("{\n")
    try:
        report = json.loads(done.stdout[start:])
    except ValueError:
        return [(f"{name} as a whole", (done.stdout + done.stderr)[-2000:])]
    return ([(test["fullTitle"], None) for test in report["passes"]] +
            [(test["fullTitle"], test["err"].get("message", "failed")) for test in report["failures"]])


def run_all(suite, address, full):
    """Two files at a time, each with a server of its own: a file deletes all streams of the suite."""
    def one(name):
        if address:
            return run_file(suite, name, address, full)
        with servers.Diglot(OPTIONS) as server:
            return run_file(suite, name, server.kinesis, full)

    names = sorted(p.name for p in (suite / "test").glob("*.js") if p.name != "helpers.js")
    with concurrent.futures.ThreadPoolExecutor(1 if address else 2) as pool:
        return dict(zip(names, pool.map(one, names)))


def report_card(results, known):
    """(lines, passed, failed)"""
    lines, passed, failed, differs = [], 0, 0, 0
    for name, rows in results.items():
        bad = [(title, error) for title, error in rows if error is not None]
        excused = [title for title, _ in bad if title in known]
        good = len(rows) - len(bad)
        passed, differs, failed = passed + good, differs + len(excused), failed + len(bad) - len(excused)
        lines.append(f"| {name[:-3]} | {good} | {len(excused)} | {len(bad) - len(excused)} |")
    lines = ["| file | passed | differs, AWS of today | failed |", "|---|--:|--:|--:|", *lines,
             f"| all | {passed} | {differs} | {failed} |"]
    return lines, passed, failed


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=pathlib.Path, default=BESIDE)
    parser.add_argument("--address")
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--report", type=pathlib.Path)
    arguments = parser.parse_args()
    if not (arguments.folder / "test" / "helpers.js").exists():
        print(f"kinesalite's suite is not at {arguments.folder}: skipped\n0 passed, 0 failed, 1 skipped")
        return 0
    known = known_differences()
    with tempfile.TemporaryDirectory(prefix="diglot-kinesalite-") as where:
        suite = prepare(arguments.folder, pathlib.Path(where))
        results = run_all(suite, arguments.address, arguments.full)
    lines, passed, failed = report_card(results, known)
    print("\n".join(lines))
    titles = {title for rows in results.values() for title, error in rows if error is None}
    for title in sorted(titles & set(known)):
        print(f"FAILED stale: \"{title}\" passes and is still listed as a difference")
        failed += 1
    for rows in results.values():
        for title, error in rows:
            if error is not None and title not in known:
                print("FAILED " + title + "\n    " + re.sub(r"\s+", " ", error)[:600])
    if arguments.report:
        arguments.report.write_text("# kinesalite's suite\n\nMade by `tests/conformance/kinesalite.py --report`.\n\n" +
                                    "\n".join(lines) + "\n")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
