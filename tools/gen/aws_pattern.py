"""A regular expression of a service's schema as a table: one step a byte, whatever the input.

Why not a matcher at run time: AWS's patterns hold several `.*`, on which a backtracking matcher
takes cubic time, and the text is the client's. Construction: syntax tree (Python's own parser) ->
Thompson's automaton -> subsets -> merge of equal states. Patterns match the whole text.
"""

try:
    from re import _parser as sre
except ImportError:                       # before Python 3.11
    import sre_parse as sre

DIGITS = frozenset(range(0x30, 0x3A))
SPACES = frozenset(b" \t\n\r\f\v")
ALL = frozenset(range(256))


class Nfa:
    def __init__(self):
        self.moves, self.free = [], []          # state -> [(byte set, state)], state -> [state]

    def state(self):
        self.moves.append([])
        self.free.append([])
        return len(self.moves) - 1

    def add(self, tree, start):
        """Adds the tree behind start and returns the state in which it is matched."""
        for op, arg in tree:
            start = self.item(str(op), arg, start)
        return start

    def step(self, bytes_, start):
        end = self.state()
        self.moves[start].append((frozenset(bytes_), end))
        return end

    def item(self, op, arg, start):
        if op == "LITERAL":
            return self.step({arg}, start)
        if op == "ANY":
            return self.step(ALL - {10}, start)
        if op == "IN":
            return self.step(byte_set(arg), start)
        if op == "AT":
            return start                        # ^ and $ say what holds anyway
        if op == "SUBPATTERN":
            return self.add(arg[-1], start)
        if op == "BRANCH":
            end = self.state()
            for branch in arg[1]:
                self.free[self.add(branch, start)].append(end)
            return end
        if op == "MAX_REPEAT":
            return self.repeat(arg[0], arg[1], arg[2], start)
        raise ValueError(f"{op} is not supported in a pattern")

    def repeat(self, low, high, tree, start):
        for _ in range(low):
            start = self.add(tree, start)
        if high == sre.MAXREPEAT:
            loop = self.state()
            self.free[start].append(loop)
            self.free[self.add(tree, loop)].append(loop)
            return loop
        end = self.state()
        self.free[start].append(end)
        for _ in range(high - low):
            start = self.add(tree, start)
            self.free[start].append(end)
        return end

    def closure(self, states):
        seen, work = set(states), list(states)
        while work:
            for to in self.free[work.pop()]:
                if to not in seen:
                    seen.add(to)
                    work.append(to)
        return frozenset(seen)


def byte_set(items):
    result, negate = set(), False
    for op, arg in items:
        op = str(op)
        if op == "NEGATE":
            negate = True
        elif op == "LITERAL":
            result.add(arg)
        elif op == "RANGE":
            result |= set(range(arg[0], arg[1] + 1))
        else:
            result |= {"CATEGORY_DIGIT": DIGITS, "CATEGORY_NOT_SPACE": ALL - SPACES}[str(arg)]
    return ALL - result if negate else result


def merge(rows, accepts):
    """Moore's partition: states that no text tells apart become one."""
    group = [int(a) for a in accepts]
    while True:
        keys = [(group[s], tuple(group[t] for t in rows[s])) for s in range(len(rows))]
        order = {}
        renamed = [order.setdefault(k, len(order)) for k in keys]
        if len(order) == len(set(group)):
            return renamed
        group = renamed


def compile_pattern(text):
    """(class of each byte, rows of next states by class, accepting flags); state 0 is dead, 1 starts."""
    nfa = Nfa()
    first = nfa.state()
    last = nfa.add(sre.parse(text), first)
    splits = {frozenset(s) for row in nfa.moves for s, _ in row}
    signature = {}
    classes = [signature.setdefault(tuple(b in s for s in splits), len(signature)) for b in range(256)]
    sample = [classes.index(c) for c in range(len(signature))]

    index, work, rows = {frozenset(): 0}, [], [[0] * len(sample)]
    def number(states):
        if states not in index:
            index[states] = len(index)
            rows.append(None)
            work.append(states)
        return index[states]

    number(nfa.closure({first}))
    while work:
        states = work.pop()
        rows[index[states]] = [
            number(nfa.closure({to for s in states for bytes_, to in nfa.moves[s] if byte in bytes_}))
            for byte in sample]
    accepts = [False] * len(index)
    for states, i in index.items():
        accepts[i] = last in states

    group = merge(rows, accepts)
    order = {group[0]: 0, group[1]: 1}
    for g in group:
        order.setdefault(g, len(order))
    small, flags = [None] * len(order), [False] * len(order)
    for s, row in enumerate(rows):
        small[order[group[s]]] = [order[group[t]] for t in row]
        flags[order[group[s]]] = accepts[s]
    return classes, small, flags
