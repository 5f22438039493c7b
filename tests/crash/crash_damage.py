"""A data directory that is damaged on the disk: each file in turn, a bit flipped, the tail cut, gone.

A server that was ended (by kill -9 a while after its last sync, or by a stop) left a directory. What it
held is known, and when each promise was given. Then, for each damage to a copy:
- `diglot check` and `diglot dump` change nothing there;
- a server refuses to start and says what to do, or
- it starts, and what it gives out is right. What it does not give out was named, each record, trim and
  committed offset of it: at the start in a line of the log that says until when nothing is lost (a promise
  that is not kept is younger), names what is damaged and the folder that keeps it; or by the error of the
  read itself, with a line that says topic, partition and offset, and then `check` names that place too.

Nothing here knows what a file is for. A sample of the damages; with --full all, 200 positions of each
file. DIGLOT_DAMAGES names another number of positions, DIGLOT_SEED replays a row of them.
"""
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path

import pytest
from kafka.record.default_records import DefaultRecordBatchBuilder
from lib import batches, messages
from lib.server import BINARY, Diglot, ServerDied

TOPICS = {"small": 2, "large": 1, "cut": 1}
SAMPLE = 25
RENEWED_S = 1.6             # the sync mark is renewed within a second
FAULTS_SHOWN = 30
NOWHERE = 1 << 62
AT_ONCE = 4                 # each of them waits more than it computes
IN_MEMORY = Path("/dev/shm")
IN_MEMORY_BYTES = 2 << 30


class Promises:
    """When each was given, in milliseconds: records by place; trims and commits in their order, with their offset."""

    def __init__(self):
        self.records, self.trims, self.commits = {}, [], []


def now_ms():
    return int(time.time() * 1000)


def batch(text):
    builder = DefaultRecordBatchBuilder(2, 0, 0, -1, -1, -1, 1 << 22)
    builder.append(0, int(time.time() * 1000), None, text, [])
    return bytes(builder.build())


def fill(caller, rng, count, promises):
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
            promises.records[topic, i % partitions, part["base_offset"]] = now_ms()
            if topic == "cut" and i % 5 == 4:
                trimmed = caller.call("DeleteRecords", 1, timeout_ms=10_000, topics=[
                    {"name": topic, "partitions": [{"partition_index": 0, "offset": part["base_offset"] - 1}]}])
                assert trimmed["topics"][0]["partitions"][0]["error_code"] == 0
                promises.trims.append((now_ms(), part["base_offset"] - 1))
        commit(caller, part["base_offset"])
        promises.commits.append((now_ms(), part["base_offset"]))


def commit(caller, offset):
    answer = caller.call("OffsetCommit", 5, group_id="g", generation_id_or_member_epoch=-1, member_id="", topics=[
        {"name": "small", "partitions": [{"partition_index": 0, "committed_offset": offset,
                                          "committed_metadata": ""}]}])
    assert answer["topics"][0]["partitions"][0]["error_code"] == 0


def make(server, rng, killed):
    """A directory with some of everything: what was written out, and what is in the log alone. Returns what it
    holds, and since when that was promised."""
    promises = Promises()
    server.start()
    with messages.Caller(server.kafka) as caller:
        made = caller.call("CreateTopics", 5, timeout_ms=10_000, validate_only=False, topics=[
            {"name": name, "num_partitions": count, "replication_factor": 1} for name, count in TOPICS.items()])
        assert all(topic["error_code"] == 0 for topic in made["topics"]), made
        fill(caller, rng, 60, promises)
    server.restart()
    with messages.Caller(server.kafka) as caller:
        fill(caller, rng, 30, promises)
    server.kill()                   # so that the next start writes out what it finds
    server.start()
    with messages.Caller(server.kafka) as caller:
        fill(caller, rng, 40, promises)
    truth = Held(server)
    assert not truth.errors and truth.records, truth.errors
    time.sleep(RENEWED_S)
    if killed:
        server.kill()
    else:
        server.stop()
    return truth, promises


class Held:
    """What a server gives out: records by place, committed offsets; and the errors it gives instead, by place.
    Behind an error it goes on with the next of the places that truth has."""

    def __init__(self, server, truth=None):
        self.records, self.starts, self.errors, self.truth = {}, {}, {}, truth
        with messages.Caller(server.kafka) as caller:
            for topic, partitions in TOPICS.items():
                for partition in range(partitions):
                    self.read(caller, topic, partition)
            asked = [{"name": "small", "partition_indexes": [0]}]
            answer = caller.call("OffsetFetch", 5, group_id="g", topics=asked)
            self.committed = answer["topics"][0]["partitions"][0]["committed_offset"]
            assert not answer["error_code"], answer

    def read(self, caller, topic, partition):
        asked = [{"name": topic, "partitions": [{"partition_index": partition, "timestamp": -2}]}]
        first = caller.call("ListOffsets", 5, replica_id=-1, topics=asked)["topics"][0]["partitions"][0]
        if first["error_code"]:
            self.errors[topic, partition, None] = first["error_code"]
            return
        at = self.starts[topic, partition] = first["offset"]
        end = NOWHERE           # not known yet
        while at < end:
            answer = caller.call("Fetch", 11, replica_id=-1, max_wait_ms=0, min_bytes=0, max_bytes=1 << 22, topics=[
                {"topic": topic, "partitions": [{"partition": partition, "fetch_offset": at,
                                                 "partition_max_bytes": 1 << 20}]}])
            got, = answer["responses"][0]["partitions"]
            if got["error_code"]:
                self.errors[topic, partition, at] = got["error_code"]
                at = self.behind(topic, partition, at)
                continue
            end = got["high_watermark"]
            found = batches.split(got["records"] or b"")
            if not found:
                return
            for b in found:
                self.records[topic, partition, b.base_offset] = b
            at = found[-1].base_offset + found[-1].last_offset_delta + 1

    def behind(self, topic, partition, at):
        known = self.truth.records if self.truth else ()
        return min((place[2] for place in known if place[:2] == (topic, partition) and place[2] > at), default=NOWHERE)

    def lost(self, promises):
        """(place, when that was promised) of what of the truth is not here; fails when something is here
        otherwise. A place is a record's, or ("g",) for what was committed."""
        found = []
        for place, b in self.records.items():
            first = self.truth.starts[place[:2]]
            if place[2] < first:                            # a trim was lost
                assert b.crc_is_right(), f"{place} is altered"
                found.append((place, next(at_ms for at_ms, offset in promises.trims if offset > place[2])))
            else:
                expected = self.truth.records.get(place)
                assert expected and expected.raw == b.raw, f"{place} is altered"
        found += [(place, promises.records[place]) for place in self.truth.records if place not in self.records]
        assert self.committed == -1 or self.committed <= self.truth.committed, self.committed
        later = [at_ms for at_ms, offset in promises.commits if offset > self.committed]
        return found + [(("g",), at_ms) for at_ms in later[:1]]


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


def lines_of(server):
    """What the server said at level error or warn: fields by name."""
    rows = []
    for line in server.output().splitlines():
        fields = {name: plain or quoted for name, quoted, plain in
                  re.findall(r'(\w+)=(?:"((?:[^"\\]|\\.)*)"|(\S*))', line)}
        if fields.get("level") in ("error", "warn"):
            rows.append(fields)
    return rows


def told_at_start(lines):
    """Until when nothing is lost, in milliseconds; None: nothing was said of a loss."""
    found = [fields for fields in lines if "nothing_lost_before" in fields]
    if not found:
        return None
    line, = found
    assert line["level"] == "error" and line["what"] and line["kept_aside"].startswith("damaged-"), line
    assert "recovery.md" in line["msg"], line
    assert re.search(r"\S+\.\S+: |write-ahead log|WAL", line["what"]), f"names nothing: {line}"
    return datetime.fromisoformat(line["nothing_lost_before"]).timestamp() * 1000


def told_at_read(place, now, lines):
    """Whether the read of a place ended in an error that the log names."""
    where = next((error for error in ((*place[:2], None), place) if error in now.errors), None)
    return where is not None and any(
        (line.get("topic"), line.get("partition")) == (place[0], str(place[1]))
        and (where[2] is None or line.get("offset") == str(where[2])) for line in lines)


def judge(server, truth, promises, left):
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
    now = Held(server, truth)
    lost = now.lost(promises)
    lines = lines_of(server)
    since_ms = told_at_start(lines)
    for place, at_ms in lost:
        if since_ms is None or at_ms < since_ms:
            assert told_at_read(place, now, lines), \
                f"silently lost: {place} of {at_ms}, told of what is since {since_ms}; {now.errors}; {lines}"
            whole = (*place[:2], None) in now.errors        # it cannot even be opened
            assert found == 1 and names(said, place, whole), f"check does not name {place}: {said}"
    if since_ms is not None:
        assert found == 1, said
        assert is_kept(server, left), "the damaged file was not kept"
    assert server.stop() == 0
    return "told" if lost else "harmless"


def names(said, place, whole):
    """Whether check says from where the place's partition cannot be read; whole: all of it."""
    found = re.search(rf"^topic {place[0]}, partition {place[1]}, offset (\d+): ", said, re.MULTILINE)
    return found is not None and (whole or int(found[1]) <= place[2])


def is_kept(server, left):
    found = [f for f in server.data.rglob("*") if f.is_file()]
    return left is None or any(f.stat().st_size == len(left) and f.read_bytes() == left for f in found)


def make_root():
    """Where a sync costs nothing, if there is such a place."""
    room = shutil.disk_usage(IN_MEMORY).free if IN_MEMORY.is_dir() else 0
    return Path(tempfile.mkdtemp(prefix="diglot-damage-", dir=IN_MEMORY if room > IN_MEMORY_BYTES else None))


@pytest.mark.timeout(7200)
@pytest.mark.parametrize("end", ["killed", "stopped"])
def test_damage_is_named(request, rng, end):
    full = request.config.getoption("--full") or "DIGLOT_DAMAGES" in os.environ
    positions = int(os.environ.get("DIGLOT_DAMAGES", 200 if full else 2))
    root = make_root()
    whole = Diglot(data_dir=root / "whole")
    outcomes, faults = {}, []

    def one(case):
        name, kind, at = case
        try:
            return holds_after(root, whole.data, truth, promises, *case)
        except Exception as error:      # noqa: BLE001 - shown at the end, with all others
            faults.append(f"{name}, {kind} at {at}: {type(error).__name__}: {error}")
            return "wrong"

    try:
        truth, promises = make(whole, rng, end == "killed")
        assert holds_after(root, whole.data, truth, promises, None, None, None) == "harmless"
        plan = [(file.relative_to(whole.data), kind, at)
                for file in sorted(f for f in whole.data.rglob("*") if f.is_file())
                for kind, at in damages(rng, file, positions)]
        cases = plan if full else rng.sample(plan, min(SAMPLE, len(plan)))
        with ThreadPoolExecutor(AT_ONCE) as pool:
            for (name, kind, _), outcome in zip(cases, pool.map(one, cases), strict=True):
                row = outcomes.setdefault((str(name), kind), {})
                row[outcome] = row.get(outcome, 0) + 1
        for (name, kind), row in sorted(outcomes.items()):
            print(f"{end} {name} {kind}: {row}")
        assert not faults, f"{len(faults)} of {len(cases)} are wrong:\n" + "\n".join(faults[:FAULTS_SHOWN])
    finally:
        whole.close()
        shutil.rmtree(root, ignore_errors=True)


def holds_after(root, whole, truth, promises, name, kind, at):
    """The outcome of one damage to a copy."""
    server = Diglot(data_dir=Path(tempfile.mkdtemp(prefix="copy-", dir=root)))
    try:
        shutil.copytree(whole, server.data)
        left = damage(server.data / name, kind, at) if name else None
        return judge(server, truth, promises, left)
    finally:
        server.close()
        shutil.rmtree(server.dir, ignore_errors=True)
