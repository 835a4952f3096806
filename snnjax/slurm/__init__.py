"""The runs of a multirun trained by Slurm: an array of tasks, each with a part of the sweep.

A task is what another process started on the folder of the sweep would be, but for its part: run
folders, locks and checkpoints are the same, and everything is told from files.
"""

from snnjax.slurm.launch import train_by_slurm
from snnjax.slurm.settings import Settings

__all__ = ["Settings", "train_by_slurm"]
