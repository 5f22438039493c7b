"""Consumer groups with the classic protocol: sharing, rebalances, commits, static members."""
import threading
import time

import pytest
from confluent_kafka import (Consumer, ConsumerGroupState, ConsumerGroupTopicPartitions, KafkaError, KafkaException,
                             TopicPartition)
from confluent_kafka.admin import OffsetSpec
from lib import admin
from lib.clients import KAFKA, Confluent, java, node
from lib.lines import Record, parse_read

PARTITIONS = 4
each_librdkafka_assignor = pytest.mark.parametrize("assignor", ["range", "roundrobin", "cooperative-sticky"])


@pytest.fixture
def filled(server, topic):
    """A topic with 25 records in each of 4 partitions."""
    admin.create_topic(server, topic, PARTITIONS)
    Confluent().write(server, topic, [Record(b"k%d" % i, b"v%d" % i, partition=i % PARTITIONS) for i in range(100)])
    return topic


def member(server, group, topic, **config):
    consumer = Consumer({"bootstrap.servers": server.kafka, "group.id": group, "auto.offset.reset": "earliest",
                         "enable.auto.commit": False, "session.timeout.ms": 10_000, "heartbeat.interval.ms": 300,
                         **config})
    consumer.subscribe([topic])
    return consumer


def until(condition, *consumers, timeout_s=60):
    """Poll the consumers in turn until the condition holds; what came, by consumer."""
    came, deadline = [[] for _ in consumers], time.monotonic() + timeout_s
    while not condition(came):
        assert time.monotonic() < deadline, [[p.partition for p in c.assignment()] for c in consumers]
        for records, consumer in zip(came, consumers):
            message = consumer.poll(0.05)
            if message is not None and not message.error():
                records.append((message.partition(), message.offset(), message.value()))
    return came


def spread(*counts_of):
    """Condition: each consumer has at least one partition, and together they have all of them once."""
    def holds(_):
        parts = [p.partition for c in counts_of for p in c.assignment()]
        return sorted(parts) == list(range(PARTITIONS)) and all(c.assignment() for c in counts_of)
    return holds


def test_a_group_reads_everything_once(server, filled):
    consumer = member(server, filled, filled)
    came, = until(lambda found: len(found[0]) == 100, consumer)
    assert sorted(v for _, _, v in came) == sorted(b"v%d" % i for i in range(100))
    consumer.close()


@each_librdkafka_assignor
def test_joining_and_leaving_moves_partitions(server, filled, assignor):
    config = {"partition.assignment.strategy": assignor}
    first = member(server, filled, filled, **config)
    until(spread(first), first)
    second = member(server, filled, filled, **config)
    until(spread(first, second), first, second)
    third = member(server, filled, filled, **config)
    until(spread(first, second, third), first, second, third)
    second.close()
    until(spread(first, third), first, third)
    first.close()
    until(spread(third), third)
    third.close()


def test_a_silent_member_loses_its_partitions(server, filled):
    """The member's process stops without a word: its session runs out, the other takes over."""
    silent = member(server, filled, filled, **{"session.timeout.ms": 6000, "max.poll.interval.ms": 6000})
    until(spread(silent), silent)
    other = member(server, filled, filled)
    # Not polled again, the first member leaves the group by its own max.poll.interval.
    until(lambda _: len(other.assignment()) == PARTITIONS, other)
    other.close()
    silent.close()


def test_committed_offsets_are_where_the_next_one_starts(server, filled):
    first = member(server, filled, filled)
    came, = until(lambda found: len(found[0]) >= 30, first)
    first.commit(asynchronous=False)
    first.close()
    second = member(server, filled, filled)
    rest, = until(lambda found: len(found[0]) >= 100 - len(came), second)
    assert sorted(came + rest) == sorted(set(came + rest)), "a record came twice"
    assert len(came + rest) == 100
    second.close()


def test_commit_metadata_and_leader_epoch_come_back(server, filled):
    consumer = member(server, filled, filled)
    until(spread(consumer), consumer)
    consumer.commit(offsets=[TopicPartition(filled, 1, 17, metadata="a note")], asynchronous=False)
    first, second = consumer.committed([TopicPartition(filled, 0), TopicPartition(filled, 1)], 30)
    assert (first.offset, second.offset, second.metadata) == (-1001, 17, "a note")
    consumer.close()


def test_a_static_member_comes_back_without_a_rebalance(server, filled):
    revoked = threading.Event()
    steady = member(server, filled, filled, **{"group.instance.id": "steady"})
    steady.subscribe([filled], on_revoke=lambda *_: revoked.set())
    coming = member(server, filled, filled, **{"group.instance.id": "coming", "session.timeout.ms": 30_000})
    until(spread(steady, coming), steady, coming)
    revoked.clear()
    mine = {p.partition for p in coming.assignment()}
    coming.close()                      # a static member does not say goodbye
    back = member(server, filled, filled, **{"group.instance.id": "coming", "session.timeout.ms": 30_000})
    until(lambda _: {p.partition for p in back.assignment()} == mine, steady, back)
    assert not revoked.is_set()
    back.close()
    steady.close()


def test_a_second_holder_of_an_instance_id_fences_the_first(server, filled):
    first = member(server, filled, filled, **{"group.instance.id": "one"})
    until(spread(first), first)
    second = member(server, filled, filled, **{"group.instance.id": "one"})
    until(spread(second), second)
    fenced = None
    while fenced is None:               # the test's own time-out ends this
        message = first.poll(0.2)
        if message is not None and message.error() and message.error().code() == KafkaError._FATAL:
            fenced = message.error()
    assert "instance" in str(fenced)
    second.close()
    first.close()


def test_committing_in_a_group_without_members(server, filled):
    """A simple consumer stores offsets under a group that it never joins."""
    consumer = Consumer({"bootstrap.servers": server.kafka, "group.id": filled})
    consumer.commit(offsets=[TopicPartition(filled, 0, 3)], asynchronous=False)
    assert consumer.committed([TopicPartition(filled, 0)], 30)[0].offset == 3
    consumer.close()


def test_a_stranger_cannot_commit_while_members_are_there(server, filled):
    consumer = member(server, filled, filled)
    until(spread(consumer), consumer)
    stranger = Consumer({"bootstrap.servers": server.kafka, "group.id": filled})
    with pytest.raises(KafkaException, match="UNKNOWN_MEMBER_ID"):
        stranger.commit(offsets=[TopicPartition(filled, 0, 3)], asynchronous=False)
    stranger.close()
    consumer.close()


def test_describe_list_and_delete(server, filled):
    client = admin.client(server)
    consumer = member(server, filled, filled, **{"client.id": "the-client"})
    until(spread(consumer), consumer)
    consumer.commit(offsets=[TopicPartition(filled, 0, 5)], asynchronous=False)

    described = admin.done(client.describe_consumer_groups([filled]))[filled]
    assert described.state == ConsumerGroupState.STABLE
    assert described.partition_assignor == "range"
    assert [m.client_id for m in described.members] == ["the-client"]
    assert len(described.members[0].assignment.topic_partitions) == PARTITIONS
    assert filled in {g.group_id for g in client.list_consumer_groups().result(30).valid}
    with pytest.raises(KafkaException, match="NON_EMPTY_GROUP"):
        admin.done(client.delete_consumer_groups([filled]))

    consumer.close()
    assert admin.done(client.describe_consumer_groups([filled]))[filled].state == ConsumerGroupState.EMPTY
    asked = [ConsumerGroupTopicPartitions(filled)]
    offsets = client.list_consumer_group_offsets(asked)[filled].result(30).topic_partitions
    assert {(p.partition, p.offset) for p in offsets if p.offset >= 0} == {(0, 5)}
    changed = [ConsumerGroupTopicPartitions(filled, [TopicPartition(filled, 0, 9)])]
    client.alter_consumer_group_offsets(changed)[filled].result(30)
    offsets = client.list_consumer_group_offsets(asked)[filled].result(30).topic_partitions
    assert {(p.partition, p.offset) for p in offsets if p.offset >= 0} == {(0, 9)}
    admin.done(client.delete_consumer_groups([filled]))
    assert filled not in {g.group_id for g in client.list_consumer_groups().result(30).valid}
    with pytest.raises(KafkaException, match="GROUP_ID_NOT_FOUND"):
        admin.done(client.delete_consumer_groups([filled]))


def test_offsets_survive_a_restart(fresh_server, topic):
    server = fresh_server
    admin.create_topic(server, topic)
    Confluent().write(server, topic, [Record(None, b"%d" % i, partition=0) for i in range(20)])
    first = member(server, topic, topic)
    until(lambda found: len(found[0]) == 10, first)
    first.commit(offsets=[TopicPartition(topic, 0, 10, metadata="note")], asynchronous=False)
    first.close()
    server.restart()
    second = member(server, topic, topic)
    came, = until(lambda found: len(found[0]) == 10, second)
    assert [offset for _, offset, _ in came] == list(range(10, 20))
    assert second.committed([TopicPartition(topic, 0)], 30)[0].metadata == "note"
    second.close()


def test_a_running_group_lives_through_a_restart(fresh_server, topic):
    server = fresh_server
    admin.create_topic(server, topic)
    consumer = member(server, topic, topic)
    Confluent().write(server, topic, [Record(None, b"before", partition=0)])
    until(lambda found: found[0], consumer)
    consumer.commit(asynchronous=False)
    server.restart()
    Confluent().write(server, topic, [Record(None, b"after", partition=0)])
    came, = until(lambda found: found[0], consumer)
    assert [value for _, _, value in came] == [b"after"]
    consumer.close()


def read_with_java(server, topic, group, count):
    return [parse_read(line) for line in java("KafkaClient", "group", server.kafka, topic, group, count).splitlines()]


def read_with_kafkajs(server, topic, group, count):
    return [parse_read(line) for line in node("kafka.js", "group", server.kafka, topic, group, count).splitlines()]


def read_with_kafka_python(server, topic, group, count):
    from kafka import KafkaConsumer
    consumer = KafkaConsumer(topic, bootstrap_servers=server.kafka, group_id=group, enable_auto_commit=False,
                             auto_offset_reset="earliest", max_poll_records=1)
    try:
        found = next(c for c in KAFKA if c.name == "kafka-python").poll(consumer, count)
        consumer.commit()
        return found
    finally:
        consumer.close()


def read_with_confluent(server, topic, group, count):
    consumer = member(server, group, topic, **{"enable.auto.offset.store": True})
    came, = until(lambda found: len(found[0]) >= count, consumer)
    consumer.commit(asynchronous=False)
    consumer.close()
    return [Record(None, value, (), partition, offset) for partition, offset, value in came]


READERS = [read_with_java, read_with_kafkajs, read_with_kafka_python, read_with_confluent]


@pytest.mark.parametrize("first", READERS, ids=lambda f: f.__name__[10:])
def test_another_client_goes_on_where_one_stopped(server, topic, first):
    """One partition: each of the other clients in turn continues the same group."""
    admin.create_topic(server, topic)
    Confluent().write(server, topic, [Record(b"k", b"%d" % i, partition=0) for i in range(40)])
    at = READERS.index(first)
    came = []
    for reader in READERS[at:] + READERS[:at]:
        came += reader(server, topic, topic, 10)
    assert [r.offset for r in came] == list(range(40))


def test_different_clients_share_one_group(server, filled):
    """librdkafka and kafka-python both offer range: the group settles on it."""
    from kafka import KafkaConsumer
    from kafka.coordinator.assignors.range import RangePartitionAssignor
    ours = member(server, filled, filled, **{"partition.assignment.strategy": "range"})
    theirs = KafkaConsumer(filled, bootstrap_servers=server.kafka, group_id=filled, enable_auto_commit=False,
                           partition_assignment_strategy=[RangePartitionAssignor], heartbeat_interval_ms=300)
    stop = threading.Event()

    def poll_theirs():
        # Long polls, in a thread: what kafka-python 3.0 is assigned just when a poll's time is up it forgets.
        while not stop.is_set():
            theirs.poll(2000)
    polls = threading.Thread(target=poll_theirs)
    polls.start()

    def both(_):
        parts = [p.partition for p in ours.assignment()] + [p.partition for p in theirs.assignment()]
        return ours.assignment() and theirs.assignment() and sorted(parts) == list(range(PARTITIONS))
    try:
        until(both, ours)
    finally:
        stop.set()
        polls.join()
    theirs.close()
    until(spread(ours), ours)
    ours.close()


def test_a_deleted_group_starts_over(server, filled):
    first = member(server, filled, filled)
    until(lambda found: len(found[0]) == 100, first)
    first.commit(asynchronous=False)
    first.close()
    admin.done(admin.client(server).delete_consumer_groups([filled]))
    again = member(server, filled, filled)
    until(lambda found: len(found[0]) == 100, again)
    again.close()


def test_lag_as_tools_compute_it(server, filled):
    consumer = Consumer({"bootstrap.servers": server.kafka, "group.id": filled})
    consumer.commit(offsets=[TopicPartition(filled, p, 20 + p) for p in range(PARTITIONS)], asynchronous=False)
    ends = admin.done(admin.client(server).list_offsets(
        {TopicPartition(filled, p): OffsetSpec.latest() for p in range(PARTITIONS)}))
    committed = consumer.committed([TopicPartition(filled, p) for p in range(PARTITIONS)], 30)
    assert [ends[TopicPartition(filled, p)].offset - committed[p].offset for p in range(PARTITIONS)] == [5, 4, 3, 2]
    consumer.close()
