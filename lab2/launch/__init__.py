"""From a plan to running trials, and from what they leave to what became of them."""
