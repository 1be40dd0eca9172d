"""Loads photographs of scenes in class folders, split as in the MIT scene set of eight classes."""

from collections.abc import Sequence
from pathlib import Path

from xmr.data.dataset import RetrievalDataset
from xmr.data.image_folder import load_image_folder
from xmr.data.required_files import require_files

SPLIT_FOLDERS = ("train", "test")
REMEDY = """\
Get MIT_split, the 2,688 photographs of 8 outdoor scenes of Oliva and Torralba
(https://people.csail.mit.edu/torralba/code/spatialenvelope/) dealt into train and test; root (data.root):
  <root>/train/coast/arnat59.jpg ...  1,881 images in coast, forest, highway, inside_city, mountain,
                                      Opencountry, street, tallbuilding
  <root>/test/coast/...               807 images
Any other set of classes that lies so does as well: <root>/train/<class>/*, <root>/test/<class>/*"""


def load_scenes(
    *,
    root: Path | str,
    template: str | Sequence[str] = "a photo of a {label}.",
    val_fraction: float = 0.1,
    seed: int = 0,
    name: str = "scenes",
) -> RetrievalDataset:
    """Load `root/train/<class>/*` and `root/test/<class>/*`: images match the images of their class.

    Where there is no val folder, `val_fraction` of each class of train becomes val. The text of a class is
    `template` with the folder's name for {label}. Raises `ConfigError` for settings, `MissingFilesError`
    saying what to get, `DataError` for other layouts (see `load_image_folder`).

    Source: Oliva and Torralba, "Modeling the Shape of the Scene", IJCV 2001.
    """
    require_files(Path(root), SPLIT_FOLDERS, name=name, remedy=REMEDY)
    return load_image_folder(root=root, template=template, val_fraction=val_fraction, seed=seed, name=name)
