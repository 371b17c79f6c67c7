"""The backend: the only place with `tf.function` and `GradientTape`.

What a method needs of TensorFlow has a name in the toolbox; another backend is a folder beside this one with the same
names.
"""
