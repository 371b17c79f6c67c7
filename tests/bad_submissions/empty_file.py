"""The file defines nothing at all."""
# check: defines_unlearning
# level: FAIL


