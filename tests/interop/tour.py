"""README's five-minute tour, run as it stands there against a fresh server; the data that it wrote at
one door reads back through the other."""
import os
import re
import subprocess

from lib import server as servers
from lib.clients import Confluent
from lib.kinesis import KINESIS, shard_id

README = servers.ROOT / "README.md"


def tour_script():
    section, = re.findall(r"^## Five-minute tour\n(.*?)^## ", README.read_text(), re.MULTILINE | re.DOTALL)
    blocks = re.findall(r"^```sh\n(.*?)^```", section, re.MULTILINE | re.DOTALL)
    assert len(blocks) >= 4, "the tour has lost its blocks"
    return "".join(blocks)


def test_the_tour(fresh_server, tmp_path):
    server = fresh_server
    # A Python that has boto3, as the tour asks.
    (tmp_path / "python3").write_text(f'#!/bin/sh\nexec "{servers.DEPS}/python/bin/python" "$@"\n')
    (tmp_path / "python3").chmod(0o755)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    done = subprocess.run(["bash", "-eu", "-o", "pipefail"], input=tour_script(), capture_output=True, text=True,
                          cwd=tmp_path, timeout=170,
                          env={**environment, "PATH": f"{tmp_path}:{os.environ['PATH']}", "KAFKA": server.kafka,
                               "KINESIS": f"http://{server.kinesis}"})
    assert done.returncode == 0, done.stdout + done.stderr
    written = {b"k1": b"hello", b"k2": b"world", b"boto0": b"from boto3 0", b"boto1": b"from boto3 1",
               b"boto2": b"from boto3 2", b"k3": b"after the split", b"k4": b"also after"}
    assert {r.key: r.value for r in Confluent().read(server, "orders", len(written))} == written
    boto3 = KINESIS[0]
    shards = boto3.shards(server, "orders")
    assert [s.get("ParentShardId") for s in shards] == [None, shard_id(0), shard_id(0)]
    parent = boto3.get(server, boto3.iterator(server, "orders", shard_id(0)), 100)
    assert [r["PartitionKey"] for r in parent] == ["k1", "k2", "boto0", "boto1", "boto2"]
    # What was printed on the way: the records of one door, read at the other.
    for shown in ("k1\taGVsbG8=", "k2\td29ybGQ=", ": boto2 = from boto3 2", ": k3 = after the split",
                  ": k4 = also after", "shardId-000000000001\tshardId-000000000000\t0"):
        assert shown in done.stdout, (shown, done.stdout)
