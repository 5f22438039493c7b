"""What any client writes at one door, every client of the other reads: same bytes, same order, and
offsets and sequence numbers that convert into each other (lib/kinesis.py has the conversion)."""
import pytest
from lib import admin, batches
from lib.clients import KAFKA
from lib.kinesis import KINESIS, arrived_of, created_of, sequence_of, shard_id, shard_of
from lib.lines import Record

KAFKA_WRITERS = KAFKA_READERS = [c for c in KAFKA if c.name in ("kcat", "confluent", "java", "kafkajs")]
RECORDS = 60
PARTITIONS = 2
READERS = [(c, "read") for c in KINESIS] + [(c, "read_fanned_out") for c in KINESIS if c.fans_out]


def name_of(value):
    return getattr(value, "name", {"read": "get", "read_fanned_out": "subscribe"}.get(value, value))


def text_records(partitions):
    """Keys and values of text that every client can write, in turns over the partitions."""
    return [Record(f"key-{i}".encode(), f"value {i} ü ".encode() * (1 + i % 7), partition=i % partitions)
            for i in range(RECORDS)]


def by_partition(records):
    found = {}
    for record in records:
        found.setdefault(record.partition, []).append((record.offset, record.key, record.value))
    return found


def as_written(records):
    """What by_partition() has to give for records that went to an empty topic in this order."""
    found = {}
    for record in records:
        part = found.setdefault(record.partition, [])
        part.append((len(part), record.key, record.value))
    return found


@pytest.fixture(scope="module")
def kafka_topics(server):
    """The topic that each Kafka client has written, once for all its readers."""
    topics = {}

    def written(writer):
        if writer not in topics:
            topic = admin.create_topic(server, f"cross-from-{writer}-{id(topics)}", PARTITIONS)
            positions = writer.write(server, topic, text_records(PARTITIONS))
            told = positions and {(r.partition, p[1]) for r, p in zip(text_records(PARTITIONS), positions)}
            assert told in (None, {(p, i) for p in range(PARTITIONS) for i in range(RECORDS // PARTITIONS)})
            topics[writer] = topic
        return topics[writer]
    return written


@pytest.mark.parametrize("writer", KAFKA_WRITERS, ids=repr)
@pytest.mark.parametrize("reader, how", READERS, ids=name_of)
def test_kafka_to_kinesis(server, kafka_topics, writer, reader, how):
    read = getattr(reader, how)(server, kafka_topics(writer), RECORDS)
    assert by_partition(read) == as_written(text_records(PARTITIONS))


@pytest.fixture(scope="module")
def kinesis_streams(server):
    """The stream that each Kinesis client has written, and its sequence numbers."""
    streams = {}

    def written(writer):
        if writer not in streams:
            name = f"cross-from-{writer}-{id(streams)}"
            writer.call(server, "CreateStream", StreamName=name, ShardCount=PARTITIONS)
            positions = writer.write(server, name, text_records(PARTITIONS))
            assert positions == [(r.partition, i // PARTITIONS) for i, r in enumerate(text_records(PARTITIONS))]
            streams[writer] = name
        return streams[writer]
    return written


@pytest.mark.parametrize("writer", KINESIS, ids=repr)
@pytest.mark.parametrize("reader", KAFKA_READERS, ids=repr)
def test_kinesis_to_kafka(server, kinesis_streams, writer, reader):
    read = reader.read(server, kinesis_streams(writer), RECORDS)
    assert by_partition(read) == as_written(text_records(PARTITIONS))
    # The hash key that the writer named is kept where Kinesis readers do not see it.
    assert all([name for name, _ in r.headers] == ["diglot.explicit.hash.key"] for r in read)


@pytest.mark.parametrize("client", KINESIS, ids=repr)
def test_an_offset_makes_the_sequence_number(server, topic, client):
    """A sequence number built from a Kafka offset alone is a position that the Kinesis door takes."""
    admin.create_topic(server, topic, PARTITIONS)
    writer = next(c for c in KAFKA if c.name == "confluent")
    positions = writer.write(server, topic, text_records(PARTITIONS))
    shard = client.shards(server, topic)[1]
    start = shard["SequenceNumberRange"]["StartingSequenceNumber"]
    assert shard_of(start) == 1
    for offset in (0, 17, RECORDS // PARTITIONS - 1):
        number = sequence_of(created_of(start), 1, offset, arrived_of(start))
        iterator = client.iterator(server, topic, shard_id(1), "AT_SEQUENCE_NUMBER", StartingSequenceNumber=number)
        record, = client.get(server, iterator, 1)[:1]
        number = record["SequenceNumber"]
        assert number == sequence_of(created_of(start), 1, offset, arrived_of(number))
        expected = text_records(PARTITIONS)[positions.index((1, offset))]
        assert (record["PartitionKey"].encode(), record["Data"]) == (expected.key, expected.value)


def test_kafka_records_that_kinesis_cannot_say(server, topic):
    """No key, an empty key, bytes that are no text, a tombstone: each has its rendering."""
    admin.create_topic(server, topic, 1)
    written = [Record(None, b"v0", partition=0), Record(b"", b"v1", partition=0),
               Record(b"\xff\xfe", b"v2", partition=0), Record(b"k", None, partition=0),
               Record(b"k" * 256, b"v4", partition=0), Record(b"k" * 1000, b"v5", (("h", b"1"),), partition=0)]
    next(c for c in KAFKA if c.name == "confluent").write(server, topic, written)
    boto3 = KINESIS[0]
    read = boto3.get(server, boto3.iterator(server, topic, shard_id(0)), len(written))
    keys = [r["PartitionKey"] for r in read]
    assert keys[:5] == ["null:0", "empty:1", "base64://4=", "k", "k" * 256]
    assert keys[5].startswith("cut:") and len(keys[5]) <= 256
    assert [r["Data"] for r in read] == [b"v0", b"v1", b"v2", b"", b"v4", b"v5"]


@pytest.mark.parametrize("codec", ["gzip", "snappy", "lz4", "zstd"])
def test_compressed_batches_are_records_at_the_other_door(server, topic, codec):
    admin.create_topic(server, topic, 1)
    written = [r._replace(partition=0) for r in text_records(1)]
    next(c for c in KAFKA if c.name == "java").write(server, topic, written, codec)
    assert by_partition(KINESIS[0].read(server, topic, RECORDS)) == as_written(written)


@pytest.mark.parametrize("codec", ["uncompressed", "gzip", "snappy", "lz4", "zstd"])
def test_the_codec_of_a_topic_holds_for_what_kinesis_writes(server, topic, codec):
    """Stored in it, and the same records to readers of both doors, mixed with those of a Kafka producer."""
    admin.create_topic(server, topic, PARTITIONS, **{"compression.type": codec})
    boto3, java = KINESIS[0], next(c for c in KAFKA if c.name == "java")
    written = text_records(PARTITIONS)
    boto3.write(server, topic, written)
    boto3.call(server, "PutRecord", StreamName=topic, PartitionKey="alone", Data=b"x" * 3000, ExplicitHashKey="0")
    java.write(server, topic, written, "gzip")
    everything = written + [Record(b"alone", b"x" * 3000, partition=0)] + written
    for partition in range(PARTITIONS):
        found = batches.stored(server, topic, partition)
        assert {b.codec for b in found} == {"none" if codec == "uncompressed" else codec}
        assert all(b.crc_is_right() for b in found)
    for reader, how in [(boto3, "read"), (boto3, "read_fanned_out")] + [(c, "read") for c in KAFKA_READERS]:
        if reader.door == "kinesis" or codec in ("uncompressed", *reader.codecs):
            assert by_partition(getattr(reader, how)(server, topic, len(everything))) == as_written(everything)
