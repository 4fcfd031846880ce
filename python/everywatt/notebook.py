"""Jupyter and IPython: after ``%load_ext everywatt.notebook`` a cell that begins with ``%%everywatt [NAME]`` is measured.

Its bill is the cell's value, and is shown as `everywatt show` has it.
"""
from typing import Any

from ._bill import Bill
from ._program import ask
from ._run import run


def load_ipython_extension(shell: Any) -> None:
    def everywatt(line: str, cell: str) -> Bill:
        """Measures a cell: %%everywatt [NAME]"""
        with run(name=line.strip() or "cell") as bill:
            result = shell.run_cell(cell)
        if result.success and bill.to_dict():
            print(ask("show", str(bill.run_id)) or "", end="")
        return bill

    shell.register_magic_function(everywatt, "cell")
