"""The faiss module: imported only when asked for, with an error that says how to install it."""

from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

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
