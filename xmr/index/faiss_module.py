"""The faiss module, imported only when asked for, and what it does not say of its indexes by itself."""

from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from xmr.core.errors import XmrError


def import_faiss() -> ModuleType:
    """The faiss module; raises `XmrError` saying how to install one when there is none."""
    try:
        import faiss
    except ImportError as error:
        raise XmrError(
            f"FAISS is not installed ({error}); run: pip install 'xmr[cpu]' (or 'xmr[gpu]' on a CUDA machine)"
        ) from error
    return faiss


@contextmanager
def one_thread(faiss: ModuleType) -> Iterator[None]:
    """FAISS runs on one thread, and the order of its work is always the same."""
    threads = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(threads)


def reason(error: RuntimeError) -> str:
    """The end of FAISS's message, without the C++ function and file that it names first."""
    return str(error).rpartition("Error: ")[2].strip() or str(error)


def rotations_of(faiss: ModuleType, index: Any) -> list[tuple[Any, Any]]:
    """Each OPQ rotation before the index, with a quantiser to learn it for: as FAISS would make it."""
    found = []
    index = faiss.downcast_index(index)
    for at in range(index.chain.size() if isinstance(index, faiss.IndexPreTransform) else 0):
        rotation = faiss.downcast_VectorTransform(index.chain.at(at))
        if isinstance(rotation, faiss.OPQMatrix):
            quantiser = faiss.ProductQuantizer(rotation.d_out, rotation.M, 8)
            rotation.pq = quantiser
            found.append((rotation, quantiser))
    return found


def clusterings(faiss: ModuleType, index: Any) -> Iterator[tuple[int, Any]]:
    """The number of centroids, and k-means' parameters, of all that the index clusters."""
    index = faiss.downcast_index(index)
    if isinstance(index, faiss.IndexPreTransform):
        index = faiss.downcast_index(index.index)
    if isinstance(index, faiss.IndexIVF):
        yield index.nlist, index.cp
    if hasattr(index, "pq"):
        yield index.pq.ksub, index.pq.cp
