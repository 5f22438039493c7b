"""Record batches as they lie in a partition: what Fetch hands out, headers read, nothing unpacked."""
import struct
import time
from typing import NamedTuple

from . import messages

TIMEOUT_S = 30
CODECS = ("none", "gzip", "snappy", "lz4", "zstd")
NOT_YET = (3, 6)        # what Kafka says for a moment after a topic was made: no such topic, not its leader


class Stored(NamedTuple):
    base_offset: int
    attributes: int
    last_offset_delta: int
    base_timestamp: int
    max_timestamp: int
    producer: tuple             # id, epoch, first sequence
    count: int
    packed: bytes               # the records, in the batch's codec
    raw: bytes

    @property
    def codec(self):
        return CODECS[self.attributes & 7]

    @property
    def is_log_append_time(self):
        return bool(self.attributes & 8)

    def crc_is_right(self):
        return struct.unpack_from(">I", self.raw, 17)[0] == messages.crc32c(self.raw[21:])


def split(data):
    """The whole batches that data begins with."""
    found = []
    while len(data) >= 12:
        size = 12 + struct.unpack_from(">i", data, 8)[0]
        if size > len(data):
            break
        base, = struct.unpack_from(">q", data)
        attributes, last, first_ms, max_ms, pid, epoch, sequence, count = struct.unpack_from(">hiqqqhii", data, 21)
        found.append(Stored(base, attributes, last, first_ms, max_ms, (pid, epoch, sequence), count,
                            data[61:size], data[:size]))
        data = data[size:]
    return found


def stored(server, topic, partition=0):
    """Every batch of a partition, from its first offset on."""
    found, at, end, deadline = [], 0, 1, time.monotonic() + TIMEOUT_S
    with messages.Caller(server.kafka) as caller:
        while at < end:
            answer = caller.call("Fetch", 12, max_wait_ms=100, min_bytes=1, topics=[{"topic": topic, "partitions": [
                {"partition": partition, "fetch_offset": at, "partition_max_bytes": 1 << 20}]}])
            got, = answer["responses"][0]["partitions"]
            if got["error_code"] in NOT_YET and time.monotonic() < deadline:
                continue
            assert got["error_code"] == 0, got["error_code"]
            batches = split(got["records"] or b"")
            end = got["high_watermark"]
            assert batches or at >= end
            found += batches
            at = batches[-1].base_offset + batches[-1].last_offset_delta + 1 if batches else at
    return found


def produce(caller, topic, batch, version=9):
    """One batch to partition 0: its part of the answer."""
    deadline = time.monotonic() + TIMEOUT_S
    while True:
        answer = caller.call("Produce", version, acks=-1, timeout_ms=10_000, topic_data=[
            {"name": topic, "partition_data": [{"index": 0, "records": batch}]}])
        part, = answer["responses"][0]["partition_responses"]
        if part["error_code"] not in NOT_YET or time.monotonic() > deadline:
            return part
