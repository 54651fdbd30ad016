"""Prompts to the embeddings that the transformer attends to: umT5, 512 tokens, zeros after the last.

The encoder is the largest network after the transformer and is needed for a moment a clip, and not at all for a prompt
that was seen before: it is opened when first needed, may be freed after use, and its answers are kept. Used by the
generation worker's thread alone.
"""

import gc
import html
import importlib
import re
from collections import OrderedDict
from collections.abc import Callable, Sequence

import torch
from diffusers.utils import is_ftfy_available
from diffusers.utils.torch_utils import get_module_execution_device
from torch import Tensor
from transformers import PreTrainedTokenizerBase, UMT5EncoderModel

from spatia.errors import GenerationError

MOST_TOKENS = 512
# A clip takes two prompts. Each kept one is at most 4 MB at full size.
KEPT_PROMPTS = 32


class TextEncoder:
    """The text encoder with its tokenizer, as the Wan pipelines use them (spec: the transformer sees 512 tokens)."""

    def __init__(
        self, open_model: Callable[[], UMT5EncoderModel], tokenizer: PreTrainedTokenizerBase, *, free_after: bool
    ) -> None:
        """`open_model` loads the network onto its device; with `free_after` it is dropped again after each `encode`."""
        self._open_model = open_model
        self._tokenizer = tokenizer
        self._free_after = free_after
        self._model: UMT5EncoderModel | None = None
        self._kept: OrderedDict[str, Tensor] = OrderedDict()  # clean prompt to [tokens, D], the oldest use first

    @property
    def is_loaded(self) -> bool:
        """Whether the network takes up memory now."""
        return self._model is not None

    def token_count(self, prompt: str) -> int:
        """How many of the 512 tokens the prompt takes, its end mark included."""
        return len(self._tokenizer(clean(prompt), verbose=False).input_ids)

    def encode(self, prompts: Sequence[str]) -> Tensor:
        """[n, 512, D] on the CPU in the network's type, zeros after the true length of each prompt.

        Each prompt runs alone, so that its embedding does not depend on its company. Raises `GenerationError`, before
        the network is opened, for a prompt of more than 512 tokens: cutting it would drop what its author asked for.
        """
        for prompt in prompts:
            self.check_length(prompt)
        texts = [clean(prompt) for prompt in prompts]
        embedded = [self._embedded(text) for text in texts]
        if self._free_after:
            self.free()
        rows = [torch.cat([rows, rows.new_zeros(MOST_TOKENS - len(rows), rows.shape[1])]) for rows in embedded]
        return torch.stack(rows)

    def free(self) -> None:
        """Drop the network, and keep the embeddings."""
        self._model = None
        gc.collect()  # offloading hooks and their modules refer to each other

    def check_length(self, prompt: str) -> None:
        """Raises `GenerationError` for a prompt of more than 512 tokens. Does not open the network."""
        tokens = self.token_count(prompt)
        if tokens > MOST_TOKENS:
            raise GenerationError(
                f"the prompt takes {tokens} tokens and the text encoder reads {MOST_TOKENS}",
                where=f"prompt {prompt[:40]!r}...",
                fix=f"shorten the prompt by {tokens - MOST_TOKENS} tokens, about {(tokens - MOST_TOKENS) * 3 // 4 + 1} "
                "English words",
            )

    def _embedded(self, text: str) -> Tensor:
        """[tokens, D] of a clean prompt, from the kept ones if it is there."""
        if text not in self._kept:
            self._kept[text] = self._run(text)
            if len(self._kept) > KEPT_PROMPTS:
                self._kept.popitem(last=False)
        self._kept.move_to_end(text)
        return self._kept[text]

    @torch.no_grad()
    def _run(self, text: str) -> Tensor:
        if self._model is None:
            self._model = self._open_model()
        # Padded as in the reference pipelines: padding is masked, yet it decides the shapes and so the last bits.
        tokens = self._tokenizer(text, padding="max_length", max_length=MOST_TOKENS, return_tensors="pt")
        device = get_module_execution_device(self._model)
        states = self._model(tokens.input_ids.to(device), tokens.attention_mask.to(device)).last_hidden_state[0]
        return states[: int(tokens.attention_mask.sum())].cpu().clone()


def clean(prompt: str) -> str:
    """The prompt as the encoder was trained on it: broken characters mended where ftfy is installed, HTML entities
    (also doubly escaped ones) resolved, runs of white space made one space."""
    if is_ftfy_available():
        prompt = importlib.import_module("ftfy").fix_text(prompt)
    return re.sub(r"\s+", " ", html.unescape(html.unescape(prompt))).strip()
