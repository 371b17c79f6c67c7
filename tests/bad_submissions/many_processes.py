"""It starts hundreds of processes."""
# check: runs
# level: FAIL
# says: too many processes

import subprocess


def unlearning(net, retain, forget, validation):
    for _ in range(300):
        subprocess.Popen(["sleep", "30"])
    return net
