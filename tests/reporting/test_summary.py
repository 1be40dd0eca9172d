from io import StringIO

from rich.console import Console

from xmr.reporting.summary import metrics_table

METRICS = {
    "image_to_text/recall@1": 0.301,
    "image_to_text/recall@5": 0.65,
    "image_to_text/recall@10": 1.0,
    "image_to_text/mAP": 0.4,
    "image_to_text/median_rank": 3.0,
    "image_to_text/mean_rank": 9.0,
    "text_to_image/recall@1": 0.243,
    "text_to_image/median_rank": 1234.5,
    "mean_recall": 0.55,
}
CHANCE = {"image_to_text/recall@1": 0.005, "image_to_text/median_rank": 100.5, "mean_recall": 0.02}


def lines(*args, **kwargs):
    """The words of each line of the table in a terminal of 80 columns."""
    console = Console(width=80, record=True, file=StringIO())
    console.print(metrics_table(*args, **kwargs))
    return [line.replace("│", " ").replace("┃", " ").split() for line in console.export_text().splitlines()]


def test_each_direction_stands_with_chance_and_the_untrained_model():
    shown = lines(
        METRICS, chance=CHANCE, untrained={"text_to_image/recall@1": 0.01}, title="flickr8k-1k, test"
    )
    assert ["flickr8k-1k,", "test"] in shown
    assert ["direction", "R@1", "R@5", "R@10", "mAP", "MedR"] in shown
    first = shown.index(["image_to_text", "30.1", "65.0", "100.0", "40.0", "3"])
    assert shown[first + 1] == ["untrained", "–", "–", "–", "–", "–"]
    assert shown[first + 2] == ["chance", "0.5", "–", "–", "–", "100.5"]
    second = shown.index(["text_to_image", "24.3", "–", "–", "–", "1,234.5"])
    assert shown[second + 1] == ["untrained", "1.0", "–", "–", "–", "–"]
    assert ["mean", "recall", "55.0", "(untrained", "–,", "chance", "2.0)"] in shown


def test_without_an_untrained_model_there_is_no_row_for_it():
    assert not any("untrained" in line for line in lines(METRICS, chance=CHANCE))
