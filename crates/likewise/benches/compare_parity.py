"""Does a ResNet50 compute here what it computes in PyTorch? The same weights, images and labels: embeddings,
gradients of every parameter, and the losses of Adam steps with frozen BatchNorm and Multisimilarity. Both are
also held against PyTorch in double precision, which tells what single precision leaves to chance: a ReLU that
rounding flips changes gradients by far more than rounding itself.

Usage: python compare_parity.py [--weights FILE.pth|FILE.safetensors [--stride-in-1x1]]
                                [--batch B] [--size S] [--steps N] [--seed N] [--each]
(cargo build --release -p likewise --example parity first; pip install torch torchvision safetensors)
Without --weights the network has random weights and the statistics of the images. Exits with 1 if a bound is missed.
"""

import argparse
import copy
import pathlib
import subprocess
import sys
import tempfile

import torch
import torchvision
from safetensors.torch import load_file, save_file

PROGRAM = pathlib.Path(__file__).resolve().parents[3] / "target" / "release" / "examples" / "parity"
BOUNDS = {"embeddings": 1e-4, "gradients": 1e-3, "losses": 1e-2}


def network(options, images):
    model = torchvision.models.resnet50(weights=None)
    norms = [module for module in model.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    if options.stride_in_1x1:
        for stage in (model.layer2, model.layer3, model.layer4):
            stage[0].conv1.stride, stage[0].conv2.stride = (2, 2), (1, 1)
    if options.weights:
        load = load_file if options.weights.endswith(".safetensors") else torch.load
        model.load_state_dict(load(options.weights), strict=False)
    else:
        for norm in norms:
            torch.nn.init.uniform_(norm.weight, 0.5, 1.5)
            torch.nn.init.uniform_(norm.bias, -0.2, 0.2)
            norm.momentum = 1.0
        # Small residuals, as trained networks have them: large ones magnify every rounding.
        for module in model.modules():
            if isinstance(module, torchvision.models.resnet.Bottleneck):
                torch.nn.init.uniform_(module.bn3.weight, 0.1, 0.3)
        # Statistics of the images, or all embeddings would point the same way.
        with torch.no_grad():
            model.train()(images)
    model.fc = torch.nn.Linear(2048, 128)
    # Frozen: statistics fixed, scale and shift trained.
    for norm in norms:
        norm.eval()
        norm.train = lambda *_: None
    return model


def multisimilarity(embeddings, labels, alpha=2.0, beta=40.0, epsilon=0.1, threshold=0.5):
    similarity = embeddings @ embeddings.T
    same = labels[:, None] == labels[None, :]
    itself = torch.eye(len(labels), dtype=torch.bool)
    losses = []
    for anchor in range(len(labels)):
        row = similarity[anchor]
        positive, negative = row[same[anchor] & ~itself[anchor]], row[~same[anchor]]
        if len(positive) == 0 or len(negative) == 0:
            continue
        hard_negative = negative[negative + epsilon > positive.min()]
        hard_positive = positive[positive - epsilon < negative.max()]
        if len(hard_negative) == 0 or len(hard_positive) == 0:
            continue
        losses.append(
            torch.log(1 + torch.exp(-alpha * (hard_positive - threshold)).sum()) / alpha
            + torch.log(1 + torch.exp(beta * (hard_negative - threshold)).sum()) / beta
        )
    return torch.stack(losses).mean() if losses else similarity.sum() * 0


def theirs(model, images, labels, steps):
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-6, weight_decay=4e-4)
    found, losses = {}, []
    for step in range(steps + 1):
        embeddings = torch.nn.functional.normalize(model(images))
        loss = multisimilarity(embeddings, labels)
        optimizer.zero_grad()
        loss.backward()
        if step == 0:
            found["embeddings"] = embeddings.detach().clone()
            for name, parameter in model.named_parameters():
                found[f"gradient.{name}"] = parameter.grad.flatten().clone()
        losses.append(loss.item())
        optimizer.step()
    return found | {"losses": torch.tensor(losses)}


def turned(model, images):
    """For each ReLU, how many of its outputs are positive in single and not in double precision or the reverse."""
    found = []

    def positive(model, images):
        signs = {}
        relus = [item for item in model.named_modules() if isinstance(item[1], torch.nn.ReLU)]
        hooks = [
            relu.register_forward_hook(lambda _, __, y, name=name: signs.setdefault(name, []).append(y > 0))
            for name, relu in relus
        ]
        with torch.no_grad():
            model(images)
        for hook in hooks:
            hook.remove()
        return signs

    single, double = positive(model, images), positive(copy.deepcopy(model).double(), images.double())
    for name, outputs in single.items():
        count = sum((a != b).sum().item() for a, b in zip(outputs, double[name]))
        found += [f"{name} {count}"] if count else []
    return found


def difference(ours, theirs):
    return ((ours.double() - theirs.double()).norm() / theirs.double().norm()).item()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--weights")
    parser.add_argument("--stride-in-1x1", action="store_true")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--size", type=int, default=112)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--each", action="store_true", help="the gradient of each weight, and signs that rounding turned")
    options = parser.parse_args()
    torch.manual_seed(options.seed)
    # Blots rather than noise, which looks all the same to a network.
    blots = 2 * torch.randn(options.batch, 3, 6, 6)
    images = torch.nn.functional.interpolate(blots, size=options.size, mode="bicubic")
    labels = torch.arange(options.batch) // 2
    model = network(options, images)
    if options.each:
        print("outputs of ReLUs whose sign single precision turns in PyTorch:", ", ".join(turned(model, images)) or "none")
    exact = theirs(copy.deepcopy(model).double(), images.double(), labels, 0)
    given = {name: tensor.contiguous() for name, tensor in model.state_dict().items()}
    with tempfile.TemporaryDirectory() as folder:
        source, target = pathlib.Path(folder) / "in", pathlib.Path(folder) / "out"
        save_file(given | {"images": images, "labels": labels}, source)
        strides = ["--stride-in-1x1"] if options.stride_in_1x1 else []
        subprocess.run([PROGRAM, source, target, str(options.steps), *strides], check=True)
        ours = load_file(target)
    expected = theirs(model, images, labels, options.steps)
    assert ours.keys() == expected.keys(), ours.keys() ^ expected.keys()
    gradients = [name for name in expected if name.startswith("gradient.")]
    each = {name: difference(ours[name], expected[name]) for name in gradients}
    worst = max(each, key=each.get)

    def compared(found, reference):
        together = [torch.cat([values[name] for name in gradients]) for values in (found, reference)]
        return {
            "embeddings": difference(found["embeddings"], reference["embeddings"]),
            "gradients": difference(*together),
        }

    curve = (ours["losses"] - expected["losses"]).abs() / expected["losses"].abs()
    results = compared(ours, expected) | {"losses": curve.max().item()}
    chance = {"ours": compared(ours, exact), "PyTorch's": compared(expected, exact)}
    print(f"ResNet50, batch {options.batch}, {options.size} px, PyTorch {torch.__version__}")
    for name, value in results.items():
        print(f"  {name:<11} {value:.1e} relative (bound {BOUNDS[name]:.0e})")
    for name in ("embeddings", "gradients"):
        from_exact = ", ".join(f"{whose} {values[name]:.1e}" for whose, values in chance.items())
        print(f"  {name} from double precision: {from_exact}")
    print(f"  worst gradient {each[worst]:.1e} ({worst.removeprefix('gradient.')})")
    if options.each:
        print("  gradients from double precision, from the loss on: here, PyTorch's")
        for name in reversed([name for name in gradients if exact[name].numel() > 4096]):
            print(f"    {name:<38} {difference(ours[name], exact[name]):.1e} {difference(expected[name], exact[name]):.1e}")
    first, last = expected["losses"][0].item(), expected["losses"][-1].item()
    print(f"  loss {first:.4f} to {last:.4f} in {options.steps} steps")
    sys.exit(any(value > BOUNDS[name] for name, value in results.items()))


if __name__ == "__main__":
    main()
