"""Backups of a server under load: each is a directory as it was at one moment, and stays it."""
import base64
import subprocess
import threading
import time

from confluent_kafka import OFFSET_END, Producer, TopicPartition
from confluent_kafka.admin import OffsetSpec
from kafka_load import KafkaLoad
from lib import admin, bad
from lib import server as servers
from lib.clients import Confluent
from lib.lines import Record

FILLING_BYTES, FILLING_RECORDS = 256 << 10, 1600       # several files of the log
SECOND_SHARD = str(2**127)
LOADED = ["--limits", "off"]


class Counter(threading.Thread):
    """Writes 0, 1, 2... each after the one before was acknowledged: through the two doors in turn, to two
    partitions. So what a moment leaves of them has no gap."""

    def __init__(self, server, topic):
        super().__init__(daemon=True)
        self.server, self.topic = server, topic
        self.acknowledged, self.going, self.wrong = 0, True, None

    def run(self):
        producer = Producer({"bootstrap.servers": self.server.kafka, "linger.ms": 0, "log_level": 0})
        try:
            with bad.Http(self.server.kinesis) as http:
                while self.going:
                    number = b"%d" % self.acknowledged
                    if self.acknowledged % 2 == 0:
                        producer.produce(self.topic, number, partition=0)
                        assert producer.flush(30) == 0
                    else:
                        status, _ = http.call("PutRecord", {
                            "StreamName": self.topic, "PartitionKey": "k", "ExplicitHashKey": SECOND_SHARD,
                            "Data": base64.b64encode(number).decode()})
                        assert status == 200
                    self.acknowledged += 1
        except Exception as wrong:          # noqa: BLE001: told by the test
            self.wrong = wrong


def backup(server, to):
    done = subprocess.run([server.binary, "backup", "--data-dir", server.data, to], capture_output=True, text=True,
                          timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def end(server, topic, partition):
    wanted = TopicPartition(topic, partition)
    return admin.client(server).list_offsets({wanted: OffsetSpec.latest()})[wanted].result(30).offset


def numbers(server, topic):
    """What is there of a Counter, in both partitions."""
    read = Confluent().read(server, topic, end(server, topic, 0) + end(server, topic, 1))
    return sorted(int(r.value) for r in read)


def test_a_backup_under_load_is_one_moment_and_stays_it(rng, tmp_path):
    load = KafkaLoad(rng)
    with servers.Diglot(LOADED) as server:
        load.open(server)
        admin.create_topic(server, "count", 2)
        admin.create_topic(server, "filling")
        load.start(server)
        counter = Counter(server, "count")
        counter.start()
        made = []
        for number in range(4):
            Confluent().write(server, "filling", [Record(None, rng.randbytes(64) * (FILLING_BYTES // 64), partition=0)
                                                  for _ in range(FILLING_RECORDS // 4)])
            before = counter.acknowledged
            assert before > 0
            (tmp_path / f"{number}").mkdir()
            backup(server, tmp_path / f"{number}" / "data")
            made.append((number, before, counter.acknowledged))
        counter.going = False
        counter.join()
        load.stop()
        assert counter.wrong is None
        # What the server gives back to the disk is no loss of the copies'.
        admin.done(admin.client(server).delete_records([TopicPartition("filling", 0, OFFSET_END)]))
        time.sleep(3)
        for number, before, after in made:
            with servers.Diglot(LOADED, data_dir=tmp_path / f"{number}") as copy:
                found = numbers(copy, "count")
                assert found == list(range(len(found))) and before <= len(found) <= after + 1
                filled = Confluent().read(copy, "filling", (number + 1) * FILLING_RECORDS // 4)
                assert all(len(r.value) == FILLING_BYTES for r in filled)
                assert not [line for line in copy.output().splitlines() if "level=warn" in line or "damage" in line]
                copy.stop()
                assert (copy.data / "tls" / "ca.pem").read_bytes() == (server.data / "tls" / "ca.pem").read_bytes()
                status, output = copy.check()
                assert status == 0, output[-4000:]
        server.stop()
        status, output = server.check()
        assert status == 0, output[-4000:]


def test_what_is_there_already_or_holds_nothing_is_told(tmp_path):
    def run(*arguments):
        return subprocess.run([servers.Diglot().binary, "backup", *arguments], capture_output=True, text=True,
                              timeout=30, check=False)
    with servers.Diglot() as server:
        admin.create_topic(server, "t")
        there = run("--data-dir", server.data, tmp_path)
        assert there.returncode == 1 and "is there already" in there.stderr
        nothing = run("--data-dir", tmp_path, tmp_path / "x")
        assert nothing.returncode == 1 and "holds no data" in nothing.stderr
        (tmp_path / "y.partial").mkdir()
        earlier = run("--data-dir", server.data, tmp_path / "y")
        assert earlier.returncode == 1 and "remove it" in earlier.stderr
        assert run("--data-dir", server.data).returncode == 2
        assert not (tmp_path / "x").exists() and not (tmp_path / "y").exists()
