# What a client in Python needs to check the chain of every trace: rows by a server-side cursor, each as
# canonical JSON, hashlib. Of the first 2000 traces; prints seconds of its clock for as many as there are.
import hashlib
import json
import time

import psycopg2

MOST = 2000

connection = psycopg2.connect("")
with connection.cursor() as cursor:
    cursor.execute("select count(*) from aos_traces")
    traces = cursor.fetchone()[0]
taken = min(MOST, traces)
start = time.perf_counter()
with connection.cursor(name="steps") as cursor:
    cursor.itersize = 2000
    cursor.execute(
        "select s.* from aos_trace_steps as s"
        " join (select trace_id from aos_traces order by trace_id limit %s) as t using (trace_id)"
        " order by s.trace_id, s.step_index", (taken,))
    names = None
    heads = {}
    for row in cursor:
        names = names or [column.name for column in cursor.description]
        step = dict(zip(names, row))
        leaf = hashlib.sha256(
            json.dumps(step, sort_keys=True, separators=(",", ":"), default=str).encode()).digest()
        heads[step["trace_id"]] = hashlib.sha256(heads.get(step["trace_id"], b"") + leaf).digest()
seconds = time.perf_counter() - start
assert len(heads) == taken
print("%.3f" % (seconds * traces / taken))
