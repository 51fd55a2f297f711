"""The formats of doc/format.md, for tests: canonical values, leaves, chains, trees and seals.

Written from that page and RFC 8785, RFC 6962 and ECMA-262 alone; it shares nothing with src/.
Values come as the text that COPY writes, with TimeZone UTC, DateStyle ISO, extra_float_digits 1
and bytea_output hex.
"""
import hashlib
import re
import struct
from fractions import Fraction


def sha256(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


#
# Numbers
#

class Number:
    """A number of a JSON text, as it is spelled."""

    def __init__(self, text):
        self.text = text


def decimal_parts(text):
    """A decimal as (negative, digits, point): 0.digits times ten to the point, no zero outside."""
    match = re.fullmatch(r"(-?)([0-9]+)(?:\.([0-9]+))?(?:[eE]([-+]?[0-9]+))?", text)
    if match is None:
        raise ValueError(f"not a number: {text[:40]}")
    negative, whole, fraction, exponent = match.groups()
    digits = whole + (fraction or "")
    point = len(whole) + int(exponent or 0)
    significant = digits.lstrip("0")
    if not significant:
        return False, "", 0
    return negative == "-", significant.rstrip("0"), point - (len(digits) - len(significant))


def es6_notation(negative, digits, point):
    """Number::toString of ECMAScript, once the digits are chosen."""
    count = len(digits)
    if count == 0:
        return "0"
    if count <= point <= 21:
        text = digits + "0" * (point - count)
    elif 0 < point <= 21:
        text = digits[:point] + "." + digits[point:]
    elif -6 < point <= 0:
        text = "0." + "0" * -point + digits
    else:
        mantissa = digits if count == 1 else digits[0] + "." + digits[1:]
        text = f"{mantissa}e{point - 1:+d}"
    return "-" + text if negative else text


def es6_double(value):
    return es6_notation(*decimal_parts(repr(value)))


def shortest_decimal(mantissa, exponent, smallest_mantissa, lowest_exponent):
    """The shortest decimal that rounds to mantissa times two to the exponent; of several the
    closest, of two as close the even one. What lies halfway to a neighbour rounds to the even mantissa.
    """
    value = Fraction(mantissa) * Fraction(2) ** exponent
    above = Fraction(2) ** exponent / 2
    narrow = mantissa == smallest_mantissa and exponent > lowest_exponent
    below = above / 2 if narrow else above

    magnitude = 0                       # value is less than ten to the magnitude
    while Fraction(10) ** magnitude <= value:
        magnitude += 1
    while Fraction(10) ** (magnitude - 1) > value:
        magnitude -= 1
    for count in range(1, 18):
        unit = Fraction(10) ** (magnitude - count)
        floor = value // unit
        fits = []
        for candidate in (floor, floor + 1):
            off = candidate * unit - value
            if -below <= off <= above if mantissa % 2 == 0 else -below < off < above:
                fits.append((abs(off), candidate % 2, candidate))
        if fits:
            return decimal_parts(f"{min(fits)[2]}e{magnitude - count}")
    raise AssertionError("17 digits always do")


def es6_shortest(value, pack, unpack, fraction_bits, bias):
    """ECMAScript's form of a finite binary number, by exact arithmetic."""
    bits = struct.unpack(unpack, struct.pack(pack, abs(value)))[0]
    fraction = bits & ((1 << fraction_bits) - 1)
    biased = bits >> fraction_bits
    if bits == 0:
        return "0"
    mantissa = fraction if biased == 0 else fraction | 1 << fraction_bits
    lowest = 1 - bias - fraction_bits
    exponent = lowest if biased == 0 else biased - bias - fraction_bits
    _, digits, point = shortest_decimal(mantissa, exponent, 1 << fraction_bits, lowest)
    return es6_notation(value < 0, digits, point)


def es6_double_exactly(value):
    return es6_shortest(value, "<d", "<Q", 52, 1023)


def es6_single(value):
    return es6_shortest(value, "<f", "<I", 23, 127)


def jcs_number(text):
    """A JSON number: as a binary64 if that loses nothing, else with all its digits."""
    exact = decimal_parts(text)
    value = float(text)
    if value - value == 0 and decimal_parts(repr(value)) == exact:
        return es6_double(value)
    return es6_notation(*exact)


#
# JSON
#

TOKEN = re.compile(r'[ \t\n\r]*(?:([][{},:]|true|false|null)|"((?:[^"\\]|\\.)*)"'
                   r'|([-0-9][-+.0-9eE]*))', re.DOTALL)
ESCAPE = re.compile(r"\\u[dD][89abAB]..\\u[dD][c-fC-F]..|\\u....|\\.")
UNESCAPED = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
LITERAL = {"true": True, "false": False, "null": None}


def unescape(match):
    escape = match[0]
    if len(escape) == 2:
        return UNESCAPED.get(escape[1], escape[1])
    units = b"".join(int(unit, 16).to_bytes(2, "big") for unit in escape.split("\\u")[1:])
    return units.decode("utf-16-be")


def parse_json(text):
    """The value of a JSON text, numbers as they are spelled. Of equal keys the last counts.

    Nests as deep as it likes, and trusts Postgres that the text is JSON.
    """
    holder = []
    stack = [holder]
    keys = [None]

    def add(value):
        if isinstance(stack[-1], list):
            stack[-1].append(value)
        elif keys[-1] is None:
            keys[-1] = value
        else:
            stack[-1][keys[-1]] = value
            keys[-1] = None

    at = 0
    end = len(text.rstrip(" \t\n\r"))
    while at < end:
        token = TOKEN.match(text, at)
        if token is None:
            raise ValueError(f"no JSON at {at}: {text[at:at + 40]!r}")
        at = token.end()
        word, string, number = token.groups()
        if string is not None:
            add(ESCAPE.sub(unescape, string) if "\\" in string else string)
        elif number is not None:
            add(Number(number))
        elif word in LITERAL:
            add(LITERAL[word])
        elif word in "[{":
            value = [] if word == "[" else {}
            add(value)
            stack.append(value)
            keys.append(None)
        elif word in "]}":
            stack.pop()
            keys.pop()
    if len(holder) != 1 or len(stack) != 1:
        raise ValueError("not one JSON value")
    return holder[0]


TO_ESCAPE = re.compile(r'[\x00-\x1f"\\]')
ESCAPED = {"\b": "\\b",
           "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t", '"': '\\"', "\\": "\\\\"}


def jcs_string(string):
    return '"' + TO_ESCAPE.sub(lambda m: ESCAPED.get(m[0]) or f"\\u{ord(m[0]):04x}", string) + '"'


def jcs(value):
    """RFC 8785 of None, booleans, integers, Number, strings, lists and dicts, as text."""
    out = []
    stack = [iter([("", value)])]
    closing = [""]
    while stack:
        item = next(stack[-1], None)
        if item is None:
            stack.pop()
            out.append(closing.pop())
            continue
        before, value = item
        out.append(before)
        if value is None or value is True or value is False:
            out.append({None: "null", True: "true", False: "false"}[value])
        elif isinstance(value, int):
            out.append(str(value))
        elif isinstance(value, Number):
            out.append(jcs_number(value.text))
        elif isinstance(value, str):
            out.append(jcs_string(value))
        elif isinstance(value, list):
            out.append("[")
            stack.append(iter([("," if i else "", v) for i, v in enumerate(value)]))
            closing.append("]")
        else:
            out.append("{")
            keys = sorted(value, key=lambda key: key.encode("utf-16-be"))
            stack.append(iter([(("," if i else "") + jcs_string(key) + ":", value[key])
                               for i, key in enumerate(keys)]))
            closing.append("}")
    return "".join(out)


#
# Values of columns
#

def canonical_date(text):
    match = re.fullmatch(r"(\d{4,}-\d\d-\d\d)( BC)?", text)
    return text if match is None else match[1] + (match[2] or "")


def canonical_timestamp(text, zone):
    if text in ("infinity", "-infinity"):
        return text
    day, time, fraction, bc = re.fullmatch(
        r"(\d{4,}-\d\d-\d\d) (\d\d:\d\d:\d\d)(?:\.(\d+))?" + (r"\+00" if zone else "") + r"( BC)?",
        text).groups()
    return f"{day}T{time}.{(fraction or '').ljust(6, '0')}{'Z' if zone else ''}{bc or ''}"


def canonical_float(text, es6):
    return jcs_string(text) if text in ("NaN", "Infinity", "-Infinity") else es6(float(text))


def normalized_numeric(text):
    return text.rstrip("0").rstrip(".") if "." in text else text


def single(text):
    return canonical_float(
        text, lambda value: es6_single(struct.unpack("<f", struct.pack("<f", value))[0]))


def as_string(convert):
    return lambda text: jcs_string(convert(text))


CANONICAL = {
    "text": jcs_string,
    "character varying": jcs_string,
    "character": as_string(lambda text: text.rstrip(" ")),
    "name": jcs_string,
    "smallint": lambda text: str(int(text)),
    "integer": lambda text: str(int(text)),
    "bigint": as_string(lambda text: str(int(text))),
    "numeric": as_string(normalized_numeric),
    "real": single,
    "double precision": lambda text: canonical_float(text, es6_double),
    "boolean": lambda text: {"t": "true", "f": "false"}[text],
    "timestamp with time zone": as_string(lambda text: canonical_timestamp(text, True)),
    "timestamp without time zone": as_string(lambda text: canonical_timestamp(text, False)),
    "date": as_string(canonical_date),
    "uuid": jcs_string,
    "bytea": as_string(lambda text: re.fullmatch(r"\\x([0-9a-f]*)", text)[1]),
    "json": lambda text: "[" + jcs(parse_json(text)) + "]",
    "jsonb": lambda text: "[" + jcs(parse_json(text)) + "]",
}


def canonical(type_name, text):
    """The canonical form of a column's value; text is None for NULL."""
    return "null" if text is None else CANONICAL[type_name](text)


#
# Leaves, chains, trees, seals
#

class Encoding:
    def __init__(self, text):
        value = parse_json(text)
        self.text = text
        self.columns = [(c["name"], c["type"], c["payload"]) for c in value["columns"]]
        self.id = sha256(text.encode())
        self.key = int.from_bytes(self.id[:4], "big", signed=True)
        if self.text != encoding_text([(name, type_name) for name, type_name, _ in self.columns]):
            raise ValueError(f"not as an encoding is written: {text}")


def encoding_text(columns):
    """The text of an encoding, of (name, type) for each column covered."""
    ordered = sorted(columns, key=lambda column: column[0].encode())
    return jcs({
        "columns": [{"name": name, "type": type_name, "payload": type_name in ("json", "jsonb")}
                    for name, type_name in ordered],
        "format": "runlink-step/v1",
    })


def payload_digest(salt, forms):
    return sha256(b"runlink-payload/v1\n", salt, f"[{','.join(forms)}]".encode())


def leaf_of_digest(encoding, digest, forms):
    """The leaf of a step from the digest of its payload; forms as for leaf."""
    others = [forms[name] for name, _, is_payload in encoding.columns if not is_payload]
    return sha256(b"\x00", encoding.id, digest, f"[{','.join(others)}]".encode())


def leaf(encoding, salt, forms):
    """The leaf of a step; forms has the canonical form of each column of the encoding, by name."""
    payload = [forms[name] for name, _, is_payload in encoding.columns if is_payload]
    return leaf_of_digest(encoding, payload_digest(salt, payload), forms)


def chain_start(tenant_id, run_id, trace_id):
    return sha256(b"runlink-chain/v1\n", jcs([tenant_id, run_id, trace_id]).encode())


def chain_next(head, leaf_hash):
    return sha256(b"\x02", head, leaf_hash)


def merkle_root(leaves):
    """MTH of RFC 6962, section 2.1, of leaves that are hashed already."""
    if len(leaves) < 2:
        return leaves[0] if leaves else sha256()
    split = 1 << (len(leaves) - 1).bit_length() - 1
    return sha256(b"\x01", merkle_root(leaves[:split]), merkle_root(leaves[split:]))


def seal_hash(text):
    return sha256(b"\x00", text.encode())
