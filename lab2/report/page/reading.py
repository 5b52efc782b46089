"""How to read the table: what each of its columns says, in a sentence for whoever sees one for the first time."""

from __future__ import annotations

from collections.abc import Sequence

SENTENCES = {
    "test accuracy [95 %]": "The share of test images that are named rightly, the mean over seeds. With 95 % certainty "
    "the accuracy on new images of the same kind lies between the two numbers in brackets; with one seed, that of this "
    "one trained network.",
    "the lab’s accuracy": "What the university lab published for this architecture on MNIST.",
    "group": "Rows that share a letter are not shown to differ. Rows without a common letter are.",
    "rank": "The places that a row may have among all rows: 1–3 says that at least one place better or worse is open.",
    "seeds": "How many trainings ended well, and of how many. A seed draws the first weights and the order of the "
    "images: trainings that differ in nothing else end differently.",
    "F1": "The mean over classes of F1, which falls with wrong and with missed answers. Rare classes count as much as "
    "common ones.",
    "ECE": "Expected calibration error: by how much the network's confidence differs from how often it is right. 0 is "
    "best.",
    "mAP50": "Mean average precision of a detector's boxes, which count as found where they overlap the true box by "
    "half. 1 is best.",
    "training": "Time of training alone, without starting, validating and testing.",
    "parameters": "Numbers in the network that training could change; in brackets those that it did.",
    "latency p50": "Time for one image in a network that is ready for use: half of the calls take less.",
    "memory to train": "The most memory that the process took while it trained, Python and its libraries included.",
    "memory to infer": "The same while it named single images.",
    "FLOPs/image": "Floating-point operations for one image, a measure of work that depends on no machine. With ≥ some "
    "are not counted.",
    "precision": "Numbers in which it trained: fp32 has 32 bits, bf16 and fp16 have 16.",
    "effort": "How many recipes had been tried to find this one. A row with more effort has had more chances.",
    "weights": "What training started from: random numbers, or weights that were trained on other images before.",
    "status": "How the trainings ended.",
}
WORDS = {
    "margin": "A difference smaller than this counts as equal, if it is shown to be smaller.",
    "power": "The probability that more seeds or images will show a difference that is really there.",
}


def reading(titles: Sequence[str]) -> list[tuple[str, str]]:
    """The columns `titles` and the words of the answer, each with its sentence."""
    return [*((title, SENTENCES[title]) for title in titles if title in SENTENCES), *WORDS.items()]
