"""SIGTERM in the middle of pipelined loads: what was sent whole before is answered whole or the connection closes
without half an answer, what was acknowledged is stored, and the exit status is 0."""
import contextlib
import signal
import socket
import struct
import threading
import time
import urllib.error
import urllib.request

import pytest
from lib import admin, bad, wire
from lib.bad import Http, Http2
from lib.bad_batches import PRODUCE, fetch, produce_body, record_batch

CONNECTIONS, AHEAD = 4, 400


class Pipeline(threading.Thread):
    """Sends many requests ahead, reads answers until the end, and fails on half of one."""

    def __init__(self, server, number):
        super().__init__()
        self.server, self.number, self.acked, self.failure = server, number, [], None
        self.started = threading.Event()

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
                assert error == 0 and offset == len(self.acked)
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
        http.send(asked * AHEAD)
        self.started.set()
        try:
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
        for stream in range(1, 200, 2):
            http.ask(stream, "PutRecord", {"StreamName": f"stop-{self.number}", "Data": "YQ==", "PartitionKey": "k"})
        self.started.set()
        heads = set()
        try:
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
            load.started.wait(10)
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


def test_all_doors_close_at_once(start_server):
    """While one door waits for what it was asked, the others take nothing new either."""
    with start_server() as server:
        admin.create_topic(server, "quiet")
        with wire.Raw(server.kafka) as raw:
            waits = threading.Thread(target=fetch_until_the_end, args=(raw,), daemon=True)
            waits.start()
            time.sleep(0.5)                             # it is parked by then, for longer than the grace
            server.process.send_signal(signal.SIGTERM)
            until = time.monotonic() + 5
            while not refused(server.kinesis) and time.monotonic() < until:
                time.sleep(0.05)
            assert refused(server.kinesis) and refused(server.kafka)
            with pytest.raises(urllib.error.HTTPError, match="503"):
                urllib.request.urlopen(f"http://{server.admin}/readyz", timeout=10)
            assert server.process.poll() is None, "the fetch was not waited for"
            server.process.send_signal(signal.SIGTERM)
            assert server.process.wait(5) == -signal.SIGTERM
            waits.join(10)


def fetch_until_the_end(raw):
    with contextlib.suppress(OSError):
        fetch(raw, "quiet", 0, max_wait_ms=60000)


def refused(address):
    host, port = address.split("//")[-1].rsplit(":", 1)
    try:
        socket.create_connection((host, int(port)), 1).close()
        return False
    except ConnectionRefusedError:
        return True


def test_a_second_signal_does_not_wait(start_server):
    """A subscriber may hold the grace open; whoever cannot wait says so twice."""
    with start_server() as server:
        server.process.send_signal(signal.SIGTERM)
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(5) in (0, -signal.SIGTERM)
