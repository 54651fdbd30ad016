from collections.abc import Callable
from types import SimpleNamespace

import pytest
import torch
from diffusers import WanPipeline
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from torch import Tensor
from transformers import PreTrainedTokenizerFast, UMT5Config, UMT5EncoderModel

from spatia.errors import GenerationError
from spatia.networks.text import KEPT_PROMPTS, MOST_TOKENS, TextEncoder, clean

WORDS = ("<pad>", "</s>", "<unk>", "a", "lighthouse", "on", "the", "coast", "&", ",")


def word_tokenizer() -> PreTrainedTokenizerFast:
    tokenizer = Tokenizer(models.WordLevel({word: index for index, word in enumerate(WORDS)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", eos_token="</s>", unk_token="<unk>", model_max_length=MOST_TOKENS
    )


def small_umt5() -> UMT5EncoderModel:
    config = UMT5Config(
        vocab_size=len(WORDS), d_model=16, d_kv=4, d_ff=32, num_layers=2, num_heads=4, tie_word_embeddings=False
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return UMT5EncoderModel(config).eval()


class Counted:
    """Opens the small network and counts how often it was opened and run."""

    def __init__(self) -> None:
        self.opened = 0
        self.runs = 0

    def __call__(self) -> UMT5EncoderModel:
        self.opened += 1
        model = small_umt5()
        model.register_forward_pre_hook(self._count)
        return model

    def _count(self, *_: object) -> None:
        self.runs += 1


def encoder(open_model: Callable[[], UMT5EncoderModel], *, free_after: bool = False) -> TextEncoder:
    return TextEncoder(open_model, word_tokenizer(), free_after=free_after)


def test_embeddings_equal_those_of_the_wan_pipeline() -> None:
    prompts = ["a lighthouse on the coast", "  the\n coast &amp;amp; a   storm ", ""]
    owner = SimpleNamespace(tokenizer=word_tokenizer(), text_encoder=small_umt5())
    with torch.no_grad():
        wanted = [
            WanPipeline._get_t5_prompt_embeds(owner, prompt, max_sequence_length=512, device=torch.device("cpu"))
            for prompt in prompts
        ]
    assert torch.equal(encoder(small_umt5).encode(prompts), torch.cat(wanted))


def test_all_after_the_end_of_the_prompt_is_zero() -> None:
    embeddings = encoder(small_umt5).encode(["a lighthouse"])
    assert embeddings.shape == (1, MOST_TOKENS, 16)
    assert bool((embeddings[0, :3].abs().sum(dim=1) > 0).all())
    assert not embeddings[0, 3:].any()


def test_the_end_mark_counts_as_a_token() -> None:
    assert encoder(small_umt5).token_count(" a  lighthouse\t") == 3


def test_a_prompt_runs_once_however_often_it_is_asked_for() -> None:
    model = Counted()
    text = encoder(model)
    first = text.encode(["a lighthouse", "the coast"])
    again = text.encode(["the coast", "a  lighthouse", "the coast"])
    assert torch.equal(again, first[[1, 0, 1]])
    assert (model.opened, model.runs) == (1, 2)


def test_the_network_is_opened_when_first_needed_and_freed_when_asked() -> None:
    model = Counted()
    text = encoder(model, free_after=True)
    assert (model.opened, text.is_loaded) == (0, False)
    text.encode(["a lighthouse"])
    text.encode(["a lighthouse"])
    assert (model.opened, text.is_loaded) == (1, False)
    text.encode(["the coast"])
    assert model.opened == 2


def test_the_network_stays_until_it_is_freed() -> None:
    text = encoder(small_umt5)
    text.encode(["a lighthouse"])
    assert text.is_loaded
    text.free()
    assert not text.is_loaded


def test_only_the_latest_prompts_are_kept() -> None:
    model = Counted()
    text = encoder(model)
    prompts = ["a " * count for count in range(1, KEPT_PROMPTS + 2)]
    text.encode(prompts)
    text.encode(prompts[1:])
    assert model.runs == len(prompts)
    text.encode(prompts[:1])
    assert model.runs == len(prompts) + 1


def test_a_prompt_that_is_too_long_is_refused_before_the_network_is_opened() -> None:
    model = Counted()
    text = encoder(model)
    with pytest.raises(GenerationError, match="520 tokens and the text encoder reads 512") as raised:
        text.encode(["a lighthouse", "coast " * 519])
    assert "shorten the prompt by 8 tokens" in raised.value.fix
    assert model.opened == 0


def test_a_prompt_of_just_512_tokens_is_read_to_its_end() -> None:
    embeddings = encoder(small_umt5).encode(["coast " * 511])
    assert embeddings[0, -1].any()


def test_more_prompts_than_are_kept_can_be_encoded_at_once() -> None:
    prompts = ["a " * count for count in range(1, KEPT_PROMPTS + 3)]
    text = encoder(small_umt5)
    alone: Tensor = encoder(small_umt5).encode(prompts[:1])
    assert torch.equal(text.encode(prompts)[:1], alone)


@pytest.mark.parametrize(
    ("prompt", "wanted"),
    [(" a\t b\n\nc ", "a b c"), ("salt &amp; sea", "salt & sea"), ("&amp;lt;sea&amp;gt;", "<sea>"), ("", "")],
)
def test_prompts_are_cleaned_as_in_training(prompt: str, wanted: str) -> None:
    assert clean(prompt) == wanted
