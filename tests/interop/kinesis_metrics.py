"""/metrics under the names that people have boards for: kafka_exporter's and CloudWatch's."""
import re
import urllib.error
import urllib.request

import boto3
from botocore.config import Config
from confluent_kafka import Consumer, TopicPartition
from lib import admin
from lib.clients import Confluent
from lib.lines import Record

SAMPLE = re.compile(r'([a-zA-Z_:][a-zA-Z0-9_:]*)'
                    r'(?:\{((?:[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\[\\"n])*",?)*)\})? (\S+)')
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\"n])*)"')


KAFKA_EXPORTER = {"kafka_brokers", "kafka_topic_partitions", *(f"kafka_topic_partition_{name}" for name in (
    "current_offset", "oldest_offset", "leader", "leader_is_preferred", "replicas", "in_sync_replica",
    "under_replicated_partition")), *(f"kafka_consumergroup_{name}" for name in (
        "current_offset", "current_offset_sum", "lag", "lag_sum", "lag_seconds", "members"))}
CLOUDWATCH = {f"aws_kinesis_{name}" for name in (
    "incoming_bytes_sum", "incoming_records_sum", "put_record_bytes_sum", "put_record_latency_sum",
    "put_record_success_sum", "put_record_success_sample_count", "put_records_bytes_sum", "put_records_latency_sum",
    "put_records_success_sum", "put_records_success_sample_count", "put_records_total_records_sum",
    "put_records_successful_records_sum", "put_records_failed_records_sum", "put_records_throttled_records_sum",
    "get_records_bytes_sum", "get_records_records_sum", "get_records_latency_sum", "get_records_success_sum",
    "get_records_success_sample_count", "get_records_iterator_age_milliseconds_maximum",
    "read_provisioned_throughput_exceeded_sum", "write_provisioned_throughput_exceeded_sum",
    "subscribe_to_shard_success_sum", "subscribe_to_shard_rate_exceeded_sum", "subscribe_to_shard_event_bytes_sum",
    "subscribe_to_shard_event_records_sum", "subscribe_to_shard_event_success_sum",
    "subscribe_to_shard_event_millis_behind_latest_maximum")}


def scrape(server):
    """{(name, labels): value}; fails on a line that is not exposition format 0.0.4, on a sample away from
    its name's head, and on a series that comes twice."""
    with urllib.request.urlopen(f"http://{server.admin}/metrics") as answer:
        assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
        text = answer.read().decode()
    series, heads, current = {}, set(), None
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            _, _, current, kind = line.split(" ")
            assert current not in heads, f"two heads: {line}"
            assert kind in ("counter", "gauge", "histogram", "untyped"), line
            heads.add(current)
        elif not line.startswith("# HELP "):
            name, labels, value = SAMPLE.fullmatch(line).groups()
            assert name == current or re.sub("_(bucket|sum|count)$", "", name) == current, line
            key = name, frozenset(LABEL.findall(labels or ""))
            assert key not in series, f"twice: {line}"
            series[key] = float(value)
    return series


def get(series, name, **labels):
    return series.get((name, frozenset(labels.items())))


def names_of(series, **labels):
    return {name for name, have in series if frozenset(labels.items()) <= have}


def kinesis(server):
    return boto3.client("kinesis", endpoint_url=f"http://{server.kinesis}", region_name="us-east-1",
                        aws_access_key_id="x", aws_secret_access_key="x",
                        config=Config(retries={"max_attempts": 0}))     # a refusal is to be seen here


def test_health(fresh_server):
    """Alive from the start, ready once both doors are open; nothing but these paths is there."""
    for path, status in (("livez", 200), ("readyz", 200), ("metrics", 200), ("", 404), ("metrics/x", 404)):
        try:
            with urllib.request.urlopen(f"http://{fresh_server.admin}/{path}") as answer:
                assert answer.status == status
        except urllib.error.HTTPError as error:
            assert error.code == status, path


def test_kafka_exporter_names(server, topic):
    admin.create_topic(server, topic, 2)
    Confluent().write(server, topic, [Record(b"k", b"v", partition=0)] * 10)
    consumer = Consumer({"bootstrap.servers": server.kafka, "group.id": topic, "auto.offset.reset": "earliest",
                         "enable.auto.commit": False})
    consumer.subscribe([topic])
    while consumer.poll(1.0) is None:
        pass
    consumer.commit(offsets=[TopicPartition(topic, 0, 4)], asynchronous=False)
    series = scrape(server)
    assert {name for name, _ in series if name.startswith("kafka_")} == KAFKA_EXPORTER
    assert get(series, "kafka_brokers") == 1
    assert get(series, "kafka_topic_partitions", topic=topic) == 2
    values = {"current_offset": 10, "oldest_offset": 0, "leader": 1, "leader_is_preferred": 1, "replicas": 1,
              "in_sync_replica": 1, "under_replicated_partition": 0}
    for name, value in values.items():
        assert get(series, f"kafka_topic_partition_{name}", topic=topic, partition="0") == value, name
    group = {"consumergroup": topic, "topic": topic}
    assert get(series, "kafka_consumergroup_current_offset", **group, partition="0") == 4
    assert get(series, "kafka_consumergroup_lag", **group, partition="0") == 6
    assert get(series, "kafka_consumergroup_lag_sum", **group) == 6
    assert get(series, "kafka_consumergroup_lag_seconds", **group, partition="0") > 0
    assert get(series, "kafka_consumergroup_members", consumergroup=topic) == 1
    Confluent().write(server, topic, [Record(b"k", b"v", partition=0)] * 5)
    consumer.close()
    series = scrape(server)
    assert get(series, "kafka_topic_partition_current_offset", topic=topic, partition="0") == 15
    assert get(series, "kafka_consumergroup_lag", **group, partition="0") == 11
    assert get(series, "kafka_consumergroup_members", consumergroup=topic) == 0


def test_cloudwatch_names(server, topic):
    client = kinesis(server)
    client.create_stream(StreamName=topic, ShardCount=1)
    client.get_waiter("stream_exists").wait(StreamName=topic)
    assert not names_of(scrape(server), stream_name=topic), "nothing was done with it yet"

    client.put_record(StreamName=topic, Data=b"12345", PartitionKey="abc")
    client.put_records(StreamName=topic, Records=[{"Data": b"1" * 10, "PartitionKey": "ab"}] * 3)
    iterator = client.get_shard_iterator(StreamName=topic, ShardId="shardId-000000000000",
                                         ShardIteratorType="TRIM_HORIZON")["ShardIterator"]
    assert len(client.get_records(ShardIterator=iterator)["Records"]) == 4

    arn = client.describe_stream_summary(StreamName=topic)["StreamDescriptionSummary"]["StreamARN"]
    consumer = client.register_stream_consumer(StreamARN=arn, ConsumerName="c")["Consumer"]["ConsumerARN"]
    events = client.subscribe_to_shard(ConsumerARN=consumer, ShardId="shardId-000000000000",
                                       StartingPosition={"Type": "TRIM_HORIZON"})["EventStream"]
    first = next(iter(events))["SubscribeToShardEvent"]
    assert len(first["Records"]) == 4
    events.close()

    series = scrape(server)
    assert names_of(series, stream_name=topic) == CLOUDWATCH
    values = {
        "incoming_bytes_sum": 8 + 36, "incoming_records_sum": 4,
        "put_record_bytes_sum": 8, "put_record_success_sum": 1, "put_record_success_sample_count": 1,
        "put_records_bytes_sum": 36, "put_records_success_sum": 1, "put_records_total_records_sum": 3,
        "put_records_successful_records_sum": 3, "put_records_failed_records_sum": 0,
        "put_records_throttled_records_sum": 0, "write_provisioned_throughput_exceeded_sum": 0,
        "get_records_bytes_sum": 44, "get_records_records_sum": 4, "get_records_success_sum": 1,
        "get_records_iterator_age_milliseconds_maximum": 0, "read_provisioned_throughput_exceeded_sum": 0,
        "subscribe_to_shard_success_sum": 1, "subscribe_to_shard_event_records_sum": 4,
        "subscribe_to_shard_event_bytes_sum": 44,
    }
    got = {name: get(series, f"aws_kinesis_{name}", stream_name=topic) for name in values}
    assert got == values

    for _ in range(20):                         # a shard gives five reads a second
        try:
            client.get_records(ShardIterator=iterator)
        except client.exceptions.ProvisionedThroughputExceededException:
            break
    else:
        raise AssertionError("never throttled")
    assert get(scrape(server), "aws_kinesis_read_provisioned_throughput_exceeded_sum", stream_name=topic) >= 1

    client.delete_stream(StreamName=topic, EnforceConsumerDeletion=True)
    client.get_waiter("stream_not_exists").wait(StreamName=topic)
    assert not names_of(scrape(server), stream_name=topic)
