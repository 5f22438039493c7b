"""Whole Kafka requests drawn from protocol/schema/kafka: any API at any served version, values from bounds and from
what exists on the server, sometimes with damaged bytes. Seeded: the same seed and the same answers give the same
requests. Used by wire.py, which asks them, and by tests/bench/hostile_random.py, with counts at their limits.
"""
import gzip
import struct

import zstandard
from lib import messages, wire
from lib.bad_batches import altered, message_set, record_batch
from lib.messages import varint

INT_BOUNDS = {"int8": 7, "int16": 15, "int32": 31, "int64": 63, "uint16": 16}
PARTITIONS = (0, 0, 0, 0, 1, 1, 2, 3, 5, -1, 2**31 - 1)
OFFSETS = (0, 0, 0, 1, 2, 10, 100, -1, -2, -3, -4, -5, 2**62, 2**63 - 1, -2**63)
CONFIGS = ("retention.ms", "retention.bytes", "cleanup.policy", "compression.type", "max.message.bytes", "min.insync",
           "message.timestamp.type", "compression.zstd.level", "compression.gzip.level", "segment.bytes", "no.such")
CONFIG_VALUES = ("1", "-1", "0", "zstd", "lz4", "gzip", "snappy", "producer", "none", "delete", "compact", "1000000",
                 "LogAppendTime", "CreateTime", "x", "", "99999999999999999999", "3", "22", "-131072")
TEXTS = ("", "a", "consumer", "range", "roundrobin", "\0", "nul\0x", "ü" * 100, "x" * 249, "x" * 250, "\n{}\"", "..",
         "0.0.0.0", "127.0.0.1")
RESOURCES = (2, 2, 2, 4, 8, 16, 32)
DAMAGE_FROM = 12                            # behind length, API key and version, so that it stays the same API
BIG_BYTES = 3 << 20                         # a request with a count at its limit becomes about so large
WAITING = ("JoinGroup", "SyncGroup")


def _codecs():
    payload = b"".join(bytes([18, 0, 0, i << 1, 1, 6]) + b"abc\0" for i in range(20))
    plain = record_batch([b"v%d" % i for i in range(20)])
    yield plain
    yield record_batch()
    yield record_batch(payload=gzip.compress(payload), attributes=1, count=20, last_delta=19)
    yield record_batch(payload=zstandard.ZstdCompressor().compress(payload), attributes=4, count=20, last_delta=19)
    big = b"\0\0\0\x01" + varint(2 << 20) + bytes(1 << 20) + b"\0"
    yield record_batch(payload=zstandard.ZstdCompressor().compress(varint(2 * len(big)) + big), attributes=4)
    for codec in (2, 3, 5, 7):
        yield record_batch(payload=payload, attributes=codec, count=20, last_delta=19)
    yield record_batch(attributes=0x30)                                         # a transaction's, a control batch
    yield record_batch(attributes=0x08)
    yield record_batch(count=2**31 - 1, last_delta=2**31 - 1)
    yield record_batch(count=0)
    yield record_batch(crc=1)
    yield from (message_set(0), message_set(1), record_batch(magic=3), b"", b"\0" * 61, plain[:60], plain * 3)
    for sequence in (0, 1, 20, 2**31 - 1, -1):
        for producer, epoch in ((1, 0), (2, 0), (2, 1), (2**63 - 1, 2**15 - 1)):
            yield altered(altered(altered(plain, 43, ">q", producer), 51, ">h", epoch), 53, ">i", sequence)


BATCHES = tuple(_codecs())


class World:
    """What exists on the server, as far as answers and the beginning told."""

    def __init__(self, topics):
        self.topics, self.ids = list(topics), [bytes(16)]
        self.members, self.sessions, self.producers = ["", "none"], [0], [-1, 0, 1, 1000]

    def learn(self, name, answer):
        keep = 50
        if name == "JoinGroup" and answer["member_id"]:
            self.members = (self.members + [answer["member_id"]])[-keep:]
        elif name == "InitProducerId":
            self.producers = (self.producers + [answer["producer_id"]])[-keep:]
        elif name == "Fetch" and answer["session_id"]:
            self.sessions = (self.sessions + [answer["session_id"]])[-keep:]
        elif name == "Metadata":
            found = [t["topic_id"] for t in answer["topics"] if isinstance(t["topic_id"], bytes)]
            self.ids = (self.ids + found)[-keep:]


class Request:
    def __init__(self, name, version, data):
        self.name, self.version, self.data = name, version, data
        self.waits = name in WAITING            # may be answered late, or never
        self.silent = False                     # is not answered: acks=0
        self.doubtful = False                   # damaged, or beyond a limit: its connection may be closed
        self.cut = False                        # what follows it on the connection is not a request any more


class Shapes:
    """Draws requests. limits: the share of them that have a count or a length at its limit; damage: the share of
    damaged ones; only: the APIs."""

    def __init__(self, rng, world, limits=0.0, damage=0.2, only=None):
        self.rng, self.world, self.limits, self.damage = rng, world, limits, damage
        self.served = [(name, v) for name, v in messages.served() if only is None or name in only]
        self.correlation = 0

    def next(self):
        rng = self.rng
        name, version = rng.choice(self.served)
        return self.draw(name, version)

    def draw(self, name, version):
        rng, api = self.rng, messages.APIS[name]
        self.version, self.flexible = version, api.is_flexible(version)
        self.made, self.budget, self.at_limit = Request(name, version, b""), 4096, False
        if rng.random() < self.limits:
            self.budget, self.at_limit, self.made.doubtful = BIG_BYTES, True, True
        body = self.struct(api.request.root)
        self.correlation = self.correlation + 1 & 0x7fffffff
        head = struct.pack(">hhi", api.key, version, self.correlation) + wire.string("fuzz")
        data = head + (b"\0" if self.flexible else b"") + body
        self.made.data = struct.pack(">i", len(data)) + data
        if rng.random() < self.damage:
            self.harm()
        return self.made

    def harm(self):
        """Flips, cuts or doubles; the frame's length mostly stays true."""
        rng, data = self.rng, bytearray(self.made.data)
        for _ in range(rng.choice((1, 1, 2, 8))):
            at = rng.randrange(DAMAGE_FROM, max(DAMAGE_FROM + 1, len(data)))
            kind = rng.randrange(5)
            if kind == 0 and at < len(data):
                data[at] ^= 1 << rng.randrange(8)
            elif kind == 1:
                data[at:at + 4] = rng.choice((b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\0\0\0\0", b"\x80\0\0\0"))
            elif kind == 2:
                del data[at:]
            elif kind == 3:
                data[at:at] = data[DAMAGE_FROM:at][:64]
            else:
                data[at:at + 5] = b"\xff\xff\xff\xff\x0f"
        false = rng.random() < 0.03
        data[:4] = struct.pack(">i", rng.choice((0, -1, 2**31 - 1, 5)) if false else len(data) - 4)
        self.made.cut = self.made.cut or false or self.made.name == "Produce"       # whose acks may be 0 now
        self.made.data, self.made.doubtful = bytes(data), True

    def struct(self, struct_):
        parts, tags = [], []
        for f in struct_.fields:
            if f.in_version(self.version):
                if f.tag is None:
                    parts.append(self.field(f))
                elif self.rng.random() < 0.2:
                    tags.append((f.tag, self.field(f)))
        if self.flexible:
            if self.rng.random() < 0.02:
                tags.append((self.rng.choice((9, 2**31 - 1)), b"unknown"))
            parts.append(varint(len(tags)) + b"".join(varint(t) + varint(len(b)) + b for t, b in tags))
        return b"".join(parts)

    def field(self, f):
        if f.array:
            return self.array(f)
        if f.struct and f.nullable:
            return b"\xff" if self.rng.random() < 0.3 else b"\x01" + self.struct(f.struct)
        return self.one(f)

    def array(self, f):
        rng = self.rng
        if f.nullable_in(self.version) and rng.random() < 0.1:
            return self.length(-1, True)
        if self.at_limit and rng.random() < 0.5:
            return self.long_array(f)
        count = rng.choice((0, 1, 1, 1, 2, 3, 10 if self.budget > 0 else 1))
        elements = [self.one(f) for _ in range(count)]
        self.budget -= sum(map(len, elements))
        return self.length(count, True) + b"".join(elements)

    def long_array(self, f):
        """Few elements, named again and again until the request is as large as it may be."""
        self.at_limit = False
        few = [self.one(f) for _ in range(self.rng.choice((1, 20, 200)))]
        each = max(1, sum(map(len, few)))
        times = max(1, self.budget // each)
        self.budget = 0
        return self.length(len(few) * times, True) + b"".join(few) * times

    def one(self, f):
        if f.struct:
            return self.struct(f.struct)
        rng = self.rng
        if f.base in messages.NUMBERS:
            return struct.pack(messages.NUMBERS[f.base], self.number(f))
        if f.base == "uuid":
            return rng.choice(self.world.ids) if rng.random() < 0.9 else rng.randbytes(16)
        if not f.array and f.nullable_in(self.version) and rng.random() < 0.2:
            return self.length(-1, f.base != "string")
        data = self.text(f).encode() if f.base == "string" else self.bytes(f)
        return self.length(len(data), f.base != "string") + data

    def number(self, f):
        rng, name = self.rng, f.name
        if f.base == "bool":
            return rng.random() < 0.5
        if f.base == "float64":
            return rng.choice((0.0, 1.0, -1.0, float("nan"), float("inf")))
        if name == "acks":
            acks = rng.choice((-1, -1, -1, 1, 1, 0, 2))
            if acks == 0:
                self.made.silent = self.made.doubtful = self.made.cut = True         # an error of it is a close
            return acks
        if name in ("partition", "index", "partition_index", "partitions", "partition_indexes"):
            return rng.choice(PARTITIONS)
        if name == "resource_type" and rng.random() < 0.98:
            return rng.choice(RESOURCES)
        if name == "resource_type":
            self.made.doubtful = True               # a connection that names another kind is closed
            return rng.choice((0, 127, -1, 3))
        if name == "max_wait_ms":
            wait = rng.choice((0, 0, 0, 0, 0, 0, 1, 20, -1, 2**31 - 1))
            self.made.waits = wait > 0
            return wait
        if name in ("num_partitions", "count"):
            return rng.choice((-1, 0, 1, 1, 2, 3, 5, 8, 2**31 - 1))
        if name == "session_id":
            return rng.choice(self.world.sessions)
        if name.endswith("producer_id"):
            return rng.choice(self.world.producers)
        if name.endswith("_ms") and f.base != "int8" and rng.random() < 0.8:
            return rng.choice((100, 6_000, 10_000, 30_000))
        if "offset" in name or "timestamp" in name:
            return rng.choice(OFFSETS) if f.base == "int64" else rng.choice((0, 1, -1))
        if rng.random() < 0.7:
            return rng.choice((0, 0, 1, 1, 2, -1)) if f.base != "uint16" else 1
        bits = INT_BOUNDS[f.base]
        return rng.choice((2**bits - 1, 0, 3, rng.randrange(2**bits), *(
            () if f.base == "uint16" else (-2**bits, -1, -2))))

    def text(self, f):
        rng, name = self.rng, f.name
        if self.at_limit and rng.random() < 0.3:
            self.at_limit = False
            return "n" * 32_767
        if f.domain == "topic_name" or "topic" in name or name == "resource_name":
            return rng.choice(self.world.topics) if rng.random() < 0.9 else rng.choice(TEXTS)
        if f.domain == "group_id" or name in ("groups", "groups_names", "key", "coordinator_keys"):
            return f"g{rng.randrange(8)}" if rng.random() < 0.9 else rng.choice(TEXTS)
        if "member_id" in name:
            return rng.choice(self.world.members)
        if name in ("name", "configuration_keys"):
            return rng.choice(CONFIGS + self.world_names()) if rng.random() < 0.9 else rng.choice(TEXTS)
        if name == "value":
            return rng.choice(CONFIG_VALUES)
        if "protocol_type" in name:
            return "consumer"
        return rng.choice(TEXTS)

    def world_names(self):
        return tuple(self.world.topics[:8])

    def bytes(self, f):
        rng = self.rng
        if f.base == "records":
            return rng.choice(BATCHES)
        return rng.choice((b"", b"\0\0\0\0", rng.randbytes(20), b"\0\1\0\0\0\1\0\1t\xff\xff\xff\xff"))

    def length(self, n, wide):
        return varint(n + 1) if self.flexible else struct.pack(">i" if wide else ">h", n)
