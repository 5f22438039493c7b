"""/metrics under the names that people have boards for: kafka_exporter's, and CloudWatch's for Kinesis
and for Amazon MSK."""
import pathlib
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
    "read_provisioned_throughput_exceeded_sum", "write_provisioned_throughput_exceeded_sum")}
OF_SHARD = {f"aws_kinesis_{name}" for name in (
    "incoming_bytes_sum", "incoming_records_sum", "outgoing_bytes_sum", "outgoing_records_sum",
    "iterator_age_milliseconds_maximum", "read_provisioned_throughput_exceeded_sum",
    "write_provisioned_throughput_exceeded_sum")}
OF_CONSUMER = {f"aws_kinesis_subscribe_to_shard_{name}" for name in (
    "success_sum", "rate_exceeded_sum", "event_bytes_sum", "event_records_sum", "event_success_sum",
    "event_millis_behind_latest_maximum")}
MSK = {f"aws_kafka_{name}" for name in (
    "bytes_in_per_sec_average", "bytes_out_per_sec_average", "messages_in_per_sec_average",
    "max_offset_lag_maximum", "sum_offset_lag_maximum", "estimated_max_time_lag_maximum", "partition_count_average",
    "connection_count_average", "produce_throttle_time_average", "fetch_throttle_time_average")}
HASH_MAX = 2 ** 128 - 1


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
    """Names of the series that have these labels and no other."""
    return {name for name, have in series if frozenset(labels.items()) == have}


def names_within(series, **labels):
    return {name for name, have in series if frozenset(labels.items()) <= have}


def of_shard(series, topic, shard):
    """{name without what all have in common: value} of a shard."""
    labels = {"stream_name": topic, "shard_id": shard_id(shard)}
    return {name.removeprefix("aws_kinesis_"): get(series, name, **labels) for name in names_of(series, **labels)}


def shard_id(index):
    return f"shardId-{index:012}"


def kinesis(server):
    return boto3.client("kinesis", endpoint_url=f"http://{server.kinesis}", region_name="us-east-1",
                        aws_access_key_id="x", aws_secret_access_key="x",
                        config=Config(retries={"max_attempts": 0}))     # a refusal is to be seen here


def put(client, stream, *keys_and_hashes, data=b"12345"):
    """Records to shards by hash. How many were refused."""
    return client.put_records(StreamName=stream, Records=[
        {"Data": data, "PartitionKey": key, "ExplicitHashKey": str(hash_key)} for key, hash_key in keys_and_hashes
    ])["FailedRecordCount"]


def read(client, stream, shard):
    iterator = client.get_shard_iterator(StreamName=stream, ShardId=shard_id(shard),
                                         ShardIteratorType="TRIM_HORIZON")["ShardIterator"]
    return client.get_records(ShardIterator=iterator)["Records"], iterator


def is_refused(client, iterator):
    try:
        client.get_records(ShardIterator=iterator)
    except client.exceptions.ProvisionedThroughputExceededException:
        return True
    return False


def subscribe(client, consumer, shard):
    """The first event's records."""
    events = client.subscribe_to_shard(ConsumerARN=consumer, ShardId=shard_id(shard),
                                       StartingPosition={"Type": "TRIM_HORIZON"})["EventStream"]
    first = next(iter(events))["SubscribeToShardEvent"]
    events.close()
    return first["Records"]


def new_stream(client, name, shards):
    client.create_stream(StreamName=name, ShardCount=shards)
    client.get_waiter("stream_exists").wait(StreamName=name)


def new_consumer(client, stream, name):
    arn = client.describe_stream_summary(StreamName=stream)["StreamDescriptionSummary"]["StreamARN"]
    return client.register_stream_consumer(StreamARN=arn, ConsumerName=name)["Consumer"]["ConsumerARN"]


def test_the_page_of_metrics_names_every_series(server):
    page = (pathlib.Path(__file__).parents[2] / "docs/metrics.md").read_text(encoding="utf-8")
    names = CLOUDWATCH | OF_SHARD | OF_CONSUMER | KAFKA_EXPORTER | MSK
    names |= {re.sub("_(bucket|sum|count)$", "", name) for name, _ in scrape(server) if name.startswith("diglot_")}
    for name in names:
        short = re.sub("^aws_kinesis_(subscribe_to_shard_)?|^aws_kafka_", "", name)
        tail = re.sub("^kafka_(topic_partition|consumergroup)_", "..._", name)
        assert any(f"`{text}`" in page for text in (short, tail)), name


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


def test_amazon_msk_names(server, topic):
    admin.create_topic(server, topic, 2)
    Confluent().write(server, topic, [Record(b"k", b"v" * 100, partition=p)
                                      for p, count in ((0, 30), (1, 10)) for _ in range(count)])
    consumer = Consumer({"bootstrap.servers": server.kafka, "group.id": topic, "auto.offset.reset": "earliest",
                         "enable.auto.commit": False})
    consumer.subscribe([topic])
    while consumer.poll(1.0) is None:
        pass
    consumer.commit(offsets=[TopicPartition(topic, 0, 5), TopicPartition(topic, 1, 10)], asynchronous=False)
    series = scrape(server)
    consumer.close()
    assert {name for name, _ in series if name.startswith("aws_kafka_")} == MSK
    of_broker = {"cluster_name": "diglot", "broker_id": "1"}
    of_topic = of_broker | {"topic": topic}
    of_group = {"cluster_name": "diglot", "consumer_group": topic, "topic": topic}
    messages = get(series, "aws_kafka_messages_in_per_sec_average", **of_topic)
    assert 40 / 120 <= messages <= 40 / 60
    assert get(series, "aws_kafka_bytes_in_per_sec_average", **of_topic) > 100 * messages
    assert get(series, "aws_kafka_bytes_out_per_sec_average", **of_topic) > 0
    for name in ("bytes_in", "bytes_out", "messages_in"):
        assert get(series, f"aws_kafka_{name}_per_sec_average", **of_broker) >= \
               get(series, f"aws_kafka_{name}_per_sec_average", **of_topic)
    assert get(series, "aws_kafka_max_offset_lag_maximum", **of_group) == 25
    assert get(series, "aws_kafka_sum_offset_lag_maximum", **of_group) == 25
    assert get(series, "aws_kafka_estimated_max_time_lag_maximum", **of_group) > 0
    assert get(series, "aws_kafka_partition_count_average", **of_broker) >= 2
    assert get(series, "aws_kafka_connection_count_average", **of_broker) >= 1
    assert get(series, "aws_kafka_produce_throttle_time_average", **of_broker) == 0


def test_a_page_after_a_restart_knows_what_only_the_disk_does(fresh_server):
    server, topic = fresh_server, "cold"
    admin.create_topic(server, topic, 3)
    Confluent().write(server, topic, [Record(b"k", b"v", partition=0)] * 10)
    consumer = Consumer({"bootstrap.servers": server.kafka, "group.id": "late"})
    consumer.commit(offsets=[TopicPartition(topic, 0, 4)], asynchronous=False)
    consumer.close()
    before = scrape(server)
    server.restart()
    after = scrape(server)                      # the very first page
    group = {"consumergroup": "late", "topic": topic, "partition": "0"}
    assert get(after, "kafka_topic_partition_current_offset", topic=topic, partition="0") == 10
    assert get(after, "kafka_topic_partition_current_offset", topic=topic, partition="2") == 0
    assert get(after, "kafka_consumergroup_lag", **group) == 6
    assert get(after, "kafka_consumergroup_lag_seconds", **group) > \
           get(before, "kafka_consumergroup_lag_seconds", **group)


def test_cloudwatch_names(server, topic):
    client = kinesis(server)
    new_stream(client, topic, 1)
    assert not names_within(scrape(server), stream_name=topic), "nothing was done with it yet"

    client.put_record(StreamName=topic, Data=b"12345", PartitionKey="abc")
    client.put_records(StreamName=topic, Records=[{"Data": b"1" * 10, "PartitionKey": "ab"}] * 3)
    records, iterator = read(client, topic, 0)
    assert len(records) == 4

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
    }
    got = {name: get(series, f"aws_kinesis_{name}", stream_name=topic) for name in values}
    assert got == values

    refused = sum(is_refused(client, iterator) for _ in range(20))      # a shard gives five reads a second
    assert refused >= 1
    assert get(scrape(server), "aws_kinesis_read_provisioned_throughput_exceeded_sum", stream_name=topic) == refused

    client.delete_stream(StreamName=topic)
    client.get_waiter("stream_not_exists").wait(StreamName=topic)
    assert not names_within(scrape(server), stream_name=topic)


def test_cloudwatch_names_of_consumers(server, topic):
    client = kinesis(server)
    new_stream(client, topic, 2)
    assert put(client, topic, ("a", 0), ("a", 0), ("b", HASH_MAX)) == 0
    first, second = (new_consumer(client, topic, name) for name in ("first", "second"))
    assert [len(subscribe(client, first, shard)) for shard in (0, 1)] == [2, 1]
    assert len(subscribe(client, second, 1)) == 1

    series = scrape(server)
    for consumer, subscriptions, records in (("first", 2, 3), ("second", 1, 1)):
        labels = {"stream_name": topic, "consumer_name": consumer}
        assert names_of(series, **labels) == OF_CONSUMER
        values = {"success_sum": subscriptions, "rate_exceeded_sum": 0, "event_records_sum": records,
                  "event_bytes_sum": 6 * records, "event_success_sum": subscriptions,
                  "event_millis_behind_latest_maximum": 0}
        assert {name: get(series, f"aws_kinesis_subscribe_to_shard_{name}", **labels) for name in values} == values
    assert [of_shard(series, topic, shard)["outgoing_records_sum"] for shard in (0, 1)] == [2, 2]

    client.deregister_stream_consumer(ConsumerARN=first)
    series = scrape(server)
    assert not names_within(series, stream_name=topic, consumer_name="first")
    assert names_within(series, stream_name=topic, consumer_name="second") == OF_CONSUMER
    client.delete_stream(StreamName=topic, EnforceConsumerDeletion=True)
    client.get_waiter("stream_not_exists").wait(StreamName=topic)
    assert not names_within(scrape(server), stream_name=topic)


def test_cloudwatch_names_of_shards(server, topic):
    client = kinesis(server)
    new_stream(client, topic, 2)
    assert put(client, topic, ("a", 0), ("abc", 0), ("b", HASH_MAX)) == 0
    records, iterator = read(client, topic, 0)
    assert len(records) == 2
    nothing = {"incoming_bytes_sum": 0, "incoming_records_sum": 0, "outgoing_bytes_sum": 0, "outgoing_records_sum": 0,
               "read_provisioned_throughput_exceeded_sum": 0, "write_provisioned_throughput_exceeded_sum": 0}
    one = {**nothing, "incoming_bytes_sum": 6, "incoming_records_sum": 1}
    series = scrape(server)
    assert names_of(series, stream_name=topic, shard_id=shard_id(0)) == OF_SHARD
    assert of_shard(series, topic, 0) == {**nothing, "incoming_bytes_sum": 14, "incoming_records_sum": 2,
                                          "outgoing_bytes_sum": 14, "outgoing_records_sum": 2,
                                          "iterator_age_milliseconds_maximum": 0}
    assert of_shard(series, topic, 1) == one, "nobody read it"

    refused_reads = sum(is_refused(client, iterator) for _ in range(20))
    refused_puts = put(client, topic, *[("c", 0)] * 10, ("d", HASH_MAX), data=bytes(500_000))   # 1 MiB a second
    series = scrape(server)
    assert refused_reads >= 1 and 1 <= refused_puts < 10
    assert of_shard(series, topic, 0)["read_provisioned_throughput_exceeded_sum"] == refused_reads
    assert of_shard(series, topic, 0)["write_provisioned_throughput_exceeded_sum"] == refused_puts
    assert of_shard(series, topic, 0)["incoming_records_sum"] == 2 + 10 - refused_puts
    assert of_shard(series, topic, 1) == {**one, "incoming_bytes_sum": 6 + 500_001, "incoming_records_sum": 2}
    for name in ("incoming_bytes_sum", "incoming_records_sum", "read_provisioned_throughput_exceeded_sum",
                 "write_provisioned_throughput_exceeded_sum"):
        assert get(series, f"aws_kinesis_{name}", stream_name=topic) == sum(
            of_shard(series, topic, shard)[name] for shard in (0, 1)), name


def test_children_of_a_split_have_series_of_their_own(server, topic):
    """What either door wrote is read from them; only what came through Kinesis is incoming at AWS's names."""
    client = kinesis(server)
    new_stream(client, topic, 1)
    assert put(client, topic, ("a", 0), ("b", HASH_MAX)) == 0
    parent = of_shard(scrape(server), topic, 0)
    assert parent["incoming_records_sum"] == 2

    client.split_shard(StreamName=topic, ShardToSplit=shard_id(0), NewStartingHashKey=str(2 ** 127))
    client.get_waiter("stream_exists").wait(StreamName=topic)
    assert put(client, topic, ("a", 0), ("b", HASH_MAX), ("c", HASH_MAX)) == 0
    series = scrape(server)
    assert of_shard(series, topic, 0) == parent
    assert [of_shard(series, topic, child)["incoming_records_sum"] for child in (1, 2)] == [1, 2]
    assert get(series, "aws_kinesis_incoming_records_sum", stream_name=topic) == 5

    Confluent().write(server, topic, [Record(b"k", b"v", partition=partition) for partition in (0, 1)] * 2)
    assert [len(read(client, topic, shard)[0]) for shard in (0, 1, 2)] == [2, 3, 4]
    series = scrape(server)
    assert [of_shard(series, topic, shard)["outgoing_records_sum"] for shard in (0, 1, 2)] == [2, 3, 4]
    assert [of_shard(series, topic, shard)["incoming_records_sum"] for shard in (0, 1, 2)] == [2, 1, 2]
    ends = [get(series, "kafka_topic_partition_current_offset", topic=topic, partition=str(partition))
            for partition in (0, 1)]
    assert sum(ends) == 2 + 3 + 4
