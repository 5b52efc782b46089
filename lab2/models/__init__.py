"""The architectures: each module here is one, found without a list. `layers` and `building` make networks."""
