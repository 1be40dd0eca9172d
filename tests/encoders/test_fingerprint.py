import copy

import pytest
import torch
from torch import nn

from xmr.encoders.fingerprint import encoder_fingerprint, weights_fingerprint


class Toy(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.linspace(0, 1, 12).view(3, 4))
        self.register_buffer("low", torch.ones(3, dtype=torch.bfloat16))
        self.register_buffer("steps", torch.tensor(7))
        self.register_buffer("empty", torch.zeros(0, 5))
        self.preprocessing = {"size": 224, "mean": (0.5, 0.5)}


class OtherToy(Toy):
    pass


def test_equal_encoders_have_equal_fingerprints_of_16_hex_digits():
    name = encoder_fingerprint(Toy())
    assert name == encoder_fingerprint(copy.deepcopy(Toy()))
    assert len(name) == 16
    assert int(name, 16) >= 0


def change_last_bit(toy):
    toy.weight.data.view(torch.int32)[-1, -1] ^= 1


def change_buffer(toy):
    toy.steps += 1


def change_shape(toy):
    toy.weight = nn.Parameter(toy.weight.data.view(4, 3))


def change_type(toy):
    toy.low = toy.low.view(torch.float16)


def change_preprocessing(toy):
    toy.preprocessing["mean"] = (0.5, 0.4)


def rename(toy):
    toy.weights, toy.weight = toy.weight, None


@pytest.mark.parametrize(
    "change", [change_last_bit, change_buffer, change_shape, change_type, change_preprocessing, rename]
)
def test_any_change_shows(change):
    toy = Toy()
    change(toy)
    assert encoder_fingerprint(toy) != encoder_fingerprint(Toy())


def test_class_shows_in_the_encoder_but_not_in_the_weights():
    assert encoder_fingerprint(OtherToy()) != encoder_fingerprint(Toy())
    assert weights_fingerprint(OtherToy()) == weights_fingerprint(Toy())


def test_state_that_is_no_tensor_counts():
    class Worded(Toy):
        words = ("a",)

        def get_extra_state(self):
            return {"words": self.words}

        def set_extra_state(self, state):
            self.words = state["words"]

    one, two = Worded(), Worded()
    two.words = ("b",)
    assert weights_fingerprint(one) != weights_fingerprint(two)


def test_memory_layout_does_not_count():
    toy = Toy()
    toy.weight.data = toy.weight.data.t().contiguous().t()
    assert not toy.weight.is_contiguous()
    assert weights_fingerprint(toy) == weights_fingerprint(Toy())
