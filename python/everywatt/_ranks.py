"""Which processes of this node are ranks of one job: they share one meter, around the launcher that started them.

torchrun: torch/distributed/run.py; Slurm: srun(1), "output environment variables"; Open MPI: mpirun(1); MPICH and Intel MPI: Hydra.
TORCHELASTIC_RUN_ID may be the word "none", and a scheduler's job may run several launchers: the launcher itself, found among
the ancestors, is what the ranks have in common.
"""
import os
from typing import Dict, Optional, Tuple

# What each rank has and its launcher has not, and how many ranks of the job are on this node.
_LAUNCHERS: Tuple[Tuple[str, str], ...] = (
    ("LOCAL_RANK", "LOCAL_WORLD_SIZE"),
    ("SLURM_LOCALID", "SLURM_STEP_TASKS_PER_NODE"),
    ("OMPI_COMM_WORLD_LOCAL_RANK", "OMPI_COMM_WORLD_LOCAL_SIZE"),
    ("MPI_LOCALRANKID", "MPI_LOCALNRANKS"),
)
# A batch script has SLURM_LOCALID, too, without being a task of a step.
_NEEDS = {"SLURM_LOCALID": "SLURM_STEP_ID"}


def launcher() -> Optional[int]:
    """The process that started this one and its fellow ranks; None where this is the only rank here."""
    marks = [rank for rank, size in _LAUNCHERS
             if rank in os.environ and _NEEDS.get(rank, rank) in os.environ and _fellows(os.environ.get(size, "")) > 1]
    if not marks:
        return None
    process = os.getppid()
    while process > 1 and any(mark in _environment_of(process) for mark in marks):
        process = parent_of(process)
    return process if process > 1 else None


def _fellows(text: str) -> int:
    """8, or Slurm's 4(x2),3: the most on a node."""
    return max((int(part.split("(")[0]) for part in text.split(",") if part.split("(")[0].isdigit()), default=0)


def _environment_of(pid: int) -> Dict[str, str]:
    """Of another user's process (slurmstepd is root's) nothing can be seen: it is no rank of ours."""
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            pairs = (part.partition(b"=") for part in file.read().split(b"\0"))
            return {os.fsdecode(key): os.fsdecode(value) for key, _, value in pairs}
    except OSError:
        return {}


def _stat(pid: int) -> Tuple[str, ...]:
    """The fields of /proc/PID/stat from the third on: the name before them may hold anything."""
    with open(f"/proc/{pid}/stat", "rb") as file:
        return tuple(file.read().rpartition(b")")[2].decode().split())


def parent_of(pid: int) -> int:
    try:
        return int(_stat(pid)[1])
    except OSError:
        return 0


def start_of(pid: int) -> str:
    """When it began, in ticks since the boot: with the number it names a process for good."""
    try:
        return _stat(pid)[19]
    except OSError:
        return "0"
