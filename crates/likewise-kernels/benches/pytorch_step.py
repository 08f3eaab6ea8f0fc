"""Images per second of one training step of a small convolutional network in PyTorch on the CPU.

The network and batch are those of examples/step.rs: four blocks (3x3 convolution, batch norm, ReLU,
2x2 max pool) of 32, 64, 128 and 256 channels, global average pool, a linear layer to 128 values;
112 RGB images of 32x32; forward, backward and one Adam update.

Usage: python pytorch_step.py [threads] [steps]
"""

import statistics
import sys
import time

import torch
from torch import nn

BATCH = 112


def network() -> nn.Module:
    layers, channels = [], 3
    for width in (32, 64, 128, 256):
        layers += [
            nn.Conv2d(channels, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.MaxPool2d(2),
        ]
        channels = width
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 128))


def main() -> None:
    threads = int(sys.argv[1]) if len(sys.argv) > 1 else 2
    steps = int(sys.argv[2]) if len(sys.argv) > 2 else 30
    torch.set_num_threads(threads)
    torch.manual_seed(0)

    model = network().train()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    images = torch.randn(BATCH, 3, 32, 32)
    target = torch.randn(BATCH, 128)

    def step() -> None:
        optimizer.zero_grad()
        (model(images) * target).mean().backward()
        optimizer.step()

    for _ in range(3):
        step()
    seconds = []
    for _ in range(steps):
        start = time.perf_counter()
        step()
        seconds.append(time.perf_counter() - start)
    median, best = statistics.median(seconds), min(seconds)
    print(
        f"pytorch {torch.__version__}, {threads} threads: {BATCH / median:.0f} images/s "
        f"(median {median * 1e3:.1f} ms, best {best * 1e3:.1f} ms)"
    )


if __name__ == "__main__":
    main()
