"""benchmarks/accelerator.py runs here as it does on an accelerator, and counts right."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import jax
import keras
import numpy as np
import pytest
from conftest import small_convnet

from benchmarks import accelerator, device
from kit import models


def test_it_runs_and_finds_its_models_right(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "result.json"
    arguments = ["--small", "--challenge", "noisy-digits", "--methods", "retrain", "--json", str(file)]
    monkeypatch.setattr(sys, "argv", ["accelerator", *arguments])
    monkeypatch.setenv("KIT_HOME", str(tmp_path))
    accelerator.main()
    content = json.loads(file.read_text())
    (row,), (check,) = content["rows"], content["checks"]
    assert (row["method"], row["models_at_once"], check["method"]) == ("retrain", 2, "retrain")
    assert 0 <= check["deviation"] <= check["tolerance"]
    assert row["share_of_peak"] == pytest.approx(row["operations_a_second"] / content["peak"])
    # Two models, two epochs of 96 images.
    assert row["images_a_second"] == pytest.approx(2 * 2 * 96 / row["seconds"])
    assert row["models_a_second"] == pytest.approx(2 / row["seconds"] * (2 * 96) / (50 * 1132))
    assert "TOO MUCH" not in capsys.readouterr().out


def test_models_are_held_against_those_of_the_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    """The largest difference, 0.3, as a share of the largest logit, 4."""
    there, here = np.full((2, 3, 4), -4.0), np.full((2, 3, 4), -4.0)
    here[1, 2, 3] = -3.7
    processes = []

    def run(command: list[str], *, env: dict[str, str], check: bool) -> None:
        processes.append(env["JAX_PLATFORMS"])
        np.savez(
            command[command.index("--reference") + 1], **{"a/retrain": there, "a/scrub": there, "b/retrain": there}
        )

    monkeypatch.setattr(accelerator.subprocess, "run", run)
    monkeypatch.setattr(accelerator, "few_logits", lambda _, method, **__: here if method == "scrub" else there)
    checks = accelerator.check({"a": None, "b": None}, ["retrain", "scrub"], "tf32")
    deviations = {(check.challenge, check.method): check.deviation for check in checks}
    assert deviations == {("a", "retrain"): 0, ("a", "scrub"): pytest.approx(0.075), ("b", "retrain"): 0}
    assert processes == ["cpu"]


def test_a_wrong_model_ends_it_with_1(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    too_much = [accelerator.Check("noisy-digits", "retrain", deviation, 1e-3) for deviation in (1e-4, float("nan"))]
    monkeypatch.setattr(accelerator, "check", lambda *_: too_much)
    monkeypatch.setattr(accelerator, "measure", lambda *_, **__: accelerator.Row("a", "b", 1, 1, 1, 1, 1, None, 1, 1))
    monkeypatch.setattr(sys, "argv", ["accelerator", "--small", "--challenge", "noisy-digits", "--methods", "retrain"])
    monkeypatch.setenv("KIT_HOME", str(tmp_path))
    with pytest.raises(SystemExit, match="1"):
        accelerator.main()


@pytest.mark.parametrize("net", [small_convnet, lambda: models.build("convnet", (28, 28, 1), 10)])
def test_operations_are_those_that_xla_counts(net: object) -> None:
    """XLA adds those of activations and batch normalisation, and leaves out products with the zeros of a margin."""
    network = net()
    image = keras.ops.zeros((1, *network.input_shape[1:]))
    analysis = jax.jit(network).lower(image).cost_analysis()
    assert device.forward_operations(network) == pytest.approx(
        analysis["flops"], rel=0.4 if net is small_convnet else 0.1
    )


class Device:
    platform = "gpu"

    def __init__(self, kind: str) -> None:
        self.device_kind = kind


@pytest.mark.parametrize(
    ("kind", "precision", "tera"),
    [
        ("Tesla T4", "float32", 8.1),
        ("Tesla T4", "bfloat16", None),
        ("Tesla T4", "float16", 65.0),
        ("NVIDIA L4", "float32", 30.3),
        ("NVIDIA L40S", "float32", None),
        ("NVIDIA A100-SXM4-40GB", "tf32", 156.0),
        ("NVIDIA H100 80GB HBM3", "bfloat16", 989.0),
        ("NVIDIA H200", "float32", 67.0),
        ("NVIDIA H100 NVL", "float32", None),
        ("TPU v5 lite", "bfloat16", 197.0),
        ("TPU v2", "float32", None),
    ],
)
def test_peaks_are_found_by_the_devices_name(
    kind: str, precision: str, tera: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jax, "devices", lambda: [Device(kind)])
    monkeypatch.setattr(jax, "local_device_count", lambda: 3)
    most, known = device.peak(precision)
    assert most == (None if tera is None else pytest.approx(3 * tera * 1e12))
    assert ("unknown" in known) == (tera is None)
