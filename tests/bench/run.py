#!/usr/bin/env python3
"""The bench: Diglot beside Apache Kafka (and what the Kinesis rows bring), on this machine, in this run.

    tests/bench/run.py [row...]          prints a table; rows are named in *_rows.py
        --runs 5                         how often each side runs a row, after one run to warm up
        --write docs/benchmarks.md       write the page; only with all rows
        --sides diglot                   one side alone, while working on it
        --beside FILE                    another build of Diglot in the place of the anchors, named "before"

Both servers stand side by side, idle ones included, and take turns; what counts is the median. Beside
each rate stands the CPU time that the server took, from /proc, which is steadier than wall time.
"""
import argparse
import datetime
import os
import pathlib
import platform
import re
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "interop")]

import kafka_power_rows  # noqa: E402
import kafka_rows  # noqa: E402
import kinesis_rows  # noqa: E402
from rows import LOAD, ROOT, median  # noqa: E402

PAGES = [("Kafka door", kafka_rows), ("Kafka door, each acknowledgement after a sync", kafka_power_rows),
         ("Kinesis door", kinesis_rows)]


def measure_row(row, sides, servers, runs):
    """{side name: [result of each run]}, the sides taking turns."""
    found = {side.name: [] for side in sides}
    if row.prepare is not None:
        for side in sides:
            row.prepare(servers[side])
    for run in range(runs + 1):
        for side in sides if run % 2 else reversed(sides):
            result = row.measure(side if row.fresh else servers[side], run)
            if run > 0:                             # the first run warms up
                found[side.name].append(result)
    return found


def earlier(kind, file):
    """The side that is Diglot, as another build."""
    class Before(kind):
        name = "before"

        def __init__(self):
            super().__init__()
            self.binary = file
    return Before


def sides_of(module, arguments):
    anchor, ours = module.SIDES
    sides = (earlier(ours, arguments.beside) if arguments.beside else anchor, ours)
    return [side for side in sides if not arguments.sides or side.name in arguments.sides]


def measure_page(module, arguments):
    """[(row, results)] of one page's rows; its servers run from the first row to the last."""
    sides = sides_of(module, arguments)
    rows = [row for row in module.ROWS if not arguments.rows or row.key in arguments.rows]
    results, memory = [], {}
    if not rows:
        return results, memory
    for row in (row for row in rows if row.fresh):
        results.append((row, measure_row(row, sides, None, arguments.runs)))
        show(*results[-1])
    servers = {side: side() for side in sides}
    try:
        for server in servers.values():
            server.start()
        for row in (row for row in rows if not row.fresh):
            results.append((row, measure_row(row, sides, servers, arguments.runs)))
            show(*results[-1])
        memory = {side.name: server.rss_bytes() / 2**20 for side, server in servers.items()}
    finally:
        for server in servers.values():
            server.close()
    return results, memory


def cells(row, results):
    """For each metric: heading, the sides' medians as text, Diglot against the other as text."""
    for metric, (heading, digits, less) in row.metrics.items():
        values = {side: median(runs, metric) for side, runs in results.items()}
        ratio = ""
        if len(values) == 2:
            ours = values.pop("diglot")
            other, theirs = values.popitem()
            values = {other: theirs, "diglot": ours}
            if theirs > 0 and ours > 0:
                ratio = f"1/{theirs / ours:.1f}" if less and ours < theirs else f"{ours / theirs:.2f}x"
        yield heading, {side: f"{value:,.{digits}f}" if value == value else "-"     # what it cannot do is NaN
                        for side, value in values.items()}, ratio


def show(row, results):
    for heading, values, ratio in cells(row, results):
        sides = "   ".join(f"{side} {value}" for side, value in values.items())
        print(f"{row.title}: {heading}: {sides}   {ratio}", flush=True)


def machine():
    model = re.search(r"model name\s*:\s*(.*)", pathlib.Path("/proc/cpuinfo").read_text())
    memory_kib = int(re.search(r"MemTotal:\s*(\d+)", pathlib.Path("/proc/meminfo").read_text())[1])
    return (f"{os.cpu_count()} cores ({model[1] if model else platform.machine()}), "
            f"{memory_kib / 2**20:.0f} GiB of memory, Linux {platform.release()}")


def page(pages, runs):
    version = subprocess.run(["git", "-C", str(ROOT), "log", "-1", "--format=%h"],
                             capture_output=True, text=True).stdout
    lines = ["# Benchmarks", "",
             "Made by `tests/bench/run.py --write docs/benchmarks.md`; the table is that program's, the words below it",
             "(under *Why*) are kept.", "",
             f"{datetime.date.today()}, commit {version.strip()}. {machine()}. "
             "The load runs on the same cores as the servers.",
             f"Both sides stood side by side and took turns; each number is the median of {runs} runs after a warm-up.",
             "CPU is the server's own user and system time from /proc."]
    for title, module, results, memory in pages:
        sides = [side.name for side in module.SIDES]
        lines += ["", f"## {title}", "", module.DURABILITY, "",
                  f"| work | | {' | '.join(sides)} | ratio | goal |", "|---|---|" + "---:|" * (len(sides) + 1) + "---|"]
        for row, found in results:
            for index, (heading, values, ratio) in enumerate(cells(row, found)):
                lines.append(f"| {row.title if index == 0 else ''} | {heading} | "
                             + " | ".join(values[side] for side in sides)
                             + f" | {ratio} | {row.goal if index == 0 else ''} |")
        if memory:
            lines.append("| memory after all of the above | MiB RSS | "
                         + " | ".join(f"{memory[side]:,.0f}" for side in sides) + " | | <= 300 MB after 10 GB |")
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", nargs="*")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--sides", nargs="*")
    parser.add_argument("--beside", type=pathlib.Path)
    parser.add_argument("--write")
    arguments = parser.parse_args()
    if arguments.write and (arguments.rows or arguments.sides or arguments.beside):
        parser.error("--write wants all rows and both sides")
    if not LOAD.exists():
        sys.exit("build it first: cmake -S . -B build -G Ninja && ninja -C build diglot bench_load bench_load_kinesis")
    for side in (side for _, module in PAGES for side in sides_of(module, arguments)):
        if not getattr(side, "program", ROOT).exists():     # rather now than after the first page's rows
            sys.exit(f"{side.name} is not here: tests/deps/install.sh kafka java kinesalite")
    pages = [(title, module, *measure_page(module, arguments)) for title, module in PAGES]
    if arguments.write:
        kept = ""
        path = pathlib.Path(arguments.write)
        if path.exists() and "\n## Why" in path.read_text():
            kept = "\n## Why" + path.read_text().split("\n## Why", 1)[1]
        path.write_text(page(pages, arguments.runs) + kept)


if __name__ == "__main__":
    main()
