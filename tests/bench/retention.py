#!/usr/bin/env python3
"""What retention leaves on the disk where topics and partitions are of very different sizes.

    tests/bench/retention.py [--minutes 3] [--data-dir D] [--partitions 500] [--keep-mib 1024]

Producers write 1 KiB records to partitions whose shares follow Zipf's law, so that each file of the log holds some
of every one. Each partition keeps the newest retention.bytes of what it got: hot ones turn over many times, cold
ones keep all. Retention looks each second. Printed each ten seconds: what lives (retained records), what the disk
takes, what was written since the start, and what the server's threads took of the CPU; at the end the largest ratio
of disk to live since the first quarter, and the acknowledgement times that a client at 1,000 records a second saw
meanwhile.
"""
import argparse
import random
import subprocess
import sys
import pathlib
import tempfile
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "interop")]

from confluent_kafka import Producer  # noqa: E402
from lib import admin, bad  # noqa: E402
from lib.server import Diglot  # noqa: E402
from rows import LOAD  # noqa: E402

RECORD, MIB = 1024, 1 << 20
LOOK_S = 10


class Writer(threading.Thread):
    """Records of random bytes, which no volume makes smaller; as fast as goes or at a rate."""

    def __init__(self, server, options, shares, seed):
        super().__init__(daemon=True)
        self.rng = random.Random(seed)
        self.partitions = self.rng.choices(range(options.partitions), shares, k=200_000)
        self.producer = Producer({"bootstrap.servers": server.kafka, "linger.ms": 20, "log_level": 0,
                                  "queue.buffering.max.messages": 100_000, "batch.size": 1 << 20})
        self.bytes, self.going, self.pause_s = 0, True, RECORD * 100 / (options.mib_per_s * MIB / 2)
        self.wrong = None

    def run(self):
        value, at, due = self.rng.randbytes(RECORD * 64), 0, time.monotonic()
        while self.going:
            for _ in range(100):
                at += 1
                begin = at * 61 % (len(value) - RECORD)
                while True:
                    try:
                        self.producer.produce("skewed", value[begin:begin + RECORD],
                                              partition=self.partitions[at % len(self.partitions)],
                                              on_delivery=self.delivered)
                        break
                    except BufferError:
                        self.producer.poll(0.05)
            self.producer.poll(0)
            self.bytes += 100 * RECORD
            due += self.pause_s
            time.sleep(max(0.0, due - time.monotonic()))
        self.producer.flush(60)

    def delivered(self, error, _message):
        if error:
            self.wrong = error


def gauges(server):
    start = "diglot_storage_"
    return {name.removeprefix(start): value for name, value in bad.scrape(server).items() if name.startswith(start)}


def measure(options, server):
    shares = [1 / rank ** options.exponent for rank in range(1, options.partitions + 1)]
    admin.create_topic(server, "probe")
    admin.create_topic(server, "skewed", options.partitions,
                       **{"retention.bytes": str(options.keep_mib * MIB // options.partitions)})
    writers = [Writer(server, options, shares, seed) for seed in range(2)]
    for writer in writers:
        writer.start()
    seconds = options.minutes * 60
    probe = subprocess.Popen([LOAD, "latency", server.kafka, "probe", str(int(seconds)), "100", "1000"],
                             stdout=subprocess.PIPE, text=True)
    began, cpu, worst = time.monotonic(), server.cpu_seconds(), 0.0
    while time.monotonic() - began < seconds:
        time.sleep(LOOK_S)
        g, passed = gauges(server), time.monotonic() - began
        live, disk = g["live_bytes"] / MIB, g["disk_bytes"] / MIB
        written = sum(w.bytes for w in writers) / MIB
        if passed > seconds / 4:
            worst = max(worst, disk / live)
        print(f"{passed:5.0f} s  live {live:7.0f} MiB  disk {disk:7.0f} MiB  {disk / live:5.2f}x  dead "
              f"{g['dead_bytes'] / MIB:6.0f}  files {g['extents']:4.0f}  written {written:8.0f} MiB  CPU "
              f"{server.cpu_seconds() - cpu:6.1f} s", flush=True)
    for writer in writers:
        writer.going = False
        writer.join()
    print(f"disk at most {worst:.2f}x of what lives; acknowledgements meanwhile: {probe.communicate()[0].strip()}")
    wrong = [w.wrong for w in writers if w.wrong]
    return f"not delivered: {wrong[0]}" if wrong else ""


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=3)
    parser.add_argument("--partitions", type=int, default=500)
    parser.add_argument("--exponent", type=float, default=1.0)
    parser.add_argument("--keep-mib", type=int, default=1024, help="of all partitions together")
    parser.add_argument("--mib-per-s", type=float, default=60)
    parser.add_argument("--data-dir")
    options = parser.parse_args()
    folder = tempfile.mkdtemp(prefix="diglot-retention-", dir=options.data_dir)
    with Diglot(["--limits", "off", "--retention-check-ms", "1000"], data_dir=folder) as server:
        wrong = measure(options, server)
        server.stop()
        status, output = server.check()
        print(output.splitlines()[-1])
    sys.exit(wrong or status)


if __name__ == "__main__":
    main()
