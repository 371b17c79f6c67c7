"""The function is defined only when the file is run as a program."""
# check: defines_unlearning
# level: FAIL

if __name__ == "__main__":

    def unlearning(net, retain, forget, validation):
        return net
