"""Which layers of a ResNet50 are slower here than in PyTorch? Processor time on one thread of each kind of
convolution with the frozen BatchNorm and ReLU behind it, forward and backward, in turns. Prints a Markdown table.
Both keep freed memory for the next pass, as the program does.

Usage: python compare_layers.py [--batch B] [--size S] [--rounds N]
(cargo build --release -p likewise-kernels --example resnet_layers first; pip install torch)
"""

import argparse
import os
import pathlib
import subprocess
import sys
import time

import torch

PROGRAM = pathlib.Path(__file__).resolve().parents[3] / "target" / "release" / "examples" / "resnet_layers"
REPEATS = 5
# The system's allocator reads these when a program starts.
KEEP_MEMORY = {"MALLOC_MMAP_THRESHOLD_": str(1 << 30), "MALLOC_TRIM_THRESHOLD_": str(1 << 34)}


def ours(batch, size):
    environment = os.environ | {"RAYON_NUM_THREADS": "1"}
    command = [PROGRAM, str(batch), str(size), str(REPEATS)]
    output = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True).stdout
    lines = [line.split() for line in output.splitlines()]
    return {tuple(map(int, line[:6])): tuple(map(float, line[6:])) for line in lines}


def theirs(batch, inputs, outputs, size, kernel, stride):
    x = torch.sin(torch.arange(batch * inputs * size * size) * 0.37).reshape(batch, inputs, size, size) * 0.1
    conv = torch.nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)
    norm = torch.nn.BatchNorm2d(outputs).eval()
    x.requires_grad_()
    least = [float("inf")] * 2
    for _ in range(REPEATS):
        start = time.process_time()
        y = torch.relu_(norm(conv(x)))
        middle = time.process_time()
        loss = y.sum()
        before = time.process_time()
        loss.backward()
        end = time.process_time()
        x.grad = None
        conv.zero_grad()
        norm.zero_grad()
        least = [min(least[0], middle - start), min(least[1], end - before)]
    return [1e3 * seconds for seconds in least]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--rounds", type=int, default=2)
    options = parser.parse_args()
    if not KEEP_MEMORY.keys() <= os.environ.keys():
        os.execve(sys.executable, [sys.executable, *sys.argv], os.environ | KEEP_MEMORY)
    torch.set_num_threads(1)
    best = {}
    for _ in range(options.rounds):
        for layer, found in ours(options.batch, options.size).items():
            measured = [*found, *theirs(options.batch, *layer[:5])]
            best[layer] = [min(pair) for pair in zip(measured, best.get(layer, measured))]
    print("| layer | of these | forward (ms) | PyTorch | backward (ms) | PyTorch | GFLOP/s | PyTorch |")
    print("|---|--:|--:|--:|--:|--:|--:|--:|")
    total = [0.0] * 4
    for (inputs, outputs, size, kernel, stride, count), times in best.items():
        side = -(-size // stride)
        gflop = 6e-9 * options.batch * inputs * outputs * kernel**2 * side**2
        total = [sum(pair) for pair in zip(total, (count * value for value in times))]
        our, their = gflop / (times[0] + times[1]) * 1e3, gflop / (times[2] + times[3]) * 1e3
        print(
            f"| {kernel}×{kernel}/{stride} {inputs} to {outputs} at {size} px | {count} | {times[0]:.2f} | {times[2]:.2f} "
            f"| {times[1]:.2f} | {times[3]:.2f} | {our:.0f} | {their:.0f} |"
        )
    print(f"| all | | {total[0]:.0f} | {total[2]:.0f} | {total[1]:.0f} | {total[3]:.0f} | | |")


if __name__ == "__main__":
    main()
