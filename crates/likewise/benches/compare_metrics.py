"""Metrics of the same embeddings by Likewise and by the programs it is compared with: the code of
Roth et al. 2020, pytorch-metric-learning and open-metric-learning. Prints one Markdown table: what the
program itself returns, and what `likewise evaluate --conformance` says it returns.

Usage: python compare_metrics.py [path of the program] [--original FOLDER] [--write]
  --original  a checkout of github.com/Confusezius/Revisiting_Deep_Metric_Learning_PyTorch
  --write     store embeddings and values as test data instead of running the program
(cargo build --release first; pip install torch faiss-cpu scikit-learn pytorch-metric-learning, and
open-metric-learning, for what is compared with; a program that cannot be imported is left out)
"""

import argparse
import json
import math
import pathlib
import subprocess
import sys
import tempfile
import warnings

import numpy

HERE = pathlib.Path(__file__).resolve().parent
FIXTURES = HERE.parent / "tests" / "fixtures" / "conformance"
PROGRAM = HERE.parents[2] / "target" / "release" / "likewise"


def embeddings_of(random, labels, dimension):
    centres = random.normal(size=(labels.max() + 1, dimension))
    return (centres[labels] + 0.9 * random.normal(size=(len(labels), dimension))).astype(numpy.float32)


def datasets():
    """Embeddings with labels: what the definitions disagree about, one thing at a time."""
    random = numpy.random.default_rng(20)
    labels = random.permutation(numpy.repeat(numpy.arange(24), random.integers(4, 20, 24)))
    distinct = embeddings_of(random, labels, 8)
    yield "distinct rows", distinct, labels
    repeated = distinct.copy()
    rows = random.permutation(len(labels))
    repeated[rows[:40]] = repeated[rows[40:80]]
    yield "40 repeated rows", repeated, labels
    alone = labels.copy()
    alone[[5, 50]] = [24, 25]
    yield "two classes of one", distinct, alone
    small = numpy.array([0, 1, 0, 1, 2, 2, 1])
    yield "seven rows", embeddings_of(random, small, 4), small
    large = numpy.arange(1200) % 3
    yield "1,200 rows of 3 classes", embeddings_of(random, large, 3), large


def original(folder, features, labels):
    import faiss

    sys.path.insert(0, folder)
    from metrics import mAP, mAP_1000, mAP_c, mAP_lim, dists, e_recall, f1, nmi, rho_spectrum

    column = labels.reshape(-1, 1)
    dimension = features.shape[1]
    classes = len(numpy.unique(labels))
    kmeans = faiss.Clustering(dimension, classes)
    kmeans.niter, kmeans.min_points_per_centroid, kmeans.max_points_per_centroid = 20, 1, 1000000000
    kmeans.train(features, faiss.IndexFlatL2(dimension))
    centroids = faiss.vector_float_to_array(kmeans.centroids).reshape(classes, dimension)
    index = faiss.IndexFlatL2(dimension)
    index.add(centroids)
    _, clusters = index.search(features, 1)
    index = faiss.IndexFlatL2(dimension)
    index.add(features)
    _, nearest = index.search(features, 5)
    found = column.reshape(-1)[nearest[:, 1:]]
    values = {f"e_recall@{k}": e_recall.Metric(k)(column, found) for k in (1, 2, 4)}
    for module in (mAP, mAP_lim, mAP_1000, mAP_c):
        values[module.__name__.split(".")[-1]] = module.Metric()(column, features)
    values["nmi"] = nmi.Metric()(column, clusters)
    values["f1"] = f1.Metric()(column, clusters, features, centroids)
    values["dists@intra"] = dists.Metric("intra")(features, column)
    values["rho_spectrum@2 (CPU)"] = rho_spectrum.Metric(dimension, 2)(features)
    import torch

    values["rho_spectrum@2 (GPU)"] = rho_spectrum.Metric(dimension, 2)(torch.from_numpy(features))
    return values


def pytorch_metric_learning(_, features, labels):
    import torch
    from pytorch_metric_learning.utils.accuracy_calculator import AccuracyCalculator

    calculator = AccuracyCalculator(device=torch.device("cpu"))
    return calculator.get_accuracy(features, labels)


def open_metric_learning(_, features, labels):
    import torch
    from oml.functional.knn import batched_knn_qg
    from oml.functional.metrics import calc_retrieval_metrics

    features, labels = torch.from_numpy(features), torch.from_numpy(labels)
    rows = torch.arange(len(labels))
    sides = {"embeddings": features, "labels": labels, "ids": rows}
    arguments = {f"{key}_{side}": value for key, value in sides.items() for side in ("query", "gallery")}
    _, retrieved, positives = batched_knn_qg(top_n=100, **arguments)
    found = calc_retrieval_metrics(
        retrieved, positives, cmc_top_k=(1, 10), precision_top_k=(10,), map_top_k=(10,), verbose=False
    )
    return {f"{name}@{k}": value for name, values in found.items() for k, value in values.items()}


PROGRAMS = {
    "Roth et al. 2020": original,
    "pytorch-metric-learning": pytorch_metric_learning,
    "open-metric-learning": open_metric_learning,
}


def their_values(folder, features, labels):
    """Values of every program that is there; None for NaN and infinities."""
    all_values = {}
    for program, compute in PROGRAMS.items():
        if compute is original and folder is None:
            continue
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                values = compute(folder, features, labels)
        except ImportError as error:
            print(f"left out: {program} ({error})", file=sys.stderr)
            continue
        values = {name: float(value) for name, value in values.items()}
        all_values[program] = {n: v if math.isfinite(v) else None for n, v in values.items()}
    return all_values


def safetensors(path, tensors):
    header, data = {}, b""
    for name, array in tensors.items():
        kind = {"float32": "F32", "int64": "I64"}[str(array.dtype)]
        place = [len(data), len(data) + array.nbytes]
        header[name] = {"dtype": kind, "shape": list(array.shape), "data_offsets": place}
        data += array.tobytes()
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)


def write(folder):
    FIXTURES.mkdir(parents=True, exist_ok=True)
    sets = []
    for number, (name, features, labels) in enumerate(datasets()):
        file = f"set{number}.safetensors"
        safetensors(FIXTURES / file, {"embeddings": features, "labels": labels.astype(numpy.int64)})
        sets.append({"name": name, "file": file, "values": their_values(folder, features, labels)})
    manifest = {"made_by": "benches/compare_metrics.py --write", "sets": sets}
    (FIXTURES / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n")


def our_values(program, features, labels):
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        numpy.save(folder / "e.npy", features)
        numpy.save(folder / "l.npy", labels)
        command = [program, "evaluate", "--conformance", "--json"]
        command += ["--embeddings", folder / "e.npy", "--labels", folder / "l.npy"]
        return json.loads(subprocess.run(command, check=True, capture_output=True).stdout)["conformance"]


def text(value):
    return "NaN, ∞ or error" if value is None else f"{value:.6f}"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program", nargs="?", default=PROGRAM)
    parser.add_argument("--original")
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    if options.write:
        write(options.original)
        return
    print("| embeddings | program | its metric | it returns | reproduced | by definition | our metric |")
    print("|---|---|---|--:|--:|--:|---|")
    for name, features, labels in datasets():
        theirs = their_values(options.original, features, labels)
        for row in our_values(options.program, features, labels):
            if row["program"] in theirs:
                value = theirs[row["program"]][row["metric"]]
                values = f"{text(value)} | {text(row['value'])} | {text(row['likewise'])}"
                print(f"| {name} | {row['program']} | {row['metric']} | {values} | `{row['name']}` |")


if __name__ == "__main__":
    main()
