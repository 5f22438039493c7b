"""Every client behind one small interface, so that one test runs with all of them.

A client has: name, door ("kafka" or "kinesis"), any_bytes (whether it can write every record, or
only such with non-empty keys and values of plain text), codecs, write(server, topic, records) -> [(partition,
offset)] or None, read(server, topic, count) -> [Record]. A Kinesis client calls a shard's partition
"partition" and gives the offset that its sequence number stands for.
"""
import atexit
import functools
import os
import subprocess
import threading
import time

from . import lines, server as servers

TIMEOUT_S = 60
KAFKA = []                  # every Kafka client, in the order of their tests
CODECS = ("none", "gzip", "snappy", "lz4", "zstd")


def register(kind):
    KAFKA.append(kind())
    return kind


def run(command, stdin=""):
    """Output of a client program; its own words when it fails."""
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=TIMEOUT_S,
                          env={**os.environ, "DIGLOT_DEPS": str(servers.DEPS)})
    if done.returncode != 0:
        raise AssertionError(f"{command[0]} ended with {done.returncode}:\n{done.stderr[-4000:]}")
    return done.stdout


class JavaAgent:
    """One Java virtual machine for all the calls of a test run: starting one takes longer than most
    calls. Each call is answered before the next; one that hangs ends the machine."""

    def __init__(self):
        self.process = subprocess.Popen(
            ["java", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xmx512m", "-cp",
             f"{servers.DEPS}/java/classes:{servers.DEPS}/java/lib/*", "Agent"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        atexit.register(self.process.kill)

    def call(self, args, stdin):
        """args: program and its arguments. Returns what it wrote; raises AssertionError with its words."""
        watch = threading.Timer(TIMEOUT_S, self.process.kill)
        watch.start()
        try:
            rows = stdin.splitlines()
            print("\x1f".join(map(str, args)), len(rows), *rows, sep="\n", file=self.process.stdin, flush=True)
            status, _, count = self.process.stdout.readline().strip().partition(" ")
            out = "".join(self.process.stdout.readline() for _ in range(int(count or 0)))
        finally:
            watch.cancel()
        if status != "ok":
            raise AssertionError(f"{args[0]}: {out or 'no answer in time'}")
        return out


@functools.cache
def _java_agent(_generation):
    return JavaAgent()


_java_generation = 0


def java(*args, stdin=""):
    global _java_generation
    agent = _java_agent(_java_generation)
    if agent.process.poll() is not None:
        _java_generation += 1
        agent = _java_agent(_java_generation)
    return agent.call(args, stdin)


def node(script, *args, stdin=""):
    return run([f"{servers.DEPS}/python/bin/node", str(servers.ROOT / "tests/interop/lib/node" / script),
                *map(str, args)], stdin)


def franz_go(*args):
    return run([f"{servers.DEPS}/go/fetching", *map(str, args)])


class Kafka:
    door = "kafka"
    any_bytes = True
    codecs = CODECS

    def __repr__(self):
        return self.name


@register
class Confluent(Kafka):
    """confluent-kafka: the newest librdkafka."""
    name = "confluent"

    def write(self, server, topic, records, codec="none", **config):
        from confluent_kafka import Producer
        positions = [None] * len(records)
        producer = Producer({"bootstrap.servers": server.kafka, "compression.type": codec, "linger.ms": 5,
                             **config})
        for index, record in enumerate(records):
            def delivered(error, message, index=index):
                positions[index] = error or (message.partition(), message.offset())
            producer.produce(topic, record.value, record.key, record.partition, delivered,
                             headers=list(record.headers))
            producer.poll(0)
        assert producer.flush(TIMEOUT_S) == 0, "not every record was delivered"
        failed = [p for p in positions if not isinstance(p, tuple)]
        assert not failed, failed[0]
        return positions

    def read(self, server, topic, count, **config):
        from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition
        consumer = Consumer({"bootstrap.servers": server.kafka, "group.id": "unused",
                             "enable.auto.commit": False, **config})
        try:
            partitions = consumer.list_topics(topic, TIMEOUT_S).topics[topic].partitions
            consumer.assign([TopicPartition(topic, p, OFFSET_BEGINNING) for p in partitions])
            return self.poll(consumer, count)
        finally:
            consumer.close()

    @staticmethod
    def poll(consumer, count, timeout_s=TIMEOUT_S):
        """The next count records of a consumer that has its partitions."""
        found, deadline = [], time.monotonic() + timeout_s
        while len(found) < count:
            assert time.monotonic() < deadline, f"{len(found)} of {count} records came"
            for message in consumer.consume(count - len(found), 0.2):
                assert not message.error(), message.error()
                found.append(lines.Record(message.key(), message.value(), tuple(message.headers() or ()),
                                          message.partition(), message.offset(), message.timestamp()[1]))
        return found


@register
class KafkaPython(Kafka):
    """kafka-python: a client of its own, in pure Python."""
    name = "kafka-python"

    def write(self, server, topic, records, codec="none", **config):
        from kafka import KafkaProducer
        producer = KafkaProducer(bootstrap_servers=server.kafka, linger_ms=5,
                                 compression_type=None if codec == "none" else codec, **config)
        try:
            sent = [producer.send(topic, record.value, record.key, list(record.headers),
                                  None if record.partition < 0 else record.partition) for record in records]
            producer.flush(TIMEOUT_S)
            return [(done.partition, done.offset) for done in (future.get(TIMEOUT_S) for future in sent)]
        finally:
            producer.close()

    def read(self, server, topic, count, **config):
        from kafka import KafkaConsumer, TopicPartition
        consumer = KafkaConsumer(bootstrap_servers=server.kafka, enable_auto_commit=False, **config)
        try:
            partitions = [TopicPartition(topic, p) for p in consumer.partitions_for_topic(topic)]
            consumer.assign(partitions)
            consumer.seek_to_beginning(*partitions)
            return self.poll(consumer, count)
        finally:
            consumer.close()

    @staticmethod
    def poll(consumer, count, timeout_s=TIMEOUT_S):
        """In long polls, which records end: kafka-python 3.0.12 forgets a second JoinGroup that is answered between
        two of them, reads nothing and sends no heartbeat from then on."""
        found, deadline = [], time.monotonic() + timeout_s
        while len(found) < count:
            assert time.monotonic() < deadline, f"{len(found)} of {count} records came"
            for records in consumer.poll(5000, max_records=count - len(found)).values():
                found += [lines.Record(r.key, r.value, tuple(r.headers), r.partition, r.offset, r.timestamp)
                          for r in records]
        return found


@register
class Java(Kafka):
    """kafka-clients: Apache Kafka's own."""
    name = "java"

    def write(self, server, topic, records, codec="none", **config):
        out = java("KafkaClient", "write", server.kafka, topic, f"compression.type={codec}", *_pairs(config),
                   stdin="".join(map(lines.format_written, records)))
        return [lines.parse_position(line) for line in out.splitlines()]

    def read(self, server, topic, count, **config):
        out = java("KafkaClient", "read", server.kafka, topic, count, *_pairs(config))
        return [lines.parse_read(line) for line in out.splitlines()]


@register
class KafkaJs(Kafka):
    """kafkajs: pure JavaScript, no longer maintained, still much used. It knows gzip alone."""
    name = "kafkajs"
    codecs = ("none", "gzip")

    def write(self, server, topic, records, codec="none"):
        out = node("kafka.js", "write", server.kafka, topic, {"none": "None", "gzip": "GZIP"}[codec],
                   stdin="".join(map(lines.format_written, records)))
        return [lines.parse_position(line) for line in out.splitlines()]

    def read(self, server, topic, count):
        out = node("kafka.js", "read", server.kafka, topic, count)
        return [lines.parse_read(line) for line in out.splitlines()]


@register
class Kcat(Kafka):
    """kcat with Debian's librdkafka 2.0: an old client. It does not say where its records went."""
    name = "kcat"
    any_bytes = False
    key_delimiter, record_delimiter = "\x1f", "\x1e"

    def write(self, server, topic, records, codec="none", **config):
        by_partition = {}
        for record in records:
            by_partition.setdefault((record.partition, record.headers), []).append(record)
        for (partition, headers), part in by_partition.items():
            text = b"".join((b"" if r.key is None else r.key + self.key_delimiter.encode()) + r.value
                            + self.record_delimiter.encode() for r in part)
            done = subprocess.run(
                ["kcat", "-P", "-b", server.kafka, "-t", topic, "-p", str(partition), "-z", codec,
                 "-K", self.key_delimiter, "-D", self.record_delimiter,
                 *(x for name, value in headers for x in ("-H", f"{name}={value.decode()}")),
                 *(x for pair in _pairs(config) for x in ("-X", pair))],
                input=text, capture_output=True, timeout=TIMEOUT_S)
            assert done.returncode == 0, done.stderr.decode()
        return None

    def read(self, server, topic, count, **config):
        done = subprocess.run(
            ["kcat", "-C", "-b", server.kafka, "-t", topic, "-o", "beginning", "-c", str(count), "-q",
             "-f", "%p %o %T %K %S %h\\n%k%s", *(x for pair in _pairs(config) for x in ("-X", pair))],
            capture_output=True, timeout=TIMEOUT_S)
        assert done.returncode == 0, done.stderr.decode()
        return list(self._records(done.stdout))

    @staticmethod
    def _records(out):
        """Lengths stand before the bytes, so that any byte may come; -1 means null."""
        at = 0
        while at < len(out):
            end = out.index(b"\n", at)
            partition, offset, timestamp_ms, key_len, value_len, headers = out[at:end].decode().split(" ", 5)
            at, data = end + 1, []
            for length in (int(key_len), int(value_len)):
                data.append(None if length < 0 else out[at:at + length])
                at += max(length, 0)
            pairs = (pair.split("=", 1) for pair in headers.split(",") if pair)
            yield lines.Record(*data, tuple((name, value.encode()) for name, value in pairs),
                               int(partition), int(offset), int(timestamp_ms))


def _pairs(config):
    return [f"{name}={value}" for name, value in config.items()]
