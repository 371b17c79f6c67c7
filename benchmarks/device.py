"""What `benchmarks.accelerator` asks of a device: its peak, its memory, compile seconds; a network's operations."""

import math
import re
import time

import jax
import jax.monitoring
import keras
import psutil

from kit.toolbox import blocks

# Tera-operations a second of dense products by precision, as NVIDIA's data sheets have them (half of what they state
# with sparsity), and Google's pages on TPUs, for bfloat16 alone: of a chip, but of v2 and v3 of half a chip, which is
# one device of JAX. Patterns are looked for in JAX's `device_kind`.
PEAKS: dict[str, dict[str, float]] = {
    r"\bT4\b": {"float32": 8.1, "float16": 65.0},
    r"\bP100-PCIE\b": {"float32": 9.3, "float16": 18.7},
    r"\bL4\b": {"float32": 30.3, "tf32": 60.0, "bfloat16": 121.0},
    r"\bA100\b": {"float32": 19.5, "tf32": 156.0, "bfloat16": 312.0},
    r"\bH100 PCIe\b": {"float32": 51.0, "tf32": 378.0, "bfloat16": 756.0},
    r"\bH(100 80GB HBM3|200)\b": {"float32": 67.0, "tf32": 494.0, "bfloat16": 989.0},
    r"\bTPU v2\b": {"bfloat16": 22.5},
    r"\bTPU v3\b": {"bfloat16": 61.5},
    r"\bTPU v4\b": {"bfloat16": 275.0},
    r"\bTPU v5 lite\b": {"bfloat16": 197.0},
}


def forward_operations(net: keras.Model) -> float:
    """Multiplications and additions of the products in a forward pass over one image."""
    operations = 0.0
    for layer in blocks.leaves(net):
        if isinstance(layer, keras.layers.Conv2D | keras.layers.Dense):
            operations += 2 * math.prod(layer.kernel.shape) * math.prod(layer.output.shape[1:-1])
    return operations


def peak(precision: str) -> tuple[float | None, str]:
    """Operations a second that all devices together can do at most, and how that is known."""
    device = jax.devices()[0]
    if device.platform == "cpu":
        return measured_peak(), "measured by a product of matrices in float32"
    figures = next((figures for pattern, figures in PEAKS.items() if re.search(pattern, device.device_kind)), {})
    if precision not in figures:
        return None, f"unknown for {device.device_kind} in {precision}"
    return figures[precision] * 1e12 * jax.local_device_count(), "the vendor's figure"


def measured_peak(size: int = 1024, repeats: int = 5) -> float:
    product, matrix = jax.jit(jax.numpy.matmul), jax.numpy.ones((size, size))
    seconds = []
    for _ in range(repeats + 1):  # the first compiles
        start = time.perf_counter()
        product(matrix, matrix).block_until_ready()
        seconds.append(time.perf_counter() - start)
    return float(2 * size**3 / min(seconds))


def memory_gib() -> float:
    """The most that was in use on the device so far; on a processor, what this process holds now."""
    statistics = jax.devices()[0].memory_stats()
    in_use = statistics["peak_bytes_in_use"] if statistics else psutil.Process().memory_info().rss
    return float(in_use / 2**30)


class CompileClock:
    """The seconds that JAX has spent on compiling since this was made."""

    def __init__(self) -> None:
        self.seconds = 0.0
        jax.monitoring.register_event_duration_secs_listener(self._add)

    def _add(self, event: str, seconds: float, **_: str | int) -> None:
        if event.startswith("/jax/core/compile/"):
            self.seconds += seconds
