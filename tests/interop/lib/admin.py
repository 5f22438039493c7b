"""Short forms of what many tests do with an admin client."""
import functools
import struct
import time

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient, NewTopic
from lib import wire

TIMEOUT_S = 30
LIST_OFFSETS, EARLIEST = 2, -2


@functools.lru_cache(maxsize=8)
def _client(address):
    return AdminClient({"bootstrap.servers": address, "log_level": 0})


def client(server):
    """Kept alive: the futures of a call end with their client."""
    return _client(server.kafka)


def done(futures):
    """Wait for every future of an admin call; the first failure is raised."""
    return {name: future.result(TIMEOUT_S) for name, future in futures.items()}


def create_topic(server, name, partitions=1, **config):
    done(client(server).create_topics([NewTopic(name, partitions, 1, config=config)]))
    if not server.changes_at_once:
        wait_for_leaders(server, name, partitions)
    return name


def soon(server, look, right):
    """What look() gives: at once, or on a server that answers before a change is everywhere, once it is right."""
    deadline = time.monotonic() + (0 if server.changes_at_once else TIMEOUT_S)
    while True:
        try:
            found = look()
            if right(found) or time.monotonic() >= deadline:
                return found
        except KafkaException:
            if time.monotonic() >= deadline:
                raise
        time.sleep(0.05)


def wait_for_leaders(server, name, partitions):
    """Apache Kafka answers CreateTopics before the leaders have taken up the partitions: until ListOffsets finds
    them all. On a connection of its own, since librdkafka keeps for long what it once did not find."""
    wanted = b"".join(struct.pack(">iq", p, EARLIEST) for p in range(partitions))
    body = struct.pack(">ii", -1, 1) + wire.string(name) + struct.pack(">i", partitions) + wanted

    def errors():
        raw.send(wire.request(LIST_OFFSETS, 1, body))
        answer = raw.receive()[4 + 4 + 2 + len(name) + 4:]
        return [error for _, error, _, _ in struct.iter_unpack(">ihqq", answer)]
    with wire.Raw(server.kafka) as raw:
        assert soon(server, errors, lambda found: not any(found)) == [0] * partitions
