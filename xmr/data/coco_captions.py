"""Loads COCO Captions (2014 images) in Karpathy's splits."""

from pathlib import Path

from xmr.data.dataset import RetrievalDataset
from xmr.data.images import FolderImages
from xmr.data.karpathy import read_karpathy
from xmr.data.required_files import require_files, require_images

ANNOTATIONS = "dataset_coco.json"
REMEDY = """\
Get dataset_coco.json out of caption_datasets.zip (https://cs.stanford.edu/people/karpathy/deepimagesent/)
and the images, train2014.zip and val2014.zip, from the COCO site (https://cocodataset.org/#download):
  <root>/dataset_coco.json
  <root>/train2014/COCO_train2014_000000000009.jpg ...  82,783 images
  <root>/val2014/COCO_val2014_000000000042.jpg ...      40,504 images"""

TEST_FOLDS = 5
"""The "1K" protocol: the mean over 5 consecutive folds of 1,000 test images; the "5K" one takes all 5,000."""


def load_coco_captions(*, root: Path | str, restval: bool = True) -> RetrievalDataset:
    """Load COCO Captions: 113,287 train images (82,783 without `restval`), 5,000 val and 5,000 test.

    Items keep the order of the file, on which the folds of the 1K protocol depend (`TEST_FOLDS`).
    Raises `MissingFilesError` saying what to get when a file or an image is not there.

    Source: Lin et al., ECCV 2014; Chen et al., "Microsoft COCO Captions", 2015.
    """
    root = Path(root)
    require_files(root, [ANNOTATIONS, "train2014", "val2014"], name="coco_captions", remedy=REMEDY)
    items = read_karpathy(
        root / ANNOTATIONS,
        key_of=lambda record: f"{record['filepath']}/{record['filename']}",
        restval=restval,
    )
    require_images(root, [item.image for item in items], name="coco_captions", remedy=REMEDY)
    return RetrievalDataset("coco_captions", tuple(items), FolderImages(root))
