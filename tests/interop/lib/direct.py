"""What tests that speak Kafka's messages themselves do all the time, through a messages.Caller."""
import itertools
import os
import time

NAMES = itertools.count(1)
BY_ID = {"Produce": 13, "Fetch": 13, "OffsetCommit": 10, "OffsetFetch": 10}    # first version with topic ids


def unique(what):
    return f"{what}-{os.getpid()}-{next(NAMES)}"


def create(caller, partitions=2, **configs):
    """A new topic: its name and id, ready to be written to. configs: with _ for the dots."""
    name = unique("topic")
    configs = [{"name": k.replace("_", "."), "value": str(v)} for k, v in configs.items()]
    made = caller.call("CreateTopics", 7, timeout_ms=10000, topics=[
        {"name": name, "num_partitions": partitions, "replication_factor": 1, "configs": configs}])["topics"][0]
    assert made["error_code"] == 0, made
    asked = [{"name": name, "partitions": [{"partition_index": i, "timestamp": -1} for i in range(partitions)]}]
    until = time.monotonic() + 30
    while time.monotonic() < until:    # Apache Kafka's leaders come up after its answer
        answer = caller.call("ListOffsets", 7, replica_id=-1, topics=asked)["topics"][0]["partitions"]
        if all(p["error_code"] == 0 for p in answer):
            return name, made["topic_id"]
        time.sleep(0.01)
    raise AssertionError(f"{name} does not come up: {answer}")


def naming(api, v, name, topic_id, field="name"):
    return {"topic_id": topic_id} if v >= BY_ID.get(api, 999) else {field: name}


def produce(caller, name, topic_id, records, v=9, index=0):
    answer = caller.call("Produce", v, acks=-1, timeout_ms=10000, topic_data=[
        {**naming("Produce", v, name, topic_id), "partition_data": [{"index": index, "records": records}]}])
    return answer["responses"][0]["partition_responses"][0]


def fetch(caller, v, *topics, forget=(), replica=-1, **more):
    """topics: (name and id, [(partition, offset, further fields)])"""
    asked = {"max_wait_ms": 0, "min_bytes": 0, "max_bytes": 1 << 20, "isolation_level": 0, **more}
    if replica != -1:
        asked |= {"replica_id": replica} if v <= 14 else {"replica_state": {"replica_id": replica}}
    if forget:
        asked["forgotten_topics_data"] = [
            {**naming("Fetch", v, *who, field="topic"), "partitions": rows} for who, rows in forget]
    return caller.call("Fetch", v, **asked, topics=[
        {**naming("Fetch", v, *who, field="topic"), "partitions": [
            {"partition": p, "fetch_offset": o, "partition_max_bytes": 1 << 20, **(more[0] if more else {})}
            for p, o, *more in rows]} for who, rows in topics])


def parts(answer):
    return [p for t in answer["responses"] for p in t["partitions"]]


def coordinator_ready(caller, group):
    until = time.monotonic() + 30
    while time.monotonic() < until:
        if caller.call("FindCoordinator", 0, key=group)["error_code"] == 0:
            if caller.call("OffsetFetch", 5, group_id=group, topics=None)["error_code"] == 0:
                return
        time.sleep(0.01)
    raise AssertionError("no coordinator")
