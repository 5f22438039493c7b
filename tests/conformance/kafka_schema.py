"""Compares protocol/schema/kafka with Kafka's own message definitions, at every version.

    kafka_schema.py KAFKA_CLIENTS_JAR

The jar (org.apache.kafka:kafka-clients) carries them under common/message. For each API described
here both sides are laid out version by version - field order, names, types, nullability, defaults,
tags, whether a value may be dropped - and every difference is printed. What Kafka's brokers offer and
kafka_api.def does not serve must be listed in docs/gaps.txt, with its versions, and nothing else may be.
Exits 1 on a difference.
"""
import glob
import json
import os
import re
import sys
import zipfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tools", "gen"))
import compat  # noqa: E402
from kafka_dsl import load, snake  # noqa: E402

# Kafka's entityType says what a value means; a field of ours says it with its domain type.
ENTITIES = {"topicName": "topic_name", "groupId": "group_id", "brokerId": "broker_id",
            "producerId": "producer_id", "transactionalId": "transactional_id"}
EVER = (0, 999)


def read_jar(path):
    """Kafka's definitions by name: MetadataRequest and so on."""
    messages = {}
    with zipfile.ZipFile(path) as jar:
        for name in jar.namelist():
            if re.fullmatch(r"common/message/\w+(Request|Response)\.json", name):
                text = re.sub(r"^\s*//.*$", "", jar.read(name).decode(), flags=re.M)
                message = json.loads(text)
                if message["validVersions"] != "none":
                    messages[message["name"]] = message
    return messages


def span(text):
    if not text or text == "none":
        return None
    first, _, last = text.rstrip("+").partition("-")
    return int(first), EVER[1] if text.endswith("+") else int(last or first)


def holds(text, v):
    r = span(text)
    return r is not None and r[0] <= v <= r[1]


def kafka_default(f, base, array):
    text = f.get("default")
    if text == "null":
        return None
    if array:
        return ()
    if base == "bool":
        return str(text).lower() == "true"
    if base == "string":
        return text or ""
    if base in ("bytes", "records"):
        return b""
    if base == "uuid":
        return 0
    if base == "float64":
        return float(text or 0)
    if base[:3] in ("int", "uin"):
        return int(str(text), 0) if text else 0
    return {}


def kafka_layout(message, v, fields=None):
    """[(name, type, domain, nullable, default, tag, ignorable, inner layout)] in wire order."""
    common = {c["name"]: c["fields"] for c in message.get("commonStructs", [])}
    rows, tagged = [], []
    for f in message["fields"] if fields is None else fields:
        if not holds(f["versions"], v):
            continue
        array = f["type"].startswith("[]")
        base = f["type"][2:] if array else f["type"]
        inner = f.get("fields") or common.get(base)
        domain = ENTITIES.get(f.get("entityType"))
        row = (snake(f["name"]), ("[]" if array else "") + ("struct" if inner else base), domain,
               holds(f.get("nullableVersions"), v), kafka_default(f, base, array),
               f.get("tag"), f.get("ignorable", False),
               kafka_layout(message, v, inner) if inner else [])
        (tagged if "tag" in f else rows).append(row)
    return rows + sorted(tagged, key=lambda row: row[5])


def our_layout(struct, v):
    rows, tagged = [], []
    for f in struct.fields:
        if not f.in_version(v):
            continue
        base = "struct" if f.struct else f.base
        domain = f.domain if f.domain in ENTITIES.values() else None
        row = (f.name, ("[]" if f.array else "") + base, domain, f.nullable_in(v), f.default,
               f.tag, f.ignorable, our_layout(f.struct, v) if f.struct else [])
        (rows if f.tag is None else tagged).append(row)
    return rows + tagged


COLUMNS = ("name", "type", "entity", "nullable", "default", "tag", "ignorable")


def differences(where, theirs, ours):
    if [row[0] for row in theirs] != [row[0] for row in ours]:
        yield (f"{where}: fields are {[row[0] for row in ours]}, in Kafka {[row[0] for row in theirs]}")
        return
    for their, our in zip(theirs, ours):
        for column, a, b in zip(COLUMNS, their, our):
            if a != b:
                yield f"{where}.{our[0]}: {column} is {b}, in Kafka {a}"
        yield from differences(f"{where}.{our[0]}", their[7], our[7])


def compare(api, kafka):
    for message in (api.request, api.response):
        theirs = kafka.get(api.name + message.direction.capitalize())
        if theirs is None:
            yield f"{api.name}: Kafka has no such {message.direction}"
            continue
        where = f"{api.name} {message.direction}"
        if theirs["apiKey"] != api.key:
            yield f"{where}: key is {api.key}, in Kafka {theirs['apiKey']}"
        if span(theirs["validVersions"]) != api.versions:
            yield f"{where}: versions are {api.versions}, in Kafka {theirs['validVersions']}"
        for v in range(api.versions[0], api.versions[1] + 1):
            if holds(theirs["flexibleVersions"], v) != api.is_flexible(v):
                yield f"{where} v{v}: flexible is {api.is_flexible(v)}, in Kafka {not api.is_flexible(v)}"
            yield from differences(f"{where} v{v}", kafka_layout(theirs, v), our_layout(message.root, v))


def compare_gaps(kafka):
    """docs/gaps.txt against what Kafka's brokers take and this server does not."""
    served = compat.kafka_served()
    lacking = {}
    for message in kafka.values():
        name = message["name"][:-len("Request")]
        if message["type"] == "request" and "broker" in message["listeners"] and snake(name).upper() not in served:
            lacking[name] = message["validVersions"]
    listed = {subject: versions for door, subject, versions, _ in compat.gaps()
              if door == "kafka" and not subject.startswith('"')}
    for name in sorted(lacking.keys() | listed.keys()):
        if lacking.get(name) != listed.get(name):
            yield (f"docs/gaps.txt: {name} {listed.get(name, 'is not listed')}, "
                   f"in Kafka {lacking.get(name, 'or here: nothing')}")
    print("Kafka has, not served here: " + ", ".join(f"{name} {v}" for name, v in sorted(lacking.items())))


def main(jar):
    kafka = read_jar(jar)
    apis = [load(path) for path in sorted(glob.glob(os.path.join(ROOT, "protocol/schema/kafka/*.msg")))]
    found = [text for api in apis for text in compare(api, kafka)] + list(compare_gaps(kafka))
    versions = sum(api.versions[1] - api.versions[0] + 1 for api in apis)
    for text in found:
        print(text)
    print(f"{len(apis)} APIs, {2 * versions} message versions compared, {len(found)} differences")
    return 1 if found or not apis or not kafka else 0


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1]))
