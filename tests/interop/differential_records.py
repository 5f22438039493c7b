"""Every Kafka API about records at every served version, with what clients send seldom or wrongly;
differential_wire.py has the other ones.

The answers here are Apache Kafka 4.4.0's, and --server apache-kafka holds this file to it. What Diglot
answers otherwise on purpose is in docs/gaps.txt and not asked here. Answers are compared without their
order where Kafka keeps them in hash tables, and without texts."""
import struct
import time

import pytest
from lib import messages
from lib.bad_batches import altered, message_set
from lib.beside_kafka import (BAD_ACKS, BAD_EPOCH, BAD_RECORD, BAD_REQUEST, BAD_TIMESTAMP, CORRUPT, FENCED,
                              LONG, NOT_LEADER, NOW, NO_ID, NO_SESSION, OTHER_ID, OUT_OF_ORDER, SESSION_EPOCH,
                              TOO_LARGE, TXN_DENIED, UNKNOWN_EPOCH, UNKNOWN_ID, UNKNOWN_TOPIC, UNSUPPORTED,
                              VERSIONS, caller, node, topic, versions)  # noqa: F401
from lib.direct import create, fetch, naming, parts, produce
from lib.messages import batch, zigzag

HOUR_MS = 3_600_000


def first_version(name):
    return min(v for n, v in VERSIONS if n == name)


# ---- Produce


def by_hand(payload, count=1):
    rest = struct.pack(">hiqqqhii", 0, count - 1, NOW, NOW, -1, -1, -1, count) + payload
    return struct.pack(">qiibI", 0, len(rest) + 9, -1, 2, messages.crc32c(rest)) + rest


def record(offset=0, time_delta=0, headers=b"\0", extra=b""):
    body = b"\0" + zigzag(time_delta) + zigzag(offset) + b"\x01" + zigzag(1) + b"v" + headers + extra
    return zigzag(len(body)) + body


def batches():
    """{what: (records, error, whether the answer tells where the log starts)}"""
    good = batch(b"a", b"b", timestamp=NOW)
    sized = {n: good[:8] + struct.pack(">i", n) + good[12:] for n in (0, -1, 48, 49, len(good) - 13, len(good) - 40)}
    request = {"nothing": (b"", BAD_RECORD), "two": (good * 2, BAD_RECORD), "magic 0": (message_set(0), BAD_RECORD),
               "magic 1": (message_set(1), BAD_RECORD), "magic 3": (good[:16] + b"\3" + good[17:], CORRUPT),
               "magic -1": (good[:16] + b"\xff" + good[17:], CORRUPT),
               **{f"cut {n}": (good[:n], BAD_RECORD) for n in (11, 12, 16, 17, 40, 60, 61, len(good) - 1)},
               **{f"length {n}": (data, CORRUPT) for n, data in sized.items()},
               "crc": (good[:17] + bytes(4) + good[21:], CORRUPT)}
    log = {"base offset 5": struct.pack(">q", 5) + good[8:], "base offset -1": struct.pack(">q", -1) + good[8:],
           "control": altered(good, 21, ">h", 32),
           **{f"last delta {n}": altered(good, 23, ">i", n) for n in (0, 2, -1, 2**31 - 1)},
           **{f"count {n}": altered(good, 57, ">i", n) for n in (0, 1, 3, -1, 2**31 - 1)},
           "no sequence": batch(b"a", producer=(5, 0, -1)), "no sequence, no epoch": batch(b"a", producer=(5, -1, -1)),
           "extra in a record": by_hand(record(extra=b"zz")), "extra behind": by_hand(record() + b"zz"),
           "no record": by_hand(b""), "negative length": by_hand(zigzag(-1) + b"abc"),
           "length too long": by_hand(zigzag(1000) + b"abc"),
           "many headers": by_hand(record(headers=zigzag(1000))),
           "headers -1": by_hand(record(headers=zigzag(-1))),
           "header without key": by_hand(record(headers=zigzag(1) + zigzag(-1) + zigzag(1) + b"v"))}
    late = {"from later": batch(b"a", timestamp=NOW + 7200_000), "far later": batch(b"a", timestamp=2**62)}
    fine = {"good": good, "leader epoch": good[:12] + struct.pack(">i", 7) + good[16:],
            "unknown attributes": altered(good, 21, ">h", -128), "no time": batch(b"a", timestamp=-1),
            "max time": batch(b"a", timestamp=NOW, max_timestamp=NOW + 999), "old": batch(b"a", timestamp=1000),
            "before 1970": batch(b"a", timestamp=-5), "producer of none": batch(b"a", producer=(-2, 0, 0)),
            "sequence of none": batch(b"a", producer=(-1, 0, 7)), "no epoch": batch(b"a", producer=(6, -1, 0)),
            "earlier": by_hand(record(time_delta=-10)),
            "header": by_hand(record(headers=zigzag(1) + zigzag(0) + zigzag(-1)))}
    return ({k: (data, error, False) for k, (data, error) in request.items()}
            | {k: (data, BAD_RECORD, True) for k, data in log.items()}
            | {k: (data, BAD_TIMESTAMP, True) for k, data in late.items()} | {k: (d, 0, True) for k, d in fine.items()})


@pytest.mark.parametrize("v", [first_version("Produce"), 8, 13])
def test_batches_that_are_wrong_somehow(caller, v):
    made = create(caller)
    for what, (records, error, tells_start) in batches().items():
        got = produce(caller, *made, records, v)
        assert (got["error_code"], got["log_start_offset"]) == (error, 0 if tells_start and v >= 5 else -1), what
        assert (got["base_offset"] >= 0) == (error == 0), what


@versions("Produce")
def test_a_partition_named_more_than_once(caller, v):
    """Its last records count, whatever entry they stand in, and it is answered once."""
    made = create(caller)
    one, two = batch(b"a", timestamp=NOW), batch(b"a", b"b", timestamp=NOW)
    entries = [[one, two, one], [two]]
    answer = caller.call("Produce", v, acks=-1, timeout_ms=10000, topic_data=[
        {**naming("Produce", v, *made), "partition_data": [{"index": 0, "records": r} for r in entry]}
        for entry in entries])
    rows = [p for t in answer["responses"] for p in t["partition_responses"]]
    assert [(p["index"], p["error_code"], p["base_offset"]) for p in rows] == [(0, 0, 0)]
    assert produce(caller, *made, one, v)["base_offset"] == 2


def test_a_batch_as_the_topic_wants_it(caller):
    one = batch(b"a", timestamp=NOW)
    own_time = altered(one, 21, ">h", 8)
    assert produce(caller, *create(caller), own_time)["error_code"] == 0
    appended = create(caller, message_timestamp_type="LogAppendTime")
    assert produce(caller, *appended, one)["log_append_time_ms"] >= NOW - 60_000
    assert produce(caller, *appended, batch(b"a", timestamp=2**62))["error_code"] == 0
    small = create(caller, max_message_bytes=len(one))
    assert produce(caller, *small, one)["error_code"] == 0
    big = produce(caller, *small, batch(b"aa", timestamp=NOW))
    assert (big["error_code"], big["log_start_offset"]) == (TOO_LARGE, -1)
    strict = create(caller, message_timestamp_before_max_ms=HOUR_MS)
    old = produce(caller, *strict, batch(b"a", b"b", timestamp=NOW - 2 * HOUR_MS, step_ms=2 * HOUR_MS))
    assert (old["error_code"], [r["batch_index"] for r in old["record_errors"]]) == (BAD_TIMESTAMP, [0])


def test_the_words_for_records_that_are_refused(caller):
    """Java shows the message to its user."""
    then = NOW - 2 * HOUR_MS
    strict, _ = made = create(caller, message_timestamp_before_max_ms=HOUR_MS, message_timestamp_after_max_ms=HOUR_MS)
    old = produce(caller, *made, batch(b"a", b"b", timestamp=then, step_ms=2 * HOUR_MS))
    assert old["error_message"] == "One or more records have been rejected due to invalid timestamp"
    said, = (r["batch_index_error_message"] for r in old["record_errors"])
    head = f"Timestamp {then} of message with offset 0 is out of range. The timestamp should be within ["
    assert said.startswith(head) and said.endswith("]")
    first, last = (int(n) for n in said[len(head):-1].split(", "))
    assert last - first == 2 * HOUR_MS and abs(first + HOUR_MS - NOW) < HOUR_MS


@versions("Produce")
def test_produce_requests_that_are_wrong_somehow(caller, topic, v):
    name, _ = made = create(caller)
    unknown = UNKNOWN_ID if v >= 13 else UNKNOWN_TOPIC
    good, bad = batch(b"a", timestamp=NOW), batch(b"a", timestamp=NOW)[:-1]

    def ask(*topics, acks=-1, timeout_ms=10000, **more):
        answer = caller.call("Produce", v, acks=acks, timeout_ms=timeout_ms, **more, topic_data=[
            {**naming("Produce", v, *who), "partition_data": [{"index": i, "records": r} for i, r in rows]}
            for who, rows in topics])
        return {((t["topic_id"] == made[1]) if v >= 13 else (t["name"] == name), p["index"]): p["error_code"]
                for t in answer["responses"] for p in t["partition_responses"]}
    assert ask() == {}
    empty = caller.call("Produce", v, acks=-1, timeout_ms=10000, topic_data=[
        {**naming("Produce", v, *who), "partition_data": []} for who in (made, ("nope", OTHER_ID))])
    assert empty["responses"] == []
    for acks in (2, -2, 32767):
        assert ask((made, [(0, good), (7, good)]), (("nope", OTHER_ID), [(0, good)]), acks=acks) == {
            (True, 0): BAD_ACKS, (True, 7): UNKNOWN_TOPIC, (False, 0): unknown}
    for timeout_ms in (0, -1, -2**31):
        assert ask((made, [(0, good)]), timeout_ms=timeout_ms) == {(True, 0): 0}
    assert ask((made, [(0, good), (1, bad), (2, good), (-1, good), (2**31 - 1, good)]), (("a/b", NO_ID), [(0, good)])) \
        == {(True, 0): 0, (True, 1): BAD_RECORD, (True, 2): UNKNOWN_TOPIC, (True, -1): UNKNOWN_TOPIC,
            (True, 2**31 - 1): UNKNOWN_TOPIC, (False, 0): unknown}
    transactional = altered(batch(b"a", timestamp=NOW, producer=(900, 0, 0)), 21, ">h", 16)
    assert ask((made, [(0, good), (1, transactional)])) == {(True, 0): TXN_DENIED, (True, 1): TXN_DENIED}
    assert ask((made, [(0, good)]), transactional_id="t") == {(True, 0): 0}


SEQUENCES = [
    # producer, epoch, sequence, records: error, base offset (None: the next one)
    (1, 0, 0, 1, 0, 0), (1, 0, 0, 1, 0, 0), (1, 0, 1, 3, 0, 1), (1, 0, 1, 3, 0, 1), (1, 0, 9, 1, OUT_OF_ORDER, -1),
    (1, 0, 1, 2, OUT_OF_ORDER, -1), (1, 0, 3, 1, OUT_OF_ORDER, -1), (1, 0, 3, 5, OUT_OF_ORDER, -1), (1, 0, 4, 1, 0, 4),
    (1, 1, 5, 1, OUT_OF_ORDER, -1), (1, 1, 0, 1, 0, 5), (1, 0, 5, 1, BAD_EPOCH, -1), (1, 0, 4, 1, BAD_EPOCH, -1),
    (1, 1, 1, 1, 0, 6), (1, 3, 7, 1, OUT_OF_ORDER, -1), (1, 3, 0, 1, 0, 7),
    *((1, 3, i, 1, 0, 7 + i) for i in range(1, 9)),
    *((1, 3, i, 1, *((OUT_OF_ORDER, -1) if i < 4 else (0, 7 + i))) for i in range(9)),     # five are remembered
    (2, 0, 4, 1, 0, 16), (2, 0, 5, 1, 0, 17), (2, 0, 0, 1, OUT_OF_ORDER, -1), (3, 5, 3, 1, 0, 18),
    (4, 0, 2**31 - 2, 2, 0, 19), (4, 0, 0, 1, 0, 21), (5, 0, 2**31 - 2, 5, 0, 22), (5, 0, 3, 1, 0, 27),
    (5, 0, 2**31 - 2, 5, 0, 22), (6, 32767, 0, 1, 0, 28), (6, 0, 0, 1, BAD_EPOCH, -1),
]


@pytest.mark.parametrize("v", [3, 11, 13])
def test_sequences(caller, v):
    made = create(caller)
    for producer, epoch, sequence, count, error, base in SEQUENCES:
        records = batch(*[b"r"] * count, timestamp=NOW, producer=(7000 + producer, epoch, sequence))
        got = produce(caller, *made, records, v)
        asked = producer, epoch, sequence, count
        assert (*asked, got["error_code"], got["base_offset"]) == (*asked, error, base)
        assert got["log_start_offset"] == (0 if v >= 5 else -1)


# ---- Fetch


@versions("Fetch")
def test_fetch_from_everywhere(caller, topic, v):
    whole = [len(p["records"]) for p in parts(fetch(caller, v, (topic, [(0, o) for o in range(1)])))][0]
    first = len(batch(b"a", b"b", b"c"))
    for offset, size in {0: whole, 2: whole, 3: whole - first, 4: first, 6: first, 7: 0}.items():
        got, = parts(fetch(caller, v, (topic, [(0, offset)])))
        assert (got["error_code"], got["high_watermark"], got["last_stable_offset"], len(got["records"]),
                got["aborted_transactions"]) == (0, 7, 7, size, None), offset
    for offset in (8, -1, -2, 2**62):
        got, = parts(fetch(caller, v, (topic, [(0, offset)]), isolation_level=1))
        assert (got["error_code"], got["high_watermark"], got["records"], got["aborted_transactions"]) \
            == (1, -1, b"", None), offset
    assert parts(fetch(caller, v, (topic, [(0, 0)]), isolation_level=1))[0]["aborted_transactions"] == []
    for partition in (2, -1, 2**31 - 1):
        got, = parts(fetch(caller, v, (topic, [(partition, 0)])))
        assert (got["error_code"], got["high_watermark"], got["aborted_transactions"]) == (UNKNOWN_TOPIC, -1, [])
    for who in (("nope", OTHER_ID), ("a/b", NO_ID)):
        got, = parts(fetch(caller, v, (who, [(0, 0)])))
        assert (got["error_code"], got["aborted_transactions"]) == (UNKNOWN_ID if v >= 13 else UNKNOWN_TOPIC, [])
    assert fetch(caller, v)["responses"] == [] and fetch(caller, v, (topic, []))["responses"] == []


@versions("Fetch")
def test_fetch_within_limits(caller, topic, v):
    """The first batch comes whatever its size, and nothing more than the limit allows."""
    first = len(batch(b"a", b"b", b"c"))
    for limit in (0, 1):
        assert len(parts(fetch(caller, v, (topic, [(0, 0)]), max_bytes=limit))[0]["records"]) == first
        assert len(parts(fetch(caller, v, (topic, [(0, 0, {"partition_max_bytes": limit})])))[0]["records"]) == first
    for wait in ({"max_wait_ms": -1, "min_bytes": 1}, {"min_bytes": -1}, {"max_wait_ms": 1, "min_bytes": 2**31 - 1}):
        assert parts(fetch(caller, v, (topic, [(0, 7)]), **wait))[0]["error_code"] == 0


@versions("Fetch")
def test_fetch_with_what_a_client_believes(caller, topic, node, v):
    for replica, error in {-2: 0, -3: 0, 0: NOT_LEADER, 1: NOT_LEADER, 99: NOT_LEADER}.items():
        got, = parts(fetch(caller, v, (topic, [(0, 0)]), replica=replica))
        assert (got["error_code"], bool(got["records"])) == (error, not error), replica
        assert got["current_leader"].get("leader_id", -1) == (node if error and v >= 16 else -1)
    if v >= 9:
        for epoch, error in {-2: 0, -1: 0, 0: 0, 1: UNKNOWN_EPOCH, 5: UNKNOWN_EPOCH}.items():
            assert parts(fetch(caller, v, (topic, [(0, 0, {"current_leader_epoch": epoch})])))[0]["error_code"] == error
    if v >= 12:
        for epoch, error in {-2: 0, -1: 0, 0: 0, 1: 1, 5: 1}.items():
            assert parts(fetch(caller, v, (topic, [(0, 3, {"last_fetched_epoch": epoch})])))[0]["error_code"] == error


@pytest.mark.parametrize("v", [v for n, v in VERSIONS if n == "Fetch" and v >= 7])
def test_fetch_sessions(caller, topic, v):
    other, nope = create(caller), ("nope", OTHER_ID)
    called = {topic[v >= 13]: "topic", other[v >= 13]: "other", nope[v >= 13]: "nope"}

    def ask(session, epoch, *topics, **more):
        """(error, whether in a session, {(which topic, partition): error})"""
        answer = fetch(caller, v, *topics, session_id=session, session_epoch=epoch, **more)
        key = "topic_id" if v >= 13 else "topic"
        rows = {(called[t[key]], p["partition_index"]): p["error_code"]
                for t in answer["responses"] for p in t["partitions"]}
        return answer["error_code"], answer["session_id"], rows

    def begin(*topics):
        error, session, rows = ask(0, 0, *topics)
        assert error == 0 and session != 0
        return session, rows
    for session, epoch in ((0, 1), (0, 5), (12345, 1), (-1, 1), (0, -2), (12345, -2), (0, 2**31 - 1)):
        assert ask(session, epoch, (topic, [(0, 0)])) == (NO_SESSION, 0, {}), (session, epoch)
    assert ask(0, -1, (topic, [(0, 0)])) == ask(12345, -1, (topic, [(0, 0)])) == (0, 0, {("topic", 0): 0})
    session, rows = begin((topic, [(0, 0), (1, 0)]), (other, [(0, 0)]))
    assert rows == {("topic", 0): 0, ("topic", 1): 0, ("other", 0): 0}
    assert ask(session, 1) == (0, session, {("topic", 0): 0})            # there is still more to read
    assert ask(session, 5) == ask(session, 1) == ask(session, -2) == (SESSION_EPOCH, 0, {})
    assert ask(session, 2, (topic, [(0, 7)])) == (0, session, {})
    assert ask(session, 3, forget=[(topic, [0, 9]), (nope, [0])]) == (0, session, {})
    unknown = UNKNOWN_ID if v >= 13 else UNKNOWN_TOPIC
    wrong = {("nope", 0): unknown, ("topic", 9): UNKNOWN_TOPIC, ("topic", -1): UNKNOWN_TOPIC}
    assert ask(session, 4, (nope, [(0, 0)]), (topic, [(9, 0), (-1, 0)])) == (0, session, wrong)
    assert ask(session, 5) == (0, session, wrong)
    assert ask(session, 6, forget=[(nope, [0]), (topic, [9, -1])]) == (0, session, {})
    assert ask(session, 7, (topic, [(1, 0)]), forget=[(topic, [1])]) == (0, session, {})
    assert ask(session, 8, (topic, [(0, 0), (0, 7)])) == (0, session, {("topic", 0): 0})     # the last one counts
    assert ask(session, 9) == (0, session, {})
    produce(caller, *other, batch(b"new", timestamp=NOW))
    assert ask(session, 10) == (0, session, {("other", 0): 0})
    assert ask(session, -1, (topic, [(0, 0)])) == (0, 0, {("topic", 0): 0})
    assert ask(session, 11) == (NO_SESSION, 0, {})
    session, _ = begin((topic, [(0, 7)]))
    assert ask(session, 1, forget=[(topic, [0])]) == (0, 0, {})          # with nothing left it ends
    assert ask(session, 2) == (NO_SESSION, 0, {})
    session, _ = begin()
    assert ask(session, 1, (topic, [(0, 7)]))[:2] == (0, session)
    renewed = ask(session, 0, (topic, [(0, 7)]), forget=[(topic, [0])])
    assert renewed[0] == 0 and renewed[2] == {("topic", 0): 0} and ask(session, 2) == (NO_SESSION, 0, {})
    mixed = caller.call("Fetch", 12 if v >= 13 else 13, max_wait_ms=0, min_bytes=0, max_bytes=9, topics=[],
                        session_id=renewed[1], session_epoch=1)
    assert mixed["error_code"] == 106


# ---- ListOffsets, DeleteRecords, OffsetForLeaderEpoch


SINCE = {-1: 1, -2: 1, -3: 7, -4: 8, -5: 9, -6: 11, -7: 99, -2**63: 99}


@versions("ListOffsets")
def test_list_offsets_at_special_times(caller, v):
    t = 1_000_000_000_000
    filled, empty = create(caller), create(caller, 1)
    produce(caller, *filled, batch(b"a", b"b", b"c", timestamp=t, step_ms=10))
    produce(caller, *filled, batch(b"d", b"e", timestamp=t + 5, step_ms=1000))
    produce(caller, *filled, batch(b"f", timestamp=t + 900))

    def ask(name, time, partition=0, **more):
        more = {"isolation_level": 0, **more} if v >= 2 else more
        answer = caller.call("ListOffsets", v, replica_id=-1, **more, topics=[
            {"name": name, "partitions": [{"partition_index": partition, "timestamp": time}]}])
        row = answer["topics"][0]["partitions"][0]
        return row["error_code"], row["offset"], row["timestamp"], row["leader_epoch"]
    epoch = 0 if v >= 4 else -1
    expected = {-1: (6, -1), -2: (0, -1), -3: (4, t + 1005), -4: (0, -1), t: (0, t), t + 1: (1, t + 10),
                t + 20: (2, t + 20), t + 21: (4, t + 1005), t + 899: (4, t + 1005), t + 1005: (4, t + 1005),
                0: (0, t), 1: (0, t)}
    for time_, (offset, when) in expected.items():
        known = v >= SINCE.get(time_, 0)
        want = (0, offset, when, epoch) if known else (UNSUPPORTED, -1, -1, -1)
        assert ask(filled[0], time_) == want, time_
        assert v < 2 or ask(filled[0], time_, isolation_level=1) == want, time_
    for time_ in (t + 1006, 2**62, 2**63 - 1):
        assert ask(filled[0], time_) == (0, -1, -1, -1), time_
    for time_, since in SINCE.items():
        error = 0 if v >= since else UNSUPPORTED
        offset = 0 if time_ in (-1, -2, -4) and not error else -1
        assert ask(empty[0], time_) == (error, offset, -1, epoch if offset == 0 else -1), time_
        assert ask("nope", time_)[0] == ask(empty[0], time_, 9)[0] == (error or UNKNOWN_TOPIC), time_


@versions("ListOffsets")
def test_list_offsets_asked_wrongly(caller, topic, v):
    def ask(*topics, replica_id=-1):
        answer = caller.call("ListOffsets", v, replica_id=replica_id, topics=[
            {"name": n, "partitions": [{"partition_index": p, "timestamp": -1, **(more[0] if more else {})}
                                       for p, *more in rows]} for n, rows in topics])
        return {(t["name"], p["partition_index"]): p["error_code"] for t in answer["topics"] for p in t["partitions"]}
    name = topic[0]
    assert ask() == {} and ask((name, [])) == {}
    assert ask((name, [(0,), (1,), (0,)])) == {(name, 0): BAD_REQUEST, (name, 1): 0}
    once = caller.call("ListOffsets", v, replica_id=-1, topics=[
        {"name": name, "partitions": [{"partition_index": 0, "timestamp": -1}]}] * 3)["topics"]
    assert [(t["name"], [(p["partition_index"], p["error_code"]) for p in t["partitions"]]) for t in once] == [
        (name, [(0, BAD_REQUEST)])]
    assert ask((name, [(0,), (2,), (-1,), (2**31 - 1,)])) == {
        (name, 0): 0, (name, 2): UNKNOWN_TOPIC, (name, -1): UNKNOWN_TOPIC, (name, 2**31 - 1): UNKNOWN_TOPIC}
    assert ask(*((n, [(0,)]) for n in ("", ".", "a/b", LONG))) == {
        (n, 0): UNKNOWN_TOPIC for n in ("", ".", "a/b", LONG)}
    if v >= 4:
        for epoch, error in {-2: FENCED, -1: 0, 0: 0, 1: UNKNOWN_EPOCH}.items():
            assert ask((name, [(0, {"current_leader_epoch": epoch})])) == {(name, 0): error}, epoch


@versions("DeleteRecords")
def test_delete_records(caller, v):
    name, _ = made = create(caller)
    for _ in range(3):
        produce(caller, *made, batch(b"a", b"b", timestamp=NOW))

    def ask(topic, *rows, **more):
        answer = caller.call("DeleteRecords", v, **{"timeout_ms": 10000, **more}, topics=[
            {"name": topic, "partitions": [{"partition_index": p, "offset": o} for p, o in rows]}])
        return {p["partition_index"]: (p["error_code"], p["low_watermark"])
                for t in answer["topics"] for p in t["partitions"]}
    for offset in (-2, -2**63, 7, 2**62):
        assert ask(name, (0, offset)) == {0: (1, -1)}, offset
    for offset, low in ((0, 0), (1, 1), (3, 3), (2, 3), (0, 3)):
        assert ask(name, (0, offset)) == {0: (0, low)}, offset
    twice = caller.call("DeleteRecords", v, timeout_ms=10000, topics=[
        {"name": name, "partitions": [{"partition_index": 0, "offset": o} for o in row]} for row in ((9, 2), (3,))])
    assert [(t["name"], [(p["error_code"], p["low_watermark"]) for p in t["partitions"]]) for t in twice["topics"]] == [
        (name, [(0, 3)])]
    for n in ("", "nope", "a/b"):
        assert ask(n, (0, 0)) == {0: (UNKNOWN_TOPIC, -1)}
    assert ask(name, (2, 0), (-1, 0), (1, -1)) == {2: (UNKNOWN_TOPIC, -1), -1: (UNKNOWN_TOPIC, -1), 1: (0, 0)}
    assert ask(name, (0, 4), timeout_ms=0) == {0: (0, 4)} and ask(name, (0, 5), timeout_ms=-1) == {0: (0, 5)}
    assert ask(name, (0, -1)) == ask(name, (0, -1)) == {0: (0, 6)} and ask(name) == {}
    below, = parts(fetch(caller, 5, (made, [(0, 0)])))
    assert (below["error_code"], below["log_start_offset"]) == (1, -1)


@versions("OffsetForLeaderEpoch")
def test_offset_for_leader_epoch(caller, topic, v):
    def ask(*rows, name=topic[0], **more):
        answer = caller.call("OffsetForLeaderEpoch", v, **more, topics=[{"topic": name, "partitions": [
            {"partition": p, "current_leader_epoch": current, "leader_epoch": epoch} for p, current, epoch in rows]}])
        return [(p["error_code"], p["leader_epoch"], p["end_offset"])
                for p in sorted(answer["topics"][0]["partitions"], key=lambda p: p["partition"])]
    for epoch, want in {-2: (-2, 0), -1: (-1, -1), 0: (0, 7), 1: (-1, -1), 2**31 - 1: (-1, -1)}.items():
        assert ask((0, -1, epoch)) == [(0, *want)], epoch
    assert ask((1, -1, 0)) == [(0, 0, 0)]
    for current, error in {-2: FENCED, 0: 0, 1: UNKNOWN_EPOCH}.items():
        assert ask((0, current, 0))[0][0] == error, current
    assert ask((2, -1, 0), (-1, -1, 0)) == [(UNKNOWN_TOPIC, -1, -1)] * 2
    for name in ("", "nope", "a/b"):
        assert ask((0, -1, 0), name=name) == [(UNKNOWN_TOPIC, -1, -1)]


@versions("InitProducerId")
def test_init_producer_id(caller, v):
    def ask(**more):
        until = time.monotonic() + 30
        while True:                     # Apache Kafka fetches its first block of ids
            asked = {"transactional_id": None, "transaction_timeout_ms": 1000, **more}
            answer = caller.call("InitProducerId", v, **asked)
            if answer["error_code"] != 14 or time.monotonic() > until:
                return answer["error_code"], answer["producer_id"] >= 0, answer["producer_epoch"]
    for timeout in (0, -1, 2**31 - 1):
        assert ask(transaction_timeout_ms=timeout) == (0, True, 0)
    assert ask(transactional_id="") == (BAD_REQUEST, False, -1)
    if v >= 3:
        for before in ((-1, 0), (5, -1)):
            assert ask(producer_id=before[0], producer_epoch=before[1]) == (BAD_REQUEST, False, -1), before
        for before in ((5, 0), (0, 0), (-2, -2), (5, 32767), (2**62, 3)):
            assert ask(producer_id=before[0], producer_epoch=before[1]) == (0, True, 0), before
