"""Too much at once: slow readers, silent connections, more connections than there is room for. The server's memory
stays bounded, others are served meanwhile, and everything is given back afterwards."""
import json
import resource
import socket
import ssl
import struct
import time

import pytest
from lib import admin, bad, wire
from lib.bad import Bystanders, Http, Http2, closed, frame, setting, unharmed
from lib.bad_batches import FETCH, fetched
from lib.clients import Confluent
from lib.kinesis import KINESIS
from lib.lines import Record

boto3 = KINESIS[0]
RECORDS, RECORD_BYTES = 60, 500_000
SLOW = 10                                                   # readers, each of which asks for more than it takes
ROOM_MIB = 2 * 128                                          # for what waits to be sent: of each loop, see --loops
IDLE = 10_000


@pytest.fixture(scope="module")
def full(start_server):
    """A server with 30 MB in one stream and little patience with who does not read."""
    with start_server("--write-timeout-ms", "1000", "--limits", "off", "--tail-memory-mib", "16",
                      "--request-memory-mib", "32", "--loops", "2") as running:
        admin.create_topic(running, "full", 1)
        Confluent().write(running, "full", [Record(b"k", bytes(RECORD_BYTES), partition=0)] * RECORDS)
        yield running
        assert running.stop() == 0


@pytest.fixture(scope="module")
def bystanders(full):
    them = Bystanders(full)
    yield them
    them.close()


def narrow(address):
    """A socket that takes little before it is full."""
    plain = socket.socket()
    plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    plain.settimeout(10)
    host, port = address.rsplit(":", 1)
    plain.connect((host, int(port)))
    return plain


def largest_rss(server, bystanders, seconds):
    """The most memory seen within so long, while others go on being served."""
    largest, deadline = 0, time.monotonic() + seconds
    while time.monotonic() < deadline:
        largest = max(largest, bad.rss_mib(server))
        bystanders.answer()
        time.sleep(0.05)
    return largest


def stalled(server, door, count):
    """A check that so many were closed because they took nothing."""
    name = closed(door, "write_stall")
    before = bad.scrape(server)[name]
    return lambda: bad.scrape(server)[name] - before >= count


def slow_readers(server, bystanders, door, asks):
    """Connections that ask and take nothing: MiB that they cost in the meantime. In the end they are closed."""
    before = bad.rss_mib(server)
    with unharmed(server, bystanders, {closed(door, "write_stall"): len(asks)}):
        all_closed = stalled(server, door, len(asks))
        sockets = [narrow(getattr(server, door)) for _ in asks]
        for one, ask in zip(sockets, asks):
            one.sendall(ask)
        largest = largest_rss(server, bystanders, 0.8)
        bad.wait_for(all_closed, 20, "their end")
        for one in sockets:
            one.close()
    print(f"{largest - before:.0f} MiB more")
    return largest - before


def fetch_request(max_bytes):
    return wire.request(FETCH, 4, struct.pack(">iiiibi", -1, 0, 1, max_bytes, 0, 1) + wire.string("full")
                        + struct.pack(">iiqi", 1, 0, 0, max_bytes))


@pytest.mark.measures
def test_slow_readers_of_fetch(full, bystanders):
    """Each asks 50 times for 30 MB. The bound: one answer of each connection at a time."""
    assert slow_readers(full, bystanders, "kafka", [fetch_request(50 << 20) * 50] * SLOW) < SLOW * 32


def iterator(server):
    return boto3.iterator(server, "full", "shardId-000000000000")


@pytest.mark.measures
def test_slow_readers_of_get_records(full, bystanders):
    """10 MB an answer, 14 MB in base64; one at a time of each connection."""
    ask = bad.kinesis_request("GetRecords", {"ShardIterator": iterator(full)}) * 20
    assert slow_readers(full, bystanders, "kinesis", [ask] * SLOW) < SLOW * 32


def h2_request(server, operation, members, streams):
    body = json.dumps(members).encode()
    asked = b"".join(frame(bad.HEADERS, bad.END_HEADERS, stream, bad.h2_head(operation, len(body)))
                     + frame(bad.DATA, bad.END_STREAM, stream, body) for stream in range(1, 2 * streams, 2))
    return (bad.PREFACE + frame(bad.SETTINGS, payload=setting(4, 2**31 - 1))
            + frame(bad.WINDOW, payload=struct.pack(">I", 2**30)) + asked)


@pytest.mark.measures
def test_slow_readers_of_get_records_over_http2(full, bystanders):
    """1,000 streams, each of which could get 10 MB: the pages become small, since the loops have no room for more."""
    ask = h2_request(full, "GetRecords", {"ShardIterator": iterator(full)}, 50)
    assert slow_readers(full, bystanders, "kinesis", [ask] * 20) < 2 * ROOM_MIB


@pytest.mark.measures
def test_many_slow_readers_of_fetch(full, bystanders):
    """60 answers of 30 MB, together seven times as much as there is room for."""
    assert slow_readers(full, bystanders, "kafka", [fetch_request(50 << 20) * 50] * 60) < 2 * ROOM_MIB


@pytest.mark.measures
@pytest.mark.parametrize("version", [1, 2])
def test_slow_subscribers(full, bystanders, version):
    """What is pushed to a subscriber that takes nothing waits in the log, not in memory."""
    arn = boto3.call(full, "DescribeStreamSummary", StreamName="full")["StreamDescriptionSummary"]["StreamARN"]
    consumers = [boto3.call(full, "RegisterStreamConsumer", StreamARN=arn, ConsumerName=f"slow-{version}-{i}")
                 ["Consumer"]["ConsumerARN"] for i in range(SLOW)]
    asks = []
    for consumer in consumers:
        members = {"ConsumerARN": consumer, "ShardId": "shardId-000000000000",
                   "StartingPosition": {"Type": "TRIM_HORIZON"}}
        asks.append(bad.kinesis_request("SubscribeToShard", members) if version == 1
                    else h2_request(full, "SubscribeToShard", members, 1))
    assert slow_readers(full, bystanders, "kinesis", asks) < SLOW * 16
    for consumer in consumers:
        boto3.call(full, "DeregisterStreamConsumer", ConsumerARN=consumer)


def test_a_reader_beside_slow_ones_gets_everything(full, bystanders):
    sockets = [narrow(full.kafka) for _ in range(SLOW)]
    for one in sockets:
        one.sendall(fetch_request(50 << 20) * 20)
    assert len(Confluent().read(full, "full", RECORDS)) == RECORDS
    for one in sockets:
        one.close()


# ---- Connections


def test_a_silent_connection_is_closed_after_its_time(start_server):
    with start_server("--idle-timeout-ms", "1000") as server:
        before = bad.scrape(server)
        silent = [wire.Raw(server.kafka), Http(server.kinesis), Http2(server.kinesis)]
        tls = ssl._create_unverified_context()
        encrypted = [Http(server.kafka, tls=tls), Http(server.kinesis, tls=tls), Http(server.kinesis, tls=tls)]
        assert encrypted[2].call("DescribeLimits", {})[0] == 200
        silent.append(Http2(server.kinesis, tls=tls))
        busy = Bystanders(server)
        deadline = time.monotonic() + 2
        while time.monotonic() < deadline:
            busy.answer()
            time.sleep(0.2)
        assert silent[0].closed_by_server() and silent[1].ended()
        assert silent[2].goaway() == 0 and silent[3].goaway() == 0
        assert all(one.ended() for one in encrypted)
        bad.wait_for(lambda: bad.moved(before, bad.scrape(server)) ==
                     {closed("kafka", "idle"): 2, closed("kinesis", "idle"): 5})
        busy.answer()
        busy.close()


def test_more_connections_than_the_cap(start_server):
    """The cap of each door holds over all its loops; the admin door has its own."""
    with start_server("--connections-max", "50", "--loops", "4") as server:
        before = bad.scrape(server)
        them = Bystanders(server)
        for door in ("kafka", "kinesis"):
            held = [Http(getattr(server, door)) for _ in range(49)]
            over = [Http(getattr(server, door)) for _ in range(20)]
            for one in over:
                assert one.ended()
            bad.wait_for(lambda: bad.scrape(server)[f'diglot_net_connections{{door="{door}"}}'] == 50)
            them.answer()
            for one in held + over:
                one.socket.close()
            bad.wait_for(lambda: bad.scrape(server)[f'diglot_net_connections{{door="{door}"}}'] == 1)
            with Http(getattr(server, door)) as again:
                if door == "kinesis":
                    assert again.call("DescribeLimits", {})[0] == 200
                else:
                    again.send(wire.request(wire.API_VERSIONS, 0))
                    assert len(again.socket.recv(1 << 16)) > 100
        bad.wait_for(lambda: bad.moved(before, bad.scrape(server)) ==
                     {closed(door, reason): count for door in ("kafka", "kinesis")
                      for reason, count in (("too_many", 20), ("peer", 50))})
        bad.conserved(bad.scrape(server))
        them.close()


def test_descriptors_are_left_for_the_store(start_server):
    """Both doors together take no more connections than leave files for the store: half of so few."""
    server = start_server()
    spawn = server._spawn
    server._spawn = lambda command, **more: spawn(["prlimit", "--nofile=400:400", *command], **more)
    with server:
        held = [Http(address) for _ in range(150) for address in (server.kafka, server.kinesis)]
        bad.wait_for(lambda: bad.scrape(server)[closed("kafka", "too_many")]
                     + bad.scrape(server)[closed("kinesis", "too_many")] >= 100)
        series = bad.scrape(server)
        assert sum(series[f'diglot_net_connections{{door="{door}"}}'] for door in ("kafka", "kinesis")) == 200
        assert not any(series[f'diglot_net_accept_failures_total{{door="{door}"}}']
                       for door in ("kafka", "kinesis", "admin"))
        for one in held:
            one.socket.close()
        bad.wait_for(lambda: wire.metadata_ready(server.kafka))
        admin.create_topic(server, "t")
        assert Confluent().write(server, "t", [Record(b"k", b"v", partition=0)])
        assert server.stop() == 0


@pytest.mark.measures
def test_ten_thousand_idle_connections(start_server, topic):
    """The bound: 4 KiB of the server's memory for each. They cost nobody anything, and are gone after their time."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    count = min(IDLE, hard - 2000)
    assert count >= 1000, f"only {hard} descriptors"
    with start_server("--idle-timeout-ms", "5000") as server:
        them = Bystanders(server)
        before, open_before = bad.rss_mib(server), bad.descriptors(server)
        idle = [Http(server.kinesis if i % 2 else server.kafka) for i in range(count)]
        connected = 'diglot_net_connections{door="%s"}'
        bad.wait_for(lambda: sum(bad.scrape(server)[connected % door] for door in ("kafka", "kinesis")) == count + 2)
        cost_kib = (bad.rss_mib(server) - before) * 1024 / count
        assert Confluent().write(server, topic, [Record(b"k", b"%d" % i, partition=0) for i in range(100)])
        assert len(Confluent().read(server, topic, 100)) == 100
        them.answer()
        assert cost_kib < 4
        closed_idle = lambda: sum(bad.scrape(server)[closed(door, "idle")]  # noqa: E731
                                  for door in ("kafka", "kinesis"))
        while closed_idle() < count:
            them.answer()
            time.sleep(0.3)
        bad.wait_for(lambda: bad.descriptors(server) <= open_before + 4)
        bad.conserved(bad.scrape(server))
        for one in idle:
            one.socket.close()
        them.answer()
        them.close()
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_what_a_slow_reader_was_sent_is_whole(full):
    """One that reads slowly, but reads: its answers come complete and in order."""
    with wire.Raw(full.kafka, 20) as raw:
        raw.send(fetch_request(5 << 20) * 3)
        sizes = []
        for _ in range(3):
            time.sleep(0.3)
            error, high, data = fetched(raw.receive()[4:], "full")
            assert (error, high) == (0, RECORDS)
            sizes.append(len(data))
        assert len(set(sizes)) == 1 and sizes[0] > 4 << 20
