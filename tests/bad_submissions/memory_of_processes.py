"""Its processes together take more than the limit."""
# check: memory
# level: FAIL
# says: more memory than the limit

import subprocess
import sys

CODE = "import time; kept = bytearray(b'x' * 300_000_000); time.sleep(30)"


def unlearning(net, retain, forget, validation):
    processes = [subprocess.Popen([sys.executable, "-S", "-c", CODE]) for _ in range(7)]
    for process in processes:
        process.wait()
    return net
