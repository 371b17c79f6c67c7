"""This process and the machine it runs on: threads, import path, silence, versions.

What comes in here says or sets something about the process alone, and knows nothing of models or data.
"""
