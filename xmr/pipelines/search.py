"""Search in a store of embeddings, by a text, a picture, or both."""

import re
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from omegaconf import OmegaConf
from PIL import Image
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from torch.nn.functional import normalize

from xmr.core.errors import ConfigError, DataError, MissingFilesError
from xmr.core.files import fingerprint, sha256_file
from xmr.core.protocols import Index
from xmr.core.types import Embeddings, Modality
from xmr.data.dataset import ImageReader
from xmr.data.images import FolderImages
from xmr.index.binary import BinaryIndex
from xmr.index.exact import Exact
from xmr.index.saved_index import open_index, read_index_record
from xmr.index.store import EmbeddingStore
from xmr.pipelines.build import Components, build
from xmr.pipelines.cli import register_resolvers
from xmr.pipelines.early_checks import check_search
from xmr.pipelines.encoding import QueryEncoder, model_fingerprint, open_picture
from xmr.pipelines.instantiate import instantiate
from xmr.pipelines.run_folder import with_overrides
from xmr.reporting.panels import draw_panel, save_png
from xmr.reporting.views import RankedQuery, Result, View
from xmr.training.checkpoints import load_checkpoint

DEFAULT_K = 10
# a picture of more is too large to look at
SHOWN = 50


@dataclass(frozen=True)
class Query:
    """What to look for: a text, a picture (with the path it came from), or both."""

    text: str | None
    picture: Image.Image | None
    path: Path | None

    @property
    def description(self) -> str:
        """The query in one line."""
        parts = ([f"'{self.text}'"] if self.text else []) + ([str(self.path)] if self.path else [])
        return " + ".join(parts)

    def embedding(self, encoder: QueryEncoder, thresholds: np.ndarray | None) -> Embeddings:
        """The query as an embedding (1, D), less `thresholds`.

        Of text and picture: what the model composes them to, or of a dual encoder the normalised sum.
        """
        vectors = []
        if self.text is not None and self.picture is not None and encoder.composes:
            vectors.append(encoder.encode_composed([self.picture], [self.text]))
        else:
            if self.text is not None:
                vectors.append(encoder.encode_text([self.text]))
            if self.picture is not None:
                vectors.append(encoder.encode_image([self.picture]))
        vector = normalize(torch.from_numpy(np.sum(vectors, axis=0)), dim=1)
        if thresholds is not None:
            vector = vector - torch.from_numpy(thresholds)
        modality = Modality.TEXT if self.text else Modality.IMAGE
        if self.text and self.picture:
            modality = Modality.COMPOSED
        name = np.array(["query"])
        return Embeddings(vector, name, name, modality)


@dataclass(frozen=True)
class Found:
    """The results of a search, best first: their rows in the store and their scores."""

    rows: list[dict[str, str]]
    scores: list[float]
    gallery_size: int
    read_image: ImageReader

    def column(self, name: str) -> list[str]:
        """One column of the rows."""
        return [row[name] for row in self.rows]

    def image_file(self, row: dict[str, str]) -> str:
        """The file of the picture; "" where there is none, or its data set does not keep it as a file."""
        key, reader = row["image_path"], self.read_image
        return str(reader.root / key) if key and isinstance(reader, FolderImages) else ""

    def view(self, row: dict[str, str]) -> View:
        """What a result looks like."""
        # of a label with levels (animals-nature/animal-bug) there is room for the last alone
        label = row["label"].rpartition("/")[2]
        if row["modality"] == Modality.TEXT:
            return View(text=row["caption"], label=label)
        return View(image=self.read_image(row["image_path"]), label=label)


def search(
    folder: Path,
    *,
    text: str | None = None,
    image: Path | None = None,
    k: int | None = None,
    among: str | None = None,
    index: str | None = None,
    panel: Path | None = None,
    checkpoint: Path | None = None,
) -> None:
    """Print what in the store `folder` is nearest to a text, a picture, or both; draw it into `panel`.

    Without `index` every vector is compared. Raises `XmrError` for what can't be searched with or in.
    """
    check_search(
        folder,
        text=text,
        image=image,
        k=k,
        among=among,
        index=index,
        panel=panel,
        checkpoint=checkpoint,
    )
    query = Query(text, None if image is None else open_picture(image), image)
    store = EmbeddingStore.open(folder)
    searched, modality, place = _index(store, index, among)
    size = store.counts[modality]
    k = min(DEFAULT_K, size) if k is None else k
    if k > size:
        raise DataError(f"k={k} > gallery size {size}; use k <= {size}")
    components = load_model(store, checkpoint)
    encoder = QueryEncoder(components.module.model)
    ranking = searched.search(query.embedding(encoder, store.thresholds), k=k)
    rows = store.describe(ranking.gallery_ids[0].tolist())
    found = Found(rows, ranking.scores[0].tolist(), size, _image_reader(store, components))
    out = Console()
    say = partial(out.print, markup=False, highlight=False, soft_wrap=True)
    if query.text and query.picture and not encoder.composes:
        say("the query is the normalised sum of both embeddings: a dual encoder does not compose them")
    out.print(_table(found, f"{query.description}: the nearest {k} of {size:,} {place}"))
    path = panel or store.folder / "searches" / _file_name(query, f"{place} {k}")
    say(f"score    {searched.measures}")
    title = f"{query.description}\n{store.folder.name} · {size:,} {place}"
    save_png(_picture(query, found, title=title, measures=searched.measures), path)
    say(f"picture  {path}{f' (the first {SHOWN})' if k > SHOWN else ''}")


def _index(store: EmbeddingStore, name: str | None, among: str | None) -> tuple[Index, Modality, str]:
    """The index to search, what it finds, and what to call it: a saved one, or the store's vectors."""
    if name is None:
        modality, bits = Modality(among or "image"), store.manifest.dtype == "bits"
        plain: Index = BinaryIndex() if bits else Exact()
        plain.add(store.searchable(modality))
        return plain, modality, f"{modality} vectors, " + ("by their bits" if bits else "exact")
    record = read_index_record(store, name)
    if among is not None and among != record.modality:
        raise ConfigError(
            f"--among {among}, but the index '{name}' is of {record.modality} vectors; leave --among out"
        )
    saved: Index = instantiate(OmegaConf.create(record.settings))
    open_index(store, saved, name)
    return saved, Modality(record.modality), f"{record.modality} vectors, index {name}"


def load_model(store: EmbeddingStore, checkpoint: Path | None = None) -> Components:
    """The model that made the vectors of `store`, from the checkpoint it names or the same one elsewhere.

    Raises `MissingFilesError` when the file is gone, `DataError` when it or the encoders are others.
    """
    record = store.manifest.model
    path = Path(checkpoint or record.checkpoint)
    remedy = "give the file with --checkpoint, or embed again"
    if not path.is_file():
        raise MissingFilesError(
            f"{store.folder} was made with the checkpoint {path}, which is gone; {remedy}"
        )
    if sha256_file(path) != record.checkpoint_sha256:
        raise DataError(f"{path} is not the checkpoint that {store.folder} was made with; {remedy}")
    register_resolvers()
    components = build(
        with_overrides(OmegaConf.create(record.config), ["trainer.accelerator=cpu"]), training=False
    )
    components.module.restore(load_checkpoint(path))
    if (found := model_fingerprint(components.module.model)) != record.fingerprint:
        raise DataError(
            f"the model of {path} has the fingerprint {found}, the vectors of {store.folder} are of "
            f"{record.fingerprint}: its encoders are others here; embed again"
        )
    return components


def _image_reader(store: EmbeddingStore, components: Components) -> ImageReader:
    """What opens the pictures of the store's data set."""
    data = store.manifest.data
    if data.fingerprint == components.dataset.fingerprint:
        return components.dataset.read_image
    return instantiate(OmegaConf.create(data.config)).read_image


def _table(found: Found, title: str) -> Table:
    """Rank, score and id of each result, and what else is known: text, label, image path."""
    table = Table(title=escape(title), title_justify="left", title_style="bold")
    columns = {"id": found.column("id"), "text": found.column("caption"), "label": found.column("label")}
    columns["image"] = [found.image_file(row) for row in found.rows]
    columns = {name: values for name, values in columns.items() if any(values)}
    for name in ("rank", "score", *columns):
        table.add_column(name, overflow="fold", justify="right" if name in ("rank", "score") else "left")
    for rank, score in enumerate(found.scores, start=1):
        cells = [escape(values[rank - 1]) for values in columns.values()]
        table.add_row(str(rank), f"{score:.3f}", *cells)
    return table


def _picture(query: Query, found: Found, *, title: str, measures: str) -> Image.Image:
    """The query and its results, as a panel."""
    results = tuple(
        Result(row["id"], found.view(row), score, relevant=False)
        for row, score in list(zip(found.rows, found.scores, strict=True))[:SHOWN]
    )
    ranked = RankedQuery("query", View(query.picture, query.text), None, results)
    return draw_panel([ranked], gallery_size=found.gallery_size, title=title, measures=measures)


def _file_name(query: Query, place: str) -> str:
    """A name for the picture of a search in `place`; the same search has the same."""
    words = re.sub(r"[^a-z0-9]+", "-", query.description.lower()).strip("-")[:40].strip("-")
    return f"{words or 'query'}-{fingerprint(query.text, str(query.path), place)[:8]}.png"
