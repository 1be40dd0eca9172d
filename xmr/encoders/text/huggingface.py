"""Any Hugging Face text model as an encoder: BERT, RoBERTa, MPNet, sentence-transformers' models."""

from collections.abc import Mapping
from typing import Any, Literal

from torch import Tensor, nn
from transformers import AutoModel, AutoTokenizer

from xmr.core.errors import ConfigError, did_you_mean
from xmr.core.types import Modality
from xmr.encoders.huggingface import config_fingerprint, load_part, load_pretrained, model_folder
from xmr.encoders.text.tokenizer import Tokenizer

OFFSET_POSITIONS = ("roberta", "xlm-roberta", "camembert", "mpnet")
"""Kinds of models whose first positions stand for padding."""
POOLINGS = ("mean", "cls", "pooler", "tokens")


class HuggingFaceText(nn.Module):
    """Tokens (B, T) -> features (B, hidden size) of one vector per sentence.

    `pooling`: "mean" of the real tokens, padding left out (sentence-transformers); "cls", the first
    token; "pooler", the model's own dense layer + tanh on the first token (BERT); "tokens", all of them:
    features (B, max_length * hidden size), zeros at padding.
    `name_or_path`: a folder, `package:<package>/<folder>`, or a hub name.
    """

    modality = Modality.TEXT

    def __init__(
        self,
        *,
        name_or_path: str,
        pooling: Literal["mean", "cls", "pooler", "tokens"] = "mean",
        max_length: int = 128,
    ) -> None:
        super().__init__()
        if pooling not in POOLINGS:
            raise ConfigError(f"unknown pooling='{pooling}'; {did_you_mean(pooling, POOLINGS)}")
        folder = model_folder(name_or_path)
        self.model = load_pretrained(AutoModel, folder, unused=() if pooling == "pooler" else ("pooler.",))
        config = self.model.config
        if not hasattr(config, "hidden_size"):
            raise ConfigError(
                f"'{name_or_path}' is no text model but a {type(config).__name__}; "
                f"of CLIP and SigLIP use encoder/text=clip_vit_b32 or siglip_base"
            )
        longest = getattr(config, "max_position_embeddings", None)
        if longest is not None and config.model_type in OFFSET_POSITIONS:
            longest -= config.pad_token_id + 1
        if longest is not None and max_length > longest:
            raise ConfigError(f"max_length={max_length} > {longest}, the longest text of '{name_or_path}'")
        if pooling == "pooler" and getattr(self.model, "pooler", None) is None:
            raise ConfigError(f"'{name_or_path}' has no pooler; use pooling=mean or pooling=cls")
        if pooling != "pooler" and hasattr(self.model, "pooler"):
            # never reached by a gradient, which DistributedDataParallel refuses
            self.model.pooler = None
        self.pooling = pooling
        self.tokens = max_length if pooling == "tokens" else 1
        self.dim: int = self.tokens * config.hidden_size
        self.prepare = Tokenizer(
            load_part(AutoTokenizer, folder),
            max_length=max_length,
            padding="max_length" if pooling == "tokens" else "longest",
        )
        self.preprocessing: Mapping[str, Any] = {
            "architecture": config_fingerprint(config),
            "pooling": pooling,
            **self.prepare.describe(),
        }

    def forward(self, inputs: Mapping[str, Tensor]) -> Tensor:
        """{"input_ids": (B, T), "attention_mask": (B, T)} -> features (B, dim)."""
        output = self.model(**inputs)
        if self.pooling == "pooler":
            return output.pooler_output
        if self.pooling == "cls":
            return output.last_hidden_state[:, 0]
        mask = inputs["attention_mask"].unsqueeze(-1).to(output.last_hidden_state.dtype)
        real = output.last_hidden_state * mask
        return real.flatten(1) if self.pooling == "tokens" else real.sum(1) / mask.sum(1)
