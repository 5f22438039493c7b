"""Record batches by hand, with faults in them, and the raw requests that carry them."""
import struct
import zlib

from crc32c import crc32c

from . import wire

PRODUCE, FETCH = 0, 1
CORRUPT_MESSAGE, NOT_LEADER, MESSAGE_TOO_LARGE, KAFKA_STORAGE_ERROR, INVALID_RECORD = 2, 6, 10, 56, 87


def record_batch(values=(b"v",), magic=2, attributes=0, crc=None, last_delta=None, count=None, payload=None):
    """One batch of version 2; named arguments put something wrong in it."""
    if payload is None:
        payload = b""
        for i, value in enumerate(values):
            body = b"\x00\x00" + bytes([i << 1]) + b"\x01" + bytes([len(value) << 1]) + value + b"\x00"
            payload += bytes([len(body) << 1]) + body
    last = len(values) - 1 if last_delta is None else last_delta
    now = 1_700_000_000_000
    rest = struct.pack(">hiqqqhii", attributes, last, now, now, -1, -1, -1,
                       len(values) if count is None else count) + payload
    crc = crc32c(rest) if crc is None else crc
    return struct.pack(">qiibI", 0, len(rest) + 9, -1, magic, crc) + rest


def altered(batch, at, form, value):
    """The batch with one field of its header overwritten; the CRC is right again."""
    data = bytearray(batch)
    struct.pack_into(form, data, at, value)
    struct.pack_into(">I", data, 17, crc32c(bytes(data[21:])))
    return bytes(data)


def produce_body(topic, records, acks=-1):
    """Produce versions 3 to 8."""
    return (wire.string(None) + struct.pack(">hii", acks, 5000, 1) + wire.string(topic)
            + struct.pack(">iii", 1, 0, len(records)) + records)


def produce(raw, topic, records, acks=-1, version=3):
    body = raw.call(PRODUCE, version, produce_body(topic, records, acks))
    at = 4 + 2 + len(topic) + 4 + 4
    return struct.unpack_from(">hq", body, at)


def fetch(raw, topic, offset, max_wait_ms=0, min_bytes=1, max_bytes=1 << 20):
    """Fetch version 4: (error, high watermark, record bytes)."""
    answer = (NOT_LEADER,)
    while answer[0] == NOT_LEADER:      # Kafka says so for a moment after the topic was made
        raw.send(wire.request(FETCH, 4, struct.pack(">iiiibi", -1, max_wait_ms, min_bytes, max_bytes, 0, 1)
                              + wire.string(topic) + struct.pack(">iiqi", 1, 0, offset, max_bytes)))
        answer = fetched(raw.receive()[4:], topic)
    return answer


def fetched(body, topic):
    at = 4 + 4 + 2 + len(topic) + 4 + 4
    error, high, _stable, aborted = struct.unpack_from(">hqqi", body, at)
    at += 22 + max(aborted, 0) * 16
    size, = struct.unpack_from(">i", body, at)
    return error, high, body[at + 4:at + 4 + max(size, 0)]


def message_set(magic, value=b"v"):
    """One message of the formats before version 2."""
    body = struct.pack(">bb", magic, 0) + (struct.pack(">q", 1) if magic else b"") + struct.pack(">ii", -1, 1) + value
    message = struct.pack(">I", zlib.crc32(body)) + body
    return struct.pack(">qi", 0, len(message)) + message
