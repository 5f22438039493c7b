"""Bytes that cost much to unpack or to pack: everybody else goes on being served, and a record that Kinesis cannot
have stops no Kinesis reader."""
import concurrent.futures
import contextlib
import gzip
import itertools
import json
import random
import struct
import threading
import time

import lz4.frame
import pytest
import snappy
import zstandard
from crc32c import crc32c
from lib import admin
from lib.bad import Bystanders
from lib.bad_batches import MESSAGE_TOO_LARGE
from lib.clients import Confluent
from lib.kinesis import KINESIS
from lib.lines import Record
from lib.messages import Caller, zigzag

boto3 = KINESIS[0]
SEED = random.SystemRandom().randrange(1 << 32)
MIB = 1 << 20
BYSTANDERS = 6              # connections at each door: some fall on the loop that has the work
WAIT_S = 2.5                # what a bystander may wait on a machine that is shared; undisturbed it is some ms
PARTITIONS = 60
LOOK_UPS = 24
PACK = {
    "gzip": (1, lambda data: gzip.compress(data, 9)),
    "snappy": (2, snappy.compress),
    "lz4": (3, lambda data: lz4.frame.compress(data, block_linked=False)),
    "zstd": (4, lambda data: zstandard.ZstdCompressor(level=3).compress(data)),
}


def batch(codec, *values):
    number, pack = PACK[codec]
    records = b""
    for i, value in enumerate(values):
        body = b"\0\0" + zigzag(i) + zigzag(1) + b"k" + zigzag(len(value)) + value + b"\0"
        records += zigzag(len(body)) + body
    rest = struct.pack(">hiqqqhii", number, len(values) - 1, 1_700_000_000_000, 1_700_000_000_000, -1, -1, -1,
                       len(values)) + pack(records)
    return struct.pack(">qiibI", 0, len(rest) + 9, -1, 2, crc32c(rest)) + rest


@pytest.fixture(scope="module")
def bomb():
    """100 MiB in some 3 KB."""
    made = batch("zstd", bytes(100 * MIB))
    assert len(made) < 16_000
    return made


@pytest.fixture(scope="module")
def strained(start_server):
    """A server that keeps little in memory, so that reading is reading from disk."""
    with start_server("--tail-memory-mib", "1", "--limits", "off", "--loops", "2") as running:
        yield running
        assert running.stop() == 0


def produce_to(server, topic, batches):
    """One request with a batch for each partition: their errors."""
    with Caller(server.kafka, 170) as caller:
        answer = caller.call("Produce", 9, acks=-1, timeout_ms=60_000, topic_data=[{
            "name": topic, "partition_data": [{"index": i, "records": b} for i, b in enumerate(batches)]}])
    return [part["error_code"] for part in answer["responses"][0]["partition_responses"]]


@contextlib.contextmanager
def nobody_waits(server, also=lambda: None):
    """While what is inside runs, others ask at both doors all the time: none of them waits for long."""
    them = [Bystanders(server) for _ in range(BYSTANDERS)]
    stop, longest, failed = threading.Event(), [0.0], []

    def ask():
        for one in itertools.cycle([*(b.answer for b in them), also]):
            if stop.is_set():
                return
            began = time.monotonic()
            try:
                one()
            except Exception as error:              # told by the test's own thread
                failed.append(error)
                return
            longest[0] = max(longest[0], time.monotonic() - began)
            time.sleep(0.02)                        # all of this may share two cores

    asker = threading.Thread(target=ask)
    asker.start()
    try:
        yield
    finally:
        stop.set()
        asker.join()
        for one in them:
            one.close()
    assert not failed, failed
    assert longest[0] < WAIT_S, f"a bystander waited {longest[0]:.1f} s"


def test_unpacking_is_bounded_for_a_request_and_holds_nobody_up(strained, topic, bomb):
    admin.create_topic(strained, topic, PARTITIONS)
    with nobody_waits(strained), concurrent.futures.ThreadPoolExecutor() as pool:
        sent = [pool.submit(produce_to, strained, topic, [bomb] * PARTITIONS) for _ in range(6)]
        for errors in [one.result() for one in sent]:
            assert errors[0] == 0
            assert set(errors[2:]) == {MESSAGE_TOO_LARGE}


def test_look_ups_by_time_hold_no_reader_up(strained, topic, bomb):
    cold = f"{topic}-cold"
    admin.create_topic(strained, cold, 1)
    Confluent().write(strained, cold, [Record(b"k", bytes(500_000), partition=0)] * 20)
    admin.create_topic(strained, topic, LOOK_UPS)
    for i in range(LOOK_UPS):
        with Caller(strained.kafka, 60) as caller:
            answer = caller.call("Produce", 9, acks=-1, timeout_ms=60_000, topic_data=[{
                "name": topic, "partition_data": [{"index": i, "records": bomb}]}])
            assert answer["responses"][0]["partition_responses"][0]["error_code"] == 0
    reader = Caller(strained.kafka, 60)

    def read_from_disk():
        answer = reader.call("Fetch", 4, replica_id=-1, max_wait_ms=0, min_bytes=1, max_bytes=MIB, isolation_level=0,
                             topics=[{"topic": cold, "partitions": [
                                 {"partition": 0, "fetch_offset": 0, "partition_max_bytes": MIB}]}])
        assert answer["responses"][0]["partitions"][0]["records"]

    with nobody_waits(strained, read_from_disk), Caller(strained.kafka, 240) as caller:
        answer = caller.call("ListOffsets", 4, replica_id=-1, isolation_level=0, topics=[{
            "name": topic, "partitions": [{"partition_index": i, "current_leader_epoch": -1, "timestamp": 1}
                                          for i in range(LOOK_UPS)]}])
        found = answer["topics"][0]["partitions"]
        assert [(part["error_code"], part["offset"]) for part in found] == [(0, 0)] * LOOK_UPS
    reader.socket.close()


def text(size):
    numbers = random.Random(SEED)
    made = "".join(json.dumps({"id": i, "user": f"u{numbers.randrange(1000)}", "value": numbers.random()})
                   for i in range(size // 40))
    return made.encode()[:size]


def test_packing_at_the_highest_level_holds_nobody_up(strained, topic):
    print(f"seed {SEED}")
    other = f"{topic}-other"
    admin.create_topic(strained, topic, 1, **{"compression.type": "zstd", "compression.zstd.level": "22",
                                              "max.message.bytes": "104857600"})
    admin.create_topic(strained, other, 1)
    large, quick = batch("gzip", text(2 * MIB)), batch("gzip", bytes(5 * MIB))

    def quick_work():
        assert produce_to(strained, other, [quick]) == [0]

    with nobody_waits(strained, quick_work), concurrent.futures.ThreadPoolExecutor() as pool:
        sent = pool.submit(produce_to, strained, topic, [large])
        put = pool.submit(boto3.put, strained, topic, [{"Data": text(200_000), "PartitionKey": "k"}])
        assert sent.result() == [0]
        assert len(put.result()) == 1
    found = boto3.get(strained, boto3.iterator(strained, topic, boto3.shards(strained, topic)[0]["ShardId"]), 2, 60)
    assert sorted(len(one["Data"]) for one in found) == [len(text(200_000)), len(text(2 * MIB))]


def test_pages_of_few_records_from_large_batches_hold_nobody_up(strained, topic):
    admin.create_topic(strained, topic, 1)
    values = [b"%d" % i + bytes(2 * MIB) for i in range(30)]
    assert produce_to(strained, topic, [batch("zstd", *values)]) == [0]
    shard = boto3.shards(strained, topic)[0]["ShardId"]

    def pages(count):
        iterator, found = boto3.iterator(strained, topic, shard), []
        for _ in range(count):
            answer = boto3.call(strained, "GetRecords", ShardIterator=iterator, Limit=1)
            found += [record["Data"][:1] for record in answer["Records"]]
            iterator = answer["NextShardIterator"]
        return found

    with nobody_waits(strained), concurrent.futures.ThreadPoolExecutor() as pool:
        for found in [one.result() for one in [pool.submit(pages, 8) for _ in range(4)]]:
            assert found == [b"%d" % i for i in range(8)]


@pytest.mark.parametrize("codec", PACK)
@pytest.mark.parametrize("mib", (11, 30, 63, 70, 120))
def test_a_record_that_kinesis_cannot_have_stops_no_reader(strained, topic, codec, mib):
    admin.create_topic(strained, topic, 1, **{"max.message.bytes": "20971520"})
    good = [b"first", b"last"]
    assert produce_to(strained, topic, [batch(codec, good[0], bytes(mib * MIB), good[1])]) == [0]
    assert produce_to(strained, topic, [batch(codec, bytes(mib * MIB))]) == [0]
    assert produce_to(strained, topic, [batch(codec, b"behind")]) == [0]
    shard = boto3.shards(strained, topic)[0]["ShardId"]
    found = boto3.get(strained, boto3.iterator(strained, topic, shard), 3, 180)
    assert [one["Data"] for one in found] == [*good, b"behind"]
    arn = boto3.call(strained, "DescribeStreamSummary", StreamName=topic)["StreamDescriptionSummary"]["StreamARN"]
    consumer = boto3.call(strained, "RegisterStreamConsumer", StreamARN=arn, ConsumerName="c")["Consumer"]
    events = boto3.subscribe(strained, 3, ConsumerARN=consumer["ConsumerARN"], ShardId=shard,
                             StartingPosition={"Type": "TRIM_HORIZON"})
    assert [one["Data"] for event in events for one in event["Records"]] == [*good, b"behind"]
