"""Bad input at the Kafka door: the protocol's own error or a closed connection, its counter, and nothing else."""
import struct
import zlib

import cramjam
import lz4.frame
import pytest
import zstandard
from confluent_kafka import KafkaError, Producer
from lib import admin, bad, wire
from lib.bad import UNDECODABLE, closed, kafka_error, unharmed
from lib.bad_fixtures import bystanders, nothing_stored, tough  # noqa: F401
from lib.bad_batches import (CORRUPT_MESSAGE, INVALID_RECORD, MESSAGE_TOO_LARGE, PRODUCE, message_set, produce,
                             produce_body,
                       record_batch)

pytestmark = pytest.mark.usefixtures("nothing_stored")
FRAME_MAX = 100 << 20
ABORTED = {UNDECODABLE: 1, closed("kafka", "aborted"): 1}
TOPIC = "stored"


def ends(server, data):
    with wire.Raw(server.kafka) as raw:
        raw.send(data)
        assert raw.closed_by_server()


@pytest.mark.parametrize("size", [-1, -2**31, 2**31 - 1, FRAME_MAX + 1])
def test_a_frame_of_an_impossible_size(tough, bystanders, size):
    with unharmed(tough, bystanders, {closed("kafka", "too_large"): 1}):
        ends(tough, struct.pack(">i", size) + bytes(64))


METADATA_1 = {"nothing": b"", "count": struct.pack(">i", 2**31 - 1),
              "count-of-strings": struct.pack(">i", 1000) + bytes(8),
              "string": struct.pack(">ih", 1, 30_000) + b"short", "negative": struct.pack(">ih", 1, -5)}


@pytest.mark.parametrize("body", METADATA_1.values(), ids=METADATA_1)
def test_lengths_and_counts_beyond_the_bytes_left(tough, bystanders, body):
    with unharmed(tough, bystanders, ABORTED):
        ends(tough, wire.request(wire.METADATA, 1, body))


def test_a_count_of_records_beyond_the_bytes_left(tough, bystanders):
    """In the request: the records' own length."""
    body = bytearray(produce_body(TOPIC, record_batch()))
    struct.pack_into(">i", body, len(body) - len(record_batch()) - 4, 2**31 - 1)
    with unharmed(tough, bystanders, ABORTED):
        ends(tough, wire.request(PRODUCE, 3, bytes(body)))


@pytest.mark.parametrize("key, version", [(999, 0), (-1, 0), (4, 0), (3, 99), (3, -1), (0, 2), (1, 3)])
def test_an_unknown_api_and_a_version_out_of_range(tough, bystanders, key, version):
    with unharmed(tough, bystanders, ABORTED):
        ends(tough, wire.request(key, version, bytes(32)))


def test_a_version_of_api_versions_that_is_too_new_is_told_what_is_known(tough, bystanders):
    told = {kafka_error("UNSUPPORTED_VERSION", "ApiVersions"): 1, closed("kafka", "peer"): 1}
    with unharmed(tough, bystanders, told), wire.Raw(tough.kafka) as raw:
        assert struct.unpack_from(">h", raw.call(wire.API_VERSIONS, 99, b"\x00what")) == (35,)


def test_a_header_with_a_client_id_beyond_the_frame(tough, bystanders):
    with unharmed(tough, bystanders, ABORTED):
        ends(tough, struct.pack(">ihhih", 14, 18, 0, 1, 500) + bytes(4))


def test_a_truncated_frame_and_a_hang_up(tough, bystanders):
    whole = wire.request(PRODUCE, 3, produce_body(TOPIC, record_batch()))
    cuts = (1, 3, 4, 5, 11, 60, len(whole) - 1)
    with unharmed(tough, bystanders, {closed("kafka", "truncated"): len(cuts)}):
        for cut in cuts:
            with wire.Raw(tough.kafka) as raw:
                raw.send(whole[:cut])


def test_a_truncated_frame_and_silence(tough, bystanders):
    with unharmed(tough, bystanders, {closed("kafka", "read_stall"): 2}):
        raws = [wire.Raw(tough.kafka) for _ in range(2)]
        raws[0].send(wire.request(wire.METADATA, 1, struct.pack(">i", 0))[:9])
        raws[1].send(struct.pack(">i", FRAME_MAX))          # room for it is promised, none is used
        for raw in raws:
            assert raw.closed_by_server()
            raw.socket.close()


def gzip(data):
    made = zlib.compressobj(wbits=31)
    return made.compress(data) + made.flush()


CODECS = {"gzip": (1, gzip), "snappy": (2, lambda data: bytes(cramjam.snappy.compress_raw(data))),
          "lz4": (3, lambda data: lz4.frame.compress(data, block_linked=False)),
          "zstd": (4, lambda data: zstandard.ZstdCompressor().compress(data))}
RECORDS = b"".join(bytes([10 << 1, 0, 0, i << 1, 1, 4 << 1]) + b"abcd" + b"\x00" for i in range(20))


def compressed(codec, harm):
    attributes, pack = CODECS[codec]
    return record_batch([b""] * 20, attributes=attributes, payload=harm(pack(RECORDS)))


@pytest.mark.parametrize("codec", CODECS)
def test_a_compressed_batch_made_by_hand(tough, topic, codec):
    """Those below differ from this one by one fault each."""
    admin.create_topic(tough, topic)
    with wire.Raw(tough.kafka) as raw:
        assert produce(raw, topic, compressed(codec, bytes), version=7) == (0, 0)


HARM = {"cut": lambda b: b[:-3], "garbage": lambda b: b"\xff" * len(b), "empty": lambda b: b"",
        "flipped": lambda b: b[:len(b) // 2] + bytes([b[len(b) // 2] ^ 0xff]) + b[len(b) // 2 + 1:]}


@pytest.mark.parametrize("harm", HARM)
@pytest.mark.parametrize("codec", CODECS)
def test_a_corrupt_compressed_batch(tough, bystanders, codec, harm):
    with unharmed(tough, bystanders, {kafka_error("INVALID_RECORD"): 1, closed("kafka", "peer"): 1}):
        with wire.Raw(tough.kafka) as raw:
            assert produce(raw, TOPIC, compressed(codec, HARM[harm]), version=7)[0] == INVALID_RECORD


@pytest.mark.measures
def test_a_batch_that_unpacks_to_far_too_much(tough, bystanders):
    bomb = record_batch([b""], attributes=1, payload=gzip(bytes(150 << 20)))
    assert len(bomb) < 1 << 20
    before = bad.rss_mib(tough)
    with unharmed(tough, bystanders, {kafka_error("MESSAGE_TOO_LARGE"): 2, closed("kafka", "peer"): 2}):
        for _ in range(2):
            with wire.Raw(tough.kafka) as raw:
                assert produce(raw, TOPIC, bomb)[0] == MESSAGE_TOO_LARGE
    assert bad.rss_mib(tough) - before < 64                 # what one request unpacks to is given back


FAULTS = {
    "crc": (record_batch(crc=1), CORRUPT_MESSAGE), "cut": (record_batch()[:-1], INVALID_RECORD),
    "header": (record_batch()[:40], INVALID_RECORD),
    "last-delta": (record_batch([b"a", b"b"], last_delta=5), INVALID_RECORD),
    "count": (record_batch([b"a", b"b"], count=2**31 - 1, last_delta=2**31 - 2), INVALID_RECORD),
    "negative": (record_batch(count=-1), INVALID_RECORD), "control": (record_batch(attributes=0x20), INVALID_RECORD),
    "record": (record_batch(payload=b"\x7f\x00\x00\x00"), INVALID_RECORD), "v0": (message_set(0), INVALID_RECORD),
    "v1": (message_set(1), INVALID_RECORD), "v3": (record_batch(magic=3), CORRUPT_MESSAGE),
}
NAMES = {CORRUPT_MESSAGE: "CORRUPT_MESSAGE", INVALID_RECORD: "INVALID_RECORD"}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_bad_batch(tough, bystanders, fault):
    batch, error = FAULTS[fault]
    with unharmed(tough, bystanders, {kafka_error(NAMES[error]): 1, closed("kafka", "peer"): 1}):
        with wire.Raw(tough.kafka) as raw:
            assert produce(raw, TOPIC, batch)[0] == error


def test_a_batch_beyond_the_topics_limit_by_a_real_client(tough, bystanders):
    told = []
    producer = Producer({"bootstrap.servers": tough.kafka, "message.max.bytes": 4 << 20, "retries": 0})
    producer.list_topics(TOPIC, 10)
    with unharmed(tough, bystanders, {kafka_error("MESSAGE_TOO_LARGE"): 1}):
        producer.produce(TOPIC, bytes(2 << 20), on_delivery=lambda error, _: told.append(error))
        producer.flush(10)
        assert [error.code() for error in told] == [KafkaError.MSG_SIZE_TOO_LARGE]


REPEATED = {
    "size": (struct.pack(">i", -1), {closed("kafka", "too_large"): 1}),
    "unknown": (wire.request(999, 0), ABORTED),
    "count": (wire.request(wire.METADATA, 1, struct.pack(">i", 2**31 - 1)), ABORTED),
    "crc": (wire.request(PRODUCE, 3, produce_body(TOPIC, record_batch(crc=1))),
            {kafka_error("CORRUPT_MESSAGE"): 1, closed("kafka", "peer"): 1}),
    "zstd": (wire.request(PRODUCE, 7, produce_body(TOPIC, compressed("zstd", HARM["garbage"]))),
             {kafka_error("INVALID_RECORD"): 1, closed("kafka", "peer"): 1}),
}


@pytest.mark.measures
@pytest.mark.parametrize("case", REPEATED)
def test_many_times_over_nothing_piles_up(tough, bystanders, case):
    data, counted = REPEATED[case]
    answered = closed("kafka", "peer") in counted

    def times(count):
        for _ in range(count):
            with wire.Raw(tough.kafka) as raw:
                raw.send(data)
                assert raw.receive() if answered else raw.closed_by_server()
    bad.many_times(tough, bystanders, times, counted)
