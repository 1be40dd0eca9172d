"""The product of queries and gallery in tiles, counted by PyTorch where the vectors are, as on a GPU."""

import numpy as np
import torch
from torch import Tensor

from xmr.core.precision import full_precision
from xmr.evaluation.kernels import FEW, settle_pairs
from xmr.evaluation.scored import Counts, Scored, Thresholds

TILE = {"cpu": (1024, 1024), "cuda": (4096, 32768)}
"""Queries and gallery entries of a tile: a cache's worth on the CPU, enough to fill a GPU."""


def count_above(
    queries: Scored,
    gallery: Scored,
    by_query: Thresholds,
    by_entry: Thresholds | None = None,
    *,
    share: tuple[int, int] = (0, 1),
    device: torch.device,
) -> tuple[Counts, Counts | None]:
    """As `xmr.evaluation.tiles.count_above`, to the last rank."""
    sides = [_Side(queries, gallery, by_query, device)]
    if by_entry is not None:
        sides.append(_Side(gallery, queries, by_entry, device))
    left, left_bias = _on_device(queries, device)
    right, right_bias = _on_device(gallery, device)
    rows, columns = TILE[device.type]
    with full_precision(device):
        for q0 in range(share[0] * rows, queries.size, share[1] * rows):
            for g0 in range(0, gallery.size, columns):
                tile = torch.addmm(
                    right_bias[g0 : g0 + columns],
                    left[q0 : q0 + rows],
                    right[g0 : g0 + columns].T,
                )
                if left_bias.any():
                    tile += left_bias[q0 : q0 + rows, None]
                sides[0].count(tile, q0, g0)
                if by_entry is not None:
                    sides[1].count(tile.T.contiguous(), g0, q0)
    counts = [side.finish() for side in sides]
    return counts[0], counts[1] if by_entry is not None else None


def _on_device(side: Scored, device: torch.device) -> tuple[Tensor, Tensor]:
    return torch.from_numpy(side.scaled()).to(device), torch.from_numpy(side.bias).to(device, torch.float32)


class _Side:
    """One direction: its thresholds as padded rows (Q, S), and what was counted for them so far."""

    def __init__(
        self, queries: Scored, gallery: Scored, thresholds: Thresholds, device: torch.device
    ) -> None:
        self.queries, self.gallery, self.thresholds = queries, gallery, thresholds
        counts = np.diff(thresholds.start)
        self.filled = np.arange(counts.max(initial=0)) < counts[:, None]
        self.low, self.high = (self._padded(values, device) for values in (thresholds.low, thresholds.high))
        # how many scores are above exactly n thresholds of a query or, where these are few, above the n-th
        self.passed = torch.zeros(len(counts), self.filled.shape[1] + 1, dtype=torch.int64, device=device)
        self.few = self.filled.shape[1] <= FEW
        self.near: list[np.ndarray] = []

    def _padded(self, values: np.ndarray, device: torch.device) -> Tensor:
        padded = np.full(self.filled.shape, np.inf, dtype=np.float32)
        padded[self.filled] = values
        return torch.from_numpy(padded).to(device)

    def count(self, tile: Tensor, q0: int, g0: int) -> None:
        """Count the scores (m, n) of queries from q0 and entries from g0 on."""
        queries = slice(q0, q0 + len(tile))
        low, high, passed = self.low[queries], self.high[queries], self.passed[queries]
        if self.few:
            # ones and zeros as float32, which PyTorch adds up six times as fast as booleans
            higher, not_lower = torch.empty_like(tile), torch.empty_like(tile)
            for slot in range(low.shape[1]):
                above = torch.gt(tile, high[:, slot, None], out=higher).sum(dim=1)
                at_least = torch.ge(tile, low[:, slot, None], out=not_lower).sum(dim=1)
                passed[:, slot] += above.long()
                rows = (at_least > above).nonzero()[:, 0]
                of_rows, columns = (not_lower[rows] - higher[rows]).nonzero().T
                self._keep(rows[of_rows] + q0, columns + g0, torch.full_like(columns, slot))
            return
        # the number of thresholds certainly below a score, and of those not certainly above it
        surely = torch.searchsorted(high, tile)
        maybe = torch.searchsorted(low, tile, right=True)
        passed.scatter_add_(1, surely, torch.ones_like(surely))
        rows, columns = (maybe > surely).nonzero().T
        for slot in range(int((maybe - surely).max())):
            within = surely[rows, columns] + slot < maybe[rows, columns]
            kept = rows[within], columns[within]
            self._keep(kept[0] + q0, kept[1] + g0, surely[kept] + slot)

    def _keep(self, query: Tensor, entry: Tensor, slot: Tensor) -> None:
        self.near.append(torch.stack([query, entry, slot]).cpu().numpy())

    def finish(self) -> Counts:
        """The counts of all thresholds, once the close scores are settled exactly."""
        if not self.few:
            self.passed = self.passed.flip(1).cumsum(1).flip(1)[:, 1:]
        above = self.passed[:, : self.filled.shape[1]].cpu().numpy()[self.filled]
        counts = Counts(above, np.zeros_like(above))
        query, entry, slot = np.concatenate([np.empty((3, 0), np.int64), *self.near], axis=1)
        settle_pairs(
            self.queries,
            self.gallery,
            self.thresholds,
            counts,
            query,
            entry,
            self.thresholds.start[query] + slot,
        )
        return counts
