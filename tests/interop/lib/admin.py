"""Short forms of what many tests do with an admin client."""
import functools

from confluent_kafka.admin import AdminClient, NewTopic

TIMEOUT_S = 30


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
    return name
