"""kill -9 at seeded random moments, under load; every promise is checked after every restart.

DIGLOT_CRASHES names another number of crashes, DIGLOT_SEED replays one row of them (the moments and
the records; the threads of server and clients still run as they like).
"""
import os
import time

import pytest
from kafka_load import KafkaLoad
from kinesis_load import KinesisLoad
from lib import server as servers

LOADS = {"kafka": lambda rng: [KafkaLoad(rng)], "kinesis": lambda rng: [KinesisLoad(rng)]}


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("load", LOADS)
@pytest.mark.parametrize("durability", ["process", "power"])
def test_kill_9(request, rng, load, durability):
    full = request.config.getoption("--full")
    crashes = int(os.environ.get("DIGLOT_CRASHES", 1000 if full else 50))
    if durability == "power":
        crashes = max(1, crashes // 10)         # the same code but for one sync
    loads = LOADS[load](rng)
    with servers.Diglot(["--durability", durability, "--limits", "off"]) as server:
        for each in loads:
            each.open(server)
        for crash in range(crashes):
            for each in loads:
                each.start(server)
            # Most crashes come early, when everything is under way at once.
            time.sleep(rng.uniform(0.01, 0.25) if crash % 4 else rng.uniform(0.2, 1.2))
            server.kill()
            for each in loads:
                each.stop()
            if crash % 5 == 4:
                expect_clean(server)
            server.start()
            for each in loads:
                each.verify(server)
        for each in loads:
            each.verify_all(server)
            print(f"{each.name}, {crashes} crashes: {each.summary()}")
        server.stop()
        expect_clean(server)


def expect_clean(server):
    status, output = server.check()
    assert status == 0, output[-4000:]
