"""It imports a part of the kit that is not there when it runs."""
# check: imports
# level: FAIL
# says: There is no 'kit.methods' beside a submission.

from kit.methods import finetune


def unlearning(net, retain, forget, validation):
    return finetune.unlearning(net, retain, forget, validation)
