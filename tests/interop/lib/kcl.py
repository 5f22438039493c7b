"""Kinesis Client Library 3 as an application takes it, and DynamoDB Local for its leases: processes of
their own on loopback, which go away with their directories."""
import os
import re
import subprocess
import time
from typing import NamedTuple

from . import lines, server as servers
from .kinesis import ENVIRONMENT, arrived_of, endpoint, offset_of, shard_id, shard_of

JAVA = ["java", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xmx512m",
        "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-Dorg.slf4j.simpleLogger.showDateTime=true"]
START_S = 60
STOP_S = 90


def _environment():
    """Nothing of this machine's own accounts or proxies."""
    return {**{name: value for name, value in os.environ.items()
               if not name.startswith("AWS_") and not name.lower().endswith("_proxy")}, **ENVIRONMENT}


def _program(group, name, *args):
    return [*JAVA, "-cp", f"{servers.DEPS}/{group}/classes:{servers.DEPS}/{group}/lib/*", name, *args]


class LeaseTables(servers.Process):
    """DynamoDB Local in memory. address: HOST:PORT."""

    address = None

    def start(self):
        self._spawn(_program("dynamodb", "LeaseTables"), env=_environment(), cwd=self.dir)
        self._wait(lambda: re.search(r"^dynamodb (\S+)$", self.output(), re.MULTILINE), START_S)
        self.address = re.search(r"^dynamodb (\S+)$", self.output(), re.MULTILINE)[1]
        return self

    def checkpoints(self, application):
        """{shard: sequence number, SHARD_END or where it is to begin} of an application's leases."""
        import boto3
        table = boto3.client("dynamodb", endpoint_url=f"http://{self.address}", region_name="us-east-1",
                             aws_access_key_id="test", aws_secret_access_key="test")
        items = table.scan(TableName=application, ConsistentRead=True)["Items"]
        return {item["leaseKey"]["S"]: item["checkpoint"]["S"] for item in items if "checkpoint" in item}


class Event(NamedTuple):
    """One line of KclApplication: what happened to a shard. given: where it starts; record: what came."""
    kind: str
    shard: str
    given: str = ""
    record: lines.Record = None


def _event(line):
    kind, shard, *fields = line.split("\t")
    if kind != "record":
        return Event(kind, shard, *fields)
    sequence, sub_sequence, arrived_ms, key, value = fields
    assert sub_sequence == "0", f"taken for a part of an aggregate: {line}"
    assert shard_id(shard_of(sequence)) == shard, line
    assert arrived_of(sequence) == int(arrived_ms) // 1000, line
    return Event(kind, shard, sequence, lines.Record(lines.unb64(key), lines.unb64(value), (), shard_of(sequence),
                                                     offset_of(sequence), int(arrived_ms)))


class Application(servers.Process):
    """A run of the application of that name on a stream. how: polling or fanout; tls: CA file or None.
    events: everything it has told, in that order, as far as take() or wait() have read it."""

    def __init__(self, server, tables, name, stream, how, tls=None):
        super().__init__()
        self.command = _program("kcl", "KclApplication", how, endpoint(server, tls), tls or "",
                                f"http://{tables.address}", name, stream)
        self.told = self.dir / "events"
        self.events, self.seen = [], 0

    def start(self):
        with open(self.told, "wb") as told, open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(self.command, stdin=subprocess.PIPE, stdout=told, stderr=log,
                                            env=_environment(), cwd=self.dir)
        return self

    def take(self):
        """Read what it has told since."""
        with open(self.told, "rb") as told:
            told.seek(self.seen)
            whole, newline, _ = told.read().rpartition(b"\n")
        self.seen += len(whole) + len(newline)
        self.events += map(_event, whole.decode().splitlines())

    def wait(self, done, what, timeout_s):
        """Until done(events)."""
        deadline = time.monotonic() + timeout_s
        while True:
            running = self.running()
            self.take()
            if done(self.events):
                return
            assert running, f"it ended before {what}:\n{self.output()[-4000:]}"
            assert time.monotonic() < deadline, (f"no {what} in {timeout_s} s, but {self.summary()}:\n"
                                                 f"{self.output()[-4000:]}")
            time.sleep(0.1)

    def summary(self):
        return f"{len(self.records())} records and {[e[:3] for e in self.events if e.kind != 'record'][-20:]}"

    def records(self):
        return [event for event in self.events if event.kind == "record"]

    def finish(self):
        """Ask it to stop as an application does: its leases are given back at their last checkpoint."""
        self.process.stdin.close()
        self.process.wait(STOP_S)
        self.take()
        assert self.events[-1][:2] == ("stopped", "true"), f"{self.summary()}:\n{self.output()[-4000:]}"

    def close(self):
        print(f"{self.summary()}:\n{self.output()[-4000:]}")       # seen when the test fails
        self.kill()
        self.process.stdin.close()
        super().close()
