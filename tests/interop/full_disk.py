"""A full disk, and writes that fail otherwise: producers are told, nothing acknowledged is lost, reading goes on, and
writing comes back by itself once there is room."""
import os
import pathlib
import shutil
import subprocess
import time

import pytest
from botocore.config import Config
from confluent_kafka import Consumer, KafkaError, Producer, TopicPartition
from lib import admin, bad, server as servers, wire
from lib.kinesis import KINESIS

boto3 = KINESIS[0]
SIZE_MIB, LEFT_MIB = 320, 4           # room for two write-ahead logs and what they are written out to
BACK_S = 20                         # RocksDB looks each 5 s
STOP_S = 1.0


class SmallDisk(servers.Diglot):
    """Its data directory is a file system of its own in a mount namespace of its own, which ends with `holder`."""

    def __init__(self, options=()):
        super().__init__(options)
        self.data.mkdir()
        self.holder = subprocess.Popen(
            ["unshare", "-m", "sh", "-c",
             f"mount -t tmpfs -o size={SIZE_MIB}m none {self.data} && echo ready && exec cat"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.mounted = self.holder.stdout.readline() == b"ready\n"
        self.seen = pathlib.Path(f"/proc/{self.holder.pid}/root{self.data}")      # from here
        self.inside = ["nsenter", "-t", str(self.holder.pid), "-m", "--"]

    def _spawn(self, command, **more):
        super()._spawn([*self.inside, *command], **more)

    def check(self):
        done = subprocess.run([*self.inside, str(self.binary), "check", "--data-dir", str(self.data)],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60)
        return done.returncode, done.stdout

    def fill(self):
        """Leaves LEFT_MIB."""
        free = os.statvfs(self.seen).f_bavail * os.statvfs(self.seen).f_frsize
        with open(self.seen / "filler", "wb") as filler:
            os.posix_fallocate(filler.fileno(), 0, free - (LEFT_MIB << 20))

    def make_room(self):
        (self.seen / "filler").unlink()

    def close(self):
        super().close()
        self.holder.stdin.close()
        self.holder.wait()


class SmallFiles(servers.Diglot):
    """No file of it may grow beyond a limit, as any user may set; `limited` is for the next start."""

    limited = True

    def _spawn(self, command, **more):
        super()._spawn([*(["prlimit", "--fsize=8388608"] if self.limited else []), *command], **more)


class Load:
    """A producer at the Kafka door that counts what was acknowledged and what each failure was."""

    def __init__(self, server, retries):
        self.acked, self.errors = set(), {}
        self.producer = Producer({"bootstrap.servers": server.kafka, "linger.ms": 0, "acks": "all", "retries": retries,
                                  "delivery.timeout.ms": 60_000, "log_level": 0})

    def told(self, error, message):
        if error:
            self.errors[error.code()] = self.errors.get(error.code(), 0) + 1
        else:
            self.acked.add((message.offset(), message.value()))

    def send(self, count, value_bytes=100_000):
        for _ in range(count):
            self.producer.produce("disk", os.urandom(value_bytes), partition=0, on_delivery=self.told)
        self.producer.flush(60)


def consumed(server, count):
    """The first count (offset, value) of the topic by a Kafka consumer."""
    consumer = Consumer({"bootstrap.servers": server.kafka, "group.id": "g", "enable.auto.commit": False,
                         "log_level": 0})
    consumer.assign([TopicPartition("disk", 0, 0)])
    found = []
    while len(found) < count:
        message = consumer.poll(10)
        assert message is not None and message.error() is None, (len(found), count, message and message.error())
        found.append((message.offset(), message.value()))
    consumer.close()
    return found


def got_by_kinesis(server):
    iterator = boto3.iterator(server, "disk", "shardId-000000000000")
    answer = boto3.call(server, "GetRecords", ShardIterator=iterator, Limit=5)
    return [record["Data"] for record in answer["Records"]]


def put_fails(server):
    client = boto3_once(server)
    with pytest.raises(client.exceptions.ClientError) as refusal:
        client.put_record(StreamName="disk", Data=b"x", PartitionKey="k")
    assert refusal.value.response["Error"]["Code"] == "InternalFailure"
    assert refusal.value.response["ResponseMetadata"]["HTTPStatusCode"] == 500


def boto3_once(server):
    import boto3 as real
    return real.client("kinesis", endpoint_url=f"http://{server.kinesis}", region_name="us-east-1",
                       aws_access_key_id="x",
                       aws_secret_access_key="x", config=Config(retries={"total_max_attempts": 1}))


def fill_until_refused(server):
    """What was acknowledged until the disk refused."""
    load = Load(server, retries=0)
    deadline = time.monotonic() + 30
    while not load.errors:
        assert time.monotonic() < deadline
        load.send(8)
    assert set(load.errors) == {KafkaError.KAFKA_STORAGE_ERROR}, load.errors
    return load


def still_reads(server, acked):
    """At both doors, while nothing can be written."""
    assert set(consumed(server, len(acked))) == acked
    assert got_by_kinesis(server) == [value for _, value in sorted(acked)[:5]]
    put_fails(server)
    assert server.readiness() == 503 and wire.metadata_ready(server.kafka)
    series = bad.scrape(server)
    assert series["diglot_storage_commit_failures_total{worker=\"0\"}"] >= 1
    assert series[bad.kafka_error("KAFKA_STORAGE_ERROR")] >= 1
    assert series[bad.exception("InternalFailure")] >= 1
    bad.wait_for(lambda: bad.scrape(server)["diglot_storage_writes_stopped"] == 1)


def small_disk():
    if os.geteuid() != 0 or not shutil.which("unshare") or not shutil.which("nsenter"):
        pytest.skip("only root may mount a small file system")
    disk = SmallDisk(["--limits", "off", "--workers", "1"])
    if not disk.mounted:
        disk.close()
        pytest.skip("no file system may be mounted here: " + disk.holder.stderr.read().decode().strip())
    return disk


def test_a_full_disk():
    with small_disk() as server:
        admin.create_topic(server, "disk")
        server.fill()
        load = fill_until_refused(server)
        still_reads(server, load.acked)
        # One that retries, as clients do by default, sees nothing but a delay once there is room.
        patient = Load(server, retries=1_000_000)
        patient.producer.produce("disk", b"patient", partition=0, on_delivery=patient.told)
        patient.producer.poll(0.5)
        assert not patient.acked and not patient.errors
        server.make_room()
        patient.producer.flush(BACK_S)
        assert [value for _, value in patient.acked] == [b"patient"]
        bad.wait_for(lambda: server.readiness() == 200)
        load.errors.clear()
        load.send(20)
        assert not load.errors
        boto3_once(server).put_record(StreamName="disk", Data=b"y", PartitionKey="k")
        acked = load.acked | patient.acked
        found = consumed(server, len(acked) + 1)
        assert set(found[:-1]) == acked and found[-1][1] == b"y"
        # Full once more; and ready again without any write: none is sent to a server that says it is not.
        server.fill()
        load = fill_until_refused(server)
        assert server.readiness() == 503
        server.make_room()
        bad.wait_for(lambda: server.readiness() == 200, BACK_S)
        found += sorted(load.acked)
        assert server.stop() == 0
        code, told = server.check()
        assert code == 0, told
        server.start()
        assert consumed(server, len(found)) == found
        assert server.stop() == 0


def test_a_stop_with_a_full_disk_does_not_wait():
    """RocksDB sleeps for a second after one that it could not write."""
    with small_disk() as server:
        admin.create_topic(server, "disk")
        server.fill()
        acked = fill_until_refused(server).acked
        started = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - started <= STOP_S
        server.make_room()
        server.start()
        assert set(consumed(server, len(acked))) == acked
        assert server.stop() == 0


def test_writes_that_fail_otherwise():
    """A limit on the size of files is no full disk: reading goes on, and the next start writes again."""
    with SmallFiles(["--limits", "off", "--workers", "1"]) as server:
        admin.create_topic(server, "disk")
        load = fill_until_refused(server)
        still_reads(server, load.acked)
        assert server.stop() == 0
        code, told = server.check()
        assert code == 0, told
        server.limited = False
        server.start()
        load.send(20)
        assert set(consumed(server, len(load.acked))) == load.acked
        assert server.stop() == 0
