"""Prints the worked vectors of doc/format.md, computed by leaf.py, a name and a value a line."""
import leaf as formats

COLUMNS = [("params", "jsonb"), ("skill_name", "character varying"),
           ("status", "character varying"), ("step_index", "integer"), ("trace_id", "character varying")]
TRACE = ("tenant-1", "run-1", "trace-1")
STEPS = [
    (bytes(range(16)),
     {"params": '{"url": "https://example.org/\\u20ac", "retries": 2.50}',
      "skill_name": "http_call", "status": "success", "step_index": "0", "trace_id": "trace-1"}),
    (bytes(range(16, 32)),
     {"params": "null", "skill_name": 'say "hi"', "status": None, "step_index": "1",
      "trace_id": "trace-1"}),
]

encoding = formats.Encoding(formats.encoding_text(COLUMNS))
print("encoding", encoding.text, sep="\t")
print("encoding id", encoding.id.hex(), sep="\t")
print("encoding key", encoding.key, sep="\t")

head = formats.chain_start(*TRACE)
print("h_0", head.hex(), sep="\t")
leaves = []
for i, (salt, row) in enumerate(STEPS, start=1):
    forms = {name: formats.canonical(type_name, row[name]) for name, type_name in COLUMNS}
    leaves.append(formats.leaf(encoding, salt, forms))
    head = formats.chain_next(head, leaves[-1])
    print(f"salt {i}", salt.hex(), sep="\t")
    print(f"payload {i}", f"[{forms['params']}]", sep="\t")
    print(f"payload digest {i}", formats.payload_digest(salt, [forms["params"]]).hex(), sep="\t")
    print(f"others {i}", "[" + ",".join(forms[name] for name, _ in COLUMNS[1:]) + "]", sep="\t")
    print(f"leaf {i}", leaves[-1].hex(), sep="\t")
    print(f"h_{i}", head.hex(), sep="\t")
erased = {name: formats.canonical(type_name, STEPS[0][1][name]) for name, type_name in COLUMNS}
erased["params"] = '[{"runlink_erased":true}]'
print("payload erased", f"[{erased['params']}]", sep="\t")
print("leaf erased", formats.leaf(encoding, bytes(16), erased).hex(), sep="\t")
root = formats.merkle_root(leaves)
print("merkle_root", root.hex(), sep="\t")

seal = formats.jcs({
    "backfilled": 0, "chain_head": head.hex(), "encoding": encoding.id.hex(), "final": True,
    "format": "runlink-seal/v1", "merkle_root": root.hex(), "prev": None, "run_id": TRACE[1],
    "seal_no": 0, "sealed_at": formats.canonical_timestamp("2026-01-15 09:30:00+00", True),
    "step_count": 2, "tenant_id": TRACE[0], "trace_id": TRACE[2], "trace_status": "completed"})
print("seal", seal, sep="\t")
print("seal hash", formats.seal_hash(seal).hex(), sep="\t")
