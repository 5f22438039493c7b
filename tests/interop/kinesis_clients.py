"""Every Kinesis client against the Kinesis door: streams, records, iterators, resharding, consumers, TLS."""
import math
import time

import pytest
from lib.kinesis import (HASH_END, KINESIS, KinesisError, _boto3, arrived_of, created_of, endpoint, offset_of,
                         sequence_of, shard_id, shard_of)
from lib.lines import Record

each_client = pytest.mark.parametrize("client", KINESIS, ids=repr)
each_fan = pytest.mark.parametrize("client", [c for c in KINESIS if c.fans_out], ids=repr)
boto3 = KINESIS[0]


@pytest.fixture
def stream(server, topic):
    """make(shards): the name of a stream of the test's own."""
    def make(shards=1, client=boto3):
        client.call(server, "CreateStream", StreamName=topic, ShardCount=shards)
        return wait_active(server, topic)
    return make


def wait_active(server, name):
    deadline = time.monotonic() + 20
    while summary(server, name)["StreamStatus"] != "ACTIVE":
        assert time.monotonic() < deadline, "the stream does not become ACTIVE"
        time.sleep(0.02)
    return name


def summary(server, name):
    return boto3.call(server, "DescribeStreamSummary", StreamName=name)["StreamDescriptionSummary"]


def put(client, server, stream, count, shard=0, prefix="v"):
    """count records of a shard; returns their sequence numbers."""
    start = next(s for s in client.shards(server, stream)
                 if s["ShardId"] == shard_id(shard))["HashKeyRange"]["StartingHashKey"]
    answer = client.call(server, "PutRecords", StreamName=stream, Records=[
        {"Data": f"{prefix}{i}".encode(), "PartitionKey": f"k{i}", "ExplicitHashKey": start} for i in range(count)])
    assert answer["FailedRecordCount"] == 0
    return [r["SequenceNumber"] for r in answer["Records"]]


def data(records):
    return [r["Data"] for r in records]


def open_shards(client, server, stream):
    return [s for s in client.shards(server, stream) if "EndingSequenceNumber" not in s["SequenceNumberRange"]]


@each_client
def test_stream_lives_and_goes(server, topic, client):
    client.call(server, "CreateStream", StreamName=topic, ShardCount=3)
    wait_active(server, topic)
    with pytest.raises(KinesisError, match=f"ResourceInUseException: Stream {topic} under account "
                                           r"\d{12} already exists\."):
        client.call(server, "CreateStream", StreamName=topic, ShardCount=1)
    # From just before its name: one page holds 100 streams, and other tests leave theirs.
    page = client.call(server, "ListStreams", ExclusiveStartStreamName=topic[:-1])["StreamNames"]
    assert topic in page
    described = client.call(server, "DescribeStream", StreamName=topic)["StreamDescription"]
    assert described["StreamARN"] == f"arn:aws:kinesis:us-east-1:000000000000:stream/{topic}"
    assert (described["StreamStatus"], described["RetentionPeriodHours"]) == ("ACTIVE", 24)
    assert abs(described["StreamCreationTimestamp"] - time.time()) < 60
    width = HASH_END // 3
    assert [s["HashKeyRange"] for s in described["Shards"]] == [
        {"StartingHashKey": str(i * width), "EndingHashKey": str(HASH_END - 1 if i == 2 else (i + 1) * width - 1)}
        for i in range(3)]
    for shard in described["Shards"]:
        start = shard["SequenceNumberRange"]["StartingSequenceNumber"]
        assert shard["ShardId"] == shard_id(shard_of(start)) and offset_of(start) == -1
    limits = client.call(server, "DescribeLimits")
    assert limits["OpenShardCount"] >= 3 and limits["ShardLimit"] >= limits["OpenShardCount"]
    client.call(server, "DeleteStream", StreamName=topic)
    with pytest.raises(KinesisError, match=f"ResourceNotFoundException: Stream {topic} under account "
                                           r"\d{12} not found\."):
        client.call(server, "DescribeStreamSummary", StreamName=topic)


@each_client
def test_put_and_get_any_bytes(server, stream, client):
    name = stream(1)
    values = [bytes(range(256)), b"", b"\x00", "ümläut ☃".encode(), bytes(300_000)]
    keys = ["k", "ключ", "x" * 256, "a b\"c\\d", "\U0001f600"]
    sequences = [client.call(server, "PutRecord", StreamName=name, PartitionKey=key, Data=value)["SequenceNumber"]
                 for key, value in zip(keys, values)]
    assert [offset_of(s) for s in sequences] == [0, 1, 2, 3, 4]
    records = client.get(server, client.iterator(server, name, shard_id(0)), 5)
    assert [(r["PartitionKey"], r["Data"], r["SequenceNumber"]) for r in records] == list(zip(keys, values, sequences))
    for record in records:
        assert arrived_of(record["SequenceNumber"]) == int(record["ApproximateArrivalTimestamp"] + 0.0005)
        assert abs(record["ApproximateArrivalTimestamp"] - time.time()) < 60


@each_client
def test_five_iterators(server, stream, client):
    name, shard = stream(1), shard_id(0)
    latest_of_empty = client.iterator(server, name, shard, "LATEST")
    first = put(client, server, name, 5, prefix="a")
    between = math.ceil(time.time() + 0.05)     # whole: an older client cuts the fraction of a second
    time.sleep(between + 0.05 - time.time())
    latest = client.iterator(server, name, shard, "LATEST")
    second = put(client, server, name, 5, prefix="b")
    a, b = [b"a%d" % i for i in range(5)], [b"b%d" % i for i in range(5)]

    def read(count, kind, **more):
        return data(client.get(server, client.iterator(server, name, shard, kind, **more), count))
    assert read(10, "TRIM_HORIZON") == a + b
    assert read(7, "AT_SEQUENCE_NUMBER", StartingSequenceNumber=first[3]) == a[3:] + b
    assert read(5, "AFTER_SEQUENCE_NUMBER", StartingSequenceNumber=first[4]) == b
    assert read(5, "AT_TIMESTAMP", Timestamp=between) == b
    assert data(client.get(server, latest_of_empty, 10)) == a + b
    assert data(client.get(server, latest, 5)) == b
    start = client.shards(server, name)[0]["SequenceNumberRange"]["StartingSequenceNumber"]
    assert read(10, "AT_SEQUENCE_NUMBER", StartingSequenceNumber=start) == a + b
    tip = client.call(server, "GetRecords", ShardIterator=client.iterator(
        server, name, shard, "AFTER_SEQUENCE_NUMBER", StartingSequenceNumber=second[4]))
    assert tip["Records"] == [] and tip["MillisBehindLatest"] == 0 and tip["NextShardIterator"]
    limited = client.call(server, "GetRecords", ShardIterator=client.iterator(server, name, shard), Limit=3)
    assert data(limited["Records"]) == a[:3]
    assert data(client.get(server, limited["NextShardIterator"], 7)) == a[3:] + b


@each_client
def test_split_and_merge(server, stream, client):
    name = stream(1)
    before = put(client, server, name, 3, prefix="parent")
    middle = HASH_END // 2
    client.call(server, "SplitShard", StreamName=name, ShardToSplit=shard_id(0), NewStartingHashKey=str(middle))
    wait_active(server, name)
    parent, low, high = client.shards(server, name)
    assert "EndingSequenceNumber" in parent["SequenceNumberRange"]
    assert [s["ParentShardId"] for s in (low, high)] == [shard_id(0)] * 2
    assert low["HashKeyRange"] == {"StartingHashKey": "0", "EndingHashKey": str(middle - 1)}
    assert high["HashKeyRange"] == {"StartingHashKey": str(middle), "EndingHashKey": str(HASH_END - 1)}
    put(client, server, name, 2, shard=1, prefix="low")
    put(client, server, name, 2, shard=2, prefix="high")
    end = client.call(server, "GetRecords", ShardIterator=client.iterator(server, name, shard_id(0)))
    assert [r["SequenceNumber"] for r in end["Records"]] == before
    if end.get("NextShardIterator"):
        end = client.call(server, "GetRecords", ShardIterator=end["NextShardIterator"])
    assert not end.get("NextShardIterator")
    assert [(c["ShardId"], c["ParentShards"]) for c in end["ChildShards"]] == [(shard_id(i), [shard_id(0)])
                                                                                for i in (1, 2)]
    client.call(server, "MergeShards", StreamName=name, ShardToMerge=shard_id(1), AdjacentShardToMerge=shard_id(2))
    wait_active(server, name)
    child, = open_shards(client, server, name)
    assert (child["ParentShardId"], child["AdjacentParentShardId"]) == (shard_id(1), shard_id(2))
    assert child["HashKeyRange"] == {"StartingHashKey": "0", "EndingHashKey": str(HASH_END - 1)}
    put(client, server, name, 2, shard=3, prefix="merged")
    read = [data(client.get(server, client.iterator(server, name, shard_id(i)), 9)) for i in range(3)]
    assert read == [[b"parent0", b"parent1", b"parent2"], [b"low0", b"low1"], [b"high0", b"high1"]]
    assert data(client.get(server, client.iterator(server, name, shard_id(3)), 2)) == [b"merged0", b"merged1"]
    assert len(client.call(server, "ListShards", StreamName=name, ShardFilter={"Type": "AT_LATEST"})["Shards"]) == 1
    with pytest.raises(KinesisError, match="has already been merged or split, and thus is not eligible"):
        client.call(server, "SplitShard", StreamName=name, ShardToSplit=shard_id(0), NewStartingHashKey=str(middle))


@each_client
@pytest.mark.parametrize("counts", [(2, 4, 2), (1, 2, 1), (3, 4, 3)], ids=str)
def test_update_shard_count(server, stream, client, counts):
    if client.name == "aws-cli" and counts != (2, 4, 2):
        pytest.skip("a process a call: one row is enough")
    first, *targets = counts
    name, before = stream(first), first
    for target in targets:
        answer = client.call(server, "UpdateShardCount", StreamName=name, TargetShardCount=target,
                             ScalingType="UNIFORM_SCALING")
        assert (answer["StreamName"], answer["CurrentShardCount"], answer["TargetShardCount"]) == (name, before, target)
        wait_active(server, name)
        before = target
        ranges = sorted((int(s["HashKeyRange"]["StartingHashKey"]), int(s["HashKeyRange"]["EndingHashKey"]))
                        for s in open_shards(client, server, name))
        assert len(ranges) == target
        assert ranges[0][0] == 0 and ranges[-1][1] == HASH_END - 1
        assert all(low[1] + 1 == high[0] for low, high in zip(ranges, ranges[1:]))
        widths = [end - start + 1 for start, end in ranges]
        assert max(widths) - min(widths) <= target, widths


@each_client
def test_tags_and_retention(server, stream, client):
    name = stream(1)
    client.call(server, "AddTagsToStream", StreamName=name, Tags={"team": "blue", "käse": "1 2", "gone": ""})
    client.call(server, "RemoveTagsFromStream", StreamName=name, TagKeys=["gone"])
    tags = client.call(server, "ListTagsForStream", StreamName=name)
    assert {t["Key"]: t["Value"] for t in tags["Tags"]} == {"team": "blue", "käse": "1 2"}
    assert tags["HasMoreTags"] is False
    client.call(server, "IncreaseStreamRetentionPeriod", StreamName=name, RetentionPeriodHours=48)
    assert summary(server, name)["RetentionPeriodHours"] == 48
    with pytest.raises(KinesisError, match="can not be shorter than existing retention period"):
        client.call(server, "IncreaseStreamRetentionPeriod", StreamName=name, RetentionPeriodHours=24)
    client.call(server, "DecreaseStreamRetentionPeriod", StreamName=name, RetentionPeriodHours=24)
    assert summary(server, name)["RetentionPeriodHours"] == 24


@each_client
def test_tags_of_a_resource(server, stream, client):
    if client.name == "aws-cli":
        pytest.skip("its model has no TagResource")
    arn = summary(server, stream(1))["StreamARN"]
    client.call(server, "TagResource", ResourceARN=arn, Tags={"team": "blue", "gone": "x"})
    client.call(server, "TagResource", ResourceARN=arn, Tags={"team": "red"})
    client.call(server, "UntagResource", ResourceARN=arn, TagKeys=["gone", "never there"])
    tags = client.call(server, "ListTagsForResource", ResourceARN=arn)["Tags"]
    assert {t["Key"]: t["Value"] for t in tags} == {"team": "red"}
    with pytest.raises(KinesisError, match="ResourceNotFoundException"):
        client.call(server, "TagResource", ResourceARN=arn + "-of-none", Tags={"a": "b"})


@each_client
def test_consumers(server, stream, client):
    name = stream(1)
    arn = summary(server, name)["StreamARN"]
    made = client.call(server, "RegisterStreamConsumer", StreamARN=arn, ConsumerName="one")["Consumer"]
    assert made["ConsumerARN"] == f"{arn}/consumer/one:{int(made['ConsumerCreationTimestamp'])}"
    with pytest.raises(KinesisError, match="ResourceInUseException"):
        client.call(server, "RegisterStreamConsumer", StreamARN=arn, ConsumerName="one")
    described = client.call(server, "DescribeStreamConsumer", ConsumerARN=made["ConsumerARN"])["ConsumerDescription"]
    assert (described["ConsumerName"], described["ConsumerStatus"], described["StreamARN"]) == ("one", "ACTIVE", arn)
    listed = client.call(server, "ListStreamConsumers", StreamARN=arn)["Consumers"]
    assert [c["ConsumerName"] for c in listed] == ["one"]
    client.call(server, "DeregisterStreamConsumer", StreamARN=arn, ConsumerName="one")
    assert client.call(server, "ListStreamConsumers", StreamARN=arn)["Consumers"] == []


@pytest.fixture
def consumer(server):
    """register(stream): the ARN of a new consumer."""
    def register(name):
        return boto3.call(server, "RegisterStreamConsumer", StreamARN=summary(server, name)["StreamARN"],
                          ConsumerName=f"c{time.monotonic_ns()}")["Consumer"]["ConsumerARN"]
    return register


@each_fan
def test_subscribe_to_shard(server, stream, consumer, client):
    name = stream(1)
    sequences = put(client, server, name, 20)
    starts = [({"Type": "TRIM_HORIZON"}, 0), ({"Type": "AT_SEQUENCE_NUMBER", "SequenceNumber": sequences[7]}, 7),
              ({"Type": "AFTER_SEQUENCE_NUMBER", "SequenceNumber": sequences[7]}, 8),
              ({"Type": "AT_TIMESTAMP", "Timestamp": time.time() - 3600}, 0)]
    for start, first in starts:
        events = client.subscribe(server, 20 - first, ConsumerARN=consumer(name), ShardId=shard_id(0),
                                  StartingPosition=start)
        records = [r for e in events for r in e["Records"]]
        assert [(r["Data"], r["SequenceNumber"]) for r in records] == [(b"v%d" % i, sequences[i])
                                                                       for i in range(first, 20)]
        assert int(events[-1]["ContinuationSequenceNumber"]) >= int(sequences[-1])


@each_fan
def test_subscription_ends_with_its_shard(server, stream, consumer, client):
    name = stream(1)
    put(client, server, name, 3)
    boto3.call(server, "SplitShard", StreamName=name, ShardToSplit=shard_id(0), NewStartingHashKey=str(HASH_END // 2))
    events = client.subscribe(server, 1000, ConsumerARN=consumer(name), ShardId=shard_id(0),
                              StartingPosition={"Type": "TRIM_HORIZON"})
    assert [r["Data"] for e in events for r in e["Records"]] == [b"v0", b"v1", b"v2"]
    assert not events[-1].get("ContinuationSequenceNumber")
    assert [(c["ShardId"], c["ParentShards"]) for c in events[-1]["ChildShards"]] == [
        (shard_id(1), [shard_id(0)]), (shard_id(2), [shard_id(0)])]


@pytest.fixture
def ca(server):
    return str(server.data / "tls" / "ca.pem")


@each_client
def test_tls(server, stream, client, ca):
    """The same port, and the certificate authority that the server made at its first start."""
    name = stream(1)
    written = [Record(b"k%d" % i, b"secret %d" % i, partition=0) for i in range(10)]
    assert client.write(server, name, written, tls=ca) == [(0, i) for i in range(10)]
    iterator = client.call(server, "GetShardIterator", tls=ca, StreamName=name, ShardId=shard_id(0),
                           ShardIteratorType="TRIM_HORIZON")["ShardIterator"]
    assert data(client.get(server, iterator, 10, tls=ca)) == [r.value for r in written]


@each_fan
def test_subscribe_over_tls(server, stream, consumer, client, ca):
    name = stream(1)
    put(client, server, name, 20)
    events = client.subscribe(server, 20, tls=ca, ConsumerARN=consumer(name), ShardId=shard_id(0),
                              StartingPosition={"Type": "TRIM_HORIZON"})
    assert [r["Data"] for e in events for r in e["Records"]] == [b"v%d" % i for i in range(20)]


def test_tls_of_an_unknown_authority_is_refused(server, stream):
    import botocore.exceptions
    name = stream(1)
    client = _boto3(endpoint(server, tls=True), "/etc/ssl/certs/ca-certificates.crt", 1)
    with pytest.raises(botocore.exceptions.SSLError):
        client.describe_stream(StreamName=name)


ERRORS = [
    ("no such stream", "PutRecord", lambda name, s: dict(StreamName="none", PartitionKey="k", Data=b"v"),
     "ResourceNotFoundException", r"Stream none under account \d{12} not found\."),
    ("no such shard", "GetShardIterator",
     lambda name, s: dict(StreamName=name, ShardId="shardId-000000000009", ShardIteratorType="LATEST"),
     "ResourceNotFoundException", r"Shard shardId-000000000009 in stream {name} under account \d{12} does not exist"),
    ("no number", "GetShardIterator",
     lambda name, s: dict(StreamName=name, ShardId=shard_id(0), ShardIteratorType="AT_SEQUENCE_NUMBER"),
     "InvalidArgumentException", r"Must either specify \(1\) AT_SEQUENCE_NUMBER or AFTER_SEQUENCE_NUMBER and "
     r"StartingSequenceNumber or \(2\) TRIM_HORIZON or LATEST and no StartingSequenceNumber\. Request specified "
     r"AT_SEQUENCE_NUMBER and no StartingSequenceNumber\."),
    ("another shard's number", "GetShardIterator",
     lambda name, s: dict(StreamName=name, ShardId=shard_id(0), ShardIteratorType="AT_SEQUENCE_NUMBER",
                          StartingSequenceNumber=sequence_of(created_of(s), 1, 0, arrived_of(s))),
     "InvalidArgumentException", "Invalid StartingSequenceNumber. It encodes shardId-000000000001, while it was used "
     "in a call to a shard with shardId-000000000000"),
    ("garbage iterator", "GetRecords", lambda name, s: dict(ShardIterator="AAAA"),
     "InvalidArgumentException", r"Invalid ShardIterator\."),
    ("hash key too large", "PutRecord",
     lambda name, s: dict(StreamName=name, PartitionKey="k", Data=b"v", ExplicitHashKey=str(HASH_END)),
     "InvalidArgumentException", r"Invalid ExplicitHashKey\. ExplicitHashKey must be in the range: \[0, 2\^128-1\]\. "
     r"Specified value was 340282366920938463463374607431768211456"),
    ("key too long", "PutRecord", lambda name, s: dict(StreamName=name, PartitionKey="k" * 257, Data=b"v"),
     "ValidationException", "1 validation error detected: Value 'k{257}' at 'partitionKey' failed to satisfy "
     "constraint: Member must have length less than or equal to 256"),
    ("too many records", "PutRecords",
     lambda name, s: dict(StreamName=name, Records=[dict(PartitionKey="k", Data=b"v")] * 501),
     "ValidationException",
     "at 'records' failed to satisfy constraint: Member must have length less than or equal to 500"),
    ("not adjacent", "MergeShards",
     lambda name, s: dict(StreamName=name, ShardToMerge=shard_id(0), AdjacentShardToMerge=shard_id(2)),
     "InvalidArgumentException", r"Shards shardId-000000000000 and shardId-000000000002 in stream {name} under account "
     r"\d{12} are not an adjacent pair of shards eligible for merging"),
    ("split at the edge", "SplitShard",
     lambda name, s: dict(StreamName=name, ShardToSplit=shard_id(0), NewStartingHashKey="1"),
     "InvalidArgumentException", r"NewStartingHashKey 1 used in SplitShard\(\) on shard shardId-000000000000 in stream "
     r"{name} under account \d{12} is not both greater than one plus the shard's StartingHashKey 0 and less than"),
    ("short retention", "DecreaseStreamRetentionPeriod", lambda name, s: dict(StreamName=name, RetentionPeriodHours=23),
     "InvalidArgumentException|ValidationException", "24"),
]


@each_client
def test_error_texts(server, stream, client):
    name = stream(3)
    sequence, = put(client, server, name, 1)
    for what, operation, members, code, text in ERRORS:
        if client.name == "aws-cli" and what in ("key too long", "too many records", "split at the edge"):
            continue                                    # a process a call: some are enough
        pattern = text.replace("{name}", name)
        with pytest.raises(KinesisError, match=f"^({code}): .*{pattern}"):
            client.call(server, operation, **members(name, sequence))
            pytest.fail(what)


@each_client
def test_a_stream_by_its_arn(server, stream, client):
    if client.name == "aws-cli":
        pytest.skip("its model has no StreamARN")
    name = stream(1)
    arn = summary(server, name)["StreamARN"]
    put = client.call(server, "PutRecord", StreamARN=arn, PartitionKey="k", Data=b"v")
    assert offset_of(put["SequenceNumber"]) == 0
    iterator = client.call(server, "GetShardIterator", StreamARN=arn, ShardId=shard_id(0),
                           ShardIteratorType="TRIM_HORIZON")["ShardIterator"]
    assert data(client.get(server, iterator, 1)) == [b"v"]


@pytest.mark.measures
def test_limits_of_a_shard_reach_every_client(server, stream):
    """A record more than a shard takes in a second: the entry says so, the others are taken."""
    name = stream(1)
    failed = 0
    for _ in range(4):
        answer = boto3.call(server, "PutRecords", StreamName=name,
                            Records=[{"Data": b"v", "PartitionKey": "k"}] * 500)
        failed += answer["FailedRecordCount"]
        for entry in answer["Records"]:
            assert ("SequenceNumber" in entry) != ("ErrorCode" in entry)
            assert entry.get("ErrorCode") in (None, "ProvisionedThroughputExceededException")
    assert 0 < failed <= 1000
