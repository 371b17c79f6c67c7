"""Measures that need the model itself, one file each; they load Keras only when imported.

A probe works on a copy: the model that it is given stays as it is.
"""
