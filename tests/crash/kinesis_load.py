"""Load through the Kinesis door that knows afterwards what the server promised.

Three writers (PutRecords of a few and of many, PutRecord), a reader at the tail and new streams. What a
promise is: an acknowledged record is there under its sequence number, unaltered; what a reader saw
stays; a writer's records keep their order in a shard and come once, as no writer repeats itself; a
shard's offsets have no gap and its end never goes back; an acknowledged stream exists.
"""
import threading
import zlib

import botocore.exceptions
from kafka_load import value_of
from lib.kinesis import KINESIS, KinesisError, _boto3, endpoint, offset_of, shard_id, shard_of

SHARDS = 2
GONE = (botocore.exceptions.BotoCoreError, KinesisError, OSError)


class Client:
    """boto3 that neither repeats a call nor waits long: a killed server's calls just fail."""

    def __init__(self, server):
        self.client = _boto3(endpoint(server, None), None, 1)

    def put_records(self, stream, entries):
        return self.client.put_records(StreamName=stream, Records=entries)["Records"]

    def put_record(self, stream, entry):
        return [self.client.put_record(StreamName=stream, **entry)]


class Writer:
    def __init__(self, name, stream, rng, most):
        self.name, self.stream, self.rng, self.most = name, stream, rng, most
        self.counts = [0] * SHARDS
        self.acknowledged = {}              # (shard, offset): CRC of the data
        self.unexpected = []
        self.writing = threading.Event()
        self.thread = None

    def start(self, server):
        self.writing.set()
        self.thread = threading.Thread(target=self._write, args=(Client(server),), daemon=True)
        self.thread.start()

    def _entry(self):
        shard = self.rng.randrange(SHARDS)
        count = self.counts[shard]
        self.counts[shard] += 1
        return {"Data": value_of(self.name, shard, count), "PartitionKey": str(count),
                "ExplicitHashKey": str(((1 << 128) // SHARDS) * shard)}

    def _write(self, client):
        while self.writing.is_set():
            entries = [self._entry() for _ in range(self.rng.randint(1, self.most))]
            try:
                answers = (client.put_record(self.stream, entries[0]) if self.most == 1
                           else client.put_records(self.stream, entries))
            except (botocore.exceptions.ClientError, *GONE) as error:
                if isinstance(error, botocore.exceptions.ClientError):
                    self.unexpected.append(error)
                return                       # what came of it is not known: nothing was promised
            for entry, answer in zip(entries, answers):
                sequence = answer["SequenceNumber"]
                self.acknowledged[shard_of(sequence), offset_of(sequence)] = zlib.crc32(entry["Data"])

    def stop(self):
        self.writing.clear()
        self.thread.join()


class KinesisLoad:
    name = "kinesis"

    def __init__(self, rng, stream="crash-kinesis"):
        self.stream, self.rng = stream, rng
        self.writers = [Writer("single", stream, rng, 1), Writer("few", stream, rng, 5),
                        Writer("many", stream, rng, 40)]
        self.seen = [[] for _ in range(SHARDS)]             # CRC at each offset
        self.identity = [[] for _ in range(SHARDS)]         # (writer, count) at each offset
        self.last = [None] * SHARDS                         # sequence number of the last one seen
        self.tailed = {}
        self.streams = []
        self.running = threading.Event()
        self.threads = []
        self.boto3 = KINESIS[0]

    def open(self, server):
        self.boto3.call(server, "CreateStream", StreamName=self.stream, ShardCount=SHARDS)

    def start(self, server):
        for writer in self.writers:
            writer.start(server)
        self.running.set()
        self.threads = [threading.Thread(target=work, args=(Client(server).client,), daemon=True)
                        for work in (self._tail, self._create)]
        for thread in self.threads:
            thread.start()

    def stop(self):
        self.running.clear()
        for writer in self.writers:
            writer.stop()
        for thread in self.threads:
            thread.join()

    def _tail(self, client):
        try:
            iterators = [client.get_shard_iterator(StreamName=self.stream, ShardId=shard_id(shard),
                                                   ShardIteratorType="LATEST")["ShardIterator"]
                         for shard in range(SHARDS)]
            while self.running.is_set():
                for shard in range(SHARDS):
                    answer = client.get_records(ShardIterator=iterators[shard])
                    iterators[shard] = answer["NextShardIterator"]
                    for record in answer["Records"]:
                        self.tailed[shard, offset_of(record["SequenceNumber"])] = zlib.crc32(record["Data"])
        except (botocore.exceptions.ClientError, *GONE):
            pass                             # the server is gone

    def _create(self, client):
        name = f"{self.stream}-{len(self.streams)}-{self.rng.getrandbits(32)}"
        try:
            client.create_stream(StreamName=name, ShardCount=2)
            self.streams.append(name)
        except (botocore.exceptions.ClientError, *GONE):
            pass

    def verify(self, server):
        """The server is up again: hold it to every promise."""
        for writer in self.writers:
            assert not writer.unexpected, (writer.name, writer.unexpected[0])
        self._read(server)
        self._check_records()
        for name in self.streams:
            self.boto3.call(server, "DescribeStreamSummary", StreamName=name)

    def verify_all(self, server):
        """The same from the first record on: what was there at any earlier time has not changed."""
        before = self.seen
        self.seen = [[] for _ in range(SHARDS)]
        self.identity = [[] for _ in range(SHARDS)]
        self.last = [None] * SHARDS
        self._read(server)
        assert self.seen == before
        self._check_records()
        for shard in range(SHARDS):
            assert self.boto3.count_in(server, self.stream, shard_id(shard)) == len(self.seen[shard])

    def _read(self, server):
        for shard in range(SHARDS):
            start = {"kind": "TRIM_HORIZON"} if self.last[shard] is None else {
                "kind": "AFTER_SEQUENCE_NUMBER", "StartingSequenceNumber": self.last[shard]}
            iterator = self.boto3.iterator(server, self.stream, shard_id(shard), **start)
            while True:
                answer = self.boto3.call(server, "GetRecords", ShardIterator=iterator)
                iterator = answer["NextShardIterator"]
                for record in answer["Records"]:
                    self._take(shard, record)
                if not answer["Records"] and answer["MillisBehindLatest"] == 0:
                    break

    def _take(self, shard, record):
        sequence = record["SequenceNumber"]
        assert shard_of(sequence) == shard
        due = len(self.seen[shard])
        assert offset_of(sequence) == due, f"{offset_of(sequence)} where {due} was due"
        assert self.last[shard] is None or int(sequence) > int(self.last[shard])
        writer, written_to, count, _ = record["Data"].split(b":", 3)
        assert record["Data"] == value_of(writer.decode(), int(written_to), int(count)), "altered"
        assert (int(written_to), count.decode()) == (shard, record["PartitionKey"])
        self.seen[shard].append(zlib.crc32(record["Data"]))
        self.identity[shard].append((writer.decode(), int(count)))
        self.last[shard] = sequence

    def _check_records(self):
        promised = [(writer.name, where, crc) for writer in self.writers
                    for where, crc in writer.acknowledged.items()]
        promised += [("the reader at the tail", where, crc) for where, crc in self.tailed.items()]
        for who, (shard, offset), crc in promised:
            assert offset < len(self.seen[shard]), f"{who}: {shard}/{offset} was lost"
            assert self.seen[shard][offset] == crc, f"{who}: {shard}/{offset} is another record"
        for shard, identity in enumerate(self.identity):
            for writer in self.writers:
                counts = [count for name, count in identity if name == writer.name]
                assert counts == sorted(set(counts)), f"{writer.name}: disorder or repeat in shard {shard}"

    def summary(self):
        acknowledged = sum(len(writer.acknowledged) for writer in self.writers)
        return f"{acknowledged} acknowledged and {len(self.tailed)} tailed records, {len(self.streams)} streams"
