"""The message language of protocol/schema/kafka/*.msg and its model.

A file describes one API:

    # One sentence on what the API does.
    api Heartbeat 12   versions 0-4   flexible 4+

    request
      group_id           group_id
      members            []member     3+  = null ignorable
        member_id        string
    response
      error_code         err              UNKNOWN_MEMBER_ID ILLEGAL_GENERATION
      assignment         assignment?  4+  tag 0

    struct partitions                     a struct that several fields use

A field is: name, type, versions (all when left out), then any of: `= default`, `tag N`, `ignorable`
(an encoder drops a value that its version cannot carry; without it that is a bug of the caller) and
the Kafka errors that it may carry, on as many lines as they need. Field order is wire order. `?` behind
a type means nullable, with versions behind it (`string?2+`) when it is not so in all. An element type
is named by the field that has deeper lines below it, and may be used again by its bare name inside the
same message when it stands in a `struct` section. Domain types stand for the base types below.
"""
import re
from dataclasses import dataclass, field

PRIMITIVES = {"bool", "int8", "int16", "uint16", "int32", "int64", "float64",
              "string", "bytes", "records", "uuid"}
DOMAIN = {"err": "int16", "topic_name": "string", "group_id": "string",
          "transactional_id": "string", "broker_id": "int32", "producer_id": "int64"}
LIMITS = {"INT32_MAX": 2**31 - 1, "INT32_MIN": -2**31, "INT64_MAX": 2**63 - 1, "INT64_MIN": -2**63}
C_KEYWORDS = {"auto", "break", "case", "char", "const", "default", "do", "double", "else", "enum",
              "extern", "float", "for", "if", "int", "long", "register", "return", "short",
              "signed", "sizeof", "static", "struct", "switch", "union", "unsigned", "void", "while"}


class SchemaError(Exception):
    """A .msg file that breaks the language; the text starts with file:line."""


@dataclass
class Field:
    name: str
    domain: str                      # the type as written, without [] and ?
    base: str                        # a primitive, or "" for a struct
    struct: "Struct | None"
    array: bool
    versions: tuple[int, int]
    nullable: "tuple[int, int] | None"
    default: object                  # None stands for null; otherwise a value of the base type
    tag: "int | None"
    ignorable: bool
    errors: list[str] = field(default_factory=list)

    def in_version(self, v):
        return self.versions[0] <= v <= self.versions[1]

    def nullable_in(self, v):
        return self.nullable is not None and self.nullable[0] <= v <= self.nullable[1]


@dataclass
class Struct:
    name: str                        # as written; the message's own name for its root
    c_name: str
    versions: tuple[int, int]
    fields: list[Field] = field(default_factory=list)


@dataclass
class Message:
    direction: str                   # "request" or "response"
    root: Struct
    structs: list[Struct]            # every struct after those it contains; the root last


@dataclass
class Api:
    name: str
    snake: str
    key: int
    versions: tuple[int, int]
    flexible: "int | None"           # first flexible version
    about: str
    request: Message
    response: Message

    def is_flexible(self, v):
        return self.flexible is not None and v >= self.flexible


def snake(camel):
    """Kafka's field and API names in this project's spelling."""
    text = re.sub(r"([A-Z]+)([A-Z][a-z])", r"\1_\2", camel)
    return re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", text).lower()


def parse_range(text, within):
    match = re.fullmatch(r"(\d+)(?:(\+)|-(\d+))?", text)
    if not match:
        raise ValueError(f"not a version range: {text}")
    first = int(match[1])
    last = within[1] if match[2] else int(match[3]) if match[3] else first
    if not within[0] <= first <= last <= within[1]:
        raise ValueError(f"versions {text} reach beyond {within[0]}-{within[1]}")
    return first, last


def parse_default(text, f):
    if text == "null":
        return None
    if f.array or not f.base or f.base in ("bytes", "records", "uuid"):
        raise ValueError(f"{f.name} can only have the default null")
    if f.base == "bool":
        if text not in ("true", "false"):
            raise ValueError(f"not a bool: {text}")
        return text == "true"
    if f.base == "string":
        return text.strip('"')
    if f.base == "float64":
        return float(text)
    return LIMITS[text] if text in LIMITS else int(text, 0)


def implied_default(f):
    if f.array:
        return ()
    return {"": {}, "bool": False, "string": "", "bytes": b"", "records": b"", "uuid": 0}.get(f.base, 0)


class Parser:
    def __init__(self, path, text):
        self.path, self.number = path, 0
        self.lines = []
        self.about = ""
        for number, line in enumerate(text.split("\n"), 1):
            body, _, comment = line.partition("#")
            if not body.strip():
                if comment and not self.lines:
                    self.about = (self.about + " " + comment.strip()).strip()
                continue
            if self.lines and re.fullmatch(r"[A-Z_\s]+", body):     # more errors of the field above
                self.lines[-1][2].extend(body.split())
                continue
            self.lines.append((number, len(body) - len(body.lstrip()), body.split()))

    def parse(self):
        try:
            return self.api()
        except ValueError as bad:
            raise SchemaError(f"{self.path}:{self.number}: {bad}") from bad
        except IndexError:
            raise SchemaError(f"{self.path}:{self.number}: the line ends too early") from None

    def next(self):
        self.number, indent, words = self.lines.pop(0)
        return indent, words

    def api(self):
        _, words = self.next()
        match = re.fullmatch(r"api (\w+) (\d+) versions (\d+(?:-\d+)?) flexible (none|\d+\+)", " ".join(words))
        if not match:
            raise ValueError("expected: api Name key versions A-B flexible C+")
        self.name = match[1]
        self.versions = parse_range(match[3], (0, 999))
        flexible = None if match[4] == "none" else int(match[4][:-1])
        sections = {"request": [], "response": []}
        shared = {"request": [], "response": []}
        direction = None
        while self.lines:
            _, words = self.next()
            if words in (["request"], ["response"]):
                direction = words[0]
                sections[direction] = self.block(2)
            elif len(words) == 2 and words[0] == "struct" and direction:
                shared[direction].append((words[1], self.block(2)))
            else:
                raise ValueError(f"expected request, response or struct: {' '.join(words)}")
        messages = {d: self.message(d, sections[d], shared[d]) for d in sections}
        return Api(self.name, snake(self.name), int(match[2]), self.versions, flexible, self.about,
                   messages["request"], messages["response"])

    def block(self, indent):
        """The lines below: [(number, words, [lines below it])], two blanks deeper a level."""
        lines = []
        while self.lines and self.lines[0][1] >= indent:
            found, words = self.next()
            if found != indent:
                raise ValueError(f"indented by {found}, expected {indent}")
            lines.append((self.number, words, self.block(indent + 2)))
        return lines

    def message(self, direction, lines, shared):
        prefix = f"{snake(self.name)}_{direction}"
        self.prefix, self.known, self.done = prefix, {}, []
        for name, _ in shared:
            self.known[name] = Struct(name, f"{prefix}_{name}", self.versions)
        for name, below in shared:
            self.fields(self.known[name], below)
        root = Struct(prefix, prefix, self.versions)
        self.fields(root, lines)
        return Message(direction, root, self.in_order(root))

    def in_order(self, root):
        order, visiting = [], set()

        def visit(s):
            if s.c_name in visiting:
                raise ValueError(f"{s.name} contains itself")
            if s in order:
                return
            visiting.add(s.c_name)
            for f in s.fields:
                if f.struct:
                    visit(f.struct)
            visiting.remove(s.c_name)
            order.append(s)
        visit(root)
        return order

    def fields(self, struct, lines):
        names, tags = set(), set()
        for number, words, below in lines:
            self.number = number
            f = self.field(struct, words, below)
            for name in [f.name] + [f.name + "_count"] * f.array:
                if name in names or name in C_KEYWORDS:
                    raise ValueError(f"the name {name} is taken")
                names.add(name)
            if f.tag is not None and (f.tag in tags or f.tag != len(tags)):
                raise ValueError("tags count up from 0")
            tags |= set() if f.tag is None else {f.tag}
            struct.fields.append(f)

    def field(self, struct, words, below):
        name, words = words[0], words[1:]
        match = re.fullmatch(r"(\[\])?(\w+)(?:(\?)([\d+-]+)?)?", words.pop(0))
        if not match or not re.fullmatch(r"[a-z]\w*", name):
            raise ValueError(f"not a field: {name}")
        versions = struct.versions
        if words and re.fullmatch(r"[\d+-]+", words[0]):
            versions = parse_range(words.pop(0), struct.versions)
        nullable = None
        if match[3]:
            nullable = parse_range(match[4], versions) if match[4] else versions
        domain = match[2]
        base = DOMAIN.get(domain, domain)
        nested = None
        if base not in PRIMITIVES:
            base, nested = "", self.nested(domain, versions, below)
        elif below:
            raise ValueError(f"{domain} has no fields")
        f = Field(name, domain, base, nested, bool(match[1]), versions, nullable, None, None, False)
        f.default = implied_default(f)
        self.attributes(f, words)
        return f

    def nested(self, name, versions, below):
        if not below:
            if name not in self.known:
                raise ValueError(f"no type or struct is called {name}")
            return self.known[name]
        if name in self.known:
            raise ValueError(f"there are two structs {name}")
        struct = self.known[name] = Struct(name, f"{self.prefix}_{name}", versions)
        self.fields(struct, below)
        return struct

    def attributes(self, f, words):
        while words:
            word = words.pop(0)
            if word == "=":
                f.default = parse_default(words.pop(0), f)
            elif word == "tag":
                f.tag = int(words.pop(0))
            elif word == "ignorable":
                f.ignorable = True
            elif f.domain == "err" and re.fullmatch(r"[A-Z_]+", word):
                f.errors.append(word)
            else:
                raise ValueError(f"unknown word: {word}")
        if f.default is None and f.nullable is None:
            raise ValueError(f"{f.name} is not nullable and cannot have the default null")
        if f.struct and not f.array and f.nullable and (f.default is not None or f.tag is not None):
            raise ValueError("a nullable struct has the default null and no tag")


def load(path):
    with open(path, encoding="utf-8") as file:
        return Parser(path, file.read()).parse()
