"""Is the new version worse than the old one? A pure library: traffic in, a judgement with its evidence out."""
