#!/usr/bin/env python3
"""What a day's worth of small changes leaves behind: nothing.

    tests/bench/endurance.py [load...]     records, topics, reshards; all by default
        --share 1                          of the full number of calls: 0.01 for a look
        --data-dir D                       where the data directories are made; default: the temporary one

Each load runs in blocks of equal size against a server of its own, DIGLOT_BINARY or build/diglot. What
must hold, else the exit status is 1: the last quarter of the blocks costs at most twice the CPU time and
twice the wall time of the first quarter, the server stops and is ready again within 1 s each (and 0.7 s of
CPU until it is ready, which other load on the machine does not blur), and at the end of the load and after
the new start it holds at most 50 MiB more than before. A block lasts long enough that the compaction every few
seconds is in each of them.
"""
import argparse
import http.client
import json
import pathlib
import shutil
import statistics
import struct
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "interop")]

from lib import direct, messages, wire  # noqa: E402
from lib.server import Diglot  # noqa: E402

BLOCKS = 20
SLOWER_MAX, READY_S_MAX, READY_CPU_S_MAX, STOP_S_MAX, MORE_BYTES_MAX = 2.0, 1.0, 0.7, 1.0, 50 << 20
SIGNED = {"x-amz-date": "20300101T000000Z", "authorization":           # parsed, not verified
          "AWS4-HMAC-SHA256 Credential=a/20300101/us-east-1/kinesis/aws4_request, SignedHeaders=host, "
          f"Signature={'0' * 64}"}
PRODUCE, CREATE_TOPICS, DELETE_TOPICS, DELETE_RECORDS = 0, 19, 20, 21


def one(text):
    return struct.pack(">i", 1) + wire.string(text)


class Records:
    """One small record, then DeleteRecords up to it: Kafka Streams and its repartition topics."""
    calls = 100_000

    def __init__(self, server):
        with messages.Caller(server.kafka) as caller:
            self.topic, _ = direct.create(caller, 1)
        self.raw = wire.Raw(server.kafka, 600)
        batch = build_batch()
        head = wire.string(None) + struct.pack(">hi", -1, 30_000) + one(self.topic)
        self.produce = wire.request(PRODUCE, 3, head + struct.pack(">iii", 1, 0, len(batch)) + batch)
        self.end = 0

    def call(self):
        self.end += 1
        body = one(self.topic) + struct.pack(">iiqi", 1, 0, self.end, 30_000)
        self.raw.send(self.produce + wire.request(DELETE_RECORDS, 0, body))
        self.raw.receive()
        answer = self.raw.receive()
        low, error = struct.unpack(">qh", answer[-10:])
        assert (low, error) == (self.end, 0), (low, error, self.end)


class Topics:
    """A topic that comes, gets a record, and goes: what test suites do all day."""
    calls = 20_000

    def __init__(self, server):
        self.raw = wire.Raw(server.kafka, 600)
        self.batch = build_batch()
        self.count = 0

    def call(self):
        self.count += 1
        name = f"topic-{self.count}"
        body = one(name) + struct.pack(">ihiii?", 1, 1, 0, 0, 30_000, False)
        made = self.raw.call(CREATE_TOPICS, 2, body)
        assert made[-4:-2] == b"\0\0", made          # and no message
        head = wire.string(None) + struct.pack(">hi", -1, 30_000) + one(name)
        answer = self.raw.call(PRODUCE, 3, head + struct.pack(">iii", 1, 0, len(self.batch)) + self.batch)
        assert answer[4 + 2 + len(name) + 8:][:2] == b"\0\0", answer
        gone = self.raw.call(DELETE_TOPICS, 1, one(name) + struct.pack(">i", 30_000))
        assert gone[-2:] == b"\0\0", gone


class Reshards:
    """A shard is split and its children are merged: a stream that follows its load."""
    calls = 10_000
    options = ["--limits", "off"]

    def __init__(self, server):
        self.connection = http.client.HTTPConnection(server.kinesis, timeout=600)
        self.ask("CreateStream", StreamName="s", ShardCount=1)
        self.shard, self.split = 0, False

    def ask(self, operation, **arguments):
        self.connection.request("POST", "/", json.dumps(arguments), {
            **SIGNED, "content-type": "application/x-amz-json-1.1", "x-amz-target": f"Kinesis_20131202.{operation}"})
        answer = self.connection.getresponse()
        text = answer.read()
        assert answer.status == 200, text

    def call(self):
        if self.split:
            self.ask("MergeShards", StreamName="s", ShardToMerge=shard_id(self.shard),
                     AdjacentShardToMerge=shard_id(self.shard + 1))
            self.shard += 2
        else:
            self.ask("SplitShard", StreamName="s", ShardToSplit=shard_id(self.shard),
                     NewStartingHashKey=str(1 << 127))
            self.shard += 1
        self.split = not self.split


def shard_id(index):
    return f"shardId-{index:012d}"


def build_batch():
    """A v2 batch of one record of some ten bytes."""
    from kafka.record.default_records import DefaultRecordBatchBuilder
    builder = DefaultRecordBatchBuilder(2, 0, 0, -1, -1, -1, 1 << 20)
    builder.append(0, int(time.time() * 1000), None, b"0123456789", [])
    return bytes(builder.build())


LOADS = {"records": Records, "topics": Topics, "reshards": Reshards}


def run(name, share, data_dir):
    kind = LOADS[name]
    each = max(1, int(kind.calls * share / BLOCKS))
    folder = pathlib.Path(tempfile.mkdtemp(prefix="diglot-endurance-", dir=data_dir))
    cpu, wall, faults = [], [], []
    server = Diglot(options=getattr(kind, "options", []), data_dir=folder)
    try:
        server.start()
        load = kind(server)
        for _ in range(max(1, each // 10)):             # what is made at first use is not what grows
            load.call()
        before = server.rss_bytes()
        peak = before
        for _ in range(BLOCKS):
            cpu_start, wall_start = server.cpu_seconds(), time.monotonic()
            for _ in range(each):
                load.call()
            cpu.append(server.cpu_seconds() - cpu_start)
            wall.append(time.monotonic() - wall_start)
            peak = max(peak, server.rss_bytes())
        after = server.rss_bytes()
        start = time.monotonic()
        server.stop(600)
        stop_s = time.monotonic() - start
        start = time.monotonic()
        server.start()
        ready_s = time.monotonic() - start
        ready_cpu_s = server.cpu_seconds()
        again = server.rss_bytes()
        disk = sum(f.stat().st_size for f in server.data.rglob("*") if f.is_file())
        files = sum(1 for _ in server.data.rglob("*"))
        server.stop(600)
        if server.check()[0] != 0:
            faults.append("diglot check: " + server.check()[1])
    finally:
        server.close()
        shutil.rmtree(folder, ignore_errors=True)
    quarter = BLOCKS // 4
    slower = {what: statistics.median(times[-quarter:]) / max(1e-9, statistics.median(times[:quarter]))
              for what, times in (("cpu", cpu), ("wall", wall))}
    print(f"{name}: {each * BLOCKS} calls, us each: cpu {us(cpu[:quarter], each)} -> {us(cpu[-quarter:], each)}, "
          f"wall {us(wall[:quarter], each)} -> {us(wall[-quarter:], each)}; stop {stop_s:.2f} s, "
          f"ready {ready_s:.2f} s, {ready_cpu_s:.2f} s of CPU; RSS MiB {before >> 20}, peak {peak >> 20}, "
          f"at the end {after >> 20}, restarted {again >> 20}; on disk {disk / 2**20:.1f} MiB in {files} files",
          flush=True)
    print("   cpu ms a block: " + " ".join(f"{c * 1000:.0f}" for c in cpu), flush=True)
    faults += [f"later calls cost {ratio:.1f} times the {what} time of the first ones"
               for what, ratio in slower.items() if ratio > SLOWER_MAX]
    if stop_s > STOP_S_MAX:
        faults.append(f"the stop took {stop_s:.2f} s")
    if ready_s > READY_S_MAX:
        faults.append(f"ready after {ready_s:.2f} s")
    if ready_cpu_s > READY_CPU_S_MAX:
        faults.append(f"ready after {ready_cpu_s:.2f} s of CPU")
    if max(after, again) - before > MORE_BYTES_MAX:
        faults.append(f"{(max(after, again) - before) >> 20} MiB more than before")
    for fault in faults:
        print(f"   WRONG: {fault}", flush=True)
    return not faults


def us(blocks, each):
    return f"{statistics.median(blocks) / each * 1e6:.0f}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("loads", nargs="*", metavar="load", choices=[*LOADS, []])
    parser.add_argument("--share", type=float, default=1)
    parser.add_argument("--data-dir")
    arguments = parser.parse_args()
    results = [run(name, arguments.share, arguments.data_dir) for name in arguments.loads or LOADS]
    sys.exit(0 if all(results) else 1)


if __name__ == "__main__":
    main()
