"""Random hostile requests for hostile.py: shapes drawn from the schemas by the fuzzers (tests/fuzz/wire_kafka.py,
wire_kinesis.py), counts and lengths at their limits, 10,000 in a row; and, of each Kafka API, the widest request."""
import random
import time

import wire_kafka
import wire_kinesis
from hostile_inputs import Line, attack, make_stream, make_topic
from lib import messages

COUNT, LIMITS, CAP_S = 10_000, 0.1, 900
TOPICS = [f"r{i}" for i in range(8)]
CONNECTIONS = 4
WIDE = 30_000                               # elements of each list of a widest request


def world(server):
    for name in TOPICS[:4]:
        make_topic(server, name, 3)
    for name in TOPICS[4:]:
        make_stream(server, name, 2)


def in_turn(lines, draw, ask, state):
    """10,000 requests however long they take, then until the time is over. What may wait is not waited for."""
    done = [0, 0]
    state["cap_s"] = CAP_S
    state["note"] = lambda: f"{done[0]} requests, {done[1]} answered"

    def run(until):
        while time.monotonic() < until or done[0] < COUNT and not state.get("quick"):
            asked = []
            for line in lines:
                made = draw()
                done[0] += 1
                if line.send(made.data):
                    asked.append((line, made))
            for line, made in asked:
                answered = not getattr(made, "silent", False) and ask(line, 0.05 if made.waits or made.doubtful else 20)
                done[1] += bool(answered)
                if not answered or getattr(made, "cut", False):
                    line.close()
        return sum(line.sent for line in lines)
    return run


@attack("10,000 random requests at the Kafka door, a tenth with counts and lengths at their limits")
def random_kafka(server, state):
    world(server)
    shapes = wire_kafka.Shapes(random.Random(state["seed"]), wire_kafka.World(TOPICS), limits=LIMITS)
    return in_turn([Line(server.kafka) for _ in range(CONNECTIONS)], shapes.next, Line.answer, state)


@attack("10,000 random requests at the Kinesis door, a tenth with counts and lengths at their limits")
def random_kinesis(server, state):
    world(server)
    shapes = wire_kinesis.Shapes(random.Random(state["seed"]), wire_kinesis.World(TOPICS), limits=LIMITS)
    return in_turn([Line(server.kinesis) for _ in range(CONNECTIONS)], shapes.next, Line.http, state)


# ---- The widest request of each API

def widest(api, struct_, version, equal, number=0):
    """Each list that holds no other list has WIDE elements, all different or all equal; the others have one."""
    made = {}
    for f in struct_.fields:
        if not f.in_version(version) or f.tag is not None:
            continue
        if f.array:
            inner = f.struct and any(g.array for g in f.struct.fields if g.in_version(version) and g.tag is None)
            count = 1 if inner else WIDE
            made[f.name] = [one(api, f, version, equal, 0 if equal else i) for i in range(count)]
        else:
            made[f.name] = one(api, f, version, equal, number)
    return made


def one(api, f, version, equal, number):
    if f.struct:
        return widest(api, f.struct, version, equal, number)
    if f.base == "string":
        return TOPICS[0] if "topic" in f.domain and not number else f"n{number}"
    if f.base in ("bytes", "records"):
        return b""
    if f.base == "uuid":
        return number.to_bytes(16, "big")
    if f.base in ("int32", "int64"):
        return 0 if f.name.endswith("_ms") else number
    if f.name == "resource_type":
        return 2
    return False if f.base == "bool" else f.default or 0


def register():
    for name, api in sorted(messages.APIS.items()):
        versions = [v for served, v in messages.served() if served == name]
        # Topics by name, which exist, where a later version has ids.
        named = [v for v in versions if not any(f.base == "uuid" and f.tag is None and f.in_version(v)
                                                for s in api.request.structs for f in s.fields)]
        if any(f.array for s in api.request.structs for f in s.fields):
            for equal in (False, True):
                attack(f"{name} with {WIDE:,} {'equal' if equal else 'different'} elements in each list")(
                    _wide(name, (named or versions)[-1], equal))


def _wide(name, version, equal):
    def function(server, state):
        from hostile_inputs import again, request
        world(server)
        api = messages.APIS[name]
        blob = request(name, version, **widest(api, api.request.root, version, equal))
        return again([(Line(server.kafka), blob)])
    function.__name__ = f"wide_{messages.APIS[name].snake}_{'equal' if equal else 'different'}"
    return function


register()
