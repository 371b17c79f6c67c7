"""A stranger's file: how it is read, checked and run, below all that decides what to run it for.

`source` reads it, `text_checks` judges its text, `contained` runs it: behind `supervisor`, in the program `inside`, in
a `sandbox` if wanted, heard through `pipes`; `diagnosis` says why it ended. Nothing that it hands back is believed.
"""
