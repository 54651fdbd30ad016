import numpy as np
import torch

from spatia.generation.wan.conditioning import LatentEncoder, hole_mask_of, known_frames
from spatia.generation.wan.networks import Work
from spatia.networks.autoencoder import Autoencoder
from spatia.records.projection import Projection
from support.generation import request_in_scene
from support.tiny import tiny_settings, tiny_source, tiny_spatia


def autoencoder() -> Autoencoder:
    request = request_in_scene()
    return tiny_source(tiny_settings()).networks_for(Work.of(request, tiny_spatia().layout(request))).autoencoder


def unwatched(done: int, total: int) -> None:
    pass


def test_the_hole_mask_is_white_where_the_memory_knows_nothing_and_soft_on_soft_edges() -> None:
    alpha = np.array([[[0.0, 0.25, 1.0]]], dtype=np.float32)
    projection = Projection(
        rgb=np.zeros((1, 1, 3, 3), dtype=np.uint8),
        depth_m=np.array([[[0, 1, 1]]], dtype=np.float32),
        index=np.array([[[-1, 0, 0]]], dtype=np.int32),
        alpha=alpha,
    )
    assert hole_mask_of(projection).tolist() == [[[255, 191, 0]]]


def test_a_later_round_is_given_its_history_and_all_references() -> None:
    request = request_in_scene(preceding=9)
    known = known_frames(request, references_in_first=False)
    assert np.array_equal(known.history, request.preceding.rgb)
    assert np.array_equal(known.references, request.references.rgb)
    layout = tiny_spatia().layout(request)
    assert (layout.references, layout.history, layout.new) == (2, 3, 3)


def test_a_first_round_has_no_references_in_the_release_and_has_them_in_the_paper() -> None:
    request = request_in_scene(preceding=0)
    assert len(known_frames(request, references_in_first=False).references) == 0
    assert len(known_frames(request, references_in_first=True).references) == 2


def test_a_photograph_from_the_first_pose_is_the_first_frame_and_no_reference() -> None:
    request = request_in_scene(preceding=0, references=slice(0, 3))
    for in_first, others in ((False, 0), (True, 2)):
        known = known_frames(request, references_in_first=in_first)
        assert np.array_equal(known.history, request.references.rgb[:1])
        assert len(known.references) == others


def test_a_frame_that_was_encoded_before_is_not_encoded_again() -> None:
    frames = request_in_scene().references.rgb
    network = autoencoder()
    latents = LatentEncoder(network, as_released=False)
    first = latents.singles(frames, check=unwatched)
    runs: list[object] = []
    network.vae.encoder.register_forward_hook(lambda *_: runs.append(None))
    assert torch.equal(latents.singles(frames[::-1].copy(), check=unwatched), first.flip(1))
    assert runs == []


def test_references_are_encoded_one_by_one() -> None:
    frames = request_in_scene().references.rgb
    latents = LatentEncoder(autoencoder(), as_released=False)
    together = latents.singles(frames, check=unwatched)
    alone = [latents.video(frame[None], check=unwatched) for frame in frames]
    assert torch.equal(together, torch.cat(alone, dim=1))
    assert together.shape[1] == len(frames)
