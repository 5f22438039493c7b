"""The Kafka rows that write, where an acknowledgement waits for the disk on both sides."""
import dataclasses

import kafka_rows
from lib import server as servers

KEYS = ("produce-1", "produce-10", "produce-100b", "produce-1k", "latency-4", "java-latency-4")


class DurableKafka(servers.ApacheKafka):
    def __init__(self):
        super().__init__({"log.flush.interval.messages": "1"})


class DurableDiglot(servers.Diglot):
    def __init__(self):
        super().__init__(["--durability", "power"])


ROWS = [dataclasses.replace(row, key=f"power-{row.key}", goal="") for row in kafka_rows.ROWS if row.key in KEYS]
SIDES = (DurableKafka, DurableDiglot)
DURABILITY = ("Apache Kafka 4.4.0 as above with `log.flush.interval.messages=1`. Diglot: `durability = power` (an "
              "acknowledged record survives a power cut).")
