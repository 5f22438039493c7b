"""Fetches that ask for very much, wait very long, or begin more sessions than anybody needs: what they cost is
bounded, and the long polls of others stay as long as they are."""
import struct
import time

import pytest
from lib import wire
from lib import server as servers
from lib.beside_kafka import NO_SESSION, NOW, UNKNOWN_TOPIC
from lib.direct import create, fetch, parts, produce
from lib.messages import Caller, batch

MIB = 1 << 20
FETCH, DAYS_MS = 1, 2**31 - 1
BATCH = batch(b"x" * 100, timestamp=NOW)


@pytest.fixture(scope="module")
def server():
    with servers.Diglot(["--loops", "2"]) as running:
        yield running


def asking(v, topic, partitions, wait_ms=DAYS_MS, min_bytes=1, offset=0, session=(0, -1)):
    """A Fetch by hand, of version 4 or 7: partitions may be very many."""
    rows = b"".join(struct.pack(">iq", p, offset) + (struct.pack(">q", -1) if v >= 5 else b"")
                    + struct.pack(">i", MIB) for p in partitions)
    body = struct.pack(">iiiib", -1, wait_ms, min_bytes, MIB, 0)
    body += struct.pack(">ii", *session) if v >= 7 else b""
    body += struct.pack(">i", 1) + wire.string(topic) + struct.pack(">i", len(partitions)) + rows
    return wire.request(FETCH, v, body + (struct.pack(">i", 0) if v >= 7 else b""))


def put(admin, made):
    assert produce(admin, *made, BATCH)["error_code"] == 0


def settled(server):
    """Seconds of CPU so far, once it has nothing to do."""
    while True:
        used = server.cpu_seconds()
        time.sleep(0.5)
        if server.cpu_seconds() - used <= 0.01:
            return used


@pytest.mark.measures
def test_what_waits_is_small(server):
    """40 requests of the same 10,000 partitions ten times, for weeks: 1.8 GiB, and an append took 1.6 s."""
    with Caller(server.kafka) as admin:
        made = create(admin, 10_000)
        put(admin, made)
        before = server.rss_bytes()
        ask = asking(4, made[0], list(range(10_000)) * 10, min_bytes=2**31 - 1)
        waiting = [wire.Raw(server.kafka, timeout_s=60) for _ in range(40)]
        for one in waiting:
            one.send(ask)
        used = settled(server)
        grown = server.rss_bytes() - before
        for _ in range(20):
            put(admin, made)
        used = settled(server) - used
        for one in waiting:
            one.socket.close()
        assert grown < 200 * MIB, f"{grown / MIB:.0f} MiB"      # of it 64 MiB requests, 64 MiB what they wait for
        assert used < 0.5, f"{used:.2f} s of CPU for 20 appends"


def test_who_does_not_fit_is_throttled(server):
    """Fetches beyond the memory for them are answered, empty, after which their connection is silent for a while;
    one that is small still waits as long as it likes."""
    with servers.Diglot(["--fetch-memory-mib", "1"]) as small, Caller(small.kafka) as admin:
        made = create(admin, 2_000)
        waiting = [wire.Raw(small.kafka, timeout_s=60) for _ in range(5)]
        for one in waiting:
            one.send(asking(4, made[0], list(range(2_000))))
        time.sleep(0.5)
        with Caller(small.kafka) as other:
            began = time.monotonic()
            answer = fetch(other, 12, (made, [(p, 0) for p in range(2_000)]), max_wait_ms=60_000, min_bytes=1,
                           session_id=0, session_epoch=0)
            assert time.monotonic() - began < 5
            assert (answer["error_code"], answer["throttle_time_ms"], answer["session_id"]) == (0, 500, 0)
            assert answer["responses"] == []
            began = time.monotonic()
            answer = fetch(other, 12, (made, [(0, 0)]), max_wait_ms=1000, min_bytes=1)
            assert time.monotonic() - began > 1.4, "muted for 0.5 s, then it waits"
            assert [p["error_code"] for p in parts(answer)] == [0]
        for one in waiting:
            one.socket.close()
        until = time.monotonic() + 10
        while time.monotonic() < until:         # what they held is given back
            answer = fetch(admin, 12, (made, [(p, 0) for p in range(2_000)]), max_wait_ms=0, min_bytes=1)
            if len(parts(answer)) == 2_000:
                return
        raise AssertionError("the memory does not come back")


def test_one_fetch_does_not_take_all_places(server):
    """One partition named 100,000 times: it used to take every place to wait there, and others' polls spun."""
    with Caller(server.kafka) as admin, wire.Raw(server.kafka) as greedy, Caller(server.kafka) as other:
        made = create(admin, 1)
        greedy.send(asking(4, made[0], [0] * 100_000))
        time.sleep(0.5)
        for _ in range(2):
            began = time.monotonic()
            fetch(other, 12, (made, [(0, 0)]), max_wait_ms=1000, min_bytes=1)
            assert time.monotonic() - began >= 0.98
        produce(admin, *made, BATCH)
        answer = greedy.receive()
        assert len(answer) < 1000, "and it is answered once"


@pytest.mark.measures
def test_sessions_cost_a_stated_amount(server):
    """12 requests of 273 KB made sessions of 350 MiB each."""
    before = server.rss_bytes()
    for _ in range(12):
        with wire.Raw(server.kafka, timeout_s=30) as one:
            one.send(asking(7, "n" * 32_767, list(range(10_000)), wait_ms=0, session=(0, 0)))
            _, _, error, session = struct.unpack_from(">iihi", one.receive())
            assert (error, session) == (0, 0), "a name that no topic can have is not kept"
    assert server.rss_bytes() - before < 100 * MIB
    with Caller(server.kafka) as one:
        made = create(one, 1)
        session = fetch(one, 12, (made, [(0, 0)]), session_id=0, session_epoch=0)["session_id"]
        assert session != 0
        answer = fetch(one, 12, (("n" * 250, None), [(0, 0)]), session_id=session, session_epoch=1)
        assert answer["error_code"] == NO_SESSION
        answer = fetch(one, 12, (("n" * 250, None), [(0, 0)]), session_id=0, session_epoch=0)
        assert [p["error_code"] for p in parts(answer)] == [UNKNOWN_TOPIC]
    with servers.Diglot(["--fetch-session-memory-mib", "8", "--loops", "1"]) as small:
        before, made = small.rss_bytes(), 0
        for i in range(60):
            with wire.Raw(small.kafka, timeout_s=30) as one:
                one.send(asking(7, f"topic-{i}", list(range(10_000)), wait_ms=0, session=(0, 0)))
                made += struct.unpack_from(">iihi", one.receive())[3] != 0
        assert 3 <= made < 12 and small.rss_bytes() - before < 60 * MIB, made
