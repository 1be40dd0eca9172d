"""A small transformer over the words of the text and the regions of the image, in the style of VisualBERT."""

import torch
from torch import Tensor, nn

from xmr.core.errors import ConfigError, check_whole
from xmr.models.fusion.sizes import check_rate, check_sizes

INITIAL_DEVIATION = 0.02
"""Of the learned embeddings, as in BERT."""


class VisualBERT(nn.Module):
    """Image features (B, image_tokens*Ci), text features (B, text_tokens*Ct) -> (B, dim).

    The sequence is [CLS], the text's vectors, the image's vectors, each kind brought to `width` by a linear
    layer. Each vector gets the embedding of its segment (text, with CLS, or image), text also that of its
    position; then layer norm, dropout, and BERT's transformer layers (GELU, norm after the sum). Vectors
    that are all zeros are padding, which nothing attends to. The output at [CLS] goes through a linear layer.
    Source: Li et al., VisualBERT, 2019. Deviations: trained from scratch, few layers, and no embedding for
    the positions of regions.
    """

    on = "features"

    def __init__(
        self,
        *,
        dim: int,
        image_dim: int,
        text_dim: int,
        image_tokens: int,
        text_tokens: int,
        width: int = 256,
        layers: int = 2,
        heads: int = 4,
        dropout: float = 0.1,
    ) -> None:
        check_sizes(
            dim=dim,
            image_dim=image_dim,
            text_dim=text_dim,
            image_tokens=image_tokens,
            text_tokens=text_tokens,
        )
        check_whole(1, width=width, layers=layers, heads=heads)
        check_rate(dropout=dropout)
        if width % heads:
            raise ConfigError(f"width={width} does not divide into heads={heads}; use a multiple of {heads}")
        super().__init__()
        self.image_tokens, self.text_tokens = image_tokens, text_tokens
        self.image = nn.Linear(image_dim // image_tokens, width)
        self.text = nn.Linear(text_dim // text_tokens, width)
        self.cls = nn.Parameter(INITIAL_DEVIATION * torch.randn(width))
        self.segment = nn.Parameter(INITIAL_DEVIATION * torch.randn(2, width))
        self.position = nn.Parameter(INITIAL_DEVIATION * torch.randn(1 + text_tokens, width))
        self.norm = nn.LayerNorm(width)
        self.dropout = nn.Dropout(dropout)
        layer = nn.TransformerEncoderLayer(width, heads, 4 * width, dropout, "gelu", batch_first=True)
        self.transformer = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
        self.project = nn.Linear(width, dim)

    def forward(self, image: Tensor, text: Tensor) -> Tensor:
        """Image features (B, image_tokens*Ci), text features (B, text_tokens*Ct) -> (B, dim)."""
        words = text.view(len(text), self.text_tokens, -1)
        regions = image.view(len(image), self.image_tokens, -1)
        cls = self.cls.expand(len(text), 1, -1)
        spoken = torch.cat([cls, self.text(words)], dim=1) + self.position + self.segment[0]
        seen = self.image(regions) + self.segment[1]
        sequence = self.dropout(self.norm(torch.cat([spoken, seen], dim=1)))
        padding = torch.cat([words.eq(0).all(2), regions.eq(0).all(2)], dim=1)
        padding = nn.functional.pad(padding, (1, 0))  # CLS is never padding
        return self.project(self.transformer(sequence, src_key_padding_mask=padding)[:, 0])
