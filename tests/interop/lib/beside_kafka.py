"""What the tests share that hold every API to Apache Kafka's answers: error codes, names, a topic."""
import time

import pytest

from . import messages
from .direct import coordinator_ready, create, produce, unique
from .messages import Caller, batch

VERSIONS = messages.served()
NO_ID, OTHER_ID = bytes(16), b"\x07" * 16
LONG = "x" * 250                        # one more than a topic's name may have
BAD_NAMES = ["", ".", "..", "a/b", "a b", LONG, "\u00fc"]
OUT_OF_RANGE, CORRUPT, UNKNOWN_TOPIC, NOT_LEADER, TOO_LARGE, BAD_TOPIC, BAD_ACKS = 1, 2, 3, 6, 10, 17, 21
BAD_GENERATION, BAD_GROUP, UNKNOWN_MEMBER, BAD_SESSION, BAD_TIMESTAMP = 22, 24, 25, 26, 32
UNSUPPORTED, EXISTS, BAD_PARTITIONS, BAD_FACTOR, BAD_ASSIGNMENT, BAD_CONFIG = range(35, 41)
BAD_REQUEST, OUT_OF_ORDER, BAD_EPOCH, TXN_DENIED, NO_GROUP, NO_SESSION, SESSION_EPOCH = 42, 45, 47, 53, 69, 70, 71
FENCED, UNKNOWN_EPOCH, ID_REQUIRED, BAD_RECORD, UNKNOWN_ID, INCONSISTENT_ID, REBOOTSTRAP = 74, 75, 79, 87, 100, 103, 129
NOW = int(time.time() * 1000)


def versions(name):
    return pytest.mark.parametrize("v", [v for n, v in VERSIONS if n == name])


@pytest.fixture(scope="module")
def caller(server):
    with Caller(server.kafka) as connection:
        coordinator_ready(connection, unique("group"))
        yield connection


@pytest.fixture(scope="module")
def topic(caller):
    """Two partitions; in the first one 3 records, 1 and 3: name and id."""
    made = create(caller)
    for values in ([b"a", b"b", b"c"], [b"d" * 500], [b"a", b"b", b"c"]):
        assert produce(caller, *made, batch(*values, timestamp=NOW))["error_code"] == 0
    return made


@pytest.fixture(scope="module")
def node(caller):
    return caller.call("Metadata", 1, topics=[])["controller_id"]


def errors(rows, key="name"):
    """{key: error} of answered rows, each of which must be another one's."""
    found = {r[key]: r["error_code"] for r in rows}
    assert len(found) == len(rows), rows
    return found
