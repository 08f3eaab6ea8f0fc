"""Mining, loss and backward pass of the objectives on one thread of the CPU: Likewise, plain batched
PyTorch, and pytorch-metric-learning, measured in turns in one run. Prints one Markdown table.

Before anything is measured, the plain PyTorch versions are checked against the library's test data.

Usage: python compare_objectives.py [path of the program] [--rounds N] [--batch B,B,…] [--objective NAMES]
(cargo build --release first; pip install torch pytorch-metric-learning for what is compared with)
"""

import argparse
import importlib
import importlib.util
import json
import math
import multiprocessing
import os
import pathlib
import resource
import statistics
import struct
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
FIXTURES = HERE.parent / "tests" / "fixtures" / "losses"
PROGRAM = HERE.parents[2] / "target" / "release" / "likewise"

DIMENSION = 128
SAMPLES_PER_CLASS = 2
# The miner each objective is measured with.
MINERS = {
    "contrastive": "distance",
    "triplet": "semihard",
    "margin": "distance",
    "npair": "npair",
    "angular": "npair",
    "lifted": "lifted",
    "multisimilarity": "none",
    "histogram": "none",
    "circle": "none",
    "ntxent": "none",
    "supcon": "none",
    "fastap": "none",
    "smoothap": "none",
    "proxynca": "none",
    "proxy_anchor": "none",
    "softmax": "none",
    "softtriplet": "none",
    "arcface": "none",
}
# Objectives of embeddings that are not of length 1.
RAW = {"npair", "angular", "lifted"}
# The library's test case of each, and the tuples in it.
CASES = {name: name for name in MINERS} | {"margin": "margin_learn", "histogram": "histogram_R65"}
TUPLES = {
    "contrastive": "triplets",
    "triplet": "triplets",
    "margin": "triplets",
    "npair": "npair",
    "angular": "npair",
}
SETS = ("small", "square", "large")

# Modules that measure, and the packages they need.
PEERS = {
    "PyTorch": ("pytorch_objectives", ["torch"]),
    "pytorch-metric-learning": ("metric_learning_objectives", ["torch", "pytorch_metric_learning"]),
}
# Seconds of repetitions after the first; seconds after which no more than one is made; seconds after
# which it is given up.
ENOUGH, SLOW, TOO_SLOW = 0.2, 1.0, 20.0
MEMORY_LIMIT = 8 << 30


# The other process


def quiet_environment() -> None:
    # Waiting threads would otherwise spin and disturb whatever else runs.
    os.environ.update({"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OMP_WAIT_POLICY": "passive"})
    # The modules beside this file need no compiled copies.
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
    sys.dont_write_bytecode = True


def embeddings(batch: int, unit: bool):
    """Classes of two that overlap, as early in training."""
    import torch

    generator = torch.Generator().manual_seed(0)
    noise = lambda rows: 2 * torch.rand(rows, DIMENSION, generator=generator) - 1
    z = noise(batch // SAMPLES_PER_CLASS).repeat_interleave(SAMPLES_PER_CLASS, 0) + noise(batch)
    return torch.nn.functional.normalize(z) if unit else z


def measure(module, objective: str, batch: int) -> float:
    """Median milliseconds of mining, loss and backward."""
    import torch

    classes = max(100, batch // SAMPLES_PER_CLASS)
    run = module.step(objective, classes, DIMENSION)
    z = embeddings(batch, objective not in RAW)
    labels = torch.arange(batch) // SAMPLES_PER_CLASS

    def repeat() -> float:
        leaf = z.clone().requires_grad_()
        start = time.perf_counter()
        run(leaf, labels)
        return time.perf_counter() - start

    first = repeat()
    if first > SLOW:
        return 1e3 * first
    seconds = []
    while len(seconds) < 3 or sum(seconds) < ENOUGH:
        seconds.append(repeat())
    return 1e3 * statistics.median(seconds)


def serve(connection, module_name: str) -> None:
    """Answers (objective, batch) with milliseconds or the reason why there are none."""
    import torch

    torch.set_num_threads(1)
    sys.path.insert(0, str(HERE))
    module = importlib.import_module(module_name)
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY_LIMIT, resource.RLIM_INFINITY))
    connection.send("ready")
    while True:
        try:
            objective, batch = connection.recv()
        except EOFError:
            return
        try:
            connection.send(measure(module, objective, batch))
        except (MemoryError, RuntimeError) as error:
            text = str(error)
            is_memory = isinstance(error, MemoryError) or "allocate memory" in text
            reason = f"> {MEMORY_LIMIT >> 30} GB" if is_memory else f"failed: {text.splitlines()[0]}"
            connection.send(reason)


class Peer:
    """Measures in a process of its own, which is replaced when it takes too long."""

    def __init__(self, module_name: str) -> None:
        self.module_name, self.process, self.given_up = module_name, None, {}

    def start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.process = context.Process(target=serve, args=(theirs, self.module_name), daemon=True)
        self.process.start()
        theirs.close()
        self.connection.recv()

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.join()
            self.process = None

    def measure(self, objective: str, batch: int) -> float | str:
        key = (objective, batch)
        if key in self.given_up:
            return self.given_up[key]
        if self.process is None:
            self.start()
        self.connection.send(key)
        result = f"> {TOO_SLOW:.0f} s"
        try:
            if self.connection.poll(TOO_SLOW):
                result = self.connection.recv()
            else:
                self.stop()
        except EOFError:
            self.stop()
            result = "killed"
        # Once is enough for what takes seconds or fails.
        if isinstance(result, str) or result > 1e3 * SLOW:
            self.given_up[key] = result
        return result


# The library's test data


def read_tensors(path: pathlib.Path) -> dict:
    import torch

    types = {"F32": torch.float32, "F64": torch.float64, "I64": torch.int64, "U8": torch.uint8}
    data = path.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    header.pop("__metadata__", None)
    tensors = {}
    for name, entry in header.items():
        begin, end = (8 + length + offset for offset in entry["data_offsets"])
        values = torch.empty(0, dtype=types[entry["dtype"]])
        if end > begin:
            values = torch.frombuffer(bytearray(data[begin:end]), dtype=types[entry["dtype"]])
        tensors[name] = values.reshape(entry["shape"])
    return tensors


def check_plain_versions() -> str:
    """Loss and gradient of each plain PyTorch version against the stored ones, or the run ends."""
    import torch

    sys.path.insert(0, str(HERE))
    plain = importlib.import_module("pytorch_objectives")
    cases = json.loads((FIXTURES / "manifest.json").read_text())["cases"]
    checked, worst = 0, 0.0
    for objective, case_id in CASES.items():
        found = [case for case in cases if case["id"] == case_id and case["set"] in SETS]
        if not found:
            sys.exit(f"{objective}: no test case {case_id} in {FIXTURES}")
        for case in found:
            inputs = read_tensors(FIXTURES / f"{case['set']}.inputs.safetensors")
            expected = read_tensors(FIXTURES / f"{case['set']}.expected.safetensors")
            z = inputs[case["input"]].clone().requires_grad_()
            own = [inputs[name] for name in case["parameter_inputs"].values()]
            tuples = {
                "triplets": lambda: tuple(inputs["triplets"].T),
                "npair": lambda: (inputs["npair_anchor"], inputs["npair_positive"]),
            }.get(TUPLES.get(objective), lambda: None)()
            loss = plain.loss_of(objective, z, inputs["labels"], own, tuples)
            loss.backward()
            gradient = expected[f"{case_id}.grad_embeddings"]
            error = abs(loss.item() - case["loss"]) / max(1, abs(case["loss"]))
            scale = gradient.norm().item() + 1e-3
            of_gradient = (z.grad.double() - gradient).norm().item() / scale
            if not case["gradient_stable_in_f32"]:
                of_gradient = 0.0
            if not (error <= 1e-4 and of_gradient <= 1e-3):
                sys.exit(
                    f"{objective} on {case['set']}: loss {loss.item()} instead of {case['loss']}, "
                    f"gradient off by {of_gradient:.1e}: the comparison would not be fair"
                )
            checked, worst = checked + 1, max(worst, error)
    return f"{checked} checks of {len(CASES)} plain versions passed, losses within {worst:.0e}"


# The comparison


def measure_ours(program: pathlib.Path, objective: str, batches: list[int]) -> dict[int, dict]:
    command = [str(program), "bench", "objectives", "--json", "--threads", "1", "--device", "cpu"]
    command += ["--dim", str(DIMENSION), "--repeats", "3", "--batch", ",".join(map(str, batches))]
    command += ["--objective", objective, "--miner", MINERS[objective]]
    environment = os.environ | {"RAYON_NUM_THREADS": "1"}
    result = subprocess.run(command, env=environment, capture_output=True, text=True)
    if result.returncode != 0:
        sys.exit(f"{' '.join(command)}\n{result.stderr}")
    return {row["batch"]: row for row in json.loads(result.stdout)["measurements"]}


def middle(values: list) -> float | str:
    """The median; the reason where one of the values is none."""
    reasons = [value for value in values if isinstance(value, str)]
    return reasons[0] if reasons else statistics.median(values)


def text(value: float | str | None) -> str:
    if value is None:
        return "–"
    if isinstance(value, str):
        return value
    return f"{value:.2f}" if value < 9.995 else f"{value:.1f}" if value < 99.95 else f"{value:.0f}"


def table(objectives, batches, contenders, results, peaks) -> str:
    head = ["objective", "miner"]
    head += [f"{name}, B = {batch}" for batch in batches for name in contenders]
    head += [f"peak, MB, B = {batch}" for batch in batches]
    lines = [head, ["---", "---"] + ["---:"] * (len(head) - 2)]
    for objective in objectives:
        miner = MINERS[objective].replace("none", "–")
        cells = [results.get((objective, batch, name)) for batch in batches for name in contenders]
        cells = [text(middle(cell)) if cell else "–" for cell in cells]
        lines.append([objective, miner] + cells + [text(peaks[objective, batch]) for batch in batches])
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def ratios(objectives, batches, peer, results) -> str:
    """How many times as long a peer takes, as the geometric mean of what both can do."""
    parts = []
    for batch in batches:
        logs, slower = [], 0
        for objective in objectives:
            ours, theirs = (
                middle(results.get((objective, batch, name), ["–"])) for name in ("Likewise", peer)
            )
            if not isinstance(theirs, str):
                logs.append(math.log(theirs / ours))
                slower += theirs < ours
        if logs:
            mean = math.exp(statistics.mean(logs))
            parts.append(f"B = {batch}: {mean:.1f} times (it is faster in {slower} of {len(logs)})")
    return f"{peer} takes, in the geometric mean, " + "; ".join(parts)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    names = lambda value: value.split(",")
    numbers = lambda value: [int(number) for number in value.split(",")]
    parser.add_argument("program", nargs="?", type=pathlib.Path, default=PROGRAM)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--batch", type=numbers, default=[112, 512, 1024])
    parser.add_argument("--objective", type=names, default=list(MINERS))
    chosen = parser.parse_args()
    unknown = [name for name in chosen.objective if name not in MINERS]
    if unknown:
        parser.error(f"{', '.join(unknown)}: not one of {', '.join(MINERS)}")
    if not chosen.program.is_file():
        parser.error(f"{chosen.program} does not exist: cargo build --release, or give its path")
    if chosen.rounds < 1:
        parser.error("--rounds: at least 1")
    return chosen


def available_peers() -> dict[str, Peer]:
    peers = {}
    for name, (module, packages) in PEERS.items():
        missing = [package for package in packages if importlib.util.find_spec(package) is None]
        if missing:
            install = " ".join(missing).replace("_", "-")
            print(f"{name} is left out: pip install {install}", file=sys.stderr)
        else:
            peers[name] = Peer(module)
    return peers


def main() -> None:
    chosen = arguments()
    quiet_environment()
    peers = available_peers()
    print(f"load before: {os.getloadavg()[0]:.1f}", file=sys.stderr)
    if "PyTorch" in peers:
        print(check_plain_versions(), file=sys.stderr)
    results, peaks = {}, {}
    begun = time.monotonic()
    for number in range(chosen.rounds):
        for objective in chosen.objective:
            ours = measure_ours(chosen.program, objective, chosen.batch)
            for batch in chosen.batch:
                results.setdefault((objective, batch, "Likewise"), []).append(ours[batch]["milliseconds"])
                peaks[objective, batch] = ours[batch]["peak_megabytes"]
                for name, peer in peers.items():
                    value = peer.measure(objective, batch)
                    results.setdefault((objective, batch, name), []).append(value)
        passed = time.monotonic() - begun
        print(f"round {number + 1} of {chosen.rounds} done after {passed:.0f} s", file=sys.stderr)
    for peer in peers.values():
        peer.stop()
    print(f"load after: {os.getloadavg()[0]:.1f}", file=sys.stderr)
    print(
        f"Milliseconds of mining + loss + backward, D = {DIMENSION}, {SAMPLES_PER_CLASS} a class, one "
        f"thread; medians of {chosen.rounds} rounds; peak: memory of Likewise.\n"
    )
    print(table(chosen.objective, chosen.batch, ["Likewise", *peers], results, peaks))
    for name in peers:
        print("\n" + ratios(chosen.objective, chosen.batch, name, results))


if __name__ == "__main__":
    main()
