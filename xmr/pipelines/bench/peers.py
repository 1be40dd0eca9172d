"""The evaluations that xmr is measured against, by name."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib.metadata import packages_distributions, version
from importlib.util import find_spec

from xmr.core.errors import ConfigError, XmrError, did_you_mean
from xmr.pipelines.bench import formulas, libraries
from xmr.pipelines.bench.workload import Figures, Workload


@dataclass(frozen=True)
class Peer:
    """A way to evaluate a workload.

    `evaluate` returns its figures under the names of the xmr functions whose value they must equal:
    `image_to_text/average_precision_at_10_over_hits` for `average_precision_at_k_over_hits` with k = 10.
    `modules` are what must be installed, `install` how. Peers that `scale` need no array of all pairs.
    """

    evaluate: Callable[[Workload], Figures]
    modules: tuple[str, ...] = ()
    install: str = "pip install 'xmr[bench]'"
    scales: bool = False


PEERS = {
    "faiss_topk": Peer(libraries.faiss_topk, ("faiss",), install="make setup", scales=True),
    "torch_topk": Peer(formulas.torch_topk),
    "pytorch_metric_learning": Peer(
        libraries.pytorch_metric_learning, ("pytorch_metric_learning", "faiss"), scales=True
    ),
    "pytrec_eval": Peer(libraries.pytrec_eval, ("pytrec_eval",)),
    "oml": Peer(
        libraries.oml,
        ("oml", "gdown", "validators"),
        # its wheel asks for numpy < 2, which its code does not need
        install="pip install 'xmr[bench]' && pip install --no-deps open-metric-learning==4.0.0",
    ),
    "ranx": Peer(libraries.ranx, ("ranx",)),
    "sentence_transformers": Peer(libraries.sentence_transformers, ("sentence_transformers",)),
    "torchmetrics": Peer(libraries.torchmetrics, ("torchmetrics",)),
    "clip_benchmark": Peer(formulas.clip_benchmark),
    "vsepp": Peer(formulas.vsepp),
    "argsort": Peer(formulas.argsort),
}


def chosen_peers(names: str, *, all_pairs: bool = True) -> dict[str, Peer]:
    """The peers of a comma-separated list in its order, "all" or "none".

    Without `all_pairs` only those that scale. Raises `ConfigError` for a name that isn't known or does not
    scale, and `XmrError` for a peer that isn't installed.
    """
    fit = {name: peer for name, peer in PEERS.items() if all_pairs or peer.scales}
    wanted = {"all": list(fit), "none": []}.get(names, [name.strip() for name in names.split(",")])
    for name in wanted:
        if name not in PEERS:
            raise ConfigError(f"unknown peer '{name}'; {did_you_mean(name, PEERS)}")
        if name not in fit:
            raise ConfigError(f"peer {name} keeps all pairs, too many for this shape; use {', '.join(fit)}")
        missing = [module for module in fit[name].modules if find_spec(module) is None]
        if missing:
            remedy = f"run: {fit[name].install}, or leave it out of --peers"
            raise XmrError(f"peer {name} needs {', '.join(missing)}, which isn't installed; {remedy}")
    return {name: fit[name] for name in wanted}


def peer_versions(names: Iterable[str]) -> dict[str, str]:
    """The version of the library behind each of the named peers that has one, as `ranx 0.3.21`."""
    packages = packages_distributions()
    libraries = {name: packages[PEERS[name].modules[0]][0] for name in names if PEERS[name].modules}
    return {name: f"{library} {version(library)}" for name, library in libraries.items()}
