"""TensorFlow as a backend: the only place with `tf.function` and `GradientTape`.

`steps` is training, `derivatives` and `per_example` are gradients by weights, `forward` is inference, `data` is the
edge to `tf.data`, `random` is random numbers inside compiled functions, `vectors` what Keras's own operations would
round otherwise, `optimizers` TensorFlow's fused updates, `setup` the process. Another backend is a folder beside this
one with the same names; `kit.toolbox._backend` picks one.
"""
