"""Writes docs/compatibility.md: compat.py [--check]

From the schemas, the tables of what is served and docs/gaps.txt. --check writes nothing and exits 1
when the page in the tree is not what would be written.
"""
import glob
import os
import re
import sys

from kafka_dsl import load

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PAGE = os.path.join(ROOT, "docs", "compatibility.md")


def read(*path):
    with open(os.path.join(ROOT, *path), encoding="utf-8") as file:
        return file.read()


def span(first, last):
    return str(first) if first == last else f"{first}-{last}"


def gaps():
    """[(door, subject, versions there, what follows)]"""
    rows = []
    for number, line in enumerate(read("docs", "gaps.txt").split("\n"), 1):
        if line and not line.startswith("#"):
            columns = re.split(r"  +", line)
            if len(columns) != 4 or columns[0] not in ("kafka", "kinesis"):
                sys.exit(f"docs/gaps.txt:{number}: expected door, subject, versions, text")
            rows.append(columns)
    return rows


def kafka_schemas():
    return sorted((load(path) for path in glob.glob(os.path.join(ROOT, "protocol/schema/kafka/*.msg"))),
                  key=lambda api: api.key)


def kafka_served():
    """{NAME: (min, max)} of the rows of kafka_api.def."""
    rows = re.findall(r"^KAFKA\((\w+), *\d+, *(\d+), *(\d+)", read("protocol/schema/kafka_api.def"), re.M)
    return {name: (int(first), int(last)) for name, first, last in rows}


def kinesis_served():
    return sorted(re.findall(r'^KINESIS\("(\w+)"', read("protocol/schema/kinesis_api.def"), re.M))


def kafka_part():
    served = kafka_served()
    lines = ["| key | API | Apache Kafka 4.4.0 | Diglot | |", "|--:|---|---|---|---|"]
    for api in kafka_schemas():
        if api.snake.upper() not in served:
            continue
        ours = served[api.snake.upper()]
        note = ""
        if ours != api.versions:
            note = f"without version {span(ours[1] + 1, api.versions[1])}, unstable in Kafka"
        lines.append(f"| {api.key} | {api.name} | {span(*api.versions)} | {span(*ours)} | {note} |")
    return lines


def gap_part(door, head, versions):
    lines = [f"| {head} | {'versions there | ' if versions else ''}what follows |",
             "|---|---|---|" if versions else "|---|---|"]
    for _, subject, there, text in (row for row in gaps() if row[0] == door):
        lines.append(f"| {subject} | {there + ' | ' if versions else ''}{text} |")
    return lines


def page():
    return "\n".join([
        "# What works with what",
        "",
        "Made by `tools/gen/compat.py` from the protocol schemas, the tables of what is served",
        "(`protocol/schema/*.def`) and `docs/gaps.txt`; do not edit. The schemas are compared with the",
        "anchors' own definitions by `tests/conformance`.",
        "",
        "## Kafka door: served APIs",
        "",
        "Produce is advertised from version 0, as Apache Kafka does for the sake of old clients, and refused",
        "below 3, as there. An API or version that is not served closes the connection, as Apache Kafka does;",
        "an ApiVersions of an unknown version is answered with the list.",
        "",
        "One request names at most 65,536 things - groups, members, topics, partitions, configs, all together -;",
        "what names topics and partitions (Produce, Fetch, ListOffsets, Metadata, OffsetCommit, OffsetFetch,",
        "OffsetForLeaderEpoch, OffsetDelete, DeleteRecords, DeleteTopics) at least twice as many as",
        "`--partitions-max` allows partitions: with the default of 100,000 it may name 200,000, each partition in a",
        "topic of its own. Apache Kafka knows no such limit but that of a request's bytes. A request that names more",
        "closes its connection, with a warning in the log that says which API it was.",
        "",
        *kafka_part(),
        "",
        "## Kafka door: not served",
        "",
        *gap_part("kafka", "API", versions=True),
        "",
        "## Kinesis door: served operations",
        "",
        ", ".join(kinesis_served()) + ".",
        "",
        "Over HTTP/1.1, HTTP/2 and TLS, as JSON and as CBOR.",
        "",
        "## Kinesis door: not served",
        "",
        *gap_part("kinesis", "operation", versions=False),
        ""])


def main(args):
    text = page()
    if args == ["--check"]:
        if not os.path.exists(PAGE) or read("docs", "compatibility.md") != text:
            print("docs/compatibility.md is out of date: run tools/gen/compat.py", file=sys.stderr)
            return 1
        return 0
    with open(PAGE, "w", encoding="utf-8") as file:
        file.write(text)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
