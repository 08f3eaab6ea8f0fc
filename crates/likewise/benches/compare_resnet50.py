"""A training step (forward and backward, frozen BatchNorm) and an evaluation pass of ResNet50 on the processor,
here and in PyTorch, measured in turns in one run. Prints a Markdown table of the least times by the clock, of
the processor (what is to be compared where other programs run), and memory at the peak.

Usage: python compare_resnet50.py [--threads 1,2] [--cases 8x224,16x112] [--rounds N]
(cargo build --release -p likewise --example resnet_step first; pip install torch torchvision)
"""

import argparse
import json
import os
import pathlib
import resource
import subprocess
import sys
import time

PROGRAM = pathlib.Path(__file__).resolve().parents[3] / "target" / "release" / "examples" / "resnet_step"
# Multiply-adds of ResNet50 for one image of 224 px, without its classifier; a step takes three times as many.
MULTIPLY_ADDS = 4.087e9
REPEATS = 3


def pytorch(batch, size, threads):
    """One measurement in this process, as JSON."""
    import torch
    import torchvision

    torch.set_num_threads(threads)
    model = torchvision.models.resnet50(weights=None)
    model.fc = torch.nn.Linear(2048, 128)
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.eval()
            module.train = lambda *_: None
    images = torch.sin(torch.arange(batch * 3 * size * size).float() * 0.37).reshape(batch, 3, size, size)

    def step():
        model.zero_grad()
        embeddings = torch.nn.functional.normalize(model(images))
        ((embeddings - embeddings.detach()[:1]) ** 2).sum().backward()

    def forward():
        with torch.no_grad():
            torch.nn.functional.normalize(model(images))

    def best(work):
        work()
        times = []
        for _ in range(REPEATS):
            start, processor = time.perf_counter(), time.process_time()
            work()
            times.append((time.perf_counter() - start, time.process_time() - processor))
        return [1e3 * min(each) for each in zip(*times)]

    measured = {}
    for name, work in ("forward", forward), ("step", step):
        measured[f"{name}_ms"], measured[f"{name}_cpu_ms"] = best(work)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps(measured | {"peak_mib": peak}))


def measure(command, threads):
    # The program itself keeps freed memory for the next step as well; the example leaves it to its allocator.
    environment = {"MIMALLOC_PURGE_DELAY": "10000"} | os.environ | {"RAYON_NUM_THREADS": str(threads)}
    output = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE).stdout
    return json.loads(output)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--cases", default="8x224,16x112")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--pytorch", nargs=3, type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.pytorch:
        return pytorch(*options.pytorch)
    print(
        "| images | threads | | evaluation (ms) | processor (ms) | step (ms) | processor (ms) | images/s | GFLOP/s "
        "| peak (MiB) |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|")
    for case in options.cases.split(","):
        batch, size = map(int, case.split("x"))
        for threads in map(int, options.threads.split(",")):
            best = {}
            for _ in range(options.rounds):
                commands = {
                    "Likewise": [PROGRAM, str(batch), str(size), str(REPEATS)],
                    "PyTorch": [sys.executable, __file__, "--pytorch", str(batch), str(size), str(threads)],
                }
                for name, command in commands.items():
                    found = measure(command, threads)
                    known = best.setdefault(name, found)
                    best[name] = {key: min(known[key], found[key]) for key in known}
            for name, found in best.items():
                seconds = found["step_ms"] / 1e3
                flops = 6 * batch * MULTIPLY_ADDS * (size / 224) ** 2
                print(
                    f"| {batch} of {size} px | {threads} | {name} "
                    f"| {found['forward_ms']:.0f} | {found['forward_cpu_ms']:.0f} "
                    f"| {found['step_ms']:.0f} | {found['step_cpu_ms']:.0f} | {batch / seconds:.1f} | {flops / seconds / 1e9:.0f} "
                    f"| {found['peak_mib']:.0f} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
