"""What DescribeConfigs says of the broker: every config that Apache Kafka's lists, with its type, default and
documentation. broker/kafka_config.def holds that list; --server apache-kafka holds it to Apache Kafka."""
import pathlib
import sys

import pytest
from lib.messages import Caller

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "conformance"))
import broker_configs  # noqa: E402

BROKER, PASSWORD, LIST = 4, 9, 7


@pytest.fixture(scope="module")
def found(server):
    return broker_configs.describe(server.kafka)


def test_every_config_of_a_broker_is_listed(found):
    table = broker_configs.table()
    assert len(table) == 350 and found.keys() == table.keys()
    for name, (kind, default, documentation) in table.items():
        config = found[name]
        assert (config["config_type"], broker_configs.usual(config)) == (kind, default), name
        assert config["documentation"] == documentation, name
        assert config["is_sensitive"] == (kind == PASSWORD), name


def test_a_config_has_its_default_or_is_set(found, server):
    for name, config in found.items():
        synonyms = config["synonyms"]
        if config["config_source"] == broker_configs.DEFAULT:
            assert config["value"] == broker_configs.usual(config), name
        else:
            assert (synonyms[0]["value"], synonyms[0]["source"]) == (config["value"], config["config_source"]), name
        assert {s["name"] for s in synonyms} <= {name}
        # None can be changed while Diglot runs.
        assert config["read_only"] or server.name != "diglot", name


def test_the_addresses_are_the_brokers_own(found, server):
    listener = f"PLAINTEXT://{server.kafka}"
    assert listener in found["listeners"]["value"].split(",")
    advertised = found["advertised.listeners"]
    assert (advertised["value"], advertised["config_type"], advertised["read_only"]) == (listener, LIST, True)
    assert advertised["config_source"] == broker_configs.STATIC
    assert advertised["synonyms"] == [{"name": "advertised.listeners", "value": listener, "source": 4}]


def test_some_configs_are_asked_for(server):
    with Caller(server.kafka) as caller:
        node = caller.call("Metadata", 9, topics=[])["controller_id"]
        keys = ["fetch.max.bytes", "no.such.config", "ssl.key.password", "fetch.max.bytes"]
        result, = caller.call("DescribeConfigs", 4, resources=[{
            "resource_type": BROKER, "resource_name": str(node), "configuration_keys": keys}])["results"]
    assert sorted(c["name"] for c in result["configs"]) == ["fetch.max.bytes", "ssl.key.password"]
    assert {c["documentation"] for c in result["configs"]} == {None}


def test_the_whole_list_is_told_as_often_as_it_is_asked_for(server):
    with Caller(server.kafka) as caller:
        node = caller.call("Metadata", 9, topics=[])["controller_id"]
        named = {"resource_type": BROKER, "resource_name": str(node), "configuration_keys": None}
        results = caller.call("DescribeConfigs", 4, include_documentation=True, resources=[named] * 3)["results"]
    assert len(results[0]["configs"]) > 300
    told = [{c["name"]: c for c in r["configs"]} for r in results]
    assert [r["error_code"] for r in results] == [0] * 3 and told[0] == told[1] == told[2]
