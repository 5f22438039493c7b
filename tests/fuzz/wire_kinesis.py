"""Whole Kinesis requests drawn from protocol/schema/kinesis: any operation as JSON or CBOR, values from bounds and
from what exists on the server, sometimes with damaged bytes, over HTTP/1.1 (whole, in chunks) and HTTP/2. Used by
wire.py, which asks them, and by tests/bench/hostile_random.py, with counts and lengths at their limits.
"""
import base64
import json
import pathlib
import re
import struct
import sys

from lib import bad

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "tools" / "gen"))
import aws_model  # noqa: E402

SCHEMA = ROOT / "protocol" / "schema"
MODEL = aws_model.read("kinesis", SCHEMA / "kinesis", SCHEMA / "kinesis_api.def")
ACCOUNT = "arn:aws:kinesis:us-east-1:000000000000:stream/"
HASHES = ("0", "1", str(2**127), str(2**128 - 1), str(2**128), "9" * 39)
NUMBERS = {"integer": (0, 1, 2, 3, 5, 24, 100, 1024, 10_000, -1, 2**31 - 1, 2**31, -2**31, 2**63),
           "long": (0, 1, -1, 2**63 - 1, -2**63, 2**64)}
TIMES = (0, 1, 1.5, 1_700_000_000, 1_700_000_000.123, -1, 4e9, 2**53, 1e18, 1e308, 1_700_000_000_000)
TEXTS = ("", "a", "\0", "ü" * 60, "x" * 128, "x" * 129, "x" * 256, "x" * 257, "\ud800", "\"\\\n", "*", "aws:x")
LEARNT = re.compile(rb'"(ShardIterator|NextShardIterator|SequenceNumber|StartingSequenceNumber|ShardId|NextToken|'
                    rb'ConsumerARN|StreamId)":"([^"]{1,2000})"')
SAME = {"NextShardIterator": "ShardIterator", "StartingSequenceNumber": "SequenceNumber"}
BIG_BYTES = 1 << 20
H2_WINDOW_BYTES = 1 << 20           # of a stream: h2_window_bytes in base/net/limits.h
WAITING = ("SubscribeToShard",)


class World:
    """What exists on the server, as far as answers and the beginning told."""

    def __init__(self, streams):
        self.streams = list(streams)
        self.known = {"ShardId": ["shardId-000000000000", "shardId-000000000001"], "ShardIterator": ["x"],
                      "SequenceNumber": ["0"], "NextToken": ["x"], "StreamId": ["a" * 20 + "-abc"],
                      "ConsumerARN": [ACCOUNT + "none/consumer/c:1"]}

    def learn(self, body):
        for name, value in LEARNT.findall(body[:100_000])[:20]:
            name = SAME.get(name.decode(), name.decode())
            self.known[name] = (self.known[name] + [value.decode()])[-50:]


class Request:
    def __init__(self, name, data, streams=()):
        self.name, self.data, self.streams = name, data, streams
        self.waits = name in WAITING
        self.doubtful = False           # damaged: its connection may be closed
        self.cut = False                # what follows it on the connection is not a request any more


def head(major, n):
    for code, form, top in ((24, ">B", 1 << 8), (25, ">H", 1 << 16), (26, ">I", 1 << 32), (27, ">Q", 1 << 64)):
        if n < 24:
            return bytes([major << 5 | n])
        if n < top:
            return bytes([major << 5 | code]) + struct.pack(form, n)
    return head(6, 2) + head(2, 16) + n.to_bytes(16, "big")         # a bignum; only integers get here


def cbor(value, rng):
    """Any of the ways to write it."""
    if value is None or isinstance(value, bool):
        return {None: b"\xf6", True: b"\xf5", False: b"\xf4"}[value]
    if isinstance(value, Instant):
        return head(6, 1) + (head(0, int(value.s * 1000)) if 0 <= value.s < 2**60 else struct.pack(
            ">Bd", 0xfb, value.s))
    if isinstance(value, int):
        return head(0, value) if value >= 0 else head(1, -1 - value)
    if isinstance(value, float):
        return struct.pack(">Bd", 0xfb, value)
    if isinstance(value, (bytes, str)):
        major, data = (2, value) if isinstance(value, bytes) else (3, value.encode(errors="surrogatepass"))
        if rng.random() < 0.05:
            return bytes([major << 5 | 31]) + head(major, len(data)) + data + b"\xff"
        return head(major, len(data)) + data
    items = [cbor(v, rng) for v in value] if isinstance(value, list) else [
        cbor(k, rng) + cbor(v, rng) for k, v in value.items()]
    major = 4 if isinstance(value, list) else 5
    if rng.random() < 0.3:
        return bytes([major << 5 | 31]) + b"".join(items) + b"\xff"
    return head(major, len(items)) + b"".join(items)


class Instant:
    """A point in time, which JSON writes as a number of seconds and CBOR as a tag on milliseconds."""

    def __init__(self, s):
        self.s = s


def plain(value):
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    return value.s


class Shapes:
    """Draws requests. limits: the share of them that have a count or a length at its limit; damage: the share of
    damaged ones; only: the operations."""

    def __init__(self, rng, world, limits=0.0, damage=0.2, only=None):
        self.rng, self.world, self.limits, self.damage = rng, world, limits, damage
        self.served = [operation for operation in MODEL.served if only is None or operation.name in only]

    def next(self, http2=False):
        rng = self.rng
        operation = rng.choice(self.served)
        self.at_limit = rng.random() < self.limits
        members = self.value(operation.input)
        if rng.random() < 0.5:
            kind, body = bad.JSON, json.dumps(members, default=plain).encode()
        else:
            kind, body = bad.CBOR, cbor(members, rng)
        damaged = rng.random() < self.damage
        if damaged:
            body = self.harm(body)
        made = (self.over_http2 if http2 else self.over_http1)(operation.name, kind, body)
        made.doubtful = made.doubtful or damaged
        return made

    def over_http1(self, name, kind, body):
        rng = self.rng
        if rng.random() < 0.1:
            cuts = sorted(rng.randrange(len(body) + 1) for _ in range(3))
            pieces = [body[a:b] for a, b in zip([0, *cuts], [*cuts, len(body)])]
            whole = bad.kinesis_request(name, b"", content_type=kind).replace(
                b"content-length: 0", b"transfer-encoding: chunked")
            return Request(name, whole + b"".join(b"%x\r\n" % len(p) + p + b"\r\n" for p in pieces if p)
                           + b"0\r\n\r\n")
        made = Request(name, bad.kinesis_request(name, body, content_type=kind))
        if rng.random() < self.damage / 10:
            made.data, made.doubtful, made.cut = self.harm(made.data), True, True
        return made

    def over_http2(self, name, kind, body):
        """One stream, number 0 for now: see numbered()."""
        pairs = bad.h2_head(name).replace(bad.JSON.encode(), kind.encode())
        # The two names are of one length but for the last letters, so the literal's length has to be put right.
        pairs = pairs.replace(bytes([len(bad.JSON)]) + kind.encode(), bytes([len(kind)]) + kind.encode())
        frames = [(bad.HEADERS, bad.END_HEADERS, pairs)]
        step = 16_384
        parts = [body[i:i + step] for i in range(0, len(body), step)] or [b""]
        frames += [(bad.DATA, bad.END_STREAM * (i == len(parts) - 1), part) for i, part in enumerate(parts)]
        made = Request(name, b"", frames)
        # More than the server's window, which nobody waits for here: it may end the stream, and the connection, of
        # which it may tell behind the answer.
        made.doubtful = made.cut = len(body) > H2_WINDOW_BYTES
        return made

    def harm(self, body):
        rng, data = self.rng, bytearray(body)
        for _ in range(rng.choice((1, 1, 2, 8))):
            at = rng.randrange(len(data) + 1)
            kind = rng.randrange(5)
            if kind == 0 and at < len(data):
                data[at] ^= 1 << rng.randrange(8)
            elif kind == 1:
                data[at:at] = rng.choice((b"[" * 300, b"{\"a\":" * 300, b"\x9f" * 300, b"\xc0" * 300, b"\\u0000", b"\0",
                                          b"1e999", b"\xbf", b"\x5b\xff\xff\xff\xff\xff\xff\xff\xff"))
            elif kind == 2:
                del data[at:]
            elif kind == 3:
                data[at:at] = data[:at][-40:]
            else:
                data[at:at + 1] = rng.randbytes(1)
        return bytes(data)

    def value(self, shape):
        rng = self.rng
        if shape.kind == "struct":
            return {m.name: self.value(MODEL.shapes[m.shape]) if rng.random() > 0.02 else None
                    for m in shape.members if self.given(m)}
        if shape.kind == "list":
            return self.list(shape)
        if shape.kind == "map":
            count = self.count(shape)
            key, element = MODEL.shapes[shape.key], MODEL.shapes[shape.element]
            return {str(self.value(key)) + (str(i) if i else ""): self.value(element) for i in range(count)}
        return self.scalar(shape)

    def given(self, member):
        if member.name in ("StreamARN", "StreamId"):
            return self.rng.random() < 0.1
        return self.rng.random() < (0.5 if member.optional else 0.95)

    def count(self, shape):
        if self.at_limit and self.rng.random() < 0.7:
            self.at_limit = False
            return self.rng.choice(((shape.max or 500), (shape.max or 500) + 1, 20_000))
        return self.rng.choice((0, 1, 1, 2, 3, 10))

    def list(self, shape):
        element, count = MODEL.shapes[shape.element], self.count(shape)
        few = [self.value(element) for _ in range(min(count, 10))]
        return (few * (count // 10 + 1))[:count]

    def scalar(self, shape):
        rng, name = self.rng, shape.name
        if shape.kind == "boolean":
            return rng.random() < 0.5
        if shape.kind == "timestamp":
            return Instant(rng.choice(TIMES))
        if shape.kind in ("integer", "long"):
            near = [n for n in (shape.min, shape.max) if n is not None]
            return rng.choice((1, 2, 3)) if rng.random() < 0.7 else rng.choice(
                NUMBERS[shape.kind] + tuple(near) + tuple(n + 1 for n in near))
        if shape.kind == "enum":
            return rng.choice(shape.values) if rng.random() < 0.95 else "NONE_OF_THEM"
        if shape.kind == "blob":
            return self.blob()
        return self.string(shape)

    def blob(self):
        if self.at_limit:
            self.at_limit = False
            return b"\0" * self.rng.choice((1 << 20, (1 << 20) + 1, 10 << 20))
        return self.rng.choice((b"", b"d", self.rng.randbytes(40), b"x" * 3000, b"\xf3\x89\x9a\xc2" + b"\x0a\x01k" * 9))

    def string(self, shape):
        rng, name = self.rng, shape.name
        if self.at_limit and rng.random() < 0.2:
            self.at_limit = False
            return "7" * BIG_BYTES
        if rng.random() < 0.07:
            return rng.choice(TEXTS)
        if name == "StreamName":
            return rng.choice(self.world.streams)
        if name in ("StreamARN", "ResourceARN"):
            return ACCOUNT + rng.choice(self.world.streams)
        if name == "ConsumerName":
            return f"c{rng.randrange(6)}"
        if name == "HashKey":
            return rng.choice(HASHES) if rng.random() < 0.7 else str(rng.randrange(2**128))
        if name in self.world.known:
            return rng.choice(self.world.known[name])
        return rng.choice(("k", "v", "k1", "k2", "k3"))


def numbered(made, stream):
    """The bytes of one HTTP/2 request on that stream."""
    return b"".join(bad.frame(kind, flags, stream, payload) for kind, flags, payload in made.streams)
