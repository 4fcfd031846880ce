"""JAX: a step that ends when its arrays are there.

    with everywatt.jax.step() as done:
        parameters, loss = done(update(parameters, batch))

JAX returns before the device has computed: ``done`` remembers what it is given, and the end of the block waits for it
(``block_until_ready``). In front of the next step's work that costs the overlap of two steps; without ``done`` nothing is waited for,
and the phase is where work was handed over.
"""
from typing import Any, Callable, List, TypeVar

import jax

from . import _marks

Value = TypeVar("Value")


class step:  # noqa: N801: used like a function
    def __init__(self, name: str = "step", samples: int = 0) -> None:
        self._phase, self._samples = _marks.phase(name), samples
        self._results: List[Any] = []

    def __enter__(self) -> Callable[[Value], Value]:
        self._phase.__enter__()

        def done(value: Value) -> Value:
            self._results.append(value)
            return value

        return done

    def __exit__(self, kind: Any, *_: object) -> None:
        try:
            if kind is None:
                jax.block_until_ready(self._results)
        finally:
            self._results.clear()
            self._phase.__exit__()
        if kind is None:
            if self._samples:
                _marks.count("samples", self._samples)
            _marks.step()


def flops(function: Callable[..., Any], *example: Any, **more: Any) -> float:
    """What XLA's compiler says one call of a function takes (its cost analysis); 0 where it does not say."""
    analysis = jax.jit(function).lower(*example, **more).compile().cost_analysis()
    if isinstance(analysis, (list, tuple)):
        analysis = analysis[0] if analysis else None
    return float((analysis or {}).get("flops", 0.0))
