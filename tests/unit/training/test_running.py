"""Where training runs and what it logs."""

import pytest

import lulc_xr as lx
from lulc_xr.core.errors import ModelError
from lulc_xr.training.distributed import choose_device
from tests.train_children import config, samples


def test_the_device_comes_from_settings_then_environment(monkeypatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.delenv("LULC_XR_DEVICE", raising=False)
    assert choose_device(None) == choose_device("auto") == "cpu"
    monkeypatch.setenv("LULC_XR_DEVICE", "cuda")
    assert choose_device("cpu") == "cpu"
    with pytest.raises(ModelError, match=r"PyTorch finds no GPU here\. Use device='cpu'"):
        choose_device(None)
    monkeypatch.setenv("LULC_XR_DEVICE", "gpu")
    with pytest.raises(ModelError, match="'gpu'"):
        choose_device(None)


def test_losses_go_to_tensorboard(tmp_path) -> None:
    settings = config(log_folder=str(tmp_path), logger="tensorboard", epochs=2)
    lx.fit(samples(), config=settings)
    assert list((tmp_path / "version_0").glob("events.out.tfevents.*"))


def test_settings_that_do_not_exist_are_refused() -> None:
    with pytest.raises(ModelError, match="'wandb'"):
        lx.TrainConfig(logger="wandb")
    with pytest.raises(ModelError, match="'tpu'"):
        lx.TrainConfig(device="tpu")
