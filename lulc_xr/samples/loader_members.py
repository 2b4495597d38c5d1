"""Which part of the work belongs to this process, among loader workers and training processes."""

from __future__ import annotations

import torch.distributed
from torch.utils.data import get_worker_info


def member_of_many(rank_of_parent: tuple[int, int] | None = None) -> tuple[int, int]:
    """Number of this reader (0-based) among all, and how many there are.

    Readers are the worker processes of a DataLoader, times the processes of a distributed
    training.

    Parameters
    ----------
    rank_of_parent : tuple of int, optional
        What :func:`rank_of_many` said in the process that made a worker.
    """
    rank, processes = rank_of_parent or rank_of_many()
    worker = get_worker_info()
    number, workers = (worker.id, worker.num_workers) if worker else (0, 1)
    return rank * workers + number, processes * workers


def rank_of_many() -> tuple[int, int]:
    """Rank of this training process, and how many there are; 0 and 1 if it is alone."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        return torch.distributed.get_rank(), torch.distributed.get_world_size()
    return 0, 1
