"""Kafka messages at any version, read from protocol/schema/kafka: for tests that speak a version which
no client at hand would choose. Requests and responses are dictionaries with the schema's field names.

    with Caller(server.kafka) as caller:
        caller.call("ListOffsets", 3, replica_id=-1, topics=[...])["topics"][0]
"""
import glob
import gzip
import pathlib
import struct
import sys

from . import wire

ROOT = pathlib.Path(__file__).resolve().parents[3]
sys.path.append(str(ROOT / "tools" / "gen"))      # last: it has a kafka.py, and so has kafka-python
import compat  # noqa: E402
import kafka_dsl  # noqa: E402

APIS = {api.name: api for api in map(kafka_dsl.load, glob.glob(str(ROOT / "protocol/schema/kafka/*.msg")))}
NUMBERS = {"bool": ">?", "int8": ">b", "int16": ">h", "uint16": ">H", "int32": ">i", "int64": ">q", "float64": ">d"}


def served():
    """[(API name, version)] of all that kafka_api.def serves."""
    ranges = compat.kafka_served()
    return [(name, version) for name, api in sorted(APIS.items()) if api.snake.upper() in ranges
            for version in range(ranges[api.snake.upper()][0], ranges[api.snake.upper()][1] + 1)]


def varint(n):
    out = b""
    while n >= 0x80:
        out += bytes([n & 0x7f | 0x80])
        n >>= 7
    return out + bytes([n])


def zigzag(n):
    return varint(n << 1 if n >= 0 else (-n << 1) - 1)


class Writer:
    def __init__(self, api, version):
        self.flexible, self.version = api.is_flexible(version), version

    def struct(self, struct_, value):
        unknown = value.keys() - {f.name for f in struct_.fields if f.in_version(self.version)}
        assert not unknown, f"{struct_.name} version {self.version} has no {unknown}"
        fields = [f for f in struct_.fields if f.in_version(self.version)]
        out = b"".join(self.field(f, value.get(f.name, f.default)) for f in fields if f.tag is None)
        if not self.flexible:
            return out
        tags = [(f.tag, self.field(f, value[f.name])) for f in fields if f.tag is not None and f.name in value]
        return out + varint(len(tags)) + b"".join(varint(t) + varint(len(b)) + b for t, b in tags)

    def field(self, f, value):
        if f.array:
            head = self.length(-1 if value is None else len(value), wide=True)
            return head + b"".join(self.one(f, v) for v in value or ())
        if f.struct and f.nullable:
            return b"\xff" if value is None else b"\x01" + self.one(f, value)
        return self.one(f, value)

    def one(self, f, value):
        if f.struct:
            return self.struct(f.struct, value)
        if f.base in NUMBERS:
            return struct.pack(NUMBERS[f.base], value)
        if f.base == "uuid":
            return bytes(16) if value == 0 else value
        data = value.encode() if isinstance(value, str) else value
        return self.length(-1 if data is None else len(data), wide=f.base != "string") + (data or b"")

    def length(self, n, wide):
        return varint(n + 1) if self.flexible else struct.pack(">i" if wide else ">h", n)


class Reader:
    def __init__(self, api, version, data):
        self.flexible, self.version, self.data, self.at = api.is_flexible(version), version, data, 0

    def take(self, n):
        assert 0 <= n <= len(self.data) - self.at, "the response ends too early"
        self.at += n
        return self.data[self.at - n:self.at]

    def number(self, form):
        return struct.unpack(form, self.take(struct.calcsize(form)))[0]

    def varint(self):
        n = shift = 0
        while True:
            byte = self.take(1)[0]
            n |= (byte & 0x7f) << shift
            shift += 7
            if byte < 0x80:
                return n

    def length(self, wide):
        return self.varint() - 1 if self.flexible else self.number(">i" if wide else ">h")

    def struct(self, struct_):
        value = {}
        for f in struct_.fields:
            value[f.name] = f.default
            if f.in_version(self.version) and f.tag is None:
                value[f.name] = self.field(f)
        if self.flexible:
            for _ in range(self.varint()):
                tag, size = self.varint(), self.varint()
                end = self.at + size
                known = [f for f in struct_.fields if f.tag == tag and f.in_version(self.version)]
                if known:
                    value[known[0].name] = self.field(known[0])
                else:
                    self.take(size)
                assert self.at == end, f"tag {tag} does not fill its size"
        return value

    def field(self, f):
        if f.array:
            n = self.length(wide=True)
            assert n >= 0 or f.nullable_in(self.version), f"{f.name} is null"
            return None if n < 0 else [self.one(f) for _ in range(n)]
        if f.struct and f.nullable and self.number(">b") < 0:
            return None
        return self.one(f)

    def one(self, f):
        if f.struct:
            return self.struct(f.struct)
        if f.base in NUMBERS:
            return self.number(NUMBERS[f.base])
        if f.base == "uuid":
            return self.take(16)
        n = self.length(wide=f.base != "string")
        assert n >= 0 or f.nullable_in(self.version), f"{f.name} is null"
        data = None if n < 0 else self.take(n)
        return data.decode() if f.base == "string" and data is not None else data


def encode(name, version, fields):
    api = APIS[name]
    return Writer(api, version).struct(api.request.root, fields)


def decode(name, version, data):
    api = APIS[name]
    reader = Reader(api, version, data)
    value = reader.struct(api.response.root)
    assert reader.at == len(data), f"{len(data) - reader.at} bytes behind the response"
    return value


class Caller(wire.Raw):
    """A connection that calls any API at any version; a response that does not end where its schema
    says is an AssertionError."""

    correlation_id = 0

    def call(self, name, version, **fields):
        self.correlation_id += 1
        api = APIS[name]
        head = struct.pack(">hhi", api.key, version, self.correlation_id) + wire.string("caller")
        head += b"\0" if api.is_flexible(version) else b""
        body = encode(name, version, fields)
        self.send(struct.pack(">i", len(head) + len(body)) + head + body)
        response = self.receive()
        assert struct.unpack_from(">i", response)[0] == self.correlation_id
        tags = api.is_flexible(version) and name != "ApiVersions"
        assert not tags or response[4] == 0
        return decode(name, version, response[5 if tags else 4:])


def crc32c(data):
    crc = 0xffffffff
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82f63b78 if crc & 1 else 0)
    return crc ^ 0xffffffff


def batch(*values, key=None, timestamp=1_700_000_000_000, step_ms=0, producer=(-1, -1, -1), codec="none",
          max_timestamp=None):
    """A record batch of version 2. producer: id, epoch, first sequence. codec: none or gzip. timestamp: of the
    first record, each later one has step_ms more; max_timestamp: what the header claims instead of the truth."""
    records = b""
    for i, value in enumerate(values):
        body = b"\0" + zigzag(i * step_ms) + zigzag(i)
        body += zigzag(-1) if key is None else zigzag(len(key)) + key
        body += zigzag(len(value)) + value + zigzag(0)
        records += zigzag(len(body)) + body
    if codec == "gzip":
        records = gzip.compress(records)
    last_timestamp = timestamp + (len(values) - 1) * step_ms if max_timestamp is None else max_timestamp
    tail = struct.pack(">hiqqqhii", ("none", "gzip").index(codec), len(values) - 1, timestamp, last_timestamp,
                       *producer, len(values)) + records
    return struct.pack(">qiibI", 0, len(tail) + 9, -1, 2, crc32c(tail)) + tail
