"""Every constraint of AWS's service model, broken by itself and all together, as JSON and as CBOR: the door says
which member broke which one, in AWS's words. What is expected is worked out here from botocore's model, not from
our schema."""
import base64
import copy
import http.client
import json
import pathlib
import re

import botocore.loaders
import pytest
from lib.bad import CBOR, CREDENTIAL, JSON

MODEL = botocore.loaders.Loader().load_service_model("kinesis", "service-2", "2013-12-02")
SHAPES = MODEL["shapes"]
SERVED = re.findall(r'^KINESIS\("(\w+)"', (pathlib.Path(__file__).resolve().parents[2] / "protocol" / "schema" /
                                           "kinesis_api.def").read_text(), re.MULTILINE)
NAMES_A_STREAM = "StreamName", "StreamARN"
ARN = "arn:aws:kinesis:us-east-1:123456789012:stream/none"
GOOD = {"StreamName": "none", "StreamARN": ARN, "ResourceARN": ARN, "ConsumerARN": ARN + "/consumer/c:1",
        "StreamId": "a" * 20 + "-abc", "ConsumerName": "c", "ShardId": "shardId-000000000000", "HashKey": "7",
        "SequenceNumber": "0", "PartitionKey": "k", "ShardIterator": "x", "NextToken": "x", "TagKey": "k",
        "TagValue": "v", "Data": b"d", "Timestamp": 1.5, "BooleanObject": False, "KeyId": "k"}
TOO_LONG = 64 << 10                                         # no case builds a longer value than this


def good(name):
    """A legal value of a shape; of a structure what is required alone."""
    shape = SHAPES[name]
    if name in GOOD:
        return GOOD[name]
    if "enum" in shape:
        return shape["enum"][0]
    if shape["type"] in ("integer", "long"):
        return shape.get("min", 1)
    if shape["type"] == "list":
        return [good(shape["member"]["shape"])]
    if shape["type"] == "map":
        return {good(shape["key"]["shape"]): good(shape["value"]["shape"])}
    assert shape["type"] == "structure", name
    return {member: good(of["shape"]) for member, of in shape["members"].items()
            if member in shape.get("required", ()) or member == "PartitionKey"}


def request(operation):
    """The smallest legal one; a stream is named where it can be."""
    shape = MODEL["operations"][operation]["input"]["shape"]
    members = SHAPES[shape].get("members", {})
    named = next((name for name in NAMES_A_STREAM if name in members), None)
    return good(shape) | ({named: GOOD[named]} if named else {})


def size(shape, value):
    return value if shape["type"] in ("integer", "long") else len(value)


def bare(pattern):
    """As AWS prints it: without the anchors that its model has gained since."""
    anchored = re.fullmatch(r"\^\((.*)\)\$", pattern)
    return anchored[1] if anchored else pattern


def clauses(shape, value):
    """What a value breaks by itself, in AWS's order."""
    noun = "value" if shape["type"] in ("integer", "long") else "length"
    if "pattern" in shape and not re.fullmatch(shape["pattern"], value):
        yield f"Member must satisfy regular expression pattern: {bare(shape['pattern'])}"
    if "enum" in shape and value not in shape["enum"]:
        yield "Member must satisfy enum value set: ["
    if size(shape, value) < shape.get("min", -(1 << 31)):
        yield f"Member must have {noun} greater than or equal to {shape['min']}"
    if size(shape, value) > shape.get("max", 1 << 31):
        yield f"Member must have {noun} less than or equal to {shape['max']}"


def bad_values(name):
    """Values that break something, each of the type that belongs there."""
    shape = SHAPES[name]
    number, low, high = shape["type"] in ("integer", "long"), shape.get("min"), shape.get("max")
    if shape["type"] in ("structure", "boolean", "timestamp", "blob"):
        return
    if number:
        yield from ([low - 1] if low is not None else []) + ([high + 1] if high is not None else [])
        return
    if low:
        yield {"string": "", "list": [], "map": {}}[shape["type"]]
    if high and high < TOO_LONG:
        if shape["type"] == "string":
            yield "7" * (high + 1)
        elif shape["type"] == "list":
            yield [good(shape["member"]["shape"])] * (high + 1)
        else:
            yield {f"k{i}": "v" for i in range(high + 1)}
    if "pattern" in shape or "enum" in shape:
        yield "*"


def places(name, value, path=()):
    """(path, shape) of each member that is there or may be added to a legal request."""
    shape = SHAPES[name]
    if shape["type"] == "list":
        yield from places(shape["member"]["shape"], value[0], (*path, 0))
    if shape["type"] != "structure":
        return
    for member, of in shape["members"].items():
        yield (*path, member), of["shape"]
        yield from places(of["shape"], value.get(member, good(of["shape"])), (*path, member))


def put(operation, path, value):
    """The smallest request with this at path; a structure on the way has what is required of it."""
    changed = inner = copy.deepcopy(request(operation))
    members = SHAPES[MODEL["operations"][operation]["input"]["shape"]]["members"]
    if len(path) > 1 and path[0] not in changed:
        changed[path[0]] = good(members[path[0]]["shape"])
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = value
    return changed


def shown(path):
    return ".".join(f"{step + 1}.member" if isinstance(step, int) else step[0].lower() + step[1:] for step in path)


def cbor(value):
    def head(kind, count):
        return bytes([kind << 5 | 26]) + count.to_bytes(4, "big")
    if isinstance(value, bool):
        return b"\xf5" if value else b"\xf4"
    if isinstance(value, int):
        return head(0, value) if value >= 0 else head(1, -1 - value)
    if isinstance(value, float):
        return b"\xc1\x1b" + int(value * 1000).to_bytes(8, "big")
    if isinstance(value, bytes):
        return head(2, len(value)) + value
    if isinstance(value, str):
        return head(3, len(value.encode())) + value.encode()
    if isinstance(value, list):
        return head(4, len(value)) + b"".join(map(cbor, value))
    return head(5, len(value)) + b"".join(cbor(key) + cbor(one) for key, one in value.items())


def error_of(connection, operation, members, content_type):
    """(type, message); ("", "") of an answer that is none."""
    body = cbor(members) if content_type == CBOR else json.dumps(
        members, default=lambda blob: base64.b64encode(blob).decode()).encode()
    connection.request("POST", "/", body, {
        "content-type": content_type, "x-amz-target": "Kinesis_20131202." + operation,
        "x-amz-date": "20260101T000000Z", "authorization": CREDENTIAL})
    answer = connection.getresponse()
    text = answer.read()
    if answer.status == 200:
        return "", ""
    if content_type == JSON:
        error = json.loads(text)
        return error["__type"], error.get("message", error.get("Message", ""))
    return ("ValidationException" if b"ValidationException" in text else text[:80].decode(errors="replace"),
            text[text.find(b"message") + 7:].decode(errors="replace"))


@pytest.fixture
def connection(server):
    """A connection of the test's own."""
    host, _, port = server.kinesis.rpartition(":")
    made = http.client.HTTPConnection(host, int(port), timeout=20)
    yield made
    made.close()


each_operation = pytest.mark.parametrize("operation", SERVED)
each_codec = pytest.mark.parametrize("content_type", [JSON, CBOR], ids=["json", "cbor"])


@each_codec
@each_operation
def test_each_constraint_by_itself(connection, operation, content_type):
    shape = MODEL["operations"][operation].get("input", {}).get("shape")
    legal = request(operation)
    if operation != "CreateStream":                         # that one would succeed
        assert error_of(connection, operation, legal, content_type)[0] != "ValidationException"
    for path, name in places(shape, legal):
        for value in bad_values(name):
            said, text = error_of(connection, operation, put(operation, path, value), content_type)
            expected = list(clauses(SHAPES[name], value))
            assert said == "ValidationException", (path, value, said, text)
            assert expected, (path, value)
            for clause in expected:
                assert f"at '{shown(path)}' failed to satisfy constraint: {clause}" in text, (path, text[:600])
            assert f"{len(expected)} validation error{'s'[:len(expected) > 1]} detected: Value '" in text


@each_codec
@each_operation
def test_each_required_member_left_out(connection, operation, content_type):
    legal = request(operation)
    for name in list(legal):
        required = name in SHAPES[MODEL["operations"][operation]["input"]["shape"]].get("required", ())
        if not required:
            continue
        if operation == "CreateStream":                     # ShardCount may be left out beside a name alone
            legal["ShardCount"] = 1
        rest = {other: value for other, value in legal.items() if other != name}
        said, text = error_of(connection, operation, rest, content_type)
        assert said == "ValidationException"
        assert (f"1 validation error detected: Value null at '{shown((name,))}' failed to satisfy constraint: "
                "Member must not be null") in text


@each_operation
def test_all_of_them_at_once(connection, operation):
    """As many as AWS tells: ten."""
    wrong, count = {}, 0
    for path, name in places(MODEL["operations"][operation]["input"]["shape"], request(operation)):
        values = list(bad_values(name)) if len(path) == 1 else []
        if values:
            wrong[path[0]] = values[0]
            count += len(list(clauses(SHAPES[name], values[0])))
    legal = {name: value for name, value in request(operation).items() if name not in wrong}
    if not wrong:
        return
    said, text = error_of(connection, operation, legal | wrong, JSON)
    told = min(count, 10)
    assert said == "ValidationException"
    assert text.startswith(f"{told} validation error{'s'[:told > 1]} detected: "), text
    assert text.count("failed to satisfy constraint") == told
