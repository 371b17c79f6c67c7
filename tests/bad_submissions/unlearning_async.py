"""The function is a coroutine."""
# check: defines_unlearning
# level: FAIL

async def unlearning(net, retain, forget, validation):
    return net
