"""What no sane client sends: each ends in the protocol's own error or a closed connection, and the
server goes on serving everyone else."""
import struct

import pytest
from confluent_kafka import TopicPartition
from lib import admin, wire
from lib.bad_batches import (CORRUPT_MESSAGE, FETCH, INVALID_RECORD, PRODUCE, fetch, fetched, message_set, produce,
                       produce_body, record_batch)
from lib.clients import Confluent
from lib.lines import Record

LIST_OFFSETS = 2
UNKNOWN_TOPIC, INVALID_REQUIRED_ACKS, UNSUPPORTED_VERSION = 3, 21, 35
OFFSET_OUT_OF_RANGE = 1


@pytest.fixture(autouse=True)
def still_serving(server):
    with wire.Raw(server.kafka) as bystander:
        bystander.call(wire.API_VERSIONS, 0)
        yield
        bystander.call(wire.API_VERSIONS, 0)
    assert wire.metadata_ready(server.kafka)


def closed_after(server, data):
    with wire.Raw(server.kafka) as raw:
        raw.send(data)
        return raw.closed_by_server()


@pytest.mark.parametrize("size", [-1, -2**31, 2**31 - 1, 200 << 20])
def test_an_impossible_frame_size_closes(server, size):
    assert closed_after(server, struct.pack(">i", size) + bytes(64))


@pytest.mark.parametrize("key, version", [(999, 0), (-1, 0), (4, 0), (3, 99), (3, -1), (0, 2), (1, 3), (2, 0)])
def test_an_unknown_api_or_version_closes(server, key, version):
    assert closed_after(server, wire.request(key, version, bytes(32)))


def test_a_newer_api_versions_is_answered_in_version_0(server):
    with wire.Raw(server.kafka) as raw:
        body = raw.call(wire.API_VERSIONS, 99, b"\x00whatever")
        error, count = struct.unpack_from(">hi", body)
        assert error == UNSUPPORTED_VERSION
        ranges = {struct.unpack_from(">hhh", body, 6 + 6 * i) for i in range(count)}
        assert any(key == wire.API_VERSIONS and low == 0 and high >= 4 for key, low, high in ranges)
        assert struct.unpack_from(">h", raw.call(wire.API_VERSIONS, 0)) == (0,)


def test_api_versions_offers_produce_from_0(server):
    with wire.Raw(server.kafka) as raw:
        body = raw.call(wire.API_VERSIONS, 0)
        count, = struct.unpack_from(">i", body, 2)
        ranges = {key: (low, high) for key, low, high in (struct.unpack_from(">hhh", body, 6 + 6 * i)
                                                          for i in range(count))}
        assert ranges[PRODUCE][0] == 0 and ranges[FETCH][0] == 4


@pytest.mark.parametrize("body", [
    b"",                                            # nothing where an array should be
    struct.pack(">i", 2**31 - 1),                   # more elements than bytes
    struct.pack(">ih", 1, 30_000) + b"short",       # a string beyond the end
    struct.pack(">ih", 1, -5),                      # a negative length that is not null
], ids=["empty", "count", "string", "negative"])
def test_an_unreadable_metadata_request_closes(server, body):
    assert closed_after(server, wire.request(wire.METADATA, 1, body))


def test_half_a_frame_and_a_hang_up(server):
    for cut in (1, 3, 4, 5, 11):
        with wire.Raw(server.kafka) as raw:
            raw.send(wire.request(wire.METADATA, 1, struct.pack(">i", 0))[:cut])


def test_a_frame_byte_by_byte(server):
    with wire.Raw(server.kafka) as raw:
        for byte in wire.request(wire.API_VERSIONS, 0):
            raw.send(bytes([byte]))
        assert struct.unpack_from(">h", raw.receive(), 4) == (0,)


def test_answers_come_in_the_order_of_the_questions(server):
    with wire.Raw(server.kafka) as raw:
        raw.send(b"".join(wire.request(wire.API_VERSIONS if i % 2 else wire.METADATA, 0, b"" if i % 2 else
                                       struct.pack(">i", 0), correlation_id=i) for i in range(200)))
        assert [struct.unpack_from(">i", raw.receive())[0] for _ in range(200)] == list(range(200))


def test_a_whole_batch_made_by_hand(server, topic):
    """The batches below differ from this one by one fault each."""
    admin.create_topic(server, topic)
    with wire.Raw(server.kafka) as raw:
        assert produce(raw, topic, record_batch([b"one", b"two"])) == (0, 0)
        error, high, stored = fetch(raw, topic, 0)
        sent = record_batch([b"one", b"two"])
        assert (error, high) == (0, 2)
        # Byte for byte as sent, apart from base offset and leader epoch.
        assert stored[8:12] == sent[8:12] and stored[16:] == sent[16:]


@pytest.mark.parametrize("batch, errors", [
    (record_batch(crc=1), {CORRUPT_MESSAGE}),
    (record_batch()[:-1], {CORRUPT_MESSAGE, INVALID_RECORD}),
    (record_batch()[:40], {CORRUPT_MESSAGE, INVALID_RECORD}),
    (record_batch([b"a", b"b"], last_delta=5), {INVALID_RECORD}),
    (record_batch([b"a", b"b"], count=3), {INVALID_RECORD}),
    (record_batch(attributes=0x20), {INVALID_RECORD}),                       # a control batch
    (record_batch(attributes=1, payload=b"not gzip at all"), {CORRUPT_MESSAGE, INVALID_RECORD, -1}),
    (record_batch(attributes=4, payload=b"not zstd at all"), {CORRUPT_MESSAGE, INVALID_RECORD, 76, -1}),
    (record_batch(payload=b"\x7f\x00\x00\x00"), {INVALID_RECORD, CORRUPT_MESSAGE}),
], ids=["crc", "cut", "header", "delta", "count", "control", "gzip", "zstd", "record"])
def test_a_bad_batch_is_refused_and_leaves_no_trace(server, topic, batch, errors):
    admin.create_topic(server, topic)
    with wire.Raw(server.kafka) as raw:
        error, _ = produce(raw, topic, batch)
        assert error in errors
        assert fetch(raw, topic, 0) == (0, 0, b"")


@pytest.mark.parametrize("magic", [0, 1])
def test_old_message_sets_are_refused(server, topic, magic):
    """Produce 3 and later carry version 2 alone: what Kafka answers for each."""
    admin.create_topic(server, topic)
    with wire.Raw(server.kafka) as raw:
        raw.send(wire.request(PRODUCE, 3, produce_body(topic, message_set(magic))))
        answer = raw.receive()[4:]
        error, _ = struct.unpack_from(">hq", answer, 4 + 2 + len(topic) + 4 + 4)
        assert error == INVALID_RECORD
        assert fetch(raw, topic, 0) == (0, 0, b"")


def test_acks_that_do_not_exist(server, topic):
    admin.create_topic(server, topic)
    with wire.Raw(server.kafka) as raw:
        assert produce(raw, topic, record_batch(), acks=2)[0] == INVALID_REQUIRED_ACKS


def test_acks_0_has_no_answer(server, topic):
    admin.create_topic(server, topic)
    with wire.Raw(server.kafka) as raw:
        raw.send(wire.request(PRODUCE, 3, produce_body(topic, record_batch([b"quiet"]), acks=0), correlation_id=7))
        raw.send(wire.request(wire.API_VERSIONS, 0, correlation_id=8))
        assert struct.unpack_from(">i", raw.receive()) == (8,)
        assert fetch(raw, topic, 0)[1] == 1


def test_acks_0_with_an_error_closes(server):
    assert closed_after(server, wire.request(PRODUCE, 3, produce_body("nowhere/at/all", record_batch(), acks=0)))


def test_unknown_topics_and_offsets(server, topic):
    with wire.Raw(server.kafka) as raw:
        assert fetch(raw, "no-such-topic", 0)[0] == UNKNOWN_TOPIC
        admin.create_topic(server, topic)
        assert fetch(raw, topic, 1)[0] == OFFSET_OUT_OF_RANGE
        assert fetch(raw, topic, -5)[0] == OFFSET_OUT_OF_RANGE


def test_the_first_batch_comes_whole_beyond_every_limit(server, topic):
    admin.create_topic(server, topic)
    with wire.Raw(server.kafka) as raw:
        batch = record_batch([b"x" * 50])
        produce(raw, topic, batch)
        produce(raw, topic, batch)
        assert len(fetch(raw, topic, 0, max_bytes=1)[2]) == len(batch)
        assert len(fetch(raw, topic, 0, max_bytes=1 << 20)[2]) == 2 * len(batch)


def test_an_offset_inside_a_batch_gets_the_whole_batch(server, topic):
    admin.create_topic(server, topic)
    with wire.Raw(server.kafka) as raw:
        batch = record_batch([b"a", b"b", b"c"])
        produce(raw, topic, batch)
        assert len(fetch(raw, topic, 2)[2]) == len(batch)


def test_min_bytes_and_max_wait(server, topic):
    """Nothing comes before enough bytes are there; what is there comes when the wait is over."""
    admin.create_topic(server, topic)
    batch = record_batch([b"x" * 20])
    with wire.Raw(server.kafka, 60) as reader, wire.Raw(server.kafka) as writer:
        produce(writer, topic, batch)
        assert len(fetch(reader, topic, 0, max_wait_ms=300, min_bytes=100_000)[2]) == len(batch)
        reader.send(wire.request(FETCH, 4, struct.pack(">iiiibi", -1, 50_000, 2 * len(batch), 1 << 20, 0, 1)
                                 + wire.string(topic) + struct.pack(">iiqi", 1, 0, 0, 1 << 20)))
        produce(writer, topic, batch)
        assert len(fetched(reader.receive()[4:], topic)[2]) == 2 * len(batch)


def test_a_slow_reader_harms_nobody(server, topic):
    """Answers that nobody takes are held back; another connection is served meanwhile."""
    admin.create_topic(server, topic)
    Confluent().write(server, topic, [Record(None, bytes(500_000), partition=0) for _ in range(20)])
    ask = wire.request(FETCH, 4, struct.pack(">iiiibi", -1, 0, 1, 50 << 20, 0, 1) + wire.string(topic)
                       + struct.pack(">iiqi", 1, 0, 0, 50 << 20))
    slow = [wire.Raw(server.kafka) for _ in range(10)]
    for raw in slow:
        raw.send(ask * 20)
    assert len(Confluent().read(server, topic, 20)) == 20
    for raw in slow:
        raw.socket.close()
    assert admin.client(server).list_topics(topic, 30).topics[topic].error is None


def test_many_idle_connections(server):
    idle = [wire.Raw(server.kafka) for _ in range(500)]
    assert wire.metadata_ready(server.kafka)
    assert struct.unpack_from(">h", idle[-1].call(wire.API_VERSIONS, 0)) == (0,)
    for raw in idle:
        raw.socket.close()


def test_garbage(server, rng):
    for _ in range(200):
        data = rng.randbytes(rng.randint(1, 300))
        try:
            with wire.Raw(server.kafka) as raw:
                raw.send(data)
        except OSError:
            pass                            # closed while we wrote


def test_mutated_requests(server, topic, rng):
    """Whole requests with a few bytes changed: an answer, or a closed connection, never silence for others."""
    admin.create_topic(server, topic)
    seeds = [wire.request(PRODUCE, 3, produce_body(topic, record_batch([b"a", b"b"]), acks=1)),
             wire.request(wire.METADATA, 1, struct.pack(">i", 1) + wire.string(topic)),
             wire.request(LIST_OFFSETS, 1, struct.pack(">ii", -1, 1) + wire.string(topic)
                          + struct.pack(">iiq", 1, 0, -1))]
    for _ in range(300):
        data = bytearray(rng.choice(seeds))
        for _ in range(rng.randint(1, 4)):
            data[rng.randrange(4, len(data))] = rng.randrange(256)
        try:
            with wire.Raw(server.kafka, 1) as raw:
                raw.send(bytes(data))
                raw.receive()
        except (OSError, struct.error):
            pass
    assert Confluent().write(server, topic, [Record(None, b"after", partition=0)])
    where = TopicPartition(topic, 0, -1)
    assert admin.done(admin.client(server).delete_records([where]))
