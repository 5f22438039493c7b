"""compression.type: how batches lie in a topic, whatever codec their producer chose; records, offsets, time
stamps and producer state do not change by it."""
import gzip
import time

import pytest
from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType
from lib import admin, batches
from lib.clients import CODECS, KAFKA
from lib.lines import Record
from lib.messages import Caller, batch

TYPES = ("producer", "uncompressed", *CODECS[1:])
READERS = [c for c in KAFKA if c.name in ("confluent", "kafka-python", "java", "kafkajs", "kcat")]
MESSAGE_TOO_LARGE, NOT_READY = 10, 14
FIRST_MS = 1_700_000_000_000


def codec_of(kind):
    return "none" if kind == "uncompressed" else kind


def text_records(client, codec):
    headers = (("from", client.name.encode()),)
    return [Record(f"{client}-{codec}-{i}".encode(), f"value {i} ".encode() * 20, headers, partition=0)
            for i in range(40)]


def written_by_all(server, topic):
    """Every client writes with every codec that it has; what was written, in its order."""
    written = []
    for client in KAFKA:
        for codec in client.codecs:
            records = text_records(client, codec)
            client.write(server, topic, records, codec)
            written += records
    return written


@pytest.fixture(scope="module", params=TYPES)
def full_topic(request, server):
    """(compression.type, topic, records) of a topic that every client wrote to, once for all readers."""
    topic = admin.create_topic(server, f"packed-{request.param}-{time.monotonic_ns()}", 1,
                               **{"compression.type": request.param})
    return request.param, topic, written_by_all(server, topic)


def test_batches_lie_in_the_codec_of_the_topic(server, full_topic):
    kind, topic, written = full_topic
    found = batches.stored(server, topic)
    assert sum(b.count for b in found) == len(written)
    assert [b.base_offset for b in found] == [sum(b.count for b in found[:i]) for i in range(len(found))]
    assert all(b.crc_is_right() for b in found)
    codecs = {b.codec for b in found}
    assert codecs == (set(CODECS) if kind == "producer" else {codec_of(kind)})


@pytest.mark.parametrize("reader", READERS, ids=repr)
def test_every_reader_gets_what_was_written(server, full_topic, reader):
    kind, topic, written = full_topic
    needs = set(CODECS) if kind == "producer" else {codec_of(kind)}
    if not needs <= set(reader.codecs):
        pytest.skip(f"{reader} does not know every codec in it")
    read = reader.read(server, topic, len(written))
    assert [r.offset for r in read] == list(range(len(written)))
    assert [r.content() for r in read] == [r.content() for r in written]


def producer_id(caller):
    answer = {"error_code": NOT_READY}
    while answer["error_code"] == NOT_READY:        # Apache Kafka fetches its first block of ids
        answer = caller.call("InitProducerId", 4, transactional_id=None, transaction_timeout_ms=1000)
    assert answer["error_code"] == 0
    return answer["producer_id"], answer["producer_epoch"]


@pytest.mark.parametrize("sent", ["none", "gzip"])
@pytest.mark.parametrize("kind", TYPES)
def test_all_but_the_codec_is_kept(server, topic, kind, sent):
    admin.create_topic(server, topic, **{"compression.type": kind})
    with Caller(server.kafka) as caller:
        producer = producer_id(caller)
        first = batch(b"a" * 100, b"b" * 100, step_ms=5, producer=(*producer, 0), codec=sent, key=b"k")
        second = batch(b"c" * 100, step_ms=5, timestamp=FIRST_MS + 70, producer=(*producer, 2), codec=sent)
        told = [batches.produce(caller, topic, b) for b in (first, second, first, second)]
        # The last two are retries: known by producer and sequence, although other bytes were stored.
        assert [(t["error_code"], t["base_offset"]) for t in told] == [(0, 0), (0, 2), (0, 0), (0, 2)]
        # A retry is told the largest time stamp of what is stored.
        assert [t["log_append_time_ms"] for t in told] == [-1, -1, FIRST_MS + 5, FIRST_MS + 70]
    found = batches.stored(server, topic)
    same = kind == "producer" or codec_of(kind) == sent
    for got, raw, base in zip(found, (first, second), (0, 2), strict=True):
        as_sent, = batches.split(raw)
        assert got.crc_is_right() and got.codec == (sent if same else codec_of(kind))
        assert not same or got.raw[16:] == raw[16:]         # behind base offset, length and leader epoch
        assert got.base_offset == base
        assert got._replace(base_offset=0, attributes=0, packed=b"", raw=b"") == as_sent._replace(
            attributes=0, packed=b"", raw=b"")


@pytest.mark.parametrize("sent", ["none", "gzip"])
@pytest.mark.parametrize("kind", TYPES)
def test_the_largest_time_stamp_is_that_of_the_records(server, topic, kind, sent):
    """Whatever the header of the producer's batch claims."""
    admin.create_topic(server, topic, **{"compression.type": kind})
    with Caller(server.kafka) as caller:
        made = batch(b"a", b"b", b"c", timestamp=FIRST_MS, step_ms=10, codec=sent, max_timestamp=FIRST_MS + 999)
        assert batches.produce(caller, topic, made)["log_append_time_ms"] == -1
    got, = batches.stored(server, topic)
    assert (got.base_timestamp, got.max_timestamp, got.is_log_append_time) == (FIRST_MS, FIRST_MS + 20, False)
    assert got.crc_is_right()


@pytest.mark.parametrize("sent", ["none", "gzip"])
@pytest.mark.parametrize("kind", TYPES)
def test_log_append_time(server, topic, kind, sent):
    admin.create_topic(server, topic, **{"compression.type": kind, "message.timestamp.type": "LogAppendTime"})
    with Caller(server.kafka) as caller:
        told = batches.produce(caller, topic, batch(b"a", b"b", timestamp=1000, step_ms=10, codec=sent))
    got, = batches.stored(server, topic)
    assert got.is_log_append_time and got.max_timestamp == told["log_append_time_ms"] > FIRST_MS
    assert got.base_timestamp == 1000 and got.crc_is_right()
    read = next(c for c in KAFKA if c.name == "java").read(server, topic, 2)
    assert [r.timestamp_ms for r in read] == [got.max_timestamp] * 2


def test_the_size_limit_holds_before_and_after(server, rng):
    """A batch too large as it came, one too large once unpacked, one that a codec makes larger."""
    def told(kind, made):
        name = admin.create_topic(server, f"limit-{kind}-{time.monotonic_ns()}",
                                  **{"compression.type": kind, "max.message.bytes": "2000"})
        with Caller(server.kafka) as caller:
            error = batches.produce(caller, name, made)["error_code"]
            assert batches.produce(caller, name, batch(b"small"))["error_code"] == 0
        assert [b.count for b in batches.stored(server, name)] == ([1] if error else [1, 1])
        return error
    zeros, small_zeros = batch(bytes(5000)), batch(bytes(5000), codec="gzip")
    noise = batch(rng.randbytes(1900))
    room = 2000 - len(noise)
    noise = batch(rng.randbytes(1900 + room))
    assert len(noise) == 2000
    assert told("gzip", zeros) == MESSAGE_TOO_LARGE         # although it would fit
    assert told("producer", small_zeros) == 0
    assert told("zstd", small_zeros) == 0
    assert told("uncompressed", small_zeros) == MESSAGE_TOO_LARGE
    assert told("producer", noise) == 0
    assert told("uncompressed", noise) == 0
    for kind in CODECS[1:]:
        assert told(kind, noise) == MESSAGE_TOO_LARGE       # their framing is what does not fit
    assert told("gzip", batch(rng.randbytes(1000), codec="gzip")) == 0


@pytest.mark.parametrize("codec, low, high", [("gzip", "1", "9"), ("lz4", "9", "17"), ("zstd", "-50", "19")])
def test_levels(server, topic, codec, low, high):
    """A higher level makes a smaller batch of the same records; at lz4, 9 means its fast compressor."""
    words = b" ".join(b"%d" % (i * i % 977) for i in range(3000))
    sizes = []
    for level in (low, high):
        name = admin.create_topic(server, f"{topic}-{level}", **{"compression.type": codec,
                                                                 f"compression.{codec}.level": level})
        with Caller(server.kafka) as caller:
            assert batches.produce(caller, name, batch(words))["error_code"] == 0
        got, = batches.stored(server, name)
        assert got.codec == codec
        sizes.append(len(got.packed))
    assert sizes[0] > sizes[1]


def test_frames_are_what_every_client_reads(server):
    """One gzip member; xerial blocks; lz4 without a check sum and with independent blocks; a zstd frame."""
    heads = {"gzip": b"\x1f\x8b\x08", "snappy": b"\x82SNAPPY\0\0\0\0\1\0\0\0\1", "lz4": b"\x04\x22\x4d\x18\x60\x40\x82",
             "zstd": b"\x28\xb5\x2f\xfd"}
    for codec, head in heads.items():
        name = admin.create_topic(server, f"frames-{codec}-{time.monotonic_ns()}", **{"compression.type": codec})
        with Caller(server.kafka) as caller:
            made = batch(b"v" * 1000)
            assert batches.produce(caller, name, made)["error_code"] == 0
        got, = batches.stored(server, name)
        assert got.packed.startswith(head)
        if codec == "gzip":
            assert gzip.decompress(got.packed) == made[61:]


def test_zstd_for_those_who_do_not_speak_it(server, topic):
    """A producer too old for zstd may write to such a topic, uncompressed; what lies there is zstd."""
    admin.create_topic(server, topic, **{"compression.type": "zstd"})
    with Caller(server.kafka) as caller:
        assert batches.produce(caller, topic, batch(b"v" * 100), version=3)["error_code"] == 0
    assert [b.codec for b in batches.stored(server, topic)] == ["zstd"]


def test_a_change_holds_from_then_on(server, topic):
    admin.create_topic(server, topic)
    made = batch(b"v" * 100, codec="gzip")
    with Caller(server.kafka) as caller:
        def newest():
            assert batches.produce(caller, topic, made)["error_code"] == 0
            return batches.stored(server, topic)[-1].codec
        assert newest() == "gzip"
        for kind, codec in [("lz4", "lz4"), ("uncompressed", "none"), ("producer", "gzip")]:
            wanted = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[
                ConfigEntry("compression.type", kind, incremental_operation=AlterConfigOpType.SET)])
            admin.done(admin.client(server).incremental_alter_configs([wanted]))
            deadline = time.monotonic() + 30
            while newest() != codec:            # Apache Kafka's logs hear of it a moment later
                assert server.name == "apache-kafka" and time.monotonic() < deadline
