"""The same check by a Python client: rows fetched, canonical JSON, hashlib; no comparison."""
import hashlib
import json
import statistics
import time

import psycopg2

connection = psycopg2.connect("")
cursor = connection.cursor()


def check(trace):
    cursor.execute("select * from aos_trace_steps where trace_id = %s order by step_index", [trace])
    head = b""
    for row in cursor:
        leaf = hashlib.sha256(
            json.dumps(row, default=str, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode())
        head = hashlib.sha256(b"\2" + head + leaf.digest()).digest()
    return head


for steps, calls in [("1", 300), ("50", 100), ("1000", 10), ("10000", 3)]:
    times = []
    for _ in range(calls):
        start = time.perf_counter()
        check(steps)
        times.append(time.perf_counter() - start)
    print(f"{steps:>6} {statistics.median(times) * 1e6:10.0f} us by a Python client")
