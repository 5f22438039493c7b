"""The five-minute tour of README.md, run as it stands there."""
import re
import subprocess

from lib import server as servers


def steps():
    """The tour's commands, one block each."""
    text = (servers.ROOT / "README.md").read_text()
    tour = re.search(r"^## Five-minute tour$(.*?)^## ", text, re.M | re.S)[1]
    return re.findall(r"^```sh\n(.*?)^```$", tour, re.M | re.S)


def test_the_tour_reads_back_its_own_data(fresh_server):
    blocks = steps()
    assert len(blocks) == 4, "the tour has other steps now: adapt what is expected below"
    # One shell for all, as a reader would type them; a line of its own ends each block's output.
    script = "set -e\n" + "".join(f"{block}\necho ===\n" for block in blocks)
    # In a proxy-free, certificate-free environment; boto3 is the tests' own, the AWS CLI is Debian's.
    environment = {"PATH": f"{servers.DEPS}/python/bin:/usr/bin:/bin", "HOME": str(fresh_server.dir),
                   "KAFKA": fresh_server.kafka, "KINESIS": f"http://{fresh_server.kinesis}", "LC_ALL": "C.UTF-8"}
    done = subprocess.run(["bash", "-c", script], env=environment, capture_output=True, text=True, timeout=120,
                          cwd=fresh_server.dir)
    assert done.returncode == 0, done.stdout + done.stderr
    _, first, second, third, _ = done.stdout.split("===\n")
    assert [line.split("\t") for line in first.splitlines()] == [["k1", "aGVsbG8="], ["k2", "d29ybGQ="]]
    for i in range(3):
        assert re.search(rf"shardId-000000000000 \d{{56}}\n", second)
        assert f"partition 0 offset {2 + i}: boto{i} = from boto3 {i}\n" in second
    assert {line.split("\t")[0] for line in third.splitlines() if line.startswith("shardId-0")} >= \
        {f"shardId-{i:012d}" for i in range(3)}
    for key, value in (("k3", "after the split"), ("k4", "also after"), ("boto2", "from boto3 2")):
        assert re.search(rf"^partition [01] offset \d+: {key} = {value}$", third, re.M), third
