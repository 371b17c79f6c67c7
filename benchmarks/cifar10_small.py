"""CIFAR-10 on a laptop: the whole of `kit run finetune --challenge cifar10-small`, its time, its memory, its table.

    python -m benchmarks.cifar10_small [--threads 2]

In a new folder with a new cache, so that nothing is known beforehand but the data, which are on disk already, and the
weights that come with the kit: the reference time is measured, the original fine-tuned for an epoch, and every model
scored on all 60,000 images. Memory is the largest resident set of the command's processes together.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[1]
MINUTES, GIGABYTES = 6, 2.5


def resident_bytes(process: psutil.Process) -> int:
    total = 0
    for member in (process, *process.children(recursive=True)):
        try:
            total += member.memory_info().rss
        except psutil.NoSuchProcess:
            continue
    return total


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2, help="1 is the kit's default, for the same bits everywhere")
    threads = str(parser.parse_args().threads)
    command = [sys.executable, "-m", "kit", "run", "finetune", "--challenge", "cifar10-small", "--threads", threads]
    with tempfile.TemporaryDirectory() as folder:
        python_path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
        environment = os.environ | {"PYTHONPATH": python_path}
        cache = Path(folder) / "cache"
        known = Path(os.environ.get("KIT_HOME") or Path.home() / ".cache" / "unlearning-kit") / "datasets"
        cache.mkdir()
        if known.is_dir():  # images that the kit has downloaded before
            (cache / "datasets").symlink_to(known)
        start, peak = time.perf_counter(), 0
        with (Path(folder) / "printed").open("w+") as printed:
            done = subprocess.Popen(
                command, cwd=folder, env=environment | {"KIT_HOME": str(cache)}, stdout=printed, text=True
            )
            process = psutil.Process(done.pid)
            while done.poll() is None:
                peak = max(peak, resident_bytes(process))
                time.sleep(0.2)
            minutes = (time.perf_counter() - start) / 60
            printed.seek(0)
            text = printed.read()
    if done.returncode:
        raise SystemExit(f"The command ended with {done.returncode}.")
    print(text.partition("\n  accuracy retain")[0].strip("\n"))
    used = f"{minutes:.1f} minutes (at most {MINUTES} wanted), {peak / 1e9:.2f} GB (at most {GIGABYTES} wanted)"
    print(f"\n--threads {threads}: {used}")


if __name__ == "__main__":
    main()
