#!/usr/bin/env python3
"""Fuzzes a running server with whole requests at both doors, drawn from the schemas (wire_kafka.py, wire_kinesis.py).

    tests/fuzz/wire.sh [SECONDS]        builds the server with AddressSanitizer and UBSan, and does the following
    .deps/python/bin/python tests/fuzz/wire.py --build build-address [--seconds N] [--seed N] [--door kafka|kinesis]
    .deps/python/bin/python tests/fuzz/wire.py --build build-address --replay FOLDER
    .deps/python/bin/python tests/fuzz/wire.py --build build-address --storm

--storm: nothing is damaged, and most is what makes, changes and ends things that others use: topics, partitions,
streams, shards, settings, records, groups, subscriptions; /metrics is read all the time. At its end the server is
killed; what it leaves must be free of contradictions then, and after the next start.

What must hold: the process lives; no sanitizer reports; each request that is whole is answered within ANSWER_S or
its connection is closed where it is doubtful; an answer at the Kafka door ends where its schema
says; memory stays below RSS_MIB; SIGTERM ends the server with status 0; `diglot check` finds nothing.
On failure the last requests of each connection are left in a folder, which --replay sends again.
"""
import argparse
import collections
import json
import multiprocessing
import pathlib
import random
import shutil
import socket
import struct
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "interop"))

from lib import bad, messages, sanitizer  # noqa: E402
from lib import server as servers  # noqa: E402
import wire_kafka  # noqa: E402
import wire_kinesis  # noqa: E402

CONNECTIONS, AT_ONCE = 8, 6         # of a door; requests of a connection before the first answer is read
KEPT = 400                          # requests of a connection that a failure leaves behind
ANSWER_S, ABANDONED_S = 30, 0.1     # for what must be answered; for what may wait or is doubtful
RSS_MIB = 3000                      # with AddressSanitizer's own, which keeps 256 MiB of what was freed
TOPICS = [f"t{i}" for i in range(12)]
LEARN = ("JoinGroup", "InitProducerId", "Fetch", "Metadata")
STORM = {
    "kafka": ("CreateTopics", "DeleteTopics", "CreatePartitions", "IncrementalAlterConfigs", "DeleteRecords", "Produce",
              "Fetch", "JoinGroup", "SyncGroup", "LeaveGroup", "Heartbeat", "OffsetCommit", "InitProducerId",
              "DeleteGroups", "OffsetDelete", "ListOffsets", "Metadata"),
    "kinesis": ("CreateStream", "DeleteStream", "SplitShard", "MergeShards", "UpdateShardCount", "PutRecord",
                "PutRecords", "GetShardIterator", "GetRecords", "RegisterStreamConsumer", "DeregisterStreamConsumer",
                "SubscribeToShard", "ListShards", "DecreaseStreamRetentionPeriod", "IncreaseStreamRetentionPeriod",
                "ListStreamConsumers"),
}
OPTIONS = ["--retention-check-ms", "1000", "--connections-max", "200", "--stream-create-ms", "20"]


class Wrong(Exception):
    pass


class Connection:
    """Sends, keeps what it sent, and reads answers one by one. closed: by the server, or given up."""

    def __init__(self, address):
        self.address, self.kept = address, collections.deque(maxlen=KEPT)
        self.socket, self.left, self.opened = None, b"", 0
        self.ends = False               # the last answer said that the server closes it

    def open(self):
        host, port = self.address.rsplit(":", 1)
        self.socket = socket.create_connection((host, int(port)), ANSWER_S)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.left, self.opened, self.ends = b"", self.opened + 1, False

    def close(self):
        if self.socket is not None:
            self.socket.close()
        self.socket = None

    def send(self, data):
        """False: the server closed it."""
        if self.socket is None:
            self.open()
        self.kept.append((time.monotonic_ns(), self.opened, data))
        try:
            self.socket.settimeout(ANSWER_S)
            self.socket.sendall(data)
            return True
        except TimeoutError:
            raise Wrong(f"nothing was read for {ANSWER_S} s") from None
        except OSError:
            return False

    def more(self, timeout_s):
        """False: closed by the server. TimeoutError: nothing came."""
        self.socket.settimeout(timeout_s)
        try:
            part = self.socket.recv(1 << 16)
        except TimeoutError:
            raise
        except OSError:
            part = b""
        self.left += part
        return part != b""

    def exactly(self, size, timeout_s):
        deadline = time.monotonic() + timeout_s
        while len(self.left) < size:
            if not self.more(max(0.001, deadline - time.monotonic())):
                return None
        found, self.left = self.left[:size], self.left[size:]
        return found


class Door:
    """One door's connections in one process. turn() asks on all of them and then reads."""

    def __init__(self, address, seed, storm):
        self.rng = random.Random(seed)
        self.more = {"damage": 0.0, "only": storm} if storm else {"limits": 0.002}
        self.lines = [Connection(address) for _ in range(CONNECTIONS)]
        self.counts = collections.Counter()

    def turn(self):
        asked = [(line, self.ask(line)) for line in self.lines]
        for line, requests in asked:
            self.read(line, requests)
            if self.rng.random() < 0.02 or any(r.cut for r in requests):
                line.close()

    @staticmethod
    def drop(made):
        raise Wrong(f"the connection was closed on a whole {made.name}: {made.data[:300].hex()}")

    def read(self, line, requests):
        whole = not any(r.doubtful for r in requests)     # an answer may go down with the one that is cut short
        for number, made in enumerate(requests):
            if getattr(made, "silent", False):
                continue
            sure = whole and not any(r.waits for r in requests[:number + 1])
            try:
                found = self.answer(line, made, ANSWER_S if sure else ABANDONED_S)
            except TimeoutError:
                if sure:
                    raise Wrong(f"{made.name} was not answered within {ANSWER_S} s") from None
                found = None
                self.counts["given up"] += 1
                line.close()
                return
            if found is None:
                self.counts["closed"] += 1
                if sure:
                    self.drop(made)
                line.close()
                return
            self.counts["answered"] += 1
            if line.ends:                                 # what was sent behind it is not looked at
                self.counts["closed"] += 1
                line.close()
                return


class Kafka(Door):
    def __init__(self, address, seed, storm):
        super().__init__(address, seed, storm)
        self.world = wire_kafka.World(TOPICS)
        self.shapes = wire_kafka.Shapes(self.rng, self.world, **self.more)

    def ask(self, line):
        requests = []
        for _ in range(AT_ONCE):
            made = self.shapes.next()
            requests.append(made)
            self.counts["sent"] += 1
            if made.doubtful or made.waits:
                break
        if not line.send(b"".join(r.data for r in requests)):
            line.close()
            self.counts["closed"] += 1
            return []
        return requests

    def answer(self, line, made, timeout_s):
        size = line.exactly(4, timeout_s)
        body = None if size is None else line.exactly(struct.unpack(">i", size)[0], timeout_s)
        if body is None:
            return None
        if not made.doubtful and (made.name in LEARN or self.rng.random() < 0.1):
            self.check(made, body)
        return body

    def check(self, made, body):
        tags = messages.APIS[made.name].is_flexible(made.version) and made.name != "ApiVersions"
        try:
            found = messages.decode(made.name, made.version, body[5 if tags else 4:])
        except UnicodeDecodeError:          # a name that a damaged request left there
            return
        except (AssertionError, struct.error) as wrong:
            raise Wrong(f"the answer to {made.name} {made.version} does not follow its schema: {wrong}") from None
        if made.name in LEARN:
            self.world.learn(made.name, found)


class Kinesis(Door):
    """Every fourth connection is HTTP/2."""

    def __init__(self, address, seed, storm):
        super().__init__(address, seed, storm)
        self.world = wire_kinesis.World(TOPICS)
        self.shapes = wire_kinesis.Shapes(self.rng, self.world, **self.more)
        self.streams = {}

    def ask(self, line):
        requests, parts = [], []
        http2 = self.lines.index(line) % 4 == 3
        if http2 and (line.socket is None or self.streams[line] > 2**20):
            line.close()
            parts.append(bad.PREFACE + bad.frame(bad.SETTINGS))
            self.streams[line] = 1
        for _ in range(AT_ONCE):
            made = self.shapes.next(http2)
            if http2:
                made.stream = self.streams[line]
                made.data = wire_kinesis.numbered(made, made.stream)
                self.streams[line] += 2
            requests.append(made)
            parts.append(made.data)
            self.counts["sent"] += 1
            if made.doubtful or made.waits:
                break
        if not line.send(b"".join(parts)):
            line.close()
            self.counts["closed"] += 1
            return []
        if http2:
            self.read_streams(line, requests)
            if any(r.cut for r in requests):
                line.close()
            return []
        return requests

    def answer(self, line, made, timeout_s):
        deadline = time.monotonic() + timeout_s
        while b"\r\n\r\n" not in line.left:
            if not line.more(max(0.001, deadline - time.monotonic())):
                return None
        head, _, line.left = line.left.partition(b"\r\n\r\n")
        lines = dict(field.lower().split(b": ", 1) for field in head.split(b"\r\n")[1:])
        line.ends = lines.get(b"connection") == b"close"
        if b"transfer-encoding" in lines:                       # a subscription: see some of it
            raise TimeoutError
        body = line.exactly(int(lines.get(b"content-length", 0)), timeout_s)
        if body is not None and self.rng.random() < 0.3:
            self.world.learn(body)
        return body

    def read_streams(self, line, requests):
        """Frames until each stream has ended."""
        left = {r.stream: r for r in requests}
        sure = not any(r.doubtful or r.waits for r in requests)
        deadline = time.monotonic() + (ANSWER_S if sure else ABANDONED_S)
        try:
            while left:
                head = line.exactly(9, max(0.001, deadline - time.monotonic()))
                body = head and line.exactly(int.from_bytes(head[:3], "big"), max(0.001, deadline - time.monotonic()))
                if body is None or head[3] == bad.GOAWAY:
                    self.counts["closed"] += 1
                    if sure:
                        self.drop(next(iter(left.values())))
                    line.close()
                    return
                self.frame(line, head, body, left)
        except TimeoutError:
            if sure:
                raise Wrong(f"{next(iter(left.values())).name} was not answered over HTTP/2 "
                            f"within {ANSWER_S} s") from None
            self.counts["given up"] += 1
            line.close()

    def frame(self, line, head, body, left):
        kind, flags, stream = head[3], head[4], int.from_bytes(head[5:9], "big")
        if kind == bad.RST or kind in (bad.DATA, bad.HEADERS) and flags & bad.END_STREAM:
            self.counts["answered"] += left.pop(stream, None) is not None
        if kind == bad.DATA and body:
            line.socket.sendall(bad.frame(bad.WINDOW, payload=struct.pack(">I", len(body)))
                                + bad.frame(bad.WINDOW, 0, stream, struct.pack(">I", len(body))))


DOORS = {"kafka": Kafka, "kinesis": Kinesis}


def keep(door, name, folder):
    """What the connections sent last: a line of JSON a request, in the order of time."""
    sent = sorted((ns, i, opened, data.hex()) for i, line in enumerate(door.lines) for ns, opened, data in line.kept)
    (folder / f"{name}.jsonl").write_text("".join(json.dumps([name, *row]) + "\n" for row in sent))


def work(name, address, seed, options, folder, pipe):
    """One door's process. Sends back what it did and what was wrong."""
    door, seconds = DOORS[name](address, seed, options.storm and STORM[name]), options.seconds
    deadline, wrong = time.monotonic() + seconds, None
    try:
        while time.monotonic() < deadline:
            door.turn()
    except Wrong as found:
        wrong = f"{name}: {found}"
    except OSError as found:
        wrong = f"{name}: cannot connect: {found}"
    keep(door, name, folder)
    pipe.send((dict(door.counts), wrong))


def prepare(server):
    with messages.Caller(server.kafka) as caller:
        caller.call("CreateTopics", 4, timeout_ms=10_000, topics=[
            {"name": t, "num_partitions": i % 4 + 1, "replication_factor": 1, "assignments": [], "configs": []}
            for i, t in enumerate(TOPICS[:6])])
    with bad.Http(server.kinesis) as door:
        for i, stream in enumerate(TOPICS[6:]):
            door.send(bad.kinesis_request("CreateStream", {"StreamName": stream, "ShardCount": i % 3 + 1}))
            door.answer()


def watch(server, pipes):
    """Waits for the doors' processes and reads /metrics. (largest RSS, what they sent, what was wrong)"""
    largest, found, wrong = 0, {}, []
    while len(found) < len(pipes):
        for name, pipe in pipes.items():
            if name not in found and pipe.poll(0.2):
                found[name] = pipe.recv()
        if not server.running():
            wrong.append(f"the server ended with {server.process.returncode}")
            break
        largest = max(largest, server.rss_bytes() / (1 << 20))
        try:
            bad.scrape(server)
        except OSError as found_wrong:
            wrong.append(f"/metrics: {found_wrong}")
            break
    if largest > RSS_MIB:
        wrong.append(f"{largest:.0f} MiB of memory")
    return largest, found, wrong + [f[1] for f in found.values() if f[1]]


def ended(server):
    """What is wrong with the end of the server and with what it left."""
    wrong = []
    try:
        if server.running():
            status = server.stop(60)
            wrong += [f"exit status {status}"] if status else []
    except servers.ServerDied as found:
        wrong.append(str(found))
    status, said = server.check()
    if status or "0 contradictions" not in said:
        wrong.append(f"check: {status}: {said[-2000:]}")
    report = sanitizer.reports()
    return wrong + ([report] if report else [])


def killed(server):
    """The same after kill -9, and after the start that follows."""
    server.kill()
    status, said = server.check()
    if status or "0 contradictions" not in said:
        return [f"check after kill -9: {status}: {said[-2000:]}"]
    return [] if server.start().running() else ["it does not start after kill -9"]


def fuzz(options):
    folder = pathlib.Path(tempfile.mkdtemp(prefix=f"diglot-wire-{options.seed}-"))
    with servers.Diglot(OPTIONS, binary=options.build / "diglot") as server:
        prepare(server)
        pipes, children = {}, []
        for number, name in enumerate(options.door or DOORS):
            pipes[name], theirs = multiprocessing.Pipe()
            children.append(multiprocessing.Process(target=work, daemon=True, args=(
                name, getattr(server, name), options.seed * 2 + number, options, folder, theirs)))
            children[-1].start()
        largest, found, wrong = watch(server, pipes)
        for child in children:
            child.join(5)
            child.kill()
        if options.storm and server.running():
            wrong += killed(server)
        wrong += ended(server)
        if wrong:
            (folder / "server.log").write_text(server.output()[-100_000:])
    for name, (counts, _) in found.items():
        print(f"{name}: {counts}")
    print(f"{largest:.0f} MiB at most")
    return wrong, folder


def replay(options):
    """Sends what a failed run kept, connection by connection as then, and reads nothing but what comes."""
    kept = "".join(path.read_text() for path in options.replay.glob("*.jsonl"))
    rows = sorted(map(json.loads, kept.splitlines()), key=lambda row: row[1])
    with servers.Diglot(OPTIONS, binary=options.build / "diglot") as server:
        prepare(server)
        lines = {}
        for door, _, number, opened, data in rows:
            line = lines.get((door, number))
            if line is None or line.opened_then != opened:
                line = lines[door, number] = Connection(getattr(server, door))
                line.opened_then = opened
            try:
                if server.running() and line.send(bytes.fromhex(data)):
                    line.more(0.005)
            except (OSError, TimeoutError):
                pass
        return ended(server) + ([] if server.process.returncode == 0 else [server.output()[-4000:]]), options.replay


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=pathlib.Path, required=True)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().getrandbits(32))
    parser.add_argument("--door", action="append", choices=DOORS)
    parser.add_argument("--storm", action="store_true")
    parser.add_argument("--replay", type=pathlib.Path)
    options = parser.parse_args()
    sanitizer.use(options.build)
    print(f"seed {options.seed}", flush=True)
    wrong, folder = replay(options) if options.replay else fuzz(options)
    sanitizer.done()
    for text in wrong:
        print(f"FAILED: {text}")
    if wrong:
        print(f"sent last: {folder}")
    elif not options.replay:
        shutil.rmtree(folder)
    print("wire: 0 passed, 1 failed" if wrong else "wire: 1 passed, 0 failed")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
