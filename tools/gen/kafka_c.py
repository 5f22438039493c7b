"""C for the messages of one API: structs, decoder and encoder of a direction.

The emitted code is plain: one static function a struct and direction that reads or writes the
fields in wire order, with the version tests inlined. What every message needs (tagged fields,
null strings, records by reference) is in protocol/kafka/wire.h.
"""
from kafka_dsl import LIMITS

SCALARS = {"bool": ("bool", "bool"), "int8": ("int8_t", "i8"), "int16": ("int16_t", "i16"),
           "uint16": ("uint16_t", "u16"), "int32": ("int32_t", "i32"), "int64": ("int64_t", "i64"),
           "float64": ("double", "f64")}
SIZES = {"bool": 1, "int8": 1, "int16": 2, "uint16": 2, "int32": 4, "int64": 8, "float64": 8, "uuid": 16}
LIMIT_NAMES = {value: name for name, value in LIMITS.items()}


def c_type(f, direction):
    if f.struct:
        return f"struct {f.struct.c_name}"
    if f.base in SCALARS:
        return SCALARS[f.base][0]
    if f.base == "uuid":
        return "struct uuid"
    return "struct records" if f.base == "records" and direction == "response" else "struct bytes"


def is_pointer(f):
    """A nullable struct is a pointer, null when absent."""
    return f.struct is not None and not f.array and f.nullable is not None


def condition(versions, within):
    """C that tests v against versions, knowing that it lies within; "" when it always holds."""
    parts = []
    if versions[0] > within[0]:
        parts.append(f"v >= {versions[0]}")
    if versions[1] < within[1]:
        parts.append(f"v <= {versions[1]}")
    if len(parts) == 2 and versions[0] == versions[1]:
        return f"v == {versions[0]}"
    return " && ".join(parts)


def bytes_min(api, struct, versions):
    """The smallest encoding of a struct in any of the versions."""
    return max(1, min(struct_bytes(api, struct, v) for v in range(versions[0], versions[1] + 1)))


def struct_bytes(api, struct, v):
    flexible = api.is_flexible(v)
    return int(flexible) + sum(field_bytes(api, f, v) for f in struct.fields
                               if f.in_version(v) and f.tag is None)


def field_bytes(api, f, v):
    flexible = api.is_flexible(v)
    if f.array:
        return 1 if flexible else 4
    if f.struct:
        return 1 if f.nullable_in(v) else struct_bytes(api, f.struct, v)
    if f.base in SIZES:
        return SIZES[f.base]
    return 1 if flexible else 2 if f.base == "string" else 4


def element_bytes(api, f, versions):
    if f.struct:
        return bytes_min(api, f.struct, versions)
    if f.base in SIZES:
        return SIZES[f.base]
    return 1 if api.is_flexible(versions[1]) else 2


def number(value):
    return LIMIT_NAMES.get(value, str(value))


def initialiser(f):
    """The designated initialiser of a field's default, "" when zero bytes are it."""
    if f.array:
        return f".{f.name}_count = -1" if f.default is None else ""
    if f.struct:
        return "" if is_pointer(f) or not init_parts(f.struct) else f".{f.name} = {f.struct.c_name.upper()}_INIT"
    if f.base == "string" and f.default is not None or f.base == "bytes" and f.default == b"":
        text = f.default if isinstance(f.default, str) else ""
        return f'.{f.name} = BYTES_LIT("{text}")'
    if f.base in SCALARS and f.default:
        return f".{f.name} = {str(f.default).lower() if f.base == 'bool' else number(f.default)}"
    return ""


def init_parts(struct):
    return [part for part in map(initialiser, struct.fields) if part]


def is_set(f, value):
    """C that is true when the field is not its default."""
    if f.array:
        return f"{value}_count {'>= 0' if f.default is None else '!= 0'}"
    if is_pointer(f):
        return f"{value} != NULL"
    if f.struct:
        return f"!{f.struct.c_name}_is_default(&{value})"
    if f.base == "uuid":
        return f"!uuid_is_zero(&{value})"
    if f.base == "records":
        raise ValueError(f"{f.name}: records are neither tagged nor missing in a version")
    if f.base in ("string", "bytes"):
        if f.default is None:
            return f"!bytes_is_null({value})"
        if f.default:
            return f'!bytes_equal_str({value}, "{f.default}")'
        return f"{value}.len != 0" if f.nullable is None else f"(bytes_is_null({value}) || {value}.len != 0)"
    if f.base == "bool":
        return f"!{value}" if f.default else value
    return f"{value} != {number(f.default)}"


class Emitter:
    """One direction of one API: reads or writes its structs."""

    def __init__(self, api, message):
        self.api, self.message, self.direction = api, message, message.direction
        self.out = []

    def line(self, depth, text):
        self.out.append("    " * depth + text)

    # -- header ---------------------------------------------------------------

    def structs(self):
        for s in self.message.structs:
            self.line(0, f"struct {s.c_name} {{")
            for f in s.fields:
                star = "*" if f.array or is_pointer(f) else ""
                if f.array:
                    self.line(1, f"int32_t {f.name}_count;{'    /* -1 is null */' if f.nullable else ''}")
                self.line(1, f"{c_type(f, self.direction)} {star}{f.name};{self.note(f, s)}")
            self.line(0, "};")
            self.line(0, f"#define {s.c_name.upper()}_INIT ((struct {s.c_name}){{{', '.join(init_parts(s))}}})")
            self.line(0, "")

    def note(self, f, struct):
        notes = []
        if f.versions != struct.versions:
            first, last = f.versions
            span = f"{first}" if first == last else f"{first}-{last}"
            notes.append(f"{first}+" if last == struct.versions[1] else span)
        if f.nullable and not f.array:
            notes.append("may be null")
        return f"    /* {', '.join(notes)} */" if notes else ""

    # -- what both directions share ---------------------------------------------

    def flexible(self, versions):
        """C for "is v flexible", given that v lies in versions."""
        first = self.api.flexible
        if first is None or versions[1] < first:
            return "false"
        return "true" if versions[0] >= first else "flexible"

    def prologue(self, struct):
        """Declares `flexible` where the body asks for it."""
        body, self.out = self.out, []
        if any("flexible" in text for text in body):
            self.line(1, f"bool flexible = v >= {self.api.flexible};")
        if not any(token in text for text in body for token in ("v >", "v <", "v ==", "v,")) and not self.out:
            self.line(1, "(void)v;")
        return self.out + body

    def guarded(self, depth, cond, lines):
        """lines under an if when cond is not empty; braces only where C needs them."""
        if not cond:
            for text in lines:
                self.line(depth, text)
        elif len(lines) == 1:
            self.line(depth, f"if ({cond}) {lines[0]}")
        else:
            self.line(depth, f"if ({cond}) {{")
            for text in lines:
                self.line(depth + 1, text)
            self.line(depth, "}")

    def function(self, signature, struct, body):
        outer, self.out = self.out, []
        body()
        inner, self.out = self.prologue(struct), outer
        self.line(0, f"static void {signature}")
        self.line(0, "{")
        self.out += inner
        self.line(0, "}")
        self.line(0, "")

    def choose(self, f, within, yes, no):
        """yes where the field is nullable, no where not."""
        if f.nullable is None:
            return no
        cond = condition(f.nullable, within)
        return f"{cond} ? {yes} : {no}" if cond else yes

    # -- reading ------------------------------------------------------------------

    def readers(self):
        for s in self.message.structs:
            self.function(f"{s.c_name}_read(struct cursor *c, int16_t v, struct {s.c_name} *m)", s,
                          lambda s=s: self.read_struct(s))
        root = self.message.root
        self.line(0, f"enum err {root.c_name}_decode(struct cursor *c, int16_t version, struct {root.c_name} *ret)")
        self.line(0, "{")
        self.assert_version()
        self.line(1, f"struct {root.c_name} m;")
        self.line(1, f"{root.c_name}_read(c, version, &m);")
        self.line(1, "if (cursor_finish(c) == ERR_OK) *ret = m;")
        self.line(1, "return c->err;")
        self.line(0, "}")

    def assert_version(self):
        first, last = self.api.versions
        self.line(1, f"assert(version >= {first} && version <= {last});")

    def read_struct(self, s):
        self.line(1, f"*m = {s.c_name.upper()}_INIT;")
        for f in s.fields:
            if f.tag is None:
                self.guarded(1, condition(f.versions, s.versions), self.read_field(f))
        tagged = [f for f in s.fields if f.tag is not None]
        flexible = self.flexible(s.versions)
        if flexible == "false":
            return
        if not tagged:
            self.guarded(1, "" if flexible == "true" else flexible, ["cursor_skip_tags(c);"])
            return
        lines = ["for (struct wire_tag t = wire_tags(c); wire_tag_next(c, &t);) {"]
        for i, f in enumerate(tagged):
            cond = condition(f.versions, s.versions)
            test = f"t.tag == {f.tag}" + (f" && {cond}" if cond else "")
            lines.append(f"    {'} else ' if i else ''}if ({test}) {{")
            lines += ["        " + text for text in self.read_field(f)]
        lines += ["    } else {", "        cursor_skip(c, t.size);", "    }", "}"]
        self.guarded(1, "" if flexible == "true" else flexible, lines)

    def read_field(self, f):
        flexible, name = self.flexible(f.versions), f"m->{f.name}"
        if f.array:
            least = element_bytes(self.api, f, f.versions)
            args = f"(c, {flexible}, {least})"
            count = self.choose(f, f.versions, f"cursor_count_or_null{args}", f"cursor_count{args}")
            return [f"{name}_count = {count};",
                    f"{name} = cursor_array(c, {name}_count, sizeof *{name});",
                    f"for (int32_t i = 0; {name} != NULL && i < {name}_count; i++) "
                    f"{self.read_value(f, f'{name}[i]', True)}"]
        if is_pointer(f):
            present = self.choose(f, f.versions, "wire_present(c)", "true")
            return [f"if ({present}) {name} = cursor_array(c, 1, sizeof *{name});",
                    f"if ({name} != NULL) {f.struct.c_name}_read(c, v, {name});"]
        return [self.read_value(f, name, False)]

    def read_value(self, f, to, element):
        if f.struct:
            return f"{f.struct.c_name}_read(c, v, &{to});"
        if f.base in SCALARS:
            return f"{to} = cursor_{SCALARS[f.base][1]}(c);"
        if f.base == "uuid":
            return f"{to} = wire_uuid(c);"
        flexible = self.flexible(f.versions)
        if f.base == "records" and self.direction == "response":
            return f"{to} = wire_records(c, {flexible});"
        kind = "string" if f.base == "string" else "bytes"
        plain = f"cursor_{kind}(c, {flexible})"
        if element:
            return f"{to} = {plain};"
        return f"{to} = {self.choose(f, f.versions, f'cursor_{kind}_or_null(c, {flexible})', plain)};"

    # -- writing ------------------------------------------------------------------

    def writers(self):
        for s in self.defaults_needed():
            self.line(0, f"static bool {s.c_name}_is_default(const struct {s.c_name} *m)")
            self.line(0, "{")
            self.line(1, f"return !({' || '.join(is_set(f, f'm->{f.name}') for f in s.fields)});")
            self.line(0, "}")
            self.line(0, "")
        for s in self.message.structs:
            self.function(f"{s.c_name}_write(struct writer *w, int16_t v, const struct {s.c_name} *m)", s,
                          lambda s=s: self.write_struct(s))
        root = self.message.root
        answers = self.direction == "response"
        if answers:
            self.counters()
        more = ", struct wire_errors *errors" if answers else ""
        self.line(0, f"void {root.c_name}_encode(struct writer *w, int16_t version, "
                     f"const struct {root.c_name} *m{more})")
        self.line(0, "{")
        self.assert_version()
        self.line(1, f"{root.c_name}_write(w, version, m);")
        if answers:
            self.line(1, f"if (errors != NULL && w->err == ERR_OK) "
                         f"{root.c_name}_errors(m, version, errors);")
        self.line(0, "}")

    # -- counting the errors of an answer -----------------------------------------

    def counters(self):
        carriers = []
        for s in self.message.structs:
            if any(f.domain == "err" or f.struct in carriers for f in s.fields):
                carriers.append(s)
                self.function(f"{s.c_name}_count(const struct {s.c_name} *m, int16_t v, struct wire_errors *to)", s,
                              lambda s=s: self.count_struct(s, carriers))
        root = self.message.root
        self.line(0, f"void {root.c_name}_errors(const struct {root.c_name} *m, int16_t version, "
                     "struct wire_errors *to)")
        self.line(0, "{")
        self.line(1, f"{root.c_name}_count(m, version, to);" if root in carriers
                  else "(void)m; (void)version; (void)to;")
        self.line(0, "}")
        self.line(0, "")

    def count_struct(self, s, carriers):
        for f in s.fields:
            name = f"m->{f.name}"
            if f.domain == "err" and not f.array:
                text = f"wire_error_count(to, {name});"
            elif f.struct in carriers and f.array:
                text = (f"for (int32_t i = 0; i < {name}_count; i++) "
                        f"{f.struct.c_name}_count(&{name}[i], v, to);")
            elif f.struct in carriers and is_pointer(f):
                text = f"if ({name} != NULL) {f.struct.c_name}_count({name}, v, to);"
            elif f.struct in carriers:
                text = f"{f.struct.c_name}_count(&{name}, v, to);"
            else:
                continue
            self.guarded(1, condition(f.versions, s.versions), [text])

    def defaults_needed(self):
        """Structs whose default is asked for: tagged ones, and those that some version lacks."""
        needed = []
        for s in self.message.structs:
            for f in s.fields:
                asked = f.tag is not None or (condition(f.versions, s.versions) and not f.ignorable)
                if f.struct and not f.array and not is_pointer(f) and (asked or s in needed):
                    needed.append(f.struct)
        return [s for s in self.message.structs if s in needed]

    def write_struct(self, s):
        for f in s.fields:
            cond = condition(f.versions, s.versions)
            if f.tag is None:
                self.guarded(1, cond, self.write_field(f))
            if cond and not f.ignorable:
                # A value that this version cannot carry and that must not be dropped.
                otherwise = "else " if f.tag is None else f"if (!({cond})) "
                self.line(1, f"{otherwise}assert(!({is_set(f, f'm->{f.name}')}));")
        flexible = self.flexible(s.versions)
        if flexible == "false":
            return
        tagged = [f for f in s.fields if f.tag is not None]
        if not tagged:
            self.guarded(1, "" if flexible == "true" else flexible, ["writer_i8(w, 0);"])
            return
        lines = []
        for f in tagged:
            cond = condition(f.versions, s.versions)
            lines.append(f"bool tag{f.tag} = {cond + ' && ' if cond else ''}{is_set(f, f'm->{f.name}')};")
        lines.append(f"writer_uvarint(w, {' + '.join(f'tag{f.tag}' for f in tagged)});")
        for f in tagged:
            lines += [f"if (tag{f.tag}) {{", f"    size_t at = wire_tag_begin(w, {f.tag});"]
            lines += ["    " + text for text in self.write_field(f)]
            lines += ["    wire_tag_end(w, at);", "}"]
        self.guarded(1, "" if flexible == "true" else flexible, lines)

    def write_field(self, f):
        flexible, name = self.flexible(f.versions), f"m->{f.name}"
        if f.array:
            # An answer that became too large is not walked through to its end.
            lines = [f"writer_count(w, {name}_count, {flexible});",
                     f"for (int32_t i = 0; i < {name}_count && w->err == ERR_OK; i++) "
                     f"{self.write_value(f, f'{name}[i]', True)}"]
            may_be_null = self.choose(f, f.versions, "true", f"{name}_count >= 0")
            return lines if may_be_null == "true" else [f"assert({may_be_null});"] + lines
        if is_pointer(f):
            lines = [f"if ({name} != NULL) {f.struct.c_name}_write(w, v, {name});"]
            if condition(f.nullable, f.versions):
                raise ValueError(f"{f.name}: a struct that is nullable in some versions only")
            return [f"writer_i8(w, {name} != NULL ? 1 : -1);"] + lines
        return [self.write_value(f, name, False)]

    def write_value(self, f, value, element):
        if f.struct:
            return f"{f.struct.c_name}_write(w, v, &{value});"
        if f.base in SCALARS:
            return f"writer_{SCALARS[f.base][1]}(w, {value});"
        if f.base == "uuid":
            return f"writer_raw(w, {value}.bytes, sizeof {value}.bytes);"
        flexible = self.flexible(f.versions)
        if f.base == "records" and self.direction == "response":
            return f"wire_put_records(w, &{value}, {flexible});"
        kind = "string" if f.base == "string" else "bytes"
        if element or f.nullable is None:
            return f"wire_put_{kind}(w, {value}, {flexible});"
        cond = condition(f.nullable, f.versions)
        return f"if ({cond}) writer_{kind}(w, {value}, {flexible}); else wire_put_{kind}(w, {value}, {flexible});" \
            if cond else f"writer_{kind}(w, {value}, {flexible});"
