"""Images and labels: where they lie, whether they are whole, how they are split, moved and composed."""
