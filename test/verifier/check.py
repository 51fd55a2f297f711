"""Compares the leaves and seals that runlink made with those that leaf.py makes from the same rows.

    check.py DIRECTORY [--spelled COLUMN=TEXTCOLUMN] [--published COLUMN=TEXTCOLUMN] [--payloads]

DIRECTORY has encoding.tsv, leaf.tsv, seal.tsv, step.tsv and, where payloads were erased, erasure.tsv:
those tables as COPY writes them, with a header, set as leaf.py says. Prints what differs, then how
much was compared.

--spelled    the text column, where not NULL, has the JSON text that was inserted: it must have the
             same canonical form as the value that came of it
--published  the text column, where not NULL, has the canonical form that somebody else published:
             the leaf is made from that
--payloads   prints each step's payload digest too, made with a salt of zeros
"""
import argparse
import os
import re

import leaf as formats

UNESCAPED = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}


def field(text):
    if text == r"\N":
        return None
    if "\\" not in text:
        return text
    return re.sub(r"\\(.)", lambda match: UNESCAPED.get(match[1], match[1]), text, flags=re.DOTALL)


def read(directory, name):
    with open(os.path.join(directory, name + ".tsv"), encoding="utf-8", newline="") as file:
        lines = file.read().split("\n")
    header = [field(name) for name in lines[0].split("\t")]
    for line in lines[1:-1]:
        yield dict(zip(header, map(field, line.split("\t"))))


def from_hex(text):
    return None if text is None else bytes.fromhex(text.removeprefix("\\x"))


class Checker:
    def __init__(self, arguments):
        self.directory = arguments.directory
        self.spelled = dict(pair.split("=") for pair in arguments.spelled)
        self.published = dict(pair.split("=") for pair in arguments.published)
        self.payloads = arguments.payloads
        encodings = [formats.Encoding(row["encoding"]) for row in read(self.directory, "encoding")]
        self.encodings = {encoding.key: encoding for encoding in encodings}
        self.steps = {}
        self.erasures = {}
        self.leaves = 0
        self.seals = 0

    def form(self, where, name, type_name, row):
        """The canonical form of a column, however it was told."""
        form = formats.canonical(type_name, row.get(name))
        spelled = row.get(self.spelled.get(name))
        if spelled is not None and formats.canonical(type_name, spelled) != form:
            print(*where, f"{name} has another form as it was spelled", sep="\t")
        published = row.get(self.published.get(name))
        if published is not None:
            published = f"[{published}]" if type_name in ("json", "jsonb") else published
            if published != form:
                print(*where, f"{name} has another form as it was published", sep="\t")
            form = published
        return form

    def check_leaf(self, where, key, salt, recorded):
        """Compares a leaf with that of its row."""
        self.leaves += 1
        row = self.steps.get((where[0], int(where[1])))
        encoding = self.encodings.get(key)
        if row is None or encoding is None or len(salt) != 16:
            print(*where, "has no row, no encoding or no salt", sep="\t")
            return
        forms = {name: self.form(where, name, type_name, row)
                 for name, type_name, _ in encoding.columns}
        erasure = self.erasures.get((where[0], int(where[1])))
        if salt == bytes(16) and erasure is not None:
            self.check_erased(where, encoding, forms, erasure, recorded)
        elif formats.leaf(encoding, salt, forms) != recorded:
            print(*where, "differs", sep="\t")
        if self.payloads:
            payload = [forms[name] for name, _, is_payload in encoding.columns if is_payload]
            print(*where, formats.payload_digest(bytes(16), payload).hex(), sep="\t")

    def check_erased(self, where, encoding, forms, erasure, recorded):
        """Compares what an erased step still gives."""
        digest = from_hex(erasure["payload_digest"])
        if formats.leaf(encoding, bytes(16), forms) != from_hex(erasure["leaf"]):
            print(*where, "differs from what was left of it", sep="\t")
        if digest is not None and formats.leaf_of_digest(encoding, digest, forms) != recorded:
            print(*where, "differs", sep="\t")
        if digest is None and (forms.get("input_hash", "null"), forms.get("output_hash", "null")) != ("null", "null"):
            print(*where, "has a hash", sep="\t")
        if not all(forms[name] in ("null", '[{"runlink_erased":true}]')
                   for name, _, is_payload in encoding.columns if is_payload):
            print(*where, "has a payload", sep="\t")
        print(*where, "erased", sep="\t")

    def check_seals_of(self, trace_id, rows):
        head = formats.chain_start(rows[0]["tenant_id"], rows[0]["run_id"], trace_id)
        leaves = []
        prev = None
        for seal_no, row in enumerate(rows):
            self.seals += 1
            packed = from_hex(row["leaves"])
            indexes = [index for first, last in re.findall(r"\[(-?\d+),(-?\d+)\)", row["steps"])
                       for index in range(int(first), int(last))]
            encoding = None if row["encoding"] is None else self.encodings[int(row["encoding"])]
            for i, step_index in enumerate(indexes):
                recorded = packed[48 * i:48 * i + 32]
                salt = packed[48 * i + 32:48 * i + 48]
                self.check_leaf((trace_id, step_index), encoding.key, salt, recorded)
                head = formats.chain_next(head, recorded)
                leaves.append(recorded)
            expected = {
                "seal_no": str(seal_no),
                "step_count": str(len(leaves)),
                "chain_head": "\\x" + head.hex(),
                "merkle_root": "\\x" + formats.merkle_root(leaves).hex(),
                "prev": None if prev is None else "\\x" + prev.hex(),
            }
            for name, value in expected.items():
                if row[name] != value:
                    print(trace_id, f"seal {seal_no}", f"{name} is {row[name]}, not {value}",
                          sep="\t")
            if len(packed) != 48 * len(indexes):
                print(trace_id, f"seal {seal_no}", "has not as many leaves as step indexes",
                      sep="\t")
            prev = formats.seal_hash(seal_text(row, encoding))

    def run(self):
        for row in read(self.directory, "step"):
            self.steps[row["trace_id"], int(row["step_index"])] = row
        if os.path.exists(os.path.join(self.directory, "erasure.tsv")):
            for row in read(self.directory, "erasure"):
                self.erasures[row["trace_id"], int(row["step_index"])] = row
        for row in read(self.directory, "leaf"):
            self.check_leaf((row["trace_id"], row["step_index"]), int(row["encoding"]),
                            from_hex(row["salt"]), from_hex(row["leaf"]))
        traces = {}
        for row in read(self.directory, "seal"):
            traces.setdefault(row["trace_id"], []).append(row)
        for trace_id, rows in traces.items():
            self.check_seals_of(trace_id, sorted(rows, key=lambda row: int(row["seal_no"])))
        print(f"{len(self.steps)} steps, {self.leaves} leaves, {self.seals} seals")


def seal_text(row, encoding):
    """The text of a seal, from its row."""
    def hexadecimal(name):
        return None if row[name] is None else row[name].removeprefix("\\x")

    return formats.jcs({
        "backfilled": int(row["backfilled"]),
        "chain_head": hexadecimal("chain_head"),
        "encoding": None if encoding is None else encoding.id.hex(),
        "final": row["final"] == "t",
        "format": "runlink-seal/v1",
        "merkle_root": hexadecimal("merkle_root"),
        "prev": hexadecimal("prev"),
        "run_id": row["run_id"],
        "seal_no": int(row["seal_no"]),
        "sealed_at": formats.canonical_timestamp(row["sealed_at"], True),
        "step_count": int(row["step_count"]),
        "tenant_id": row["tenant_id"],
        "trace_id": row["trace_id"],
        "trace_status": row["trace_status"],
    })


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("directory")
    parser.add_argument("--spelled", action="append", default=[])
    parser.add_argument("--published", action="append", default=[])
    parser.add_argument("--payloads", action="store_true")
    Checker(parser.parse_args()).run()


if __name__ == "__main__":
    main()
