"""Do the backbones compute here what they compute in PyTorch? Writes one case a file: a network of torchvision,
pretrainedmodels or timm with random weights, images, features, gradients of all parameters, and what batch
statistics do. The golden tests read them.

Usage: python compare_backbones.py FOLDER [--published]
       LIKEWISE_BACKBONES=FOLDER cargo test --release -p likewise --test suite -- golden_backbone
(pip install torch torchvision pretrainedmodels timm safetensors)
Without --published the networks are a few channels wide; the committed cases were made like this:
       python crates/likewise/benches/compare_backbones.py crates/likewise/tests/fixtures/backbones
"""

import argparse
import json
import pathlib
import warnings

import torch
from safetensors.torch import save_file

# So many values of each gradient are stored, beside its norm.
STORED = 256


def narrowed(model, divisor):
    """The same network with so many times fewer channels everywhere but in the images."""
    for name, module in list(model.named_modules()):
        owner = model.get_submodule(name.rpartition(".")[0])
        leaf = name.rpartition(".")[2]
        if isinstance(module, torch.nn.Conv2d):
            inputs = module.in_channels if module.in_channels == 3 else module.in_channels // divisor
            replaced = torch.nn.Conv2d(inputs, module.out_channels // divisor, module.kernel_size, module.stride,
                                       module.padding, bias=module.bias is not None)
        elif isinstance(module, torch.nn.BatchNorm2d):
            replaced = torch.nn.BatchNorm2d(module.num_features // divisor, eps=module.eps)
        else:
            continue
        setattr(owner, leaf, replaced)
    return model


def googlenet(published):
    import torchvision

    model = torchvision.models.googlenet(weights=None, aux_logits=False, init_weights=False)
    model.fc = model.dropout = torch.nn.Identity()
    divisor = 1 if published else 8
    return narrowed(model, divisor), {"architecture": "googlenet", "width": 64 // divisor}, 64


def bn_inception(published):
    from pretrainedmodels.models.bninception import BNInception

    divisor = 1 if published else 16
    model = narrowed(BNInception(), divisor)
    # The published pooling takes maps of 7×7 only.
    del model.last_linear
    model.logits = lambda map: map.mean((2, 3))
    features = model.features
    model.features = lambda images: features(images.flip(1))
    return model, {"architecture": "bn_inception", "width": 64 // divisor}, 64


def vit(published):
    from timm.models.vision_transformer import VisionTransformer

    sizes = dict(embed_dim=384, depth=12, num_heads=6, patch_size=16, img_size=224)
    if not published:
        sizes = dict(embed_dim=16, depth=2, num_heads=2, patch_size=8, img_size=48)
    model = VisionTransformer(**sizes, num_classes=0, class_token=True, global_pool="token")
    config = {"architecture": "vit", "embed_dim": sizes["embed_dim"], "depth": sizes["depth"],
              "heads": sizes["num_heads"], "patch": sizes["patch_size"],
              "grid": sizes["img_size"] // sizes["patch_size"]}
    return model, config, sizes["img_size"]


def vit_resized(published):
    """Position embeddings for another number of patches, as DINO interpolates them."""
    model, config, size = vit(published)
    size = size * 4 // 3 // config["patch"] * config["patch"]
    grid, tokens = config["grid"], model.patch_embed
    tokens.strict_img_size = False

    def embed(patches):
        class_position, positions = model.pos_embed[:, :1], model.pos_embed[:, 1:]
        square = positions.reshape(1, grid, grid, -1).permute(0, 3, 1, 2)
        square = torch.nn.functional.interpolate(square, (size // config["patch"],) * 2, mode="bicubic")
        positions = square.flatten(2).transpose(1, 2)
        tokens = torch.cat([model.cls_token.expand(len(patches), -1, -1), patches], 1)
        return tokens + torch.cat([class_position, positions], 1)

    model._pos_embed = embed
    return model, config, size


def resnet(published):
    import torchvision

    divisor = 1 if published else 16
    blocks = [3, 4, 6, 3] if published else [1, 1, 1, 1]
    model = torchvision.models.ResNet(torchvision.models.resnet.Bottleneck, blocks)
    model.fc = torch.nn.Identity()
    return narrowed(model, divisor), {"architecture": "resnet", "width": 64 // divisor, "layers": blocks}, 64


NETWORKS = {"resnet": resnet, "googlenet": googlenet, "bn_inception": bn_inception, "vit": vit,
            "vit_resized": vit_resized}


def randomize(model):
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
            torch.nn.init.uniform_(module.bias, -0.2, 0.5)
            torch.nn.init.uniform_(module.running_mean, -0.2, 0.2)
            torch.nn.init.uniform_(module.running_var, 0.5, 1.5)
        elif isinstance(module, torch.nn.Conv2d):
            torch.nn.init.kaiming_normal_(module.weight)
            if module.bias is not None:
                torch.nn.init.uniform_(module.bias, -0.2, 0.2)
        elif isinstance(module, torch.nn.LayerNorm):
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
            torch.nn.init.uniform_(module.bias, -0.2, 0.2)
        elif isinstance(module, torch.nn.Linear):
            torch.nn.init.normal_(module.weight, std=module.in_features**-0.5)
            torch.nn.init.uniform_(module.bias, -0.2, 0.2)
    for name in ("cls_token", "pos_embed"):
        if hasattr(model, name):
            torch.nn.init.normal_(getattr(model, name), std=0.5)


def passed(model, images, targets, prefix):
    """Features and gradients of ⟨features, targets⟩ / B."""
    model.zero_grad()
    images = images.clone().requires_grad_()
    features = model(images)
    (features * targets).sum().div(len(images)).backward()
    tensors = {f"{prefix}.features": features.detach(), f"{prefix}.image_gradient": images.grad.flatten()[:STORED]}
    for name, parameter in model.named_parameters():
        tensors[f"{prefix}.grad.{name}"] = parameter.grad.flatten()[:STORED]
        tensors[f"{prefix}.norm.{name}"] = parameter.grad.norm()[None]
    return tensors


def rounding(single, double, prefix):
    """Relative errors of PyTorch's own single precision: of the features, and of the worst gradient that counts."""
    error = lambda key: ((single[key] - double[key]).norm() / double[key].norm()).item()
    norms = {key: double[key].item() for key in double if key.startswith(f"{prefix}.norm.")}
    count = [key for key, norm in norms.items() if norm > 1e-4 * max(norms.values())]
    gradients = max(error(key.replace(".norm.", ".grad.")) for key in count)
    return torch.tensor([error(f"{prefix}.features"), gradients])


def case(name, published):
    torch.manual_seed(sum(map(ord, name)))
    model, config, size = NETWORKS[name](published)
    randomize(model)
    weights = {key: value.clone() for key, value in model.state_dict().items()}
    tensors = {f"weight.{key}": value for key, value in weights.items() if not key.endswith("num_batches_tracked")}
    images = torch.randn(4, 3, size, size)
    model.eval()
    with torch.no_grad():
        features = model(images).shape[1]
    targets = torch.randn(4, features)
    tensors |= {"images": images, "targets": targets}
    normalised = any(isinstance(module, torch.nn.BatchNorm2d) for module in model.modules())
    for prefix in ("fixed", "batch") if normalised else ("fixed",):
        results = []
        for dtype in (torch.float32, torch.float64):
            model.load_state_dict(weights)
            model.to(dtype).train(prefix == "batch")
            results.append(passed(model, images.to(dtype), targets.to(dtype), prefix))
        tensors |= results[1] | {f"{prefix}.rounding": rounding(*results, prefix)}
    for key, value in model.state_dict().items():
        if normalised and ".running_" in key:
            tensors[f"batch.after.{key}"] = value
    tensors = {key: value.float().contiguous() for key, value in tensors.items()}
    return tensors, {"backbone": json.dumps(config)}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--published", action="store_true", help="networks as published instead of narrow ones")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    options.folder.mkdir(parents=True, exist_ok=True)
    for name in NETWORKS:
        tensors, metadata = case(name, options.published)
        save_file(tensors, options.folder / f"{name}.safetensors", metadata)
        values = sum(value.numel() for value in tensors.values())
        errors = {key: value.tolist() for key, value in tensors.items() if key.endswith(".rounding")}
        print(f"{name}: {len(tensors)} tensors, {values} values, rounding of PyTorch {errors}")


if __name__ == "__main__":
    main()
