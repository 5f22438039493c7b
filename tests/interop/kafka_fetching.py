"""How real consumers fetch: how often, with a topic among theirs that went; how evenly, when there is more than an
answer holds; and without waiting when an answer is full."""
import json
import time

import pytest

from lib.beside_kafka import NOW
from lib.clients import franz_go, java
from lib.direct import create, produce, unique
from lib.messages import Caller, batch

SECONDS, WAIT_MS = 8, 500
SPARE = 4                               # fetches that renewed metadata, and the edges of the time, may cost


def java_fetches(server, topics):
    return int(java("FetchClient", "fetches", server.kafka, SECONDS, ",".join(topics), f"fetch.max.wait.ms={WAIT_MS}",
                    "allow.auto.create.topics=false"))


def librdkafka_fetches(server, topics):
    from confluent_kafka import Consumer, TopicPartition
    sent = [0]

    def told(text):
        sent[0] = sum(b["req"].get("Fetch", 0) for b in json.loads(text)["brokers"].values())
    consumer = Consumer({"bootstrap.servers": server.kafka, "group.id": "none", "fetch.wait.max.ms": WAIT_MS,
                         "statistics.interval.ms": 100, "stats_cb": told, "enable.auto.commit": False})
    consumer.assign([TopicPartition(topic, 0, 0) for topic in topics])

    def poll(seconds):
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            consumer.poll(0.1)
        return sent[0]
    before = poll(SECONDS / 4)
    with Caller(server.kafka) as caller:
        caller.call("DeleteTopics", 5, topic_names=topics[-1:], timeout_ms=10000)
    after = poll(SECONDS * 3 / 4)
    consumer.close()
    return after - before


def franz_go_fetches(server, topics, *flags):
    """And what Kafka's answers leave to a client to settle is no error for its application."""
    fetches, errors = franz_go("-wait", f"{WAIT_MS}ms", *flags, "fetches", server.kafka, SECONDS,
                               ",".join(topics)).split()
    assert errors == "0", f"{errors} errors, {fetches} fetches"
    return int(fetches)


def franz_go_group_fetches(server, topics):
    return franz_go_fetches(server, topics, "-group", unique("group"))


@pytest.mark.parametrize("fetches", [java_fetches, librdkafka_fetches, franz_go_fetches, franz_go_group_fetches])
def test_with_a_deleted_topic(server, fetches):
    with Caller(server.kafka) as caller:
        stays, goes = create(caller, 1)[0], create(caller, 1)[0]
        count = fetches(server, [stays, goes])
    assert 1 <= count <= SECONDS * 3 / 4 * 1000 / WAIT_MS * 1.1 + SPARE


def java_half(server, topic, count):
    return java("FetchClient", "half", server.kafka, topic, count, "fetch.max.bytes=40000",
                "max.partition.fetch.bytes=1048576", "max.poll.records=50")


def franz_go_half(server, topic, count):
    return franz_go("-max-bytes", 40000, "half", server.kafka, topic, count).partition("\n")[2]


@pytest.mark.parametrize("half_of", [java_half, franz_go_half])
def test_backlog_is_read_evenly(server, half_of):
    """Eight partitions, and answers that hold about a tenth of one: at half time each gave what the others gave."""
    partitions, batches, records = 8, 40, 10
    with Caller(server.kafka) as caller:
        made = create(caller, partitions)
        data = batch(*[bytes(1000)] * records, timestamp=NOW)
        for index in range(partitions):
            for _ in range(batches):
                produce(caller, *made, data, index=index)
    half = partitions * batches * records // 2
    counts = [int(line.split("\t")[1]) for line in half_of(server, made[0], half).splitlines()]
    mean = half / partitions
    assert len(counts) == partitions and all(abs(n - mean) <= mean / 5 for n in counts), counts


def librdkafka_reads(server, topic, count, limit, wait_s):
    from confluent_kafka import Consumer, TopicPartition
    consumer = Consumer({"bootstrap.servers": server.kafka, "group.id": "none", "fetch.wait.max.ms": wait_s * 1000,
                         "fetch.min.bytes": limit, "max.partition.fetch.bytes": limit, "fetch.max.bytes": 50 << 20,
                         "enable.auto.commit": False, "auto.offset.reset": "earliest"})
    consumer.assign([TopicPartition(topic, 0, 0)])
    began, read = time.monotonic(), 0
    while read < count and time.monotonic() < began + 60:
        message = consumer.poll(1)
        read += message is not None and not message.error()
    took = time.monotonic() - began
    consumer.close()
    assert read == count, f"{read} of {count}"
    return took


def franz_go_reads(server, topic, count, limit, wait_s):
    out = franz_go("-wait", f"{wait_s}s", "-min-bytes", limit, "-max-partition-bytes", limit, "half", server.kafka,
                   topic, count)
    return int(out.splitlines()[0]) / 1000


@pytest.mark.parametrize("seconds_of", [librdkafka_reads, franz_go_reads])
def test_a_full_partition_costs_no_wait(server, seconds_of):
    """fetch.min.bytes = the partition's limit: every answer is full, so none waits."""
    count, limit, wait_s = 320, 1 << 20, 5
    with Caller(server.kafka) as caller:
        made = create(caller, 1)
        data = batch(bytes(16_000), timestamp=NOW)
        for _ in range(count):
            produce(caller, *made, data)
    whole = (count - 1) * len(data) // limit * limit // len(data)    # what full answers bring
    took = seconds_of(server, made[0], whole, limit, wait_s)
    assert took < wait_s, f"{took:.1f} s"
