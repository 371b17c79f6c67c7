"""The zoo's residual networks in PyTorch, with torchvision's structure and names, and what brings both sides together.

Written from the papers and the documented names, for torchvision has no build for CPUs beside PyTorch's. Benchmarks use
the same models: `from tests.torch_models import ...`.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import nn


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut, which is a 1x1 convolution where the shape changes."""

    def __init__(self, channels: int, filters: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, filters, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(filters)
        self.conv2 = nn.Conv2d(filters, filters, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(filters)
        self.downsample = None
        if stride != 1 or channels != filters:
            projection = nn.Conv2d(channels, filters, 1, stride, bias=False)
            self.downsample = nn.Sequential(projection, nn.BatchNorm2d(filters))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        features = torch.relu_(self.bn1(self.conv1(images)))
        features = self.bn2(self.conv2(features))
        shortcut = images if self.downsample is None else self.downsample(images)
        return torch.relu_(features + shortcut)


def _stage(channels: int, filters: int, blocks: int, stride: int) -> nn.Sequential:
    first = BasicBlock(channels, filters, stride)
    return nn.Sequential(first, *(BasicBlock(filters, filters, 1) for _ in range(blocks - 1)))


class ResNet(nn.Module):
    """A stem, stages of basic blocks, global average pooling and one linear layer."""

    def __init__(self, stem: nn.Conv2d, pool: nn.Module, stages: list[int], blocks: int, num_classes: int) -> None:
        super().__init__()
        self.conv1, self.bn1, self.pool = stem, nn.BatchNorm2d(stages[0]), pool
        channels = [stages[0], *stages]
        for number, filters in enumerate(stages):
            stage = _stage(channels[number], filters, blocks, 1 if number == 0 else 2)
            setattr(self, f"layer{number + 1}", stage)
        self.num_stages = len(stages)
        self.fc = nn.Linear(stages[-1], num_classes)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        features = self.pool(torch.relu_(self.bn1(self.conv1(images))))
        for number in range(self.num_stages):
            features = getattr(self, f"layer{number + 1}")(features)
        return self.fc(features.mean(dim=(2, 3)))


def resnet18(channels: int = 3, num_classes: int = 10) -> ResNet:
    """torchvision's ResNet-18: 7x7 stem of stride 2, max-pooling, four stages of two blocks."""
    stem = nn.Conv2d(channels, 64, 7, 2, 3, bias=False)
    return ResNet(stem, nn.MaxPool2d(3, 2, 1), [64, 128, 256, 512], 2, num_classes)


def resnet20(channels: int = 3, num_classes: int = 10) -> ResNet:
    """The ResNet-20 for CIFAR-10: 3x3 stem, three stages of three blocks, 1x1 projections."""
    return ResNet(nn.Conv2d(channels, 16, 3, 1, 1, bias=False), nn.Identity(), [16, 32, 64], 3, num_classes)


MODELS = {"resnet18": resnet18, "resnet20": resnet20}


def normalised(images: np.ndarray, mean: tuple[float, ...], std: tuple[float, ...]) -> torch.Tensor:
    """Returns images (n, height, width, channels) in [0, 1] as PyTorch takes them: normalised, channels first."""
    return torch.from_numpy(np.moveaxis((images - np.float32(mean)) / np.float32(std), -1, 1).copy())


def randomise(net: nn.Module, seed: int) -> None:
    """Draws weights and running statistics anew, all of them away from their special values 0 and 1."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, value in net.state_dict().items():
            if name.endswith("num_batches_tracked"):
                continue
            if name.endswith("running_var") or (value.ndim == 1 and name.endswith("weight")):
                value.uniform_(0.5, 1.5, generator=generator)
            elif value.ndim == 1:
                value.normal_(0.0, 0.1, generator=generator)
            else:
                value.normal_(0.0, (2 / value[0].numel()) ** 0.5, generator=generator)
