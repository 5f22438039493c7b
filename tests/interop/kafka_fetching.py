"""How real consumers fetch: how often, with a topic among theirs that went; how evenly, when there is more than an
answer holds; and without waiting when an answer is full."""
import json
import time

from lib.beside_kafka import NOW
from lib.clients import java
from lib.direct import create, produce, unique
from lib.messages import Caller, batch

SECONDS, WAIT_MS = 8, 500
SPARE = 4                               # fetches that renewed metadata, and the edges of the time, may cost


def java_fetches(server, topics):
    return int(java("FetchClient", "fetches", server.kafka, SECONDS, ",".join(topics), f"fetch.max.wait.ms={WAIT_MS}",
                    f"group.id={unique('group')}", "allow.auto.create.topics=false"))


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


def no_more_with_a_topic_gone(server, fetches):
    with Caller(server.kafka) as caller:
        stays, goes = create(caller, 1)[0], create(caller, 1)[0]
        count = fetches(server, [stays, goes])
    assert 1 <= count <= SECONDS * 3 / 4 * 1000 / WAIT_MS * 1.1 + SPARE


def test_java_with_a_deleted_topic(server):
    no_more_with_a_topic_gone(server, java_fetches)


def test_librdkafka_with_a_deleted_topic(server):
    no_more_with_a_topic_gone(server, librdkafka_fetches)


def test_backlog_is_read_evenly(server):
    """Eight partitions, and answers that hold about a tenth of one: at half time each gave what the others gave."""
    partitions, batches, records = 8, 40, 10
    with Caller(server.kafka) as caller:
        made = create(caller, partitions)
        data = batch(*[bytes(1000)] * records, timestamp=NOW)
        for index in range(partitions):
            for _ in range(batches):
                produce(caller, *made, data, index=index)
    half = partitions * batches * records // 2
    out = java("FetchClient", "half", server.kafka, made[0], half, "fetch.max.bytes=40000",
               "max.partition.fetch.bytes=1048576", "max.poll.records=50")
    counts = [int(line.split("\t")[1]) for line in out.splitlines()]
    mean = half / partitions
    assert len(counts) == partitions and all(abs(n - mean) <= mean / 5 for n in counts), counts


def test_a_full_partition_costs_no_wait(server):
    """fetch.min.bytes = the partition's limit: every answer is full, so none waits."""
    from confluent_kafka import Consumer, TopicPartition
    count, limit = 320, 1 << 20
    with Caller(server.kafka) as caller:
        made = create(caller, 1)
        data = batch(bytes(16_000), timestamp=NOW)
        for _ in range(count):
            produce(caller, *made, data)
    consumer = Consumer({"bootstrap.servers": server.kafka, "group.id": "none", "fetch.wait.max.ms": 5000,
                         "fetch.min.bytes": limit, "max.partition.fetch.bytes": limit, "fetch.max.bytes": 50 << 20,
                         "enable.auto.commit": False, "auto.offset.reset": "earliest"})
    consumer.assign([TopicPartition(made[0], 0, 0)])
    began, read = time.monotonic(), 0
    whole = (count - 1) * len(data) // limit * limit // len(data)    # what full answers bring
    while read < whole and time.monotonic() < began + 60:
        message = consumer.poll(1)
        read += message is not None and not message.error()
    took = time.monotonic() - began
    consumer.close()
    assert read == whole and took < 5, f"{took:.1f} s for {read} of {whole}"
