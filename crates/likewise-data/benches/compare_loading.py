"""Images a second of processor time: `likewise bench load` and Pillow with torchvision in turns.

    python crates/likewise-data/benches/compare_loading.py [--likewise PATH] [--rounds N] [--data DIR]

Needs Pillow and torchvision (`pip install pillow torchvision`) and the built program. Both load the
same files, one thread each, to the transforms of training (random resized crop, mirroring) and of
evaluation at 224 px. The fastest round of each counts: other work on the machine only slows down.
"""

import argparse
import io
import json
import pathlib
import subprocess
import tempfile
import time

import PIL
import torch
import torchvision
from PIL import Image, features
from torchvision import transforms

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
TRAIN = transforms.Compose([
    transforms.RandomResizedCrop(224),
    transforms.RandomHorizontalFlip(0.5),
    transforms.ToTensor(),
    transforms.Normalize(MEAN, STD),
])
ADV = transforms.Compose([
    transforms.RandomResizedCrop(224),
    transforms.RandomGrayscale(0.2),
    transforms.ColorJitter(0.2, 0.2, 0.2, 0.2),
    transforms.RandomHorizontalFlip(0.5),
    transforms.ToTensor(),
    transforms.Normalize(MEAN, STD),
])
EVALUATE = transforms.Compose([
    transforms.Resize(256),
    transforms.CenterCrop(224),
    transforms.ToTensor(),
    transforms.Normalize(MEAN, STD),
])
TENSOR_TRAIN = transforms.Compose([
    transforms.RandomResizedCrop(224, antialias=True),
    transforms.RandomHorizontalFlip(0.5),
    transforms.ConvertImageDtype(torch.float32),
    transforms.Normalize(MEAN, STD),
])


def pillow(transform):
    return lambda data: transform(Image.open(io.BytesIO(data)).convert("RGB"))


def tensor(data):
    encoded = torch.frombuffer(bytearray(data), dtype=torch.uint8)
    mode = torchvision.io.ImageReadMode.RGB
    return TENSOR_TRAIN(torchvision.io.decode_jpeg(encoded, mode=mode))


PYTHON = {
    "Pillow, decoding alone": lambda data: Image.open(io.BytesIO(data)).convert("RGB"),
    "Pillow and torchvision, train": pillow(TRAIN),
    "Pillow and torchvision, evaluate": pillow(EVALUATE),
    "Pillow and torchvision, adv": pillow(ADV),
    "torchvision.io, train": tensor,
}


def images_per_second(load, files):
    start = time.process_time()
    for file in files:
        load(file.read_bytes())
    return len(files) / (time.process_time() - start)


def likewise(program, folder, images, more):
    command = [program, "bench", "load", "--json", "--repeats", "1", "--data", str(folder),
               "--images", str(images), *more]
    result = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return json.loads(result)["measurements"]


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--likewise", default="target/release/likewise")
    options.add_argument("--rounds", type=int, default=7)
    options.add_argument("--data", type=pathlib.Path, help="class folders of JPEGs; by default made up")
    options = options.parse_args()
    torch.set_num_threads(1)
    best = {}
    with tempfile.TemporaryDirectory() as made_up:
        folder = options.data or pathlib.Path(made_up)
        if options.data is None:
            subprocess.run([options.likewise, "bench", "load", "--write", made_up], check=True)
        files = sorted(folder.rglob("*.jpg"))[:200]
        for _ in range(options.rounds):
            for name, load in PYTHON.items():
                best[name] = max(best.get(name, 0), images_per_second(load, files))
            for name, more in {"exact": [], "inexact": ["--inexact"]}.items():
                for row in likewise(options.likewise, folder, len(files), more):
                    key = f"Likewise, {row['transform']}, {name}"
                    best[key] = max(best.get(key, 0), row["images_per_cpu_second"])
            adv = likewise(options.likewise, folder, len(files), ["--augmentation", "adv"])
            key = "Likewise, adv, exact"
            best[key] = max(best.get(key, 0), adv[0]["images_per_cpu_second"])
        kilobytes = sum(file.stat().st_size for file in files) / len(files) / 1e3
    turbo = features.version("libjpeg_turbo")
    print(f"Pillow {PIL.__version__} (libjpeg-turbo {turbo}), torch {torch.__version__}, "
          f"torchvision {torchvision.__version__}; {len(files)} images of {kilobytes:.0f} kB")
    for name, rate in best.items():
        print(f"{name:36} {rate:6.0f} images per second of processor time")


if __name__ == "__main__":
    main()
