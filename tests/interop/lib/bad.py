"""What the tests of bad input share: HTTP and HTTP/2 by hand, the counters of /metrics, and unharmed(),
which proves that a case moved the counters that it should and no other, and disturbed nobody.
"""
import contextlib
import json
import pathlib
import socket
import struct
import time
import urllib.request

from . import sanitizer, wire

COUNTERS = ("diglot_net_connections_closed_total", "diglot_net_requests_refused_total", "diglot_net_h2_resets_total",
            "diglot_net_accept_failures_total", "diglot_kafka_undecodable_requests_total", "diglot_kafka_errors_total",
            "diglot_kinesis_errors_total")
CREDENTIAL = ("AWS4-HMAC-SHA256 Credential=AKID/20260101/us-east-1/kinesis/aws4_request, SignedHeaders=host, "
              "Signature=ab")
JSON, CBOR = "application/x-amz-json-1.1", "application/x-amz-cbor-1.1"
SETTLE_S = 10


def scrape(server):
    """{'name{labels}': value}"""
    with urllib.request.urlopen(f"http://{server.admin}/metrics", timeout=20) as answer:
        lines = answer.read().decode().splitlines()
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines if line[0] != "#")}


def closed(door, reason):
    return f'diglot_net_connections_closed_total{{door="{door}",reason="{reason}"}}'


def refused(door):
    return f'diglot_net_requests_refused_total{{door="{door}"}}'


def kafka_error(error, api="Produce"):
    return f'diglot_kafka_errors_total{{api="{api}",error="{error}"}}'


def exception(name):
    return f'diglot_kinesis_errors_total{{exception="{name}"}}'


LOOPS_MAX = 4                               # of a server that is not told otherwise
UNDECODABLE = "diglot_kafka_undecodable_requests_total"


def settled(server):
    """The counters once each loop has had a turn, by which a connection that was closed before is counted: the
    loops take new connections in turn."""
    for _ in range(2 * LOOPS_MAX):
        series = scrape(server)
    return series


def moved(before, after):
    """What counted bad input moved; what reads /metrics is left out."""
    return {name: after[name] - before.get(name, 0) for name in after
            if name.startswith(COUNTERS) and 'door="admin"' not in name and after[name] != before.get(name, 0)}


def conserved(series):
    """No connection is lost in the books: opened = closed + open, at each door."""
    for door in ("kafka", "kinesis"):
        ended = sum(value for name, value in series.items()
                    if name.startswith(f'diglot_net_connections_closed_total{{door="{door}"'))
        label = f'{{door="{door}"}}'
        assert series[f"diglot_net_connections_opened_total{label}"] == ended + series[f"diglot_net_connections{label}"]


def wait_for(check, timeout_s=SETTLE_S, what="it"):
    """check() until it is true; returns what it gave."""
    deadline = time.monotonic() + timeout_s
    while not (found := check()):
        assert time.monotonic() < deadline, f"{what} did not come within {timeout_s} s"
        time.sleep(0.02)
    return found


class Http:
    """One HTTP/1.1 connection, byte by byte; tls: a context."""

    def __init__(self, address, timeout_s=10, tls=None):
        host, port = address.rsplit(":", 1)
        self.socket = socket.create_connection((host, int(port)), timeout_s)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls:
            self.socket = tls.wrap_socket(self.socket, server_hostname="localhost")
        self.left = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        """False when the server hung up meanwhile."""
        try:
            self.socket.sendall(data)
            return True
        except OSError:
            return False

    def _more(self):
        part = self.socket.recv(1 << 16)
        if not part:
            raise ConnectionError("closed by the server")
        self.left += part

    def answer(self):
        """(status, {header: value}, body); the body by its content-length."""
        while b"\r\n\r\n" not in self.left:
            self._more()
        head, _, self.left = self.left.partition(b"\r\n\r\n")
        first, *rest = head.decode().split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in rest)
        size = int(headers.get("content-length", 0))
        while len(self.left) < size:
            self._more()
        body, self.left = self.left[:size], self.left[size:]
        return int(first.split(" ")[1]), headers, body

    def call(self, operation, members, **more):
        self.send(kinesis_request(operation, members, **more))
        status, _, body = self.answer()
        return status, json.loads(body)

    def ended(self):
        """Wait for the server to close."""
        try:
            while self.socket.recv(1 << 16):
                pass
        except ConnectionResetError:
            pass
        return True


def kinesis_request(operation, body, content_type=JSON, headers=(), authorization=CREDENTIAL):
    """One whole request; body: bytes, or what becomes JSON."""
    if not isinstance(body, bytes):
        body = json.dumps(body).encode()
    lines = ["POST / HTTP/1.1", "host: localhost", f"content-type: {content_type}",
             f"x-amz-target: Kinesis_20131202.{operation}", "x-amz-date: 20260101T000000Z",
             f"content-length: {len(body)}", *headers]
    if authorization is not None:
        lines.append(f"authorization: {authorization}")
    return "\r\n".join([*lines, "", ""]).encode() + body


PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST, SETTINGS, PING, GOAWAY, WINDOW, CONTINUATION = 0, 1, 2, 3, 4, 6, 7, 8, 9
END_STREAM, END_HEADERS, ACK = 1, 4, 1


def frame(kind, flags=0, stream=0, payload=b""):
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def setting(number, value):
    return struct.pack(">HI", number, value)


def header_block(*pairs):
    """Literals without indexing: no Huffman, no table."""
    def text(value):
        raw, rest = value.encode(), b""
        if len(raw) < 127:
            return bytes([len(raw)]) + raw
        more = len(raw) - 127
        while more >= 128:
            rest, more = rest + bytes([more % 128 + 128]), more // 128
        return b"\x7f" + rest + bytes([more]) + raw
    return b"".join(b"\x00" + text(name) + text(value) for name, value in pairs)


def h2_head(operation, size=None):
    pairs = [(":method", "POST"), (":scheme", "http"), (":path", "/"), (":authority", "localhost"),
             ("content-type", JSON), ("x-amz-target", f"Kinesis_20131202.{operation}"),
             ("x-amz-date", "20260101T000000Z"), ("authorization", CREDENTIAL)]
    return header_block(*pairs, *([("content-length", str(size))] if size is not None else []))


class Http2(Http):
    """One HTTP/2 connection: frames as they are."""

    def __init__(self, address, settings=b"", timeout_s=10, tls=None):
        super().__init__(address, timeout_s, tls)
        self.send(PREFACE + frame(SETTINGS, payload=settings))

    def ask(self, stream, operation, members):
        body = json.dumps(members).encode()
        self.send(frame(HEADERS, END_HEADERS, stream, h2_head(operation, len(body)))
                  + frame(DATA, END_STREAM, stream, body))

    def next(self):
        """(type, flags, stream, payload) of the next frame."""
        while len(self.left) < 9:
            self._more()
        size = int.from_bytes(self.left[:3], "big")
        while len(self.left) < 9 + size:
            self._more()
        head, payload, self.left = self.left[:9], self.left[9:9 + size], self.left[9 + size:]
        return head[3], head[4], int.from_bytes(head[5:9], "big") & 0x7fffffff, payload

    def until(self, *kinds, stream=None):
        """The next frame of such a type (and stream)."""
        while True:
            found = self.next()
            if found[0] in kinds and stream in (None, found[2]):
                return found

    def goaway(self):
        """The error code with which the server ends the connection, which is closed then; None without a word."""
        code = None
        try:
            while True:
                kind, _, _, payload = self.next()
                if kind == GOAWAY:
                    code = struct.unpack_from(">I", payload, 4)[0]
        except OSError:
            return code


def rss_mib(server):
    """For tests that are marked with `measures` alone: a sanitizer keeps what was freed for a while."""
    assert not sanitizer.in_use(), "a test of memory is marked with `measures`"
    return server.rss_bytes() / (1 << 20)


def descriptors(server):
    return len(list(pathlib.Path(f"/proc/{server.pid}/fd").iterdir()))


class Bystanders:
    """One connection at each door that was there before the trouble."""

    def __init__(self, server):
        self.kafka, self.kinesis = wire.Raw(server.kafka, 20), Http(server.kinesis, 20)
        self.answer()

    def answer(self):
        assert struct.unpack_from(">h", self.kafka.call(wire.API_VERSIONS, 0)) == (0,)
        status, body = self.kinesis.call("DescribeLimits", {})
        assert status == 200 and body["ShardLimit"] > 0

    def close(self):
        self.kafka.socket.close()
        self.kinesis.socket.close()


@contextlib.contextmanager
def unharmed(server, bystanders, expected):
    """What happens inside moves the counters by exactly expected, and nobody else notices."""
    bystanders.answer()
    before = settled(server)
    yield
    deadline = time.monotonic() + SETTLE_S
    while (now := moved(before, after := scrape(server))) != expected:
        assert time.monotonic() < deadline, f"counted {now}, expected {expected}"
        time.sleep(0.02)
    conserved(after)
    bystanders.answer()
    assert server.running()


@contextlib.contextmanager
def end_offset_stays(server, topic):
    """Nothing that is refused inside is stored."""
    def end():
        with wire.Raw(server.kafka) as raw:
            body = raw.call(2, 1, struct.pack(">ii", -1, 1) + wire.string(topic) + struct.pack(">iiq", 1, 0, -1))
            error, _, offset = struct.unpack_from(">hqq", body, 4 + 2 + len(topic) + 4 + 4)
            assert error == 0
            return offset
    before = end()
    yield
    assert end() == before


def many_times(server, bystanders, times, counted):
    """times(n) does a thing n times, each of which counts so: 2,000 times of it leave no memory and no descriptors
    behind. The first 200 warm up."""
    first = scrape(server)
    times(200)
    wait_for(lambda: all(scrape(server)[name] - first[name] == value * 200 for name, value in counted.items()),
             what="the count of the first ones")
    before, open_before = rss_mib(server), descriptors(server)
    with unharmed(server, bystanders, {name: value * 2000 for name, value in counted.items()}):
        times(2000)
    assert rss_mib(server) - before < 8
    assert descriptors(server) <= open_before + 2
