#!/usr/bin/env python3
"""Hostile inputs, and what everybody else waits for while they run.

    ninja -C build diglot bench_probe bench_load
    .deps/python/bin/python tests/bench/hostile.py [--only NAME]... [--quick] [--page docs/hostile.md]

Each input of hostile_inputs.py, hostile_bursts.py and hostile_random.py gets a server of its own, with default
settings, idle and then beside a normal load (bench_load: 1,000 records of 1 KiB a second, one at a time).
bench_probe asks small things at all doors meanwhile, 25 times a second on each of two connections a question, so that
both loops are asked; the time counts from when a question was due. The goal: p99 of each question <= 50 ms, memory
<= what the server says at its start that it may take, + 100 MiB. The row "nothing" says what this machine makes of it
without an attack.

--quick: 3 s an input instead of 8, idle alone. --binary FILE: another server; --build FOLDER: where the programs are.
--seconds N; --seed N for the random ones; --list names the inputs; --nice N: the server's priority (root: -20 on a
machine that has other things to do). Exit status 1 when a goal is missed.
"""
import argparse
import multiprocessing
import os
import pathlib
import random
import re
import signal
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests" / "interop"), str(ROOT / "tests" / "fuzz")]

from lib import bad  # noqa: E402
from lib import server as servers  # noqa: E402
import hostile_inputs as inputs  # noqa: E402
import hostile_bursts  # noqa: E402,F401  (registers more inputs, as the next one)
import hostile_random  # noqa: E402,F401

GOAL_MS, MEMORY_MORE_MIB = 50, 100
MEMORY_UNSAID_MIB = 512             # of a server that does not say how much memory it may take
RSS_CAP_MIB = 4096                  # where a server is ended before it takes the machine along
PERIOD_MS, CONNECTIONS = 40, 2
SHARDS = 20                         # read 50 times a second together: fewer than five a shard
GROUPS = {"Kafka": ("produce", "fetch", "metadata"), "cold Fetch": ("cold",), "Kinesis": ("put", "get"),
          "/livez": ("livez",)}


class Server(servers.Diglot):
    """In a session of its own, since that is whose priority counts where the scheduler groups by sessions."""

    def _spawn(self, command, **more):
        super()._spawn(command, start_new_session=True, **more)

    def prefer(self, nice):
        if nice:
            for thread in pathlib.Path(f"/proc/{self.pid}/task").iterdir():
                os.setpriority(os.PRIO_PROCESS, int(thread.name), nice)
            pathlib.Path(f"/proc/{self.pid}/autogroup").write_text(str(nice))


class Bystanders:
    """What bench_probe asks of a server, and what it waited for."""

    def __init__(self, server, build):
        self.server, self.build = server, build
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="hostile-", dir=server.dir))
        for topic in ("by", "cold", "by-load"):
            inputs.make_topic(server, topic)
        inputs.store(server, "by", inputs.record_batch_of(b"v" * 100))
        inputs.store(server, "cold", inputs.record_batch_of(b"v" * 100))
        inputs.make_stream(server, "by-stream", SHARDS)
        # What was written before a start is read from disk.
        server.restart()

    def _requests(self):
        server = self.server

        def fetch(topic):
            return inputs.request("Fetch", 4, max_wait_ms=0, min_bytes=1, max_bytes=1 << 20, topics=[
                {"topic": topic, "partitions": [{"partition": 0, "fetch_offset": 0, "partition_max_bytes": 1}]}])
        inputs.store(server, "by", inputs.record_batch_of(b"v" * 100))
        yield "produce", "kafka", server.kafka, [inputs.produce("by", [(0, inputs.record_batch_of(b"v" * 100))])]
        yield "fetch", "kafka", server.kafka, [fetch("by")]
        yield "cold", "kafka", server.kafka, [fetch("cold")]
        yield "metadata", "kafka", server.kafka, [inputs.request("Metadata", 1, topics=[{"name": "by"}])]
        yield "put", "http", server.kinesis, [bad.kinesis_request("PutRecord", {
            "StreamName": "by-stream", "PartitionKey": f"k{i}", "Data": "dmFsdWU="}) for i in range(64)]
        yield "get", "http", server.kinesis, [bad.kinesis_request("GetRecords", {"ShardIterator": inputs.iterator(
            server, "by-stream", "LATEST", f"shardId-{i:012d}"), "Limit": 10}) for i in range(SHARDS)]
        yield "livez", "http", server.admin, [b"GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n"]

    def begin(self):
        lines = []
        for name, kind, address, requests in self._requests():
            path = self.folder / name
            path.write_bytes(b"".join(len(r).to_bytes(4, "big") + r for r in requests))
            lines += [f"{name} {kind} {address} {path}\n"] * CONNECTIONS
        self.process = subprocess.Popen([self.build / "tests" / "bench_probe", str(PERIOD_MS), self.folder / "out"],
                                        stdin=subprocess.PIPE, text=True)
        # Each connection in turn, so that the two of a question are not of one loop.
        self.process.stdin.write("".join(lines[i::CONNECTIONS][j] for i in range(CONNECTIONS)
                                         for j in range(len(lines) // CONNECTIONS)))
        self.process.stdin.close()
        time.sleep(0.5)
        if self.process.poll() is not None:
            sys.exit("the probe did not start")

    def end(self, first_ns, last_ns):
        """{question: sorted waits in ms} of what was due in that time, and how often it went wrong."""
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()
        waits, wrong = {}, {}
        for line in (self.folder / "out").read_text().splitlines():
            name, due, wait, how = line.split()
            if first_ns <= int(due) <= last_ns:
                waits.setdefault(name, []).append(int(wait) / 1e6)
                if how in ("bad", "closed"):
                    wrong[how, name] = wrong.get((how, name), 0) + 1
        return {name: sorted(ms) for name, ms in waits.items()}, wrong


def share(ordered, part):
    return ordered[min(len(ordered) - 1, int(len(ordered) * part))]


def normal_load(server, build, seconds):
    return subprocess.Popen([build / "tests" / "bench_load", "latency", server.kafka, "by-load", str(seconds),
                             "1024", "1000"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                            preexec_fn=lambda: os.nice(5))


def attacker(run, state, pipe, seconds):
    os.nice(10)
    began = time.monotonic_ns()
    sent = run(time.monotonic() + seconds)
    note = state["note"]() if "note" in state else ""
    pipe.send((sent, note, began, time.monotonic_ns()))


def peak_mib(server):
    status = pathlib.Path(f"/proc/{server.pid}/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) / 1024


def memory_goal_mib(server):
    said = re.search(r"^memory at most (\d+) MiB$", server.output(), re.MULTILINE)
    return (int(said[1]) if said else MEMORY_UNSAID_MIB) + MEMORY_MORE_MIB


def timed(action):
    began = time.monotonic()
    try:
        action()
        return f"{time.monotonic() - began:.1f}"
    except (servers.ServerDied, TimeoutError) as wrong:
        return "not: " + str(wrong).split(":")[0].split("\n")[0]


def under_attack(server, run, state, seconds):
    """(bytes, note, first ns, last ns) once the attack is over; notes says why it did not end by itself."""
    ours, theirs = multiprocessing.Pipe()
    began = time.monotonic_ns()
    child = multiprocessing.Process(target=attacker, args=(run, state, theirs, seconds))
    child.start()
    deadline, note = time.monotonic() + seconds + state.get("cap_s", inputs.CAP_S) + 10, ""
    while child.is_alive() and time.monotonic() < deadline and not note:
        child.join(0.05)
        if server.running() and server.rss_bytes() > RSS_CAP_MIB << 20:
            note = f"ended at {RSS_CAP_MIB} MiB"
        elif not server.running():
            note = f"THE SERVER ENDED ({server.process.returncode})"
    if ours.poll():
        return ours.recv()
    child.kill()
    child.join()
    return 0, note or "the attack did not end", began, time.monotonic_ns()


def measure(function, options, loaded):
    """One input on one fresh server: a dictionary for row()."""
    with Server(binary=options.binary) as server:
        bystanders, state = Bystanders(server, options.build), {"seed": options.seed, "quick": options.quick}
        server.prefer(options.nice)
        run = function(server, state)
        load = normal_load(server, options.build, options.seconds + 60) if loaded else None
        bystanders.begin()
        cpu = server.cpu_seconds()
        sent, note, first, last = under_attack(server, run, state, options.seconds)
        cpu = server.cpu_seconds() - cpu if server.running() else 0
        peak = peak_mib(server) if server.running() else 0
        waits, wrong = bystanders.end(first, last)
        if load:
            load.kill()
            load.wait()
        notes = [note] * bool(note) + [f"{count} {how} {name}" for (how, name), count in wrong.items()]
        stop, start = "-", "-"
        if note.startswith("ended at"):
            server.kill()
        elif server.running():
            stop = timed(server.stop)
            start = timed(server.start)
        return {"sent": sent, "waits": waits, "peak": peak, "goal": memory_goal_mib(server), "cpu": cpu,
                "seconds": (last - first) / 1e9, "notes": notes, "stop": stop, "start": start}


def row(name, loaded, found):
    cells, worst = [], 0
    for questions in GROUPS.values():
        known = [found["waits"][q] for q in questions if q in found["waits"]]
        ms = max(known, key=lambda w: share(w, 0.99), default=None)
        if ms is None:
            cells.append("none")
            worst = float("inf")
            continue
        cells.append(f"{share(ms, .5):.1f} / {share(ms, .99):.1f} / {ms[-1]:.0f}")
        worst = max(worst, share(ms, 0.99))
    wrong = [n for n in found["notes"] if re.search(r"bad|closed |ended|ENDED|did not end", n)]
    good = worst <= GOAL_MS and found["peak"] <= found["goal"] and not wrong
    return good, [name, "load" if loaded else "idle", size(found["sent"]), *cells, f"{found['peak']:.0f}",
                  f"{found['cpu']:.1f} of {found['seconds']:.0f}", found["stop"], found["start"],
                  "; ".join(found["notes"]), "held" if good else "**NOT**"]


def size(count):
    return f"{count / 1e6:.1f} MB" if count >= 1e5 else f"{count / 1e3:.1f} KB"


HEAD = ["input", "beside", "sent", *GROUPS, "RSS peak, MiB", "CPU s", "stop s", "start s", "notes", "verdict"]


def page(rows, options):
    lines = ["# Hostile inputs: what others wait for while they run", "",
             "Made by `tests/bench/hostile.py`, which says what each word means. Waits are p50 / p99 / max in ms, of",
             f"the worst question of a group, counted from when it was due; goal: p99 <= {GOAL_MS} ms, memory <= what",
             f"the server says at its start + {MEMORY_MORE_MIB} MiB. {options.seconds} s an input, "
             f"{os.cpu_count()} cores, random ones with seed {options.seed}.", "",
             "| " + " | ".join(HEAD) + " |", "|" + " --- |" * len(HEAD)]
    lines += ["| " + " | ".join(cells) + " |" for _, cells in rows]
    lines += ["", "What each input is:", ""]
    lines += [f"- `{name}`: {function.about}" for name, function in inputs.ATTACKS.items()
              if any(cells[0] == name for _, cells in rows)]
    return "\n".join(lines) + "\n"


@inputs.attack("no attack: what the machine makes of it")
def nothing(server, state):
    return inputs.once([])


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", action="append")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--binary")
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build")
    parser.add_argument("--seconds", type=int)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().getrandbits(32))
    parser.add_argument("--nice", type=int, default=0)
    parser.add_argument("--page", type=pathlib.Path)
    options = parser.parse_args()
    options.seconds = options.seconds or (3 if options.quick else 8)
    options.binary = options.binary or options.build / "diglot"
    return options


def main():
    options = arguments()
    names = ["nothing", *(n for n in inputs.ATTACKS if n != "nothing")]
    if options.list:
        print("\n".join(f"{n}: {inputs.ATTACKS[n].about}" for n in names))
        return 0
    unknown = set(options.only or ()) - set(names)
    if unknown:
        sys.exit(f"no such input: {', '.join(unknown)}")
    rows = []
    print("| " + " | ".join(HEAD) + " |", flush=True)
    for name in (n for n in names if not options.only or n in options.only):
        for loaded in (False,) if options.quick else (False, True):
            rows.append(row(name, loaded, measure(inputs.ATTACKS[name], options, loaded)))
            print("| " + " | ".join(rows[-1][1]) + " |", flush=True)
    if options.page:
        options.page.write_text(page(rows, options))
    missed = sum(not good for good, _ in rows)
    print(f"{len(rows) - missed} held, {missed} did not; DIGLOT_SEED={options.seed}")
    return missed > 0


if __name__ == "__main__":
    sys.exit(main())
