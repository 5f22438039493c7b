"""Every served API at every served version: a request that makes sense gets an answer that makes sense
and ends where the schema of that version ends. Real clients use one version each; this is for the
others, where a field that came later may not be answered and one that was dropped must be."""
import time

import pytest
from lib import messages
from lib.direct import coordinator_ready, create, naming, produce, unique
from lib.messages import Caller, batch

VERSIONS = messages.served()
MEMBER_ID_REQUIRED = 79


def versions(name):
    return pytest.mark.parametrize("v", [v for n, v in VERSIONS if n == name])


@pytest.fixture
def caller(server):
    with Caller(server.kafka) as connection:
        yield connection


@pytest.fixture(scope="module")
def topic(server):
    """A topic with three records in partition 0: its name and id."""
    with Caller(server.kafka) as caller:
        name, topic_id = create(caller)
        assert produce(caller, name, topic_id, batch(b"a", b"b", b"c"))["error_code"] == 0
    return name, topic_id


@pytest.fixture(scope="module")
def group(server, topic):
    """A group without members that has committed offset 2 of that partition."""
    name = unique("group")
    with Caller(server.kafka) as caller:
        coordinator_ready(caller, name)
        commit(caller, 8, name, *topic)
    return name


def commit(caller, v, group, name, topic_id):
    answer = caller.call("OffsetCommit", v, group_id=group, topics=[
        {**naming("OffsetCommit", v, name, topic_id),
         "partitions": [{"partition_index": 0, "committed_offset": 2, "committed_metadata": "note"}]}])
    assert answer["topics"][0]["partitions"][0]["error_code"] == 0


@versions("Produce")
def test_produce(caller, topic, v):
    one = produce(caller, *topic, batch(b"x", b"y"), v, index=1)
    two = produce(caller, *topic, batch(b"z"), v, index=1)
    assert (one["error_code"], two["error_code"], two["base_offset"] - one["base_offset"]) == (0, 0, 2)
    assert one["log_append_time_ms"] == -1
    assert one["log_start_offset"] == (0 if v >= 5 else -1)


@versions("Fetch")
def test_fetch(caller, topic, v):
    answer = caller.call("Fetch", v, max_wait_ms=100, min_bytes=1, max_bytes=1 << 20, topics=[
        {**naming("Fetch", v, *topic, field="topic"),
         "partitions": [{"partition": 0, "fetch_offset": 1, "partition_max_bytes": 1 << 20}]}])
    part = answer["responses"][0]["partitions"][0]
    assert (part["error_code"], part["high_watermark"], part["last_stable_offset"]) == (0, 3, 3)
    assert part["records"][61:] == batch(b"a", b"b", b"c")[61:]
    assert part["log_start_offset"] == (0 if v >= 5 else -1) and part["preferred_read_replica"] == -1


@versions("ListOffsets")
def test_list_offsets(caller, topic, v):
    def ask(time):
        answer = caller.call("ListOffsets", v, replica_id=-1, topics=[
            {"name": topic[0], "partitions": [{"partition_index": 0, "timestamp": time}]}])
        part = answer["topics"][0]["partitions"][0]
        return part["error_code"], part["offset"]
    assert ask(-1) == (0, 3) and ask(-2) == (0, 0)
    assert ask(1_600_000_000_000) == (0, 0) and ask(1_800_000_000_000) == (0, -1)
    assert ask(-3)[0] == (0 if v >= 7 else 35)
    assert ask(-4) == ((0, 0) if v >= 8 else (35, -1))
    assert ask(-5) == ((0, -1) if v >= 9 else (35, -1))
    assert ask(-6)[0] == (0 if v >= 11 else 35)


@versions("Metadata")
def test_metadata(caller, topic, v):
    answer = caller.call("Metadata", v, topics=[{"name": topic[0]}])
    found = answer["topics"][0]
    assert (found["error_code"], found["name"], len(found["partitions"])) == (0, topic[0], 2)
    assert {p["leader_id"] for p in found["partitions"]} == {answer["brokers"][0]["node_id"]}
    assert found["topic_id"] == (topic[1] if v >= 10 else 0)
    assert found["topic_authorized_operations"] == -2**31
    every = caller.call("Metadata", v, topics=[] if v == 0 else None)["topics"]
    assert topic[0] in [t["name"] for t in every]
    missing = unique("missing")
    options = {"allow_auto_topic_creation": False} if v >= 4 else {}
    if v >= 4:
        assert caller.call("Metadata", v, topics=[{"name": missing}], **options)["topics"][0]["error_code"] == 3


def test_metadata_of_a_server_without_topics(fresh_server):
    with Caller(fresh_server.kafka) as caller:
        for v in [v for name, v in VERSIONS if name == "Metadata"]:
            assert caller.call("Metadata", v, topics=[] if v == 0 else None)["topics"] == []


@pytest.mark.parametrize("v", [12, 13])
@pytest.mark.parametrize("name", [None, ""])     # Java's admin client leaves it empty
def test_metadata_by_id(caller, topic, v, name):
    found, = caller.call("Metadata", v, topics=[{"topic_id": topic[1], "name": name}])["topics"]
    assert (found["error_code"], found["name"], found["topic_id"]) == (0, *topic)
    missing, = caller.call("Metadata", v, topics=[{"topic_id": b"\x07" * 16, "name": name}])["topics"]
    assert (missing["error_code"], missing["name"], missing["topic_id"]) == (100, None, b"\x07" * 16)


@versions("Metadata")
def test_metadata_of_everything_it_may_tell(caller, topic, v):
    asked = {"include_topic_authorized_operations": True} if v >= 8 else {}
    if 8 <= v <= 10:
        asked["include_cluster_authorized_operations"] = True
    answer = caller.call("Metadata", v, topics=[{"name": topic[0]}], **asked)
    assert answer["topics"][0]["topic_authorized_operations"] == (3576 if v >= 8 else -2**31)
    assert (answer["cluster_authorized_operations"] == -2**31) == (not 8 <= v <= 10)


@versions("OffsetCommit")
def test_offset_commit(caller, topic, group, v):
    commit(caller, v, group, *topic)


@versions("OffsetFetch")
def test_offset_fetch(caller, topic, group, v):
    name, topic_id = topic
    asked = [{**naming("OffsetFetch", v, name, topic_id), "partition_indexes": [0, 1]}]
    if v < 8:
        topics = caller.call("OffsetFetch", v, group_id=group, topics=asked)["topics"]
    else:
        topics = caller.call("OffsetFetch", v, groups=[{"group_id": group, "topics": asked}])["groups"][0]["topics"]
    got = {p["partition_index"]: (p["error_code"], p["committed_offset"], p["metadata"])
           for p in topics[0]["partitions"]}
    assert got == {0: (0, 2, "note"), 1: (0, -1, "")}
    if 2 <= v < 8:
        assert caller.call("OffsetFetch", v, group_id=group, topics=None)["topics"]
    if v >= 8:
        assert caller.call("OffsetFetch", v, groups=[{"group_id": group, "topics": None}])["groups"][0]["topics"]


@versions("FindCoordinator")
def test_find_coordinator(caller, group, v):
    if v < 4:
        found = caller.call("FindCoordinator", v, key=group)
    else:
        found, = caller.call("FindCoordinator", v, coordinator_keys=[group])["coordinators"]
        assert found["key"] == group
    assert found["error_code"] == 0 and found["port"] > 0 and found["host"]


@versions("JoinGroup")
def test_the_life_of_a_group_member(caller, v):
    """Join, sync, heartbeat and leave: each at version v or its own last."""
    group = unique("group")
    coordinator_ready(caller, group)
    timeouts = {"session_timeout_ms": 10000, **({"rebalance_timeout_ms": 10000} if v >= 1 else {})}
    asked = {"group_id": group, "protocol_type": "consumer",
             "protocols": [{"name": "range", "metadata": b"meta"}], **timeouts}
    joined = caller.call("JoinGroup", v, member_id="", **asked)
    if v >= 4:
        assert joined["error_code"] == MEMBER_ID_REQUIRED and joined["member_id"]
        joined = caller.call("JoinGroup", v, member_id=joined["member_id"], **asked)
    assert (joined["error_code"], joined["generation_id"], joined["protocol_name"]) == (0, 1, "range")
    assert joined["leader"] == joined["member_id"] and joined["members"][0]["metadata"] == b"meta"
    assert joined["protocol_type"] == ("consumer" if v >= 7 else None) and not joined["skip_assignment"]
    me = {"group_id": group, "generation_id": 1, "member_id": joined["member_id"]}
    synced = caller.call("SyncGroup", min(v, 5), **me, assignments=[
        {"member_id": joined["member_id"], "assignment": b"mine"}],
        **({"protocol_type": "consumer", "protocol_name": "range"} if v >= 5 else {}))
    assert (synced["error_code"], synced["assignment"]) == (0, b"mine")
    assert caller.call("Heartbeat", min(v, 4), **me)["error_code"] == 0
    described = caller.call("DescribeGroups", min(v, 6), groups=[group])["groups"][0]
    assert (described["group_state"], described["members"][0]["member_assignment"]) == ("Stable", b"mine")
    v = min(v, 5)
    who = {"members": [{"member_id": joined["member_id"]}]} if v >= 3 else {"member_id": joined["member_id"]}
    left = caller.call("LeaveGroup", v, group_id=group, **who)
    assert left["error_code"] == 0 and [m["error_code"] for m in left["members"]] == ([0] if v >= 3 else [])
    assert caller.call("Heartbeat", min(v, 4), **me)["error_code"] == 25


@versions("DescribeGroups")
def test_describe_groups(caller, group, v):
    missing = unique("group")
    asked = {"include_authorized_operations": True} if v >= 3 else {}
    groups = {g["group_id"]: g for g in caller.call("DescribeGroups", v, groups=[group, missing], **asked)["groups"]}
    known, unknown = groups[group], groups[missing]
    assert (known["error_code"], known["group_state"]) == (0, "Empty")
    assert (unknown["error_code"], unknown["group_state"]) == (69 if v >= 6 else 0, "Dead")
    assert (known["authorized_operations"] == -2**31) == (v < 3)


@versions("ListGroups")
def test_list_groups(caller, group, v):
    answer = caller.call("ListGroups", v)
    assert answer["error_code"] == 0 and group in [g["group_id"] for g in answer["groups"]]
    if v >= 4:
        assert group not in [g["group_id"] for g in caller.call("ListGroups", v, states_filter=["Stable"])["groups"]]


@versions("ApiVersions")
def test_api_versions(caller, v):
    software = {"client_software_name": "a", "client_software_version": "1"} if v >= 3 else {}
    answer = caller.call("ApiVersions", v, **software)
    offered = {k["api_key"]: (k["min_version"], k["max_version"]) for k in answer["api_keys"]}
    assert answer["error_code"] == 0 and offered[0][0] == 0 and offered[18][0] == 0


@versions("CreateTopics")
def test_create_topics(caller, v):
    name = unique("topic")
    wanted = {"name": name, "num_partitions": 3, "replication_factor": 1,
              "configs": [{"name": "retention.ms", "value": "1000"}]}
    trial, = caller.call("CreateTopics", v, timeout_ms=10000, validate_only=True, topics=[wanted])["topics"]
    made, = caller.call("CreateTopics", v, timeout_ms=10000, topics=[wanted])["topics"]
    again, = caller.call("CreateTopics", v, timeout_ms=10000, topics=[wanted])["topics"]
    assert (trial["error_code"], made["error_code"], again["error_code"]) == (0, 0, 36)
    if v >= 5:
        assert (made["num_partitions"], made["replication_factor"]) == (3, 1)
        assert {c["name"]: c["value"] for c in made["configs"]}["retention.ms"] == "1000"
    assert (made["topic_id"] not in (0, bytes(16))) == (v >= 7)


@versions("DeleteTopics")
def test_delete_topics(caller, v):
    def delete(name):
        asked = {"topics": [{"name": name}]} if v >= 6 else {"topic_names": [name]}
        return caller.call("DeleteTopics", v, timeout_ms=10000, **asked)["responses"][0]["error_code"]
    name, _ = create(caller)
    assert delete(name) == 0
    assert delete(unique("missing")) == 3
    if v >= 6:
        name, topic_id = create(caller)
        named = [{"name": None, "topic_id": topic_id}]
        answer, = caller.call("DeleteTopics", v, timeout_ms=10000, topics=named)["responses"]
        assert (answer["error_code"], answer["name"], answer["topic_id"]) == (0, name, topic_id)
        named = [{"name": None, "topic_id": b"\x07" * 16}]
        answer, = caller.call("DeleteTopics", v, timeout_ms=10000, topics=named)["responses"]
        assert answer["error_code"] == 100


@versions("DeleteRecords")
def test_delete_records(caller, v):
    name, topic_id = create(caller)
    produce(caller, name, topic_id, batch(b"a", b"b", b"c"))

    def delete(offset, index=0):
        answer = caller.call("DeleteRecords", v, timeout_ms=10000, topics=[
            {"name": name, "partitions": [{"partition_index": index, "offset": offset}]}])
        part, = answer["topics"][0]["partitions"]
        return part["error_code"], part["low_watermark"]
    assert delete(2) == (0, 2) and delete(-1) == (0, 3)
    assert delete(99)[0] == 1 and delete(0, index=9)[0] == 3


@versions("InitProducerId")
def test_init_producer_id(caller, v):
    until = time.monotonic() + 30
    one = {"error_code": 14}
    while one["error_code"] == 14 and time.monotonic() < until:    # Apache Kafka fetches its first block of ids
        one = caller.call("InitProducerId", v, transactional_id=None, transaction_timeout_ms=1000)
    two = caller.call("InitProducerId", v, transactional_id=None, transaction_timeout_ms=1000)
    assert (one["error_code"], one["producer_epoch"]) == (0, 0) and two["producer_id"] != one["producer_id"] >= 0


@versions("OffsetForLeaderEpoch")
def test_offset_for_leader_epoch(caller, topic, v):
    def ask(epoch):
        answer = caller.call("OffsetForLeaderEpoch", v, topics=[
            {"topic": topic[0], "partitions": [{"partition": 0, "leader_epoch": epoch}]}])
        part = answer["topics"][0]["partitions"][0]
        return part["error_code"], part["end_offset"]
    assert ask(0) == (0, 3)
    assert ask(99) == (0, -1)


@versions("DescribeConfigs")
def test_describe_configs(caller, topic, v):
    asked = [{"resource_type": 2, "resource_name": topic[0], "configuration_keys": ["retention.ms"]},
             {"resource_type": 2, "resource_name": unique("missing"), "configuration_keys": None}]
    options = {"include_synonyms": True, **({"include_documentation": True} if v >= 3 else {})}
    found, missing = caller.call("DescribeConfigs", v, resources=asked, **options)["results"]
    assert (found["error_code"], missing["error_code"]) == (0, 3)
    assert [c["name"] for c in found["configs"]] == ["retention.ms"]
    if v >= 3:
        assert found["configs"][0]["config_type"] == 5 and found["configs"][0]["documentation"]


@versions("IncrementalAlterConfigs")
def test_incremental_alter_configs(caller, v):
    name, _ = create(caller)

    def alter(key, value, operation=0):
        answer, = caller.call("IncrementalAlterConfigs", v, resources=[
            {"resource_type": 2, "resource_name": name,
             "configs": [{"name": key, "config_operation": operation, "value": value}]}])["responses"]
        return answer["error_code"]
    assert alter("retention.ms", "5000") == 0 and alter("retention.ms", None, 1) == 0
    assert alter("retention.ms", "never") == 40 and alter("no.such.config", "1") == 40


@versions("CreatePartitions")
def test_create_partitions(caller, v):
    name, _ = create(caller)

    def grow(count, **more):
        answer, = caller.call("CreatePartitions", v, timeout_ms=10000, **more,
                              topics=[{"name": name, "count": count, "assignments": None}])["results"]
        return answer["error_code"]
    assert (grow(4, validate_only=True), grow(4), grow(4), grow(1)) == (0, 0, 37, 37)


@versions("DeleteGroups")
def test_delete_groups(caller, topic, v):
    group = unique("group")
    commit(caller, 8, group, *topic)
    answer = caller.call("DeleteGroups", v, groups_names=[group, unique("missing")])["results"]
    assert sorted(r["error_code"] for r in answer) == [0, 69]
    assert v < 3 or {r["error_message"] for r in answer} == {None}


@versions("OffsetDelete")
def test_offset_delete(caller, topic, v):
    group = unique("group")
    commit(caller, 8, group, *topic)
    asked = [{"name": topic[0], "partitions": [{"partition_index": 0}]}]
    answer = caller.call("OffsetDelete", v, group_id=group, topics=asked)
    assert answer["error_code"] == 0 and answer["topics"][0]["partitions"][0]["error_code"] == 0
    assert caller.call("OffsetDelete", v, group_id=unique("missing"), topics=asked)["error_code"] == 69


@versions("DescribeCluster")
def test_describe_cluster(caller, v):
    answer = caller.call("DescribeCluster", v, include_cluster_authorized_operations=True)
    assert answer["error_code"] == 0 and len(answer["brokers"]) == 1 and answer["cluster_id"]
    assert answer["brokers"][0]["broker_id"] == answer["controller_id"]
    if v >= 1:
        assert caller.call("DescribeCluster", v, endpoint_type=2)["error_code"] != 0


def test_every_served_api_is_tried_here():
    source = open(__file__, encoding="utf-8").read()
    also = {"SyncGroup": 5, "Heartbeat": 4, "LeaveGroup": 5}    # each at min(v, its last) in a member's life
    for name in {name for name, _ in VERSIONS}:
        last = max(v for n, v in VERSIONS if n == name)
        assert f'@versions("{name}")' in source or also.get(name) == last, name
