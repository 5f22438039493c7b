"""Whose turn it is in a fetch session, what becomes of it while topics come and go, and who gets one at all.

The answers are Apache Kafka's, and --server apache-kafka holds this file to it. A partition whose limit is 0 gets its
batch only when it is the first with records: so an answer shows the order that the server keeps."""
import pytest
from lib import server as servers
from lib.beside_kafka import (INCONSISTENT_ID, NO_SESSION, NOW, OTHER_ID, UNKNOWN_ID, UNKNOWN_TOPIC, VERSIONS,
                              caller)  # noqa: F401
from lib.direct import create, fetch, parts, produce
from lib.messages import Caller, batch

BATCH = batch(b"x" * 5000, timestamp=NOW)
SIZE = len(BATCH)
PARTITIONS, BATCHES, SLOTS = 6, 10, 16
WITH_SESSIONS = pytest.mark.parametrize("v", [v for n, v in VERSIONS if n == "Fetch" and v >= 7])
BY_NAME = pytest.mark.parametrize("v", [v for n, v in VERSIONS if n == "Fetch" and 7 <= v < 13])
BY_ID = pytest.mark.parametrize("v", [v for n, v in VERSIONS if n == "Fetch" and v >= 13])


@pytest.fixture(scope="module")
def filled(caller):
    made = create(caller, PARTITIONS)
    for index in range(PARTITIONS):
        for _ in range(BATCHES):
            assert produce(caller, *made, BATCH, index=index)["error_code"] == 0
    return made


class Session:
    """A client that names what it read, as clients do."""

    def __init__(self, caller, v, topic, limits, max_bytes):
        self.caller, self.v, self.topic, self.limits, self.max_bytes = caller, v, topic, limits, max_bytes
        self.offsets, self.id, self.epoch = dict.fromkeys(limits, 0), 0, 0
        self.named = list(limits)

    def ask(self, forget=()):
        """The partitions that brought records, in the answer's order."""
        rows = [(p, self.offsets[p], {"partition_max_bytes": self.limits[p]}) for p in self.named]
        answer = fetch(self.caller, self.v, *([(self.topic, rows)] if rows else []), session_id=self.id,
                       session_epoch=self.epoch, max_bytes=self.max_bytes,
                       forget=[(self.topic, list(forget))] if forget else ())
        assert answer["error_code"] == 0 and answer["session_id"] != 0
        self.id, self.epoch, self.named = answer["session_id"], self.epoch + 1, []
        read = [(p["partition_index"], len(p["records"]) // SIZE) for p in parts(answer) if len(p["records"]) >= SIZE]
        for partition, count in read:
            self.offsets[partition] += count
            self.named.append(partition)
        return [p for p, _ in read]


@WITH_SESSIONS
def test_partitions_take_turns(caller, filled, v):
    session = Session(caller, v, filled, dict.fromkeys(range(4), 1 << 20), 6000)
    assert [session.ask() for _ in range(8)] == [[0], [0], [1], [2], [3], [0], [1], [2]]


@WITH_SESSIONS
def test_any_session_takes_turns(caller, filled, v, rng):
    """Against a model: a list in which what was read goes to the end, from the second fetch on."""
    for _ in range(8):
        order = rng.sample(range(PARTITIONS), rng.randint(2, PARTITIONS))
        session = Session(caller, v, filled, {p: rng.choice((0, 0, 6000, 11000)) for p in order}, 1 << 20)
        for turn in range(6):
            gone = [p for p in order if turn > 0 and len(order) > 1 and rng.random() < 0.1][:len(order) - 1]
            new = [p for p in range(PARTITIONS) if p not in order and p not in gone and turn > 0 and rng.random() < 0.2]
            for p in new:
                session.limits[p] = 0
                session.offsets.setdefault(p, 0)
            session.named = [p for p in session.named if p not in gone] + new
            order = [p for p in order if p not in gone] + new
            readable = [p for p in order if session.offsets[p] < BATCHES]
            expected = [p for i, p in enumerate(readable) if i == 0 or session.limits[p] >= SIZE]
            assert session.ask(gone) == expected, (turn, order, session.limits)
            if turn > 0:
                order = [p for p in order if p not in expected] + expected


def test_without_a_session_the_request_has_the_order(caller, filled):
    for _ in range(3):
        rows = [(p, 0, {"partition_max_bytes": 0}) for p in (3, 1, 2)]
        answer = fetch(caller, 12, (filled, rows), session_id=0, session_epoch=-1)
        assert [(p["partition_index"], len(p["records"])) for p in parts(answer)] == [(3, SIZE), (1, 0), (2, 0)]


def test_what_brings_no_records_keeps_its_turn(caller):
    made = create(caller, 3)
    session = Session(caller, 12, made, dict.fromkeys(range(3), 0), 1 << 20)
    assert session.ask() == session.ask() == []
    for index in (2, 1, 0, 1):
        produce(caller, *made, BATCH, index=index)
    assert [session.ask() for _ in range(5)] == [[0], [1], [2], [1], []]


# ---- Topics that come and go


def recreate(caller, name):
    caller.call("DeleteTopics", 5, topic_names=[name], timeout_ms=10000)
    yield
    made = caller.call("CreateTopics", 7, timeout_ms=10000, topics=[
        {"name": name, "num_partitions": 1, "replication_factor": 1, "configs": []}])["topics"][0]
    assert made["error_code"] == 0
    yield made["topic_id"]


def until(wanted, ask):
    """Apache Kafka's broker hears of a change after its controller has answered."""
    for _ in range(200):
        got = ask()
        if got == wanted:
            break
    assert got == wanted


@BY_ID
def test_a_topic_that_goes_while_it_is_followed_by_id(caller, v):
    gone, stays, later = create(caller, 1), create(caller, 1), ("nope", OTHER_ID)
    rows = [(stays, [(0, 0)]), (gone, [(0, 0)]), (later, [(0, 0)])]
    named = {stays[1]: "stays", gone[1]: "gone", OTHER_ID: "never"}
    session = fetch(caller, v, *rows, session_id=0, session_epoch=0)["session_id"]
    epoch = iter(range(1, 1000))

    def follow():
        answer = fetch(caller, v, session_id=session, session_epoch=next(epoch))
        assert answer["error_code"] == 0
        return {named[t["topic_id"]]: t["partitions"][0]["error_code"] for t in answer["responses"]}

    def anew():
        return [p["error_code"] for p in parts(fetch(caller, v, (gone, [(0, 0)])))]
    assert follow() == {"never": UNKNOWN_ID}
    change = recreate(caller, gone[0])
    next(change)
    until({"gone": UNKNOWN_TOPIC, "never": UNKNOWN_ID}, follow)
    until([UNKNOWN_ID], anew)
    next(change)
    until({"gone": INCONSISTENT_ID, "never": UNKNOWN_ID}, follow)
    until([UNKNOWN_ID], anew)


@BY_NAME
def test_a_topic_that_comes_back_by_name(caller, v):
    made = create(caller, 1)
    session = fetch(caller, v, (made, [(0, 0)]), session_id=0, session_epoch=0)["session_id"]
    epoch = iter(range(1, 1000))

    def follow():
        return [p["error_code"] for p in parts(fetch(caller, v, session_id=session, session_epoch=next(epoch)))]
    assert follow() == []
    change = recreate(caller, made[0])
    next(change)
    until([UNKNOWN_TOPIC], follow)
    next(change)
    until([0], follow)              # it is news once more
    assert follow() == []


# ---- Who gets a session


def test_a_session_in_use_keeps_its_place(request):
    """More consumers than places: those without one go on with full fetches, and nobody loses a session."""
    if request.config.getoption("--server") == "apache-kafka":
        server = servers.ApacheKafka({"max.incremental.fetch.session.cache.slots": SLOTS})
    else:
        server = servers.Diglot(["--fetch-sessions-max", str(SLOTS)])
    with server, Caller(server.kafka) as admin:
        made = create(admin, 1)
        consumers = [Caller(server.kafka) for _ in range(SLOTS + 8)]
        state = [(0, 0)] * len(consumers)
        kept = 0
        for _ in range(6):
            for i, consumer in enumerate(consumers):
                session, epoch = state[i]
                answer = fetch(consumer, 12, *([] if session else [(made, [(0, 0)])]), session_id=session,
                               session_epoch=epoch)
                assert answer["error_code"] != NO_SESSION and answer["error_code"] == 0
                state[i] = (answer["session_id"], epoch + 1) if answer["session_id"] else (0, 0)
                kept += answer["session_id"] != 0
        assert SLOTS / 2 * 6 <= kept <= SLOTS * 6
        for consumer in consumers:
            consumer.socket.close()


def test_a_fetch_of_more_than_a_session_holds(caller):
    made = create(caller, 1)
    answer = fetch(caller, 12, (made, [(p, 0) for p in range(10001)]), session_id=0, session_epoch=0)
    assert answer["error_code"] == 0 and len(parts(answer)) == 10001
    assert sorted({p["error_code"] for p in parts(answer)}) == [0, UNKNOWN_TOPIC]
