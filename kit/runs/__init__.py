"""Making models: originals, retrained models, one run of a method, populations of runs, and where they are stored."""
