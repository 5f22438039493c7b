"""Shards split and merge at random for a minute while both doors write and read.

Nothing is lost and nothing comes twice; at the Kinesis door a key's records keep their order and parents
come before their children; Kafka consumers see every record, and no Kafka producer fails.
DIGLOT_SEED replays the choices (the threads run as they like), DIGLOT_FIRE_S names another time.
"""
import collections
import os
import random
import threading
import time

import pytest
from confluent_kafka import OFFSET_BEGINNING, Consumer, Producer, TopicPartition
from confluent_kafka.admin import NewPartitions
from lib import admin
from lib.kinesis import KINESIS, _boto3, _decoded, endpoint, offset_of, shard_id, shard_of

SECONDS = float(os.environ.get("DIGLOT_FIRE_S", 60))
SETTLE_S = 90                           # for readers to come to the end
OPEN_MAX = 10
KEYS = 25
TOPIC = "fire"
boto3 = KINESIS[0]


class Work(threading.Thread):
    """A thread that ends when told; what it dies of is the test's failure."""

    def __init__(self, name, rng=None):
        super().__init__(name=name, daemon=True)
        self.rng = random.Random(rng.getrandbits(64)) if rng else None
        self.stopping = threading.Event()
        self.error = None

    def run(self):
        try:
            self.work()
        except BaseException as error:      # told in end()
            self.error = error

    def end(self):
        self.stopping.set()
        self.join(SETTLE_S)
        assert not self.is_alive(), f"{self.name} hangs"
        if self.error is not None:
            raise AssertionError(f"{self.name} failed") from self.error


class KinesisWriter(Work):
    """PutRecords, each once: a client that repeated a call could write twice."""

    def __init__(self, name, server, rng):
        super().__init__(name, rng)
        self.client = _boto3(endpoint(server, None), None, 1)
        self.counts = [0] * KEYS
        self.written = {}                   # value: sequence number

    def work(self):
        while not self.stopping.is_set():
            keys = self.rng.sample(range(KEYS), self.rng.randint(1, 10))
            values = [f"{self.name}/{key}/{self.counts[key]}" for key in keys]
            answer = self.client.put_records(StreamName=TOPIC, Records=[
                {"Data": value, "PartitionKey": f"{self.name}/{key}"} for key, value in zip(keys, values)])
            assert answer["FailedRecordCount"] == 0, answer["Records"]
            for key, value, one in zip(keys, values, answer["Records"]):
                self.counts[key] += 1
                self.written[value] = one["SequenceNumber"]
            time.sleep(0.02)


class KafkaWriter(Work):
    def __init__(self, name, server, rng, **config):
        super().__init__(name, rng)
        self.producer = Producer({"bootstrap.servers": server.kafka, "topic.metadata.refresh.interval.ms": 500,
                                  "linger.ms": 5, **config})
        self.written, self.failed, self.sent = {}, [], 0

    def work(self):
        while not self.stopping.is_set():
            value = f"{self.name}/{self.rng.randrange(KEYS)}/{self.sent}"
            self.sent += 1
            self.producer.produce(TOPIC, value, value.rpartition("/")[0],
                                  on_delivery=lambda error, m: self._delivered(error, m.value().decode(), m.offset()))
            self.producer.poll(0.002)
        assert self.producer.flush(SETTLE_S) == 0
        assert not self.failed, self.failed[0]

    def _delivered(self, error, value, offset):
        if error is not None:
            self.failed.append(error)
        self.written[value] = offset


class Resharder(Work):
    """Splits and merges at random places; now and then evens out to another count, or adds a partition."""

    def __init__(self, server, rng):
        super().__init__("resharder", rng)
        self.server, self.done = server, collections.Counter()

    def work(self):
        while not self.stopping.is_set():
            shards = sorted((s for s in boto3.shards(self.server, TOPIC)
                             if "EndingSequenceNumber" not in s["SequenceNumberRange"]),
                            key=lambda s: int(s["HashKeyRange"]["StartingHashKey"]))
            if self.rng.random() < 0.15:
                self._even(len(shards))
            elif len(shards) < OPEN_MAX and (len(shards) == 1 or self.rng.random() < 0.5):
                self._split(self.rng.choice(shards))
            else:
                at = self.rng.randrange(len(shards) - 1)
                boto3.call(self.server, "MergeShards", StreamName=TOPIC, ShardToMerge=shards[at]["ShardId"],
                           AdjacentShardToMerge=shards[at + 1]["ShardId"])
                self.done["merges"] += 1
            if self.rng.random() < 0.03 and len(shards) < OPEN_MAX:
                partitions = len(admin.client(self.server).list_topics(TOPIC).topics[TOPIC].partitions)
                admin.done(admin.client(self.server).create_partitions([NewPartitions(TOPIC, partitions + 1)]))
                self.done["new partitions"] += 1
            self.stopping.wait(self.rng.uniform(0.05, 0.6))

    def _even(self, count):
        target = self.rng.randint((count + 1) // 2, min(2 * count, OPEN_MAX))
        boto3.call(self.server, "UpdateShardCount", StreamName=TOPIC, TargetShardCount=target,
                   ScalingType="UNIFORM_SCALING")
        self.done["evened out"] += 1

    def _split(self, shard):
        low, high = (int(shard["HashKeyRange"][f"{side}HashKey"]) for side in ("Starting", "Ending"))
        if high - low > 100:
            boto3.call(self.server, "SplitShard", StreamName=TOPIC, ShardToSplit=shard["ShardId"],
                       NewStartingHashKey=str(self.rng.randrange(low + 2, high)))
            self.done["splits"] += 1


class KinesisReader(Work):
    """Begins with the first shards; a child is read when all its parents were read to their end."""

    def __init__(self, name, server):
        super().__init__(name)
        self.server, self.lock = server, threading.Lock()
        self.records = []                   # (shard, sequence number, partition key, value) as they came
        self.children = {}                  # shard: its parents
        self.ended = set()
        self.started = set()

    def first(self):
        return [s["ShardId"] for s in boto3.shards(self.server, TOPIC) if "ParentShardId" not in s]

    def take(self, shard, records):
        with self.lock:
            self.records += [(shard, int(r["SequenceNumber"]), r["PartitionKey"], r["Data"].decode()) for r in records]

    def close(self, shard, children):
        """The shard was read to its end: the children that can begin now."""
        assert children, f"{shard} ended without children"
        with self.lock:
            self.ended.add(shard)
            for child in children:
                self.children[child["ShardId"]] = child["ParentShards"]
            ready = [child for child, parents in self.children.items()
                     if child not in self.started and self.ended.issuperset(parents)]
            self.started.update(ready)
            return ready


class Poller(KinesisReader):
    """GetRecords on every shard in turn."""

    def work(self):
        iterators = {s: boto3.iterator(self.server, TOPIC, s) for s in self.first()}
        while not self.stopping.is_set():
            for shard, iterator in list(iterators.items()):
                answer = boto3.call(self.server, "GetRecords", ShardIterator=iterator)
                self.take(shard, answer["Records"])
                iterators[shard] = answer.get("NextShardIterator")
                if iterators[shard] is None:
                    del iterators[shard]
                    for child in self.close(shard, answer["ChildShards"]):
                        iterators[child] = boto3.iterator(self.server, TOPIC, child)
            time.sleep(0.02)


class Subscriber(KinesisReader):
    """A thread and a subscription for every shard."""

    def work(self):
        arn = boto3.call(self.server, "DescribeStreamSummary",
                         StreamName=TOPIC)["StreamDescriptionSummary"]["StreamARN"]
        self.consumer = boto3.call(self.server, "RegisterStreamConsumer", StreamARN=arn,
                                   ConsumerName="fire")["Consumer"]["ConsumerARN"]
        self.threads, self.errors = [], []
        for shard in self.first():
            self._start(shard)
        self.stopping.wait()
        for thread in self.threads:
            thread.join(SETTLE_S)
        if self.errors:
            raise self.errors[0]

    def _start(self, shard):
        thread = threading.Thread(target=self._follow, args=(shard,), daemon=True)
        self.threads.append(thread)
        thread.start()

    def _follow(self, shard):
        try:
            stream = boto3.call(self.server, "SubscribeToShard", ConsumerARN=self.consumer, ShardId=shard,
                                StartingPosition={"Type": "TRIM_HORIZON"})["EventStream"]
            for event in stream:
                event = _decoded(event["SubscribeToShardEvent"])
                self.take(shard, event["Records"])
                if not event.get("ContinuationSequenceNumber"):
                    for child in self.close(shard, event["ChildShards"]):
                        self._start(child)
                    return
                if self.stopping.is_set():
                    stream.close()
                    return
            raise AssertionError(f"the subscription to {shard} ended in the middle")
        except BaseException as error:
            self.errors.append(error)


class KafkaReader(Work):
    """Takes every partition there is, and the new ones as they come."""

    def __init__(self, server):
        super().__init__("kafka reader")
        self.consumer = Consumer({"bootstrap.servers": server.kafka, "group.id": "fire-reader",
                                  "enable.auto.commit": False})
        self.records = []                   # (partition, offset, value)

    def work(self):
        known, looked = set(), 0
        while not self.stopping.is_set():
            if time.monotonic() - looked > 0.5:
                looked = time.monotonic()
                new = set(self.consumer.list_topics(TOPIC, 10).topics[TOPIC].partitions) - known
                if new:
                    self.consumer.incremental_assign([TopicPartition(TOPIC, p, OFFSET_BEGINNING) for p in new])
                known |= new
            for message in self.consumer.consume(500, 0.05):
                assert not message.error(), message.error()
                self.records.append((message.partition(), message.offset(), message.value().decode()))
        self.consumer.close()


class GroupReader(Work):
    """A group's only member: it learns of new partitions by itself. A rebalance may repeat records."""

    def __init__(self, server):
        super().__init__("group reader")
        self.consumer = Consumer({"bootstrap.servers": server.kafka, "group.id": "fire-group",
                                  "auto.offset.reset": "earliest", "topic.metadata.refresh.interval.ms": 1000,
                                  "auto.commit.interval.ms": 200})
        self.records = set()

    def work(self):
        self.consumer.subscribe([TOPIC])
        while not self.stopping.is_set():
            for message in self.consumer.consume(500, 0.05):
                assert not message.error(), message.error()
                self.records.add(message.value().decode())
        self.consumer.close()


def expect_once(name, values, written):
    counted = collections.Counter(values)
    twice = [value for value, count in counted.items() if count > 1]
    lost = written.keys() - counted.keys()
    assert not twice, f"{name}: {len(twice)} came twice, as {twice[:3]}"
    assert not lost, f"{name}: {len(lost)} of {len(written)} are lost, as {sorted(lost)[:3]}"
    assert counted.keys() == written.keys(), f"{name}: records that nobody wrote"


def expect_key_order(reader):
    last = {}
    for shard, sequence, key, value in reader.records:
        if key.startswith("kinesis"):
            count = int(value.rpartition("/")[2])
            assert count == last.get(key, -1) + 1, f"{reader.name}: {value} after {last.get(key)} of {key}"
            last[key] = count


def expect_shard_order(reader, shards):
    """Numbers rise in a shard, and all of a parent are below all of its children."""
    first, last = {}, {}
    for shard, sequence, _, _ in reader.records:
        assert shard_id(shard_of(sequence)) == shard
        assert sequence > last.get(shard, 0), f"{reader.name}: {shard} went back"
        first.setdefault(shard, sequence)
        last[shard] = sequence
    for shard in shards:
        for parent in (shard.get("ParentShardId"), shard.get("AdjacentParentShardId")):
            if parent in last and shard["ShardId"] in first:
                assert last[parent] < first[shard["ShardId"]]


@pytest.mark.timeout(SECONDS + 4 * SETTLE_S)
def test_resharding_under_fire(start_server, rng):
    with start_server("--limits", "off") as server:
        boto3.call(server, "CreateStream", StreamName=TOPIC, ShardCount=2)
        writers = [KinesisWriter("kinesis-1", server, rng), KinesisWriter("kinesis-2", server, rng),
                   KafkaWriter("kafka-1", server, rng, **{"enable.idempotence": True}),
                   KafkaWriter("kafka-2", server, rng, **{"enable.idempotence": True, "compression.type": "lz4",
                                                          "linger.ms": 0, "batch.num.messages": 2}),
                   KafkaWriter("kafka-3", server, rng, **{"acks": "all", "retries": 0})]
        poller, subscriber = Poller("poller", server), Subscriber("subscriber", server)
        reader, group = KafkaReader(server), GroupReader(server)
        readers = [poller, subscriber, reader, group]
        resharder = Resharder(server, rng)
        for work in (*readers, *writers, resharder):
            work.start()
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline and all(w.is_alive() for w in (*writers, *readers, resharder)):
            time.sleep(0.1)
        resharder.end()
        for writer in writers:
            writer.end()
        written = {value: where for writer in writers for value, where in writer.written.items()}
        deadline = time.monotonic() + SETTLE_S
        while time.monotonic() < deadline and any(len(r.records) < len(written) and r.is_alive() for r in readers):
            time.sleep(0.1)
        for work in readers:
            work.end()
        shards = boto3.shards(server, TOPIC)
        print(f"{len(written)} records, {dict(resharder.done)}, {len(shards)} shards")

        for name, values in (("poller", [r[3] for r in poller.records]),
                             ("subscriber", [r[3] for r in subscriber.records]),
                             ("kafka reader", [r[2] for r in reader.records]), ("group", group.records)):
            expect_once(name, values, written)
        for each in (poller, subscriber):
            expect_key_order(each)
            expect_shard_order(each, shards)
        # Both doors tell the same place of a record, and writers were told it too.
        offsets = {value: offset for _, offset, value in reader.records}
        assert all(offsets[value] == offset_of(sequence) for _, sequence, _, value in poller.records)
        assert all(offsets[value] == (where if isinstance(where, int) else offset_of(where))
                   for value, where in written.items())
        server.stop()
        status, output = server.check()
        assert status == 0, output[-4000:]
