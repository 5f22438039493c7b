"""Admin clients: topics, partitions, configurations, records, offsets, cluster."""
import functools
import re

import pytest
from confluent_kafka import Consumer, KafkaException, TopicCollection, TopicPartition
from confluent_kafka.admin import (AlterConfigOpType, ConfigEntry, ConfigResource, ConfigSource, NewPartitions,
                                   NewTopic, OffsetSpec, ResourceType)
from lib import admin
from lib.clients import Confluent, java
from lib.lines import Record


@pytest.fixture
def client(server):
    return admin.client(server)


def refused(futures, error):
    with pytest.raises(KafkaException, match=error):
        admin.done(futures)


def configs(client, kind, name):
    resource = ConfigResource(kind, name)
    return admin.done(client.describe_configs([resource]))[resource]


def described(server, topic):
    """Once all its partitions have a leader."""
    return admin.soon(server,
                      lambda: admin.done(admin.client(server).describe_topics(TopicCollection([topic])))[topic],
                      lambda found: found.partitions and all(p.leader is not None for p in found.partitions))


def test_create_describe_delete(client, server, topic):
    admin.done(client.create_topics([NewTopic(topic, 3, 1, config={"retention.ms": "3600000"})]))
    found = described(server, topic)
    assert (found.name, found.is_internal, len(found.partitions)) == (topic, False, 3)
    assert [p.id for p in found.partitions] == [0, 1, 2]
    assert all(p.leader.id == p.replicas[0].id and len(p.isr) == 1 for p in found.partitions)
    assert configs(client, ResourceType.TOPIC, topic)["retention.ms"].value == "3600000"
    admin.done(client.delete_topics([topic]))
    assert topic not in admin.soon(server, lambda: client.list_topics(timeout=30).topics, lambda all: topic not in all)
    refused(client.delete_topics([topic]), "UNKNOWN_TOPIC_OR_PART")


def test_a_topic_made_again_is_another_one(client, server, topic):
    admin.create_topic(server, topic)
    Confluent().write(server, topic, [Record(b"k", b"old", partition=0)])
    first = admin.done(client.describe_topics(TopicCollection([topic])))[topic].topic_id
    admin.done(client.delete_topics([topic]))
    admin.create_topic(server, topic)
    second = admin.done(client.describe_topics(TopicCollection([topic])))[topic].topic_id
    assert str(first) != str(second)
    Confluent().write(server, topic, [Record(b"k", b"new", partition=0)])
    assert [(r.offset, r.value) for r in Confluent().read(server, topic, 1)] == [(0, b"new")]


def test_partitions_and_replicas_left_to_the_broker(client, server, topic):
    admin.done(client.create_topics([NewTopic(topic, -1, -1)]))
    assert len(described(server, topic).partitions) >= 1


@pytest.mark.parametrize("new, error", [
    (dict(topic="x" * 250), "TOPIC_EXCEPTION|INVALID_TOPIC"),
    (dict(topic="a/b"), "TOPIC_EXCEPTION|INVALID_TOPIC"),
    (dict(topic="."), "TOPIC_EXCEPTION|INVALID_TOPIC"),
    (dict(num_partitions=0), "INVALID_PARTITIONS"),
    (dict(replication_factor=3), "INVALID_REPLICATION_FACTOR"),
    (dict(config={"no.such.config": "1"}), "INVALID_CONFIG"),
    (dict(config={"retention.ms": "soon"}), "INVALID_CONFIG"),
    (dict(config={"cleanup.policy": "shred"}), "INVALID_CONFIG"),
    (dict(config={"compression.type": "rar"}), "INVALID_CONFIG"),
    (dict(config={"max.message.bytes": "-5"}), "INVALID_CONFIG"),
    (dict(config={"min.insync.replicas": "0"}), "INVALID_CONFIG"),
], ids=str)
def test_what_creation_refuses(client, topic, new, error):
    arguments = {"topic": topic, "num_partitions": 1, "replication_factor": 1, **new}
    refused(client.create_topics([NewTopic(**arguments)]), error)
    assert arguments["topic"] not in client.list_topics(timeout=30).topics


def test_an_existing_topic_stays_as_it_is(client, topic):
    admin.done(client.create_topics([NewTopic(topic, 2, 1)]))
    refused(client.create_topics([NewTopic(topic, 5, 1)]), "TOPIC_ALREADY_EXISTS")
    assert len(client.list_topics(topic, 30).topics[topic].partitions) == 2


def test_validating_alone_creates_nothing(client, topic):
    admin.done(client.create_topics([NewTopic(topic, 2, 1)], validate_only=True))
    assert topic not in client.list_topics(timeout=30).topics
    refused(client.create_topics([NewTopic(topic, 0, 1)], validate_only=True), "INVALID_PARTITIONS")


def test_more_partitions(client, server, topic):
    admin.create_topic(server, topic, 2)
    Confluent().write(server, topic, [Record(b"k", b"old", partition=p) for p in (0, 1)])
    admin.done(client.create_partitions([NewPartitions(topic, 5)]))
    assert sorted(client.list_topics(topic, 30).topics[topic].partitions) == [0, 1, 2, 3, 4]
    Confluent().write(server, topic, [Record(b"k", b"new", partition=p) for p in range(5)])
    read = {(r.partition, r.offset): r.value for r in Confluent().read(server, topic, 7)}
    assert read == {(0, 0): b"old", (1, 0): b"old", (0, 1): b"new", (1, 1): b"new",
                    (2, 0): b"new", (3, 0): b"new", (4, 0): b"new"}
    for count in (5, 4):
        refused(client.create_partitions([NewPartitions(topic, count)]), "INVALID_PARTITIONS")
    refused(client.create_partitions([NewPartitions(topic + "-none", 3)]), "UNKNOWN_TOPIC_OR_PART")


def test_every_topic_config_has_a_value_and_a_source(client, server, topic):
    admin.create_topic(server, topic, **{"retention.ms": "1234567"})
    found = configs(client, ResourceType.TOPIC, topic)
    for name in ("cleanup.policy", "compression.type", "delete.retention.ms", "max.message.bytes",
                 "message.timestamp.type", "min.insync.replicas", "retention.bytes", "retention.ms",
                 "segment.bytes", "segment.ms", "flush.messages", "flush.ms"):
        assert found[name].value is not None, name
    assert found["retention.ms"].source == ConfigSource.DYNAMIC_TOPIC_CONFIG.value
    assert not found["retention.ms"].is_default
    assert found["cleanup.policy"].value == "delete"
    assert found["cleanup.policy"].is_default


def test_broker_configs(client):
    broker, = {b.id for b in client.list_topics(timeout=30).brokers.values()}
    found = configs(client, ResourceType.BROKER, str(broker))
    for name in ("auto.create.topics.enable", "default.replication.factor", "num.partitions", "message.max.bytes",
                 "log.retention.ms"):
        assert name in found


LIST = "leader.replication.throttled.replicas"       # the one list among the configs that every server has


def change(server, topic, name, value, operation, after):
    """One change of a config, after which it is this."""
    client = admin.client(server)
    entry = ConfigEntry(name, value, incremental_operation=operation)
    admin.done(client.incremental_alter_configs([ConfigResource(ResourceType.TOPIC, topic,
                                                                incremental_configs=[entry])]))
    look = functools.partial(configs, client, ResourceType.TOPIC, topic)
    assert admin.soon(server, look, lambda found: found[name].value == after)[name].value == after


def test_configs_change_one_by_one(client, server, topic):
    admin.create_topic(server, topic, **{"segment.ms": "600000"})
    default = configs(client, ResourceType.TOPIC, topic)["retention.ms"].value
    change(server, topic, "retention.ms", "1000000", AlterConfigOpType.SET, "1000000")
    for value, after in (("0:1", "0:1"), ("0:2", "0:1,0:2")):
        change(server, topic, LIST, value, AlterConfigOpType.APPEND, after)
    change(server, topic, LIST, "0:1", AlterConfigOpType.SUBTRACT, "0:2")
    change(server, topic, "retention.ms", None, AlterConfigOpType.DELETE, default)
    assert configs(client, ResourceType.TOPIC, topic)["segment.ms"].value == "600000"
    for name, value in (("retention.ms", "soon"), ("no.such.config", "1")):
        with pytest.raises(KafkaException, match="INVALID_CONFIG"):
            change(server, topic, name, value, AlterConfigOpType.SET, value)


def test_compaction_is_set_or_refused(client, server, topic):
    """Apache Kafka sets it; a server that does not compact must say so, not pretend."""
    admin.create_topic(server, topic)
    try:
        change(server, topic, "cleanup.policy", "compact", AlterConfigOpType.SET, "compact")
    except KafkaException as refusal:
        assert "INVALID_CONFIG" in str(refusal) and "compact" in str(refusal)
        assert configs(client, ResourceType.TOPIC, topic)["cleanup.policy"].value == "delete"


def test_a_config_of_an_unknown_topic(client, topic):
    with pytest.raises(KafkaException, match="UNKNOWN_TOPIC_OR_PART"):
        configs(client, ResourceType.TOPIC, topic)


def test_records_deleted_up_to_an_offset(client, server, topic):
    admin.create_topic(server, topic)
    Confluent().write(server, topic, [Record(b"k", b"%d" % i, partition=0) for i in range(20)],
                      **{"batch.num.messages": 1})
    where = TopicPartition(topic, 0, 13)
    assert admin.done(client.delete_records([where]))[where].low_watermark == 13
    consumer = Consumer({"bootstrap.servers": server.kafka, "group.id": "g"})
    assert consumer.get_watermark_offsets(TopicPartition(topic, 0), 30) == (13, 20)
    consumer.close()
    assert [r.offset for r in Confluent().read(server, topic, 7)] == list(range(13, 20))
    with pytest.raises(KafkaException, match="OFFSET_OUT_OF_RANGE"):
        admin.done(client.delete_records([TopicPartition(topic, 0, 21)]))
    end = TopicPartition(topic, 0, -1)
    assert admin.done(client.delete_records([end]))[end].low_watermark == 20


def test_deleting_records_survives_a_restart(fresh_server, topic):
    server = fresh_server
    admin.create_topic(server, topic)
    Confluent().write(server, topic, [Record(b"k", b"%d" % i, partition=0) for i in range(20)],
                      **{"batch.num.messages": 1})
    admin.done(admin.client(server).delete_records([TopicPartition(topic, 0, 13)]))
    server.restart()
    assert [r.offset for r in Confluent().read(server, topic, 7)] == list(range(13, 20))


def test_offsets_by_time_and_ends(client, server, topic):
    admin.create_topic(server, topic)
    from confluent_kafka import Producer
    producer = Producer({"bootstrap.servers": server.kafka, "batch.num.messages": 3})
    stamps = [1000, 5000, 3000, 2000, 4000]          # not in order: the highest is not the last
    for stamp in stamps:
        producer.produce(topic, b"v", partition=0, timestamp=1_700_000_000_000 + stamp)
    producer.flush(30)

    def offset(spec):
        where = TopicPartition(topic, 0)
        found = admin.done(client.list_offsets({where: spec}))[where]
        return found.offset, found.timestamp
    assert offset(OffsetSpec.earliest())[0] == 0
    assert offset(OffsetSpec.latest())[0] == 5
    assert offset(OffsetSpec.max_timestamp()) == (1, 1_700_000_005_000)
    assert offset(OffsetSpec.for_timestamp(1_700_000_000_000 + 2500)) == (1, 1_700_000_005_000)
    assert offset(OffsetSpec.for_timestamp(1_700_000_000_000 + 5001))[0] == -1


def test_the_cluster_describes_itself(client, server):
    found = client.describe_cluster().result(30)
    assert re.fullmatch(r"[A-Za-z0-9_-]{22}", found.cluster_id)
    assert [f"{node.host}:{node.port}" for node in found.nodes] == [server.kafka]
    assert found.controller.id == found.nodes[0].id


def test_the_cluster_id_survives_a_restart(fresh_server):
    before = admin.client(fresh_server).describe_cluster().result(30).cluster_id
    fresh_server.restart()
    assert admin.client(fresh_server).describe_cluster().result(30).cluster_id == before


def test_topics_and_configs_survive_a_restart(fresh_server, topic):
    server = fresh_server
    client = admin.client(server)
    admin.create_topic(server, topic, 3, **{"retention.ms": "7654321"})
    first = admin.done(client.describe_topics(TopicCollection([topic])))[topic]
    server.restart()
    second = admin.done(client.describe_topics(TopicCollection([topic])))[topic]
    assert str(first.topic_id) == str(second.topic_id) and len(second.partitions) == 3
    assert configs(client, ResourceType.TOPIC, topic)["retention.ms"].value == "7654321"


def test_kafka_python_admin(server, topic):
    from kafka.admin import KafkaAdminClient, NewTopic as New
    client = KafkaAdminClient(bootstrap_servers=server.kafka)
    try:
        client.create_topics([New(topic, 2, 1)])
        assert topic in client.list_topics()
        described, = client.describe_topics([topic])
        assert len(described["partitions"]) == 2
        client.delete_topics([topic])
        assert topic not in client.list_topics()
    finally:
        client.close()


JAVA = ["topics", "configs", "records", "offsets", "cluster", "groups"]


@pytest.mark.parametrize("scenario", JAVA)
def test_java_admin(server, topic, scenario):
    """Each scenario asserts by itself."""
    java("KafkaAdmin", scenario, server.kafka, topic, 0 if server.changes_at_once else 10)
