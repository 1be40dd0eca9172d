import pytest
import torch
from torch import nn

from xmr.encoders.text.text_cnn import LENGTH, Bottleneck, TextCNN
from xmr.encoders.text.vocabulary import FIRST_WORD


def test_every_layer_has_the_length_and_channels_of_the_papers_table():
    encoder = TextCNN(vectors=None)
    encoder.fit_vocabulary(["one two three"])
    encoder.eval()
    seen = []
    layers = [encoder.word_norm, *(block for stage in encoder.stages for block in stage)]
    for layer in layers:
        layer.register_forward_hook(lambda module, inputs, output: seen.append(tuple(output.shape[1:])))
    features = encoder.features(torch.zeros(2, LENGTH, dtype=torch.long))
    assert seen == (
        [(300, 32)] + [(256, 32)] * 3 + [(512, 16)] * 4 + [(1024, 8)] * 6 + [(2048, 8)]
    )  # word, B1-3, B4, B5, B6
    assert features.shape == (2, encoder.dim) == (2, 2048)


@pytest.mark.parametrize("kernels", ["middle", "all"])
def test_parameters_are_those_of_the_papers_table(kernels):
    table = [  # in, widths of the bottleneck, projection, how often
        (300, 128, 128, 256, True, 1),
        (256, 64, 64, 256, False, 2),
        (256, 512, 512, 512, True, 1),
        (512, 128, 128, 512, False, 3),
        (512, 1024, 1024, 1024, True, 1),
        (1024, 256, 256, 1024, False, 5),
        (1024, 2048, 2048, 2048, True, 1),
    ]
    outer = 1 if kernels == "middle" else 2
    words = 5
    expected = (FIRST_WORD + words) * 300 + 300 + 2 * 300
    for channels, first, second, out, projection, times in table:
        weights = outer * channels * first + 2 * first * second + outer * second * out
        norms = 2 * (first + second + out)
        if projection:
            weights += outer * channels * out
            norms += 2 * out
        expected += times * (weights + norms)
    encoder = TextCNN(vectors=None, kernels=kernels)
    encoder.fit_vocabulary(["one two three four five"])
    assert sum(parameter.numel() for parameter in encoder.parameters()) == expected


def bottleneck_by_loops(block, inputs, *, stride, outer):
    """Position by position, float64, from the weights alone."""

    def convolved(sequence, layer, stride=1):
        _, convolution, norm = layer
        kernel = convolution.kernel_size[0]
        padded = [torch.zeros(len(sequence[0]), dtype=torch.float64)] * (kernel - 1) + sequence
        outputs = []
        for end in range(kernel, len(padded) + 1, stride):
            window = torch.stack(padded[end - kernel : end], dim=1)
            value = (convolution.weight * window).sum((1, 2))
            value = (value - norm.running_mean) / (norm.running_var + norm.eps).sqrt()
            outputs.append(value * norm.weight + norm.bias)
        return outputs

    rows = []
    for row in inputs:
        sequence = list(row.T)
        values = [v.clamp(min=0) for v in convolved(sequence, block.layers[0])]
        values = [v.clamp(min=0) for v in convolved(values, block.layers[2], stride)]
        values = convolved(values, block.layers[4])
        beside = (
            sequence
            if isinstance(block.shortcut, nn.Identity)
            else convolved(sequence, block.shortcut, stride)
        )
        rows.append(torch.stack([(a + b).clamp(min=0) for a, b in zip(values, beside, strict=True)], dim=1))
    return torch.stack(rows)


@pytest.mark.parametrize(("stride", "project", "outer"), [(1, False, 1), (2, True, 1), (2, True, 2)])
def test_bottleneck_equals_loops_over_positions(stride, project, outer):
    torch.manual_seed(0)
    out = 5 if project else 3
    block = Bottleneck(3, 4, out, stride=stride, project=project, outer=outer).double().eval()
    for module in block.modules():
        if isinstance(module, nn.BatchNorm1d):
            nn.init.normal_(module.running_mean)
            nn.init.uniform_(module.running_var, 0.5, 2)
            nn.init.normal_(module.weight)
            nn.init.normal_(module.bias)
    inputs = torch.randn(2, 3, 8, dtype=torch.float64)
    assert [layer[1].kernel_size[0] for layer in (block.layers[0], block.layers[2])] == [outer, 2]
    expected = bottleneck_by_loops(block, inputs, stride=stride, outer=outer)
    assert expected.shape == (2, out, 8 // stride)
    assert torch.allclose(block(inputs), expected)
