"""Hostile inputs of hostile.py that are many: each thing is small and legal, and they come at once."""
import gzip
import json
import selectors
import socket
import ssl
import time

from hostile_inputs import (MIB, Line, again, attack, kafka_call, kinesis, make_stream, make_topic, produce, request,
                            zigzag)
from lib import bad
from lib.bad_batches import record_batch

BLOB_BYTES = 1 << 18


def flood(address, connections, blob):
    """Sends the blob again and again on each connection, as fast as it is taken, and reads what comes."""
    many = blob * max(1, BLOB_BYTES // len(blob))

    def run(until):
        ready, left, sent = selectors.DefaultSelector(), {}, 0
        host, port = address.rsplit(":", 1)
        for _ in range(connections):
            end = socket.create_connection((host, int(port)))
            end.setblocking(False)
            ready.register(end, selectors.EVENT_READ | selectors.EVENT_WRITE)
            left[end] = memoryview(many)
        while time.monotonic() < until and left:
            for key, events in ready.select(0.1):
                end = key.fileobj
                try:
                    if events & selectors.EVENT_READ and not end.recv(MIB):
                        raise ConnectionError
                    if events & selectors.EVENT_WRITE:
                        done = end.send(left[end][:65536])
                        sent += done
                        left[end] = left[end][done:] or memoryview(many)
                except BlockingIOError:
                    pass
                except OSError:
                    ready.unregister(end)
                    left.pop(end)
                    end.close()
        for end in left:
            end.close()
        return sent
    return run


@attack("one connection pipelines FindCoordinator and reads the answers")
def pipelined_small(server, state):
    return flood(server.kafka, 1, request("FindCoordinator", 0, key="g"))


@attack("four connections pipeline Fetch of one partition, without waiting, and read the answers")
def pipelined_fetch(server, state):
    make_topic(server, "small")
    return flood(server.kafka, 4, request("Fetch", 4, max_wait_ms=0, min_bytes=0, topics=[
        {"topic": "small", "partitions": [{"partition": 0, "fetch_offset": 0, "partition_max_bytes": 1}]}]))


@attack("four connections pipeline Produce of 2 KB of gzip that unpack to 2 MB")
def pipelined_gzip(server, state):
    make_topic(server, "packed")
    body = b"\0\0\0\x01" + zigzag(2_000_000) + bytes(2_000_000) + b"\0"
    batch = record_batch(payload=gzip.compress(zigzag(len(body)) + body, 9), attributes=1, count=1, last_delta=0)
    return flood(server.kafka, 4, produce("packed", [(0, batch)]))


def many_closed_shards(server):
    make_stream(server, "shards", 1)
    for target in (2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 10_000, 5_000, 10_000, 5_000):
        kinesis(server, "UpdateShardCount", {"StreamName": "shards", "TargetShardCount": target,
                                             "ScalingType": "UNIFORM_SCALING"})
    return json.dumps({"StreamName": "shards", "MaxResults": 1, "ShardFilter": {
        "Type": "AT_TIMESTAMP", "Timestamp": time.time() - 1}}).encode()


class Streams:
    """An HTTP/2 connection with room for all answers, on which many requests go out at once."""

    def __init__(self, address, operation):
        host, port = address.rsplit(":", 1)
        self.socket, self.operation, self.stream, self.sent, self.rest = (
            socket.create_connection((host, int(port)), 20), operation, 1, 0, b"")
        window = (2**31 - 1).to_bytes(4, "big")
        self._send(bad.PREFACE + bad.frame(bad.SETTINGS, payload=b"\0\4" + window)
                   + bad.frame(bad.WINDOW, payload=(2**31 - 1 - 65535).to_bytes(4, "big")))

    def _send(self, data):
        self.socket.sendall(data)
        self.sent += len(data)

    def ask(self, body, count):
        self._send(b"".join(bad.frame(bad.HEADERS, bad.END_HEADERS, s, bad.h2_head(self.operation, len(body)))
                            + bad.frame(bad.DATA, bad.END_STREAM, s, body)
                            for s in range(self.stream, self.stream + 2 * count, 2)))
        self.stream += 2 * count

    def answers(self, count):
        while count:
            while len(self.rest) < 9 or len(self.rest) < 9 + int.from_bytes(self.rest[:3], "big"):
                part = self.socket.recv(MIB)
                if not part:
                    raise ConnectionError
                self.rest += part
            size, kind, flags = int.from_bytes(self.rest[:3], "big"), self.rest[3], self.rest[4]
            self.rest = self.rest[9 + size:]
            count -= kind == bad.RST or (kind in (bad.DATA, bad.HEADERS) and bool(flags & bad.END_STREAM))


@attack("100 streams of one HTTP/2 connection ask ListShards of a stream with 60,000 closed shards, again and again")
def list_shards_streams(server, state):
    body = many_closed_shards(server)

    def run(until):
        line = Streams(server.kinesis, "ListShards")
        try:
            while time.monotonic() < until:
                line.ask(body, 100)
                line.answers(100)
        except OSError:
            pass
        line.socket.close()
        return line.sent
    return run


@attack("100 connections ask ListShards of a stream with 1,000 shards, each again when it is answered")
def list_shards_crowd(server, state):
    make_stream(server, "wide", 1_000)
    blob = bad.kinesis_request("ListShards", {"StreamName": "wide"})
    return again([(Line(server.kinesis), blob) for _ in range(100)], Line.http)


@attack("300 TLS hellos at once, again and again")
def tls_hellos(server, state):
    out = ssl.MemoryBIO()
    try:
        ssl._create_unverified_context().wrap_bio(ssl.MemoryBIO(), out).do_handshake()
    except ssl.SSLWantReadError:
        pass
    hello = out.read()

    def run(until):
        sent = 0
        while time.monotonic() < until:
            lines = [Line(server.kafka) for _ in range(300)]
            for line in lines:
                line.send(hello, until)
            for line in lines:
                line.answer(max(0.01, until - time.monotonic()))
                sent += line.sent
                line.close()
        return sent
    return run


@attack("a topic of 10,000 partitions is made and deleted, again and again")
def create_delete_10k(server, state):
    def run(until):
        times = 0
        while time.monotonic() < until:
            make_topic(server, f"broad-{times}", 10_000)
            kafka_call(server, "DeleteTopics", 3, topic_names=[f"broad-{times}"], timeout_ms=30_000)
            times += 1
        return 150 * times
    return run
