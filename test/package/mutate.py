"""Changes a good package or step proof everywhere, one place at a time, and asks tools/runlink-verify.

    mutate.py VERIFIER FILE WANTED [VERIFIER-ARG...]

WANTED is the exit status of the file as it is. Each value is replaced, arrays and objects by null, each
member and element is removed, each element is put twice and swapped with the next. First as it is: the
answer has to be 1 or 2. Then with the digests of the manifest made anew, as an attacker would: the same,
but for what doc/format.md says no hash covers. Prints what was taken for good, then counts.
"""
import contextlib, copy, hashlib, importlib.machinery, importlib.util, io, json, os, re, sys, tempfile

verifier, name, wanted, arguments = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4:]
loader = importlib.machinery.SourceFileLoader('runlink_verify', verifier)
tool = importlib.util.module_from_spec(importlib.util.spec_from_loader('runlink_verify', loader))
sys.dont_write_bytecode = True
loader.exec_module(tool)

# openssl answers the same when it is asked the same.
asked = {}
ask_openssl = tool.openssl_verifies


def remember(*question):
    if question not in asked:
        asked[question] = ask_openssl(*question)
    return asked[question]


tool.openssl_verifies = remember

# What no hash and no comparison covers, once the manifest is made anew; the answer has to be what it was, or 3.
NOT_COVERED = [r'/made_at', r'/evidence/.*', r'/traces/\d+/trace_status',
               r'/manifest/omissions/\d+/why',     # no words of it are repeated
               r'/tenant_id']                      # null: the run has none, which is a warning


def status_of(document):
    with tempfile.NamedTemporaryFile('w', suffix='.json', encoding='utf-8') as file:
        json.dump(document, file)
        file.flush()
        sys.argv = ['runlink-verify', file.name] + arguments
        with contextlib.redirect_stdout(io.StringIO()):
            return tool.main()


def digest(value):
    text = json.dumps(value, sort_keys=True, separators=(',', ':'), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def forge(document):
    """Makes the digests anew, where there is still something to make them of."""
    try:
        parts = document['manifest']['parts']
        for part in parts:
            parts[part] = digest(document['manifest']['omissions'] if part == 'omissions' else document[part])
    except (KeyError, TypeError):
        pass
    return document


def other_values(value):
    if value is None:
        return ['x', 0]
    if isinstance(value, bool):
        return [not value, None]
    if isinstance(value, int):
        return [value + 1, value - 1, str(value), None]
    if isinstance(value, str):
        flipped = chr(ord(value[-1]) ^ 1) if value else 'x'
        middle = len(value) // 2
        return [value[:-1] + flipped, value[:middle] + ('0' if value[middle:middle + 1] != '0' else '1') + value[middle + 1:],
                value + 'x', value[1:] if value else 'y', None]
    return [None]


def mutations(value, path=''):
    """Pairs of a path and a function that changes what is there in place."""
    if isinstance(value, dict):
        for key in value:
            yield path + '/' + key, lambda root, key=key: root.pop(key)
            for other in other_values(value[key]):
                yield path + '/' + key, lambda root, key=key, other=other: root.__setitem__(key, other)
            for where, change in mutations(value[key], path + '/' + key):
                yield where, lambda root, key=key, change=change: change(root[key])
        yield path + '/added', lambda root: root.__setitem__('added', 0)
    elif isinstance(value, list):
        for i in range(len(value)):
            at = '%s/%d' % (path, i)
            yield at, lambda root, i=i: root.pop(i)
            yield at, lambda root, i=i: root.insert(i, copy.deepcopy(root[i]))
            if i + 1 < len(value) and value[i] != value[i + 1] and path != '/manifest/omissions':  # in no order
                yield at, lambda root, i=i: root.__setitem__(slice(i, i + 2), [root[i + 1], root[i]])
            for other in other_values(value[i]):
                yield at, lambda root, i=i, other=other: root.__setitem__(i, other)
            for where, change in mutations(value[i], at):
                yield where, lambda root, i=i, change=change: change(root[i])


with open(name, encoding='utf-8') as file:
    original = json.load(file)
if digest(original['run_id']) != original['manifest']['parts']['run_id']:
    sys.exit('the digests of this file cannot be made anew here')
failures, counts = 0, {'plain': 0, 'forged': 0}
if status_of(original) != wanted:
    sys.exit('the file as it is gives %d' % status_of(original))
for path, change in mutations(original):
    for kind in ('plain', 'forged'):
        document = copy.deepcopy(original)
        change(document)
        if kind == 'forged':
            forge(document)
            if document == original:
                continue    # a digest of the manifest, made good again
        status = status_of(document)
        counts[kind] += 1
        free = kind == 'forged' and any(re.fullmatch(p, path) for p in NOT_COVERED)
        if status not in (1, 2) and not (free and status in (3, wanted)):
            failures += 1
            print('%s %s: %d' % (kind, path, status))
print('%d changes, %d of them with digests made anew: %d taken for good' % (
    counts['plain'] + counts['forged'], counts['forged'], failures))
