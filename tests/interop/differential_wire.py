"""Every Kafka API about topics, groups and configs at every served version, with what clients send seldom
or wrongly; differential_records.py has those about records.

The answers here are Apache Kafka 4.4.0's, and --server apache-kafka holds this file to it. What Diglot
answers otherwise on purpose is in docs/gaps.txt and not asked here. Answers are compared without their
order where Kafka keeps them in hash tables, and without texts."""
import time

import pytest
from lib import messages, wire
from lib.beside_kafka import (BAD_ASSIGNMENT, BAD_CONFIG, BAD_FACTOR, BAD_GENERATION, BAD_GROUP, BAD_NAMES,
                              BAD_PARTITIONS, BAD_REQUEST, BAD_SESSION, BAD_TOPIC, EXISTS, ID_REQUIRED,
                              NO_GROUP, NO_ID, OTHER_ID, REBOOTSTRAP, UNKNOWN_ID, UNKNOWN_MEMBER, UNKNOWN_TOPIC,
                              VERSIONS, caller, errors, node, topic, versions)  # noqa: F401
from lib.direct import create, naming, unique


# ---- Metadata


@versions("Metadata")
def test_metadata_of_names_that_cannot_be(caller, v):
    quiet = {"allow_auto_topic_creation": False} if v >= 4 else {}
    topics = caller.call("Metadata", v, topics=[{"name": n} for n in BAD_NAMES], **quiet)["topics"]
    assert errors(topics) == dict.fromkeys(BAD_NAMES, BAD_TOPIC)


@pytest.mark.parametrize("v", [8, 10, 13])
def test_metadata_of_what_one_may_do_with_a_topic(caller, topic, v):
    """Whether it is there or not; but not when it is asked for by an id that nothing has."""
    asked = {"include_topic_authorized_operations": True, "allow_auto_topic_creation": False}
    names = [{"name": n} for n in (topic[0], unique("missing"), "a/b")]
    topics = caller.call("Metadata", v, topics=names, **asked)["topics"]
    assert [t["topic_authorized_operations"] for t in topics] == [3576] * 3
    if v >= 12:
        missing, = caller.call("Metadata", v, topics=[{"name": None, "topic_id": OTHER_ID}], **asked)["topics"]
        assert missing["topic_authorized_operations"] == -2**31


@versions("Metadata")
def test_metadata_of_what_is_asked_twice(caller, topic, v):
    found, = caller.call("Metadata", v, topics=[{"name": topic[0]}] * 3)["topics"]
    assert (found["error_code"], len(found["partitions"])) == (0, 2)


@pytest.mark.parametrize("v", [10, 11])
@pytest.mark.parametrize("asked", [(None, NO_ID), (None, "mine"), ("mine", "mine"), ("mine", OTHER_ID)])
def test_metadata_knew_no_ids_at_first(caller, topic, v, asked):
    name, topic_id = (mine if x == "mine" else x for x, mine in zip(asked, topic))
    answer = caller.call("Metadata", v, topics=[{"name": name, "topic_id": topic_id}, {"name": "x"}])
    assert (answer["brokers"], answer["controller_id"], answer["cluster_id"]) == ([], -1, None)
    assert [(t["error_code"], t["name"]) for t in answer["topics"]] == [(BAD_REQUEST, name or ""), (BAD_REQUEST, "x")]


@pytest.mark.parametrize("v", [12, 13])
def test_metadata_by_id_looks_at_no_name(caller, topic, v):
    name, topic_id = topic
    asked = [{"name": n, "topic_id": topic_id} for n in (None, "", "other")] + [{"name": "beside"}]
    found, = caller.call("Metadata", v, topics=asked)["topics"]
    assert (found["error_code"], found["name"], found["topic_id"]) == (0, name, topic_id)
    missing, = caller.call("Metadata", v, topics=[{"name": name, "topic_id": OTHER_ID}])["topics"]
    assert (missing["error_code"], missing["name"], missing["topic_id"]) == (UNKNOWN_ID, None, OTHER_ID)


# ---- CreateTopics


def try_topics(caller, v, *topics, validate_only=True):
    """Kafka makes nothing of them; {name: error}. Without counts they ask for one partition."""
    for t in topics:
        t.setdefault("num_partitions", 1)
        t.setdefault("replication_factor", 1)
    answer = caller.call("CreateTopics", v, timeout_ms=10000, validate_only=validate_only, topics=list(topics))
    return errors(answer["topics"])


@versions("CreateTopics")
def test_create_topics_by_name(caller, topic, v):
    new = unique("new")
    assert try_topics(caller, v, *({"name": n} for n in BAD_NAMES)) == dict.fromkeys(BAD_NAMES, BAD_TOPIC)
    assert try_topics(caller, v, {"name": "x" * 249}, {"name": topic[0]}) == {"x" * 249: 0, topic[0]: EXISTS}
    assert try_topics(caller, v, {"name": new}, {"name": new + "2"}, {"name": new}) == {new: BAD_REQUEST, new + "2": 0}
    assert try_topics(caller, v, {"name": topic[0].replace("-", ".", 1)}) == {topic[0].replace("-", ".", 1): 0}
    assert try_topics(caller, v, {"name": "__cluster_metadata"}) == {"__cluster_metadata": BAD_REQUEST}
    assert try_topics(caller, v) == {}


def test_names_that_would_be_one_metric(caller):
    name = unique("dots.are")
    assert try_topics(caller, 7, {"name": name}, validate_only=False) == {name: 0}
    assert try_topics(caller, 7, {"name": name.replace(".", "_")}) == {name.replace(".", "_"): BAD_TOPIC}


@versions("CreateTopics")
def test_create_topics_by_counts(caller, v):
    counts = {0: BAD_PARTITIONS, -2: BAD_PARTITIONS, -2**31: BAD_PARTITIONS, -1: 0}
    factors = {0: BAD_FACTOR, -2: BAD_FACTOR, 2: BAD_FACTOR, 32767: BAD_FACTOR, -2**15: BAD_FACTOR, -1: 0}
    got = try_topics(caller, v, *({"name": f"n{n}", "num_partitions": n} for n in counts),
                     *({"name": f"f{n}", "replication_factor": n} for n in factors))
    assert got == {f"n{n}": e for n, e in counts.items()} | {f"f{n}": e for n, e in factors.items()}


@versions("CreateTopics")
def test_create_topics_by_assignment(caller, node, v):
    cases = {"two": ([(0, [node]), (1, [node])], 0), "reversed": ([(1, [node]), (0, [node])], 0),
             "gap": ([(0, [node]), (2, [node])], BAD_ASSIGNMENT), "same": ([(0, [node])] * 2, BAD_ASSIGNMENT),
             "from-1": ([(1, [node])], BAD_ASSIGNMENT), "negative": ([(-1, [node])], BAD_ASSIGNMENT),
             "nobody": ([(0, [])], BAD_ASSIGNMENT), "strange": ([(0, [99])], BAD_ASSIGNMENT),
             "twice": ([(0, [node, node])], BAD_ASSIGNMENT), "uneven": ([(0, [node]), (1, [node, 99])], BAD_ASSIGNMENT)}

    def topics(count):
        return [{"name": name, "num_partitions": count, "replication_factor": count, "assignments": [
            {"partition_index": i, "broker_ids": ids} for i, ids in rows]} for name, (rows, _) in cases.items()]
    assert try_topics(caller, v, *topics(-1)) == {name: error for name, (_, error) in cases.items()}
    assert try_topics(caller, v, *topics(1)) == dict.fromkeys(cases, BAD_REQUEST)


def test_the_words_for_assignments_that_are_refused(caller, node):
    includes = "The manual partition assignment includes"
    strange = f"{includes} broker 99, but no such broker is registered."
    consecutive = "partitions should be a consecutive 0-based integer sequence"
    cases = {"same": ([(1, [node])] * 3, "Found multiple manual partition assignments for partition 1"),
             "gap": ([(0, [node]), (2, [node])], consecutive), "negative": ([(-1, [node])], consecutive),
             "nobody": ([(0, [])], f"{includes} an empty replica list."), "strange": ([(0, [99])], strange),
             "twice": ([(0, [node, node])], f"{includes} the broker {node} more than once."),
             "both": ([(0, [99, node, node])], f"{includes} the broker {node} more than once."),
             "below": ([(0, [node, -5, node])], f"{includes} broker -5, but no such broker is registered."),
             "uneven": ([(0, [node]), (1, [node, 99])], strange)}

    def ask(partitions, factor):
        answer = caller.call("CreateTopics", 7, timeout_ms=10000, validate_only=True, topics=[
            {"name": name, "num_partitions": partitions, "replication_factor": factor,
             "assignments": [{"partition_index": i, "broker_ids": ids} for i, ids in rows]}
            for name, (rows, _) in cases.items()])
        return {t["name"]: t["error_message"] for t in answer["topics"]}
    assert ask(-1, -1) == {name: words for name, (_, words) in cases.items()}
    was = "A manual partition assignment was specified, but"
    assert ask(1, 1) == dict.fromkeys(cases, f"{was} replication factor was not set to -1.")
    assert ask(1, -1) == dict.fromkeys(cases, f"{was} numPartitions was not set to -1.")


def test_the_words_for_assignments_of_more_partitions(caller, topic, node):
    def ask(*assignments):
        row, = caller.call("CreatePartitions", 3, timeout_ms=10000, validate_only=True, topics=[
            {"name": topic[0], "count": 4, "assignments": [{"broker_ids": ids} for ids in assignments]}])["results"]
        return row["error_message"]
    assert ask([node]) == "Attempted to add 2 additional partition(s), but only 1 assignment(s) were specified."
    assert ask([node], [99]) == ("The manual partition assignment includes broker 99, but no such broker is "
                                 "registered.")
    assert ask([node], [node]) is None


CONFIGS = [("no.such", "1", 40), ("", "1", 40), ("retention.ms", "never", 40), ("retention.ms", None, 40),
           ("retention.ms", "-2", 40), ("retention.ms", "", 40), ("retention.ms", " 5 ", 0), ("retention.ms", "+10", 0),
           ("retention.ms", "0x10", 40), ("cleanup.policy", "nothing", 40), ("cleanup.policy", "delete,delete", 0),
           ("cleanup.policy", "", 0), ("preallocate", "maybe", 40), ("preallocate", "TRUE", 0),
           ("compression.type", "brotli", 40), ("compression.type", "GZIP", 40), ("max.message.bytes", "-1", 40),
           ("max.message.bytes", "2147483648", 40), ("min.insync.replicas", "0", 40), ("min.insync.replicas", "2", 0),
           ("segment.bytes", "13", 40), ("message.format.version", "3.0", 40), ("message.timestamp.type", "Foo", 40),
           ("min.cleanable.dirty.ratio", "1.5", 40), ("min.cleanable.dirty.ratio", "abc", 40),
           ("leader.replication.throttled.replicas", "x", 40), ("leader.replication.throttled.replicas", "*", 0),
           ("compression.zstd.level", "50", 40), ("compression.gzip.level", "0", 40),
           ("compression.gzip.level", "-1", 0), ("unclean.leader.election.enable", "true", 0)]


@versions("CreateTopics")
def test_create_topics_by_config(caller, v):
    got = try_topics(caller, v, *({"name": f"c{i}", "configs": [{"name": k, "value": value}]}
                                  for i, (k, value, _) in enumerate(CONFIGS)))
    assert [(*CONFIGS[i][:2], got[f"c{i}"]) for i in range(len(CONFIGS))] == CONFIGS


@versions("CreateTopics")
def test_which_fault_of_a_topic_is_told(caller, topic, v):
    """Name, existence, configs, counts; of two values the last one is looked at."""
    bad, good = {"name": "retention.ms", "value": "x"}, {"name": "retention.ms", "value": "1"}
    assert try_topics(
        caller, v, {"name": "a/b", "configs": [bad], "num_partitions": 0}, {"name": topic[0], "configs": [bad]},
        {"name": "n", "configs": [bad], "num_partitions": 0, "replication_factor": 0},
        {"name": "f", "num_partitions": 0, "replication_factor": 0},
        {"name": "p", "num_partitions": 0, "replication_factor": 2}, {"name": "w", "configs": [bad, good]},
        {"name": "z", "configs": [good, bad]},
        {"name": ".", "num_partitions": -1, "replication_factor": -1,
         "assignments": [{"partition_index": 0, "broker_ids": [99]}]},
    ) == {"a/b": BAD_TOPIC, topic[0]: EXISTS, "n": BAD_CONFIG, "f": BAD_FACTOR, "p": BAD_PARTITIONS, "w": 0,
          "z": BAD_CONFIG, ".": BAD_TOPIC}


def test_a_trial_has_an_id_and_makes_nothing(caller):
    asked = {"timeout_ms": 10000, "validate_only": True,
             "topics": [{"name": unique("trial"), "num_partitions": 3, "replication_factor": 1}]}
    ids = {caller.call("CreateTopics", 7, **asked)["topics"][0]["topic_id"] for _ in range(2)}
    assert len(ids) == 2 and NO_ID not in ids


# ---- DeleteTopics


def delete(caller, v, *topics):
    asked = {"topics": [t if isinstance(t, dict) else {"name": t} for t in topics]} if v >= 6 else \
        {"topic_names": list(topics)}
    return caller.call("DeleteTopics", v, timeout_ms=10000, **asked)["responses"]


@versions("DeleteTopics")
def test_delete_topics_by_name(caller, v):
    name, _ = create(caller)
    missing = [n for n in BAD_NAMES] + [unique("missing")]
    assert errors(delete(caller, v, *missing)) == dict.fromkeys(missing, UNKNOWN_TOPIC)
    assert errors(delete(caller, v, name, "q", name, name)) == {name: BAD_REQUEST, "q": UNKNOWN_TOPIC}
    assert errors(delete(caller, v, "q", "q")) == {"q": BAD_REQUEST}
    assert errors(delete(caller, v, name, "q")) == {name: 0, "q": UNKNOWN_TOPIC} and delete(caller, v) == []


def test_delete_topics_by_id(caller):
    name, topic_id = create(caller)

    def told(*topics):
        return {(r["name"], r["topic_id"]): r["error_code"] for r in delete(caller, 6, *topics)}
    by_id = {"name": None, "topic_id": topic_id}
    assert told({"name": name, "topic_id": topic_id}) == {(name, topic_id): BAD_REQUEST}
    assert told({"name": "", "topic_id": topic_id}) == {("", topic_id): BAD_REQUEST}
    assert told({"name": None}) == {(None, NO_ID): BAD_REQUEST}
    assert told({"name": None, "topic_id": OTHER_ID}) == {(None, OTHER_ID): UNKNOWN_ID}
    assert told(*[{"name": None, "topic_id": OTHER_ID}] * 2) == {(None, OTHER_ID): BAD_REQUEST}
    assert told(by_id, by_id) == {(None, topic_id): BAD_REQUEST}
    assert told(by_id, {"name": name}) == {(name, topic_id): BAD_REQUEST}
    assert told(by_id) == {(name, topic_id): 0}


# ---- CreatePartitions


@versions("CreatePartitions")
def test_create_partitions(caller, node, v):
    name, _ = create(caller)

    def grow(*topics, validate_only=True):
        return errors(caller.call("CreatePartitions", v, timeout_ms=10000, validate_only=validate_only, topics=[
            {"name": n, "count": count, "assignments": ids if ids is None else [{"broker_ids": one} for one in ids]}
            for n, count, ids in topics])["results"])
    assert grow() == {}
    for n in BAD_NAMES + [unique("missing")]:
        assert grow((n, 5, None)) == {n: UNKNOWN_TOPIC}
    for count in (0, -1, 1, 2, -2**31):
        assert grow((name, count, None)) == {name: BAD_PARTITIONS}
    assert grow((name, 3, None), ("q", 3, None), (name, 3, None)) == {name: BAD_REQUEST, "q": UNKNOWN_TOPIC}
    for ids in ([], [[node], [node]], [[99]], [[node, node]], [[]], [[-1]], [[node, 99]]):
        assert grow((name, 3, ids)) == {name: BAD_ASSIGNMENT}
    assert grow(("q", 3, [[99]]), (name, 1, [[99]])) == {"q": UNKNOWN_TOPIC, name: BAD_PARTITIONS}
    assert grow((name, 3, [[node]])) == {name: 0}
    assert grow((name, 4, [[node], [node]]), validate_only=False) == {name: 0}
    assert grow((name, 4, None)) == {name: BAD_PARTITIONS}


# ---- Groups: what is wrong from outside; differential_groups.py has their lives


@versions("OffsetCommit")
def test_offset_commit(caller, topic, v):
    group, by_id = unique("group"), v >= 10

    def ask(*topics, group=group, **more):
        answer = caller.call("OffsetCommit", v, group_id=group, **more, topics=[
            {**naming("OffsetCommit", v, *who), "partitions": [
                {"partition_index": p, "committed_offset": o, **(x[0] if x else {})} for p, o, *x in rows]}
            for who, rows in topics])
        return {(t["topic_id"] if by_id else t["name"], p["partition_index"]): p["error_code"]
                for t in answer["topics"] for p in t["partitions"]}
    mine = topic[by_id]
    assert ask() == {} and ask((topic, [])) == {}
    for g in ("", "x" * 300, "a b", "\u00fc"):
        assert ask((topic, [(0, 5)]), group=g) == {(mine, 0): 0}
    for offset in (-1, -2, 2**62, 0):
        assert ask((topic, [(0, offset)])) == {(mine, 0): 0}
    assert ask((topic, [(0, 5), (2, 5), (-1, 5)])) == {
        (mine, 0): 0, (mine, 2): UNKNOWN_TOPIC, (mine, -1): UNKNOWN_TOPIC}
    for who in (("", NO_ID), ("nope", OTHER_ID), ("a/b", OTHER_ID)):
        assert ask((who, [(0, 5)]), (topic, [(1, 6)])) == {
            (who[by_id], 0): UNKNOWN_ID if by_id else UNKNOWN_TOPIC, (mine, 1): 0}
    for note, error in {None: 0, "": 0, "x" * 4096: 0, "x" * 4097: 12, "\u00fc" * 4000: 0}.items():
        assert ask((topic, [(0, 5, {"committed_metadata": note}), (1, 5)])) == {(mine, 0): error, (mine, 1): 0}
    # One batch of __consumer_offsets holds 1,048,588 bytes.
    for count, error in ((240, 0), (260, -1)):
        assert ask((topic, [(0, 5, {"committed_metadata": "x" * 4096})] * count)) == {(mine, 0): error}
    for generation, known, new in ((0, UNKNOWN_MEMBER, NO_GROUP if v >= 9 else BAD_GENERATION), (-2, 0, 0)):
        asked = {"generation_id_or_member_epoch": generation}
        assert ask((topic, [(0, 5)]), **asked) == {(mine, 0): known}
        assert ask((topic, [(0, 5)]), group=unique("group"), **asked) == {(mine, 0): new}
    assert ask((topic, [(0, 5)]), member_id="m") == {(mine, 0): 0}
    if v >= 7:
        assert ask((topic, [(0, 5)]), group_instance_id="i") == {(mine, 0): 0}


@versions("OffsetFetch")
def test_offset_fetch(caller, topic, v):
    group, by_id, gone = unique("group"), v >= 10, create(caller)
    for name in (topic[0], gone[0]):
        caller.call("OffsetCommit", 8, group_id=group, topics=[{"name": name, "partitions": [
            {"partition_index": 1, "committed_offset": 3, "committed_metadata": "m", "committed_leader_epoch": 0}]}])
    assert errors(delete(caller, 5, gone[0])) == {gone[0]: 0}

    def ask(topics, group=group):
        topics = topics if topics is None else [
            {**naming("OffsetFetch", v, *who), "partition_indexes": rows} for who, rows in topics]
        if v < 8:
            answer = caller.call("OffsetFetch", v, group_id=group, topics=topics)
        else:
            answer, = caller.call("OffsetFetch", v, groups=[{"group_id": group, "topics": topics}])["groups"]
        rows = {(t["topic_id"] if by_id else t["name"], p["partition_index"]): (p["error_code"], p["committed_offset"])
                for t in answer["topics"] for p in t["partitions"]}
        return answer["error_code"], rows
    mine, nothing, gone_error = topic[by_id], (0, -1), UNKNOWN_ID if by_id else 0
    assert ask([(topic, [0, 1, 2, -1])]) == (0, {(mine, 1): (0, 3), **{(mine, p): nothing for p in (0, 2, -1)}})
    until = time.monotonic() + 30
    while ask([(gone, [1])])[1] != {(gone[by_id], 1): (gone_error, -1)}:        # Kafka's groups learn of it later
        assert time.monotonic() < until
    assert ask([(("nope", OTHER_ID), [0])]) == (0, {(OTHER_ID if by_id else "nope", 0): (gone_error, -1)})
    assert ask([]) == (0, {})
    if v >= 2:
        assert ask(None) == (0, {(mine, 1): (0, 3)}) and ask(None, "nope") == (0, {})
    for g in ("", "nope", "x" * 300):
        assert ask([(topic, [1])], g) == (0, {(mine, 1): nothing})


@versions("OffsetFetch")
def test_offset_fetch_of_several_groups(caller, topic, v):
    if v < 8:
        return
    asked = [{"group_id": g, "topics": None} for g in ("nope", "nope", "")]
    assert [g["error_code"] for g in caller.call("OffsetFetch", v, groups=asked)["groups"]] == [0, 0, 0]
    if v >= 9:
        for member, epoch in (("m", 0), (None, -1), ("", -1)):
            asked = {"group_id": unique("nope"), "topics": None, "member_id": member, "member_epoch": epoch}
            group, = caller.call("OffsetFetch", v, groups=[asked])["groups"]
            assert group["error_code"] == 0, (member, epoch)


@versions("FindCoordinator")
def test_find_coordinator(caller, v):
    for kind in (0, 2, 3, -1) if v >= 1 else (0,):
        for key in ("g", "", "x" * 300):
            kinds = {"key_type": kind} if v >= 1 else {}
            if v < 4:
                found = caller.call("FindCoordinator", v, key=key, **kinds)
            else:
                found, twin = caller.call("FindCoordinator", v, coordinator_keys=[key, key], **kinds)["coordinators"]
                assert found == twin
            assert (found["error_code"], found["port"] > 0) == ((0, True) if kind == 0 else (BAD_REQUEST, False))
            if kind == 0:
                assert found["error_message"] == ("NONE" if 1 <= v <= 3 else "")


@versions("ListGroups")
def test_list_groups_by_filter(caller, topic, v):
    group = unique("group")
    caller.call("OffsetCommit", 8, group_id=group,
                topics=[{"name": topic[0], "partitions": [{"partition_index": 0, "committed_offset": 3}]}])

    def listed(**filters):
        return group in [g["group_id"] for g in caller.call("ListGroups", v, **filters)["groups"]]
    assert listed()
    if v >= 4:
        for state in ("Empty", "empty", "EMPTY", "Nope", "", "Dead"):
            assert listed(states_filter=[state]) == (state.lower() == "empty"), state
        assert listed(states_filter=["Stable", "Empty", "Empty"])
    if v >= 5:
        for kind in ("classic", "Classic", "CLASSIC", "consumer", "share"):
            assert listed(types_filter=[kind]) == (kind.lower() == "classic"), kind
        assert not listed(types_filter=["classic"], states_filter=["Stable"])


@versions("DescribeGroups")
def test_describe_groups_that_are_not_there(caller, v):
    wanted = ["nope", "nope", "y" * 300]
    groups = caller.call("DescribeGroups", v, groups=wanted)["groups"]
    assert sorted((g["group_id"], g["error_code"]) for g in groups) == [(g, NO_GROUP if v >= 6 else 0) for g in wanted]
    assert caller.call("DescribeGroups", v, groups=[])["groups"] == []


@versions("DeleteGroups")
def test_delete_groups_that_are_not_there(caller, v):
    results = caller.call("DeleteGroups", v, groups_names=["y" * 300, "nope", "nope"])["results"]
    assert errors(results, "group_id") == {"y" * 300: NO_GROUP, "nope": NO_GROUP}


def test_offset_delete(caller, topic):
    group = unique("group")
    caller.call("OffsetCommit", 8, group_id=group,
                topics=[{"name": topic[0], "partitions": [{"partition_index": 0, "committed_offset": 3}]}])

    def ask(*topics, group=group):
        answer = caller.call("OffsetDelete", 0, group_id=group, topics=[
            {"name": n, "partitions": [{"partition_index": p} for p in rows]} for n, rows in topics])
        return answer["error_code"], {(t["name"], p["partition_index"]): p["error_code"]
                                      for t in answer["topics"] for p in t["partitions"]}
    assert ask((topic[0], [0, 1, 9, -1]), ("nope", [0]), ("", [0])) == (0, {
        (topic[0], 0): 0, (topic[0], 1): 0, (topic[0], 9): UNKNOWN_TOPIC, (topic[0], -1): UNKNOWN_TOPIC,
        ("nope", 0): UNKNOWN_TOPIC, ("", 0): UNKNOWN_TOPIC})
    assert ask((topic[0], [0]), group="") == (BAD_GROUP, {}) and ask((topic[0], [0]), group="nope") == (NO_GROUP, {})
    assert ask() == (0, {})


@versions("JoinGroup")
def test_join_group_asked_wrongly(caller, v):
    def ask(**more):
        asked = {"group_id": unique("group"), "session_timeout_ms": 10000, "member_id": "", "protocol_type": "consumer",
                 "protocols": [{"name": "range", "metadata": b"m"}],
                 **({"rebalance_timeout_ms": 10000} if v >= 1 else {}), **more}
        answer = caller.call("JoinGroup", v, **asked)
        return answer["error_code"]
    fine = ID_REQUIRED if v >= 4 else 0
    assert ask() == ask(group_id="\u00fc b" + unique("")) == ask(protocol_type="connect") == fine
    assert ask(group_id="") == BAD_GROUP
    for session in (0, -1, 5999, 1800001, 2**31 - 1):
        assert ask(session_timeout_ms=session) == BAD_SESSION, session
    for session in (6000, 1800000):
        assert ask(session_timeout_ms=session) == fine
    assert ask(protocols=[]) == ask(protocol_type="") == ask(protocol_type="", protocols=[]) == 23
    assert ask(member_id="nope") == UNKNOWN_MEMBER
    assert ask(protocols=[{"name": "", "metadata": b""}]) == fine
    if v >= 5:
        assert ask(group_instance_id="i") == 0
        assert ask(group_instance_id="i", member_id="m") == UNKNOWN_MEMBER


@pytest.mark.parametrize("name, v", [(n, v) for n, v in VERSIONS if n in ("Heartbeat", "SyncGroup")])
def test_requests_of_members_of_no_group(caller, name, v):
    more = {"assignments": []} if name == "SyncGroup" else {}
    if (name, v) == ("SyncGroup", 5):
        more |= {"protocol_type": "consumer", "protocol_name": "range"}
    for group, error in {"": BAD_GROUP, "nope": UNKNOWN_MEMBER, "x" * 300: UNKNOWN_MEMBER}.items():
        for member in ("", "m"):
            for generation in (0, -1, 5):
                for static in ({}, {"group_instance_id": "i"}) if v >= 3 else ({},):
                    got = caller.call(name, v, group_id=group, member_id=member, generation_id=generation,
                                      **static, **more)
                    assert got["error_code"] == error, (group, member, generation, static)


@versions("LeaveGroup")
def test_leave_no_group(caller, v):
    for group, error in {"": BAD_GROUP, "nope": UNKNOWN_MEMBER}.items():
        if v < 3:
            assert caller.call("LeaveGroup", v, group_id=group, member_id="m")["error_code"] == error
            continue
        answer = caller.call("LeaveGroup", v, group_id=group, members=[
            {"member_id": "m"}, {"member_id": "", "group_instance_id": "i"}])
        rows = {(m["member_id"], m["group_instance_id"]): m["error_code"] for m in answer["members"]}
        known = {("m", None): UNKNOWN_MEMBER, ("", "i"): UNKNOWN_MEMBER}
        assert (answer["error_code"], rows) == ((error, {}) if not group else (0, known))


# ---- Configs and the cluster


@versions("DescribeConfigs")
def test_describe_configs(caller, topic, node, v):
    def ask(kind, name, keys=None, **more):
        found, = caller.call("DescribeConfigs", v, **more, resources=[
            {"resource_type": kind, "resource_name": name, "configuration_keys": keys}])["results"]
        return found["error_code"], {c["name"]: c for c in found["configs"]}
    error, every = ask(2, topic[0])
    assert error == 0 and len(every) > 30 and ask(2, topic[0], [])[1].keys() == every.keys()
    assert all(c["documentation"] is None and c["synonyms"] == [] for c in every.values()) or v < 3
    assert ask(2, topic[0], ["retention.ms", "nope", "", "retention.ms"])[1].keys() == {"retention.ms"}
    with_synonyms = ask(2, topic[0], include_synonyms=True)[1]
    assert {n for n in every if n in with_synonyms and not with_synonyms[n]["synonyms"]} & {
        "retention.ms", "segment.ms", "segment.jitter.ms", "flush.ms", "max.message.bytes", "retention.bytes"} == {
        "retention.ms", "segment.ms", "segment.jitter.ms", "flush.ms"}
    for name in BAD_NAMES:
        assert ask(2, name) == (BAD_TOPIC, {}), name
    assert ask(2, "nope") == (UNKNOWN_TOPIC, {})
    for kind in (0, 1, 3, 64, -1, 127):
        assert ask(kind, topic[0]) == (BAD_REQUEST, {}), kind
        both = [{"resource_type": t, "resource_name": topic[0], "configuration_keys": None} for t in (2, kind)]
        results = caller.call("DescribeConfigs", v, resources=both)["results"]
        assert [(r["error_code"], r["configs"]) for r in results] == [(BAD_REQUEST, [])] * 2, kind
    for name in ("99", "x", "-1"):
        assert ask(4, name) == (BAD_REQUEST, {}), name
    usual = {"message.max.bytes": ["1048588"], "group.max.size": ["2147483647"], "log.retention.ms": [],
             "auto.create.topics.enable": ["true"]}
    for synonyms in (False, True):
        found = ask(4, str(node), list(usual), include_synonyms=synonyms)[1]
        assert {n: [s["value"] for s in c["synonyms"]] for n, c in found.items()} == (
            usual if synonyms else dict.fromkeys(usual, []))
    twice = {"resource_type": 2, "resource_name": topic[0], "configuration_keys": ["retention.ms"]}
    assert [len(r["configs"]) for r in caller.call("DescribeConfigs", v, resources=[twice, twice])["results"]] == [1, 1]


@versions("IncrementalAlterConfigs")
def test_incremental_alter_configs(caller, v):
    name, _ = create(caller)
    put, delete_, append, subtract = range(4)

    def ask(*resources, validate_only=False):
        answer = caller.call("IncrementalAlterConfigs", v, validate_only=validate_only, resources=[
            {"resource_type": kind, "resource_name": n, "configs": [
                {"name": k, "config_operation": op, "value": value} for k, op, value in rows]}
            for kind, n, *rows in resources])
        return {r["resource_name"]: r["error_code"] for r in answer["responses"]}

    def retention():
        found, = caller.call("DescribeConfigs", 4, resources=[
            {"resource_type": 2, "resource_name": name, "configuration_keys": ["retention.ms"]}])["results"]
        return found["configs"][0]["value"]
    for n in BAD_NAMES + ["nope"]:
        error = BAD_TOPIC if n not in ("", "nope") else BAD_REQUEST if n == "" else UNKNOWN_TOPIC
        assert ask((2, n, ("retention.ms", put, "5"))) == ask((2, n)) == {n: error}, n
    for kind in (0, 1, 3, 64, -1, 127):
        assert ask((kind, "x", ("no.such", put, "5"))) == {"x": BAD_REQUEST}, kind
    for key, op, value, error in (
            ("no.such", put, "5", BAD_CONFIG), ("no.such", delete_, None, 0), ("no.such", append, "5", BAD_CONFIG),
            ("", put, "5", BAD_CONFIG), ("", delete_, "5", 0), ("retention.ms", put, None, BAD_REQUEST),
            ("retention.ms", put, "", BAD_CONFIG), ("retention.ms", delete_, "5", 0), ("segment.ms", delete_, None, 0),
            ("retention.ms", append, "5", BAD_CONFIG), ("retention.ms", subtract, "5", BAD_CONFIG),
            ("cleanup.policy", append, "delete", 0), ("cleanup.policy", append, "x", BAD_CONFIG),
            ("cleanup.policy", append, "", BAD_CONFIG), ("cleanup.policy", append, None, BAD_REQUEST),
            ("cleanup.policy", subtract, "delete", 0),
            ("leader.replication.throttled.replicas", append, "0:1,0:1", 0),
            ("leader.replication.throttled.replicas", append, "", 0)):
        assert ask((2, name, (key, op, value)), validate_only=True) == {name: error}, (key, op, value)
    one, two = ("retention.ms", put, "5000"), ("retention.ms", put, "6000")
    assert ask((2, name, one), (2, name, two)) == {name: BAD_REQUEST}
    assert ask((2, name, one, two)) == ask((2, name, one, ("retention.ms", delete_, None))) == {name: BAD_REQUEST}
    assert ask((2, name, one, ("max.message.bytes", put, "x"))) == {name: BAD_CONFIG} and ask() == {}
    assert ask((2, name, one), validate_only=True) == {name: 0} and retention() == "604800000"
    assert ask((2, "nope", one), (2, name, one)) == {"nope": UNKNOWN_TOPIC, name: 0}
    until = time.monotonic() + 10
    while retention() != "5000":        # Apache Kafka's broker learns of it later
        assert time.monotonic() < until


@versions("DescribeCluster")
def test_describe_cluster_of_another_kind(caller, v):
    for kind, error in {0: 115, 1: 0, 2: 114, 3: 115, -1: 115}.items() if v >= 1 else ():
        answer = caller.call("DescribeCluster", v, endpoint_type=kind, include_cluster_authorized_operations=True)
        assert (answer["error_code"], answer["endpoint_type"], len(answer["brokers"])) == (error, 1, 0 if error else 1)
        assert (answer["cluster_authorized_operations"] == -2**31) == bool(error)


@pytest.mark.parametrize("v", [3, 4, 5])
def test_api_versions_of_nameless_clients(caller, v):
    for name, version, good in (("a", "1", True), ("a-b.c", "1.2-x", True), ("x" * 1000, "1", True), ("", "", False),
                                ("a b", "1", False), ("-a", "1", False), ("a", "", False), ("\u00fc", "1", False)):
        answer = caller.call("ApiVersions", v, client_software_name=name, client_software_version=version)
        assert (answer["error_code"], bool(answer["api_keys"])) == ((0, True) if good else (BAD_REQUEST, False)), name


def test_api_versions_meant_for_another_broker(caller, node):
    ours = caller.call("Metadata", 9, topics=[])["cluster_id"]
    for cluster, named, error in ((None, -1, 0), (ours, node, 0), (ours, -1, BAD_REQUEST), (None, node, BAD_REQUEST),
                                  ("", -1, BAD_REQUEST), ("other", -1, BAD_REQUEST), (None, node + 6, BAD_REQUEST),
                                  ("other", node, REBOOTSTRAP), ("", node, REBOOTSTRAP), (ours, node + 6, REBOOTSTRAP),
                                  (ours, -5, REBOOTSTRAP), ("other", node + 6, REBOOTSTRAP)):
        answer = caller.call("ApiVersions", 5, client_software_name="a", client_software_version="1",
                             cluster_id=cluster, node_id=named)
        assert (answer["error_code"], bool(answer["api_keys"])) == (error, error == 0), (cluster, named)
    answer = caller.call("ApiVersions", 5, client_software_name="", client_software_version="1", cluster_id="other",
                         node_id=node)
    assert answer["error_code"] == BAD_REQUEST


# ---- Bytes that are no request


@pytest.mark.parametrize("what, body", [("empty", b""), ("huge", b"\x7f" * 40)])
def test_what_cannot_be_read_closes(server, what, body):
    """Requests that have no field that must be there are read all the same."""
    readable = {("ApiVersions", v) for v in (0, 1, 2)} | {("ListGroups", v) for v in (0, 1, 2)}
    if what == "huge":
        readable.add(("ListGroups", 0))
    for name, v in VERSIONS:
        api = messages.APIS[name]
        tags = b"\0" if api.is_flexible(v) else b""
        with wire.Raw(server.kafka) as raw:
            raw.send(wire.request(api.key, v, tags + body))
            assert raw.closed_by_server() == ((name, v) not in readable), (name, v)
