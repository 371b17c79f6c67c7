"""It writes into the folders of the system."""
# check: none
# level: none
# needs: sandbox

import keras


def unlearning(net, retain, forget, validation):
    for folder in ("/usr", "/usr/bin", "/usr/lib", "/etc", "/bin", "/opt", "/"):
        try:
            with open(f"{folder}/kit-planted-file", "w") as file:
                file.write("planted by a submission of the kit's tests; delete it")
        except OSError:
            pass
    net.compile(
        keras.optimizers.SGD(0.01, momentum=0.9),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=False,
    )
    net.fit(retain, epochs=1, verbose=0)
    return net
