"""Evaluation beside faiss: exact search for 1,000 neighbours, and k-means, of as many embeddings as
Stanford Online Products' test split has, on the same threads, one program after the other.

    pip install faiss-cpu numpy
    cargo build --release
    python crates/likewise/benches/compare_evaluation.py [--dim 128] [--threads 2] [--repeats 3]
"""

import argparse
import json
import pathlib
import resource
import subprocess
import time

import faiss
import numpy

ROWS, CLASSES, NEIGHBOURS, ITERATIONS = 60_502, 11_316, 1_000, 20
PROGRAM = pathlib.Path(__file__).resolve().parents[3] / "target/release/likewise"


def embeddings(dim, spread=1.4):
    """Unit rows around class centres, as `likewise bench evaluate` makes them."""
    random = numpy.random.default_rng(0)

    def directions(count):
        rows = random.standard_normal((count, dim), dtype=numpy.float32)
        return rows / numpy.linalg.norm(rows, axis=1, keepdims=True)

    centres = directions(CLASSES)[numpy.arange(ROWS) * CLASSES // ROWS]
    rows = centres + spread * directions(ROWS)
    return numpy.ascontiguousarray(rows / numpy.linalg.norm(rows, axis=1, keepdims=True))


def search(rows):
    index = faiss.IndexFlatL2(rows.shape[1])
    index.add(rows)
    index.search(rows, NEIGHBOURS)


def kmeans(rows):
    clustering = faiss.Clustering(rows.shape[1], CLASSES)
    clustering.niter = ITERATIONS
    clustering.min_points_per_centroid = 1
    clustering.max_points_per_centroid = 10**9
    clustering.train(rows, faiss.IndexFlatL2(rows.shape[1]))


def spectrum(rows):
    numpy.linalg.svd(rows, compute_uv=False)


def measure(function, rows):
    before = resource.getrusage(resource.RUSAGE_SELF)
    start = time.perf_counter()
    function(rows)
    seconds = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return seconds, cpu


def ours(dim, threads):
    command = [PROGRAM, "bench", "evaluate", "--preset", "sop", "--clustering", "--json"]
    command += ["--dim", str(dim), "--threads", str(threads)]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    found = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {row["family"]: row["seconds"] for row in found["measurements"]}, cpu, after.ru_maxrss


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--dim", type=int, default=128)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    faiss.omp_set_num_threads(options.threads)
    # First, while this process is small: a child's memory is counted from the moment of the fork.
    for _ in range(options.repeats):
        families, cpu, memory = ours(options.dim, options.threads)
        cells = ", ".join(f"{name} {seconds:.3f} s" for name, seconds in families.items())
        print(f"likewise: {cells}; {cpu:.1f} CPU s, {memory / 1e6:.2f} GB at the peak in all")
    rows = embeddings(options.dim)
    for _ in range(options.repeats):
        for function in (search, kmeans, spectrum):
            seconds, cpu = measure(function, rows)
            name = "numpy" if function is spectrum else "faiss"
            print(f"{name} {function.__name__}: {seconds:.3f} s, {cpu:.1f} CPU s")
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(f"faiss and numpy: {memory / 1e6:.2f} GB at the peak in all")


if __name__ == "__main__":
    main()
