"""The formulas of the fusions, element by element in Python numbers: slow, and plain to check."""

from math import erf, exp, sqrt

import torch


def sigmoid(x):
    return 1 / (1 + exp(-x))


def normed(rows, norm, training):
    """Batch norm over lists of rows: (x - mean) / sqrt(biased variance + eps) * weight + bias."""
    out = [list(row) for row in rows]
    weight, bias = norm.weight.tolist(), norm.bias.tolist()
    for c in range(len(rows[0])):
        column = [row[c] for row in rows]
        mean = sum(column) / len(column) if training else float(norm.running_mean[c])
        variance = sum((x - mean) ** 2 for x in column) / len(column)
        variance = variance if training else float(norm.running_var[c])
        for row in out:
            row[c] = (row[c] - mean) / sqrt(variance + norm.eps) * weight[c] + bias[c]
    return out


def relu(rows):
    return [[max(x, 0.0) for x in row] for row in rows]


def linear(rows, layer):
    weight, bias = layer.weight.tolist(), layer.bias.tolist()
    return [
        [b + sum(w * x for w, x in zip(ws, row, strict=True)) for ws, b in zip(weight, bias, strict=True)]
        for row in rows
    ]


def branch(rows, layers, training):
    """BN -> ReLU -> Linear (-> ReLU -> Linear) of vectors."""
    rows = relu(normed(rows, layers[0], training))
    rows = linear(rows, layers[2])
    return linear(relu(rows), layers[4]) if len(layers) > 3 else rows


def convolved(maps, layer):
    """3x3 convolution with a border of zeros of maps[b][y][x][channel]."""
    weight, bias = layer.weight.tolist(), layer.bias.tolist()
    out = []
    for grid in maps:
        side = len(grid)
        result = [[list(bias) for _ in range(side)] for _ in range(side)]
        for y in range(side):
            for x in range(side):
                for dy in (-1, 0, 1):
                    for dx in (-1, 0, 1):
                        if not (0 <= y + dy < side and 0 <= x + dx < side):
                            continue
                        values = grid[y + dy][x + dx]
                        for o, kernels in enumerate(weight):
                            taps = (kernels[c][dy + 1][dx + 1] * value for c, value in enumerate(values))
                            result[y][x][o] += sum(taps)
        out.append(result)
    return out


def on_rows(function, maps):
    """Apply a function of rows to the positions of all maps."""
    side = len(maps[0])
    rows = function([values for grid in maps for row in grid for values in row])
    return [
        [[rows[(b * side + y) * side + x] for x in range(side)] for y in range(side)]
        for b in range(len(maps))
    ]


def map_branch(maps, layers, training):
    """BN -> ReLU -> conv3x3 -> ReLU -> conv3x3."""
    maps = on_rows(lambda rows: relu(normed(rows, layers[0], training)), maps)
    return convolved(on_rows(relu, convolved(maps, layers[2])), layers[4])


def image_maps(image, side):
    """Features (B, side * side * C) -> maps[b][y][x][channel], positions row by row."""
    return image.view(len(image), side, side, -1).tolist()


def joined_maps(maps, text):
    """Each position of a map, with the text after it."""
    return [
        [[values + t for values in row] for row in grid] for grid, t in zip(maps, text.tolist(), strict=True)
    ]


def pooled(maps):
    """The mean over the positions of each map."""
    out = []
    for grid in maps:
        positions = [values for row in grid for values in row]
        out.append([sum(column) / len(positions) for column in zip(*positions, strict=True)])
    return out


def layer_norm(vector, norm):
    mean = sum(vector) / len(vector)
    deviation = sqrt(sum((x - mean) ** 2 for x in vector) / len(vector) + norm.eps)
    weight, bias = norm.weight.tolist(), norm.bias.tolist()
    return [(x - mean) / deviation * w + b for x, w, b in zip(vector, weight, bias, strict=True)]


def gelu(x):
    return 0.5 * x * (1 + erf(x / sqrt(2)))


def attention(sequence, attended, module):
    """Multi-head attention of each vector over the `attended` ones (True), head by head."""
    width, heads = len(sequence[0]), module.num_heads
    size = width // heads
    weight, bias = module.in_proj_weight.tolist(), module.in_proj_bias.tolist()
    projected = [
        [b + sum(w * x for w, x in zip(ws, v, strict=True)) for ws, b in zip(weight, bias, strict=True)]
        for v in sequence
    ]
    out = []
    for query in projected:
        joined = []
        for head in range(heads):
            q, k, v = (
                range(part * width + head * size, part * width + (head + 1) * size) for part in range(3)
            )
            scores = [
                exp(sum(query[i] * other[j] for i, j in zip(q, k, strict=True)) / sqrt(size)) if seen else 0.0
                for other, seen in zip(projected, attended, strict=True)
            ]
            for j in v:
                joined.append(
                    sum(s * other[j] for s, other in zip(scores, projected, strict=True)) / sum(scores)
                )
        out.append(joined)
    return linear(out, module.out_proj)


def plus(a, b):
    return [x + y for x, y in zip(a, b, strict=True)]


def transformer_layer(sequence, attended, layer):
    """BERT's: attention, sum, norm; feed-forward with GELU, sum, norm."""
    mixed = attention(sequence, attended, layer.self_attn)
    sequence = [layer_norm(plus(a, b), layer.norm1) for a, b in zip(sequence, mixed, strict=True)]
    hidden = [[gelu(x) for x in row] for row in linear(sequence, layer.linear1)]
    return [
        layer_norm(plus(a, b), layer.norm2)
        for a, b in zip(sequence, linear(hidden, layer.linear2), strict=True)
    ]


def tensor(rows):
    return torch.tensor(rows, dtype=torch.float64)
