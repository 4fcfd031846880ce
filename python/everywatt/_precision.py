"""In which arithmetic a model truly runs, and how large a batch is."""
import collections
from typing import Any, Callable, Counter, List, NamedTuple, Optional

import torch

from ._marks import tag

_NAMES = {torch.float64: "fp64", torch.float32: "fp32", torch.float16: "fp16", torch.bfloat16: "bf16", torch.int8: "int8",
          torch.qint8: "int8"}
_NAMES.update({getattr(torch, name): "fp8" for name in ("float8_e4m3fn", "float8_e5m2") if hasattr(torch, name)})


class Batch(NamedTuple):
    samples: int  # rows of its first tensor; 0: it has none
    elements: int  # of that tensor


def batch_of(value: Any) -> Batch:
    """Of whatever a loader yields: a tensor, or tensors in tuples, lists and mappings."""
    if isinstance(value, torch.Tensor):
        return Batch(len(value) if value.dim() else 1, value.numel())
    parts = value.values() if hasattr(value, "values") else value if isinstance(value, (tuple, list)) else ()
    return next((batch for batch in map(batch_of, parts) if batch.samples), Batch(0, 0))


def samples_of(value: Any) -> int:
    """Of a batch: most are a tensor, or begin with one."""
    first = value[0] if type(value) in (tuple, list) and value else value
    if type(first) is not torch.Tensor:
        return batch_of(value).samples
    shape = first.shape
    return shape[0] if shape else 1


class Precision:
    """Looks at what the layers that multiply matrices return until the first step has ended: autocast shows there and nowhere else."""

    def __init__(self, model: torch.nn.Module) -> None:
        self.name: Optional[str] = None
        self.is_settled = False
        self._seen: Counter[str] = collections.Counter()
        self._undo: List[Callable[[], None]] = [
            module.register_forward_hook(self._look).remove for module in model.modules() if _multiplies(module)]

    def settle(self) -> None:
        if self.is_settled:
            return
        self.close()
        if self.name:
            tag("precision", self.name)

    def close(self) -> None:
        for undo in self._undo:
            undo()
        self._undo = []
        self.is_settled = True

    def _look(self, module: torch.nn.Module, _: Any, output: Any) -> None:
        if isinstance(output, torch.Tensor) and output.dtype in _NAMES:
            self._seen[_name_of(module, output)] += 1
            self.name = self._seen.most_common(1)[0][0]


def _multiplies(module: torch.nn.Module) -> bool:
    weight = getattr(module, "weight", None)
    return isinstance(weight, torch.Tensor) and weight.dim() > 1 and not isinstance(module, torch.nn.Embedding)


def _name_of(module: torch.nn.Module, output: torch.Tensor) -> str:
    """NVIDIA's GPUs since Ampere round fp32 to tf32 where PyTorch's switches allow it."""
    name = _NAMES[output.dtype]
    if name != "fp32" or not output.is_cuda or torch.cuda.get_device_capability(output.device) < (8, 0):
        return name
    convolves = isinstance(module, torch.nn.modules.conv._ConvNd)
    allowed = torch.backends.cudnn.allow_tf32 if convolves else torch.backends.cuda.matmul.allow_tf32
    return "tf32" if allowed else name
