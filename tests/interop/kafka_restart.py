"""A server that stops and comes back: records, offsets, and producers that go on."""
import pytest
from confluent_kafka import Producer
from lib import admin
from lib.clients import Confluent, java
from lib.lines import Record


def records(values):
    return [Record(b"k", b"%d" % i, (("h", b"%d" % i),), partition=0) for i in values]


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_what_was_acknowledged_is_there(fresh_server, topic, end):
    server = fresh_server
    admin.create_topic(server, topic)
    Confluent().write(server, topic, records(range(1000)), **{"batch.num.messages": 10})
    getattr(server, end)()
    server.start()
    read = Confluent().read(server, topic, 1000)
    assert [(r.offset, r.value) for r in read] == [(i, b"%d" % i) for i in range(1000)]
    assert Confluent().write(server, topic, records([1000])) == [(0, 1000)]


@pytest.mark.parametrize("codec", ["none", "zstd"])
def test_a_producer_lives_through_a_restart(fresh_server, topic, codec):
    """An idempotent producer sends before, while and after the server is away: all once, in order."""
    server = fresh_server
    admin.create_topic(server, topic)
    failed = []
    producer = Producer({"bootstrap.servers": server.kafka, "enable.idempotence": True, "compression.type": codec,
                         "batch.num.messages": 5, "reconnect.backoff.max.ms": 200})

    def send(numbers):
        for i in numbers:
            producer.produce(topic, b"%d" % i, partition=0,
                             on_delivery=lambda error, _: error and failed.append(error))
            producer.poll(0)
    send(range(500))
    producer.flush(30)
    server.stop()
    send(range(500, 1000))
    server.start()
    send(range(1000, 1500))
    assert producer.flush(60) == 0 and not failed, failed
    assert [r.value for r in Confluent().read(server, topic, 1500)] == [b"%d" % i for i in range(1500)]


def test_java_reads_what_was_there_before(fresh_server, topic):
    server = fresh_server
    admin.create_topic(server, topic)
    Confluent().write(server, topic, records(range(100)))
    server.restart()
    assert len(java("KafkaClient", "read", server.kafka, topic, 100).splitlines()) == 100


def test_five_restarts(fresh_server, topic):
    server = fresh_server
    admin.create_topic(server, topic, 2)
    for turn in range(5):
        assert Confluent().write(server, topic, records([turn])) == [(0, turn)]
        server.restart()
    assert [r.value for r in Confluent().read(server, topic, 5)] == [b"%d" % i for i in range(5)]
