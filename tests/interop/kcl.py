"""An unmodified Kinesis Client Library 3 reads what kcat writes, by polling and on enhanced fan-out:
every record as it was written, once, in the order of its shard, parents before their children, while
shards split and merge; and a second run goes on where the first one stopped, by its leases alone."""
import time

import pytest
from lib import admin
from lib.clients import Confluent, Kcat
from lib.kcl import Application, LeaseTables
from lib.kinesis import KINESIS
from lib.lines import Record

pytestmark = pytest.mark.full

PARTITIONS = 3
RECORDS = 600               # before anything splits
PART = 100                  # between two changes
KEYS = [f"key-{i}" for i in range(40)] + ["ключ", "k\t=:", "x" * 256]
FIRST_S = 240               # a first run waits up to 40 s before it looks for shards at all
FOLLOW_S = 120
boto3 = KINESIS[0]


@pytest.fixture(scope="module")
def tables():
    with LeaseTables() as running:
        yield running


class Writer:
    """kcat, one process a call. Every byte but kcat's own delimiter; each value begins with its number."""

    def __init__(self, server, topic, rng):
        self.server, self.topic, self.rng = server, topic, rng
        self.written = []

    def write(self, count):
        first = len(self.written)
        self.written += [Record(self.rng.choice(KEYS).encode(), b"%d:" % n + self._bytes())
                         for n in range(first, first + count)]
        Kcat().write(self.server, self.topic, self.written[first:])

    def _bytes(self):
        size = self.rng.choice((0, 1, 20, 300, 3000, 60_000))
        return self.rng.randbytes(size).replace(Kcat.record_delimiter.encode(), b"\0")


class Stream:
    """The stream's shards, changed one at a time."""

    def __init__(self, server, name, rng):
        self.server, self.name, self.rng = server, name, rng

    def shards(self):
        return boto3.shards(self.server, self.name)

    def open(self):
        """Open shards in the order of their hash keys."""
        return sorted((s for s in self.shards() if "EndingSequenceNumber" not in s["SequenceNumberRange"]),
                      key=lambda s: int(s["HashKeyRange"]["StartingHashKey"]))

    def names(self):
        return {s["ShardId"] for s in self.shards()}

    def open_names(self):
        return {s["ShardId"] for s in self.open()}

    def closed(self):
        return self.names() - self.open_names()

    def split(self):
        shard = self.rng.choice(self.open())
        low, high = (int(shard["HashKeyRange"][f"{side}HashKey"]) for side in ("Starting", "Ending"))
        self._change("SplitShard", ShardToSplit=shard["ShardId"], NewStartingHashKey=str((low + high) // 2))

    def merge(self):
        shards = self.open()
        at = self.rng.randrange(len(shards) - 1)
        self._change("MergeShards", ShardToMerge=shards[at]["ShardId"],
                     AdjacentShardToMerge=shards[at + 1]["ShardId"])

    def _change(self, operation, **members):
        boto3.call(self.server, operation, StreamName=self.name, **members)
        deadline = time.monotonic() + FOLLOW_S
        while boto3.call(self.server, "DescribeStreamSummary",
                         StreamName=self.name)["StreamDescriptionSummary"]["StreamStatus"] != "ACTIVE":
            assert time.monotonic() < deadline, "the stream stays UPDATING"
            time.sleep(0.1)


def arrived(count, started=(), ended=()):
    """Done when so many records came, and these shards were begun and read to their end."""
    def done(events):
        seen = {(e.kind, e.shard) for e in events}
        return (sum(e.kind == "record" for e in events) >= count
                and seen.issuperset(("start", shard) for shard in started)
                and seen.issuperset(("end", shard) for shard in ended))
    return done


def expect_as_written(events, written):
    """Every record once, byte by byte."""
    came = [e.record.content() for e in events if e.kind == "record"]
    assert len(came) == len(written), f"{len(came)} records of {len(written)}"
    assert sorted(came) == sorted(r.content() for r in written)


def expect_places(events, server, topic, count):
    """A shard's records rise without a hole, and the other door has each at the offset that its
    sequence number stands for, all those of a shard in one partition."""
    places = {r.value: (r.partition, r.offset) for r in Confluent().read(server, topic, count)}
    by_shard = {}
    for event in events:
        if event.kind == "record":
            by_shard.setdefault(event.shard, []).append(event.record)
    for shard, records in by_shard.items():
        offsets = [r.offset for r in records]
        assert offsets == list(range(offsets[0], offsets[0] + len(offsets))), shard
        assert [places[r.value][1] for r in records] == offsets, shard
        assert len({places[r.value][0] for r in records}) == 1, shard


def expect_parents_first(events, shards):
    """A shard begins when its parents have been read to their end, and nothing of a parent comes after."""
    first = {}
    for at, event in enumerate(events):
        first.setdefault((event.kind, event.shard), at)
    for at, event in enumerate(events):
        assert event.kind != "record" or at < first.get(("end", event.shard), len(events)), event
    children = 0
    for shard in shards:
        for parent in filter(None, (shard.get("ParentShardId"), shard.get("AdjacentParentShardId"))):
            assert first["end", parent] < first["start", shard["ShardId"]], (parent, shard)
            children += 1
    assert children >= 6        # two splits and a merge


def expect_key_order(events):
    """As long as partitions neither come nor go, kcat keeps a key in one of them."""
    numbers = {}
    for event in events:
        if event.kind == "record":
            numbers.setdefault(event.record.key, []).append(int(event.record.value.partition(b":")[0]))
    assert all(of_key == sorted(of_key) for of_key in numbers.values())


def expect_resumed(events):
    """Whoever begins with a shard goes on after the last record that was read of it."""
    last = {}
    for event in events:
        if event.kind == "record":
            last[event.shard] = event.given
        elif event.kind == "start":
            assert event.given == last.get(event.shard, "TRIM_HORIZON"), event


def last_read(events, shards):
    """{shard: sequence number of its last record}"""
    return {e.shard: e.given for e in events if e.kind == "record" and e.shard in shards}


@pytest.mark.timeout(2 * FIRST_S + 4 * FOLLOW_S)
@pytest.mark.parametrize("how, secure", [("polling", False), ("fanout", True)], ids=["polling", "fanout"])
def test_kcl_reads_what_kcat_writes(server, tables, topic, rng, how, secure):
    ca = str(server.data / "tls" / "ca.pem")
    admin.create_topic(server, topic, PARTITIONS)
    writer, stream = Writer(server, topic, rng), Stream(server, topic, rng)
    writer.write(RECORDS)

    with Application(server, tables, topic, topic, how, ca if secure else None) as application:
        application.wait(arrived(RECORDS), f"{RECORDS} records", FIRST_S)
        expect_key_order(application.events)
        for change in (stream.split, stream.merge):
            writer.write(PART)
            change()
            writer.write(PART)
        application.wait(arrived(len(writer.written), stream.names(), stream.closed()), "end of the closed shards",
                         FOLLOW_S)
        application.finish()
        first = application.events
    expect_as_written(first, writer.written)

    # The leases say how far it came.
    closed, opened = stream.closed(), stream.open_names()
    last = last_read(first, opened)
    checkpoints = tables.checkpoints(topic)
    assert {shard: checkpoints[shard] for shard in closed} == dict.fromkeys(closed, "SHARD_END")
    assert {shard: checkpoints[shard] for shard in last} == last

    before = len(writer.written)
    writer.write(PART)
    stream.split()                      # of a shard that the application left in its middle
    writer.write(PART)
    with Application(server, tables, topic, topic, how, None if secure else ca) as application:
        application.wait(arrived(len(writer.written) - before, stream.open_names(), stream.closed() - closed),
                         "rest of the records", FIRST_S)
        application.finish()
        second = application.events
    assert set(last) <= {e.shard for e in second if e.kind == "start"}
    assert not closed & {e.shard for e in second if e.kind == "record"}
    expect_resumed(first + second)
    expect_as_written(first + second, writer.written)
    expect_places(first + second, server, topic, len(writer.written))
    expect_parents_first(first + second, stream.shards())
