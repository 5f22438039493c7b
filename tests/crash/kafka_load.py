"""Load through the Kafka door that knows afterwards what the server promised.

Three writers of different habits, a reader at the tail, a committing group and new topics. What a
promise is: an acknowledged record is there at its offset, unaltered; what a reader saw stays; a
writer's records keep their order; an idempotent writer's records come once each, without a gap; an
acknowledged commit is not forgotten; an acknowledged topic exists; the end never goes back.
"""
import hashlib
import struct
import threading
import time
import zlib

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, Producer, TopicPartition
from lib import admin, wire

OFFSET_COMMIT = 8
PARTITIONS = 3
WAIT_S = 60
QUIET = {"log_level": 0, "reconnect.backoff.ms": 20, "reconnect.backoff.max.ms": 200}


def value_of(writer, partition, count):
    """Its own identity, then bytes that follow from it: from nothing to a few hundred kilobytes."""
    seed = hashlib.blake2b(f"{writer}:{partition}:{count}".encode()).digest()
    size = seed[0] if seed[1] else seed[2] * 1000
    return f"{writer}:{partition}:{count}:".encode() + (seed * (size // 64 + 1))[:size]


class Writer:
    """One producer; runs while `writing` is set. Counts its records per partition."""

    def __init__(self, name, topic, rng, config, lasting):
        self.name, self.topic, self.rng, self.config = name, topic, rng, config
        self.lasting = lasting          # one producer for all the server's lives, which retries
        self.counts = [0] * PARTITIONS
        self.acknowledged = {}          # (partition, offset): CRC of the value
        self.unexpected = []
        self.producer = None
        self.writing = threading.Event()
        self.thread = None

    def start(self, server):
        if self.producer is None or not self.lasting:
            self.producer = Producer({"bootstrap.servers": server.kafka, **QUIET, **self.config})
        self.writing.set()
        self.thread = threading.Thread(target=self._write, daemon=True)
        self.thread.start()

    def _write(self):
        while self.writing.is_set():
            partition = self.rng.randrange(PARTITIONS)
            count = self.counts[partition]
            value = value_of(self.name, partition, count)
            try:
                self.producer.produce(self.topic, value, str(count).encode(), partition,
                                      on_delivery=lambda error, message, crc=zlib.crc32(value):
                                      self._delivered(error, message, crc))
                self.counts[partition] += 1
            except BufferError:
                self.producer.poll(0.01)
            self.producer.poll(0)
            if self.rng.random() < 0.01:
                time.sleep(0.005)

    def _delivered(self, error, message, crc):
        if error is None:
            self.acknowledged[message.partition(), message.offset()] = crc
        elif self.lasting or error.code() in (KafkaError.OUT_OF_ORDER_SEQUENCE_NUMBER, KafkaError._FATAL):
            self.unexpected.append(error)

    def stop(self):
        """The server is gone: no more records. A lasting writer keeps what it has for the next life."""
        self.writing.clear()
        self.thread.join()
        if not self.lasting:
            self.producer.purge()
            self.producer.flush(10)
            self.producer = None

    def settle(self):
        """The server is back: a lasting writer gets all its records through."""
        if self.lasting and self.producer is not None:
            left = self.producer.flush(WAIT_S)
            assert left == 0, f"{self.name}: {left} records not delivered to the server that came back"
        assert not self.unexpected, (self.name, self.unexpected[0])


class KafkaLoad:
    name = "kafka"

    def __init__(self, rng, topic="crash"):
        self.topic, self.rng = topic, rng
        lasting = {"enable.idempotence": True, "linger.ms": 1, "compression.type": "zstd"}
        self.writers = [
            Writer("steady", topic, rng, {**lasting, "queue.buffering.max.messages": 2000}, True),
            Writer("single", topic, rng, {"acks": "all", "retries": 0, "batch.num.messages": 1, "linger.ms": 0,
                                          "queue.buffering.max.messages": 500}, False),
            Writer("leader", topic, rng, {"acks": 1, "retries": 0, "linger.ms": 5, "compression.type": "lz4",
                                          "queue.buffering.max.messages": 2000}, False),
        ]
        self.seen = [[] for _ in range(PARTITIONS)]        # CRC at each offset, as last read
        self.identity = [[] for _ in range(PARTITIONS)]    # (writer, count) at each offset
        self.tailed = {}                                   # (partition, offset): CRC that the tail reader got
        self.committed = 0
        self.topics = []
        self.tailing = threading.Event()
        self.threads = []

    def open(self, server):
        admin.create_topic(server, self.topic, PARTITIONS)

    def start(self, server):
        """The server is up: write, read, commit and create until stop()."""
        for writer in self.writers:
            writer.start(server)
        self.tailing.set()
        self.threads = [threading.Thread(target=work, args=(server,), daemon=True)
                        for work in (self._tail, self._commit, self._create)]
        for thread in self.threads:
            thread.start()

    def stop(self):
        self.tailing.clear()
        for writer in self.writers:
            writer.stop()
        for thread in self.threads:
            thread.join()

    def _consumer(self, server, starts):
        consumer = Consumer({"bootstrap.servers": server.kafka, "group.id": "crash-reader",
                             "enable.auto.commit": False, **QUIET})
        consumer.assign([TopicPartition(self.topic, p, start) for p, start in enumerate(starts)])
        return consumer

    def _tail(self, server):
        consumer = self._consumer(server, [len(seen) for seen in self.seen])
        while self.tailing.is_set():
            for message in consumer.consume(500, 0.05):
                if not message.error():
                    self.tailed[message.partition(), message.offset()] = zlib.crc32(message.value())
        consumer.close()

    def _commit(self, server):
        """One commit after the other, on a bare connection: librdkafka waits for its coordinator for ever
        before it closes a consumer with a commit under way."""
        try:
            with wire.Raw(server.kafka) as raw:
                while self.tailing.is_set():
                    offset = self.committed + 1
                    body = (wire.string("crash-commits") + struct.pack(">i", -1) + wire.string("")
                            + struct.pack(">qi", -1, 1) + wire.string(self.topic)
                            + struct.pack(">iiq", 1, 0, offset) + wire.string("note"))
                    error, = struct.unpack(">h", raw.call(OFFSET_COMMIT, 2, body)[-2:])
                    if error == 0:
                        self.committed = offset
        except OSError:
            pass                        # killed: what was not answered is no promise

    def _create(self, server):
        name = f"{self.topic}-{len(self.topics)}-{self.rng.getrandbits(32)}"
        try:
            admin.create_topic(server, name, 2)
            self.topics.append(name)
        except Exception:
            pass

    def verify(self, server):
        """The server is up again: hold it to every promise."""
        for writer in self.writers:
            writer.settle()
        self._read(server, [len(seen) for seen in self.seen])
        self._check_records()
        self._check_rest(server)

    def verify_all(self, server):
        """The same from the first record on: what was there at any earlier time has not changed."""
        before = self.seen
        self.seen = [[] for _ in range(PARTITIONS)]
        self.identity = [[] for _ in range(PARTITIONS)]
        self._read(server, [OFFSET_BEGINNING] * PARTITIONS)
        for partition, crcs in enumerate(before):
            assert self.seen[partition][:len(crcs)] == crcs, f"partition {partition} changed"
        self._check_records()

    def _read(self, server, starts):
        consumer = self._consumer(server, starts)
        try:
            ends = [consumer.get_watermark_offsets(TopicPartition(self.topic, p), WAIT_S)[1]
                    for p in range(PARTITIONS)]
            for partition, end in enumerate(ends):
                assert end >= len(self.seen[partition]), f"partition {partition} went back to {end}"
            deadline = time.monotonic() + WAIT_S
            while any(len(seen) < end for seen, end in zip(self.seen, ends)):
                assert time.monotonic() < deadline, ([len(seen) for seen in self.seen], ends)
                for message in consumer.consume(1000, 0.1):
                    assert not message.error(), message.error()
                    seen = self.seen[message.partition()]
                    assert message.offset() == len(seen), f"offset {message.offset()} where {len(seen)} was due"
                    seen.append(zlib.crc32(message.value()))
                    writer, partition, count, _ = message.value().split(b":", 3)
                    assert message.value() == value_of(writer.decode(), int(partition), int(count)), "altered"
                    assert int(partition) == message.partition()
                    self.identity[message.partition()].append((writer.decode(), int(count)))
        finally:
            consumer.close()

    def _check_records(self):
        promised = [(writer.name, where, crc) for writer in self.writers
                    for where, crc in writer.acknowledged.items()]
        promised += [("the reader at the tail", where, crc) for where, crc in self.tailed.items()]
        for who, (partition, offset), crc in promised:
            assert offset < len(self.seen[partition]), f"{who}: {partition}/{offset} was lost"
            assert self.seen[partition][offset] == crc, f"{who}: {partition}/{offset} is another record"
        for partition, identity in enumerate(self.identity):
            for writer in self.writers:
                counts = [count for name, count in identity if name == writer.name]
                if writer.lasting:
                    assert counts == list(range(len(counts))), f"{writer.name}: gap or repeat in {partition}"
                assert counts == sorted(set(counts)), f"{writer.name}: disorder in partition {partition}"

    def _check_rest(self, server):
        consumer = Consumer({"bootstrap.servers": server.kafka, "group.id": "crash-commits", **QUIET})
        where, = consumer.committed([TopicPartition(self.topic, 0)], WAIT_S)
        assert max(where.offset, 0) >= self.committed, f"commit {self.committed} became {where.offset}"
        consumer.close()
        there = admin.client(server).list_topics(timeout=WAIT_S).topics
        missing = [name for name in self.topics if name not in there]
        assert not missing, missing

    def summary(self):
        acknowledged = sum(len(writer.acknowledged) for writer in self.writers)
        return (f"{acknowledged} acknowledged and {len(self.tailed)} tailed records, {self.committed} commits, "
                f"{len(self.topics)} topics")
