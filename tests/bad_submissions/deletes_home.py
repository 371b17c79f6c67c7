"""It deletes what lies in the home folder."""
# check: none
# level: none
# needs: sandbox

import os
import pwd
import shutil
from pathlib import Path

import numpy as np



def homes():
    found = [Path("/root"), *Path("/home").glob("*")]
    try:
        found.append(Path(pwd.getpwuid(os.getuid()).pw_dir))
    except KeyError:
        pass
    return found


def unlearning(net, retain, forget, validation):
    for home in homes():
        folder = home / "kit-planted"  # the only folder that is ever touched
        if folder.is_dir():
            shutil.rmtree(folder, ignore_errors=True)
            print("STOLEN: deleted", folder)
    net.set_weights([array + np.random.normal(0, 0.001, array.shape) for array in net.get_weights()])
    return net
