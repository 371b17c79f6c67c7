"""A lambda is called 'unlearning'."""
# check: defines_unlearning
# level: FAIL

unlearning = lambda net, retain, forget, validation: net
