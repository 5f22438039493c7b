"""SIGTERM in the middle of pipelined loads: what was sent whole before is answered whole or the connection closes
without half an answer, what was acknowledged is stored, and the exit status is 0."""
import contextlib
import signal
import socket
import struct
import threading
import time

import pytest
from lib import admin, bad, bad_batches, sanitizer, wire
from lib.bad import Http, Http2, frame
from lib.bad_batches import PRODUCE, fetch, produce_body, record_batch
from lib.kinesis import KINESIS

CONNECTIONS, AHEAD = 4, 400
kinesis = KINESIS[0]


class Pipeline(threading.Thread):
    """Sends many requests ahead, reads answers until the end, and fails on half of one."""

    def __init__(self, server, number):
        super().__init__()
        self.server, self.number, self.acked, self.failure = server, number, [], None
        self.first = 0                      # offset of the first record
        self.started = threading.Event()    # it is connected, or failed to

    def run(self):
        try:
            self.load()
        except Exception as failure:        # noqa: BLE001 - shown by the test
            self.failure = failure
        self.started.set()


class KafkaPipeline(Pipeline):
    def load(self):
        topic = f"stop-{self.number}"
        raw = wire.Raw(self.server.kafka)
        asked = b"".join(wire.request(PRODUCE, 3, produce_body(topic, record_batch([b"%d" % i])), correlation_id=i)
                         for i in range(AHEAD))
        sender = threading.Thread(target=self._send, args=(raw, asked), daemon=True)
        sender.start()
        left = b""
        self.started.set()
        while True:
            try:
                part = raw.socket.recv(1 << 16)
            except ConnectionResetError:
                part = b""
            if not part:
                break
            left += part
            while len(left) >= 4 and len(left) >= 4 + struct.unpack(">i", left[:4])[0]:
                size, = struct.unpack(">i", left[:4])
                answer, left = left[4:4 + size], left[4 + size:]
                correlation, = struct.unpack_from(">i", answer)
                error, offset = struct.unpack_from(">hq", answer, 4 + 4 + 2 + len(topic) + 4 + 4)
                assert correlation == len(self.acked), "out of order"
                assert error == 0 and offset == self.first + len(self.acked)
                self.acked.append(offset)
        assert not left, f"{len(left)} bytes of half an answer"
        raw.socket.close()

    @staticmethod
    def _send(raw, asked):
        with contextlib.suppress(OSError):
            raw.send(asked)


class HttpPipeline(Pipeline):
    def load(self):
        http = Http(self.server.kinesis)
        asked = bad.kinesis_request("PutRecord", {"StreamName": f"stop-{self.number}", "Data": "YQ==",
                                                  "PartitionKey": "k"})
        self.started.set()
        try:
            http.send(asked * AHEAD)
            while True:
                status, _, body = http.answer()
                assert status == 200 and b"SequenceNumber" in body
                self.acked.append(len(self.acked))
        except (ConnectionError, OSError):
            assert not http.left, f"half an answer: {http.left[:80]}"
        http.socket.close()


class Http2Pipeline(Pipeline):
    def load(self):
        http = Http2(self.server.kinesis)
        self.started.set()
        heads = set()
        try:
            for stream in range(1, 200, 2):
                http.ask(stream, "PutRecord", {"StreamName": f"stop-{self.number}", "Data": "YQ==",
                                               "PartitionKey": "k"})
            while True:
                kind, flags, stream, payload = http.next()
                if kind == bad.HEADERS:
                    heads.add(stream)
                if flags & bad.END_STREAM and kind in (bad.HEADERS, bad.DATA):
                    heads.discard(stream)
                    self.acked.append(stream)
        except (ConnectionError, OSError):
            assert not heads and not http.left, "half an answer"
        http.socket.close()


@pytest.mark.parametrize("wait_ms", [0, 2, 10, 40])
def test_stop_in_the_middle(start_server, wait_ms):
    kinds = [KafkaPipeline, HttpPipeline, Http2Pipeline]
    with start_server("--limits", "off") as server:
        loads = [kind(server, i * CONNECTIONS + k) for i, kind in enumerate(kinds) for k in range(CONNECTIONS)]
        for load in loads:
            admin.create_topic(server, f"stop-{load.number}")
        idle = bad.Bystanders(server)
        for load in loads:
            load.start()
        for load in loads:
            assert load.started.wait(10)
        time.sleep(wait_ms / 1000)
        started = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(20) == 0
        assert time.monotonic() - started < 10          # below the grace: nothing had to be cut off
        for load in loads:
            load.join(10)
            assert load.failure is None, load.failure
        idle.close()
        code, told = server.check()
        assert code == 0, told
        server.start()
        for load in loads:
            with wire.Raw(server.kafka) as raw:
                _, high, _ = fetch(raw, f"stop-{load.number}", 0)
            assert high >= len(load.acked), f"{len(load.acked)} acknowledged, {high} stored"
        assert server.stop() == 0


JOIN_GROUP, SYNC_GROUP = 11, 14
STOP_S, SANITIZED_TIMES = 1.0, 5        # which look through all memory for leaks at the end


def join_request(group, member=""):
    """v1: sessions and rebalances of five minutes."""
    return (wire.string(group) + struct.pack(">ii", 300_000, 300_000) + wire.string(member) + wire.string("consumer")
            + struct.pack(">i", 1) + wire.string("range") + struct.pack(">i", 0))


def joined(answer):
    """(generation, own member id)"""
    error, generation = struct.unpack_from(">hi", answer)
    assert error == 0
    at = 6
    texts = []
    for _ in range(3):                                      # protocol, leader, member
        size, = struct.unpack_from(">h", answer, at)
        texts.append(answer[at + 2:at + 2 + size].decode())
        at += 2 + size
    return generation, texts[2]


def waiting_fetch(server):
    raw = wire.Raw(server.kafka)
    raw.send(wire.request(bad_batches.FETCH, 4, struct.pack(">iiiibi", -1, 600_000, 1, 1 << 20, 0, 1)
                          + wire.string("quiet") + struct.pack(">iiqi", 1, 0, 0, 1 << 20)))

    def after():
        error, high, data = bad_batches.fetched(raw.receive()[4:], "quiet")
        assert (error, high, data) == (0, 0, b""), "answered with what there is"
        assert raw.closed_by_server()
    return after


def waiting_join(server):
    """The group has a member that does not come back."""
    first, second = wire.Raw(server.kafka), wire.Raw(server.kafka)
    joined(first.call(JOIN_GROUP, 1, join_request("g")))
    second.send(wire.request(JOIN_GROUP, 1, join_request("g")))
    return lambda: first.closed_by_server() and second.closed_by_server()


def waiting_sync(server):
    """The leader does not tell what it assigns."""
    leader, follower = wire.Raw(server.kafka), wire.Raw(server.kafka)
    _, leader_id = joined(leader.call(JOIN_GROUP, 1, join_request("s")))
    follower.send(wire.request(JOIN_GROUP, 1, join_request("s")))
    time.sleep(0.2)
    joined(leader.call(JOIN_GROUP, 1, join_request("s", leader_id)))
    generation, member = joined(follower.receive()[4:])
    follower.send(wire.request(SYNC_GROUP, 0, wire.string("s") + struct.pack(">i", generation)
                               + wire.string(member) + struct.pack(">i", 0)))
    return lambda: leader.closed_by_server() and follower.closed_by_server()


def subscribe(server):
    arn = kinesis.call(server, "DescribeStreamSummary", StreamName="quiet")["StreamDescriptionSummary"]["StreamARN"]
    consumer = kinesis.call(server, "RegisterStreamConsumer", StreamARN=arn,
                            ConsumerName="c")["Consumer"]["ConsumerARN"]
    return {"ConsumerARN": consumer, "ShardId": "shardId-000000000000", "StartingPosition": {"Type": "LATEST"}}


def subscription(server):
    """Its end is told as such: the last chunk."""
    http = Http(server.kinesis)
    http.send(bad.kinesis_request("SubscribeToShard", subscribe(server)))

    def after():
        got = http.left
        while part := http.socket.recv(1 << 16):
            got += part
        assert got.startswith(b"HTTP/1.1 200") and got.endswith(b"\r\n0\r\n\r\n")
    return after


def subscription_over_http2(server):
    http = Http2(server.kinesis)
    http.ask(1, "SubscribeToShard", subscribe(server))

    def after():
        while True:
            kind, flags, stream, _ = http.next()
            assert kind != bad.RST
            if kind == bad.DATA and flags & bad.END_STREAM:
                break
        assert stream == 1 and http.goaway() in (0, None)
    return after


def half(door, data):
    def ask(server):
        http = Http(getattr(server, door))
        http.send(data)
        return http.ended
    return ask


def half_of_an_http2_body(server):
    http = Http2(server.kinesis)
    http.send(frame(bad.HEADERS, bad.END_HEADERS, 1, bad.h2_head("PutRecord", 100)) + frame(bad.DATA, 0, 1, b"{"))

    def after():
        kind, _, _, payload = http.until(bad.RST)
        assert kind == bad.RST and struct.unpack(">I", payload) == (7,), "REFUSED_STREAM"
    return after


def unread(server):
    """Answers that nobody takes, until the server reads no more."""
    raw = wire.Raw(server.kafka)
    raw.socket.settimeout(1)
    metadata = wire.request(wire.METADATA, 1, struct.pack(">i", -1))
    with contextlib.suppress(OSError):
        for _ in range(20_000):
            raw.send(metadata * 100)
    return lambda: raw.socket.close()


HEAD = b"POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100\r\n"
WAITERS = {
    "fetch": waiting_fetch,
    "join": waiting_join,
    "sync": waiting_sync,
    "subscription": subscription,
    "subscription over HTTP/2": subscription_over_http2,
    "half a frame": half("kafka", struct.pack(">i", 1000) + b"half"),
    "half a size": half("kafka", b"\0\0"),
    "half a head": half("kinesis", HEAD),
    "half a body": half("kinesis", HEAD + b"\r\nhalf"),
    "half a chunk": half("kinesis", b"POST / HTTP/1.1\r\nhost: localhost\r\n"
                         b"transfer-encoding: chunked\r\n\r\n9\r\nhal"),
    "half a head of the admin door": half("admin", b"GET /metrics HTTP/1.1\r\nhost: lo"),
    "half a body over HTTP/2": half_of_an_http2_body,
    "half a TLS handshake": half("kafka", b"\x16\x03\x01\x02\x00\x01"),
    "unread answers": unread,
}


@pytest.mark.parametrize("waiter", WAITERS)
def test_a_stop_does_not_wait_for_who_waits(start_server, waiter):
    with start_server() as server:
        admin.create_topic(server, "quiet")
        after = WAITERS[waiter](server)
        time.sleep(0.5)                                     # it waits by then
        started = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(20) == 0
        took = time.monotonic() - started
        assert took <= STOP_S * (SANITIZED_TIMES if sanitizer.in_use() else 1), f"{took:.2f} s"
        after()


def test_not_ready_while_it_stops(start_server):
    """Answers that nobody takes hold the stop up, for less than a second: on a machine that is too busy to ask
    meanwhile it is tried again."""
    for _ in range(10):
        with start_server() as server:
            after = unread(server)
            assert server.readiness() == 200
            server.process.send_signal(signal.SIGTERM)
            told = []
            while (found := server.readiness()) is not None:
                told.append(found)
            assert server.process.wait(20) == 0
            after()
        while told and told[0] == 200:                      # asked before the signal was taken
            del told[0]
        assert set(told) <= {503}, told
        if told:
            return
    pytest.fail("/readyz was not to be asked during a stop")


@pytest.mark.full
@pytest.mark.timeout(3600)
def test_a_thousand_stops_under_load_lose_nothing(start_server, rng):
    """Each at a random moment; what was acknowledged until then is there after the next start."""
    with start_server("--limits", "off") as server:
        acked = {}
        for _ in range(1000):
            loads = [kind(server, i) for i, kind in enumerate([KafkaPipeline, HttpPipeline, Http2Pipeline])]
            for load in loads:
                load.first = acked.get(load.number)
                if load.first is None:
                    admin.create_topic(server, f"stop-{load.number}")
                    acked[load.number] = load.first = 0
                load.start()
            for load in loads:
                assert load.started.wait(10)
            time.sleep(rng.random() / 20)
            server.process.send_signal(signal.SIGTERM)
            assert server.process.wait(20) == 0
            for load in loads:
                load.join(10)
                assert load.failure is None, load.failure
            server.kafka = server.kinesis = server.admin = None     # others may have taken the ports
            server.start()
            for load in loads:
                with wire.Raw(server.kafka) as raw:
                    _, high, _ = fetch(raw, f"stop-{load.number}", 0)
                least = acked[load.number] + len(load.acked)
                assert high >= least, f"{least} acknowledged, {high} stored"
                acked[load.number] = high
        assert server.stop() == 0


def test_a_second_signal_does_not_wait(start_server):
    """A subscriber may hold the grace open; whoever cannot wait says so twice."""
    with start_server() as server:
        server.process.send_signal(signal.SIGTERM)
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(5) in (0, -signal.SIGTERM)
