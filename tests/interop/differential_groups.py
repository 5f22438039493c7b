"""The Java coordinator is the judge: random stories of classic groups run against Apache Kafka and
Diglot in step, and every answer is compared field by field.

Member ids differ, so each side keeps the real ones behind aliases; lists of members are compared as
sets. Left out is what Kafka leaves to the order of a hash table (who leads after a leader left more
than one member behind, ties of votes) and what depends on the clock (all time-outs are long)."""
import itertools
import os
import random
import re
import select
import struct
import time

import pytest
from lib import messages, wire
from lib import server as servers

CLIENTS = 6                             # the upper half is static
OPERATIONS = 150
QUIET_S, SLOW_QUIET_S, PATIENCE_S = 0.02, 0.5, 10.0
MEMBER_ID_REQUIRED, UNKNOWN_MEMBER_ID, FENCED_INSTANCE_ID = 79, 25, 82
NAMES = itertools.count(1)
WAITS = ("JoinGroup", "SyncGroup")
UNTOLD = re.compile(r"-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")     # a member id not known to its client yet
PROTOCOLS = [["range", "sticky"], ["range"], ["range", "roundrobin"], ["range", "sticky", "other"]]


class Connection(wire.Raw):
    """One request at a time, whose answer may come much later."""

    asked, correlation_id = None, 0

    def ask(self, name, version, fields):
        assert self.asked is None
        self.correlation_id += 1
        api = messages.APIS[name]
        head = struct.pack(">hhi", api.key, version, self.correlation_id) + wire.string("story")
        head += b"\0" if api.is_flexible(version) else b""
        body = messages.encode(name, version, fields)
        self.send(struct.pack(">i", len(head) + len(body)) + head + body)
        self.asked = name, version

    def answer(self):
        name, version = self.asked
        response = self.receive()
        assert struct.unpack_from(">i", response)[0] == self.correlation_id
        self.asked = None
        return messages.decode(name, version, response[5 if messages.APIS[name].is_flexible(version) else 4:])


class Side:
    """One of the two servers, as the story's clients see it."""

    def __init__(self, address):
        self.address = address
        self.connections, self.real, self.alias, self.counts = {}, {}, {}, {}
        self.answers = {}

    def connection(self, client):
        if client not in self.connections:
            self.connections[client] = Connection(self.address, timeout_s=60)
        return self.connections[client]

    def ask(self, client, name, version, fields):
        self.connection(client).ask(name, version, replaced(fields, self.real))

    def waiting(self):
        return {k for k, c in self.connections.items() if c.asked}

    def gather(self, timeout_s):
        """Whether an answer came within the time."""
        sockets = {c.socket: k for k, c in self.connections.items() if c.asked}
        ready = select.select(list(sockets), [], [], timeout_s)[0] if sockets else []
        for socket_ in ready:
            self.answers[sockets[socket_]] = self.connections[sockets[socket_]].answer()
        return bool(ready)

    def learn(self, client, answer):
        """A member id that the client is given: behind an alias from now on."""
        real = answer.get("member_id")
        if real and real not in self.alias:
            self.counts[client] = self.counts.get(client, 0) + 1
            alias = f"@{client}.{self.counts[client]}"
            self.alias[real], self.real[alias] = alias, real

    def close(self, client):
        self.connections.pop(client).socket.close()


def replaced(value, table):
    if isinstance(value, dict):
        return {k: replaced(v, table) for k, v in value.items()}
    if isinstance(value, list):
        return [replaced(v, table) for v in value]
    return table.get(value, UNTOLD.sub("-?", value)) if isinstance(value, str) else value


def normal(answer, side):
    answer = replaced(answer, side.alias)
    answer.pop("throttle_time_ms", None)
    for group in [answer, *(answer.get("groups") or [])]:
        if isinstance(group.get("members"), list):
            group["members"] = sorted(group["members"], key=lambda m: m["member_id"])
    return answer


class Story:
    def __init__(self, kafka, diglot, rng, topic, quiet_s):
        self.sides, self.quiet_s = [Side(kafka), Side(diglot)], quiet_s
        self.rng, self.topic, self.log = rng, topic, []
        self.new_group()

    def new_group(self):
        self.group = f"story-{os.getpid()}-{next(NAMES)}"
        self.ids = [""] * CLIENTS               # aliases, as far as the client knows
        self.generation = [-1] * CLIENTS
        self.lists = [[] for _ in range(CLIENTS)]       # what a leader was told
        self.next = ["join"] * CLIENTS          # what a client that behaves does next
        self.leader, self.behaves, self.asked = None, True, {}
        # Kafka describes what its log holds: a new group is "Dead" until its first assignment is written.
        self.written = False

    # ---- in step

    def ask(self, client, name, version, **fields):
        self.log.append(f"{client} {name} v{version} {fields}")
        for side in self.sides:
            side.ask(client, name, version, fields)
        return self.settle(client, name).get(client)

    def settle(self, client, name):
        """All answers of this step; both sides must have answered the same clients, with the same."""
        kafka, diglot = self.sides
        until = time.monotonic() + PATIENCE_S
        while True:
            came = [side.gather(self.quiet_s / 2) for side in self.sides]
            owed = client in kafka.waiting() and name not in WAITS
            if not owed and not any(came) and kafka.waiting() == diglot.waiting():
                break
            assert time.monotonic() < until, self.tell(
                f"waiting at Kafka {kafka.waiting()}, at Diglot {diglot.waiting()}")
        for side in self.sides:
            for client, answer in side.answers.items():
                side.learn(client, answer)
        got = [{k: normal(a, side) for k, a in side.answers.items()} for side in self.sides]
        for side in self.sides:
            side.answers = {}
        assert got[0] == got[1], self.tell(f"Kafka:  {got[0]}\nDiglot: {got[1]}")
        self.log += [f"    {k}: {a}" for k, a in got[0].items()]
        for client, answer in got[0].items():
            self.note(client, answer)
        return got[0]

    def tell(self, end):
        return "\n".join([*self.log[-60:], end])

    def note(self, client, answer):
        """What a client remembers of an answer."""
        if client == "admin":
            return
        error = answer.get("error_code")
        if "assignment" in answer and error == 0:
            self.written = True
            self.next[client] = "heartbeat"
        if error in (22, 25, 27, 82):
            self.next[client] = "join"
        if "skip_assignment" in answer:         # a join
            if answer["error_code"] in (0, MEMBER_ID_REQUIRED):
                self.ids[client] = answer["member_id"]
            if answer["error_code"] == 0:
                self.next[client] = "sync"
                self.generation[client] = answer["generation_id"]
                self.lists[client] = [m["member_id"] for m in answer["members"]]
                if answer["members"]:
                    self.leader = answer["member_id"]
        if error in (UNKNOWN_MEMBER_ID, FENCED_INSTANCE_ID):
            self.ids[client] = ""

    def members(self):
        """Who is in the group now, asked by nobody in particular."""
        answer = self.ask("admin", "DescribeGroups", 4, groups=[self.group])["groups"][0]
        return [m["member_id"] for m in answer["members"]]

    # ---- what clients do, rightly and wrongly

    def instance(self, client):
        return f"i{client}" if client >= CLIENTS // 2 else None

    def errs(self):
        return not self.behaves and self.rng.random() < 0.3

    def member_id(self, client):
        if not self.errs():
            return self.ids[client]
        return self.rng.choice(["", "", self.ids[self.rng.randrange(CLIENTS)], "nonsense"])

    def is_waited_for(self, member_id):
        """Whether a request for this member waits already: Kafka would never answer the first of two."""
        return member_id and member_id in {self.asked.get(k) for k in self.sides[0].waiting()}

    def join(self, client):
        static = self.instance(client)
        version = self.rng.randint(5, 9) if static else self.rng.choice([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9])
        member_id = self.member_id(client)
        if self.is_waited_for(member_id):
            return
        self.asked[client] = member_id
        names = ["alien"] if self.errs() else self.rng.choice(PROTOCOLS)
        metadata = self.rng.choice([b"m1", b"m1", b"m1", b"m2"])
        fields = {"group_id": self.group, "session_timeout_ms": 600_000, "member_id": member_id,
                  "protocol_type": "connect" if self.errs() else "consumer",
                  "protocols": [{"name": n, "metadata": metadata} for n in names]}
        if version >= 1:
            fields["rebalance_timeout_ms"] = 600_000
        if static:
            fields["group_instance_id"] = static
        before = static and not member_id and self.written and self.leader
        answer = self.ask(client, "JoinGroup", version, **fields)
        # A leader that came back under a new id is told the old one's up to version 8.
        if before and answer and answer["error_code"] == 0 and answer["leader"] == before:
            known = self.members()
            if self.leader not in known:
                self.leader = answer["member_id"]

    def sync(self, client):
        version = self.rng.randint(0, 5)
        member_id = self.member_id(client)
        if self.is_waited_for(member_id):
            return
        self.asked[client] = member_id
        fields = {"group_id": self.group, "member_id": member_id, "generation_id": self.a_generation(client),
                  "assignments": [{"member_id": m, "assignment": b"for " + m.encode()}
                                  for m in self.lists[client] if not self.errs()]}
        if version >= 3 and self.rng.random() < 0.7:
            fields["group_instance_id"] = self.instance(client)
        if version >= 5:
            fields["protocol_type"] = self.rng.choice(["connect", None]) if self.errs() else "consumer"
            fields["protocol_name"] = self.rng.choice(["sticky", None]) if self.errs() else "range"
        self.ask(client, "SyncGroup", version, **fields)

    def a_generation(self, client):
        return self.generation[client] + (self.rng.choice([-1, 1]) if self.errs() else 0)

    def heartbeat(self, client):
        version = self.rng.randint(0, 4)
        fields = {"group_id": self.group, "member_id": self.member_id(client),
                  "generation_id": self.a_generation(client)}
        if version >= 3 and self.rng.random() < 0.7:
            fields["group_instance_id"] = self.instance(client)
        self.ask(client, "Heartbeat", version, **fields)

    def leave(self, client):
        version = self.rng.randint(0, 5)
        member_id = self.member_id(client)
        members = self.members() if self.written else None
        if members is None or (self.leader in members and len(members) > 2):
            return              # whoever leads next is up to a hash table
        if version <= 2:
            self.ask(client, "LeaveGroup", version, group_id=self.group, member_id=member_id)
            return
        one = {"member_id": member_id, "group_instance_id": self.rng.choice([None, self.instance(client)])}
        two = {"member_id": "", "group_instance_id": self.rng.choice(["i4", "nobody"])}
        self.ask(client, "LeaveGroup", version, group_id=self.group,
                 members=self.rng.choice([[one], [one, two]]))

    def go_away(self, client):
        """The connection breaks, perhaps while a request waits."""
        self.log.append(f"{client} goes away")
        for side in self.sides:
            if client in side.connections:
                side.close(client)

    def commit(self, client):
        version = self.rng.randint(2, 9)
        generation, member_id = self.rng.choice([
            (self.a_generation(client), self.member_id(client)), (-1, ""), (-1, self.ids[client])])
        partitions = [{"partition_index": self.rng.choice([0, 1, 7]), "committed_offset": self.rng.randrange(100),
                       "committed_metadata": self.rng.choice(["note", "", None, "x" * 4097])}]
        fields = {"group_id": self.group, "generation_id_or_member_epoch": generation, "member_id": member_id,
                  "topics": [{"name": self.rng.choice([self.topic] * 5 + ["missing"]), "partitions": partitions}]}
        if version >= 7:
            fields["group_instance_id"] = self.rng.choice([None, self.instance(client)])
        self.ask(client, "OffsetCommit", version, **fields)

    def fetch(self, client):
        self.ask(client, "OffsetFetch", self.rng.randint(1, 7), group_id=self.group, topics=[
            {"name": self.topic, "partition_indexes": [0, 1, 7]}, {"name": "missing", "partition_indexes": [0]}])

    def delete_offset(self, client):
        self.ask(client, "OffsetDelete", 0, group_id=self.group, topics=[
            {"name": self.topic, "partitions": [{"partition_index": self.rng.choice([0, 1, 7])}]}])

    def delete(self, client):
        answer = self.ask(client, "DeleteGroups", self.rng.randint(0, 3), groups_names=[self.group])
        if answer["results"][0]["error_code"] == 0:
            for waiting in self.sides[0].waiting():
                self.go_away(waiting)
            self.new_group()

    def describe(self, client):
        if self.written:
            self.ask(client, "DescribeGroups", self.rng.randint(0, 6), groups=[self.group])

    def run(self):
        acts = ([self.join] * 4 + [self.sync] * 4 + [self.heartbeat] * 2 + [self.leave] * 2 + [self.commit] * 4
                + [self.fetch, self.delete_offset, self.delete, self.describe, self.describe, self.go_away])
        for _ in range(OPERATIONS):
            client = self.rng.randrange(CLIENTS)
            self.behaves = self.rng.random() < 0.8
            act = getattr(self, self.next[client]) if self.behaves else self.rng.choice(acts)
            if act == self.go_away or client not in self.sides[0].waiting():
                act(client)
        self.close()

    def close(self):
        for side in self.sides:
            for client in list(side.connections):
                side.close(client)


@pytest.fixture(scope="module")
def both():
    """Both servers, with one topic of two partitions, and their group coordinators up."""
    topic = f"story-topic-{os.getpid()}"
    with servers.ApacheKafka(heap="512M") as kafka, servers.Diglot() as diglot:
        for server in (kafka, diglot):
            with messages.Caller(server.kafka) as caller:
                made = caller.call("CreateTopics", 5, timeout_ms=10000, topics=[
                    {"name": topic, "num_partitions": 2, "replication_factor": 1}])["topics"][0]
                assert made["error_code"] == 0, made
                until = time.monotonic() + 60
                while caller.call("FindCoordinator", 0, key="story")["error_code"] != 0 or \
                        caller.call("Heartbeat", 0, group_id="story", generation_id=0,
                                    member_id="")["error_code"] != UNKNOWN_MEMBER_ID:
                    assert time.monotonic() < until, server.output()
                    time.sleep(0.1)
        yield kafka.kafka, diglot.kafka, topic


@pytest.mark.parametrize("n", range(8))
def test_both_coordinators_tell_the_same_story(both, rng, n):
    """A request that waits gives no sign of having arrived, so on a busy machine the next one may
    overtake it at one of the servers: what differs has to differ again when it is told slowly."""
    kafka, diglot, topic = both
    seed = rng.random()
    story = Story(kafka, diglot, random.Random(seed), topic, QUIET_S)
    try:
        story.run()
    except AssertionError as first:
        print(f"told again, slowly, because of:\n{first}")
        story.close()
        Story(kafka, diglot, random.Random(seed), topic, SLOW_QUIET_S).run()
