"""A wall clock that is wrong or is set while the server runs (lib/clock_shift.c moves the server's alone): both doors
go on, nothing is hidden, what was written is read, over a restart too; spans stay what they are."""
import contextlib
import pathlib
import struct
import subprocess
import threading
import time
import urllib.request

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from lib import admin
from lib import server as servers
from lib.kinesis import KINESIS, arrived_of, shard_id
from urllib3.exceptions import ProtocolError

boto3 = KINESIS[0]
SHIM = pathlib.Path(__file__).with_name("lib") / "clock_shift.c"
DAY_S = 24 * 3600
EVER = {"retention.ms": "-1"}


@pytest.fixture(scope="module")
def shim(tmp_path_factory):
    library = tmp_path_factory.mktemp("clock") / "clock_shift.so"
    subprocess.run(["cc", "-O1", "-shared", "-fPIC", "-o", library, SHIM], check=True)
    return library


class Shifted(servers.Diglot):
    def __init__(self, shim, shift_s):
        super().__init__()
        self.shift = self.dir / "shift"
        self.set(shift_s)
        self.environment = {"LD_PRELOAD": str(shim), "CLOCK_SHIFT": str(self.shift)}

    def set(self, shift_s):
        """In place: the server has it mapped."""
        self.ahead_s = shift_s
        if not self.shift.exists():
            self.shift.write_bytes(bytes(8))
        with open(self.shift, "r+b") as f:
            f.write(struct.pack("=q", int(shift_s)))

    def now_s(self):
        return time.time() + self.ahead_s


def produce(server, topic, value):
    """As a client whose clock agrees with the server's."""
    errors = []
    producer = Producer({"bootstrap.servers": server.kafka, "linger.ms": 0})
    producer.produce(topic, value, timestamp=max(1, int(server.now_s() * 1000)),       # 0 is the client's own
                     on_delivery=lambda error, _: errors.append(error))
    assert producer.flush(30) == 0 and errors == [None]


def consume(server, topic, count):
    consumer = Consumer({"bootstrap.servers": server.kafka, "group.id": "g", "enable.auto.commit": False})
    try:
        consumer.assign([TopicPartition(topic, 0, 0)])
        values, deadline = [], time.monotonic() + 30
        while len(values) < count and time.monotonic() < deadline:
            values += [m.value() for m in consumer.consume(count - len(values), 0.2) if not m.error()]
        return values
    finally:
        consumer.close()


def get(server, iterator):
    return boto3.call(server, "GetRecords", ShardIterator=iterator)


def both_doors_go_on(server, topic, written):
    """A record at each door, and everything read at both."""
    number = len(written)
    produce(server, topic, b"kafka %d" % number)
    put = boto3.call(server, "PutRecord", StreamName=topic, PartitionKey="k", Data=b"kinesis %d" % number)
    boto3.call(server, "PutRecord", StreamName=topic, PartitionKey="k", Data=b"after %d" % number,
               SequenceNumberForOrdering=put["SequenceNumber"])
    written += [b"kafka %d" % number, b"kinesis %d" % number, b"after %d" % number]
    assert consume(server, topic, len(written)) == written
    records = get(server, boto3.iterator(server, topic, shard_id(0)))["Records"]
    assert [r["Data"] for r in records] == written
    arrivals = [arrived_of(r["SequenceNumber"]) for r in records]
    assert arrivals == sorted(arrivals)
    assert [s["ShardId"] for s in boto3.call(server, "ListShards", StreamName=topic)["Shards"]] == [shard_id(0)]
    assert topic in boto3.call(server, "ListStreams")["StreamNames"]
    summary = boto3.call(server, "DescribeStreamSummary", StreamName=topic)["StreamDescriptionSummary"]
    assert summary["StreamStatus"] == "ACTIVE"
    for page in ("/livez", "/metrics"):
        assert urllib.request.urlopen(f"http://{server.admin}{page}", timeout=10).status == 200


YEARS = {"1970": 1, "2038": 1 << 31, "2106": 1 << 32, "2500": 16_725_225_600}


@pytest.mark.parametrize("year", YEARS)
def test_a_clock_in_another_year(shim, topic, year):
    with Shifted(shim, YEARS[year] - time.time()) as server:
        admin.create_topic(server, topic, 1, **EVER)
        written = []
        both_doors_go_on(server, topic, written)
        boto3.call(server, "CreateStream", StreamName=topic + "-s", ShardCount=1)
        boto3.call(server, "SplitShard", StreamName=topic + "-s", ShardToSplit=shard_id(0), NewStartingHashKey="99")
        assert len(boto3.call(server, "ListShards", StreamName=topic + "-s")["Shards"]) == 3
        server.restart()
        both_doors_go_on(server, topic, written)
        server.stop()
        server.set(0)                       # somebody sets it right
        server.start()
        both_doors_go_on(server, topic, written)
        assert server.stop() == 0


@pytest.mark.parametrize("step_s", (-DAY_S, DAY_S, -365 * DAY_S, 400 * 365 * DAY_S), ids=str)
def test_a_clock_that_is_set_while_the_server_runs(shim, topic, step_s):
    with Shifted(shim, 0) as server:
        admin.create_topic(server, topic, 1, **EVER)
        written = []
        both_doors_go_on(server, topic, written)
        latest = boto3.iterator(server, topic, shard_id(0), "LATEST")
        arn = boto3.call(server, "DescribeStreamSummary", StreamName=topic)["StreamDescriptionSummary"]["StreamARN"]
        consumer = boto3.call(server, "RegisterStreamConsumer", StreamARN=arn, ConsumerName="c")["Consumer"]
        events = []
        stream = boto3.call(server, "SubscribeToShard", ConsumerARN=consumer["ConsumerARN"], ShardId=shard_id(0),
                            StartingPosition={"Type": "LATEST"})["EventStream"]

        def listen():
            with contextlib.suppress(ProtocolError):        # it is closed under this reader in the end
                events.extend(time.monotonic() for _ in stream)

        reader = threading.Thread(target=listen, daemon=True)
        reader.start()
        started = time.monotonic()
        server.set(step_s)
        assert get(server, latest)["Records"] == []         # its five minutes have just begun
        both_doors_go_on(server, topic, written)
        assert [r["Data"] for r in get(server, latest)["Records"]] == written[3:]
        server.set(-step_s)
        both_doors_go_on(server, topic, written)
        # The subscription lives and beats as before.
        time.sleep(max(0, started + 11 - time.monotonic()))
        assert reader.is_alive()
        assert any(at > started + 5 for at in events)
        stream.close()
        reader.join(10)
        server.set(0)
        both_doors_go_on(server, topic, written)
        assert server.stop() == 0
        assert server.check()[0] == 0
