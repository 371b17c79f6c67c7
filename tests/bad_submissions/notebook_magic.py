"""Cells of a notebook were pasted with their commands."""
# check: parses
# level: FAIL

!pip install keras
%matplotlib inline

def unlearning(net, retain, forget, validation):
    return net
