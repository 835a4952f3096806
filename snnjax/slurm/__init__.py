"""The runs of a multirun trained by Slurm: an array of tasks, each with a part of the sweep.

A task is what another process started on the folder of the sweep would be, but for its part: run
folders, locks and checkpoints are the same, and everything is told from files.
"""
