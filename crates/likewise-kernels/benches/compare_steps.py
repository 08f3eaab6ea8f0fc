"""One training step of a small convolutional network on the CPU: Burn's own operations, the kernels of
this crate, and PyTorch where it can be imported, measured in turns in one run.

Usage: python compare_steps.py [rounds]
"""

import importlib.util
import os
import pathlib
import re
import statistics
import subprocess
import sys

HERE = pathlib.Path(__file__).parent
EXAMPLE = ["cargo", "run", "--quiet", "--release", "-p", "likewise-kernels", "--example", "step", "--"]


def images_per_second(command: list[str], threads: int) -> float:
    # PyTorch's waiting threads would otherwise spin and disturb whatever else runs.
    environment = os.environ | {"RAYON_NUM_THREADS": str(threads), "OMP_WAIT_POLICY": "passive"}
    output = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    return float(re.search(r"([\d.]+) images/s", output).group(1))


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    contenders = {"burn": lambda _: [*EXAMPLE, "burn"], "likewise": lambda _: [*EXAMPLE, "likewise"]}
    if importlib.util.find_spec("torch"):
        contenders["pytorch"] = lambda threads: [sys.executable, str(HERE / "pytorch_step.py"), str(threads)]
    else:
        print("PyTorch is not installed: left out")
    print(f"load before: {os.getloadavg()[0]:.1f}")
    for threads in (1, 2):
        results = {name: [] for name in contenders}
        for _ in range(rounds):
            for name, command in contenders.items():
                results[name].append(images_per_second(command(threads), threads))
        for name, values in results.items():
            low, middle, high = min(values), statistics.median(values), max(values)
            print(f"{threads} threads  {name:9} {middle:6.0f} images/s  ({low:.0f} to {high:.0f})")


if __name__ == "__main__":
    main()
