"""The hostile inputs of hostile.py: each a function that prepares what it needs on a fresh server, makes its bytes,
and returns what sends them. What is sent is made beforehand, so that an attack costs its sender little.

    @attack("what it is")
    def name(server, state):
        ...
        return lambda until: ...        # attacks until that moment of time.monotonic(); returns bytes sent

An attack that goes on by itself is sent once; what takes a moment is sent again and again. cap_s: how long after
its end an answer is waited for.
"""
import functools
import json
import socket
import struct
import time

import zstandard
from lib import bad, messages, wire
from lib.bad_batches import record_batch

ATTACKS = {}
CAP_S = 20
MIB = 1 << 20
STREAM_SHARD = "shardId-000000000000"


def attack(about):
    def register(function):
        ATTACKS[function.__name__] = function
        function.about = about
        return function
    return register


# ---- What attacks share

def request(name, version, correlation_id=1, **fields):
    """One frame of any API at any version."""
    api = messages.APIS[name]
    head = struct.pack(">hhi", api.key, version, correlation_id) + wire.string("hostile")
    head += b"\0" if api.is_flexible(version) else b""
    body = messages.encode(name, version, fields)
    return struct.pack(">i", len(head) + len(body)) + head + body


class Line:
    """A connection that never waits for ever and comes back when it is closed."""

    def __init__(self, address, narrow=False):
        self.address, self.narrow, self.sent, self.socket = address, narrow, 0, None

    def _open(self):
        if self.socket is None:
            host, port = self.address.rsplit(":", 1)
            self.socket = socket.socket()
            if self.narrow:
                self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            self.socket.settimeout(CAP_S)
            self.socket.connect((host, int(port)))
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def close(self):
        if self.socket is not None:
            self.socket.close()
        self.socket = None

    def send(self, data, until=None):
        """What went out of it before the server closed it, or the moment came. True: everything."""
        view, done = memoryview(data), 0
        try:
            self._open()
            self.socket.settimeout(CAP_S if until is None else max(0.01, until - time.monotonic()))
            while done < len(view):
                done += self.socket.send(view[done:done + MIB])
            return True
        except OSError:
            self.close()
            return False
        finally:
            self.sent += done

    def _exactly(self, size, keep):
        kept = b""
        while size:
            part = self.socket.recv(min(size, MIB))
            if not part:
                raise ConnectionError
            kept += part if keep else b""
            size -= len(part)
        return kept

    def answer(self, timeout_s=CAP_S, keep=False):
        """One Kafka answer, thrown away or not; None: closed, or nothing in that time."""
        try:
            self.socket.settimeout(max(0.01, timeout_s))
            size, = struct.unpack(">i", self._exactly(4, True))
            body = self._exactly(size, keep)
            return body if keep else size
        except (OSError, AttributeError):
            self.close()
            return None

    def http(self, timeout_s=CAP_S):
        """The status of one HTTP answer, which is thrown away; None: closed, or nothing in that time."""
        try:
            self.socket.settimeout(max(0.01, timeout_s))
            head = b""
            while b"\r\n\r\n" not in head:
                part = self.socket.recv(1 << 16)
                if not part:
                    raise ConnectionError
                head += part
            head, _, rest = head.partition(b"\r\n\r\n")
            lines = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
            left = int(lines.get(b"content-length", 0)) - len(rest)
            self._exactly(max(0, left), False)
            if left < 0:                                # a subscription, which goes on
                self.close()
            return int(head.split(b" ")[1])
        except (OSError, AttributeError):
            self.close()
            return None


def again(lines_and_blobs, ask=Line.answer):
    """Sends each blob on its line and waits for the answer, in step, until the time is over."""
    def run(until):
        lines = [line for line, _ in lines_and_blobs]
        while time.monotonic() < until:
            asked = [line for line, blob in lines_and_blobs if line.send(blob)]
            for line in asked:
                ask(line, CAP_S)
            if not asked:
                time.sleep(0.05)
        return sum(line.sent for line in lines)
    return run


def once(lines_and_blobs, then=None):
    """Sends each blob, and keeps the connections, unread, until the time is over."""
    def run(until):
        for line, blob in lines_and_blobs:
            line.send(blob, until)
        while time.monotonic() < until:
            time.sleep(0.2)
            if then:
                then()
        return sum(line.sent for line, _ in lines_and_blobs)
    return run


def kafka_call(server, name, version, **fields):
    with messages.Caller(server.kafka, 60) as caller:
        return caller.call(name, version, **fields)


def make_topic(server, name, partitions=1, **configs):
    """A topic; configs with _ for the dots."""
    found = kafka_call(server, "CreateTopics", 4, timeout_ms=30_000, topics=[
        {"name": name, "num_partitions": partitions, "replication_factor": 1, "assignments": [], "configs": [
            {"name": key.replace("_", "."), "value": str(value)} for key, value in configs.items()]}])
    assert found["topics"][0]["error_code"] == 0, found
    return name


def make_stream(server, name, shards=1):
    kinesis(server, "CreateStream", {"StreamName": name, "ShardCount": shards})
    while kinesis(server, "DescribeStreamSummary", {"StreamName": name})["StreamDescriptionSummary"][
            "StreamStatus"] != "ACTIVE":
        time.sleep(0.02)
    return name


def kinesis(server, operation, members):
    with bad.Http(server.kinesis, 60) as door:
        door.send(bad.kinesis_request(operation, members))
        status, _, body = door.answer()
        assert status == 200, (operation, status, body)
        return json.loads(body or b"{}")


def iterator(server, stream, kind="TRIM_HORIZON", shard=STREAM_SHARD):
    return kinesis(server, "GetShardIterator", {"StreamName": stream, "ShardId": shard,
                                                "ShardIteratorType": kind})["ShardIterator"]


def zigzag(n):
    return messages.varint(n << 1)


@functools.cache
def bomb(mib):
    """A batch of one record of so many zeros in zstd: about 1/30,000 of that."""
    body = b"\0\0\0\x01" + zigzag(mib * MIB) + bytes(mib * MIB) + b"\0"
    packed = zstandard.ZstdCompressor(level=19).compress(zigzag(len(body)) + body)
    return record_batch(payload=packed, attributes=4, count=1, last_delta=0)


def produce(topic, entries, version=7):
    """entries: (partition, records)."""
    return request("Produce", version, acks=-1, timeout_ms=30_000, topic_data=[
        {"name": topic, "partition_data": [{"index": i, "records": records} for i, records in entries]}])


def store(server, topic, batch, times=1):
    """Through the front door, in requests of a size that costs nobody anything."""
    with wire.Raw(server.kafka, 120) as raw:
        for _ in range(times):
            raw.send(produce(topic, [(0, batch)]))
            raw.receive()


# ---- What unpacks to much

@attack("Produce: one zstd batch that unpacks to 99 MiB, again and again")
def zstd_bomb_1(server, state):
    return again([(Line(server.kafka), produce(make_topic(server, "bomb"), [(0, bomb(99))]))])


@attack("Produce: 50 partitions, each a zstd batch that unpacks to 99 MiB")
def zstd_bomb_50(server, state):
    one = bomb(99)
    return again([(Line(server.kafka), produce(make_topic(server, "bomb", 50), [(i, one) for i in range(50)]))])


@attack("six connections, each a Produce of 0.33 MB: 100 zstd batches of 99 MiB")
def zstd_bomb_6x100(server, state):
    blob = produce(make_topic(server, "bomb", 100), [(i, bomb(99)) for i in range(100)])
    return again([(Line(server.kafka), blob) for _ in range(6)])


@attack("Produce: one small batch named for one partition 50,000 times")
def one_batch_many_times(server, state):
    small = record_batch()
    return again([(Line(server.kafka), produce(make_topic(server, "one"), [(0, small)] * 50_000))])


@attack("Produce: one partition, 20,000 batches behind each other")
def batches_in_a_row(server, state):
    return again([(Line(server.kafka), produce(make_topic(server, "row"), [(0, record_batch() * 20_000)]))])


@attack("Produce: one batch of 300,000 empty records in zstd")
def many_records(server, state):
    payload = b"".join((lambda d: zigzag(len(d)) + d)(b"\0\0" + zigzag(i) + b"\x01\x00\x00")
                       for i in range(300_000))
    packed = zstandard.ZstdCompressor().compress(payload)
    batch = record_batch(payload=packed, attributes=4, count=300_000, last_delta=299_999)
    return again([(Line(server.kafka), produce(make_topic(server, "many"), [(0, batch)]))])


@attack("GetRecords with Limit=1 from a batch of 50,000 records that unpacks to 20 MiB, 10 shards in turn")
def get_one_of_many(server, state):
    make_stream(server, "limit", 10)
    value = bytes(400)
    body = [b"\0\0" + zigzag(i) + b"\x01" + zigzag(len(value)) + value + b"\0" for i in range(50_000)]
    packed = zstandard.ZstdCompressor().compress(b"".join(zigzag(len(b)) + b for b in body))
    batch = record_batch(payload=packed, attributes=4, count=50_000, last_delta=49_999)
    with wire.Raw(server.kafka, 60) as raw:
        raw.send(produce("limit", [(i, batch) for i in range(10)]))
        raw.receive()
    asks = [(Line(server.kinesis), bad.kinesis_request("GetRecords", {"Limit": 1, "ShardIterator": iterator(
        server, "limit", shard=f"shardId-{i:012d}")})) for i in range(10)]
    return again(asks, Line.http)


@attack("a record of 30 MiB in 1 KB of zstd, and a reader of the shard that asks for it")
def poison_record(server, state):
    make_stream(server, "poison")
    store(server, "poison", bomb(30))
    state["note"] = lambda: ("" if answers <= {200} else "bad: ") + f"GetRecords answers {sorted(answers, key=str)}"
    answers, line = set(), Line(server.kinesis)
    blob = bad.kinesis_request("GetRecords", {"ShardIterator": iterator(server, "poison")})

    def run(until):
        while time.monotonic() < until:
            if line.send(blob):
                answers.add(line.http() or "closed")
            time.sleep(0.2)                          # five a second, as the limits of a shard allow
        return line.sent
    return run


@attack("SubscribeToShard from the beginning of a shard with a record of 30 MiB in 1 KB")
def poison_subscription(server, state):
    make_stream(server, "poison")
    store(server, "poison", bomb(30))
    arn = kinesis(server, "DescribeStreamSummary", {"StreamName": "poison"})["StreamDescriptionSummary"]["StreamARN"]
    consumers = [kinesis(server, "RegisterStreamConsumer", {"StreamARN": arn, "ConsumerName": f"c{i}"})[
        "Consumer"]["ConsumerARN"] for i in range(5)]
    lines = [(Line(server.kinesis), bad.kinesis_request("SubscribeToShard", {
        "ConsumerARN": c, "ShardId": STREAM_SHARD, "StartingPosition": {"Type": "TRIM_HORIZON"}})) for c in consumers]

    def run(until):
        while time.monotonic() < until:
            for line, blob in lines:
                line.close()
                line.send(blob)
            time.sleep(1)
        return sum(line.sent for line, _ in lines)
    return run


@attack("compression.type=zstd with level 22: a Produce of 9.7 MB")
def level_22(server, state):
    topic = make_topic(server, "level", 1, compression_type="zstd", compression_zstd_level=22,
                       max_message_bytes=100 * MIB)
    words = b"".join(b"%d," % (i * 7919 % 100_003) for i in range(1_800_000))[:9_700_000]
    return again([(Line(server.kafka), produce(topic, [(0, record_batch_of(words))]))])


def record_batch_of(value):
    body = b"\0\0\0\x01" + zigzag(len(value)) + value + b"\0"
    return record_batch(payload=zigzag(len(body)) + body)


@attack("ListOffsets by time, 200 entries of a partition whose batches unpack to 99 MiB")
def seek_by_time(server, state):
    topic = make_topic(server, "seek")
    store(server, topic, bomb(99), 3)
    entry = {"name": topic, "partitions": [{"partition_index": 0, "timestamp": 1_699_999_999_999}]}
    return again([(Line(server.kafka), request("ListOffsets", 1, replica_id=-1, topics=[entry] * 200))])


# ---- What names much

@attack("ListOffsets: 100,000 partitions of one topic")
def list_offsets_100k(server, state):
    make_topic(server, "wide")
    parts = [{"partition_index": i, "timestamp": -1} for i in range(100_000)]
    return again([(Line(server.kafka), request("ListOffsets", 1, replica_id=-1, topics=[
        {"name": "wide", "partitions": parts}]))])


@attack("OffsetCommit, OffsetFetch, DeleteRecords, DeleteTopics, OffsetForLeaderEpoch, each of 99,000 topics")
def names_198k(server, state):
    def topics(part, name="name"):
        return [{name: f"t{i}", "partitions": [part]} for i in range(99_000)]
    return again([(Line(server.kafka), request(name, version, **fields)) for name, version, fields in (
        ("OffsetCommit", 2, {
            "group_id": "g", "generation_id_or_member_epoch": -1, "member_id": "", "retention_time_ms": -1,
            "topics": topics({"partition_index": 0, "committed_offset": 1, "committed_metadata": ""})}),
        ("OffsetFetch", 1, {"group_id": "g", "topics": [
            {"name": f"t{i}", "partition_indexes": [0]} for i in range(99_000)]}),
        ("DeleteRecords", 0, {"timeout_ms": 1000, "topics": topics({"partition_index": 0, "offset": 0})}),
        ("DeleteTopics", 1, {"timeout_ms": 1000, "topic_names": [f"t{i}" for i in range(99_000)]}),
        ("OffsetForLeaderEpoch", 2, {"topics": topics(
            {"partition": 0, "current_leader_epoch": -1, "leader_epoch": 0}, "topic")}))])


@attack("IncrementalAlterConfigs: 40,000 resources")
def alter_configs_40k(server, state):
    resources = [{"resource_type": 2, "resource_name": f"t{i}", "configs": []} for i in range(40_000)]
    return again([(Line(server.kafka), request("IncrementalAlterConfigs", 0, resources=resources))])


@attack("IncrementalAlterConfigs: 40,000 configs of one resource")
def alter_configs_of_one(server, state):
    make_topic(server, "alter")
    configs = [{"name": f"c{i}", "config_operation": 0, "value": "1"} for i in range(40_000)]
    return again([(Line(server.kafka), request("IncrementalAlterConfigs", 0, resources=[
        {"resource_type": 2, "resource_name": "alter", "configs": configs}]))])


@attack("CreateTopics: 65,000 names that no topic can have")
def create_topics_wrong(server, state):
    topics = [{"name": f"wrong {i}", "num_partitions": 1, "replication_factor": 1, "assignments": [], "configs": []}
              for i in range(65_000)]
    return again([(Line(server.kafka), request("CreateTopics", 4, timeout_ms=30_000, topics=topics))])


@attack("Produce: one record to each of 10,000 partitions, and no such partition 120,000 times")
def produce_130k(server, state):
    make_topic(server, "broad", 10_000)
    small = record_batch()
    return again([(Line(server.kafka), produce("broad", [(i, small if i < 10_000 else b"") for i in range(130_000)]))])


@attack("Fetch: 10,000 partitions that exist and 120,000 that do not, without waiting")
def fetch_130k(server, state):
    make_topic(server, "broad", 10_000)
    parts = [{"partition": i, "fetch_offset": 0, "partition_max_bytes": 1} for i in range(130_000)]
    return again([(Line(server.kafka), request("Fetch", 4, max_wait_ms=0, min_bytes=0, topics=[
        {"topic": "broad", "partitions": parts}]))])


@attack("DescribeGroups: one group of 1 MiB of metadata, named 60,000 times")
def describe_one_group(server, state):
    line = Line(server.kafka)
    line.send(request("JoinGroup", 0, group_id="large", session_timeout_ms=300_000, member_id="",
                      protocol_type="consumer", protocols=[{"name": "a", "metadata": bytes(MIB)}]))
    line.answer()
    return again([(Line(server.kafka), request("DescribeGroups", 0, groups=["large"] * 60_000))])


@attack("full fetches of 273 KB: a name of 32,767 bytes, 10,000 partitions, each a new session")
def fetch_sessions(server, state):
    blob = request("Fetch", 7, max_wait_ms=0, min_bytes=0, session_epoch=0, topics=[{
        "topic": "n" * 32_767, "partitions": [{"partition": i, "fetch_offset": 0, "partition_max_bytes": 1}
                                              for i in range(10_000)]}])
    return again([(Line(server.kafka), blob)])


@attack("full fetches of 1,000 topics that exist, 10 partitions each, each a new session")
def fetch_sessions_real(server, state):
    topics = [f"session-{i}" for i in range(1_000)]
    kafka_call(server, "CreateTopics", 4, timeout_ms=60_000, topics=[
        {"name": t, "num_partitions": 10, "replication_factor": 1, "assignments": [], "configs": []} for t in topics])
    blob = request("Fetch", 7, max_wait_ms=0, min_bytes=0, session_epoch=0, topics=[
        {"topic": t, "partitions": [{"partition": i, "fetch_offset": 0, "partition_max_bytes": 1}
                                    for i in range(10)]} for t in topics])
    return again([(Line(server.kafka), blob)])


@attack("40 waiting fetches, each 10,000 partitions named ten times; and an append")
def waiting_fetches(server, state):
    make_topic(server, "waited", 10_000)
    parts = [{"partition": i, "fetch_offset": 0, "partition_max_bytes": 1} for i in range(10_000)]
    blob = request("Fetch", 4, max_wait_ms=2**31 - 1, min_bytes=2**31 - 1, topics=[
        {"topic": "waited", "partitions": parts}] * 10)
    append, one = Line(server.kafka), produce("waited", [(0, record_batch())])

    def then():
        if append.send(one):
            append.answer()
    return once([(Line(server.kafka), blob) for _ in range(40)], then)


@attack("a Fetch that names one partition 100,000 times and waits")
def one_partition_100k(server, state):
    make_topic(server, "again")
    part = {"partition": 0, "fetch_offset": 0, "partition_max_bytes": 1}
    blob = request("Fetch", 4, max_wait_ms=2**31 - 1, min_bytes=2**31 - 1, topics=[
        {"topic": "again", "partitions": [part] * 100_000}])
    waits, other = [], Line(server.kafka)
    wait = request("Fetch", 4, max_wait_ms=500, min_bytes=1, topics=[{"topic": "again", "partitions": [part]}])
    state["note"] = lambda: (("" if min(waits, default=0) > 0.4 else "bad: ")
                             + f"another's wait of 500 ms ends after {min(waits, default=0) * 1e3:.0f} ms")

    def then():
        began = time.monotonic()
        if other.send(wait) and other.answer() is not None:
            waits.append(time.monotonic() - began)
    return once([(Line(server.kafka), blob)], then)


@attack("ListShards AT_TRIM_HORIZON of a stream with 60,000 shards")
def list_shards(server, state):
    make_stream(server, "shards", 1)
    for target in (2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 10_000, 5_000, 10_000, 5_000):
        kinesis(server, "UpdateShardCount", {"StreamName": "shards", "TargetShardCount": target,
                                             "ScalingType": "UNIFORM_SCALING"})
    blob = bad.kinesis_request("ListShards", {"StreamName": "shards", "ShardFilter": {"Type": "AT_TRIM_HORIZON"},
                                              "MaxResults": 10_000})
    return again([(Line(server.kinesis), blob)], Line.http)


# ---- Groups

def crowd(server, members, protocols):
    """Members that join and hang up, each with protocols of its own but for the last; and one that asks again."""
    names = [f"p{j}" for j in range(protocols - 1)]

    def join(i, member_id=""):
        return request("JoinGroup", 1, group_id="crowd", session_timeout_ms=6_000, rebalance_timeout_ms=1_000,
                       member_id=member_id, protocol_type="consumer", protocols=[
                           {"name": f"{n}-{i}", "metadata": b""} for n in names] + [{"name": "all", "metadata": b""}])
    blobs = [join(i) for i in range(members)]

    def run(until):
        sent = 0
        while time.monotonic() < until:
            lines = []
            for blob in blobs:
                line = Line(server.kafka)
                line.send(blob)
                lines.append(line)
                sent += line.sent
                if len(lines) == 500:
                    lines.pop(0).close()
            for line in lines:
                line.close()
            time.sleep(max(0.0, min(4, until - time.monotonic())))      # for the rebalance
        return sent
    return run


@attack("a group of 1,000 members that hang up, 64 protocols each of which one is common")
def group_1000(server, state):
    return crowd(server, 1_000, 64)


@attack("a group of 3,000 members that hang up, 64 protocols each of which one is common")
def group_3000(server, state):
    return crowd(server, 3_000, 64)


@attack("committed offsets with 4 KiB of metadata, 250 partitions a request (more is refused), a new group each")
def committed_metadata(server, state):
    make_topic(server, "commits", 1_000)
    line = Line(server.kafka)

    def blob(i):
        return head.replace(b"group-000000", b"group-%06d" % i)
    head = request("OffsetCommit", 2, group_id="group-000000", generation_id_or_member_epoch=-1, member_id="",
                   retention_time_ms=-1, topics=[{"name": "commits", "partitions": [
                       {"partition_index": i, "committed_offset": 1, "committed_metadata": "m" * 4096}
                       for i in range(250)]}])

    def run(until):
        i = 0
        while time.monotonic() < until and i < 4_000:
            i += 1
            if line.send(blob(i)):
                line.answer()
        while time.monotonic() < until:
            time.sleep(0.1)
        return line.sent
    return run


@attack("OffsetFetch: all 10,000 offsets of one group, named 3,000 times")
def offset_fetch_one_group(server, state):
    make_topic(server, "commits", 10_000)
    kafka_call(server, "OffsetCommit", 2, group_id="large", generation_id_or_member_epoch=-1, member_id="",
               retention_time_ms=-1, topics=[{"name": "commits", "partitions": [
                   {"partition_index": i, "committed_offset": 1, "committed_metadata": "m"} for i in range(10_000)]}])
    return again([(Line(server.kafka), request("OffsetFetch", 8, require_stable=False, groups=[
        {"group_id": "large", "topics": None}] * 3_000))])


@attack("2,300 groups with ids of 32,000 bytes, and /metrics")
def metrics_long_groups(server, state):
    line, page = Line(server.kafka), Line(server.admin)
    joins = [request("JoinGroup", 0, group_id=f"{i:05d}" + "g" * 32_000, session_timeout_ms=300_000, member_id="",
                     protocol_type="consumer", protocols=[{"name": "a", "metadata": b""}]) for i in range(2_300)]
    statuses = set()
    state["note"] = lambda: ("" if statuses == {200} else "bad: ") + f"/metrics answers {sorted(statuses, key=str)}"

    def run(until):
        half = (time.monotonic() + until) / 2
        for blob in joins:
            if time.monotonic() < half and line.send(blob):
                line.answer()
        while not statuses or time.monotonic() < until:
            if page.send(b"GET /metrics HTTP/1.1\r\nhost: localhost\r\n\r\n"):
                statuses.add(page.http() or "closed")
            time.sleep(0.2)
        return line.sent + page.sent
    return run


# ---- What waits and what is slow

@attack("two connections announce frames of 100 and 28 MiB and send no more")
def announced_frames(server, state):
    return once([(Line(server.kafka), struct.pack(">i", n * MIB - 4) + b"\0") for n in (100, 28)])


# 128 MiB, and no room left for small ones either.
ANNOUNCED = [10 * MIB] * 13 + [MIB] * 10 + [MIB // 16] * 20 + [4096] * 40


@attack("83 HTTP/1.1 requests announce 128 MiB together and send one byte each")
def announced_http1(server, state):
    head = bad.kinesis_request("PutRecord", b"")
    return once([(Line(server.kinesis), head.replace(b"content-length: 0", b"content-length: %d" % n) + b"{")
                 for n in ANNOUNCED])


@attack("one HTTP/2 connection with 83 streams that announce 128 MiB together, one byte of each body")
def announced_http2(server, state):
    streams = b"".join(bad.frame(bad.HEADERS, bad.END_HEADERS, 2 * i + 1, bad.h2_head("PutRecord", n))
                       + bad.frame(bad.DATA, 0, 2 * i + 1, b"{") for i, n in enumerate(ANNOUNCED))
    return once([(Line(server.kinesis), bad.PREFACE + bad.frame(bad.SETTINGS) + streams)])


@attack("1,000 connections with half a frame and half a request head")
def half_requests(server, state):
    return once([(Line(server.kafka), struct.pack(">i", 1000) + b"\0\0") for _ in range(500)]
                + [(Line(server.kinesis), b"POST / HTTP/1.1\r\nhost: l") for _ in range(500)])


def make_many_topics(server, count):
    """By Metadata, as a client would."""
    with wire.Raw(server.kafka, 120) as raw:
        for first in range(0, count, 1_000):
            raw.send(request("Metadata", 4, allow_auto_topic_creation=True, topics=[
                {"name": f"{first + i:06d}-" + "t" * 200} for i in range(1_000)]))
            raw.receive()


@attack("150 connections ask for the Metadata of 10,000 topics and read nothing")
def unread_metadata(server, state):
    make_many_topics(server, 10_000)
    ask = request("Metadata", 1, topics=None)
    return once([(Line(server.kafka, narrow=True), ask * 2) for _ in range(150)])


@attack("Metadata of all of 10,000 topics, read, on four connections")
def read_metadata(server, state):
    make_many_topics(server, 10_000)
    return again([(Line(server.kafka), request("Metadata", 1, topics=None)) for _ in range(4)])


def fill(server, topic, count=60, size=500_000):
    make_topic(server, topic)
    store(server, topic, record_batch_of(b"\x5a" * size), count)


@attack("60 readers ask 50 times for 30 MB each and read nothing")
def slow_fetch(server, state):
    fill(server, "slow")
    ask = request("Fetch", 4, max_wait_ms=0, min_bytes=1, max_bytes=50 << 20, topics=[{"topic": "slow", "partitions": [
        {"partition": 0, "fetch_offset": 0, "partition_max_bytes": 50 << 20}]}])
    return once([(Line(server.kafka, narrow=True), ask * 50) for _ in range(60)])


@attack("60 readers ask 20 times for GetRecords of 10 MB and read nothing")
def slow_get_records(server, state):
    make_stream(server, "slow-stream", 30)
    batch = record_batch_of(b"\x5a" * 900_000)
    with wire.Raw(server.kafka, 60) as raw:
        for _ in range(12):
            raw.send(produce("slow-stream", [(i, batch) for i in range(30)]))
            raw.receive()
    asks = [bad.kinesis_request("GetRecords", {"ShardIterator": iterator(
        server, "slow-stream", shard=f"shardId-{i:012d}")}) * 20 for i in range(30)]
    return once([(Line(server.kinesis, narrow=True), ask) for ask in asks * 2])


@attack("produce one record and DeleteRecords up to it, as fast as it goes")
def delete_records(server, state):
    make_topic(server, "trimmed")
    line = Line(server.kafka)
    one = produce("trimmed", [(0, record_batch())])
    trim = request("DeleteRecords", 1, timeout_ms=30_000, topics=[
        {"name": "trimmed", "partitions": [{"partition_index": 0, "offset": -1}]}])
    done = [0]
    state["note"] = lambda: f"{done[0]} trims"
    pair = one + trim

    def run(until):
        while time.monotonic() < until:
            if line.send(pair) and line.answer() and line.answer():
                done[0] += 1
        return line.sent
    return run


@attack("delete and create a topic of 100 partitions, as fast as it goes")
def create_delete(server, state):
    line = Line(server.kafka)
    make = request("CreateTopics", 2, timeout_ms=30_000, topics=[
        {"name": "again", "num_partitions": 100, "replication_factor": 1, "assignments": [], "configs": []}])
    drop = request("DeleteTopics", 1, timeout_ms=30_000, topic_names=["again"])
    return again([(line, make), (Line(server.kafka), drop)])


@attack("400 connections a second at each door, closed at once")
def connect_and_leave(server, state):
    def run(until):
        sent = 0
        while time.monotonic() < until:
            for door in (server.kafka, server.kinesis):
                line = Line(door)
                line.send(b"x")
                sent += line.sent
                line.close()
            time.sleep(0.0025)
        return sent
    return run


@attack("JSON of 1 MB, 200,000 deep and 200,000 wide, at the Kinesis door")
def deep_json(server, state):
    deep = b"[" * 200_000
    wide = json.dumps({"StreamName": "none", "Tags": {f"k{i}": "v" for i in range(80_000)}}).encode()
    return again([(Line(server.kinesis), bad.kinesis_request(op, body)) for op, body in (
        ("PutRecord", deep), ("AddTagsToStream", wide),
        ("PutRecords", json.dumps({"StreamName": "none", "Records": [{}] * 200_000}).encode()))], Line.http)


@attack("Strings of 10 MB at the Kinesis door: escapes, letters, two-byte characters; as CBOR too")
def long_strings(server, state):
    def json_of(member, unit):
        return bad.kinesis_request("PutRecord", b'{"%b":"%b"}' % (member, unit * (10_000_000 // len(unit))))
    text = "\u00e9".encode() * 5_000_000
    cbor = b"\xa1\x6cPartitionKey\x7a" + len(text).to_bytes(4, "big") + text
    blobs = [json_of(b"StreamName", b"\\n"), json_of(b"StreamName", b"\\u0041"), json_of(b"StreamName", b"a"),
             json_of(b"PartitionKey", text[:2]), json_of(b"Data", b"\\/"),
             bad.kinesis_request("PutRecord", cbor, "application/x-amz-cbor-1.1")]
    return again([(Line(server.kinesis), blob) for blob in blobs], Line.http)
