"""Meta's MapAnything behind the estimation seam: it lives in an interpreter and a process of its own."""
