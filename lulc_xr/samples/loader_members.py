"""Which part of the work belongs to this process, among loader workers and training processes."""

from __future__ import annotations

import os

from torch.utils.data import get_worker_info


def member_of_many() -> tuple[int, int]:
    """Number of this reader (0-based) among all, and how many there are.

    Readers are the worker processes of a DataLoader, times the processes that train together.
    """
    rank, processes = rank_of_many()
    worker = get_worker_info()
    number, workers = (worker.id, worker.num_workers) if worker else (0, 1)
    return rank * workers + number, processes * workers


def rank_of_many() -> tuple[int, int]:
    """Rank of this training process, and how many ``torchrun`` started; 0 and 1 without it.

    From the environment, which loader workers inherit, however they are started.
    """
    if "TORCHELASTIC_RUN_ID" not in os.environ:
        return 0, 1
    return int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
