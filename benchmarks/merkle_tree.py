"""What a commitment costs: seconds of the processor and memory for a tree over many records.

    python -m benchmarks.merkle_tree [--records 1000000] [--features 8]

Records of random numbers are hashed, salted, sorted and put in a tree, as `kit certify` does before training; then one
record is shown to be there, and one not to be. Ends with 1 where a million records take over 20 s or 1 GB.
"""

import argparse
import resource
import sys
import time

import numpy as np

from kit.proofs import commitment
from kit.types import Arrays

MOST_SECONDS, MOST_BYTES = 20.0, 1e9


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--features", type=int, default=8)
    options = parser.parse_args()
    generator = np.random.default_rng(0)
    records = Arrays(
        generator.normal(size=(options.records, options.features)).astype(np.float32),
        generator.integers(0, 10, options.records).astype(np.int32),
    )
    start = time.process_time()
    contents = commitment.contents(records)
    leaves = commitment.leaves(contents, commitment.draw_salts(len(records)))
    hashed = time.process_time()
    committed = commitment.Commitment.of(leaves)
    head = committed.head
    sorted_and_linked = time.process_time()
    present, absent = committed.presence(leaves[0].tobytes()), committed.absence(bytes(32))
    present.check(head)
    absent.check(head)
    proven = time.process_time()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    print(f"{options.records:,} records of {options.features} numbers: root {head.root.hex()[:16]}...")
    print(f"{'hashed and salted':28s}{hashed - start:8.2f} CPU s")
    print(f"{'sorted and put in a tree':28s}{sorted_and_linked - hashed:8.2f} CPU s")
    print(f"{'two proofs, made and checked':28s}{1000 * (proven - sorted_and_linked):8.2f} CPU ms")
    print(f"{'in all':28s}{proven - start:8.2f} CPU s, at most {peak / 1e9:.2f} GB of memory in the process")
    sys.exit(0 if proven - start < MOST_SECONDS and peak < MOST_BYTES else 1)


if __name__ == "__main__":
    main()
