"""Which device and which precision to use: shared by training and upscaling."""

import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from typing import Literal

import torch

from srgan_kit.errors import UserError

DeviceName = Literal["auto", "cpu", "cuda", "mps"]
PrecisionName = Literal["auto", "fp32", "bf16", "fp16"]
_tf32_lock, _tf32_users, _tf32_settings = threading.Lock(), 0, ExitStack()
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def pick_device(name: str = "auto") -> torch.device:
    """The device of that name, or for ``auto`` the fastest one present: cuda, then mps, then cpu.

    Raises:
        UserError: the name is unknown, or this machine has no such device.
    """
    present = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        return torch.device(next(kind for kind, here in present.items() if here))
    kind = name.split(":")[0]
    if kind not in present:
        raise UserError(f"device {name!r}: expected auto, cpu, cuda or mps")
    if not present[kind]:
        here = ", ".join(kind for kind, is_here in present.items() if is_here)
        raise UserError(f"device {name!r} is not available to this PyTorch build; available: {here}")
    return torch.device(name)


def pick_devices(name: str = "auto") -> list[torch.device]:
    """All devices of that name: every GPU for cuda without a number, one of the others.

    Raises:
        UserError: as `pick_device`.
    """
    device = pick_device(name)
    if device.type != "cuda" or device.index is not None:
        return [device]
    return [torch.device("cuda", index) for index in range(torch.cuda.device_count())]


def cpu_has_bf16() -> bool:
    """True where the CPU multiplies bfloat16 natively (AVX512-BF16, AMX-BF16 or Arm BF16), so that bf16 is faster."""
    # Not in every release this package accepts; where it is missing, fp32 is always right.
    capabilities: dict[str, object] = getattr(torch.cpu, "get_capabilities", dict)()
    return any(bool(capabilities.get(flag)) for flag in ("amx_bf16", "avx512_bf16", "bf16"))


def pick_precision(name: str, device: torch.device) -> torch.dtype:
    """The dtype networks run in: ``auto`` is bf16 where the hardware has it, fp16 on other GPUs, else fp32.

    Raises:
        UserError: the name is unknown.
    """
    if name in DTYPES:
        return DTYPES[name]
    if name != "auto":
        raise UserError(f"precision {name!r}: expected auto, fp32, bf16 or fp16")
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float16
    if device.type == "mps":
        return torch.float16
    return torch.bfloat16 if cpu_has_bf16() else torch.float32


def autocast(device: torch.device, dtype: torch.dtype) -> AbstractContextManager[object]:
    """Mixed precision in `dtype` on `device`; for fp32 nothing at all, but on cuda without TF32's shorter mantissa."""
    if dtype != torch.float32:
        return torch.autocast(device.type, dtype)
    return _without_tf32() if device.type == "cuda" else nullcontext()


@contextmanager
def _without_tf32() -> Iterator[None]:
    """Convolutions (TF32 by default) and matrix products in true fp32, for the whole process while any thread is in."""
    global _tf32_users, _tf32_settings
    with _tf32_lock:
        _tf32_users += 1
        if _tf32_users == 1:
            _tf32_settings = ExitStack()
            _tf32_settings.enter_context(_tf32_off())
    try:
        yield
    finally:
        with _tf32_lock:
            _tf32_users -= 1
            if _tf32_users == 0:
                _tf32_settings.close()


@contextmanager
def _tf32_off() -> Iterator[None]:
    cudnn, matmul = torch.backends.cudnn, torch.backends.cuda.matmul
    kept = {"enabled": cudnn.enabled, "benchmark": cudnn.benchmark, "deterministic": cudnn.deterministic}
    before = matmul.fp32_precision
    with cudnn.flags(**kept, allow_tf32=False, fp32_precision="ieee"):  # flags() turns off what it is not given
        matmul.fp32_precision = "ieee"
        try:
            yield
        finally:
            matmul.fp32_precision = before
