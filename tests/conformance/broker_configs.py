"""What a broker of Apache Kafka says of its configs, as broker/kafka_config.def.

    broker_configs.py HOST:PORT > broker/kafka_config.def        of a running Apache Kafka

tests/interop/kafka_broker_configs.py holds the file to Apache Kafka, and Diglot to the file.
"""
import json
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "interop"))

from lib.messages import Caller  # noqa: E402

TYPES = ["", "BOOLEAN", "STRING", "INT", "SHORT", "LONG", "DOUBLE", "LIST", "CLASS", "PASSWORD"]
STATIC, DEFAULT = 4, 5
HEAD = """\
/* Every config that a broker of Apache Kafka 4.4.0 lists: name, type, default, its documentation. A default of NULL:
 * it has none, or works it out from other configs. By name, for the search.
 *
 * Made by tests/conformance/broker_configs.py from a running one; do not edit. There is deliberately no include
 * guard. */
"""


def describe(address):
    """The configs of the one broker there, by name, as DescribeConfigs 4 answers them."""
    with Caller(address) as caller:
        node = caller.call("Metadata", 9, topics=[])["controller_id"]
        result, = caller.call("DescribeConfigs", 4, include_synonyms=True, include_documentation=True, resources=[
            {"resource_type": 4, "resource_name": str(node), "configuration_keys": None}])["results"]
    assert result["error_code"] == 0, result["error_message"]
    assert len({c["name"] for c in result["configs"]}) == len(result["configs"])
    return {c["name"]: c for c in result["configs"]}


def usual(config):
    """The default: what the last synonym says, where that is one."""
    return next((s["value"] for s in config["synonyms"] if s["source"] == DEFAULT), None)


def table():
    """{name: (type, default, documentation)} of the file."""
    rows = re.findall(r'^CONFIG\(("(?:[^"\\]|\\.)*"), (\w+), (NULL|"(?:[^"\\]|\\.)*"), ("(?:[^"\\]|\\.)*")\)$',
                      (ROOT / "broker" / "kafka_config.def").read_text(), re.MULTILINE)
    return {json.loads(name): (TYPES.index(kind), None if default == "NULL" else json.loads(default), json.loads(text))
            for name, kind, default, text in rows}


def quoted(text):
    return "NULL" if text is None else json.dumps(text, ensure_ascii=False)


def main(address):
    print(HEAD, end="")
    for name, config in sorted(describe(address).items()):
        print(f"CONFIG({quoted(name)}, {TYPES[config['config_type']]}, {quoted(usual(config))}, "
              f"{quoted(config['documentation'])})")


if __name__ == "__main__":
    main(*sys.argv[1:])
