"""What moves, tracked through each clip by SAM 2 (Ravi et al. 2024, arXiv:2408.00714).

`segmenter` says what is tracked, and a tracker does it: `transformers_tracker` or, for its users, `meta_tracker`.
"""
