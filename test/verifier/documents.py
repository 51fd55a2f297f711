"""Prints random JSON documents, one a line: documents.py COUNT SEED.

Hostile in what canonical JSON has to cope with: keys in random order and beyond the BMP, every way
to spell a character, numbers that are binary64 but oddly spelled, empty and nested containers.
"""
import random
import struct
import sys

ALPHABETS = [
    "abcdefghijklmnopqrstuvwxyz", "AZaz09_-. ", "\"\\/\b\f\n\r\t", "\x01\x0f\x1f\x7f\x80\x9f",
    "äöüßéñ€", "\ud7ff\ue000\uf8ff\ufb33\ufeff\uffee\uffff\u2028\u2029",
    "\U00010000\U0001f600\U0001f680\U0010ffff",
]
SHORT = {"\b": "b", "\f": "f", "\n": "n", "\r": "r", "\t": "t", '"': '"', "\\": "\\", "/": "/"}


def text(rng):
    alphabet = "".join(rng.sample(ALPHABETS, rng.randint(1, 3)))
    return "".join(rng.choices(alphabet, k=rng.choice((0, 1, 2, 3, 7, 8, 9, 17, 40))))


def spell_string(rng, value):
    out = []
    for char in value:
        must = char in '"\\' or char < " "
        if char in SHORT and (must or rng.random() < 0.3) and rng.random() < 0.7:
            out.append("\\" + SHORT[char])
        elif must or rng.random() < 0.1:
            units = char.encode("utf-16-be")
            for i in range(0, len(units), 2):
                unit = int.from_bytes(units[i:i + 2], "big")
                out.append("\\u" + rng.choice(("%04x", "%04X")) % unit)
        else:
            out.append(char)
    return '"' + "".join(out) + '"'


def spell_number(rng):
    kind = rng.randrange(5)
    if kind == 0:
        value = float(rng.randrange(-1000, 1000))
    elif kind == 1:
        value = rng.randrange(-10**9, 10**9) / 10 ** rng.randrange(0, 8)
    elif kind == 2:
        value = float(rng.getrandbits(rng.randrange(50, 80)))
    else:
        value = struct.unpack("<d", rng.randbytes(8))[0]
    if value - value != 0:
        value = 0.0
    spelled = repr(value)
    if "e" not in spelled:
        spelled = rng.choice((spelled, spelled + "00", spelled.removesuffix(".0"), spelled + "e0"))
    elif rng.random() < 0.3:
        spelled = spelled.replace("e", "E").replace("E+", "E")
    return spelled


def spell(rng, depth):
    def space():
        return rng.choice(("", "", "", " ", "\t", "\r "))

    kind = rng.random()
    if depth > 5 or kind < 0.5:
        return rng.choice((lambda: spell_string(rng, text(rng)), lambda: spell_number(rng),
                           lambda: rng.choice(("true", "false", "null"))))()
    count = rng.choice((0, 0, 1, 2, 3, 5)) if depth else rng.choice((0, 3, 31, 32, 33, 60))
    if kind < 0.7:
        items = [space() + spell(rng, depth + 1) + space() for _ in range(count)]
        return "[" + ",".join(items) + space() + "]"
    keys = list({text(rng) for _ in range(count)})
    rng.shuffle(keys)
    members = [space() + spell_string(rng, key) + space() + ":" + space() + spell(rng, depth + 1)
               for key in keys]
    return "{" + ",".join(members) + space() + "}"


def main():
    sys.stdout.reconfigure(encoding="utf-8", newline="\n")
    rng = random.Random(int(sys.argv[2]))
    for _ in range(int(sys.argv[1])):
        print(spell(rng, rng.choice((0, 0, 3, 5))))


main()
