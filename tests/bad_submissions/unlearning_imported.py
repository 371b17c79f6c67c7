"""The function comes from another module."""
# check: defines_unlearning
# level: FAIL

from kit.methods.finetune import unlearning
