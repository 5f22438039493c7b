"""When an answer comes is part of it: Fetch at every version, with and without a session, and JoinGroup.

An answer comes at once, when something happens, or after the whole time that was asked for. What comes when is
Apache Kafka's, and --server apache-kafka holds this file to it."""
import concurrent.futures
import threading
import time

import pytest
from lib import server as servers
from lib.beside_kafka import (ID_REQUIRED, NOW, OTHER_ID, OUT_OF_RANGE, UNKNOWN_EPOCH, UNKNOWN_ID, UNKNOWN_TOPIC,
                              VERSIONS, caller, versions)  # noqa: F401
from lib.direct import coordinator_ready, create, fetch, parts, produce, unique
from lib.messages import Caller, batch

WAIT_MS, EVENT_MS = 2000, 700
AT_ONCE, WOKEN, WHOLE = "at once", "woken", "the whole wait"
BATCH = batch(b"x" * 5000, timestamp=NOW)
SIZE = len(BATCH)
NOPE = ("nope", OTHER_ID)


def bucket(seconds, wait_ms):
    """Which of the three; between them there is time for a slow machine."""
    if seconds * 1000 >= wait_ms - 20:
        return WHOLE
    return AT_ONCE if seconds * 1000 < EVENT_MS - 20 else WOKEN


def timed(call, wait_ms=WAIT_MS):
    began = time.monotonic()
    answer = call()
    return bucket(time.monotonic() - began, wait_ms), answer


@pytest.fixture(scope="module")
def pool():
    with concurrent.futures.ThreadPoolExecutor(32) as threads:
        yield threads


@pytest.fixture(scope="module")
def empty(caller):
    return create(caller)


@pytest.fixture(scope="module")
def filled(caller):
    """Four batches in partition 0, one in partition 1."""
    made = create(caller)
    for index in (0, 0, 0, 0, 1):
        assert produce(caller, *made, BATCH, index=index)["error_code"] == 0
    return made


def asked(empty, filled, v):
    """{what: (when, topics, further fields)}"""
    def limit(n):
        return {"partition_max_bytes": n}

    def of(*rows):
        return [(filled, list(rows))]
    nothing = (empty, [(0, 0), (1, 0)])
    both = of((0, 0), (1, 0))
    cases = {
        "nothing there": (WHOLE, [nothing], {}),
        "one topic unknown": (WHOLE, [nothing, (NOPE, [(0, 0)])], {}),
        "the first one unknown": (WHOLE, [(NOPE, [(0, 0)]), nothing], {}),
        "one partition unknown": (WHOLE, [(empty, [(0, 0), (99, 0), (-1, 0)])], {}),
        "all unknown": (AT_ONCE, [(NOPE, [(0, 0)]), (empty, [(99, 0)])], {}),
        "no partition": (AT_ONCE, [(empty, [])], {}),
        "out of range": (AT_ONCE, [nothing, (filled, [(0, 77)])], {}),
        "no bytes wanted": (AT_ONCE, [nothing], {"min_bytes": 0}),
        "fewer than none": (AT_ONCE, [nothing], {"min_bytes": -5}),
        "no time": (AT_ONCE, [nothing], {"max_wait_ms": 0}),
        "less than no time": (AT_ONCE, [nothing], {"max_wait_ms": -1}),
        "a replica": (AT_ONCE, [nothing], {"replica": 7}),
        "one byte": (AT_ONCE, [nothing, *both], {}),
        "one beside an unknown one": (AT_ONCE, [(NOPE, [(0, 0)]), *both], {}),
        "all that is there": (AT_ONCE, both, {"min_bytes": 5 * SIZE}),
        "more than is there": (WHOLE, both, {"min_bytes": 5 * SIZE + 1}),
        "all behind an offset": (AT_ONCE, of((0, 2)), {"min_bytes": 2 * SIZE}),
        "more than behind an offset": (WHOLE, of((0, 2)), {"min_bytes": 2 * SIZE + 1}),
        "the partition's limit": (AT_ONCE, of((0, 0, limit(6000))), {"min_bytes": 6000}),
        "beyond the partition's limit": (WHOLE, of((0, 0, limit(6000))), {"min_bytes": 7000}),
        "the partition's limit, not reached": (WHOLE, of((1, 0, limit(6000))), {"min_bytes": 6000}),
        "two partitions' limits": (AT_ONCE, of((0, 0, limit(6000)), (1, 0, limit(3000))), {"min_bytes": 9000}),
        "beyond two partitions' limits": (WHOLE, of((0, 0, limit(6000)), (1, 0, limit(3000))), {"min_bytes": 9001}),
        "a limit below the first batch": (AT_ONCE, of((0, 0, limit(100))), {"min_bytes": SIZE}),
        "beyond a limit below the first batch": (WHOLE, of((0, 0, limit(100))), {"min_bytes": SIZE + 1}),
        "the answer's limit": (AT_ONCE, of((0, 0)), {"min_bytes": 10000, "max_bytes": 10000}),
        "beyond the answer's limit": (AT_ONCE, of((0, 0)), {"min_bytes": 20000, "max_bytes": 10000}),
        "the answer's limit, in two": (AT_ONCE, of((1, 0), (0, 3)), {"min_bytes": 6000, "max_bytes": 6000}),
        "the answer's limit, not reached": (WHOLE, of((1, 0)), {"min_bytes": 6000, "max_bytes": 6000}),
        "an answer of nothing": (AT_ONCE, [nothing], {"max_bytes": 0}),
        "named twice": (WHOLE, [(filled, [(1, 0), (1, 0)])], {"min_bytes": SIZE + 1}),
        "named twice, the last one counts": (WHOLE, [(filled, [(1, 0), (1, 1)])], {}),
    }
    if v >= 9:
        cases["an unknown epoch"] = AT_ONCE, [nothing, (empty, [(0, 0, {"current_leader_epoch": 5})])], {}
    if v >= 12:
        cases["a truncated log"] = AT_ONCE, [nothing, (filled, [(0, 3, {"last_fetched_epoch": 5})])], {}
    return cases


def codes(answer):
    return sorted(p["error_code"] for p in parts(answer))


def ask_once(server, v, topics, more):
    with Caller(server.kafka) as own:
        return timed(lambda: fetch(own, v, *topics, **{"max_wait_ms": WAIT_MS, "min_bytes": 1, **more}))


def ask_in_session(server, v, topics, more):
    """By a session that asks for the same once more: (when, answer), or None where there is no session."""
    with Caller(server.kafka) as own:
        first = fetch(own, v, *topics, **{**more, "max_wait_ms": 0}, session_id=0, session_epoch=0)
        if not parts(first):
            return None
        assert first["session_id"] != 0
        wait = {"max_wait_ms": WAIT_MS, "min_bytes": 1, **more}
        return timed(lambda: fetch(own, v, **wait, session_id=first["session_id"], session_epoch=1))


@versions("Fetch")
def test_what_ends_a_fetch(server, empty, filled, pool, v):
    cases = asked(empty, filled, v)
    alone = {what: pool.submit(ask_once, server, v, *case[1:]) for what, case in cases.items()}
    within = {what: pool.submit(ask_in_session, server, v, *case[1:]) for what, case in cases.items()} if v >= 7 else {}
    for what, (when, *more) in cases.items():
        for ask, began in ((ask_once, alone), (ask_in_session, within)):
            got = began[what].result() if began else None
            if got is not None and got[0] != when:      # many at once may be slow: once more, by itself
                got = ask(server, v, *more)
            assert got is None or got[0] == when, f"{what}, {ask.__name__}"
    unknown = UNKNOWN_ID if v >= 13 else UNKNOWN_TOPIC
    assert codes(alone["one topic unknown"].result()[1]) == [0, 0, unknown]
    assert codes(alone["one partition unknown"].result()[1]) == [0, UNKNOWN_TOPIC, UNKNOWN_TOPIC]
    assert codes(alone["out of range"].result()[1]) == [0, 0, OUT_OF_RANGE]
    assert v < 9 or UNKNOWN_EPOCH in codes(alone["an unknown epoch"].result()[1])
    twice = alone["named twice"].result()[1]
    assert len(parts(twice)) == 1 and len(parts(twice)[0]["records"]) == SIZE
    order = [p["partition_index"] for p in parts(alone["one beside an unknown one"].result()[1])]
    assert order == [0, 1, 0], "what is not there comes last"


def while_it_waits(server, v, topics, act, **more):
    """(when, answer) of a fetch that began EVENT_MS before act()."""
    def later():
        time.sleep(EVENT_MS / 1000)
        act()
    other = threading.Thread(target=later)
    with Caller(server.kafka) as own:
        session = {"session_id": 0, "session_epoch": 0} if more.pop("session", False) else {}
        if session:
            first = fetch(own, v, *topics, max_wait_ms=0, **session)
            session, topics = {"session_id": first["session_id"], "session_epoch": 1}, ()
        wait = {"max_wait_ms": WAIT_MS, "min_bytes": 1, **more}
        result = timed(lambda: (other.start(), fetch(own, v, *topics, **wait, **session))[1], wait["max_wait_ms"])
    other.join()
    return result


def delete(caller, who):
    assert caller.call("DeleteTopics", 5, topic_names=[who[0]], timeout_ms=10000)["responses"][0]["error_code"] == 0


def happenings(server, v, session):
    """What happens while a fetch waits: one after the other on topics of its own."""
    more, long = {"session": session}, {"max_wait_ms": 9000}    # for what is woken, however slow the server is
    with Caller(server.kafka) as admin:
        def there():
            return create(admin, 1)

        def put(who, count=1):
            for _ in range(count):
                produce(admin, *who, BATCH)
        a, b = there(), there()
        both = [(a, [(0, 0)]), (b, [(0, 0)])]
        when, answer = while_it_waits(server, v, both, lambda: put(b), **long, **more)
        assert when == WOKEN and [len(p["records"]) for p in parts(answer) if p["records"]] == [SIZE]
        a, b = there(), there()
        both = [(a, [(0, 0)]), (b, [(0, 0)]), (NOPE, [(0, 0)])]
        assert while_it_waits(server, v, both, lambda: put(a), min_bytes=SIZE + 1, **more)[0] == WHOLE
        assert while_it_waits(server, v, both, lambda: put(b), min_bytes=2 * SIZE, **long, **more)[0] == WOKEN
        few = [(a, [(0, 1, {"partition_max_bytes": 6000})])]
        assert while_it_waits(server, v, few, lambda: put(a, 2), min_bytes=7000, **more)[0] == WHOLE
        few = [(a, [(0, 3, {"partition_max_bytes": 6000})])]
        assert while_it_waits(server, v, few, lambda: put(a, 2), min_bytes=6000, **long, **more)[0] == WOKEN
        # A topic that goes, and one that comes.
        a, b = there(), there()
        both = [(a, [(0, 0)]), (b, [(0, 0)])]
        when, answer = while_it_waits(server, v, both, lambda: delete(admin, a), **long, **more)
        assert when == WOKEN and UNKNOWN_TOPIC in codes(answer)
        made = unique("topic")
        both = [(b, [(0, 0)]), ((made, OTHER_ID), [(0, 0)])]
        new = {"name": made, "num_partitions": 1, "replication_factor": 1, "configs": []}
        when, answer = while_it_waits(
            server, v, both, lambda: admin.call("CreateTopics", 7, timeout_ms=10000, topics=[new]), **more)
        assert when == WHOLE and (UNKNOWN_ID if v >= 13 else UNKNOWN_TOPIC) in codes(answer)


def test_what_happens_while_a_fetch_waits(server, pool):
    served = [v for n, v in VERSIONS if n == "Fetch"]
    told = [pool.submit(happenings, server, v, session) for v in served for session in (False, True)
            if v >= 7 or not session]
    for one in told:
        one.result()


# ---- JoinGroup


REBALANCE_MS, SOON_S, LATE_S = 6000, 1, 1.5


@pytest.fixture(scope="module", params=[0, 3000], ids=lambda ms: f"delay-{ms}")
def delayed(request):
    """(server, group.initial.rebalance.delay.ms in seconds)"""
    if request.config.getoption("--server") == "apache-kafka":
        running = servers.ApacheKafka({"group.initial.rebalance.delay.ms": request.param})
    else:
        running = servers.Diglot(["--group-initial-rebalance-delay-ms", str(request.param)])
    with running, Caller(running.kafka) as admin:
        coordinator_ready(admin, unique("group"))
        yield running, request.param / 1000


class Member:
    """Of a group at one version; join() tells when it was answered, in seconds since the story began."""

    def __init__(self, server, group, v, began):
        self.caller, self.group, self.v, self.began = Caller(server.kafka, timeout_s=60), group, v, began
        self.id, self.generation = "", -1

    def join(self, wait_s=0, rebalance_ms=REBALANCE_MS):
        time.sleep(wait_s)
        for _ in range(2):
            answer = self.caller.call("JoinGroup", self.v, group_id=self.group, session_timeout_ms=30_000,
                                      rebalance_timeout_ms=rebalance_ms, member_id=self.id, protocol_type="consumer",
                                      protocols=[{"name": "range", "metadata": b""}])
            self.id = answer["member_id"]
            if answer["error_code"] != ID_REQUIRED:
                break
        assert answer["error_code"] == 0
        self.generation = answer["generation_id"]
        return time.monotonic() - self.began

    def leave(self, wait_s):
        time.sleep(wait_s)
        who = {"members": [{"member_id": self.id}]} if self.v >= 4 else {"member_id": self.id}
        assert self.caller.call("LeaveGroup", 4 if self.v >= 4 else 2, group_id=self.group, **who)["error_code"] == 0


def joins(delayed, pool, v, story):
    """Plays one story: story(first, second, run) gives pairs of (when it was answered, when it should have been)."""
    server, _ = delayed
    group, began = unique("group"), time.monotonic()
    members = [Member(server, group, v, began) for _ in range(2)]
    times = list(story(*members, delayed[1], pool))
    for member in members:
        member.caller.socket.close()
    for at, expected in times:
        assert expected - 0.05 <= at < expected + LATE_S, (story.__name__, v, times)


def alone(first, _, delay_s, pool):
    yield first.join(), delay_s


def joined_meanwhile(first, second, delay_s, pool):
    """Who comes while the first rebalance is put off puts it off once more, within the rebalance's time."""
    other = pool.submit(second.join, SOON_S)
    at = first.join()
    again = None if delay_s else pool.submit(first.join, SOON_S + SOON_S)
    expected = min(2 * delay_s, REBALANCE_MS / 1000)
    if delay_s:
        yield at, expected
        yield other.result(), expected
    else:
        yield at, 0
        yield again.result(), at + 2 * SOON_S
        yield other.result(), at + 2 * SOON_S


def silent(first, second, delay_s, pool):
    """Nobody waits longer for a member than that member's rebalance timeout."""
    first.join(rebalance_ms=4000)
    began = time.monotonic() - first.began
    yield second.join(rebalance_ms=2000), began + 4


def left(first, second, delay_s, pool):
    first.join()
    began = time.monotonic() - first.began
    gone = pool.submit(first.leave, SOON_S)
    yield second.join(), began + SOON_S
    gone.result()


@pytest.mark.parametrize("v", [1, 3, max(v for n, v in VERSIONS if n == "JoinGroup")])
def test_what_a_join_waits_for(delayed, pool, v):
    stories = [pool.submit(joins, delayed, pool, v, story) for story in (alone, joined_meanwhile, silent, left)]
    for one in stories:
        one.result()
