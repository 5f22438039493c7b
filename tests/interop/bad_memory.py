"""Memory that is announced, half sent, or not taken: it costs the others nothing, and there is a limit to it."""
import concurrent.futures
import contextlib
import itertools
import json
import re
import resource
import socket
import ssl
import struct
import subprocess
import threading
import time

import pytest
from confluent_kafka import KafkaException
from lib import admin, bad, wire
from lib import server as servers
from lib.bad import Bystanders, Http, Http2, frame
from lib.messages import batch

MIB = 1 << 20
ANSWER_MIB = 32


def served_within(them, seconds, limit_s):
    """Others are answered all the time, each within so long; returns the longest wait."""
    longest, deadline = 0, time.monotonic() + seconds
    while time.monotonic() < deadline:
        began = time.monotonic()
        them.answer()
        longest = max(longest, time.monotonic() - began)
    assert longest < limit_s, f"{longest:.2f} s"


def frames_of(server):
    """The budget twice over, announced by two frames and one byte."""
    for size in (100, 28):
        raw = wire.Raw(server.kafka)
        raw.send(struct.pack(">i", size * MIB) + b"x")
        yield raw


def bodies_of(server):
    for _ in range(13):
        http = Http(server.kinesis)
        http.send(b"POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 10485760\r\n\r\nx")
        yield http


def streams_of(server):
    http = Http2(server.kinesis)
    for stream in range(1, 27, 2):
        http.send(frame(bad.HEADERS, bad.END_HEADERS, stream, bad.h2_head("PutRecord", 10485760))
                  + frame(bad.DATA, 0, stream, b"x"))
    yield http


@pytest.mark.measures
@pytest.mark.parametrize("announce", [frames_of, bodies_of, streams_of])
def test_what_is_announced_takes_nothing_from_others(start_server, announce):
    with start_server("--request-memory-mib", "128") as server:
        them = Bystanders(server)
        held = list(announce(server))
        served_within(them, 2, 1)
        late = Bystanders(server)                           # also those who come later
        late.answer()
        assert bad.rss_mib(server) < 150
        for one in held:
            one.socket.close()
        them.close(), late.close()
        assert server.stop() == 0


def test_half_bodies_that_fill_the_budget(start_server):
    """Really sent, and not completed: small requests have their reserve, and after some seconds those who
    stand still are closed."""
    with start_server("--request-memory-mib", "8") as server:
        them = Bystanders(server)
        held = []
        for _ in range(12):
            raw = wire.Raw(server.kafka)
            raw.socket.settimeout(0.2)
            with contextlib.suppress(OSError):
                raw.send(struct.pack(">i", 2 * MIB) + bytes(MIB))
            held.append(raw)
        served_within(them, 3, 1)
        stalled = bad.closed("kafka", "read_stall")
        bad.wait_for(lambda: bad.scrape(server)[stalled] > 0, 20, "the end of those who stand still")
        them.answer()
        for one in held:
            one.socket.close()
        them.close()
        assert server.stop() == 0


def unread_metadata(server):
    """A client that asks for all topics and takes nothing."""
    plain = socket.socket()
    plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    host, port = server.kafka.rsplit(":", 1)
    plain.connect((host, int(port)))
    plain.sendall(wire.request(wire.METADATA, 1, struct.pack(">i", -1)) * 8)
    return plain


@pytest.mark.measures
def test_large_answers_that_nobody_takes(start_server):
    """One request of some bytes is answered with 780 KB; there is room for 32 MiB of such answers."""
    with start_server("--answer-memory-mib", str(ANSWER_MIB), "--loops", "2") as server:
        for i in range(3):
            admin.create_topic(server, f"wide-{i}-" + "x" * 200, 10_000)
        them = Bystanders(server)
        before = bad.rss_mib(server)
        held = [unread_metadata(server) for _ in range(150)]
        most, deadline = 0, time.monotonic() + 4
        while time.monotonic() < deadline:
            most = max(most, bad.rss_mib(server) - before)
            them.answer()
        assert most < 2 * ANSWER_MIB + 100, f"{most:.0f} MiB more"
        for one in held:
            one.close()
        with wire.Raw(server.kafka) as raw:                 # and they are made again for who takes them
            assert len(raw.call(wire.METADATA, 1, struct.pack(">i", -1))) > 700_000
        them.close()
        assert server.stop() == 0


@pytest.mark.measures
def test_a_small_address_space_does_not_end_the_server(start_server):
    """What it cannot have it does without: announced and half sent requests by the hundred, in 3 GiB of addresses."""
    server = start_server("--request-memory-mib", "64")
    spawn = server._spawn
    server._spawn = lambda command, **more: spawn(["prlimit", f"--as={3 << 30}", *command], **more)
    with server:
        them = Bystanders(server)
        held = []
        for _ in range(300):
            raw = wire.Raw(server.kafka)
            raw.socket.settimeout(0.05)
            with contextlib.suppress(OSError):
                raw.send(struct.pack(">i", 100 * MIB) + bytes(MIB))
            held.append(raw)
        them.answer()
        assert server.running()
        for one in held:
            one.socket.close()
        bad.wait_for(lambda: bad.rss_mib(server) < 600)
        them.answer()
        them.close()
        assert server.stop() == 0


def test_the_sum_of_all_limits_is_told(start_server):
    with start_server() as server:
        assert int(re.search(r"^memory at most (\d+) MiB$", server.output(), re.MULTILINE)[1]) > 100


# ---- all of it at once

ALL_SETTINGS = ["--loops", "2", "--limits", "off", "--request-memory-mib", "256", "--waiting-memory-mib", "16",
                "--fetch-memory-mib", "8", "--fetch-session-memory-mib", "8", "--answer-memory-mib", "16",
                "--tail-memory-mib", "8", "--offsets-memory-mib", "8", "--group-memory-mib", "8",
                "--connection-memory-mib", "8", "--producer-memory-mib", "2", "--partitions-max", "42000",
                "--connections-max", "3000", "--shard-limit", "1000000"]
UNFILLED = re.compile("limits of shards|indexes of open files")      # their unit tests fill them
MANY_PARTITIONS = 10_000
SUBSCRIPTIONS, SUBSCRIPTIONS_OF_A_CONNECTION = 16_384, 500
CLIENTS_WITH_BOMBS = 6
HOUR_MS = 3_600_000


def limit_mib(words=None):
    """Of one row of docs/memory.md with these settings; without words: of all that are filled here."""
    page = subprocess.run([str(servers.BINARY), "memory", *ALL_SETTINGS], check=True, capture_output=True, text=True)
    rows = re.findall(r"^\| ([^|]+) \| (\d+) MiB", page.stdout, re.MULTILINE)
    return sum(int(mib) for name, mib in rows if (words in name if words else not UNFILLED.search(name)))


def asked_for_all(topic, wait_ms, session):
    rows = b"".join(struct.pack(">iqqi", p, 0, -1, MIB) for p in range(MANY_PARTITIONS))
    body = struct.pack(">iiiib", -1, wait_ms, 2**31 - 1, MIB, 0) + struct.pack(">ii", *session)
    return wire.request(1, 7, body + struct.pack(">i", 1) + wire.string(topic)
                        + struct.pack(">i", MANY_PARTITIONS) + rows + struct.pack(">i", 0))


def fill_logs(server):
    """Records for the tail, and more idempotent producers than are remembered."""
    large = batch(b"x" * MIB)
    with wire.Raw(server.kafka, 30) as raw:
        def produce(topic, rows):
            body = b"".join(struct.pack(">ii", p, len(records)) + records for p, records in rows)
            raw.send(wire.request(0, 3, struct.pack(">hhii", -1, 1, 30000, 1) + wire.string(topic)
                                  + struct.pack(">i", len(rows)) + body))
            raw.receive()
        for i in range(16):
            produce("all-0", [(i, large)])
        for i in range(2 * limit_mib("idempotent") * MIB // 256 // 1000):
            small = batch(b"x", producer=(i, 0, 0))
            produce("all-1", [(p, small) for p in range(1000)])


def fill_tables(server):
    """Sessions, offsets with their notes, members: until they are refused, and as often again."""
    with wire.Raw(server.kafka, 30) as raw:
        for i in range(2 * limit_mib("fetch sessions")):
            raw.send(asked_for_all(f"session-{i}", 0, (0, 0)))
            raw.receive()
        refused = 0
        for i in range(3 * limit_mib("committed") // 2):
            rows = b"".join(struct.pack(">iq", p, 1) + wire.string("n" * 4000) for p in range(150))
            answer = raw.call(8, 2, wire.string(f"group-{i}") + struct.pack(">i", -1) + wire.string("")
                              + struct.pack(">qi", -1, 1) + wire.string("all-0") + struct.pack(">i", 150) + rows)
            refused += struct.unpack_from(">h", answer, len(answer) - 2)[0] != 0
        assert refused > 0
        refused = 0
        for i in range(20 * limit_mib("members")):
            answer = raw.call(11, 2, wire.string(f"members-{i}") + struct.pack(">ii", 300_000, 300_000)
                              + wire.string("") + wire.string("consumer") + struct.pack(">i", 1)
                              + wire.string("range") + struct.pack(">i", 100_000) + bytes(100_000))
            refused += struct.unpack_from(">h", answer, 4)[0] != 0
        assert refused > 0


def kinesis(http, operation, members):
    """The status, and what is wrong or what was answered."""
    http.send(bad.kinesis_request(operation, members))
    status, _, body = http.answer()
    answer = json.loads(body or b"{}")
    return status, answer.get("__type", "") if status == 400 else answer


def fill_catalog(server):
    """Shards, tags and consumers of streams: until they are refused."""
    with Http(server.kinesis, 60) as http:
        assert kinesis(http, "CreateStream", {"StreamName": "shards", "ShardCount": 5000})[0] == 200
        for target in itertools.cycle((10_000, 5000)):
            status, answer = kinesis(http, "UpdateShardCount", {
                "StreamName": "shards", "TargetShardCount": target, "ScalingType": "UNIFORM_SCALING"})
            if status != 200:
                break
        assert answer == "LimitExceededException"
        tags = {f"{i:03}" + "\u4e00" * 125: "\u4e00" * 256 for i in range(50)}
        for i in range(5000):
            assert kinesis(http, "CreateStream", {"StreamName": f"tags-{i}", "ShardCount": 1})[0] == 200
            status, answer = kinesis(http, "AddTagsToStream", {"StreamName": f"tags-{i}", "Tags": tags})
            if status != 200:
                break
        assert answer == "LimitExceededException"


def make_consumers(server):
    """20 of a stream of 1,000 shards."""
    with Http(server.kinesis, 60) as http:
        assert kinesis(http, "CreateStream", {"StreamName": "read", "ShardCount": 1000})[0] == 200
        arn = kinesis(http, "DescribeStreamSummary", {"StreamName": "read"})[1]["StreamDescriptionSummary"]["StreamARN"]
        return [kinesis(http, "RegisterStreamConsumer", {"StreamARN": arn, "ConsumerName": f"c-{i}"})[1]
                ["Consumer"]["ConsumerARN"] for i in range(20)]


def subscribe_all(server, consumers):
    """A subscription for each of them to each of some 820 shards; the last ones are refused."""
    held, taken = [], 0
    wanted = itertools.islice(itertools.product(range(1000), consumers), SUBSCRIPTIONS + 100)
    while some := list(itertools.islice(wanted, SUBSCRIPTIONS_OF_A_CONNECTION)):
        http = Http2(server.kinesis, timeout_s=60)
        http.send(frame(bad.WINDOW, 0, 0, struct.pack(">I", 1 << 30)))
        for i, (shard, consumer) in enumerate(some):
            http.ask(2 * i + 1, "SubscribeToShard", {
                "ConsumerARN": consumer, "ShardId": f"shardId-{shard:012}", "StartingPosition": {"Type": "LATEST"}})
        heads = {}
        while len(heads) < len(some):
            _, _, stream, payload = http.until(bad.HEADERS)
            heads.setdefault(stream, payload[:1])
        taken += sum(head == b"\x88" for head in heads.values())       # :status 200
        held.append(http.socket)
    assert taken == SUBSCRIPTIONS
    return held


def bombs(server, bomb, stop):
    """A request after the other whose batch unpacks to 100 MiB and is packed anew."""
    body = (struct.pack(">hhii", -1, 1, 60_000, 1) + wire.string("bombs") + struct.pack(">iii", 1, 0, len(bomb)) + bomb)
    with wire.Raw(server.kafka, 120) as raw:
        while not stop.is_set():
            raw.send(wire.request(0, 3, body))
            raw.receive()


@contextlib.contextmanager
def codecs_full(server):
    """While what is inside runs, all codec threads have more than they may take at once."""
    admin.create_topic(server, "bombs", **{"compression.type": "lz4"})
    bomb, stop = batch(bytes(100 * MIB), codec="gzip"), threading.Event()
    with concurrent.futures.ThreadPoolExecutor(CLIENTS_WITH_BOMBS) as pool:
        under_way = [pool.submit(bombs, server, bomb, stop) for _ in range(CLIENTS_WITH_BOMBS)]
        try:
            yield
        finally:
            stop.set()
        for one in under_way:
            one.result()


@contextlib.contextmanager
def most_memory(server):
    """The most MiB that it holds while what is inside runs: yields a list that has it in the end."""
    most, stop = [bad.rss_mib(server)], threading.Event()

    def look():
        while not stop.wait(0.05):
            most[0] = max(most[0], bad.rss_mib(server))
    looker = threading.Thread(target=look)
    looker.start()
    try:
        yield most
    finally:
        stop.set()
        looker.join()


def fill_connections(server):
    """Half bodies, waiting fetches, answers that nobody takes, TLS and HTTP/2 sessions, subscriptions."""
    for size in (90, *[8] * 40):                            # one may go beyond the budget
        raw = wire.Raw(server.kafka)
        raw.socket.settimeout(2 if size > 2 else 0.05)
        with contextlib.suppress(OSError):
            raw.send(struct.pack(">i", size * MIB) + bytes(size * MIB - 100))
        yield raw.socket
    for _ in range(20):
        raw = wire.Raw(server.kafka)
        raw.socket.settimeout(0.2)
        with contextlib.suppress(OSError):
            raw.send(asked_for_all("all-0", HOUR_MS, (0, -1)))
        yield raw.socket
    for _ in range(100):
        yield unread_metadata(server)
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    for _ in range(300):
        with contextlib.suppress(OSError):
            plain = socket.create_connection(server.kafka.rsplit(":", 1), 2)
            yield context.wrap_socket(plain)
    for _ in range(300):
        with contextlib.suppress(OSError):
            yield Http2(server.kinesis).socket
    for _ in range(1500):
        yield socket.create_connection(server.kafka.rsplit(":", 1), 2)


@pytest.fixture
def many_sockets():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8000), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.measures
def test_all_holders_filled_at_once_stay_within_their_sum(start_server, many_sockets):
    """Each is asked for more than it may hold; the rows of what is not filled here are not counted."""
    with start_server(*ALL_SETTINGS) as server:
        them, before = Bystanders(server), bad.rss_mib(server)
        with most_memory(server) as most:
            for i in range(2):
                admin.create_topic(server, f"all-{i}", MANY_PARTITIONS)
            consumers = make_consumers(server)
            fill_catalog(server)
            with pytest.raises(KafkaException, match="42000 partitions in all"):
                for i in range(2, 5):
                    admin.create_topic(server, f"all-{i}", MANY_PARTITIONS)
            with codecs_full(server):
                fill_logs(server)
                fill_tables(server)
                held = subscribe_all(server, consumers)
                held += fill_connections(server)
                served_within(them, 3, 2)
            series = bad.scrape(server)
        print(f"{most[0] - before:.0f} MiB of {limit_mib()}")
        assert most[0] - before < limit_mib(), f"{most[0]:.0f} MiB"
        assert series[bad.closed("kafka", "too_many")] > 0
        for one in held:
            one.close()
        them.close()
        assert server.stop() == 0


# ---- the browser next door

PUT = b'{"StreamName": "s", "ShardCount": 1}'


def asked_by(server, *headers, operation="ListStreams", host="localhost"):
    with Http(server.kinesis) as http:
        http.send(bad.kinesis_request(operation, b"{}", headers=headers).replace(b"host: localhost",
                                                                               b"host: " + host.encode()))
        return http.answer()


def test_a_web_page_is_refused_unless_it_was_named(start_server):
    with start_server() as server:
        for headers in (["origin: https://evil.example"], ["origin: null"], ["origin: http://localhost:3000"]):
            status, answered, body = asked_by(server, *headers)
            assert status == 403 and b"--cors-origins" in body and b"StreamNames" not in body
            assert not [name for name in answered if name.startswith("access-control")]
        assert asked_by(server, host="evil.example:4567")[0] == 403
        for host in ("localhost", "a.localhost:1", "[::1]:4567", "127.0.0.1"):
            assert asked_by(server, host=host)[0] == 200
        with Http(server.admin) as http:
            http.send(b"GET /metrics HTTP/1.1\r\nhost: evil.example\r\n\r\n")
            assert http.answer()[0] == 403
    with start_server("--cors-origins", "http://localhost:3000", "--http-hosts", "kinesis.example") as server:
        status, answered, _ = asked_by(server, "origin: http://localhost:3000")
        assert status == 200 and answered["access-control-allow-origin"] == "http://localhost:3000"
        assert asked_by(server, "origin: http://localhost:3001")[0] == 403
        assert asked_by(server, host="kinesis.example")[0] == 200


def test_the_hosts_of_http2_are_looked_at_too(start_server):
    with start_server() as server, Http2(server.kinesis) as http:
        for stream, host in ((1, "localhost"), (3, "evil.example")):
            head = bad.h2_head("ListStreams", 2).replace(b"\x09localhost", bytes([len(host)]) + host.encode())
            http.send(frame(bad.HEADERS, bad.END_HEADERS, stream, head)
                      + frame(bad.DATA, bad.END_STREAM, stream, b"{}"))
            _, _, _, payload = http.until(bad.HEADERS, stream=stream)
            assert (b"200" in payload or payload[:1] == b"\x88") == (host == "localhost")
