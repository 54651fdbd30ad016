from pathlib import Path

import pytest
import torch
from diffusers import AutoencoderKLWan, WanPipeline, WanTransformer3DModel
from safetensors.torch import load_file
from torch import Tensor
from transformers import AutoTokenizer, UMT5EncoderModel

from spatia.checkpoints import names, text_names, tiny, vae_names
from spatia.checkpoints.shelf import Shelf
from spatia.checkpoints.tensors import TensorSpec
from spatia.checkpoints.tiny import TinyModels, write_tiny_models
from spatia.networks.autoencoder import Autoencoder
from spatia.networks.lora import add_lora, use_lora
from spatia.networks.sampler import Sampler
from spatia.networks.text import TextEncoder
from spatia.networks.transformer import WanControlTransformer


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="module")
def original(root: Path) -> TinyModels:
    return write_tiny_models(root, layout="original")


@pytest.fixture(scope="module")
def in_diffusers(root: Path) -> TinyModels:
    return write_tiny_models(root, layout="diffusers")


@pytest.fixture(scope="module")
def transformer(in_diffusers: TinyModels) -> WanControlTransformer:
    """With the weights as written, the control branch's included, and the LoRA switched off."""
    transformer: WanControlTransformer = WanControlTransformer.of(tiny.TRANSFORMER)
    state = load_file(in_diffusers.base / "transformer" / "diffusion_pytorch_model.safetensors")
    state |= {names.to_diffusers(name): tensor.float() for name, tensor in load_file(in_diffusers.control).items()}
    transformer.load_state_dict(state)
    lora = load_file(in_diffusers.lora)
    add_lora(transformer, {new: lora[old].float() for old, new in names.lora_names(lora).items()}, name="spatia")
    transformer.eval()
    return transformer


def published(path: Path) -> dict[str, Tensor]:
    weights: dict[str, Tensor] = torch.load(path, weights_only=True)  # noqa: TID251 - a file that was just written
    return weights


def all_bytes(folder: Path) -> dict[str, bytes]:
    files = (path for path in sorted(folder.rglob("*")) if path.suffix in (".safetensors", ".json"))
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def specs(tensors: dict[str, Tensor]) -> dict[str, TensorSpec]:
    return {name: TensorSpec(shape=tuple(tensor.shape), dtype=str(tensor.dtype)) for name, tensor in tensors.items()}


def test_a_shelf_finds_every_file_it_needs(root: Path, original: TinyModels, in_diffusers: TinyModels) -> None:
    shelf = Shelf(root)
    for name in ("wan2.2-ti2v-5b", "wan2.2-ti2v-5b-diffusers", "spatia"):
        assert shelf.lacking(name) == []
    assert original.base == shelf.folder("wan2.2-ti2v-5b")
    assert in_diffusers.base == shelf.folder("wan2.2-ti2v-5b-diffusers")


def test_all_models_together_are_small(root: Path, original: TinyModels, in_diffusers: TinyModels) -> None:
    assert sum(path.stat().st_size for path in root.rglob("*") if path.is_file()) < 10_000_000


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(tmp_path: Path, in_diffusers: TinyModels) -> None:
    again = write_tiny_models(tmp_path / "same", layout="diffusers")
    other = write_tiny_models(tmp_path / "other", layout="diffusers", seed=1)
    for wanted, same, different in (
        (in_diffusers.base, again.base, other.base),
        (in_diffusers.control.parent, again.control.parent, other.control.parent),
    ):
        assert all_bytes(same) == all_bytes(wanted)
        assert all_bytes(different).keys() == all_bytes(wanted).keys()
        assert all_bytes(different) != all_bytes(wanted)


def test_diffusers_opens_its_layout_as_a_pipeline(in_diffusers: TinyModels) -> None:
    pipeline = WanPipeline.from_pretrained(in_diffusers.base, local_files_only=True)
    assert isinstance(pipeline.transformer, WanTransformer3DModel)
    assert isinstance(pipeline.vae, AutoencoderKLWan)
    assert isinstance(pipeline.text_encoder, UMT5EncoderModel)
    written = load_file(in_diffusers.base / "transformer" / "diffusion_pytorch_model.safetensors")
    assert pipeline.transformer.state_dict().keys() == written.keys()
    assert torch.equal(pipeline.text_encoder.shared.weight, pipeline.text_encoder.encoder.embed_tokens.weight)


def test_both_layouts_hold_the_same_weights(original: TinyModels, in_diffusers: TinyModels) -> None:
    ours = in_diffusers.base
    shards: dict[str, Tensor] = {}
    for path in sorted(original.base.glob("diffusion_pytorch_model-*-of-00003.safetensors")):
        shards |= load_file(path)
    for theirs, rename, file in (
        (shards, names.to_diffusers, "transformer/diffusion_pytorch_model.safetensors"),
        (
            published(original.base / "Wan2.2_VAE.pth"),
            vae_names.to_diffusers,
            "vae/diffusion_pytorch_model.safetensors",
        ),
        (
            published(original.base / "models_t5_umt5-xxl-enc-bf16.pth"),
            text_names.to_transformers,
            "text_encoder/model.safetensors",
        ),
    ):
        written = load_file(ours / file)
        renamed = {rename(name): tensor for name, tensor in theirs.items()}
        assert renamed.keys() == written.keys()
        assert all(torch.equal(tensor, written[name]) for name, tensor in renamed.items())


def test_the_shapes_tell_the_configuration_of_the_pth_files(original: TinyModels, in_diffusers: TinyModels) -> None:
    vae = AutoencoderKLWan.load_config(in_diffusers.base / "vae")
    told = vae_names.config_of(specs(published(original.base / "Wan2.2_VAE.pth")))
    assert {key: vae[key] for key in told} == told
    encoder = UMT5EncoderModel.config_class.from_pretrained(in_diffusers.base / "text_encoder")
    text = text_names.config_of(specs(published(original.base / "models_t5_umt5-xxl-enc-bf16.pth")))
    assert {key: getattr(encoder, key) for key in text} == text


def test_the_control_file_holds_the_names_of_the_release(original: TinyModels) -> None:
    control = load_file(original.control)
    assert len(control) == 2 + 2 * 29 + 2  # patches; two blocks, of which the first also takes the video in
    assert {"vace_patch_embedding.weight", "vace_blocks.0.before_proj.weight", "vace_blocks.1.after_proj.bias"} <= (
        control.keys()
    )
    assert "vace_blocks.1.before_proj.weight" not in control
    assert control["vace_blocks.1.after_proj.weight"].abs().max() > 0


def test_the_lora_file_holds_the_names_of_the_release(original: TinyModels) -> None:
    lora = load_file(original.lora)
    assert len(lora) == 4 * 10 * 2
    assert lora["pipe.dit.blocks.3.self_attn.q.lora_A.default.weight"].shape == (4, 48)
    assert lora["pipe.dit.blocks.0.ffn.0.lora_B.default.weight"].shape == (96, 4)


def test_the_tokenizer_opens_offline_and_ends_prompts_as_umt5_does(original: TinyModels) -> None:
    tokenizer = AutoTokenizer.from_pretrained(original.base / "google" / "umt5-xxl", local_files_only=True)
    tokens = tokenizer("a lighthouse on the coast, 夜").input_ids
    assert tokens[-1] == tokenizer.eos_token_id == 1
    assert tokenizer.pad_token_id == 0
    assert tokens.count(tokenizer.unk_token_id) == 1
    assert tokenizer.decode(tokens[:2]) == "a lighthouse"


def test_text_becomes_embeddings_that_differ_by_prompt(in_diffusers: TinyModels) -> None:
    text = TextEncoder(
        lambda: UMT5EncoderModel.from_pretrained(in_diffusers.base / "text_encoder", dtype=torch.float32),
        AutoTokenizer.from_pretrained(in_diffusers.base / "tokenizer"),
        free_after=True,
    )
    day, night = text.encode(["the coast by day", "the coast by night"])
    assert day.shape == (512, 32)
    assert 0.3 < day[:5].std() < 3
    assert (day - night)[:5].abs().max() > 0.1


def test_pictures_survive_neither_as_one_colour_nor_as_nan(in_diffusers: TinyModels) -> None:
    autoencoder = Autoencoder(AutoencoderKLWan.from_pretrained(in_diffusers.base / "vae"))
    latents = autoencoder.encode(torch.rand(5, 3, 64, 96, generator=torch.Generator().manual_seed(0)) * 2 - 1)
    assert 0.3 < latents.std() < 3
    frames = autoencoder.decode(latents).float()
    assert 20 < frames.std() < 120
    assert (frames[1:] - frames[:-1]).abs().mean() > 1


@pytest.fixture
def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def test_forty_steps_with_guidance_stay_finite(transformer: WanControlTransformer, generator: torch.Generator) -> None:
    sampler = Sampler("unipc", steps=40, shift=5.0)
    latents = torch.randn(1, 48, 4, 4, 6, generator=generator)
    control = torch.randn(1, 96, 3, 4, 6, generator=generator)
    prompt, negative = torch.randn(2, 1, 16, 32, generator=generator)
    use_lora(transformer, "spatia")
    with torch.no_grad():
        for timestep in sampler.timesteps:
            times = timestep.expand(1, 4)
            guided, free = (
                transformer(latents, times, text, control=control, references=1) for text in (prompt, negative)
            )
            latents = sampler.step(free + 3.5 * (guided - free), timestep, latents)
    assert torch.isfinite(latents).all()
    assert 0.1 < latents.std() < 20


def test_control_and_lora_change_what_is_predicted(
    transformer: WanControlTransformer, generator: torch.Generator
) -> None:
    latents = torch.randn(1, 48, 2, 4, 4, generator=generator)
    control = torch.randn(1, 96, 2, 4, 4, generator=generator)
    text = torch.randn(1, 512, 32, generator=generator)
    times = torch.full((1, 2), 500.0)
    with torch.no_grad():
        use_lora(transformer)
        plain, hinted = transformer(latents, times, text), transformer(latents, times, text, control=control)
        use_lora(transformer, "spatia")
        adapted = transformer(latents, times, text)
    assert (hinted - plain).abs().mean() > 0.05 * plain.abs().mean()
    assert (adapted - plain).abs().mean() > 0.01 * plain.abs().mean()
