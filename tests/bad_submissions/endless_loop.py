"""A loop without an end."""
# check: time_budget
# level: FAIL
# says: took more than

def unlearning(net, retain, forget, validation):
    while True:
        pass
