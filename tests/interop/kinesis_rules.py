"""What AWS has beyond reading and writing, on the wire: large records, tags of consumers, dry runs, the five
seconds of a subscription; and that it outlives the server."""
import os
import time

import pytest
from lib.kinesis import KINESIS, KinesisError, shard_id

boto3 = KINESIS[0]
MIB = 1 << 20


def stream_arn(server, name):
    return boto3.call(server, "DescribeStreamSummary", StreamName=name)["StreamDescriptionSummary"]["StreamARN"]


def test_ten_mebibytes_in_one_record(fresh_server, topic):
    """By GetRecords from memory, by SubscribeToShard, and from disk after a restart."""
    large = os.urandom(10 * MIB - len("k"))                 # the partition key counts
    boto3.call(fresh_server, "CreateStream", StreamName=topic, ShardCount=1, MaxRecordSizeInKiB=10 << 10)
    boto3.call(fresh_server, "PutRecord", StreamName=topic, PartitionKey="k", Data=large)
    arn = stream_arn(fresh_server, topic)
    consumer = boto3.call(fresh_server, "RegisterStreamConsumer", StreamARN=arn, ConsumerName="c",
                          Tags={"team": "blue"})["Consumer"]["ConsumerARN"]
    event, = boto3.subscribe(fresh_server, 1, ConsumerARN=consumer, ShardId=shard_id(0),
                             StartingPosition={"Type": "TRIM_HORIZON"})
    assert event["Records"][0]["Data"] == large
    for restarted in (False, True):
        if restarted:
            fresh_server.restart()
        iterator = boto3.iterator(fresh_server, topic, shard_id(0))
        record, = boto3.call(fresh_server, "GetRecords", ShardIterator=iterator)["Records"]
        assert record["Data"] == large
    assert boto3.call(fresh_server, "ListTagsForResource", ResourceARN=consumer)["Tags"] == [
        {"Key": "team", "Value": "blue"}]
    boto3.call(fresh_server, "UpdateMaxRecordSize", StreamARN=arn, MaxRecordSizeInKiB=1 << 10)
    with pytest.raises(KinesisError, match="ValidationException: 1 validation error detected: Value at 'data' failed "
                                           "to satisfy constraint: Member must have length less than or equal to "
                                           "1048576"):
        boto3.call(fresh_server, "PutRecord", StreamName=topic, PartitionKey="k", Data=large[:MIB])


def test_a_dry_run_writes_nothing(server, topic):
    boto3.call(server, "CreateStream", StreamName=topic, ShardCount=1)
    iterator = boto3.iterator(server, topic, shard_id(0))
    for operation, members in (("PutRecord", {"PartitionKey": "k", "Data": b"v"}),
                               ("PutRecords", {"Records": [{"PartitionKey": "k", "Data": b"v"}]})):
        with pytest.raises(KinesisError, match="DryRunOperationException: The request was rejected because the "
                                               "`DryRun` parameter was specified."):
            boto3.call(server, operation, StreamName=topic, DryRun=True, **members)
    assert boto3.call(server, "GetRecords", ShardIterator=iterator)["Records"] == []


def test_readers_wait_for_nothing_but_records(server, topic):
    """GetRecords never waits; the first event of a subscription comes at once, an empty one within 5 s."""
    boto3.call(server, "CreateStream", StreamName=topic, ShardCount=1)
    iterator = boto3.iterator(server, topic, shard_id(0), "LATEST")
    started = time.monotonic()
    for _ in range(5):
        page = boto3.call(server, "GetRecords", ShardIterator=iterator)
        assert page["Records"] == [] and page["MillisBehindLatest"] == 0
        iterator = page["NextShardIterator"]
    assert time.monotonic() - started < 2
    boto3.call(server, "PutRecord", StreamName=topic, PartitionKey="k", Data=b"v")
    consumer = boto3.call(server, "RegisterStreamConsumer", StreamARN=stream_arn(server, topic),
                          ConsumerName="c")["Consumer"]["ConsumerARN"]
    stream = boto3.call(server, "SubscribeToShard", ConsumerARN=consumer, ShardId=shard_id(0),
                        StartingPosition={"Type": "TRIM_HORIZON"})["EventStream"]
    events = iter(stream)
    started = time.monotonic()
    assert len(next(events)["SubscribeToShardEvent"]["Records"]) == 1
    first = time.monotonic()
    assert first - started < 1
    for _ in range(2):
        empty = next(events)["SubscribeToShardEvent"]
        assert empty["Records"] == [] and empty["ContinuationSequenceNumber"]
        assert 3 < time.monotonic() - first < 6             # at most 5, and what a busy machine adds
        first = time.monotonic()
    boto3.call(server, "PutRecord", StreamName=topic, PartitionKey="k", Data=b"w")
    assert [r["Data"] for r in next(events)["SubscribeToShardEvent"]["Records"]] == [b"w"]
    assert time.monotonic() - first < 1
    stream.close()


def test_a_subscription_is_asked_for_once_in_five_seconds(server, topic):
    """Even when the first one is gone: what counts is the call."""
    boto3.call(server, "CreateStream", StreamName=topic, ShardCount=1)
    boto3.call(server, "PutRecord", StreamName=topic, PartitionKey="k", Data=b"v")
    consumer = boto3.call(server, "RegisterStreamConsumer", StreamARN=stream_arn(server, topic),
                          ConsumerName="c")["Consumer"]["ConsumerARN"]
    start = {"ConsumerARN": consumer, "ShardId": shard_id(0), "StartingPosition": {"Type": "TRIM_HORIZON"}}
    assert len(boto3.subscribe(server, 1, **start)[0]["Records"]) == 1
    with pytest.raises(KinesisError, match=r"ResourceInUseException: Another active subscription exists for this "
                                           rf"consumer: \d{{12}}:{topic}:{shard_id(0)}:c"):
        boto3.subscribe(server, 1, **start)
