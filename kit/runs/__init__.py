"""Making models: originals, retrained models, one run of a method, populations of runs, and where they are stored.

Decisions:

- A population is an order, a maker and a store: `Order` is what each process is handed, `Maker` what it builds from
  that, `Store` the folder. Only the maker imports TensorFlow, and only when a model is missing.
- Results of a user's function are never reused from disk: its source does not tell all that it depends on. Those of
  files and built-in methods are, under a hash of the kit's source, the recipe, the split, the weights, the versions
  and the machine.
- Outputs are confidences and correctness, and logits of the first 16 models only: every loss and most scores follow
  from the confidence, in a tenth of the space. Scores that need all classes' probabilities say that they use 16
  models.
- Outputs are compiled: a forward pass by `model.predict` costs more than the pass itself here.
- A published data set's images are not part of a model's fingerprint, its name, labels and order are: copies differ
  in single images. The report's `data_sha256` covers every byte.
- A shipped retrained model is run 0 of `retrain`, so that a population that begins with it is the one that would be
  made.
"""
