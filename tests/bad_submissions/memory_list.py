"""A list grows without end."""
# check: memory
# level: FAIL
# says: more memory than the limit

def unlearning(net, retain, forget, validation):
    kept = []
    while len(kept) < 200:
        kept.append(bytearray(b"x" * 100_000_000))
    return net
