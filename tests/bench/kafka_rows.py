"""The Kafka rows of the bench: Diglot beside Apache Kafka, the same load on both."""
import math
import pathlib
import subprocess
import time

from confluent_kafka import Producer
from confluent_kafka.admin import NewTopic
from lib import admin, server as servers, wire
from rows import Row, load, with_cpu

KIB = 1024
PARTITIONS = 4
FULL_PARTITIONS = 10_000


def _topic(server, name, partitions=PARTITIONS):
    """A new topic whose partitions all have a leader that answers, however long that takes: Apache Kafka still
    works on the topics of the rows before."""
    admin.done(admin.client(server).create_topics([NewTopic(name, partitions, 1)]))
    producer = Producer({"bootstrap.servers": server.kafka, "log_level": 0})
    left = set(range(partitions))
    while left:
        for partition in list(left):
            producer.produce(name, b"", partition=partition,
                             on_delivery=lambda error, message: error or left.discard(message.partition()))
        producer.flush(30)
    return name


def _drop(server, name):
    admin.done(admin.client(server).delete_topics([name]))


def produce(size, per_request, seconds):
    def measure(server, run):
        topic = _topic(server, f"produce-{size}-{per_request}-{run}")
        found, cpu = with_cpu(server, lambda: load("produce", server.kafka, topic, seconds, size, per_request))
        _drop(server, topic)
        return {"rate": found["records"] / found["seconds"], "cpu_us": cpu / found["records"] * 1e6,
                "cpu_gb": cpu / found["bytes"] * 1e9}
    return measure


def consume(size, records):
    topic = f"consume-{size}"

    def prepare(server):
        _topic(server, topic)
        filled = 0
        while filled < records:
            filled += load("produce", server.kafka, topic, 1, size, 0)["records"]

    def measure(server, _run):
        found, cpu = with_cpu(server, lambda: load("consume", server.kafka, topic, records))
        return {"rate": found["records"] / found["seconds"], "cpu_gb": cpu / found["bytes"] * 1e9}
    return prepare, measure


def latency(partitions):
    topic = f"latency-{partitions}"

    def prepare(server):
        _topic(server, topic, partitions)
        load("latency", server.kafka, topic, 2, 100, 1000)

    def measure(server, _run):
        found = load("latency", server.kafka, topic, 3, 100, 1000)
        return {"p50": found["p50_us"] / 1e3, "p99": found["p99_us"] / 1e3}
    return prepare, measure


def java_latency(partitions):
    """The same from Apache Kafka's own producer."""
    topic = f"java-latency-{partitions}"
    program = pathlib.Path(__file__).parent / "Latency.java"

    def prepare(server):
        _topic(server, topic, partitions)

    def measure(server, _run):
        out = subprocess.run(["java", "-XX:+UseSerialGC", "-cp", f"{servers.DEPS}/java/lib/*", str(program),
                              server.kafka, topic, "3", "100", "1000"], check=True, capture_output=True, text=True)
        found = {name: float(value) for name, value in (pair.split("=") for pair in out.stdout.split())}
        return {"p50": found["p50_us"] / 1e3, "p99": found["p99_us"] / 1e3}
    return prepare, measure


def create(partitions, count):
    def measure(server, run):
        prefix = f"create-{partitions}-{run}"
        found = load("create", server.kafka, prefix, count, partitions)
        for i in range(count + 1):
            _drop(server, f"{prefix}-{i}")
        return {"p50": found["p50_us"] / 1e3}
    return measure


def start(topics, fill_seconds):
    """From the start of the process to the first answer to Metadata, on data that is already there."""
    def measure(kind, _run):
        if topics > 0 and kind is servers.ApacheKafka:      # a turn of it would take minutes
            return {"ms": math.nan, "mib": math.nan}
        server = kind()
        try:
            server.start()
            if topics > 0:
                load("produce", server.kafka, _topic(server, "start"), fill_seconds, KIB, 0)
                load("create", server.kafka, "start-", topics, FULL_PARTITIONS // topics)
            server.stop()
            begun = time.monotonic()
            server.spawn()
            while not wire.metadata_ready(server.kafka):
                time.sleep(0.0005)
            ready_ms = (time.monotonic() - begun) * 1e3
            time.sleep(2)
            return {"ms": ready_ms, "mib": server.rss_bytes() / 2**20}
        finally:
            server.close()
    return measure


_rate = {"rate": ("records/s", 0, False), "cpu_us": ("broker CPU us/record", 2, True)}
_bulk = {"rate": ("records/s", 0, False), "cpu_gb": ("broker CPU s/GB", 2, True)}
_latency = {"p50": ("p50 ms", 2, True), "p99": ("p99 ms", 2, True)}
_small, _large, _few = consume(100, 2_000_000), consume(KIB, 500_000), latency(4)
_java_few, _java_many = java_latency(4), java_latency(500)

ROWS = [
    Row("start", "start to first Metadata answer; memory idle", {"ms": ("ms", 0, True), "mib": ("MiB RSS", 0, True)},
        start(0, 0), "<= 50 ms; <= 25 MB", fresh=True),
    Row("start-full", "the same with 10,000 partitions and a log of 5 s of 1 KiB records",
        {"ms": ("ms", 0, True), "mib": ("MiB RSS", 0, True)}, start(20, 5), "<= 300 ms", fresh=True),
    Row("create-4", "create a topic, 4 partitions", {"p50": ("ms", 1, True)}, create(4, 20), "<= 5 ms"),
    Row("create-500", "create a topic, 500 partitions", {"p50": ("ms", 1, True)}, create(500, 3), "<= 30 ms"),
    Row("produce-1", "produce 100 B, one record per request, acks all", _rate, produce(100, 1, 2),
        ">= 10x the rate, <= 1/15 of the CPU"),
    Row("produce-10", "produce 100 B, 10 records per request, acks all", _rate, produce(100, 10, 2),
        ">= 8x the rate, <= 1/12 of the CPU"),
    Row("produce-100b", "produce 100 B, large batches, acks all", _bulk, produce(100, 0, 2),
        "client-bound, <= 1.2 s/GB"),
    Row("produce-1k", "produce 1 KiB, large batches, acks all", _bulk, produce(KIB, 0, 2),
        ">= 2x the rate, <= 1/2 of the CPU"),
    Row("consume-100b", "consume 100 B", _bulk, _small[1], "client-bound, no more CPU than Kafka", _small[0]),
    Row("consume-1k", "consume 1 KiB", _bulk, _large[1], "client-bound, no more CPU than Kafka", _large[0]),
    Row("latency-4", "ack latency, 100 B, linger 0, acks all, 1,000/s, 4 partitions (librdkafka)", _latency, _few[1],
        "p50 <= 0.25, p99 <= 1.5 ms with the Java client", _few[0]),
    Row("java-latency-4", "ack latency as above, 4 partitions (Java client)", _latency, _java_few[1],
        "p50 <= 0.25, p99 <= 1.5 ms", _java_few[0]),
    Row("java-latency-500", "the same over 500 partitions (Java client)", _latency, _java_many[1], "as over 4",
        _java_many[0]),
]
SIDES = (servers.ApacheKafka, servers.Diglot)
DURABILITY = ("Apache Kafka 4.4.0: KRaft, one node, 1 GiB heap, replication factor 1, its default of no fsync (an "
              "acknowledged record is in the page cache). Diglot: `durability = process` (an acknowledged record is in "
              "the kernel, synced every second).")
