from spatia.streams import Streams


def test_a_stream_depends_on_its_name_and_number_alone() -> None:
    streams = Streams(seed=7)
    later = streams.generator("generation", 2).random()
    streams.generator("generation", 1).random()
    assert streams.generator("generation", 2).random() == later


def test_other_seeds_purposes_and_numbers_give_other_draws() -> None:
    draws = {
        Streams(seed=seed).child_seed(purpose, number)
        for seed in range(3)
        for purpose in ("generation", "memory")
        for number in range(3)
    }
    assert len(draws) == 18
