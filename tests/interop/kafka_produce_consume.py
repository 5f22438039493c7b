"""What any client writes, it and every other client read: bytes, order, offsets, time stamps."""
import time

import pytest
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from lib import admin
from lib.clients import KAFKA, Confluent
from lib.lines import Record

each_client = pytest.mark.parametrize("client", KAFKA, ids=repr)
with_codecs = pytest.mark.parametrize(
    "client, codec", [(c, codec) for c in KAFKA for codec in c.codecs], ids=lambda v: getattr(v, "name", v))


def text_records(count, partitions=1, size=100):
    return [Record(f"key-{i}".encode(), (f"value-{i} " * size)[:size].encode(), (("n", str(i % 3).encode()),),
                   partition=i * partitions // count) for i in range(count)]


def by_partition(records):
    found = {}
    for record in records:
        found.setdefault(record.partition, []).append(record)
    return found


def expect_same(written, read, positions=None):
    """Same bytes in the same order in each partition, dense offsets, at the positions that were told."""
    wrote, found = by_partition(written), by_partition(read)
    assert wrote.keys() == found.keys()
    for partition, records in wrote.items():
        got = sorted(found[partition], key=lambda r: r.offset)
        assert found[partition] == got, "a partition came out of order"
        assert [r.offset for r in got] == list(range(got[0].offset, got[0].offset + len(got)))
        assert [r.content() for r in got] == [r.content() for r in records]
    if positions is not None:
        told = {position: record.content() for position, record in zip(positions, written)}
        assert told == {(r.partition, r.offset): r.content() for r in read}


@with_codecs
def test_every_codec_comes_back(server, topic, client, codec):
    admin.create_topic(server, topic, 3)
    written = text_records(300, 3)
    if client.name == "kcat":      # it writes one set of headers at a time
        written = [r._replace(headers=(("n", b"1"),)) for r in written]
    positions = client.write(server, topic, written, codec)
    read = client.read(server, topic, len(written))
    expect_same(written, read, positions)


@pytest.mark.parametrize("reader", KAFKA, ids=lambda c: f"to-{c}")
@pytest.mark.parametrize("codec", ["none", "gzip", "snappy", "lz4", "zstd"])
def test_every_reader_takes_java_batches(server, topic, reader, codec):
    if codec not in reader.codecs:
        pytest.skip(f"{reader} does not know {codec}")
    java = next(c for c in KAFKA if c.name == "java")
    admin.create_topic(server, topic)
    written = text_records(50)
    expect_same(written, reader.read(server, topic, len(written))
                if java.write(server, topic, written, codec) else [])


odd_records = [
    Record(None, b"no key"),
    Record(b"no value", None),
    Record(None, None),
    Record(b"", b""),
    Record(b"\x00\xff\xfe", bytes(range(256))),
    Record(b"k", b"v", (("a", b"1"), ("b", b""), ("a", b"2"))),
    Record(b"k", b"v", (("null", None),)),
    Record(b"k", b"v", tuple((f"h{i}", bytes([i])) for i in range(100))),
]


@pytest.mark.parametrize("client", [c for c in KAFKA if c.name in ("confluent", "kafka-python", "java")], ids=repr)
def test_nulls_empties_headers_and_any_byte(server, topic, client):
    admin.create_topic(server, topic)
    written = [r._replace(partition=0) for r in odd_records]
    if client.name == "kafka-python":       # it refuses to send a record with neither, and null headers
        written = [r for r in written if (r.key, r.value) != (None, None) and ("null", None) not in r.headers]
    expect_same(written, client.read(server, topic, len(written)) if client.write(server, topic, written) else [])


def test_kafkajs_nulls_and_bytes(server, topic):
    """kafkajs groups headers of one name and has no null header: the records without such."""
    client = next(c for c in KAFKA if c.name == "kafkajs")
    admin.create_topic(server, topic)
    written = [r._replace(partition=0) for r in odd_records if len(r.headers) in (0, 100)]
    expect_same(written, client.read(server, topic, len(written)) if client.write(server, topic, written) else [])


@each_client
def test_large_messages(server, topic, client):
    admin.create_topic(server, topic)
    written = [Record(b"k", bytes([65 + i]) * 900_000, partition=0) for i in range(5)]
    client.write(server, topic, written)
    expect_same(written, client.read(server, topic, len(written)))


def test_ten_megabytes_where_the_topic_allows_it(server, topic, rng):
    admin.create_topic(server, topic, **{"max.message.bytes": "20000000"})
    written = [Record(b"k", rng.randbytes(10 << 20), partition=0) for _ in range(2)]
    client = Confluent()
    client.write(server, topic, written, **{"message.max.bytes": 20_000_000})
    # A first batch beyond the consumer's own limits still comes, whole.
    read = client.read(server, topic, 2, **{"fetch.message.max.bytes": 100_000})
    expect_same(written, read)


def test_a_message_beyond_the_topic_limit_is_refused(server, topic):
    admin.create_topic(server, topic, **{"max.message.bytes": "10000"})
    client = Confluent()
    with pytest.raises(AssertionError, match="MSG_SIZE_TOO_LARGE"):
        client.write(server, topic, [Record(b"k", bytes(20_000), partition=0)])
    written = [Record(b"k", b"fits", partition=0)]
    client.write(server, topic, written)
    expect_same(written, client.read(server, topic, 1))


@each_client
def test_the_first_send_creates_the_topic(server, topic, client):
    written = [Record(b"k", b"first", partition=0)]
    client.write(server, topic, written)
    expect_same(written, client.read(server, topic, 1))


def test_no_auto_creation_for_a_bad_name(server):
    with pytest.raises(AssertionError, match="INVALID_TOPIC_EXCEPTION|TOPIC_EXCEPTION|UNKNOWN_TOPIC|_MSG_TIMED_OUT"):
        Confluent().write(server, "not/a/topic", [Record(b"k", b"v")], **{"message.timeout.ms": 3000})


@pytest.mark.parametrize("acks", ["0", "1", "all"])
def test_every_acks(server, topic, acks):
    admin.create_topic(server, topic)
    written = text_records(200)
    Confluent().write(server, topic, written, acks=acks)
    expect_same(written, Confluent().read(server, topic, len(written)))


def test_time_stamps_are_the_producers(server, topic):
    admin.create_topic(server, topic)
    producer = Producer({"bootstrap.servers": server.kafka})
    stamps = [1_700_000_000_000 + i * 1000 for i in range(10)]
    for stamp in stamps:
        producer.produce(topic, b"v", partition=0, timestamp=stamp)
    producer.flush(30)
    assert [r.timestamp_ms for r in Confluent().read(server, topic, 10)] == stamps
    consumer = Consumer({"bootstrap.servers": server.kafka, "group.id": "g"})
    for asked, offset in [(stamps[0] - 1, 0), (stamps[4], 4), (stamps[4] + 1, 5), (stamps[9] + 1, -1)]:
        found, = consumer.offsets_for_times([TopicPartition(topic, 0, asked)], 30)
        assert found.offset == offset, asked
    consumer.close()


def test_log_append_time_is_the_brokers(server, topic):
    admin.create_topic(server, topic, **{"message.timestamp.type": "LogAppendTime"})
    before = int(time.time() * 1000)
    producer = Producer({"bootstrap.servers": server.kafka, "compression.type": "lz4"})
    for i in range(10):
        producer.produce(topic, b"v", partition=0, timestamp=1000 + i)
    producer.flush(30)
    after = int(time.time() * 1000)
    for record in Confluent().read(server, topic, 10):
        assert before <= record.timestamp_ms <= after


def test_reading_from_any_offset(server, topic):
    admin.create_topic(server, topic)
    written = text_records(100)
    Confluent().write(server, topic, written)
    consumer = Consumer({"bootstrap.servers": server.kafka, "group.id": "g"})
    for offset in (99, 0, 50, 1):
        consumer.assign([TopicPartition(topic, 0, offset)])
        found = Confluent.poll(consumer, 1)
        assert (found[0].offset, found[0].value) == (offset, written[offset].value)
    assert consumer.get_watermark_offsets(TopicPartition(topic, 0), 30) == (0, 100)
    consumer.close()


def test_an_offset_beyond_the_end_is_an_error(server, topic):
    admin.create_topic(server, topic)
    Confluent().write(server, topic, text_records(5))
    consumer = Consumer({"bootstrap.servers": server.kafka, "group.id": "g", "auto.offset.reset": "error"})
    consumer.assign([TopicPartition(topic, 0, 1000)])
    with pytest.raises((AssertionError, KafkaException), match="OFFSET|offset"):
        Confluent.poll(consumer, 1, 20)
    consumer.close()


def test_a_waiting_consumer_is_woken_by_a_record(server, topic):
    """The wait of the fetch is longer than the time allowed for the whole test."""
    admin.create_topic(server, topic)
    consumer = Consumer({"bootstrap.servers": server.kafka, "group.id": "g", "fetch.wait.max.ms": 100_000,
                         "socket.timeout.ms": 150_000})
    consumer.assign([TopicPartition(topic, 0, 0)])
    for i in range(5):
        consumer.poll(0.2)
        Confluent().write(server, topic, [Record(b"k", b"%d" % i, partition=0)])
        assert Confluent.poll(consumer, 1, 30)[0].value == b"%d" % i
    consumer.close()


def test_idempotent_producer_keeps_order(server, topic):
    admin.create_topic(server, topic, 2)
    written = text_records(2000, 2)
    positions = Confluent().write(server, topic, written, **{"enable.idempotence": True, "batch.num.messages": 7})
    expect_same(written, Confluent().read(server, topic, len(written)), positions)
