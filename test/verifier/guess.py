"""Guesses the payload of a step, one of {"pin": 0} to {"pin": 9999}, from all that is in a database.

    guess.py DIRECTORY TRACE STEP_INDEX

DIRECTORY has encoding.tsv and step.tsv as for check.py, and everything.txt: every value of every
table, as text. Prints the ways in which a guess proves right, and which guess it is, a line each:

text     the payload stands somewhere
hash     its SHA-256 does
digest   with a salt that stands somewhere, the payload has a digest that does
leaf     with a salt that stands somewhere, the step has a leaf that does
through  with a digest that stands somewhere, and the SHA-256 as input_hash or output_hash, the step
         has a leaf that does
"""
import hashlib
import itertools
import re
import sys

import leaf as formats
from check import read

GUESSES = 10000
HASHES = ("input_hash", "output_hash")


def hashes_in(text):
    """Every hash in hexadecimal, also within leaves and salts that are packed."""
    return {bytes.fromhex(run[at:at + 64]) for run in re.findall(r"[0-9a-f]{64,}", text)
            for at in range(0, len(run) - 63, 32)}


def salts_in(text):
    """Everything in hexadecimal that can be a salt: no part of what is one hash."""
    return {bytes.fromhex(run[at:at + 32]) for run in re.findall(r"[0-9a-f]{32,}", text)
            if len(run) != 64 for at in range(0, len(run) - 31, 32)}


class Attack:
    def __init__(self, directory, trace_id, step_index):
        with open(f"{directory}/everything.txt", encoding="utf-8") as file:
            self.text = file.read()
        self.hashes = hashes_in(self.text)
        self.salts = salts_in(self.text)
        self.encodings = [formats.Encoding(row["encoding"]) for row in read(directory, "encoding")]
        self.step = next(row for row in read(directory, "step")
                         if (row["trace_id"], row["step_index"]) == (trace_id, step_index))

    def payloads(self, encoding, guess):
        """What the payload columns may have been: the guess in one of them at least."""
        choices = [{f"[{guess}]", "null", formats.canonical(type_name, self.step[name])}
                   for name, type_name, is_payload in encoding.columns if is_payload]
        return [forms for forms in itertools.product(*choices) if f"[{guess}]" in forms]

    def others(self, encoding, sha256):
        """What the other columns may have been, as JSON, with the guess's hash or without."""
        forms = {name: formats.canonical(type_name, self.step[name])
                 for name, type_name, is_payload in encoding.columns if not is_payload}
        for hashed in itertools.product((False, True), repeat=len(HASHES)):
            changed = {name: formats.jcs_string(sha256) for name, yes in zip(HASHES, hashed) if yes}
            yield any(hashed), f"[{','.join({**forms, **changed}.values())}]".encode()

    def ways(self, spelled, canonical):
        """How a guess proves right: its text as Postgres writes it, and as RFC 8785 does."""
        sha256 = hashlib.sha256(spelled.encode())
        if spelled in self.text or canonical in self.text:
            yield "text"
        if sha256.digest() in self.hashes:
            yield "hash"
        for encoding in self.encodings:
            before = b"\0" + encoding.id
            others = list(self.others(encoding, sha256.hexdigest()))
            for salt, payload in itertools.product(self.salts, self.payloads(encoding, canonical)):
                digest = formats.payload_digest(salt, payload)
                if digest in self.hashes:
                    yield "digest"
                for _, rest in others:
                    if hashlib.sha256(before + digest + rest).digest() in self.hashes:
                        yield "leaf"
            for digest, (is_hashed, rest) in itertools.product(self.hashes, others):
                if is_hashed and hashlib.sha256(before + digest + rest).digest() in self.hashes:
                    yield "through"

    def run(self):
        right = {(way, pin) for pin in range(GUESSES)
                 for way in self.ways(f'{{"pin": {pin}}}', f'{{"pin":{pin}}}')}
        for way, pin in sorted(right):
            print(way, pin)


Attack(*sys.argv[1:]).run()
