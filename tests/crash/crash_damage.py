"""A data directory that is damaged on the disk: each file in turn, a bit flipped, the tail cut, gone.

A server that was ended (by kill -9 a while after its last sync, or by a stop) left a directory. What it
held is known. Then, for each damage to a copy:
- `diglot check` and `diglot dump` change nothing there;
- a server refuses to start and says what to do, or
- it starts, and what it gives out is right. What it does not give out was named: in a line of its log,
  with the damaged file kept, or in the error of the read, and then `check` names it too.

Nothing here knows what a file is for. A sample of the damages; with --full all, 200 positions of each
file. DIGLOT_DAMAGES names another number of positions, DIGLOT_SEED replays a row of them.
"""
import hashlib
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import pytest
from kafka.record.default_records import DefaultRecordBatchBuilder
from lib import batches, messages
from lib.server import BINARY, Diglot, ServerDied

TOPICS = {"small": 2, "large": 1, "cut": 1}
SAMPLE = 25
RENEWED_S = 1.6             # the sync mark is renewed within a second
NAMED = ("level=error", "level=warn")


def batch(text):
    builder = DefaultRecordBatchBuilder(2, 0, 0, -1, -1, -1, 1 << 22)
    builder.append(0, int(time.time() * 1000), None, text, [])
    return bytes(builder.build())


def fill(caller, rng, count):
    """Records of a few bytes and of many, trims and commits; every answer is waited for."""
    for i in range(count):
        for topic, partitions in TOPICS.items():
            size = rng.randrange(20_000, 60_000) if topic == "large" else rng.randrange(5, 50)
            if topic == "large" and i % 4:
                continue
            answer = caller.call("Produce", 9, acks=-1, timeout_ms=10_000, topic_data=[
                {"name": topic, "partition_data": [{"index": i % partitions, "records": batch(rng.randbytes(size))}]}])
            part, = answer["responses"][0]["partition_responses"]
            assert part["error_code"] == 0, part
            if topic == "cut" and i % 5 == 4:
                trimmed = caller.call("DeleteRecords", 1, timeout_ms=10_000, topics=[
                    {"name": topic, "partitions": [{"partition_index": 0, "offset": part["base_offset"] - 1}]}])
                assert trimmed["topics"][0]["partitions"][0]["error_code"] == 0
        commit(caller, i)


def commit(caller, offset):
    answer = caller.call("OffsetCommit", 5, group_id="g", generation_id_or_member_epoch=-1, member_id="", topics=[
        {"name": "small", "partitions": [{"partition_index": 0, "committed_offset": offset,
                                          "committed_metadata": ""}]}])
    assert answer["topics"][0]["partitions"][0]["error_code"] == 0


def make(server, rng, killed):
    """A directory with some of everything: what was written out, and what is in the log alone."""
    server.start()
    with messages.Caller(server.kafka) as caller:
        made = caller.call("CreateTopics", 5, timeout_ms=10_000, validate_only=False, topics=[
            {"name": name, "num_partitions": count, "replication_factor": 1} for name, count in TOPICS.items()])
        assert all(topic["error_code"] == 0 for topic in made["topics"]), made
        fill(caller, rng, 60)
    server.restart()
    with messages.Caller(server.kafka) as caller:
        fill(caller, rng, 30)
    server.kill()                   # so that the next start writes out what it finds
    server.start()
    with messages.Caller(server.kafka) as caller:
        fill(caller, rng, 40)
    truth = holds(server)
    assert not truth.errors and truth.records, truth.errors
    time.sleep(RENEWED_S)
    if killed:
        server.kill()
    else:
        server.stop()
    return truth


class holds:
    """What a server gives out: records by place, committed offsets; and the errors it gives instead."""

    def __init__(self, server):
        self.records, self.starts, self.errors = {}, {}, []
        with messages.Caller(server.kafka) as caller:
            for topic, partitions in TOPICS.items():
                for partition in range(partitions):
                    self.read(caller, topic, partition)
            asked = [{"name": "small", "partition_indexes": [0]}]
            answer = caller.call("OffsetFetch", 5, group_id="g", topics=asked)
            self.committed = answer["topics"][0]["partitions"][0]["committed_offset"]
            if answer["error_code"]:
                self.errors.append(("g", answer["error_code"]))

    def read(self, caller, topic, partition):
        asked = [{"name": topic, "partitions": [{"partition_index": partition, "timestamp": -2}]}]
        first = caller.call("ListOffsets", 5, replica_id=-1, topics=asked)["topics"][0]["partitions"][0]
        if first["error_code"]:
            self.errors.append((topic, partition, "start", first["error_code"]))
            return
        at = self.starts[topic, partition] = first["offset"]
        end = at + 1
        while at < end:
            answer = caller.call("Fetch", 11, replica_id=-1, max_wait_ms=0, min_bytes=0, max_bytes=1 << 22, topics=[
                {"topic": topic, "partitions": [{"partition": partition, "fetch_offset": at,
                                                 "partition_max_bytes": 1 << 20}]}])
            got, = answer["responses"][0]["partitions"]
            if got["error_code"]:
                self.errors.append((topic, partition, at, got["error_code"]))
                return
            end = got["high_watermark"]
            found = batches.split(got["records"] or b"")
            if not found:
                return
            for b in found:
                self.records[topic, partition, b.base_offset] = b.raw
                assert b.crc_is_right()
            at = found[-1].base_offset + found[-1].last_offset_delta + 1

    def lost(self, truth):
        """What of the truth is not here; fails when something is here otherwise."""
        back = [place for place in self.records if place[2] < truth.starts[place[:2]]]      # a trim was lost
        for place, raw in self.records.items():
            assert place in back or truth.records.get(place) == raw, f"{place} is altered"
        assert self.committed in (truth.committed, -1) or self.committed < truth.committed, self.committed
        missing = [place for place in truth.records if place not in self.records]
        return missing + back + ([] if self.committed == truth.committed else ["committed offset"])


def digest(folder):
    return {str(f.relative_to(folder)): (hashlib.sha256(f.read_bytes()).hexdigest() if f.is_file() else None,
                                         f.stat().st_mode, f.stat().st_mtime_ns) for f in sorted(folder.rglob("*"))}


def damages(rng, file, positions):
    size = file.stat().st_size
    yield "missing", 0
    for _ in range(positions if size else 0):
        yield "flip", rng.randrange(size * 8)
    for _ in range(max(1, positions // 4) if size else 0):
        yield "cut", rng.randrange(size)


def damage(file, kind, at):
    if kind == "missing":
        file.unlink()
        return None
    data = bytearray(file.read_bytes())
    if kind == "flip":
        data[at // 8] ^= 1 << at % 8
    else:
        del data[at:]
    file.write_bytes(data)
    return bytes(data)


def look(command, data):
    done = subprocess.run([str(BINARY), command, "--data-dir", str(data)], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, errors="replace", timeout=120)
    assert done.returncode in (0, 1), (command, done.returncode, done.stdout[-2000:])
    return done.returncode, done.stdout


def judge(server, truth, left):
    """left: what the damage left of the file, None nothing."""
    before = digest(server.data)
    found, said = look("check", server.data)
    look("dump", server.data)
    assert digest(server.data) == before, "looking at it changed it"
    try:
        server.start()
    except ServerDied as died:
        assert "exit status 1" in str(died), died
        assert "cannot be used" in str(died), died
        assert "recovery.md" in str(died) or "without that folder" in str(died), died
        assert is_kept(server, left), "a start that was refused took the damaged file away"
        return "refused"
    now = holds(server)
    lost = now.lost(truth)
    named = [line for line in server.output().splitlines() if any(level in line for level in NAMED)]
    assert not lost or named or now.errors, f"silently lost: {lost[:5]} and {len(lost)} in all"
    if lost and now.errors and not [line for line in named if "damaged" in line]:
        assert found == 1, f"check does not name what cannot be read: {said}"
    if [line for line in named if "lost_writes" in line]:
        assert found == 1 or "lost_writes=0" in named[0], said
        assert is_kept(server, left), "the damaged file was not kept"
    server.stop()
    return "told" if lost else "harmless"


def is_kept(server, left):
    found = [f for f in server.data.rglob("*") if f.is_file()]
    return left is None or any(f.stat().st_size == len(left) and f.read_bytes() == left for f in found)


@pytest.mark.timeout(7200)
@pytest.mark.parametrize("end", ["killed", "stopped"])
def test_damage_is_named(request, rng, end):
    full = request.config.getoption("--full") or "DIGLOT_DAMAGES" in os.environ
    positions = int(os.environ.get("DIGLOT_DAMAGES", 200 if full else 2))
    root = Path(tempfile.mkdtemp(prefix="diglot-damage-"))
    whole = Diglot(data_dir=root / "whole")
    outcomes = {}
    try:
        truth = make(whole, rng, end == "killed")
        assert not holds_after(root, whole.data, truth, None, None, None)[1], "without damage all is there"
        plan = [(file.relative_to(whole.data), kind, at)
                for file in sorted(f for f in whole.data.rglob("*") if f.is_file())
                for kind, at in damages(rng, file, positions)]
        for name, kind, at in plan if full else rng.sample(plan, min(SAMPLE, len(plan))):
            try:
                outcome, _ = holds_after(root, whole.data, truth, name, kind, at)
            except Exception as error:
                raise AssertionError(f"{name}, {kind} at {at}: {error}") from error
            row = outcomes.setdefault((str(name), kind), {})
            row[outcome] = row.get(outcome, 0) + 1
        for (name, kind), row in sorted(outcomes.items()):
            print(f"{end} {name} {kind}: {row}")
    finally:
        whole.close()
        shutil.rmtree(root, ignore_errors=True)


def holds_after(root, whole, truth, name, kind, at):
    """(outcome, lines that name something) of one damage to a copy."""
    server = Diglot(data_dir=Path(tempfile.mkdtemp(prefix="copy-", dir=root)))
    try:
        shutil.copytree(whole, server.data)
        left = damage(server.data / name, kind, at) if name else None
        outcome = judge(server, truth, left)
        return outcome, [line for line in server.output().splitlines() if any(level in line for level in NAMED)]
    finally:
        server.close()
        shutil.rmtree(server.dir, ignore_errors=True)
