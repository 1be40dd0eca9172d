"""The word-drop explanation of a checkpoint, written into its run folder."""

import os
from functools import partial
from pathlib import Path

import numpy as np
from omegaconf import DictConfig
from rich.console import Console

from xmr.core.errors import ConfigError
from xmr.core.files import write_json
from xmr.core.types import Modality
from xmr.data.dataset import RetrievalDataset, Split
from xmr.pipelines.early_checks import check_explain, checkpoint_path
from xmr.pipelines.encoding import QueryEncoder
from xmr.pipelines.evaluate import note_use, restore
from xmr.reporting.panels import save_png
from xmr.reporting.views import choose_queries
from xmr.reporting.word_drop import Explained, draw_word_drop
from xmr.reporting.word_drop import explain as explain_pair


def explain(config: DictConfig) -> None:
    """Write what each word adds, for images of `config.split` and their first captions."""
    check_explain(config)
    path = checkpoint_path(config.checkpoint)
    components, _ = restore(path, ["trainer.accelerator=cpu", *config.set])
    model, dataset = components.module.model, components.dataset
    missing = {Modality.IMAGE, Modality.TEXT} - set(model.modalities())
    if missing:
        raise ConfigError(
            f"this model embeds no {' and no '.join(sorted(missing))}; explain one of images and texts"
        )
    split = dataset.split(config.split)
    say = partial(Console().print, markup=False, highlight=False, soft_wrap=True)
    note_use(split.name, path, components.task.data_fingerprint, tell=say)
    rows = choose_queries(
        split.image_ids, np.zeros(len(split.image_ids)), count=config.queries, seed=config.seed
    )
    explained = {
        str(split.image_ids[row]): _explained(QueryEncoder(model), dataset, split, row) for row in rows
    }
    folder = Path(os.path.relpath(path.parent.parent)) / "evaluations" / f"{split.name}-{path.stem}"
    title = f"What each word adds · {dataset.name} · {split.name}\n{components.config.name}, {path.name}"
    save_png(draw_word_drop(list(explained.values()), title=title), folder / "word_drop.png")
    write_json(folder / "word_drop.json", {id_: _record(pair) for id_, pair in explained.items()})
    say(f"picture   {folder / 'word_drop.png'}")
    say(f"numbers   {folder / 'word_drop.json'}")


def _explained(encoder: QueryEncoder, dataset: RetrievalDataset, split: Split, row: int) -> Explained:
    """The image at `row` with its first caption, explained."""
    picture = dataset.read_image(str(split.image_keys[row]))
    text = split.texts[split.flat_texts[split.first_text[row]]]
    return explain_pair(encoder.encode_text, encoder.encode_image([picture])[0], text, picture)


def _record(pair: Explained) -> dict[str, object]:
    """One pair as JSON: its similarity, and words with their changes in the order of the caption."""
    words = [{"word": word, "change": round(change, 6)} for word, change in pair.words]
    return {"similarity": round(pair.similarity, 6), "words": words}
