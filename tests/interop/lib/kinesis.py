"""Every Kinesis client behind call(): one operation with the members of the API, blobs as bytes and
times as seconds since the epoch. What a test does with a stream is written once, on call().

A client has: name, call(server, operation, **members) -> members of the answer or KinesisError,
fans_out and subscribe(server, records, **members) -> [event], and write() and read() as the Kafka
clients have them. tls names the CA file and takes the call to https.
"""
import atexit
import base64
import datetime
import functools
import json
import os
import select
import shutil
import subprocess
import tempfile
import threading
import time

from . import clients, lines, server as servers

TIMEOUT_S = 60
KINESIS = []
HASH_END = 1 << 128
ENVIRONMENT = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_REGION": "us-east-1",
               "AWS_DEFAULT_REGION": "us-east-1", "AWS_EC2_METADATA_DISABLED": "true", "AWS_PAGER": ""}
BLOBS = ("Data",)
TIMES = ("ApproximateArrivalTimestamp", "StreamCreationTimestamp", "ConsumerCreationTimestamp", "Timestamp")


class KinesisError(Exception):
    def __init__(self, code, message):
        super().__init__(f"{code}: {message}")
        self.code, self.message = code, message


# A sequence number in hexadecimal: 2, second of creation (9 digits), last digit of the shard (1),
# index (16), 00, second of arrival (9), shard (8), version 2.
def offset_of(sequence):
    return _parts(sequence)[0]


def shard_of(sequence):
    return _parts(sequence)[1]


def _parts(sequence):
    digits = f"{int(sequence):x}"
    assert len(digits) == 47 and digits[0] == "2" and digits[-1] == "2" and digits[27:29] == "00", sequence
    shard = int(digits[38:46], 16)
    assert int(digits[10], 16) == shard % 16, sequence
    return int(digits[11:27], 16) - 1, shard


def sequence_of(created_s, shard, offset, arrived_s):
    return str(int(f"2{created_s:09x}{shard % 16:x}{offset + 1:016x}00{arrived_s:09x}{shard:08x}2", 16))


def created_of(sequence):
    return int(f"{int(sequence):x}"[1:10], 16)


def arrived_of(sequence):
    return int(f"{int(sequence):x}"[29:38], 16)


def shard_id(index):
    return f"shardId-{index:012d}"


def register(kind):
    KINESIS.append(kind())
    return kind


def endpoint(server, tls):
    return f"{'https' if tls else 'http'}://{server.kinesis}"


def _encoded(value):
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    raise TypeError(type(value))


def _decoded(value, name=None):
    """An answer as JSON says it, with bytes and seconds in it."""
    if name in BLOBS and isinstance(value, str):
        return base64.b64decode(value)
    if name in TIMES and isinstance(value, str):
        return datetime.datetime.fromisoformat(value).timestamp()
    if isinstance(value, datetime.datetime):
        return value.timestamp()
    if isinstance(value, dict):
        return {key: _decoded(one, key) for key, one in value.items()}
    if isinstance(value, list):
        return [_decoded(one) for one in value]
    return value


class Kinesis:
    door = "kinesis"
    any_bytes = False           # a key has 1 to 256 characters, a record no headers
    codecs = ("none",)
    fans_out = True

    def __repr__(self):
        return self.name

    def shards(self, server, stream):
        """Every shard that is still there."""
        found = self.call(server, "ListShards", StreamName=stream)
        assert not found.get("NextToken")
        return found["Shards"]

    def write(self, server, stream, records, codec="none", tls=None):
        """A record's partition is the shard of that number; -1 leaves the choice to the key."""
        starts = {int(shard["ShardId"][-12:]): shard["HashKeyRange"]["StartingHashKey"]
                  for shard in self.shards(server, stream)}
        entries = [{"Data": record.value, "PartitionKey": record.key.decode(),
                    **({} if record.partition < 0 else {"ExplicitHashKey": starts[record.partition]})}
                   for record in records]
        positions = []
        for start in range(0, len(entries), 400):
            positions += self.put(server, stream, entries[start:start + 400], tls)
        return positions

    def put(self, server, stream, entries, tls=None):
        answer = self.call(server, "PutRecords", tls=tls, StreamName=stream, Records=entries)
        assert answer["FailedRecordCount"] == 0, [e for e in answer["Records"] if e.get("ErrorCode")][:2]
        for entry in answer["Records"]:
            assert entry["ShardId"] == shard_id(shard_of(entry["SequenceNumber"]))
        return [(shard_of(e["SequenceNumber"]), offset_of(e["SequenceNumber"])) for e in answer["Records"]]

    def iterator(self, server, stream, shard, kind="TRIM_HORIZON", **more):
        return self.call(server, "GetShardIterator", StreamName=stream, ShardId=shard, ShardIteratorType=kind,
                         **more)["ShardIterator"]

    def get(self, server, iterator, count, timeout_s=TIMEOUT_S, tls=None):
        """The next count records from an iterator on; less when the shard ends."""
        found, deadline = [], time.monotonic() + timeout_s
        while iterator and len(found) < count:
            assert time.monotonic() < deadline, f"{len(found)} of {count} records came"
            try:
                answer = self.call(server, "GetRecords", tls=tls, ShardIterator=iterator)
            except KinesisError as error:
                assert error.code == "ProvisionedThroughputExceededException", error
                time.sleep(0.3)
                continue
            found += answer["Records"]
            iterator = answer.get("NextShardIterator")
            if not answer["Records"]:
                time.sleep(0.25)                # five calls a second and shard
        return found

    def read(self, server, stream, count):
        """Every record of every shard, shard after shard, by GetRecords."""
        found = []
        for shard in self.shards(server, stream):
            wanted = self.count_in(server, stream, shard["ShardId"]) if count else 0
            found += self.get(server, self.iterator(server, stream, shard["ShardId"]), wanted)
        assert len(found) == count
        return [as_record(r) for r in found]

    def count_in(self, server, stream, shard):
        """Records in a shard whose partition has its number, by the other door's own count."""
        from confluent_kafka import Consumer, TopicPartition
        consumer = Consumer({"bootstrap.servers": server.kafka, "group.id": "unused"})
        try:
            low, high = consumer.get_watermark_offsets(TopicPartition(stream, int(shard[-12:])), TIMEOUT_S)
            return high - low
        finally:
            consumer.close()

    def read_fanned_out(self, server, stream, count):
        """The same by SubscribeToShard, with a consumer of its own."""
        arn = self.call(server, "DescribeStreamSummary", StreamName=stream)["StreamDescriptionSummary"]["StreamARN"]
        consumer = self.call(server, "RegisterStreamConsumer", StreamARN=arn,
                             ConsumerName=f"c{time.monotonic_ns()}")["Consumer"]["ConsumerARN"]
        found = []
        for shard in self.shards(server, stream):
            wanted = self.count_in(server, stream, shard["ShardId"])
            if wanted:
                events = self.subscribe(server, wanted, ConsumerARN=consumer, ShardId=shard["ShardId"],
                                        StartingPosition={"Type": "TRIM_HORIZON"})
                found += [record for event in events for record in event["Records"]]
        self.call(server, "DeregisterStreamConsumer", ConsumerARN=consumer)
        assert len(found) == count
        return [as_record(r) for r in found]


def as_record(record):
    sequence = record["SequenceNumber"]
    arrived_ms = round(record["ApproximateArrivalTimestamp"] * 1000)
    assert arrived_of(sequence) == arrived_ms // 1000, record
    return lines.Record(record["PartitionKey"].encode(), record["Data"], (), shard_of(sequence), offset_of(sequence),
                        arrived_ms)


@functools.lru_cache(maxsize=32)
def _boto3(url, ca, retries=10):
    import boto3
    from botocore.config import Config
    return boto3.client("kinesis", endpoint_url=url, region_name="us-east-1", aws_access_key_id="test",
                        aws_secret_access_key="test", verify=ca or False,
                        config=Config(read_timeout=TIMEOUT_S, retries={"total_max_attempts": retries}))


@register
class Boto3(Kinesis):
    """boto3: JSON over HTTP/1.1, the event stream too."""
    name = "boto3"

    def call(self, server, operation, tls=None, **members):
        import botocore
        client = _boto3(endpoint(server, tls), tls)
        try:
            answer = getattr(client, botocore.xform_name(operation))(**members)
        except botocore.exceptions.ClientError as error:
            raise KinesisError(error.response["Error"]["Code"], error.response["Error"]["Message"]) from None
        answer.pop("ResponseMetadata")
        return answer if "EventStream" in answer else _decoded(answer)

    def subscribe(self, server, records, tls=None, **members):
        events, stream = [], self.call(server, "SubscribeToShard", tls=tls, **members)["EventStream"]
        try:
            for event in stream:
                events.append(_decoded(event["SubscribeToShardEvent"]))
                records -= len(events[-1]["Records"])
                if records <= 0:
                    break
        finally:
            stream.close()
        return events


@register
class AwsCli(Kinesis):
    """AWS CLI 2 of Debian: the service model of early 2023, and no event streams."""
    name = "aws-cli"
    fans_out = False

    def call(self, server, operation, tls=None, **members):
        import botocore
        with tempfile.NamedTemporaryFile("w", suffix=".json") as given:      # longer than an argument may be
            json.dump(members, given, default=_encoded)
            given.flush()
            status, out, err = _aws(
                "kinesis", botocore.xform_name(operation, "-"), "--endpoint-url", endpoint(server, tls),
                *(("--ca-bundle", tls) if tls else ()), "--no-paginate", "--output", "json",
                "--cli-input-json", f"file://{given.name}")
        if status == 0:
            return _decoded(json.loads(out or "{}"))
        _, sign, rest = err.strip().partition("An error occurred (")
        assert sign, err
        code, _, message = rest.partition(")")
        raise KinesisError(code, message.partition(" operation: ")[2])

    @staticmethod
    def command():
        return shutil.which("aws")


class _Agent:
    """One process for many calls: a line of JSON each, and a line of JSON back."""

    def __init__(self, command, environment):
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0,
                                        env=environment)
        self.left = b""
        self.lock = threading.Lock()
        atexit.register(self.process.kill)

    def call(self, call):
        with self.lock:
            return self._call(call)

    def _call(self, call):
        self.process.stdin.write(json.dumps(call, default=_encoded).encode() + b"\n")
        deadline = time.monotonic() + TIMEOUT_S
        while b"\n" not in self.left:
            ready, _, _ = select.select([self.process.stdout], [], [], max(0, deadline - time.monotonic()))
            part = os.read(self.process.stdout.fileno(), 1 << 20) if ready else b""
            if not part:
                self.process.kill()
                raise AssertionError(f"{call}: no answer in time")
            self.left += part
        line, _, self.left = self.left.partition(b"\n")
        return json.loads(line)


@functools.lru_cache(maxsize=8)
def _node(ca):
    environment = {k: v for k, v in os.environ.items() if k != "NODE_EXTRA_CA_CERTS"}
    if ca:
        environment["NODE_EXTRA_CA_CERTS"] = ca
    return _Agent([f"{servers.DEPS}/python/bin/node", str(servers.ROOT / "tests/interop/lib/node/kinesis.js")],
                  {**environment, **ENVIRONMENT, "DIGLOT_DEPS": str(servers.DEPS)})


@functools.cache
def _aws_environment():
    return {**{k: v for k, v in os.environ.items() if not k.endswith("_CA_BUNDLE")}, **ENVIRONMENT}


@functools.cache
def _aws_agent():
    """None where the command is no Python script: a process a call then."""
    with open(AwsCli.command(), "rb") as script:
        first = script.readline().decode(errors="replace").split()
    if len(first) != 1 or not first[0].startswith("#!") or "python" not in first[0]:
        return None
    return _Agent([first[0][2:], str(servers.ROOT / "tests/interop/lib/aws_cli.py"), AwsCli.command()],
                  _aws_environment())


def _aws(*arguments):
    """Exit status, output and errors of `aws ARGUMENTS`."""
    if _aws_agent():
        return _aws_agent().call(arguments)
    done = subprocess.run([AwsCli.command(), *arguments], capture_output=True, text=True, timeout=TIMEOUT_S,
                          env=_aws_environment())
    return done.returncode, done.stdout, done.stderr


def _answer(answer):
    if "Failure" in answer:
        raise AssertionError(answer["Failure"])
    if "Error" in answer:
        raise KinesisError(*answer["Error"])
    return _decoded(answer)


@register
class JavaScript(Kinesis):
    """@aws-sdk/client-kinesis v3: JSON over HTTP/2, a connection for each call."""
    name = "js"

    def call(self, server, operation, tls=None, records=0, **members):
        return _answer(_node(tls).call(dict(endpoint=endpoint(server, tls), operation=operation, parameters=members,
                                            records=records)))

    def subscribe(self, server, records, tls=None, **members):
        return self.call(server, "SubscribeToShard", tls, records, **members)["Events"]


class _Java(Kinesis):
    def call(self, server, operation, tls=None, records=0, **members):
        return _answer(json.loads(clients.java("KinesisClient", self.kind, endpoint(server, tls), tls or "", operation,
                                               json.dumps(members, default=_encoded), records)))


@register
class JavaSync(_Java):
    """AWS SDK for Java v2: CBOR over HTTP/1.1."""
    name, kind = "java-sync", "sync"
    fans_out = False


@register
class JavaAsync(_Java):
    """AWS SDK for Java v2, async: CBOR over HTTP/2, without ALPN in TLS."""
    name, kind = "java-async", "async"

    def subscribe(self, server, records, tls=None, **members):
        return self.call(server, "SubscribeToShard", tls, records, **members)["Events"]
