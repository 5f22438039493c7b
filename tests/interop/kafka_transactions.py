"""Transactions are not served yet: who asks for them is told so at once, and how to go on without.

Apache Kafka serves them, so there these clients begin a transaction instead.
"""
import time

import pytest
from confluent_kafka import KafkaException, Producer
from lib import admin
from lib.clients import KAFKA, java
from lib.lines import Record
from lib.messages import Caller

AT_ONCE_S = 5
NOT_SERVED = "leave transactional.id unset"
TRANSACTIONAL_ID_AUTHORIZATION_FAILED, INVALID_REQUEST = 53, 42


@pytest.fixture
def served(request):
    return request.config.getoption("--server") == "apache-kafka"


@pytest.fixture
def caller(server):
    with Caller(server.kafka) as connection:
        yield connection


def test_librdkafka_ends_at_once_with_words(server, served):
    producer = Producer({"bootstrap.servers": server.kafka, "transactional.id": "t"})
    began = time.monotonic()
    if served:
        producer.init_transactions(60)
        return
    with pytest.raises(KafkaException) as refused:
        producer.init_transactions(60)
    assert time.monotonic() - began < AT_ONCE_S
    error = refused.value.args[0]
    assert error.fatal() and not error.retriable() and NOT_SERVED in error.str()


def test_kafkas_own_client_ends_at_once_with_words(server, served):
    began = time.monotonic()
    if served:
        java("KafkaClient", "transaction", server.kafka, "t")
        return
    with pytest.raises(AssertionError, match=NOT_SERVED):
        java("KafkaClient", "transaction", server.kafka, "t")
    assert time.monotonic() - began < AT_ONCE_S


@pytest.mark.parametrize("v", range(7))
def test_find_coordinator_says_so_at_every_version(caller, served, v):
    if served or v == 0:                    # version 0 asks for groups alone
        pytest.skip("nothing to refuse")
    if v < 4:
        answer = caller.call("FindCoordinator", v, key="t", key_type=1)
        assert answer["error_code"] == TRANSACTIONAL_ID_AUTHORIZATION_FAILED
    else:
        answer, = caller.call("FindCoordinator", v, coordinator_keys=["t"], key_type=1)["coordinators"]
        assert answer["error_code"] == INVALID_REQUEST
    assert NOT_SERVED in answer["error_message"] and answer["node_id"] == -1


@pytest.mark.parametrize("v", range(6))
def test_no_transactional_id_gets_a_producer_id(caller, served, v):
    if served:
        pytest.skip("nothing to refuse")
    answer = caller.call("InitProducerId", v, transactional_id="t", transaction_timeout_ms=60000)
    assert answer["error_code"] == TRANSACTIONAL_ID_AUTHORIZATION_FAILED and answer["producer_id"] == -1


@pytest.mark.parametrize("client", [c for c in KAFKA if c.name in ("confluent", "java")], ids=repr)
def test_what_the_words_advise_works(server, topic, client):
    admin.create_topic(server, topic)
    assert client.write(server, topic, [Record(b"k", b"v", ())], **{"enable.idempotence": "true"})[0][1] == 0
