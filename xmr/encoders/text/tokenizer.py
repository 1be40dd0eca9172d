"""Sentences to token ids, with a Hugging Face tokenizer that travels into worker processes."""

from collections.abc import Sequence
from typing import Any, Literal

import tokenizers
import transformers
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from xmr.core.errors import ConfigError, DataError, check_at_least
from xmr.core.files import fingerprint


class Tokenizer:
    """B sentences -> {"input_ids": (B, T), "attention_mask": (B, T)}, int64; T <= max_length tokens.

    `padding="longest"` pads to the longest sentence of the batch, "max_length" always to `max_length`.
    Longer sentences are truncated. `mask=False` leaves the mask out, for models that read their padding.
    """

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase,
        *,
        max_length: int,
        padding: Literal["longest", "max_length"] = "longest",
        mask: bool = True,
    ) -> None:
        check_at_least(3, max_length=max_length)
        if tokenizer.pad_token is None:
            raise ConfigError(
                f"tokenizer of '{tokenizer.name_or_path}' has no padding token; use another model"
            )
        if len(tokenizer) <= len(tokenizer.all_special_tokens):
            # transformers builds one from nothing when the vocabulary's file is missing
            folder = tokenizer.name_or_path
            raise DataError(f"the tokenizer in '{folder}' has no words; add tokenizer.json to the folder")
        self.tokenizer = tokenizer
        self.max_length = max_length
        self.padding = padding
        self.mask = mask

    def __call__(self, texts: Sequence[str]) -> dict[str, Tensor]:
        """B sentences -> token ids and the mask of real tokens, both (B, T)."""
        tokens = self.tokenizer(
            list(texts),
            padding=self.padding,
            truncation=True,
            max_length=self.max_length,
            return_attention_mask=self.mask,
            return_tensors="pt",
        )
        return {name: tokens[name] for name in ("input_ids", "attention_mask") if name in tokens}

    def describe(self) -> dict[str, Any]:
        """All that the tokens depend on, the versions of the libraries included."""
        return {
            "tokenizer": type(self.tokenizer).__name__,
            "vocabulary": fingerprint(self.tokenizer.get_vocab()),
            "max_length": self.max_length,
            "padding": self.padding,
            "mask": self.mask,
            "backend": f"transformers {transformers.__version__}, tokenizers {tokenizers.__version__}",
        }
